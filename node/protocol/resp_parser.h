// node/protocol/resp_parser.h: cuts a stream of bytes into RESP requests (arrays of bulk
// strings, and inline commands).
//
// Incremental and without copies where a whole request lies in the bytes fed:
// arguments are views into them. Errors carry Redis's text and end the stream.
// Knows nothing of commands.
//
//   parser.Feed(bytes);
//   while (parser.Next() == RespParser::Result::kRequest)
//   Handle(parser.arguments()); parser.Detach();
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
    // Of one request, framing included.
    size_t request_bytes_max = 4 << 20;
    // Of an inline command, and of one header line.
    size_t line_bytes_max = 64 << 10;
  };
  enum class Result : uint8_t {
    kRequest,   // arguments() holds it; at least one argument.
    kNeedMore,  // Everything whole was returned.
    kError,     // error() says why; the stream cannot go on.
  };

  explicit RespParser(const Limits& limits) : limits_(limits) {}

  // Adds bytes behind those not yet parsed. `bytes` must stay valid until
  // Detach.
  void Feed(std::string_view bytes);
  // The next request. Views returned before become invalid.
  Result Next();
  // Copies what Next() has not returned, so that the bytes fed may go. Views
  // become invalid. Between two requests it keeps at most kKeptBytes of each of
  // its buffers.
  void Detach();
  static constexpr size_t kKeptBytes = 64 << 10;
  // Memory of all buffers, free or not.
  size_t held_bytes() const;

  // Valid after kRequest, until the next call of anything but const members.
  absl::Span<const std::string_view> arguments() const { return arguments_; }
  // "Protocol error: …", without the leading "-ERR ".
  const std::string& error() const { return error_; }
  // Bytes fed and not yet returned as requests.
  size_t unparsed_bytes() const { return input_.size() - position_; }
  // Bytes in the buffer from the beginning of the request under way; of one that
  // Next() returned, until Detach.
  size_t buffered_bytes() const {
    return input_.size() - begin_ + returned_bytes_;
  }
  // True in the middle of a request.
  bool in_request() const { return unparsed_bytes() > 0 || remaining_ > 0; }

 private:
  // Parses from input_; kNeedMore leaves the state so that more bytes continue
  // it.
  Result ParseMultibulk();
  Result ParseInline();
  Result ParseHeader();
  Result Fail(std::string message);
  // Finds "\r" from position_; false if there is none yet (and *too_long says
  // whether the line is already too long).
  bool FindLine(std::string_view* line, bool* too_long) const;

  const Limits limits_;
  // What is parsed: either the caller's bytes or buffer_.
  std::string_view input_;
  bool owned_ = false;
  std::string buffer_;
  size_t position_ = 0;        // In input_, of what is parsed next.
  size_t begin_ = 0;           // In input_, of the request under way.
  size_t returned_bytes_ = 0;  // Of the request that Next() returned last.
  // Of the multibulk request under way: arguments still to come, and -1 or the
  // length of the one begun.
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
