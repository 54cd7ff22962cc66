// raft/core/invariants.h: the rules that hold across the replicas of one group
// (Raft paper Figure 3), judged after every step, incrementally: a step costs
// in proportion to what it changed.
//
// The judge never aborts: it answers with the violation in words, so that it
// can be tested by planting one. Its own memory of the group's history makes it
// independent of what replicas remember.
//
//   ClusterInvariants judge;
//   judge.ObserveStart(node, core);         // after construction
//   core.Step(now, input, &output);
//   std::string violation = judge.Observe(node, core, output);
#ifndef QUORATE_RAFT_CORE_INVARIANTS_H_
#define QUORATE_RAFT_CORE_INVARIANTS_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "raft/core/core.h"

namespace quorate::raft {

// What a replica's disk holds, by the writes that were done.
struct WrittenLog {
  struct PendingWrite {
    WriteToken token;
    Index first;
    std::vector<Term> terms;
  };
  // Whether anybody tells which writes were done.
  bool watched = false;
  HardState hard_state;
  Index base;
  std::vector<Term> terms;  // [i] is of entry base + 1 + i.
  std::deque<PendingWrite> pending;
};

class ClusterInvariants {
 public:
  // After every Step of replica `node`, with the Output it gave. Returns what
  // was violated, or an empty string.
  //   Election safety: at most one leader per term.
  //   Log matching: same index and term, same entry and same predecessor.
  //   Leader completeness: a new leader holds what was committed before.
  //   State machine safety: the same entry is applied at an index everywhere.
  //   Commit: a leader commits by counting only entries of its own term, and
  //   only what a quorum says it has on disk.
  //   Snapshot: it is stamped with the term, log time and configuration of the
  //   committed log at its index.
  //   Configuration: in effect is the newest one in the log.
  //   Monotonic: term, commit and applied never fall in one life; nor does log
  //   time along a log; one vote per term.
  std::string Observe(NodeId node, const Core& core, const Output& output);

  // Replica `node` was made (again) from its disk.
  //   Durability: the entries, the term and the vote that were on its disk are
  //   there.
  std::string ObserveStart(NodeId node, const Core& core);

  // A write that Output gave out is done; each of a replica's writes in order,
  // before the Step with its WriteDone. Once it was called for a replica,
  // Observe also compares what it says to have on its disk with what is there,
  // and what its messages say: terms, votes and acknowledgements that are not
  // on the disk stay at home.
  void ObserveWritten(NodeId node, const WriteToken& token);

  // Highest index that any replica has committed.
  Index committed() const { return Index(committed_.size()); }

 private:
  // What a replica looked like when it was last observed.
  struct Seen {
    Term term;
    NodeId voted_for;
    RoleKind role = RoleKind::kFollower;
    Index commit;
    Index applied;
    LogPosition durable;
    Index snapshot;
    WrittenLog disk;
  };
  // An entry that some log held at an index. One per term.
  struct Fact {
    Term term;
    Term previous_term;
    uint64_t digest = 0;
  };
  struct Committed {
    Term term;
    uint64_t digest = 0;
    // Of the replica that committed it first.
    Term committed_in;
    WallTime log_time;
  };

  std::string CheckDisk(NodeId node, const Core& core, const Output& output,
                        WrittenLog* disk);
  std::string CheckMessages(NodeId node, const Output& output,
                            const WrittenLog& disk);
  std::string CheckSnapshot(NodeId node, const Core& core, Seen* seen);
  std::string CheckConfiguration(NodeId node, const Core& core,
                                 const Output& output);
  std::string CheckRestart(NodeId node, const Core& core, const Seen& seen);
  std::string CheckReplica(NodeId node, const Core& core, const Seen& seen);
  std::string CheckLeader(NodeId node, const Core& core, const Seen& seen);
  std::string CheckLeaderCommit(NodeId node, const Core& core);
  std::string CheckAppended(NodeId node, const Core& core, const Entry& entry);
  std::string CheckApplied(NodeId node, const Core& core, const Entry& entry);
  std::string CheckEvents(NodeId node, const Core& core, const Output& output,
                          Seen* seen);

  absl::btree_map<NodeId, Seen> seen_;
  absl::btree_map<Term, NodeId> leaders_;
  std::vector<std::vector<Fact>> facts_;  // By index - 1.
  std::vector<Committed> committed_;      // By index - 1.
  // Those that were committed, encoded.
  absl::btree_map<Index, Buffer> configurations_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_INVARIANTS_H_
