#include "lincheck/formats/edn.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "absl/strings/str_cat.h"
#include "lincheck/text/json.h"
#include "lincheck/text/utf8.h"

namespace quorate::lincheck {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == ',' ||
         c == '\f' || c == '\v';
}

constexpr std::array<bool, 256> MakeEndsAtom() {
  std::array<bool, 256> ends{};
  for (char c : std::string_view(" \t\n\r\f\v,()[]{}\";")) {
    ends[static_cast<uint8_t>(c)] = true;
  }
  return ends;
}
constexpr std::array<bool, 256> kEndsAtom = MakeEndsAtom();

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool LooksLikeNumber(std::string_view token) {
  if (IsDigit(token[0])) return true;
  return token.size() > 1 && (token[0] == '-' || token[0] == '+') &&
         IsDigit(token[1]);
}

// A number has digits, perhaps a fraction, an exponent, and an M or N for
// exactness. It may be a ratio, a radix or a hexadecimal. Any text counts that
// begins like a number and has only characters of numbers.
bool IsNumber(std::string_view token) {
  for (char c : token) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!IsDigit(c) && !letter && c != '.' && c != '-' && c != '+' &&
        c != '/') {
      return false;
    }
  }
  return true;
}

}  // namespace

size_t CountEdnBlanks(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (IsBlank(text[at])) {
      ++at;
    } else if (text[at] == ';') {
      at = std::min(text.find('\n', at), text.size());
    } else {
      break;
    }
  }
  return at;
}

EdnParser::Outcome EdnParser::Fail(size_t offset, std::string reason) {
  error_offset_ = offset;
  error_ = std::move(reason);
  return Outcome::kError;
}

EdnParser::Outcome EdnParser::CutShort(size_t offset, std::string_view what) {
  if (!complete_) return Outcome::kIncomplete;
  return Fail(offset, absl::StrCat("the file ends within the ",
                                   absl::string_view(what.data(), what.size()),
                                   " that begins here"));
}

size_t EdnParser::AtomEnd(size_t from) const {
  while (from < text_.size() && !kEndsAtom[static_cast<uint8_t>(text_[from])]) {
    ++from;
  }
  return from;
}

EdnParser::Outcome EdnParser::Parse(std::string_view text, bool complete) {
  text_ = text;
  complete_ = complete;
  at_ = 0;
  nodes_.clear();
  // Discarded forms leave no node.
  while (nodes_.empty()) {
    SkipBlanks();
    if (at_ == text_.size()) {
      return complete_ ? Outcome::kNothing : Outcome::kIncomplete;
    }
    const char c = text_[at_];
    if (c == ')' || c == ']' || c == '}') {
      closed_ = c;
      ++at_;
      return Outcome::kClosed;
    }
    const Outcome outcome = ParseForm(0);
    if (outcome != Outcome::kForm) return outcome;
  }
  return Outcome::kForm;
}

EdnParser::Outcome EdnParser::ParseForm(int depth) {
  if (depth > kDepthMax) {
    return Fail(at_, absl::StrCat("more than ", kDepthMax,
                                  " collections in each other"));
  }
  const size_t opening = at_;
  switch (text_[at_]) {
    case '(':
      ++at_;
      return ParseCollection(EdnKind::kList, ')', opening, depth);
    case '[':
      ++at_;
      return ParseCollection(EdnKind::kVector, ']', opening, depth);
    case '{':
      ++at_;
      return ParseCollection(EdnKind::kMap, '}', opening, depth);
    case '"':
      return ParseString();
    case '#':
      return ParseHash(depth);
    default:
      return ParseAtom();
  }
}

