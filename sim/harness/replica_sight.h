// sim/harness/replica_sight.h: observations of one replica, for views of a run.
//
// A sight compares a replica with what it saw last, and adds an observation to
// the world if the replica changed.
#ifndef QUORATE_SIM_HARNESS_REPLICA_SIGHT_H_
#define QUORATE_SIM_HARNESS_REPLICA_SIGHT_H_

#include <string>

#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "sim/world/world.h"

namespace quorate::sim {

class ReplicaSight {
 public:
  // The commands of an entry, for people.
  using WordsOf = absl::FunctionRef<std::string(const raft::Entry&)>;

  // The replica may have changed.
  void Look(World* world, MachineId machine, GroupId group,
            const raft::Core& core);
  // The replica appended entries to its log, and wrote them to its disk.
  static void OnAppended(World* world, MachineId machine, GroupId group,
                         const raft::EntryList& entries, WordsOf words);
  static void OnApplied(World* world, MachineId machine, GroupId group,
                        const raft::Entry& entry, WordsOf words);
  // The replica is no longer there, or works no longer.
  void OnEnd(World* world, MachineId machine, GroupId group,
             std::string headline, std::string words);

 private:
  struct Seen {
    raft::RoleKind role = raft::RoleKind::kFollower;
    raft::Term term;
    ReplicaId vote;
    ReplicaId leader;
    raft::Index commit;
    raft::Index applied;
    raft::Index durable;
    raft::Index halted;
    raft::LogPosition last;
    raft::LogPosition start;
    raft::Index configuration;
    bool joining = false;
    bool installing = false;
    friend bool operator==(const Seen&, const Seen&) = default;
  };

  Seen seen_;
};

// The kind of an entry, and its commands unless it has none.
std::string DescribeEntry(const raft::Entry& entry,
                          ReplicaSight::WordsOf words);
// Printable bytes of a payload, cut to a line.
std::string DescribePayload(const raft::Entry& entry);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_REPLICA_SIGHT_H_
