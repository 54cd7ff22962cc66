#include "kv/resp_reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/number.h"

namespace quorate::kv {
namespace {

// Longest line of a size, a number or a simple string; errors may quote a key.
constexpr size_t kLineBytesMax = 128 << 10;

}  // namespace

void AppendRespCommand(absl::Span<const std::string_view> arguments,
                       std::string* out) {
  absl::StrAppend(out, "*", arguments.size(), "\r\n");
  for (std::string_view argument : arguments) {
    absl::StrAppend(out, "$", argument.size(), "\r\n");
    out->append(argument);
    out->append("\r\n");
  }
}

void RespReplyParser::Append(std::string_view bytes) {
  if (failed_) return;
  if (taken_ > 0 && taken_ >= bytes_.size() / 2) {
    bytes_.erase(0, taken_);
    needed_ -= std::min(needed_, taken_);
    taken_ = 0;
  }
  bytes_.append(bytes);
}

RespReplyParser::Progress RespReplyParser::Next(RespValue* value) {
  if (failed_) return Progress::kError;
  if (taken_ == bytes_.size() || bytes_.size() < needed_) {
    return Progress::kNeedMore;
  }
  needed_ = 0;
  size_t at = taken_;
  *value = RespValue();
  const Progress progress = ParseValue(&at, /*depth=*/0, value);
  if (progress == Progress::kValue) taken_ = at;
  if (progress == Progress::kError) failed_ = true;
  return progress;
}

RespReplyParser::Progress RespReplyParser::TakeLine(size_t* at,
                                                    std::string_view* line) {
  const size_t end = bytes_.find("\r\n", *at);
  if (end == std::string::npos) {
    return bytes_.size() - *at > kLineBytesMax ? Progress::kError
                                               : Progress::kNeedMore;
  }
  *line = std::string_view(bytes_).substr(*at, end - *at);
  *at = end + 2;
  return Progress::kValue;
}

RespReplyParser::Progress RespReplyParser::ParseValue(size_t* at, int depth,
                                                      RespValue* value) {
  std::string_view line;
  const Progress progress = TakeLine(at, &line);
  if (progress != Progress::kValue) return progress;
  if (line.empty() || depth > kReplyDepthMax) return Progress::kError;
  const std::string_view rest = line.substr(1);
  switch (line.front()) {
    case '+':
    case ',':
    case '(':
      value->kind = RespValue::Kind::kString;
      value->text.assign(rest);
      return Progress::kValue;
    case '-':
      value->kind = RespValue::Kind::kError;
      value->text.assign(rest);
      return Progress::kValue;
    case ':':
      value->kind = RespValue::Kind::kInteger;
      return ParseInteger(rest, &value->integer) ? Progress::kValue
                                                 : Progress::kError;
    case '#':
      value->kind = RespValue::Kind::kInteger;
      value->integer = rest == "t" ? 1 : 0;
      return rest == "t" || rest == "f" ? Progress::kValue : Progress::kError;
    case '_':
      value->kind = RespValue::Kind::kNil;
      return rest.empty() ? Progress::kValue : Progress::kError;
    case '$':
      return ParseString(at, rest, /*verbatim=*/false, value);
    case '=':
      return ParseString(at, rest, /*verbatim=*/true, value);
    case '*':
    case '~':
    case '>':
      return ParseElements(at, rest, /*multiple=*/1, depth, value);
    case '%':
      return ParseElements(at, rest, /*multiple=*/2, depth, value);
    default:
      return Progress::kError;
  }
}

RespReplyParser::Progress RespReplyParser::ParseString(
    size_t* at, std::string_view size_text, bool verbatim, RespValue* value) {
  if (size_text == "-1") {
    value->kind = RespValue::Kind::kNil;
    return Progress::kValue;
  }
  uint64_t size = 0;
  if (!ParseInteger(size_text, &size) || size > kReplyStringBytesMax) {
    return Progress::kError;
  }
  if (bytes_.size() - *at < size + 2) {
    needed_ = *at + size + 2;
    return Progress::kNeedMore;
  }
  std::string_view text = std::string_view(bytes_).substr(*at, size);
  *at += size;
  if (std::string_view(bytes_).substr(*at, 2) != "\r\n") {
    return Progress::kError;
  }
  *at += 2;
  if (verbatim) {  // "txt:" in front.
    if (text.size() < 4) return Progress::kError;
    text.remove_prefix(4);
  }
  value->kind = RespValue::Kind::kString;
  value->text.assign(text);
  return Progress::kValue;
}

RespReplyParser::Progress RespReplyParser::ParseElements(
    size_t* at, std::string_view count_text, size_t multiple, int depth,
    RespValue* value) {
  if (count_text == "-1") {
    value->kind = RespValue::Kind::kNil;
    return Progress::kValue;
  }
  uint64_t count = 0;
  if (!ParseInteger(count_text, &count) || count > kReplyElementsMax) {
    return Progress::kError;
  }
  value->kind = RespValue::Kind::kArray;
  for (uint64_t i = 0; i < count * multiple; ++i) {
    RespValue element;
    const Progress progress = ParseValue(at, depth + 1, &element);
    if (progress != Progress::kValue) return progress;
    value->elements.push_back(std::move(element));
  }
  return Progress::kValue;
}

}  // namespace quorate::kv
