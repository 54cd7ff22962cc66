#include "sim/checks/multi_key_checker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {

std::string TokenOfValue(std::string_view value) {
  return std::string(value.substr(0, value.find('/')));
}

}  // namespace

MultiKeyChecker::SlotHistory& MultiKeyChecker::HistoryOf(Slot slot) {
  SlotHistory& history = slots_[slot];
  if (history.states.empty()) history.states.emplace_back();
  return history;
}

template <typename Visit>
bool MultiKeyChecker::AnyState(const std::vector<State>& states, SimTime called,
                               Visit visit) {
  for (auto state = states.rbegin(); state != states.rend(); ++state) {
    if (visit(*state)) return true;
    if (state->since < called) break;
  }
  return false;
}

// ---- Clients.

void MultiKeyChecker::Return(const std::vector<std::string>& tokens,
                             std::optional<int64_t> removed) {
  int64_t removed_in_logs = 0;
  for (const std::string& token : tokens) {
    const Write& write = writes_.at(token);
    removed_in_logs += write.removed;
    if (write.committed) continue;
    return violate_(absl::StrCat("acknowledged: the write \"", token,
                                 "\" of several keys is in no log"));
  }
  if (removed.has_value() && *removed != removed_in_logs) {
    violate_(absl::StrCat("acknowledged: \"", absl::StrJoin(tokens, " "),
                          "\" removed ", *removed, " keys, but its log gives ",
                          removed_in_logs));
  }
}

void MultiKeyChecker::Withdraw(const std::string& token) {
  Write& write = writes_.at(token);
  write.withdrawn = true;
  if (write.committed) {
    violate_(absl::StrCat("refused: the write \"", token,
                          "\" of several keys was committed, then refused as "
                          "not executed"));
  }
}

bool MultiKeyChecker::SlotRead::Explains(const State& state) const {
  for (const auto& [key, value] : values) {
    const auto there = state.values.find(key);
    if ((there != state.values.end()) != value.has_value()) return false;
    if (value.has_value() && there->second != *value) return false;
  }
  return true;
}

bool MultiKeyChecker::SlotRead::ExplainedAt(uint64_t number) const {
  size_t at = states->size() - 1;
  while (at > oldest && (*states)[at].number > number) --at;
  return (*states)[at].number <= number && Explains((*states)[at]);
}

void MultiKeyChecker::OnRead(
    const std::vector<std::string>& keys,
    const std::vector<std::optional<std::string>>& values, SimTime called,
    SimTime now) {
  ++reads_checked_;
  // By slot, then by group. A slot without writes has no group.
  std::map<Slot, SlotRead> slots;
  bool fits = values.size() == keys.size();
  for (size_t i = 0; fits && i < keys.size(); ++i) {
    const Slot slot = kv::HashSlot(keys[i]);
    const std::vector<State>& states = StatesOf(slot);
    size_t oldest = states.size() - 1;
    while (oldest > 0 && states[oldest].since >= called) --oldest;
    SlotRead& read = slots[slot];
    read.states = &states;
    read.oldest = oldest;
    const auto [place, is_new] = read.values.emplace(keys[i], values[i]);
    fits = is_new || place->second == values[i];
  }
  std::map<std::pair<GroupId, Slot>, std::vector<const SlotRead*>> together;
  for (const auto& [slot, read] : slots) {
    const GroupId group = HistoryOf(slot).group;
    const bool alone = map_changed_ || group == GroupId();
    together[{group, alone ? slot : Slot()}].push_back(&read);
  }
  for (const auto& [group, reads] : together) {
    if (reads.size() > 1) ++group_reads_checked_;
    // Values change only where a state of one of the slots begins.
    const auto explains_all = [&](uint64_t number) {
      return std::ranges::all_of(reads, [&](const SlotRead* read) {
        return read->ExplainedAt(number);
      });
    };
    const bool explained =
        std::ranges::any_of(reads, [&](const SlotRead* read) {
          for (size_t i = read->oldest; i < read->states->size(); ++i) {
            if (explains_all((*read->states)[i].number)) return true;
          }
          return false;
        });
    fits = fits && explained;
  }
  if (fits) return;
  std::string returned;
  for (const std::optional<std::string>& value : values) {
    absl::StrAppend(&returned, " ", value.has_value() ? *value : "(nil)");
  }
  violate_(absl::StrCat("linearizability: MGET ", absl::StrJoin(keys, " "),
                        " ->", returned, ", called at ", called.ns(),
                        " ns and answered at ", now.ns(),
                        " ns; these values were never current together"));
}

void MultiKeyChecker::OnScan(const std::set<std::string>& found, SimTime called,
                             SimTime now) {
  ++scans_checked_;
  const auto report = [&](const std::string& key, std::string_view what) {
    violate_(absl::StrCat("scan: ", key, " ", std::string(what), " from ",
                          called.ns(), " ns to ", now.ns(), " ns"));
  };
  for (const auto& [slot, history] : slots_) {
    const std::vector<State>& states = history.states;
    // Keys that existed in every state of the time.
    std::map<std::string, std::string> stayed = states.back().values;
    AnyState(states, called, [&](const State& state) {
      std::erase_if(stayed, [&](const auto& key) {
        return !state.values.contains(key.first);
      });
      return false;
    });
    for (const auto& [key, value] : stayed) {
      if (!found.contains(key)) {
        return report(key, "was missed by a scan, but existed all the time");
      }
    }
  }
  for (const std::string& key : found) {
    const bool existed = AnyState(
        StatesOf(kv::HashSlot(key)), called,
        [&](const State& state) { return state.values.contains(key); });
    if (!existed) return report(key, "was found by a scan, but did not exist");
  }
}

// ---- The log.

void MultiKeyChecker::OnCommand(GroupId group, SimTime now,
                                const kv::CommandView& command) {
  if (kv::IsRead(command.op)) return;
  SlotHistory& history = HistoryOf(command.slot);
  history.group = group;
  std::vector<State>& states = history.states;
  State next{now, ++states_, states.back().values};
  kv::ArgumentReader arguments = command.arguments;
  std::string token;
  int64_t removed = 0;
  switch (command.op) {
    case kv::Op::kMSet:
      while (arguments.count() > 0) {
        const std::string key(arguments.Next());
        const std::string value(arguments.Next());
        token = TokenOfValue(value);
        next.values[key] = value;
      }
      break;
    case kv::Op::kDel:
      while (arguments.count() > 0) {
        token = std::string(arguments.Next());
        removed += static_cast<int64_t>(next.values.erase(token));
      }
      break;
    default:
      violate_(absl::StrCat("log: a ", std::string(kv::OpName(command.op)),
                            " of keys \"m…\", which no client sent"));
      return;
  }
  states.push_back(std::move(next));
  Commit(token, removed);
}

void MultiKeyChecker::Commit(const std::string& token, int64_t removed) {
  const auto write = writes_.find(token);
  if (write == writes_.end()) {
    violate_(absl::StrCat("log: it holds \"", token,
                          "\" of several keys, which no client sent"));
  } else if (std::exchange(write->second.committed, true)) {
    violate_(
        absl::StrCat("log: it holds \"", token, "\" of several keys twice"));
  } else if (write->second.withdrawn) {
    violate_(absl::StrCat("refused: the write \"", token,
                          "\" of several keys was refused as not executed, "
                          "then committed"));
  } else {
    write->second.removed = removed;
  }
}

}  // namespace quorate::sim
