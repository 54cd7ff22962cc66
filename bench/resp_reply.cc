#include "bench/resp_reply.h"

#include <charconv>
#include <cstring>

namespace quorate::bench {
namespace {

size_t Nonsense(std::string_view input, RespReply* reply) {
  *reply = {.kind = '?', .text = input};
  return input.size();
}

}  // namespace

size_t CutReply(std::string_view input, RespReply* reply) {
  if (input.empty()) return 0;
  const char kind = input[0];
  if (kind != '+' && kind != '-' && kind != ':' && kind != '$') {
    return Nonsense(input, reply);
  }
  const void* end = std::memchr(input.data(), '\n', input.size());
  if (end == nullptr) return 0;
  const size_t line = static_cast<const char*>(end) - input.data() + 1;
  if (line < 3 || input[line - 2] != '\r') return Nonsense(input, reply);
  const std::string_view text = input.substr(1, line - 3);
  *reply = {.kind = kind, .text = text};
  if (kind != '$') return line;
  long size = 0;
  const auto [last, error] =
      std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc() || last != text.data() + text.size() || size < -1) {
    return Nonsense(input, reply);
  }
  if (size == -1) {
    reply->null = true;
    reply->text = {};
    return line;
  }
  const size_t total = line + static_cast<size_t>(size) + 2;
  if (input.size() < total) return 0;
  if (input[total - 2] != '\r' || input[total - 1] != '\n') {
    return Nonsense(input, reply);
  }
  reply->text = input.substr(line, static_cast<size_t>(size));
  return total;
}

}  // namespace quorate::bench
