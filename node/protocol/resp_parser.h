// node/protocol/resp_parser.h: splits a stream of bytes into RESP requests
// (arrays of bulk strings, and inline commands).
//
// Incremental. Arguments of a request that lies completely in the fed bytes are
// views into these bytes, without copies. Errors have Redis's text and end the
// stream. Independent of commands.
//
//   parser.Feed(bytes);
//   while (parser.Next() == RespParser::Result::kRequest)
//     Handle(parser.arguments());
//   parser.Detach();
#ifndef QUORATE_NODE_PROTOCOL_RESP_PARSER_H_
#define QUORATE_NODE_PROTOCOL_RESP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/types/span.h"

namespace quorate::node {

class RespParser {
 public:
  struct Limits {
    size_t arguments_max = 1 << 20;
    size_t bulk_bytes_max = 4 << 20;
    // Size of one request, framing included.
    size_t request_bytes_max = 4 << 20;
    // Length of an inline command, and of one header line.
    size_t line_bytes_max = 64 << 10;
  };
  enum class Result : uint8_t {
    kRequest,   // arguments() holds the request; at least one argument.
    kNeedMore,  // Every complete request was returned.
    kError,     // error() gives the reason; the stream cannot continue.
  };

  explicit RespParser(const Limits& limits) : limits_(limits) {}

  // Appends bytes to the unparsed ones. `bytes` must stay valid until Detach.
  void Feed(std::string_view bytes);
  // Parses the next request. Views returned before become invalid.
  Result Next();
  // Copies the bytes that Next() has not returned, so that the caller may free
  // the fed bytes. Views become invalid. Between two requests each buffer keeps
  // at most kKeptBytes.
  void Detach();
  static constexpr size_t kKeptBytes = 16 << 10;
  // Frees the bytes that Next() has not returned. The stream cannot continue.
  void Drop();
  // Memory of all buffers, used or free.
  size_t held_bytes() const;
  // Memory of the bytes that Next() has not returned; zero between two
  // requests. Valid after Detach.
  size_t input_bytes() const;

  // Valid after kRequest, until the next call of a non-const member.
  absl::Span<const std::string_view> arguments() const { return arguments_; }
  // "Protocol error: …", without the leading "-ERR ".
  const std::string& error() const { return error_; }
  // Fed bytes that Next() has not returned as requests.
  size_t unparsed_bytes() const { return input_.size() - position_; }
  // Bytes in the buffer from the beginning of the current request; after Next()
  // returned a request, with that request until Detach.
  size_t buffered_bytes() const {
    return input_.size() - begin_ + returned_bytes_;
  }
  // True in the middle of a request.
  bool in_request() const { return unparsed_bytes() > 0 || remaining_ > 0; }

 private:
  // These parse from input_. After kNeedMore, the next bytes continue the same
  // request.
  Result ParseMultibulk();
  Result ParseInline();
  Result ParseHeader();
  Result ParseBulkHeader();
  Result Fail(std::string_view message);
  struct HeaderKind {
    char mark;  // Its first character; a number follows.
    std::string_view too_long;
    std::string_view invalid;
  };
  // Takes a header line from position_ on. Fails if its number is below `min`
  // or above `max`, or if the line has another form. Requires: a first byte.
  Result TakeHeader(const HeaderKind& kind, int64_t min, uint64_t max,
                    int64_t* number);
  // Reads a header line, from position_ on, that is one character and a number
  // of up to nine digits. False if it is not complete or has another form.
  bool TakeShortHeader(int64_t* number);
  // Finds "\r" from position_. False if the line is incomplete; `*too_long`
  // then says whether it already exceeds the limit.
  bool FindLine(std::string_view* line, bool* too_long) const;

  const Limits limits_;
  // The bytes being parsed: either the caller's bytes or buffer_.
  std::string_view input_;
  bool owned_ = false;
  std::string buffer_;
  size_t position_ = 0;        // In input_: offset of the next byte to parse.
  size_t begin_ = 0;           // In input_: start of the current request.
  size_t returned_bytes_ = 0;  // Size of the request that Next() returned last.
  // Arguments of the current multibulk request that are still to come, and the
  // length of the argument that has begun, or -1.
  int64_t remaining_ = 0;
  int64_t bulk_size_ = -1;
  // Arguments so far, as (offset, size) in input_.
  std::vector<std::pair<size_t, size_t>> spans_;
  std::vector<std::string_view> arguments_;
  // Unescaped words of an inline command.
  std::vector<std::string> words_;
  std::string error_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PROTOCOL_RESP_PARSER_H_
