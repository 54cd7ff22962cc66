// node/routing/upkeep.h: work of a node's stores that no request triggers:
// removal of due keys and sessions, and freeing of memory.
//
// Removal is a replicated rule. The leader of a group proposes entries while
// something is due. Each removes a bounded number of keys and rows of sessions.
// Every replica frees its own memory, a bounded
// amount per turn. A group without garbage and snapshot under way has one timer
// at most: for its next due key or row.
#ifndef QUORATE_NODE_ROUTING_UPKEEP_H_
#define QUORATE_NODE_ROUTING_UPKEEP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/loop.h"
#include "env/pending.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "raft/host/host.h"

namespace quorate::node {

class Upkeep {
 public:
  // The pause between two entries while more keys are due than one entry
  // removes.
  static constexpr Duration kEntryPause = Milliseconds(5);
  // The pause between two checks for due keys while one entry can remove all
  // of them.
  static constexpr Duration kSweepInterval = Seconds(1);
  // The pause between two turns that free pages.
  static constexpr Duration kReclaimPause = Milliseconds(5);
  // The pause between two checks whether a snapshot under way has ended. Its
  // end leaves pages to free, but no entry.
  static constexpr Duration kSnapshotCheckInterval = Seconds(1);

  // `bounds` outlives this object.
  Upkeep(env::Loop& loop, const BoundsConfig& bounds, raft::Host& host)
      : loop_(loop), bounds_(bounds), host_(host) {}
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  // The group's role or store may have changed. Cheap; calls nothing back.
  void OnChanged(GroupId group);

 private:
  struct Group {
    bool proposing = false;  // An entry is in flight.
    // Due keys are not checked before this time.
    MonoTime sweep_from = MonoTime::Min();
    MonoTime sweep_at = MonoTime::Max();  // The time of the timer; Max(): none.
    env::Pending sweep;
    bool reclaiming = false;
    env::Pending reclaim;
  };

  void SweepChanged();
  // True if there is nothing to remember of the group.
  bool IsIdle(const Group& group) const;
  // Sets the timer for the group's next due key, if this node leads it.
  void ArmSweep(GroupId id, Group& group);
  void Sweep(GroupId id);
  void ArmReclaim(GroupId id, Group& group);
  // The store of a group that this node leads and can write to; else null.
  const kv::Store* LedStore(GroupId id) const;
  // Log time of an entry that is proposed now, in milliseconds: the entry
  // removes keys that are due by then. Log time may be behind the clock.
  // Requires: this node leads.
  int64_t NextEntryMs(GroupId id) const;

  env::Loop& loop_;
  const BoundsConfig& bounds_;
  raft::Host& host_;
  // Without those that were idle after their last change.
  absl::btree_map<GroupId, Group> groups_;
  // The groups that changed in this turn, in this order. A group may be listed
  // again: another look at it changes nothing.
  std::vector<GroupId> changed_;
  env::Pending deferred_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_UPKEEP_H_
