#include "examples/locks/protocol.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "env/parse_integer.h"

namespace quorate::examples {
namespace {

using Words = std::vector<std::string>;

bool ParseName(const std::string& word, std::string* name) {
  *name = word;
  return !word.empty() && word.size() <= kLockNameBytesMax &&
         std::all_of(word.begin(), word.end(),
                     [](char c) { return c > ' ' && c <= '~'; });
}

bool ParseMs(const std::string& word, int64_t* ms) {
  return ParseInteger(word, ms) && *ms > 0 && *ms <= kLeaseMsMax;
}

}  // namespace

std::optional<LockCommand> ParseLockCommand(std::string_view line) {
  const Words words = absl::StrSplit(std::string(line), ' ');
  const auto is = [&words](std::string_view verb, size_t count) {
    return words[0] == verb && words.size() == count;
  };
  LockCommand command;
  bool right = words.size() > 1 && ParseName(words[1], &command.lock);
  if (is("acquire", 4)) {
    command.verb = LockCommand::kAcquire;
    right = right && ParseName(words[2], &command.owner) &&
            ParseMs(words[3], &command.ms);
  } else if (is("renew", 4)) {
    command.verb = LockCommand::kRenew;
    right = right && ParseInteger(words[2], &command.token) &&
            ParseMs(words[3], &command.ms);
  } else if (is("release", 3)) {
    command.verb = LockCommand::kRelease;
    right = right && ParseInteger(words[2], &command.token);
  } else {
    right = right && is("get", 2);
  }
  return right ? std::optional(command) : std::nullopt;
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
  const Words words = absl::StrSplit(std::string(line), ' ');
  const bool held = words.size() == 6 && words[1] == "held";
  const bool free = words.size() == 3 && words[1] == "free";
  LockAnswer answer{.done = words[0] == "ok"};
  if (!answer.done && words[0] != "no") return std::nullopt;
  if (!(held || free) || !ParseInteger(words.back(), &answer.now)) {
    return std::nullopt;
  }
  if (held && !ParseLease(absl::StrJoin({words[2], words[3], words[4]}, " "),
                          &answer.lease.emplace())) {
    return std::nullopt;
  }
  return answer;
}

}  // namespace quorate::examples
