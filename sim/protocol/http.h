// sim/protocol/http.h: the HTTP requests that a simulated client writes, and
// the replies that it reads from a byte stream.
//
// Apart from the product's own code on purpose, like sim/protocol/reply.h.
#ifndef QUORATE_SIM_PROTOCOL_HTTP_H_
#define QUORATE_SIM_PROTOCOL_HTTP_H_

#include <cstddef>
#include <string>
#include <string_view>

namespace quorate::sim {

struct HttpCall {
  std::string method;
  std::string key;
  std::string parameters;       // The query with its '?'. Empty: none.
  std::string body;             // A PUT has one.
  std::string idempotency_key;  // Empty: none.
};
// The bytes of a request to /v1/kv.
std::string EncodeHttp(const HttpCall& call);

struct HttpAnswer {
  int status = 0;
  bool closes = false;  // The server closes the connection after the reply.
  std::string body;
};

// Parses incrementally: the bytes may be split anywhere.
class HttpAnswerParser {
 public:
  enum class Result { kAnswer, kNeedMore, kMalformed };

  void Feed(std::string_view bytes) { buffer_ += std::string(bytes); }
  // Takes the next whole reply. After kMalformed nothing more can be read.
  Result Next(HttpAnswer* answer);
  // Whether a part of a reply was received.
  bool in_answer() const { return !buffer_.empty(); }

 private:
  std::string buffer_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_HTTP_H_
