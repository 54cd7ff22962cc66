#include "sim/checks/watch_checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void WatchChecker::Return(const std::string& token) {
  Write& write = writes_.at(token);
  write.executed = true;
  if (write.place != 0) return;
  violate_(absl::StrCat("acknowledged: \"", token, "\" is in no log"));
}

void WatchChecker::Withdraw(const std::string& token) {
  Write& write = writes_.at(token);
  write.refused = true;
  if (write.place == 0) return;
  violate_(absl::StrCat("refused: \"", token,
                        "\" was committed, then refused as not executed"));
}

void WatchChecker::OnExecuted(const Transaction& transaction) {
  Return(transaction.token);
  executed_.push_back(transaction);
  Check(transaction);
}

bool WatchChecker::OnAborted(const Transaction& transaction) {
  Write& write = writes_.at(transaction.token);
  write.refused = true;
  return std::any_of(transaction.reads.begin(), transaction.reads.end(),
                     [&](const Read& read) {
                       const Change* const wrote = Find(read);
                       return wrote != nullptr && wrote->due_ms != 0 &&
                              wrote->due_ms < write.log_ms;
                     });
}

void WatchChecker::Finish() {
  for (const Transaction& transaction : executed_) Check(transaction);
}

const WatchChecker::Change* WatchChecker::Find(const Read& read) const {
  const auto of_key = changes_.find(read.key);
  if (!read.value.has_value() || of_key == changes_.end()) return nullptr;
  const auto found = std::find_if(
      of_key->second.begin(), of_key->second.end(), [&](const Change& change) {
        return !change.removes && change.token == *read.value;
      });
  return found == of_key->second.end() ? nullptr : &*found;
}

void WatchChecker::Check(const Transaction& transaction) {
  const Write& write = writes_.at(transaction.token);
  if (write.place == 0) return;
  for (const Read& read : transaction.reads) {
    CheckRead(transaction, read, write);
  }
}

void WatchChecker::CheckRead(const Transaction& transaction, const Read& read,
                             const Write& write) {
  const std::string name =
      absl::StrCat("the transaction \"", transaction.token, "\" read \"",
                   read.value.value_or("(nil)"), "\" of ", read.key);
  const Change* const wrote = Find(read);
  if (read.value.has_value()) {
    if (wrote == nullptr || wrote->at > transaction.read ||
        wrote->place >= write.place) {
      violate_(absl::StrCat("linearizability: ", name,
                            ", which was not committed then"));
      return;
    }
    if (writes_.at(wrote->token).refused) {
      violate_(absl::StrCat("refused: ", name, ", which was refused"));
    }
    if (wrote->due_ms != 0 && wrote->due_ms < write.log_ms) {
      violate_(absl::StrCat("watch: ", name, ", which was due at ",
                            wrote->due_ms, " ms; it was executed at ",
                            write.log_ms, " ms of log time"));
    }
  }
  for (const Change& change : changes_[read.key]) {
    if (change.place >= write.place) break;
    if (!HasEffect(change)) continue;
    // A key that was absent may have been removed before it was read.
    const bool later = wrote != nullptr
                           ? change.place > wrote->place
                           : !change.removes && change.at > transaction.read;
    if (!later) continue;
    violate_(absl::StrCat("watch: ", name, " and was executed, though \"",
                          change.token, "\" changed the key before"));
    if (change.at < transaction.called) {
      violate_(absl::StrCat("linearizability: ", name, " after \"",
                            change.token, "\" had replaced it"));
    }
    return;
  }
}

void WatchChecker::OnCommand(SimTime now, WallTime log_time,
                             const kv::CommandView& command) {
  const int64_t log_ms = log_time.ms();
  ++places_;
  if (command.op != kv::Op::kAtomic) {
    return OnChange(now, log_ms, command, /*conditional=*/false);
  }
  kv::CommandReader nested = kv::CommandReader::Nested(command);
  while (nested.ok() && !nested.done()) {
    kv::CommandView inner;
    if (nested.Next(&inner)) OnChange(now, log_ms, inner, true);
  }
}

void WatchChecker::OnChange(SimTime now, int64_t log_ms,
                            const kv::CommandView& command, bool conditional) {
  kv::ArgumentReader arguments = command.arguments;
  std::vector<std::string> words;
  while (arguments.count() > 0) words.emplace_back(arguments.Next());
  Change change{.place = places_, .at = now, .conditional = conditional};
  if (command.op == kv::Op::kSet && words.size() == 2) {
    if (command.has_expiry) {
      const bool relative = (command.flags & kv::kRelativeExpiry) != 0;
      change.due_ms = command.expire_at_ms + (relative ? log_ms : 0);
    }
  } else if (command.op == kv::Op::kDel && words.size() == 2) {
    change.removes = true;
  } else {
    return;  // It changes nothing.
  }
  change.token = words[1];
  const auto write = writes_.find(change.token);
  if (write == writes_.end() || write->second.place != 0) {
    violate_(absl::StrCat(
        "log: it holds \"", change.token, "\"",
        write == writes_.end() ? ", which no client sent" : " twice"));
    return;
  }
  write->second.place = places_;
  write->second.log_ms = log_ms;
  if (write->second.refused) {
    violate_(absl::StrCat("refused: \"", change.token,
                          "\" was refused as not executed, then committed"));
  }
  changes_[words[0]].push_back(std::move(change));
}

}  // namespace quorate::sim
