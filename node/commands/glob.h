// node/commands/glob.h: the patterns of KEYS, SCAN, CONFIG GET and COMMAND
// LIST.
//
// Redis's rules for '*', '?', '[a-z]', '[^…]' and backslash. Pure. A match may
// take as many steps as the product of both lengths, so it can be done in parts
// of bounded size:
//
//   Glob::Attempt attempt;
//   uint64_t steps = 1000;
//   if (glob.Match(key, &attempt, &steps) == Glob::Result::kUnfinished) …
#ifndef QUORATE_NODE_COMMANDS_GLOB_H_
#define QUORATE_NODE_COMMANDS_GLOB_H_

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace quorate::node {

// The error for a pattern above Glob::kPatternBytesMax.
inline constexpr std::string_view kLongPattern =
    "ERR the pattern is longer than 65536 bytes";

class Glob {
 public:
  // Commands refuse longer patterns. It is longer than any key.
  static constexpr size_t kPatternBytesMax = 64 << 10;

  enum class Result : uint8_t { kMatches, kDiffers, kUnfinished };
  // The state of a match between two calls of Match.
  struct Attempt {
    size_t element = 0;
    size_t position = 0;
    // For the next try after the last '*': if the rest of the pattern does not
    // match, the '*' takes one character more. No '*' was met if the first is
    // zero, because it is the index behind one.
    size_t behind_star = 0;
    size_t star_end = 0;
  };

  explicit Glob(std::string_view pattern);

  // Begins or continues `attempt` at `text`, which is the same in each call.
  // Takes the steps done from `*steps`, and stops at zero.
  Result Match(std::string_view text, Attempt* attempt, uint64_t* steps) const;
  bool Matches(std::string_view text) const;

 private:
  enum class Kind : uint8_t { kStar, kAny, kCharacter, kClass };
  struct Element {
    Kind kind;
    uint8_t character = 0;
    uint32_t in_classes = 0;  // The index of its class.
  };
  using Class = std::bitset<256>;

  bool MatchesOne(const Element& element, char c) const;

  // Without two stars in a row.
  std::vector<Element> elements_;
  std::vector<Class> classes_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_COMMANDS_GLOB_H_
