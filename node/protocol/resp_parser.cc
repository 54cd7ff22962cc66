#include "node/protocol/resp_parser.h"

#include <limits>

#include "env/parse_integer.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r' ||
         c == '\n' || c == '\0';
}

char Unescape(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Reads the rest of a quoted word. `*i` is the position after the opening
// quote; at the end it is the position after the closing one. False if the
// quote is not closed, or if the next character is not a space.
bool ReadQuoted(std::string_view line, char quote, size_t* i,
                std::string* word) {
  while (*i < line.size()) {
    const char c = line[*i];
    if (c == quote) {
      ++*i;
      return *i == line.size() || IsSpace(line[*i]);
    }
    if (c == '\\' && quote == '"' && *i + 3 < line.size() &&
        line[*i + 1] == 'x' && HexDigit(line[*i + 2]) >= 0 &&
        HexDigit(line[*i + 3]) >= 0) {
      word->push_back(static_cast<char>(HexDigit(line[*i + 2]) * 16 +
                                        HexDigit(line[*i + 3])));
      *i += 4;
    } else if (c == '\\' && quote == '"' && *i + 1 < line.size()) {
      word->push_back(Unescape(line[*i + 1]));
      *i += 2;
    } else if (c == '\\' && quote == '\'' && *i + 1 < line.size() &&
               line[*i + 1] == '\'') {
      word->push_back('\'');
      *i += 2;
    } else {
      word->push_back(c);
      ++*i;
    }
  }
  return false;
}

// Splits a line into words as redis-cli and a telnet user write them. False if
// a quote is not closed.
bool SplitWords(std::string_view line, std::vector<std::string>* words) {
  size_t i = 0;
  while (true) {
    while (i < line.size() && IsSpace(line[i])) ++i;
    if (i == line.size()) return true;
    std::string word;
    while (i < line.size() && !IsSpace(line[i])) {
      const char c = line[i];
      if (c == '"' || c == '\'') {
        ++i;
        if (!ReadQuoted(line, c, &i, &word)) return false;
        break;
      }
      word.push_back(c);
      ++i;
    }
    words->push_back(std::move(word));
  }
}

template <typename Container>
size_t HeldBytes(const Container& container) {
  return container.capacity() * sizeof(typename Container::value_type);
}

template <typename Container>
void Release(Container* container) {
  if (HeldBytes(*container) > RespParser::kKeptBytes) {
    Container().swap(*container);
  }
}

}  // namespace

void RespParser::Feed(std::string_view bytes) {
  if (unparsed_bytes() == 0 && spans_.empty() && remaining_ == 0) {
    input_ = bytes;
    owned_ = false;
    position_ = begin_ = 0;
    return;
  }
  Detach();
  buffer_.append(bytes);
  input_ = buffer_;
}

void RespParser::Detach() {
  // Keeps everything from the beginning of the current request, whose spans are
  // shifted below.
  returned_bytes_ = 0;
  const size_t cut = begin_;
  if (owned_) {
    if (cut > 0) buffer_.erase(0, cut);
  } else {
    buffer_.assign(input_.substr(cut));
    owned_ = true;
  }
  position_ -= cut;
  begin_ = 0;
  if (cut > 0) {
    for (auto& [offset, size] : spans_) offset -= cut;
  }
  // A large request must not keep its memory until the next one.
  Release(&arguments_);
  Release(&words_);
  if (position_ == buffer_.size() && remaining_ == 0) {
    Release(&buffer_);
    Release(&spans_);
  }
  input_ = buffer_;
}

size_t RespParser::held_bytes() const {
  return HeldBytes(buffer_) + HeldBytes(spans_) + HeldBytes(arguments_) +
         HeldBytes(words_);
}

size_t RespParser::input_bytes() const {
  return in_request() ? HeldBytes(buffer_) + HeldBytes(spans_) : 0;
}

void RespParser::Drop() {
  std::string().swap(buffer_);
  std::vector<std::pair<size_t, size_t>>().swap(spans_);
  input_ = buffer_;
  owned_ = true;
  position_ = begin_ = returned_bytes_ = 0;
  remaining_ = 0;
}

RespParser::Result RespParser::Fail(std::string_view message) {
  error_ = Concat("Protocol error: ", message);
  return Result::kError;
}

RespParser::Result RespParser::Next() {
  if (!error_.empty()) return Result::kError;
  returned_bytes_ = 0;
  while (true) {
    if (remaining_ == 0) {
      words_.clear();
      begin_ = position_;
      if (position_ == input_.size()) return Result::kNeedMore;
      const Result result =
          input_[position_] == '*' ? ParseHeader() : ParseInline();
      if (result != Result::kRequest) return result;
      if (!words_.empty()) {
        arguments_.assign(words_.begin(), words_.end());
        return Result::kRequest;
      }
      // An empty line or an empty array: nothing to answer.
      if (remaining_ == 0) continue;
    }
    return ParseMultibulk();
  }
}

