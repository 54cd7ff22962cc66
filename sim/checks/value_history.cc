#include "sim/checks/value_history.h"

#include <algorithm>

#include "env/check.h"

namespace quorate::sim {

void ValueHistory::OnValue(const std::string& key, Position at, SimTime since,
                           uint64_t value) {
  std::vector<State>& states = states_.try_emplace(key, none_).first->second;
  CHECK_LT(states.back().from, at) << "positions rise";
  states.push_back({at, since, value});
}

const std::vector<ValueHistory::State>& ValueHistory::StatesOf(
    const std::string& key) const {
  const auto it = states_.find(key);
  return it == states_.end() ? none_ : it->second;
}

bool ValueHistory::CurrentBetween(const std::string& key, uint64_t value,
                                  SimTime from, SimTime to) const {
  const std::vector<State>& states = StatesOf(key);
  for (size_t i = states.size(); i-- > 0;) {
    if (states[i].since > to) continue;
    if (states[i].value == value) return true;
    if (states[i].since < from) return false;
  }
  return false;
}

std::optional<ValueHistory::Position> ValueHistory::FirstFrom(
    Position floor, const std::string& key, uint64_t value) const {
  const std::vector<State>& states = StatesOf(key);
  // The state at the floor is the last one that begins no later.
  const auto later = std::upper_bound(
      states.begin(), states.end(), floor,
      [](Position at, const State& state) { return at < state.from; });
  for (auto state = later - 1; state != states.end(); ++state) {
    if (state->value == value) return std::max(state->from, floor);
  }
  return std::nullopt;
}

}  // namespace quorate::sim
