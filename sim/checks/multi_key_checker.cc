#include "sim/checks/multi_key_checker.h"

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

std::vector<MultiKeyChecker::State>& MultiKeyChecker::StatesOf(Slot slot) {
  std::vector<State>& states = slots_[slot];
  if (states.empty()) states.emplace_back();
  return states;
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

void MultiKeyChecker::Return(const std::string& token,
                             std::optional<int64_t> removed) {
  const Write& write = writes_.at(token);
  if (!write.committed) {
    violate_(absl::StrCat("acknowledged: the write \"", token,
                          "\" of several keys is in no log"));
  } else if (removed.has_value() && *removed != write.removed) {
    violate_(absl::StrCat("acknowledged: \"", token, "\" removed ", *removed,
                          " keys, but its log gives ", write.removed));
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

void MultiKeyChecker::OnRead(
    const std::vector<std::string>& keys,
    const std::vector<std::optional<std::string>>& values, SimTime called,
    SimTime now) {
  ++reads_checked_;
  const std::vector<State>& states = StatesOf(kv::HashSlot(keys[0]));
  const auto explains = [&](const State& state) {
    for (size_t i = 0; i < keys.size(); ++i) {
      const auto value = state.values.find(keys[i]);
      const bool there = value != state.values.end();
      if (there != values[i].has_value()) return false;
      if (there && value->second != *values[i]) return false;
    }
    return true;
  };
  if (values.size() == keys.size() && AnyState(states, called, explains)) {
    return;
  }
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
  for (const auto& [slot, states] : slots_) {
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

void MultiKeyChecker::OnCommand(SimTime now, const kv::CommandView& command) {
  if (kv::IsRead(command.op)) return;
  std::vector<State>& states = StatesOf(command.slot);
  State next{now, states.back().values};
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
