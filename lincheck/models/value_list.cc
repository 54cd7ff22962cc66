#include "lincheck/models/value_list.h"

#include <cstdint>

namespace quorate::lincheck {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

void AppendQuoted(std::string_view bytes, std::string* out) {
  out->push_back('"');
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') {
      out->push_back(c);
      continue;
    }
    out->append("\\u00");
    out->push_back(kHex[byte >> 4]);
    out->push_back(kHex[byte & 15]);
  }
  out->push_back('"');
}

class Parser {
 public:
  Parser(std::string_view text, std::vector<Datum>* items)
      : text_(text), items_(items) {}

  bool Run() {
    Skip();
    if (!List()) return false;
    Skip();
    return at_ == text_.size();
  }

 private:
  bool Take(std::string_view word) {
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }
  void Skip() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
  }

  bool List() {
    // Depth is counted, not recursed into.
    size_t depth = 0;
    bool wants_item = true;
    do {
      Skip();
      if (wants_item && Take("[")) {
        ++depth;
        Skip();
        wants_item = text_.substr(at_, 1) != "]";
      } else if (wants_item) {
        if (depth == 0 || !Item()) return false;
        wants_item = false;
      } else if (Take("]")) {
        --depth;
      } else if (Take(",")) {
        wants_item = true;
      } else {
        return false;
      }
    } while (depth > 0);
    return true;
  }

  bool Item() {
    items_->emplace_back();
    if (Take("null")) return true;
    if (Take("\"")) return String();
    return Number();
  }

  bool Number() {
    const bool negative = Take("-");
    int64_t number = 0;
    const size_t begin = at_;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9';
         ++at_) {
      const int64_t digit = text_[at_] - '0';
      if (number > (Value::kIntegerMax - digit) / 10) return false;
      number = number * 10 + digit;
    }
    items_->back().AssignInteger(negative ? -number : number);
    return at_ > begin;
  }

  bool String() {
    std::string bytes;
    for (;;) {
      if (at_ >= text_.size()) return false;
      const char c = text_[at_++];
      if (c == '"') break;
      if (c != '\\') {
        bytes.push_back(c);
      } else if (!Escape(&bytes)) {
        return false;
      }
    }
    items_->back().Append(bytes);
    return true;
  }

  bool Escape(std::string* bytes) {
    if (Take("u00")) {
      if (at_ + 2 > text_.size()) return false;
      const size_t high = kHex.find(text_[at_]);
      const size_t low = kHex.find(text_[at_ + 1]);
      if (high == std::string_view::npos || low == std::string_view::npos) {
        return false;
      }
      at_ += 2;
      bytes->push_back(static_cast<char>(high * 16 + low));
      return true;
    }
    for (const char plain : {'"', '\\', '/'}) {
      if (!Take(std::string_view(&plain, 1))) continue;
      bytes->push_back(plain);
      return true;
    }
    return false;
  }

  const std::string_view text_;
  std::vector<Datum>* const items_;
  size_t at_ = 0;
};

}  // namespace

std::string FormatList(absl::Span<const Datum> items) {
  std::string text = "[";
  for (const Datum& item : items) {
    if (text.size() > 1) text.push_back(',');
    if (item.is_nil()) {
      text.append("null");
    } else if (item.is_integer()) {
      text.append(std::to_string(item.integer()));
    } else {
      AppendQuoted(item.bytes(), &text);
    }
  }
  text.push_back(']');
  return text;
}

bool ParseList(std::string_view text, std::vector<Datum>* items) {
  items->clear();
  return Parser(text, items).Run();
}

}  // namespace quorate::lincheck
