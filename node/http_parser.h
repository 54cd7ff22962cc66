// node/http_parser.h: cuts a stream of bytes into HTTP/1.x requests. The grammar is libhttp-parser's; limits are ours.
//
//   parser.Feed(bytes);
//   while (parser.Next() == HttpParser::Result::kRequest) Handle(parser.request());
//   parser.Detach();
#ifndef QUORATE_NODE_HTTP_PARSER_H_
#define QUORATE_NODE_HTTP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace quorate::node {

struct HttpRequest {
  std::string method;
  std::string target;  // As sent, "/v1/kv/a%20b?cas=0".
  std::vector<std::pair<std::string, std::string>>
      headers;       // Names in lower case.
  std::string body;  // Chunks put together.
  bool keep_alive = true;

  // The first header of that (lower-case) name, or null.
  const std::string* Header(std::string_view name) const;
};

class HttpParser {
 public:
  struct Limits {
    size_t header_bytes_max = 16 << 10;  // Request line and all headers.
    size_t body_bytes_max = 448 << 10;
  };
  enum class Result : uint8_t { kRequest, kNeedMore, kError };

  explicit HttpParser(const Limits& limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Adds bytes behind those not yet parsed. `bytes` must stay valid until Detach.
  void Feed(std::string_view bytes);
  Result Next();
  // Copies what was not parsed yet, so that the bytes fed may go.
  void Detach();

  // Valid after kRequest until the next Next.
  HttpRequest& request() { return request_; }
  // After kError: 400, 413, 431 or 501, and why.
  int error_status() const { return error_status_; }
  const std::string& error() const { return error_; }
  // The client waits for "100 Continue" before it sends the body; true once per request.
  bool TakeExpectsContinue();
  // Part of a request was seen.
  size_t partial_bytes() const;

 private:
  struct Callbacks;
  struct State;

  std::unique_ptr<State> state_;
  const Limits limits_;
  HttpRequest request_;
  std::string_view input_;
  std::string buffer_;
  size_t partial_bytes_ = 0;  // Of the request under way, already parsed.
  int error_status_ = 0;
  std::string error_;
};

// Splits "/path?a=1&b" and undoes %XX (and '+' in the query). False if an escape is broken.
struct HttpTarget {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;

  // Null if the parameter is not there; empty if it has no value.
  const std::string* Parameter(std::string_view name) const;
};
bool ParseTarget(std::string_view target, HttpTarget* parsed);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_PARSER_H_
