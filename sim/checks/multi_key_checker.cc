#include "sim/checks/multi_key_checker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/ids.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {

std::string_view TokenOfValue(std::string_view value) {
  return value.substr(0, value.find('/'));
}

}  // namespace

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

bool MultiKeyChecker::Found::At(CommittedStates::Position place) const {
  const auto later = std::ranges::upper_bound(states, place, {},
                                              &CommittedStates::State::from);
  return later != states.begin() && std::prev(later)->value == value;
}

// Values change only where a state of one of the keys begins.
bool MultiKeyChecker::Together::Explained() const {
  const auto at_once = [&](const CommittedStates::State& state) {
    return std::ranges::all_of(
        found, [&](const Found& one) { return one.At(state.from); });
  };
  return std::ranges::any_of(found, [&](const Found& one) {
    return std::ranges::any_of(one.states, at_once);
  });
}

void MultiKeyChecker::OnRead(
    const std::vector<std::string>& keys,
    const std::vector<std::optional<std::string>>& values, SimTime called,
    SimTime now) {
  ++reads_checked_;
  // By group and slot. A key without writes has no group.
  std::map<std::pair<GroupId, Slot>, Together> together;
  bool fits = values.size() == keys.size();
  for (size_t i = 0; fits && i < keys.size(); ++i) {
    const GroupId group = states_->GroupOf(keys[i]);
    const Slot slot = states_->SlotOf(keys[i]);
    const bool alone = map_changed_ || group == GroupId();
    Together& others =
        together[{alone ? GroupId() : group, alone ? slot : Slot()}];
    others.slots.insert(slot);
    others.found.push_back({states_->StatesSince(keys[i], called),
                            values[i].has_value() ? HashBytes(*values[i])
                                                  : CommittedStates::kNothing});
  }
  for (const auto& [where, values_of_one] : together) {
    if (values_of_one.slots.size() > 1) ++group_reads_checked_;
    fits = fits && values_of_one.Explained();
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

void MultiKeyChecker::OnScan(std::string_view prefix,
                             const std::set<std::string>& found, SimTime called,
                             SimTime now) {
  ++scans_checked_;
  const auto report = [&](const std::string& key, std::string_view what) {
    violate_(absl::StrCat("scan: ", key, " ", std::string(what), " from ",
                          called.ns(), " ns to ", now.ns(), " ns"));
  };
  states_->VisitKeys(prefix, [&](const std::string& key) {
    if (!found.contains(key) &&
        std::ranges::all_of(states_->StatesSince(key, called),
                            &CommittedStates::State::there)) {
      report(key, "was missed by a scan, but existed all the time");
    }
  });
  for (const std::string& key : found) {
    if (std::ranges::none_of(states_->StatesSince(key, called),
                             &CommittedStates::State::there)) {
      report(key, "was found by a scan, but did not exist");
    }
  }
}

// ---- The log.

void MultiKeyChecker::OnCommand(const kv::CommandView& command,
                                const CommittedStates::Effect& effect) {
  kv::ArgumentReader arguments = command.arguments;
  std::string_view last;
  while (arguments.count() > 0) last = arguments.Next();
  const std::string token(command.op == kv::Op::kMSet ? TokenOfValue(last)
                                                      : last);
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
    write->second.removed = effect.reply.integer;
  }
}

}  // namespace quorate::sim
