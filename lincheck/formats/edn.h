// lincheck/formats/edn.h: reads forms of EDN, the notation of Clojure's values.
//
// A form is parsed into a flat tree that is reused from one form to the next;
// texts stay where they were read. Everything of the notation is understood:
// nil, booleans, numbers, strings, characters, keywords, symbols, lists,
// vectors, maps, sets, tags, discards (#_) and comments. Knows nothing of
// histories.
#ifndef QUORATE_LINCHECK_FORMATS_EDN_H_
#define QUORATE_LINCHECK_FORMATS_EDN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace quorate::lincheck {

enum class EdnKind : uint8_t {
  kNil,
  kBoolean,
  kInteger,  // One that fits 64 bits.
  kNumber,   // Any other.
  kString,
  kCharacter,
  kKeyword,
  kSymbol,
  kList,
  kVector,
  kMap,
  kSet,
  kTagged,  // Its one child is what the tag stands before.
};

struct EdnNode {
  EdnKind kind = EdnKind::kNil;
  bool escaped = false;  // kString: the text has backslashes.
  // The text of an atom, without the marks of its kind: quotes, colon,
  // backslash or '#'.
  size_t begin = 0;
  size_t size = 0;
  int64_t integer = 0;  // kInteger. A kBoolean has 0 or 1.
  uint32_t children = 0;
  uint32_t end = 0;  // The index after the last node of this one's tree.
};

// How many bytes at the front of `text` are blanks, commas and comments.
size_t CountEdnBlanks(std::string_view text);

class EdnParser {
 public:
  // Collections in each other.
  static constexpr int kDepthMax = 200;

  enum class Outcome : uint8_t {
    kForm,        // One form: node(0). `used` bytes of the text belong to it.
    kNothing,     // Blanks and comments alone, `used` bytes.
    kClosed,      // A closing bracket, closed(), where a form could begin.
    kIncomplete,  // More text is needed.
    kError,       // error(), at byte error_offset().
  };

  // Parses the first form of `text`, which must stay as it is as long as the
  // result is looked at. `complete`: no text follows.
  Outcome Parse(std::string_view text, bool complete);

  size_t used() const { return at_; }
  char closed() const { return closed_; }
  const std::string& error() const { return error_; }
  size_t error_offset() const { return error_offset_; }

  const EdnNode& node(uint32_t index) const { return nodes_[index]; }
  // The children of node i: i + 1, then the `end` of each is the next one.
  std::string_view Text(const EdnNode& node) const {
    return text_.substr(node.begin, node.size);
  }
  // Where the node begins in the text, for messages.
  size_t OffsetOf(uint32_t index) const {
    const EdnNode& node = nodes_[index];
    const bool marked =
        node.kind == EdnKind::kString || node.kind == EdnKind::kKeyword ||
        node.kind == EdnKind::kCharacter || node.kind == EdnKind::kTagged;
    return node.begin - (marked ? 1 : 0);
  }
  // The value of a kString; `scratch` holds it if it had escapes.
  std::string_view String(const EdnNode& node, std::string* scratch) const;
  bool IsKeyword(uint32_t index, std::string_view name) const {
    return nodes_[index].kind == EdnKind::kKeyword &&
           Text(nodes_[index]) == name;
  }
  // The node as text in one spelling: what is equal prints the same. Members of
  // maps and sets stand in one order, and a list is a vector.
  std::string Print(uint32_t index) const;

 private:
  // kForm: a node was added (or discarded: then nodes_ is as it was).
  Outcome ParseForm(int depth);
  Outcome ParseHash(int depth);
  Outcome ParseCollection(EdnKind kind, char close, size_t opening, int depth);
  Outcome ParseString();
  Outcome ParseAtom();
  void FillAtom(EdnNode* node, std::string_view token);
  std::string PrintCollection(uint32_t index) const;
  void SkipBlanks() { at_ += CountEdnBlanks(text_.substr(at_)); }
  // Where an atom that begins at `from` ends.
  size_t AtomEnd(size_t from) const;
  Outcome Fail(size_t offset, std::string reason);
  // The text ends within what began at `offset`.
  Outcome CutShort(size_t offset, std::string_view what);

  std::string_view text_;
  bool complete_ = false;
  size_t at_ = 0;
  std::vector<EdnNode> nodes_;
  char closed_ = 0;
  std::string error_;
  size_t error_offset_ = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_EDN_H_
