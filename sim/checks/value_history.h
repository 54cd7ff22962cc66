// sim/checks/value_history.h: the committed values of each key, with the places
// and times at which they are current.
//
// A value is current from the time when the first replica applied its command
// until the next value of the key.
#ifndef QUORATE_SIM_CHECKS_VALUE_HISTORY_H_
#define QUORATE_SIM_CHECKS_VALUE_HISTORY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class ValueHistory {
 public:
  // The number of a command among all committed commands, from 1.
  using Position = uint64_t;
  // The hash of a key's value before the first OnValue, and after a removal.
  static constexpr uint64_t kNothing = 0;

  // From `at` on, and from the time `since` on, the key has the value with this
  // hash.
  void OnValue(const std::string& key, Position at, SimTime since,
               uint64_t value);

  // Whether the value was current at some time from `from` to `to`.
  bool CurrentBetween(const std::string& key, uint64_t value, SimTime from,
                      SimTime to) const;
  // The first position from `floor` on at which the value is current.
  std::optional<Position> FirstFrom(Position floor, const std::string& key,
                                    uint64_t value) const;

 private:
  struct State {
    Position from = 0;
    SimTime since;
    uint64_t value = kNothing;
  };

  const std::vector<State>& StatesOf(const std::string& key) const;

  // Looked up only. The first state of each key is kNothing.
  absl::flat_hash_map<std::string, std::vector<State>> states_;
  // The states of a key without values.
  const std::vector<State> none_{State()};
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_VALUE_HISTORY_H_