EdnParser::Outcome EdnParser::ParseHash(int depth) {
  const size_t opening = at_;
  if (at_ + 1 == text_.size()) return CutShort(opening, "tag");
  const char second = text_[at_ + 1];
  if (second == '{') {
    at_ += 2;
    return ParseCollection(EdnKind::kSet, '}', opening, depth);
  }
  if (second == '#') return ParseAtom();  // ##Inf, ##NaN.
  const bool discard = second == '_';
  const size_t tag_end = discard ? at_ + 2 : AtomEnd(at_ + 1);
  if (!discard && tag_end == text_.size()) return CutShort(opening, "tag");
  if (!discard && tag_end == at_ + 1) {
    return Fail(opening, "a # without a tag");
  }
  const auto tag = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({.kind = EdnKind::kTagged,
                    .begin = opening + 1,
                    .size = tag_end - opening - 1,
                    .children = 1});
  at_ = tag_end;
  // The form after the tag, beyond any discarded forms.
  while (nodes_.size() == tag + 1) {
    SkipBlanks();
    if (at_ == text_.size()) return CutShort(opening, "tagged form");
    if (text_[at_] == ')' || text_[at_] == ']' || text_[at_] == '}') {
      return Fail(opening, "a tag with nothing behind it");
    }
    const Outcome outcome = ParseForm(depth + 1);
    if (outcome != Outcome::kForm) return outcome;
  }
  if (discard) {
    nodes_.resize(tag);
  } else {
    nodes_[tag].end = static_cast<uint32_t>(nodes_.size());
  }
  return Outcome::kForm;
}

EdnParser::Outcome EdnParser::ParseCollection(EdnKind kind, char close,
                                              size_t opening, int depth) {
  const auto self = static_cast<uint32_t>(nodes_.size());
  nodes_.push_back({.kind = kind, .begin = opening, .size = 1});
  uint32_t children = 0;
  for (;;) {
    SkipBlanks();
    if (at_ == text_.size()) {
      return CutShort(opening, "collection");
    }
    const char c = text_[at_];
    if (c == ')' || c == ']' || c == '}') {
      if (c != close) {
        return Fail(at_,
                    absl::StrCat("'", std::string(1, c), "' closes what '",
                                 std::string(1, text_[opening]), "' opened"));
      }
      ++at_;
      break;
    }
    const size_t before = nodes_.size();
    const Outcome outcome = ParseForm(depth + 1);
    if (outcome != Outcome::kForm) return outcome;
    if (nodes_.size() > before) ++children;
  }
  if (kind == EdnKind::kMap && children % 2 != 0) {
    return Fail(opening, "a map with a key that has no value");
  }
  nodes_[self].children = children;
  nodes_[self].end = static_cast<uint32_t>(nodes_.size());
  return Outcome::kForm;
}

EdnParser::Outcome EdnParser::ParseString() {
  const size_t opening = at_;
  JsonCursor cursor(text_.substr(opening), /*any_bytes=*/true);
  std::string_view value;
  if (!cursor.ReadString(&value)) {
    const size_t at = cursor.error_offset();
    if (at == 0) return CutShort(opening, "string");
    // Two escapes may be one character.
    const bool more = !complete_ && text_.size() - opening - at < 12;
    return more ? Outcome::kIncomplete : Fail(opening + at, cursor.error());
  }
  const size_t begin = opening + 1;
  const std::string_view text = text_.substr(begin, cursor.offset() - 2);
  const size_t bad = FindInvalidUtf8(text);
  if (bad != std::string_view::npos) {
    return Fail(begin + bad, "not valid UTF-8");
  }
  nodes_.push_back({.kind = EdnKind::kString,
                    .escaped = text.find('\\') != std::string_view::npos,
                    .begin = begin,
                    .size = text.size(),
                    .end = static_cast<uint32_t>(nodes_.size() + 1)});
  at_ = opening + cursor.offset();
  return Outcome::kForm;
}

