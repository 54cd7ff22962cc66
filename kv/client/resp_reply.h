// kv/client/resp_reply.h: RESP on the client's side: writes commands, reads
// replies (RESP2 and RESP3) that arrive in pieces of any size.
//
// Does no I/O. node/protocol/resp_parser.h is the server's side.
#ifndef QUORATE_KV_CLIENT_RESP_REPLY_H_
#define QUORATE_KV_CLIENT_RESP_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace quorate::kv {

// Limits of a reply; a larger reply is a protocol error.
inline constexpr size_t kReplyStringBytesMax = 64 << 20;
inline constexpr size_t kReplyElementsMax = 1 << 20;
inline constexpr int kReplyDepthMax = 8;

struct RespValue {
  enum class Kind : uint8_t {
    // A simple, bulk or verbatim string; a double or a big number, as text.
    kString,
    // An error: its text without the leading '-'.
    kError,
    // An integer, or a boolean as 1 or 0.
    kInteger,
    kNil,
    // An array, a set or a push; a map as keys and values in turn.
    kArray,
  };
  Kind kind = Kind::kNil;
  std::string text = {};
  int64_t integer = 0;
  std::vector<RespValue> elements = {};

  bool is_error() const { return kind == Kind::kError; }
  bool is_nil() const { return kind == Kind::kNil; }
  friend bool operator==(const RespValue&, const RespValue&) = default;
};

// Appends "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".
void AppendRespCommand(absl::Span<const std::string_view> arguments,
                       std::string* out);

// Parses each byte once, however replies are split. Complete elements leave the
// buffer at once, and an incomplete reply keeps them.
class RespReplyParser {
 public:
  enum class Progress : uint8_t {
    kValue,     // One reply was read.
    kNeedMore,  // The bytes end within a reply.
    kError,     // Not RESP. All later calls fail as well.
  };

  void Append(std::string_view bytes);
  // Reads the next reply.
  Progress Next(RespValue* value);

  // Bytes of an incomplete line or string.
  size_t unparsed_bytes() const { return bytes_.size() - taken_; }
  // Bytes searched, copied or moved so far: at most four times the bytes
  // appended.
  uint64_t work_bytes() const { return work_bytes_; }

 private:
  // An array whose elements are not complete.
  struct Open {
    RespValue array;
    uint64_t left = 0;
  };

  // Appends a value to the innermost open array. Returns true if that completes
  // a reply, which is then in `value`.
  bool Complete(RespValue* value);
  // Parses one scalar, or the head of an array. A non-empty array is opened.
  Progress ParseOne(RespValue* value, bool* opened);
  Progress ParseString(std::string_view size_text, bool verbatim,
                       RespValue* value);
  Progress TakeString(RespValue* value);
  Progress ParseElements(std::string_view count_text, size_t multiple,
                         RespValue* value, bool* opened);
  // Reads the line at `taken_` without its end, and advances past it.
  Progress TakeLine(std::string_view* line);

  std::string bytes_;
  size_t taken_ = 0;
  size_t searched_ = 0;     // No line ends before this offset.
  std::vector<Open> open_;  // The open arrays, outermost first.
  // The size of a string was read, its bytes were not.
  bool in_string_ = false;
  bool verbatim_ = false;
  size_t string_bytes_ = 0;
  uint64_t work_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_RESP_REPLY_H_
