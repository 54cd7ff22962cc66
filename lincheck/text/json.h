// lincheck/text/json.h: reads and writes JSON (RFC 8259) piece by piece.
//
// A cursor over text with an error that knows its place. It is made for
// millions of lines of known shape, so it builds only what the caller asks for.
// It knows nothing of histories.
#ifndef QUORATE_LINCHECK_TEXT_JSON_H_
#define QUORATE_LINCHECK_TEXT_JSON_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quorate::lincheck {

class JsonCursor {
 public:
  // `any_bytes`: strings may have bytes that JSON does not permit, and \'.
  explicit JsonCursor(std::string_view text, bool any_bytes = false)
      : text_(text), any_bytes_(any_bytes) {}

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

  std::string_view text_;
  const bool any_bytes_;
  size_t at_ = 0;
  std::string scratch_;
  std::string error_;
  size_t error_offset_ = 0;
};

// Appends `text` as a JSON string, quotes included. Bytes that are not valid
// UTF-8 become U+FFFD, unless strings may have any bytes.
void AppendJsonString(std::string_view text, std::string* out,
                      bool any_bytes = false);

// Writes JSON piece by piece, with the commas between.
class JsonWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  explicit JsonWriter(std::string* out) : out_(out) {}

  // The name of a member, whose value is written next.
  JsonWriter& Name(std::string_view name) {
    Text(name);
    *out_ += ':';
    apart_ = false;
    return *this;
  }
  void Text(std::string_view text) {
    SetApart();
    AppendJsonString(text, out_);
  }
  // A value that is JSON already.
  void Raw(std::string_view json) {
    SetApart();
    *out_ += json;
  }
  template <typename Integer>
  void Number(Integer number) {
    Raw(std::to_string(number));
  }
  // Begins an object or an array.
  void Open(char bracket) {
    SetApart();
    *out_ += bracket;
    apart_ = false;
  }
  void Close(char bracket) {
    *out_ += bracket;
    apart_ = true;
  }

 private:
  void SetApart() {
    if (apart_) *out_ += ',';
    apart_ = true;
  }

  std::string* const out_;
  bool apart_ = false;  // A comma stands before the next value.
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TEXT_JSON_H_
