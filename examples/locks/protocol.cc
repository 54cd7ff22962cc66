#include "examples/locks/protocol.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/parse_integer.h"

namespace quorate::examples {
namespace {

using Words = std::vector<std::string>;

struct Pattern {
  LockCommand::Verb verb;
  std::string_view name;
  // A letter for each further word: lock, owner, number, token, ms.
  std::string_view words;
};
constexpr Pattern kPatterns[] = {{LockCommand::kAcquire, "acquire", "lonm"},
                                 {LockCommand::kRenew, "renew", "lontm"},
                                 {LockCommand::kRelease, "release", "lont"},
                                 {LockCommand::kGet, "get", "l"}};

bool ParseName(const std::string& word, std::string* name) {
  *name = word;
  return !word.empty() && word.size() <= kLockNameBytesMax &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return c > ' ' && c <= '~'; });
}

bool ParseWord(char letter, const std::string& word, LockCommand* command) {
  switch (letter) {
    case 'l':
      return ParseName(word, &command->lock);
    case 'o':
      return ParseName(word, &command->owner);
    case 'n':
      return ParseInteger(word, &command->number) && command->number > 0;
    case 't':
      return ParseInteger(word, &command->token);
    default:
      return ParseInteger(word, &command->ms) && command->ms > 0 &&
             command->ms <= kLeaseMsMax;
  }
}

}  // namespace

std::optional<LockCommand> ParseLockCommand(std::string_view line) {
  const Words words = absl::StrSplit(std::string(line), ' ');
  for (const Pattern& pattern : kPatterns) {
    if (words[0] != pattern.name || words.size() != 1 + pattern.words.size()) {
      continue;
    }
    LockCommand command{.verb = pattern.verb};
    for (size_t i = 1; i < words.size(); ++i) {
      if (!ParseWord(pattern.words[i - 1], words[i], &command)) {
        return std::nullopt;
      }
    }
    return command;
  }
  return std::nullopt;
}

std::string FormatLease(const Lease& lease) {
  return absl::StrCat(lease.token, " ", lease.owner, " ", lease.until);
}

bool ParseLease(std::string_view text, Lease* lease) {
  const Words words = absl::StrSplit(std::string(text), ' ');
  return words.size() == 3 && ParseInteger(words[0], &lease->token) &&
         ParseName(words[1], &lease->owner) &&
         ParseInteger(words[2], &lease->until);
}

std::string FormatLockAnswer(const LockAnswer& answer) {
  return absl::StrCat(
      answer.done ? "ok " : "no ",
      answer.lease.has_value() ? "held " + FormatLease(*answer.lease) : "free",
      " ", answer.now);
}

std::optional<LockAnswer> ParseLockAnswer(std::string_view line) {
  constexpr std::string_view kHeld = "held ";
  LockAnswer answer{.done = line.starts_with("ok ")};
  if (!answer.done && !line.starts_with("no ")) return std::nullopt;
  const size_t end = line.rfind(' ');
  if (!ParseInteger(line.substr(end + 1), &answer.now)) return std::nullopt;
  const std::string_view state = line.substr(3, std::max<size_t>(end, 3) - 3);
  if (state == "free") return answer;
  if (!state.starts_with(kHeld) ||
      !ParseLease(state.substr(kHeld.size()), &answer.lease.emplace())) {
    return std::nullopt;
  }
  return answer;
}

}  // namespace quorate::examples