bool RespParser::FindLine(std::string_view* line, bool* too_long) const {
  const std::string_view rest = input_.substr(position_);
  const size_t end = rest.substr(0, limits_.line_bytes_max + 1).find('\r');
  *too_long = false;
  if (end == std::string_view::npos) {
    *too_long = rest.size() > limits_.line_bytes_max;
    return false;
  }
  if (end + 2 > rest.size()) return false;
  *line = rest.substr(0, end);
  return true;
}

bool RespParser::TakeShortHeader(int64_t* number) {
  const std::string_view rest = input_.substr(position_);
  const size_t end = std::min<size_t>(rest.size(), 1 + 9);
  int64_t value = 0;
  size_t i = 1;
  for (; i < end && rest[i] >= '0' && rest[i] <= '9'; ++i) {
    value = value * 10 + (rest[i] - '0');
  }
  const bool leading_zero = i > 2 && rest[1] == '0';
  if (i == 1 || leading_zero || i + 2 > rest.size() || rest[i] != '\r') {
    return false;
  }
  position_ += i + 2;
  *number = value;
  return true;
}

RespParser::Result RespParser::TakeHeader(const HeaderKind& kind, int64_t min,
                                          uint64_t max, int64_t* number) {
  const bool expected = input_[position_] == kind.mark;
  if (!expected || !TakeShortHeader(number)) {
    std::string_view line;
    bool too_long;
    if (!FindLine(&line, &too_long)) {
      return too_long ? Fail(kind.too_long) : Result::kNeedMore;
    }
    if (!expected) {
      return Fail(Concat("expected '", std::string_view(&kind.mark, 1),
                         "', got '", input_.substr(position_, 1), "'"));
    }
    if (!ParseInteger(line.substr(1), number)) return Fail(kind.invalid);
    position_ += line.size() + 2;
  }
  if (*number < min || *number > static_cast<int64_t>(max)) {
    return Fail(kind.invalid);
  }
  return Result::kRequest;
}

RespParser::Result RespParser::ParseHeader() {
  static constexpr HeaderKind kKind = {'*', "too big mbulk count string",
                                       "invalid multibulk length"};
  int64_t count;
  const Result header = TakeHeader(kKind, std::numeric_limits<int64_t>::min(),
                                   limits_.arguments_max, &count);
  if (header != Result::kRequest) return header;
  remaining_ = count > 0 ? count : 0;
  bulk_size_ = -1;
  spans_.clear();
  return Result::kRequest;
}

RespParser::Result RespParser::ParseBulkHeader() {
  static constexpr HeaderKind kKind = {'$', "too big bulk count string",
                                       "invalid bulk length"};
  if (position_ == input_.size()) return Result::kNeedMore;
  return TakeHeader(kKind, /*min=*/0, limits_.bulk_bytes_max, &bulk_size_);
}

RespParser::Result RespParser::ParseMultibulk() {
  while (remaining_ > 0) {
    if (bulk_size_ < 0) {
      const Result header = ParseBulkHeader();
      if (header != Result::kRequest) return header;
    }
    const auto size = static_cast<size_t>(bulk_size_);
    if (position_ - begin_ + size > limits_.request_bytes_max) {
      return Fail("too big request");
    }
    if (input_.size() - position_ < size + 2) return Result::kNeedMore;
    spans_.emplace_back(position_, size);
    position_ += size + 2;
    bulk_size_ = -1;
    --remaining_;
  }
  arguments_.clear();
  for (const auto& [offset, size] : spans_) {
    arguments_.push_back(input_.substr(offset, size));
  }
  spans_.clear();
  returned_bytes_ = position_ - begin_;
  begin_ = position_;
  return Result::kRequest;
}

RespParser::Result RespParser::ParseInline() {
  const std::string_view rest = input_.substr(position_);
  const size_t end = rest.substr(0, limits_.line_bytes_max + 1).find('\n');
  if (end == std::string_view::npos) {
    return rest.size() > limits_.line_bytes_max ? Fail("too big inline request")
                                                : Result::kNeedMore;
  }
  std::string_view line = rest.substr(0, end);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!SplitWords(line, &words_)) {
    return Fail("unbalanced quotes in request");
  }
  position_ += end + 1;
  returned_bytes_ = position_ - begin_;
  begin_ = position_;
  return Result::kRequest;
}

}  // namespace quorate::node
