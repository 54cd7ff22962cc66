#include "examples/locks/locks.h"

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace quorate::examples {
namespace {

constexpr std::string_view kVersion = "locks 3";

}  // namespace

Buffer Locks::Apply(const raft::Entry& entry, bool wants_result) {
  const auto command = ParseLockCommand(entry.payload.view());
  if (!command.has_value()) {
    return Buffer::Copy(wants_result ? "not executed: no command of locks"
                                     : "");
  }
  const int64_t now = entry.log_time.ms();
  const auto held = leases_.find(command->lock);
  if (held != leases_.end() && held->second.until <= now) leases_.erase(held);
  LockAnswer answer{.done = Change(*command, entry.index.value(), now),
                    .now = now};
  const Lease* const lease = Find(command->lock);
  if (lease != nullptr) answer.lease = *lease;
  return wants_result ? Buffer::Take(FormatLockAnswer(answer)) : Buffer();
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

const Lease* Locks::Find(const std::string& lock) const {
  const auto found = leases_.find(lock);
  return found == leases_.end() ? nullptr : &found->second;
}

Buffer Locks::Save() const {
  std::string state(kVersion);
  for (const auto& [lock, lease] : leases_) {
    absl::StrAppend(&state, "\n", lock, " ", FormatLease(lease));
  }
  return Buffer::Take(std::move(state));
}

absl::Status Locks::Restore(std::string_view state) {
  const std::vector<std::string> lines =
      absl::StrSplit(std::string(state), '\n');
  std::map<std::string, Lease> leases;
  bool known = lines[0] == kVersion;
  for (size_t i = 1; i < lines.size() && known; ++i) {
    const std::pair<std::string, std::string> lock_and_lease =
        absl::StrSplit(lines[i], absl::MaxSplits(' ', 1));
    known = ParseLease(lock_and_lease.second, &leases[lock_and_lease.first]);
  }
  if (!known) return absl::DataLossError("no state of locks");
  leases_ = std::move(leases);
  return absl::OkStatus();
}

}  // namespace quorate::examples
