// node/protocol/resp_writer.h: appends replies in RESP2 or RESP3 to a string.
//
// The caller keeps the nesting right: Array(2) is followed by two replies,
// Map(2) by four. For types that RESP2 lacks (maps, sets, nulls, verbatim
// text), the writer writes the RESP2 form that Redis uses.
#ifndef QUORATE_NODE_PROTOCOL_RESP_WRITER_H_
#define QUORATE_NODE_PROTOCOL_RESP_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "env/buffer.h"
#include "node/base/reply_text.h"

namespace quorate::node {

class RespWriter {
 public:
  // `version` is 2 or 3. `out` must outlive the writer.
  RespWriter(std::string* out, int version) : out_(out), version_(version) {}
  // Large values are shared, not copied.
  RespWriter(ReplyText* out, int version)
      : out_(&out->text()), reply_(out), version_(version) {}
  // For a reply that is not sent: `error` receives the reply if it is an error,
  // and else nothing.
  static RespWriter OfErrorAlone(std::string* error, int version) {
    RespWriter writer(error, version);
    writer.error_alone_ = true;
    return writer;
  }

  void Ok() { Raw("+OK\r\n"); }
  void Simple(std::string_view text);
  // `text` begins with its code, as in "ERR syntax error". Line ends inside it
  // become spaces.
  void Error(std::string_view text);
  void Integer(int64_t value);
  void Bulk(std::string_view bytes);
  // `shared`, if not null, holds the bytes of `bytes`.
  void Bulk(std::string_view bytes, const Buffer* shared);
  void Null();       // $-1 or _.
  void NullArray();  // *-1 or _.
  void Array(size_t size) { Header('*', size); }
  void Map(size_t pairs);
  void Set(size_t size) { Header(version_ >= 3 ? '~' : '*', size); }
  // Text for people: "txt" in RESP3, a bulk string in RESP2.
  void Verbatim(std::string_view text);
  // Appends bytes that are already a reply, without a copy where possible.
  void Share(Buffer reply) {
    if (reply_ != nullptr) return reply_->Share(std::move(reply));
    Raw(reply.view());
  }
  // Appends bytes that are already a reply.
  void Raw(std::string_view reply) {
    if (!LeavesOut(reply)) out_->append(reply);
  }

  int version() const { return version_; }
  // For what follows, in the same reply too.
  void set_version(int version) { version_ = version; }

 private:
  void Header(char type, uint64_t value);
  // True if `part` of a reply is not written, since the reply is no error.
  bool LeavesOut(std::string_view part) {
    if (!error_alone_) return false;
    return std::exchange(begun_, true) || !part.starts_with('-');
  }

  std::string* out_;
  ReplyText* reply_ = nullptr;
  int version_;
  bool error_alone_ = false;
  bool begun_ = false;  // With error_alone_: a part of the reply was given.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PROTOCOL_RESP_WRITER_H_
