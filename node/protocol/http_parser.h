// node/protocol/http_parser.h: splits a stream of bytes into HTTP/1.x requests,
// strictly by RFC 9112.
//
// The grammar is Boost.Beast's. This class checks sections, limits and the
// rules that Beast leaves to its caller. A message that another recipient could
// frame differently is an error. The outcome does not depend on how the bytes
// were split.
//
//   parser.Feed(bytes);
//   while (parser.Next() == HttpParser::Result::kRequest)
//     Handle(parser.TakeRequest());
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
  // Path and query as sent, "/v1/kv/a%20b?cas=0", or "*". Scheme and authority
  // of an absolute form are removed.
  std::string target;
  // Names in lower case. Trailers are dropped.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;       // The chunks of a chunked body, joined.
  int minor_version = 1;  // The x of HTTP/1.x: 0 or 1.
  bool keep_alive = true;

  // The first header of this (lower-case) name, or null.
  const std::string* Header(std::string_view name) const;
};

class HttpParser {
 public:
  struct Limits {
    // Size of the request line with all headers; also of each chunk-size line,
    // and of the last one with all trailers.
    size_t header_bytes_max = 16 << 10;
    size_t body_bytes_max = 448 << 10;
  };
  enum class Result : uint8_t { kRequest, kNeedMore, kError };

  explicit HttpParser(const Limits& limits);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Appends bytes to the unparsed ones. `bytes` must stay valid until Detach.
  void Feed(std::string_view bytes);
  Result Next();
  // Copies the unparsed bytes, so that the caller may free the fed bytes.
  void Detach();

  // Call it once after kRequest. The parser keeps no memory of the request.
  HttpRequest TakeRequest() { return std::move(request_); }
  // Marks the fed bytes as the last ones. An incomplete request is then an
  // error.
  void End() { ended_ = true; }
  // After kError: the status 400, 413, 415, 417, 431, 501 or 505, and the
  // reason. The beginning of the next request is then unknown.
  int error_status() const { return error_status_; }
  const std::string& error() const { return error_; }
  // True once per request, if the client waits for "100 Continue" before it
  // sends the body.
  bool TakeExpectsContinue();
  // Bytes of the incomplete request.
  size_t partial_bytes() const;
  // Memory of all buffers: contents and spare room.
  size_t held_bytes() const;
  // Frees them. The stream cannot continue.
  void Drop();

 private:
  class Grammar;
  // A request is split into sections. Each section is passed to the grammar as
  // a whole, except bodies, which are passed piece by piece.
  enum class Section : uint8_t {
    kRequestLine,
    kFields,     // Lines up to an empty one.
    kBody,       // The body of a Content-Length, or of one chunk.
    kChunkSize,  // One line, after the line end of the previous chunk.
    kTrailers,   // Continues the last kChunkSize up to an empty line.
  };

  void Begin();
  // The result of Next when bytes are missing.
  Result NeedMore();
  // Consume bytes of input_. False if there are too few, or if error_status_ is
  // set.
  bool TakeBody();
  bool TakeLines();
  // Counts `c` and returns whether it is allowed at this place of the section.
  bool Admit(char c);
  // Counts the leading bytes that are allowed within the line, up to the limit,
  // and returns their number.
  size_t AdmitPlain(std::string_view bytes);
  // True if the line that just ended is the last of its section.
  bool EndsSection() const;
  // True if a kChunkSize section has size zero.
  bool IsLastChunk(std::string_view section) const;
  bool ParseSection(std::string_view section);
  void Fail(int status, std::string why);

  std::unique_ptr<Grammar> grammar_;
  const Limits limits_;
  HttpRequest request_;
  std::string_view input_;
  std::string buffer_;  // Holds input_ if not empty.

  // State of the current request.
  Section section_ = Section::kRequestLine;
  std::string lines_;  // Bytes of the section that were removed from input_.
  size_t section_bytes_ = 0;      // Compared with the limit.
  size_t line_bytes_ = 0;         // Length of the current line, without CRLF.
  bool carriage_return_ = false;  // The last byte was CR.
  bool after_chunk_ = false;      // The CRLF that ends a chunk comes first.
  bool complete_ = false;
  bool expects_continue_ = false;
  uint64_t body_bytes_due_ = 0;  // kBody: bytes until its end.
  size_t partial_bytes_ = 0;     // Bytes that were removed from input_.

  bool ended_ = false;
  int error_status_ = 0;
  std::string error_;
};

// Splits "/path?a=1&b" and decodes %XX (and '+' in the query). False if an
// escape is malformed.
struct HttpTarget {
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;

  // Null if the parameter is absent; empty if it has no value.
  const std::string* Parameter(std::string_view name) const;
};
bool ParseTarget(std::string_view target, HttpTarget* parsed);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PROTOCOL_HTTP_PARSER_H_
