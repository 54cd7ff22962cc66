// sim/harness/replica_observer.h: passes what the host of one node does to the
// ReplicaChecker.
//
// It must not call the host while the host calls it, so checks that need the
// host run after the turn.
#ifndef QUORATE_SIM_HARNESS_REPLICA_OBSERVER_H_
#define QUORATE_SIM_HARNESS_REPLICA_OBSERVER_H_

#include <string>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/host/host.h"
#include "sim/checks/replica_checker.h"
#include "sim/harness/replica_sight.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ReplicaObserver : public raft::Host::Observer {
 public:
  ReplicaObserver(World* world, MachineId machine, NodeId node,
                  ReplicaChecker* checker)
      : world_(*world), machine_(machine), node_(node), checker_(*checker) {
    checker_.OnBoot(node_);
  }

  void OnEvent(GroupId group, const raft::Event& event) override;
  void OnApplied(GroupId group, const raft::Entry& entry) override;
  void OnRestored(GroupId group,
                  const raft::SnapshotDescriptor& snapshot) override;
  void OnRecovered(GroupId group, const raft::Core& core) override;
  void OnWritten(GroupId group, const raft::WriteToken& token) override;
  void OnDropped(GroupId group) override;
  void OnStopped(const absl::Status& why) override;
  void OnFenced(GroupId group, const absl::Status& why) override;
  void OnStep(GroupId group, const raft::Core& core,
              const raft::Output& output) override;

 protected:
  ~ReplicaObserver() = default;

  // The first replica applied the entry.
  virtual void OnCommitted(GroupId group, const raft::Entry& entry) = 0;
  // The checker of a group's replica on this node.
  virtual ReplicaChecker& CheckerOf(GroupId group) {
    (void)group;
    return checker_;
  }
  // The commands of an entry, for views of the run.
  virtual std::string WordsOf(GroupId group, const raft::Entry& entry) const {
    (void)group;
    return DescribePayload(entry);
  }
  // The state of a group's replica may have changed in this turn.
  virtual void OnChanged(GroupId group) { (void)group; }

  // Call it when the host has started.
  void CheckRecovered(const raft::Host& host);
  // Call it after every turn once the host has started. Adds the digests of
  // changed replicas to the hash of the run.
  void CheckChanged(const raft::Host& host);
  // Adds the state of each core to the hash of the run. Call it at the end: it
  // reads all entries in memory.
  void HashCores(const raft::Host& host);

 private:
  struct Changed {
    bool any = false;
    raft::Term led;  // The term in which it began to lead. Zero: it did not.
    raft::LogPosition holds;  // The end of the log on disk.
    ReplicaSight sight;       // Only for views of the run.
  };

  void Observe(GroupId group, const raft::Core& core,
               const raft::Output& output);
  void Note(GroupId group) { any_changed_ = ChangedOf(group).any = true; }
  Changed& ChangedOf(GroupId group) { return changed_[group]; }
  void Check(const raft::Host& host, GroupId group, Changed* changed);

  World& world_;
  const MachineId machine_;
  const NodeId node_;
  ReplicaChecker& checker_;
  bool any_changed_ = false;
  absl::btree_map<GroupId, Changed> changed_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_REPLICA_OBSERVER_H_
