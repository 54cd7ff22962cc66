// lincheck/formats/json_cursor.h: reads JSON (RFC 8259) from one line, piece by
// piece.
//
// A cursor over text with an error that knows its place. It is made for
// millions of lines of known shape, so it builds only what the caller asks for.
// It knows nothing of histories.
#ifndef QUORATE_LINCHECK_FORMATS_JSON_CURSOR_H_
#define QUORATE_LINCHECK_FORMATS_JSON_CURSOR_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::lincheck {

class JsonCursor {
 public:
  // Arrays and objects in each other, in what is skipped.
  static constexpr int kDepthMax = 200;

  explicit JsonCursor(std::string_view text) : text_(text) {}

  // Every reader below returns false and sets the error if the text is not what
  // it is asked for; nothing may be read after that.
  bool Fail(size_t offset, std::string reason);
  const std::string& error() const { return error_; }
  size_t error_offset() const { return error_offset_; }

  // The next character that is not blank; 0 at the end.
  char Peek() {
    SkipBlanks();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool AtEnd() {
    SkipBlanks();
    return at_ == text_.size();
  }
  size_t offset() const { return at_; }
  std::string_view Since(size_t offset) const {
    return text_.substr(offset, at_ - offset);
  }

  // Takes `c` if it is next.
  bool Take(char c) {
    if (Peek() != c) return false;
    ++at_;
    return true;
  }
  bool Expect(char c);
  // Begins with the name of a field and its colon. The view is valid until the
  // next string is read.
  bool ReadName(std::string_view* name);
  bool ReadString(std::string_view* value);
  bool ReadInteger(int64_t* value);
  // "null", "true" or "false", whichever it is.
  bool ReadWord(std::string_view* word);
  // Any value at all.
  bool Skip(int depth = 0);

 private:
  void SkipBlanks() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' ||
                                  text_[at_] == '\r' || text_[at_] == '\n')) {
      ++at_;
    }
  }
  // The rest of a string in which something at `at_` needs care.
  bool ReadHardString(size_t opening, std::string_view* value);
  bool ReadEscape();
  bool SkipNumber();

  std::string_view text_;
  size_t at_ = 0;
  std::string scratch_;
  std::string error_;
  size_t error_offset_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JSON_CURSOR_H_
