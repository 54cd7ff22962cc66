// kv/client/resp_reply.h: RESP as a client sees it: commands out, replies (RESP2 and RESP3) in, split anywhere.
//
// Pure: bytes in, values out. The server's side of the protocol is node/protocol/resp_parser.h.
#ifndef QUORATE_KV_CLIENT_RESP_REPLY_H_
#define QUORATE_KV_CLIENT_RESP_REPLY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace quorate::kv {

// What a reply may hold; beyond it is a protocol error.
inline constexpr size_t kReplyStringBytesMax = 64 << 20;
inline constexpr size_t kReplyElementsMax = 1 << 20;
inline constexpr int kReplyDepthMax = 8;

struct RespValue {
  enum class Kind : uint8_t {
    kString,  // Simple, bulk or verbatim; also doubles and big numbers, as text.
    kError,   // Text without the sign.
    kInteger,  // Also booleans.
    kNil,
    kArray,  // Also sets and pushes; maps as keys and values in turn.
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

// Reads each byte once, however the replies are split: elements leave the buffer as they come, and a reply that is cut off
// keeps those it has.
class RespReplyParser {
 public:
  enum class Progress : uint8_t {
    kValue,     // One reply was taken.
    kNeedMore,  // The bytes end within a reply.
    kError,     // Not RESP. Nothing more will come out.
  };

  void Append(std::string_view bytes);
  // Takes the next reply.
  Progress Next(RespValue* value);

  // Bytes that wait for the rest of their line or string.
  size_t unparsed_bytes() const { return bytes_.size() - taken_; }
  // Bytes searched, copied or moved so far; at most four times the bytes appended.
  uint64_t work_bytes() const { return work_bytes_; }

 private:
  // An array whose elements are coming.
  struct Open {
    RespValue array;
    uint64_t left = 0;
  };

  // Puts a value into the array that it belongs to. True if that ends a reply, which is then in `value`.
  bool Complete(RespValue* value);
  // One scalar, or the head of an array, which it opens unless it is empty.
  Progress ParseOne(RespValue* value, bool* opened);
  Progress ParseString(std::string_view size_text, bool verbatim,
                       RespValue* value);
  Progress TakeString(RespValue* value);
  Progress ParseElements(std::string_view count_text, size_t multiple,
                         RespValue* value, bool* opened);
  // The line at `taken_`, without its end; moves behind it.
  Progress TakeLine(std::string_view* line);

  std::string bytes_;
  size_t taken_ = 0;
  size_t searched_ = 0;     // No line ends before it.
  std::vector<Open> open_;  // From the reply inwards.
  bool in_string_ = false;  // Its size was taken, its bytes were not.
  bool verbatim_ = false;
  size_t string_bytes_ = 0;
  uint64_t work_bytes_ = 0;
  bool failed_ = false;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_RESP_REPLY_H_
