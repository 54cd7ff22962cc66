// sim/harness/wrong_requests.h: an operator who asks hosts for what they must
// refuse.
//
// The requests name groups that are not there, configurations that break a
// rule, and peers that are none. Some need a replica that is prepared and never
// founded. For these the operator prepares one of a group of its own, kStray,
// and drops it again. This is the rule:
//   wrong request: a host refuses the request with the documented status.
#ifndef QUORATE_SIM_HARNESS_WRONG_REQUESTS_H_
#define QUORATE_SIM_HARNESS_WRONG_REQUESTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/host/host.h"
#include "sim/world/world.h"

namespace quorate::sim {

// A request that each host refuses.
struct WrongRequest {
  using Done = absl::AnyInvocable<void(absl::Status)>;
  std::string_view what;
  // Empty: the code depends on whether the replica leads.
  std::optional<absl::StatusCode> code;
  // `running` is a group with a replica that works. Null: the request is for
  // its present configuration with `change`.
  void (*ask)(raft::Host& host, GroupId running, Done done) = nullptr;
  void (*change)(raft::Configuration* target) = nullptr;
};

// All requests that need no replica of kStray.
absl::Span<const WrongRequest> WrongRequests();
// Empty if `status` is a refusal with the code of the request; else what is
// wrong with it.
std::string WrongAnswer(const WrongRequest& request,
                        const absl::Status& status);

class WrongRequester {
 public:
  // No plan of a founding names it, and no other operator uses it.
  static constexpr GroupId kStray{3};

  // Node i + 1 runs on the i-th machine. Both outlive the object.
  WrongRequester(World* world, const std::vector<MachineId>* machines)
      : world_(*world), machines_(*machines), nodes_(machines->size()) {}

  // The program of a node begins. Calls to the one before have no answer.
  void OnBoot(size_t node) { nodes_[node].calls = 0; }
  // Call it in turns of a node that has started, many times in a second.
  // `running`: see WrongRequest.
  void OnTick(size_t node, raft::Host* host, GroupId running);
  // From now on it only drops replicas of kStray.
  void Finish() { asks_ = false; }

 private:
  struct Node {
    uint64_t draws = 0;
    int calls = 0;  // Calls to the host that have no answer.
  };

  void Check(size_t node, raft::Host* host, const WrongRequest& request,
             const absl::Status& status);
  // Prepares a replica of kStray. The second preparation gives up the first.
  void Prepare(size_t node, raft::Host* host, bool twice);
  // Tries to found the prepared replica with entry 1 of this kind, then drops
  // it.
  void Found(size_t node, raft::Host* host, uint64_t kind);
  void Drop(size_t node, raft::Host* host);

  World& world_;
  const std::vector<MachineId>& machines_;
  std::vector<Node> nodes_;
  bool asks_ = true;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_WRONG_REQUESTS_H_
