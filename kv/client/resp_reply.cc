#include "kv/client/resp_reply.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/parse_integer.h"

namespace quorate::kv {
namespace {

// The longest line of a size, a number or a simple string. An error may quote a
// key.
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
  // Moves at most as many bytes as were read since the last move.
  if (taken_ > 0 && taken_ >= bytes_.size() / 2) {
    work_bytes_ += bytes_.size() - taken_;
    bytes_.erase(0, taken_);
    searched_ -= taken_;
    taken_ = 0;
  }
  bytes_.append(bytes);
}

RespReplyParser::Progress RespReplyParser::Next(RespValue* value) {
  if (failed_) return Progress::kError;
  while (true) {
    RespValue one;
    bool opened = false;
    const Progress progress =
        in_string_ ? TakeString(&one) : ParseOne(&one, &opened);
    if (progress == Progress::kError) failed_ = true;
    if (progress != Progress::kValue) return progress;
    if (!opened && Complete(&one)) {
      *value = std::move(one);
      return Progress::kValue;
    }
  }
}

bool RespReplyParser::Complete(RespValue* value) {
  while (!open_.empty()) {
    Open& inner = open_.back();
    inner.array.elements.push_back(std::move(*value));
    if (--inner.left > 0) return false;
    RespValue array = std::move(inner.array);
    open_.pop_back();
    *value = std::move(array);
  }
  return true;
}

RespReplyParser::Progress RespReplyParser::TakeLine(std::string_view* line) {
  const size_t end = bytes_.find("\r\n", searched_);
  const size_t searched = end == std::string::npos ? bytes_.size() : end + 2;
  work_bytes_ += searched - searched_;
  if (end == std::string::npos) {
    // The last byte may be a carriage return whose line feed comes next.
    searched_ = bytes_.size();
    if (searched_ > taken_ && bytes_.back() == '\r') --searched_;
    return bytes_.size() - taken_ > kLineBytesMax ? Progress::kError
                                                  : Progress::kNeedMore;
  }
  *line = std::string_view(bytes_).substr(taken_, end - taken_);
  taken_ = searched_ = searched;
  return Progress::kValue;
}

RespReplyParser::Progress RespReplyParser::ParseOne(RespValue* value,
                                                    bool* opened) {
  std::string_view line;
  const Progress progress = TakeLine(&line);
  if (progress != Progress::kValue) return progress;
  if (line.empty() || open_.size() > kReplyDepthMax) return Progress::kError;
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
      return ParseString(rest, /*verbatim=*/false, value);
    case '=':
      return ParseString(rest, /*verbatim=*/true, value);
    case '*':
    case '~':
    case '>':
      return ParseElements(rest, /*multiple=*/1, value, opened);
    case '%':
      return ParseElements(rest, /*multiple=*/2, value, opened);
    default:
      return Progress::kError;
  }
}

RespReplyParser::Progress RespReplyParser::ParseString(
    std::string_view size_text, bool verbatim, RespValue* value) {
  if (size_text == "-1") return Progress::kValue;  // Nil.
  uint64_t size = 0;
  if (!ParseInteger(size_text, &size) || size > kReplyStringBytesMax) {
    return Progress::kError;
  }
  in_string_ = true;
  verbatim_ = verbatim;
  string_bytes_ = size;
  return TakeString(value);
}

RespReplyParser::Progress RespReplyParser::TakeString(RespValue* value) {
  if (bytes_.size() - taken_ < string_bytes_ + 2) return Progress::kNeedMore;
  std::string_view text =
      std::string_view(bytes_).substr(taken_, string_bytes_ + 2);
  if (!text.ends_with("\r\n")) return Progress::kError;
  text.remove_suffix(2);
  if (verbatim_) {  // "txt:" in front.
    if (text.size() < 4) return Progress::kError;
    text.remove_prefix(4);
  }
  value->kind = RespValue::Kind::kString;
  value->text.assign(text);
  work_bytes_ += text.size();
  taken_ += string_bytes_ + 2;
  searched_ = taken_;
  in_string_ = false;
  return Progress::kValue;
}

RespReplyParser::Progress RespReplyParser::ParseElements(
    std::string_view count_text, size_t multiple, RespValue* value,
    bool* opened) {
  if (count_text == "-1") return Progress::kValue;  // Nil.
  uint64_t count = 0;
  if (!ParseInteger(count_text, &count) || count > kReplyElementsMax) {
    return Progress::kError;
  }
  value->kind = RespValue::Kind::kArray;
  if (count == 0) return Progress::kValue;
  *opened = true;
  open_.push_back({.array = std::move(*value), .left = count * multiple});
  return Progress::kValue;
}

}  // namespace quorate::kv
