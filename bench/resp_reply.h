// bench/resp_reply.h: removes one RESP2 reply from the front of a byte stream;
// just enough for a load generator.
//
// Simple strings, errors, integers and bulk strings; the load asks for no
// arrays.
#ifndef QUORATE_BENCH_RESP_REPLY_H_
#define QUORATE_BENCH_RESP_REPLY_H_

#include <cstddef>
#include <string_view>

namespace quorate::bench {

struct RespReply {
  char kind = 0;          // '+', '-', ':', '$'; '?' for invalid bytes.
  bool null = false;      // The null bulk string.
  std::string_view text;  // Without framing; a view of the input.
};

// Returns the length of the first reply in `input`, 0 if it is incomplete.
// Invalid bytes give kind '?' and consume the whole input.
size_t CutReply(std::string_view input, RespReply* reply);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_RESP_REPLY_H_
