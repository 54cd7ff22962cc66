// node/protocol/http_parser.h: cuts a stream of bytes into HTTP/1.x requests, strictly as RFC 9112 says.
//
// The grammar is Boost.Beast's; sections, limits and the rules that Beast leaves to its caller are checked here. A message
// that another recipient could frame in another way is an error. The outcome does not depend on how the bytes were split.
//
//   parser.Feed(bytes);
//   while (parser.Next() == HttpParser::Result::kRequest) Handle(parser.request());
//   parser.Detach();
#ifndef QUORATE_NODE_PROTOCOL_HTTP_PARSER_H_
#define QUORATE_NODE_PROTOCOL_HTTP_PARSER_H_

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
  // Path and query as sent, "/v1/kv/a%20b?cas=0", or "*". An absolute form comes without scheme and authority.
  std::string target;
  std::vector<std::pair<std::string, std::string>>
      headers;            // Names in lower case; trailers are dropped.
  std::string body;       // Chunks put together.
  int minor_version = 1;  // Of HTTP/1.x: 0 or 1.
  bool keep_alive = true;

  // The first header of that (lower-case) name, or null.
  const std::string* Header(std::string_view name) const;
};

class HttpParser {
 public:
  struct Limits {
    // Request line and all headers; also each line of a chunk's size, and the last of them with all trailers.
    size_t header_bytes_max = 16 << 10;
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
  // Copies the bytes that were not parsed yet, so that the bytes fed may go.
  void Detach();

  // Valid after kRequest until the next Next.
  HttpRequest& request() { return request_; }
  // Tells that no byte follows those fed. A request that has begun is an error then.
  void End() { ended_ = true; }
  // After kError: 400, 413, 431, 501 or 505, and why. Where the next request begins is not known then.
  int error_status() const { return error_status_; }
  const std::string& error() const { return error_; }
  // The client waits for "100 Continue" before it sends the body; true once per request.
  bool TakeExpectsContinue();
  // Bytes of the request that has not come as a whole.
  size_t partial_bytes() const;

 private:
  class Grammar;
  // A request is cut into sections. Each reaches the grammar as a whole, but for bodies, which pass through.
  enum class Section : uint8_t {
    kRequestLine,
    kFields,     // Lines up to an empty one.
    kBody,       // Of a Content-Length, or of one chunk.
    kChunkSize,  // One line, after the line end of the chunk before.
    kTrailers,   // Continues the last kChunkSize up to an empty line.
  };

  void Begin();
  // What Next returns for lack of bytes.
  Result NeedMore();
  // Takes bytes from input_. False: there are too few, or error_status_ is set.
  bool TakeBody();
  bool TakeLines();
  // Whether `c` may follow in the section; counts it.
  bool Admit(char c);
  // Counts the bytes in front that may follow within the line, up to the limit; returns how many.
  size_t AdmitPlain(std::string_view bytes);
  // Whether the line that ended is the last of its section.
  bool EndsSection() const;
  // Whether a kChunkSize says zero.
  bool IsLastChunk(std::string_view section) const;
  bool ParseSection(std::string_view section);
  void Fail(int status, std::string why);

  std::unique_ptr<Grammar> grammar_;
  const Limits limits_;
  HttpRequest request_;
  std::string_view input_;
  std::string buffer_;  // Holds input_ if not empty.

  // Of the request under way.
  Section section_ = Section::kRequestLine;
  std::string lines_;             // The section's bytes that left input_.
  size_t section_bytes_ = 0;      // Counts against the limit.
  size_t line_bytes_ = 0;         // Of the current line, without CRLF.
  bool carriage_return_ = false;  // Was the last byte.
  bool after_chunk_ = false;      // A chunk's own CRLF comes first.
  bool complete_ = false;
  bool expects_continue_ = false;
  uint64_t body_bytes_due_ = 0;  // kBody: until its end.
  size_t partial_bytes_ = 0;     // That left input_.

  bool ended_ = false;
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

#endif  // QUORATE_NODE_PROTOCOL_HTTP_PARSER_H_
