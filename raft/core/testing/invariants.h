// raft/core/testing/invariants.h: checks the rules that hold across the
// replicas of one group (Raft paper Figure 3) after every step, in tests and
// simulations. The cost is proportional to what the step changed.
//
// The checker never aborts. It returns the violation in words, so that tests
// can plant one. It keeps its own history of the group, independent of the
// state of the replicas.
//
//   ClusterInvariants invariants;
//   invariants.ObserveStart(replica, core);      // after construction
//   core.Step(now, input, &output);
//   std::string violation = invariants.Observe(replica, core, output);
#ifndef QUORATE_RAFT_CORE_TESTING_INVARIANTS_H_
#define QUORATE_RAFT_CORE_TESTING_INVARIANTS_H_

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/testing/leader_term.h"
#include "raft/core/testing/written_log.h"

namespace quorate::raft {

class ClusterInvariants {
 public:
  // Call after every Step of `replica` with its Output. Returns the
  // violation, or an empty string.
  //   Election safety: at most one leader per term.
  //   Log matching: same index and term, same entry and same predecessor.
  //   Leader completeness: a new leader holds what was committed before.
  //   State machine safety: the same entry is applied at an index everywhere.
  //   Commit: a leader commits by counting only entries of its own term, and
  //   only entries that a quorum reports as durable.
  //   Lease: no replica has committed an entry that a read by a lease misses.
  //   Snapshot: it has the term, log time and configuration of the committed
  //   log at its index.
  //   Configuration: the newest one in the log is in effect.
  //   Sent once: a leader sends a member an entry again only after the member
  //   rejected an append, or if it lacks entries that the log no longer has.
  //   Each such reason allows a window of bytes (SetSendWindow).
  //   Installing: while a snapshot replaces its log, no replica campaigns,
  //   writes entries or rejects appends.
  //   Monotonic: term, commit and applied never fall in one life; nor does log
  //   time along a log; one vote per term.
  std::string Observe(ReplicaId replica, const Core& core,
                      const Output& output);

  // The most bytes of entries that a leader may have under way to a member, and
  // those of one append more.
  void SetSendWindow(uint64_t bytes) { send_window_bytes_ = bytes; }

  // Call when `replica` was created from its disk, also after a restart.
  //   Durability: the replica has the entries, the term and the vote that were
  //   on its disk. Only a newer snapshot that the log did not hold replaces it.
  //   Commit: it takes for committed what it knew to be, behind its snapshot.
  //   Its log holds the committed entry at that index, also at the snapshot's.
  std::string ObserveStart(ReplicaId replica, const Core& core);

  // The disk of `replica`, which is down, now has older entries, and the same
  // term and vote. No other replica needs what it lost. From now on the replica
  // need not have what it acknowledged.
  void ObserveOlderDisk(ReplicaId replica);

  // Returns the violation if `replica` were created from a copy of its
  // disk now. The checker learns nothing from it.
  std::string CheckRecovered(ReplicaId replica, const Core& core) const;

  // Call when a write of an Output is durable: for each write in order, before
  // the Step with its WriteDone. Returns the violation of the messages that
  // waited for the write. From the first call on, Observe also checks these
  // rules for that replica:
  //   - its durable index does not exceed what its disk holds;
  //   - its messages do not carry terms, votes or acknowledgements that are not
  //     durable yet;
  //   - an acknowledged entry is the entry of that term's leader, and stays on
  //     the disk during that term;
  //   - an installed snapshot keeps the entries behind it, if the disk holds
  //     the entry at its position;
  //   - a leader takes an entry for durable on the replica only after the
  //     replica acknowledged it in that term.
  std::string ObserveWritten(ReplicaId replica, const WriteToken& token);

  // A digest of an entry that the replica has in its log. It covers all but the
  // term and the index.
  uint64_t DigestOf(ReplicaId replica, const Entry& entry);

  // Highest index that any replica has committed.
  Index committed() const { return Index(committed_.size()); }

 private:
  // The state of a replica when it was last observed.
  struct Seen {
    Term term;
    ReplicaId voted_for;
    RoleKind role = RoleKind::kFollower;
    Index commit;
    Index applied;
    LogPosition durable;
    Index snapshot;
    bool installing = false;
    WrittenLog disk;
    uint64_t disk_changes = 0;  // Of `disk`, when it was last compared.
    // The checksums of payloads of late entries, by index. A replica checks
    // each entry when it appends it and when it applies it.
    struct Checksum {
      Buffer payload;
      uint32_t checksum = 0;
    };
    std::array<Checksum, 16> checksums;

