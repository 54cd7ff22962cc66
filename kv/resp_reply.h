// kv/resp_reply.h: RESP as a client sees it: commands out, replies (RESP2 and RESP3) in, split anywhere.
//
// Pure: bytes in, values out. The server's side of the protocol is node/resp_parser.h.
#ifndef QUORATE_KV_RESP_REPLY_H_
#define QUORATE_KV_RESP_REPLY_H_

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

class RespReplyParser {
 public:
  enum class Progress : uint8_t {
    kValue,     // One reply was taken.
    kNeedMore,  // The bytes end within a reply.
    kError,     // Not RESP. Nothing more will come out.
  };

  void Append(std::string_view bytes);
  // Takes the next reply. A reply that is cut off is looked at again when more bytes are there.
  Progress Next(RespValue* value);

  size_t unparsed_bytes() const { return bytes_.size() - taken_; }

 private:
  Progress ParseValue(size_t* at, int depth, RespValue* value);
  Progress ParseString(size_t* at, std::string_view size_text, bool verbatim,
                       RespValue* value);
  Progress ParseElements(size_t* at, std::string_view count_text,
                         size_t multiple, int depth, RespValue* value);
  // The line at `at`, without its end; moves behind it.
  Progress TakeLine(size_t* at, std::string_view* line);

  std::string bytes_;
  size_t taken_ = 0;
  // Bytes that the cut-off reply at `taken_` is known to need, so that a large one is not parsed at every piece.
  size_t needed_ = 0;
  bool failed_ = false;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_RESP_REPLY_H_