EdnParser::Outcome EdnParser::ParseAtom() {
  const size_t begin = at_;
  // A character may be one that ends other atoms.
  const size_t end = AtomEnd(text_[begin] == '\\' ? begin + 2 : begin);
  if (end >= text_.size() && !complete_) return Outcome::kIncomplete;
  if (end > text_.size() || (text_[begin] == '\\' && end == begin + 1)) {
    return CutShort(begin, "character");
  }
  const std::string_view token = text_.substr(begin, end - begin);
  const size_t bad = FindInvalidUtf8(token);
  if (bad != std::string_view::npos) {
    return Fail(begin + bad, "not valid UTF-8");
  }
  EdnNode node{.begin = begin,
               .size = token.size(),
               .end = static_cast<uint32_t>(nodes_.size() + 1)};
  if (LooksLikeNumber(token) && !IsNumber(token)) {
    return Fail(begin, absl::StrCat("not a number: ", std::string(token)));
  }
  if (token == ":") return Fail(begin, "a keyword without a name");
  FillAtom(&node, token);
  nodes_.push_back(node);
  at_ = end;
  return Outcome::kForm;
}

void EdnParser::FillAtom(EdnNode* node, std::string_view token) {
  if (token[0] == ':' || token[0] == '\\') {
    node->kind = token[0] == ':' ? EdnKind::kKeyword : EdnKind::kCharacter;
    ++node->begin;
    --node->size;
  } else if (LooksLikeNumber(token)) {
    std::string_view digits = token;
    if (digits[0] == '+') digits.remove_prefix(1);
    if (digits.back() == 'N') digits.remove_suffix(1);
    const char* const end = digits.data() + digits.size();
    const auto [rest, error] =
        std::from_chars(digits.data(), end, node->integer);
    node->kind = error == std::errc() && rest == end ? EdnKind::kInteger
                                                     : EdnKind::kNumber;
  } else if (token == "nil") {
    node->kind = EdnKind::kNil;
  } else if (token == "true" || token == "false") {
    node->kind = EdnKind::kBoolean;
    node->integer = token == "true" ? 1 : 0;
  } else {
    node->kind = EdnKind::kSymbol;
  }
}

std::string_view EdnParser::String(const EdnNode& node,
                                   std::string* scratch) const {
  if (!node.escaped) return Text(node);
  JsonCursor cursor(text_.substr(node.begin - 1), /*any_bytes=*/true);
  std::string_view value;
  cursor.ReadString(&value);
  return *scratch = value;
}

std::string EdnParser::Print(uint32_t index) const {
  const EdnNode& node = nodes_[index];
  const std::string text(Text(node));
  switch (node.kind) {
    case EdnKind::kString: {
      std::string scratch, quoted;
      AppendJsonString(String(node, &scratch), &quoted);
      return quoted;
    }
    case EdnKind::kCharacter:
      return absl::StrCat("\\", text);
    case EdnKind::kKeyword:
      return absl::StrCat(":", text);
    case EdnKind::kTagged:
      return absl::StrCat("#", text, " ", Print(index + 1));
    case EdnKind::kInteger:
      return absl::StrCat(node.integer);
    case EdnKind::kNumber: {
      // An exact number needs no N.
      const bool plus = text.front() == '+';
      const bool exact = text.back() == 'N';
      return text.substr(plus ? 1 : 0, text.size() - plus - exact);
    }
    case EdnKind::kList:
    case EdnKind::kVector:
    case EdnKind::kMap:
    case EdnKind::kSet:
      return PrintCollection(index);
    default:
      return text;
  }
}

std::string EdnParser::PrintCollection(uint32_t index) const {
  const EdnNode& node = nodes_[index];
  const bool map = node.kind == EdnKind::kMap;
  const bool set = node.kind == EdnKind::kSet;
  std::vector<std::string> members;
  for (uint32_t child = index + 1; child < node.end;
       child = nodes_[child].end) {
    members.push_back(Print(child));
    if (!map) continue;
    child = nodes_[child].end;
    members.back() += " " + Print(child);
  }
  if (map || set) std::sort(members.begin(), members.end());
  std::string out = map ? "{" : set ? "#{" : "[";
  for (size_t i = 0; i < members.size(); ++i) {
    if (i > 0) out.push_back(' ');
    out += members[i];
  }
  out.push_back(map || set ? '}' : ']');
  return out;
}

}  // namespace quorate::lincheck