    uint64_t DigestOf(const Entry& entry);
  };
  // An entry that some log held at an index. One per term.
  struct Fact {
    Term term;
    Term previous_term;
    uint64_t digest = 0;
    bool configuration = false;
  };
  struct Committed {
    Term term;
    uint64_t digest = 0;
    // The term of the replica that committed it first.
    Term committed_in;
    WallTime log_time;
  };

  // A recovery by force makes a configuration that no entry had, and replaces
  // those in the log.
  void NoteRecovery(const Core& core);
  // That of the entry that it replaced, if so.
  uint64_t SameDigest(const Entry& entry, uint64_t digest) const;
  // Each returns whether the rule holds. If it does not, *violation says why.
  bool CheckStep(ReplicaId replica, const Core& core, const Output& output,
                 Seen* seen, std::string* violation);
  bool CheckEntries(ReplicaId replica, const Core& core, const Output& output,
                    Seen* seen, std::string* violation);
  bool CheckApply(ReplicaId replica, const Core& core, const Output& output,
                  Seen* seen, std::string* violation);
  bool CheckDisk(ReplicaId replica, const Core& core, const Output& output,
                 Seen* seen, std::string* violation);
  bool CheckInstalled(ReplicaId replica, LogPosition position,
                      const WrittenLog& disk, std::string* violation);
  bool CheckInstalling(ReplicaId replica, const Core& core,
                       const Output& output, const Seen& seen,
                       std::string* violation) const;
  bool CheckMessages(ReplicaId replica, const std::vector<Message>& messages,
                     const WrittenLog& disk, std::string* violation);
  bool CheckAcknowledgement(ReplicaId replica, const Message& message,
                            const WrittenLog& disk, std::string* violation);
  // The leader of the message's term may take its entry for durable.
  void NoteAcknowledgement(ReplicaId replica, const Message& message);
  bool CheckKept(ReplicaId replica, const WrittenLog& disk,
                 std::string* violation);
  bool CheckSnapshot(ReplicaId replica, const Core& core, Seen* seen,
                     std::string* violation);
  bool CheckConfiguration(ReplicaId replica, const Core& core,
                          const Output& output, std::string* violation);
  bool CheckKnownCommit(ReplicaId replica, const Core& core, const Seen& seen,
                        std::string* violation) const;
  bool CheckRestart(ReplicaId replica, const Core& core, const Seen& seen,
                    std::string* violation) const;
  bool CheckReplica(ReplicaId replica, const Core& core, const Seen& seen,
                    std::string* violation);
  bool CheckLeader(ReplicaId replica, const Core& core, const Seen& seen,
                   std::string* violation);
  bool CheckLeaderCommit(ReplicaId replica, const Core& core,
                         std::string* violation);
  bool CheckSentOnce(ReplicaId replica, const Core& core, const Output& output,
                     std::string* violation);
  bool CheckMatches(ReplicaId replica, const Core& core,
                    LeaderTerm* leader_term, std::string* violation);
  bool CheckAppended(ReplicaId replica, const Core& core, const Entry& entry,
                     Seen* seen, std::string* violation);
  bool CheckApplied(ReplicaId replica, const Core& core, const Entry& entry,
                    Seen* seen, std::string* violation);
  bool CheckEvents(ReplicaId replica, const Core& core, const Output& output,
                   Seen* seen, std::string* violation);

  // The replica's element; FindSeen returns null if there is none.
  Seen& SeenOf(ReplicaId replica);
  const Seen* FindSeen(ReplicaId replica) const;
  // Null: the checker knows no leader of the term.
  LeaderTerm* FindLeader(Term term);

  // A group has few replicas.
  std::vector<std::pair<ReplicaId, std::unique_ptr<Seen>>> seen_;
  std::set<ReplicaId> older_;  // See ObserveOlderDisk.
  uint64_t send_window_bytes_ =
      CoreOptions().inflight_bytes_max + CoreOptions().append_bytes_max;
  std::map<Term, LeaderTerm> leaders_;
  // The element that was looked up last.
  std::pair<Term, LeaderTerm*> last_leader_;
  std::vector<std::vector<Fact>> facts_;  // By index - 1.
  std::vector<Committed> committed_;      // By index - 1.
  // The committed configurations, encoded, by index.
  absl::btree_map<Index, Buffer> configurations_;
  uint64_t generation_ = 0;  // The highest that a replica started with.
  // The digests of entries that recoveries have replaced.
  absl::btree_map<LogPosition, uint64_t> replaced_;
  // The matches of the leader that is being checked.
  std::vector<Core::FollowerMatch> matches_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_INVARIANTS_H_
