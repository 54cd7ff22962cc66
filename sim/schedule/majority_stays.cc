#include "sim/schedule/majority_stays.h"

#include <algorithm>
#include <vector>

namespace quorate::sim {

bool MajorityStays(const raft::Configuration& configuration,
                   absl::FunctionRef<bool(const raft::Member&)> stays) {
  const auto keeps = [&](const std::vector<raft::Member>& voters) {
    const auto left = std::count_if(voters.begin(), voters.end(), stays);
    return voters.empty() || static_cast<size_t>(left) * 2 > voters.size();
  };
  return keeps(configuration.voters) && keeps(configuration.outgoing_voters);
}

}  // namespace quorate::sim
