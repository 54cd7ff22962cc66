#include "sim/protocol/http.h"

#include <charconv>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::sim {
namespace {

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

std::optional<size_t> ToSize(std::string_view text) {
  size_t size = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return size;
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
  const size_t end = buffer_.find("\r\n\r\n");
  if (end == std::string::npos) return Result::kNeedMore;
  HttpAnswer next;
  std::optional<size_t> length;
  const std::vector<std::string> lines =
      absl::StrSplit(buffer_.substr(0, end), "\r\n");
  // HTTP/1.1 200 OK
  const std::vector<std::string> words = absl::StrSplit(lines[0], ' ');
  const std::optional<size_t> status = ToSize(words.size() < 2 ? "" : words[1]);
  if (words[0] != "HTTP/1.1" || !status.has_value()) return Result::kMalformed;
  next.status = static_cast<int>(*status);
  if (next.status == 100) {  // Continue: the answer follows.
    buffer_.erase(0, end + 4);
    return Next(answer);
  }
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(": ");
    if (colon == std::string::npos) return Result::kMalformed;
    const std::string name = absl::AsciiStrToLower(lines[i].substr(0, colon));
    const std::string value = lines[i].substr(colon + 2);
    if (name == "content-length") length = ToSize(value);
    if (name == "connection") next.closes = value == "close";
  }
  if (next.status == 304) length = 0;  // It has no body.
  if (!length.has_value()) return Result::kMalformed;
  const size_t begin = end + 4;
  if (buffer_.size() - begin < *length) return Result::kNeedMore;
  next.body = buffer_.substr(begin, *length);
  buffer_.erase(0, begin + *length);
  *answer = std::move(next);
  return Result::kAnswer;
}

}  // namespace quorate::sim
