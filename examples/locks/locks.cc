#include "examples/locks/locks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "env/parse_integer.h"

namespace quorate::examples {
namespace {

constexpr std::string_view kVersion = "locks 2";
constexpr char kBetween = '\t';  // A request and its answer have none.

}  // namespace

Buffer Locks::Apply(const raft::Entry& entry, bool wants_result) {
  const auto command = ParseLockCommand(entry.payload.view());
  const std::string answer =
      command.has_value() ? Execute(*command, entry.payload.view(),
                                    entry.index.value(), entry.log_time.ms())
                          : "not executed: no command of locks";
  return wants_result ? Buffer::Copy(answer) : Buffer();
}

std::string Locks::Execute(const LockCommand& command, std::string_view request,
                           uint64_t index, int64_t now) {
  const auto last = owners_.find(command.owner);
  if (command.verb != LockCommand::kGet && last != owners_.end()) {
    const Owner& owner = last->second;
    if (command.number == owner.number && request == owner.request) {
      return owner.answer;
    }
    if (command.number <= owner.number) {
      return absl::StrCat("stale: the owner's last request was ",
                          owner.request);
    }
  }
  const auto held = leases_.find(command.lock);
  if (held != leases_.end() && held->second.until <= now) leases_.erase(held);
  LockAnswer answer{.done = Change(command, index, now), .now = now};
  const Lease* const lease = Find(command.lock);
  if (lease != nullptr) answer.lease = *lease;
  std::string text = FormatLockAnswer(answer);
  if (command.verb != LockCommand::kGet) {
    owners_[command.owner] = {command.number, index, std::string(request),
                              text};
    if (owners_.size() > kOwnersMax) ForgetAnOwner();
  }
  return text;
}

// The lease of the lock is not over.
bool Locks::Change(const LockCommand& command, uint64_t index, int64_t now) {
  if (command.verb == LockCommand::kGet) return true;
  const auto held = leases_.find(command.lock);
  const bool is_free = held == leases_.end();
  if (command.verb == LockCommand::kAcquire) {
    if (leases_.size() >= kLeasesMax) {
      std::erase_if(leases_, [now](const auto& lease) {
        return lease.second.until <= now;
      });
    }
    if (!is_free || leases_.size() >= kLeasesMax) return false;
    leases_[command.lock] = {index, command.owner, now + command.ms};
    return true;
  }
  if (is_free || held->second.token != command.token) return false;
  if (command.verb == LockCommand::kRenew) {
    held->second.until = now + command.ms;
  } else {
    leases_.erase(held);
  }
  return true;
}

// The one that asked nothing for the longest time.
void Locks::ForgetAnOwner() {
  owners_.erase(std::min_element(owners_.begin(), owners_.end(),
                                 [](const auto& a, const auto& b) {
                                   return a.second.index < b.second.index;
                                 }));
}

const Lease* Locks::Find(const std::string& lock) const {
  const auto found = leases_.find(lock);
  return found == leases_.end() ? nullptr : &found->second;
}

Buffer Locks::Save() const {
  std::string state(kVersion);
  for (const auto& [lock, lease] : leases_) {
    absl::StrAppend(&state, "\nlease ", lock, " ", FormatLease(lease));
  }
  for (const auto& [name, owner] : owners_) {
    absl::StrAppend(&state, "\nowner ", name, " ", owner.number, " ",
                    owner.index, " ", owner.request, std::string(1, kBetween),
                    owner.answer);
  }
  return Buffer::Take(std::move(state));
}

bool Locks::ParseOwner(const std::string& text, Owner* owner) {
  const std::vector<std::string> words =
      absl::StrSplit(text, absl::MaxSplits(' ', 2));
  if (words.size() != 3) return false;
  const size_t between = words[2].find(kBetween);
  if (between == std::string::npos) return false;
  owner->request = words[2].substr(0, between);
  owner->answer = words[2].substr(between + 1);
  return ParseInteger(words[0], &owner->number) &&
         ParseInteger(words[1], &owner->index);
}

absl::Status Locks::Restore(std::string_view state) {
  std::map<std::string, Lease> leases;
  std::map<std::string, Owner> owners;
  const std::vector<std::string> lines =
      absl::StrSplit(std::string(state), '\n');
  bool known = lines[0] == kVersion;
  for (size_t i = 1; i < lines.size() && known; ++i) {
    const std::vector<std::string> words =
        absl::StrSplit(lines[i], absl::MaxSplits(' ', 2));
    known = words.size() == 3;
    if (known && words[0] == "lease") {
      known = ParseLease(words[2], &leases[words[1]]);
    } else {
      known = known && words[0] == "owner" &&
              ParseOwner(words[2], &owners[words[1]]);
    }
  }
  if (!known) return absl::DataLossError("no state of locks");
  leases_ = std::move(leases);
  owners_ = std::move(owners);
  return absl::OkStatus();
}

}  // namespace quorate::examples
