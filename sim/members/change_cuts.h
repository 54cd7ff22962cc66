// sim/members/change_cuts.h: cuts of the network just when a group begins to
// change its voters.
//
// In joint consensus two majorities decide. A cut leaves one of them on each
// side. The leader is with a majority of the new voters. A group in which one
// half alone elects or commits has two leaders then.
#ifndef QUORATE_SIM_MEMBERS_CHANGE_CUTS_H_
#define QUORATE_SIM_MEMBERS_CHANGE_CUTS_H_

#include <map>
#include <optional>
#include <vector>

#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "sim/cluster/places.h"
#include "sim/world/world.h"

namespace quorate::sim {

// The nodes on both sides of a cut.
struct ChangeSides {
  std::vector<NodeId> incoming;  // With the leader: a majority of the new half.
  std::vector<NodeId> outgoing;  // A majority of the old half.
};

// None: no cut leaves a majority of each half.
std::optional<ChangeSides> SidesOf(const raft::Configuration& joint,
                                   ReplicaId leader);

class ChangeCuts {
 public:
  // Both outlive the object.
  ChangeCuts(World* world, const Places* places)
      : world_(*world), places_(*places) {}
  ChangeCuts(const ChangeCuts&) = delete;
  ChangeCuts& operator=(const ChangeCuts&) = delete;

  // A replica took a step. One in three changes of voters that it begins as a
  // leader is cut.
  void OnStep(GroupId group, const raft::Core& core);
  // No cut begins any more.
  void End() { ended_ = true; }

 private:
  void Cut(GroupId group, const ChangeSides& sides, Duration length);

  World& world_;
  const Places& places_;
  bool ended_ = false;
  // The newest change of each group that a leader began.
  std::map<GroupId, raft::LogPosition> begun_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_CHANGE_CUTS_H_
