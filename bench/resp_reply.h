// bench/resp_reply.h: cuts one RESP2 reply off the front of a byte stream; just
// enough for a load generator.
//
// Simple strings, errors, integers and bulk strings; arrays are not asked for.
#ifndef QUORATE_BENCH_RESP_REPLY_H_
#define QUORATE_BENCH_RESP_REPLY_H_

#include <cstddef>
#include <string_view>

namespace quorate::bench {

struct RespReply {
  char kind = 0;      // '+', '-', ':', '$'; '?' for bytes that are no reply.
  bool null = false;  // A bulk string that is not there.
  std::string_view text;  // Without framing; a view of the input.
};

// Returns how many bytes of `input` the first reply takes, 0 if it is not
// complete yet. Bytes that are no reply give kind '?' and take everything.
size_t CutReply(std::string_view input, RespReply* reply);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_RESP_REPLY_H_
