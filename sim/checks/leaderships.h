// sim/checks/leaderships.h: the nodes that led each group of a run, and when.
// Depends on identifiers and times only.
#ifndef QUORATE_SIM_CHECKS_LEADERSHIPS_H_
#define QUORATE_SIM_CHECKS_LEADERSHIPS_H_

#include <map>

#include "env/ids.h"
#include "raft/core/types.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

class Leaderships {
 public:
  // The leader of a group in one term, and when it began to lead. Node zero and
  // Max(): no node led. When it last sent heartbeats with an entry of its own
  // committed; Max(): never.
  struct Led {
    NodeId leader;
    SimTime since = SimTime::Max();
    SimTime last_heartbeat = SimTime::Max();
    SimTime until = SimTime::Max();  // Max(): it may still lead.
  };

  // The node began to lead.
  void Begin(NodeId node, GroupId group, raft::Term term, SimTime now);
  // The leader of this term sent heartbeats, and has committed an entry of its
  // own.
  void OnHeartbeats(GroupId group, raft::Term term, SimTime now) {
    led_[group][term].last_heartbeat = now;
  }
  // The node does not lead the group any more.
  void End(NodeId node, GroupId group, SimTime now);
  // The node leads no group any more.
  void EndAll(NodeId node, SimTime now);

  Led In(GroupId group, raft::Term term) const;
  // Whether the node led the group at some time from `since` on. Zero: any
  // group.
  bool LedSince(NodeId node, GroupId group, SimTime since) const;
  // When the group last got a leader. The first one does not count.
  SimTime LastChange(GroupId group) const;

 private:
  std::map<GroupId, std::map<raft::Term, Led>> led_;
  std::map<GroupId, SimTime> last_change_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LEADERSHIPS_H_
