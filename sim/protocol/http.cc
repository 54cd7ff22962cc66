#include "sim/protocol/http.h"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

namespace http = boost::beast::http;

// The key as one segment of a path.
std::string Escape(std::string_view key) {
  std::string path;
  for (const char c : key) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.') {
      path += c;
    } else {
      absl::StrAppend(
          &path, "%",
          absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
    }
  }
  return path;
}

}  // namespace

std::string EncodeHttp(const HttpCall& call) {
  std::string bytes =
      absl::StrCat(call.method, " /v1/kv/", Escape(call.key), call.parameters,
                   " HTTP/1.1\r\nHost: simulated\r\n");
  if (!call.idempotency_key.empty()) {
    absl::StrAppend(&bytes, "Idempotency-Key: ", call.idempotency_key, "\r\n");
  }
  if (call.method == "PUT") {
    absl::StrAppend(&bytes, "Content-Length: ", call.body.size(), "\r\n");
  }
  return absl::StrCat(bytes, "\r\n", call.body);
}

HttpAnswerParser::Result HttpAnswerParser::Next(HttpAnswer* answer) {
  http::response_parser<http::string_body> parser;
  parser.eager(true);
  parser.body_limit(std::numeric_limits<uint64_t>::max());
  boost::system::error_code error;
  const size_t taken = parser.put(
      boost::asio::const_buffer(buffer_.data(), buffer_.size()), error);
  if (error == http::error::need_more) return Result::kNeedMore;
  // A reply without a length would end with its connection.
  if (error || parser.need_eof()) return Result::kMalformed;
  if (!parser.is_done()) return Result::kNeedMore;
  http::response<http::string_body> reply = parser.release();
  *answer = {.status = static_cast<int>(reply.result_int()),
             .closes = !reply.keep_alive(),
             .body = std::move(reply.body())};
  buffer_.erase(0, taken);
  return Result::kAnswer;
}

}  // namespace quorate::sim
