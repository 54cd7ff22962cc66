// sim/protocol/reply.h: the RESP commands that a client writes, and the replies
// that it reads from a byte stream, in RESP2 or RESP3.
//
// This parser is apart from the parsers of the product (kv/client, net/) on
// purpose. If both sides of a simulated connection shared one parser, a bug in
// it could cancel itself out, and no run would show it. The parser is pure:
// bytes in, replies out.
#ifndef QUORATE_SIM_PROTOCOL_REPLY_H_
#define QUORATE_SIM_PROTOCOL_REPLY_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"

namespace quorate::sim {

// A command as an array of bulk strings.
std::string EncodeCommand(std::initializer_list<std::string_view> words);
std::string EncodeCommand(const std::vector<std::string>& words);
// Appends the command to `bytes`.
void AppendCommand(absl::Span<const std::string_view> words,
                   std::string* bytes);

struct ClientReply {
  // RESP3: maps and sets are arrays, verbatim texts are bulks, and truth values
  // and decimals are simple.
  enum class Type : uint8_t { kSimple, kError, kInteger, kBulk, kNil, kArray };
  Type type = Type::kNil;
  std::string text;  // kSimple, kError, kBulk.
  int64_t integer = 0;
  std::vector<ClientReply> elements;

  bool is_error() const { return type == Type::kError; }
  // The first word of an error, such as "MOVED" or "ERR". Empty for other
  // replies.
  std::string_view error_code() const;
  // True for the error of a node that has as many connections as it may have.
  // No request of this connection was or will be executed.
  bool refuses_connection() const;
  // The reply in the form of redis-cli, on one line.
  std::string ToString() const;
};

// Parses incrementally: the bytes may be split anywhere.
class ReplyParser {
 public:
  enum class Result : uint8_t { kReply, kNeedMore, kMalformed };

  void Feed(std::string_view bytes);
  // Takes the next whole reply. After kMalformed nothing more can be read.
  Result Next(ClientReply* reply);
  // Whether a part of a reply was received.
  bool in_reply() const { return position_ < buffer_.size(); }

 private:
  static constexpr int kDepthMax = 8;

  Result Parse(size_t* at, int depth, ClientReply* reply) const;
  bool Line(size_t* at, std::string_view* line) const;

  std::string buffer_;
  size_t position_ = 0;  // The beginning of the next reply.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_REPLY_H_
