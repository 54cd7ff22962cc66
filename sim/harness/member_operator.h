// sim/harness/member_operator.h: an operator who changes the members of the
// group 1 of users' nodes, as docs/embed says: with the commands of
// raft/service/members.h.
//
// The operator does one job after another. A job is a list of commands, and
// each command is given again until its reply begins with "ok":
//
//   a node comes     configuration, join, member
//   a node leaves    remove; in half of the jobs configuration and leave, too
//   a damaged disk   remove, configuration, leave, and then it comes again; or
//                    it is erased
//   a lost disk      the node starts with HostOptions::join, and comes again
//
// A node that comes learns, and votes later in three jobs of four. Nodes from
// the `founders`-th on are late: they are no members at first.
//
// These are its rules:
//   kept: a replica that the operator left on a sound disk is there.
//   dropped: a replica does not come back after its node has left.
//   store: a node keeps its store, unless its disk was lost.
//   refused: no command gets a reply that begins with "no".
// Without faults each job ends, see Settled.
#ifndef QUORATE_SIM_HARNESS_MEMBER_OPERATOR_H_
#define QUORATE_SIM_HARNESS_MEMBER_OPERATOR_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/host/host.h"
#include "raft/service/members.h"
#include "sim/choices/choices.h"
#include "sim/choices/sim_time.h"
#include "sim/harness/node_disks.h"
#include "sim/world/world.h"

namespace quorate::sim {

class MemberOperator {
 public:
  static constexpr GroupId kGroup{1};

  struct Hooks {
    NodeDisks::HostOf host;
    // Passes a command to the program of a node, in a turn of the node that is
    // given to OnTick.
    std::function<void(size_t node, std::string_view line,
                       raft::Members::Reply reply)>
        command;
  };

  // Node i + 1 runs on the i-th machine. All outlive the operator.
  MemberOperator(World* world, const std::vector<MachineId>* machines,
                 size_t founders, NodeDisks* disks, Hooks hooks);

  // ---- Events of nodes.
  // The program of a node begins.
  void OnBoot(size_t node) { nodes_[node].asked = false; }
  // Call it in turns of a node, many times in a second, once it has started.
  void OnTick(size_t node);
  // A node asks for admission (raft::HostOptions::admit).
  absl::Status Admit(const raft::JoinRequest& request) const;
  // Whether the node starts with HostOptions::join.
  bool joins(size_t node) const {
    return nodes_[node].late || disks_.losses(node) > 0;
  }

  // Whether a disk may be damaged or lost now: the operator has no job.
  bool idle() const { return steps_.empty() && !erasing_; }

  // ---- The end of a run.
  // From now on the operator begins no changes. It ends its job, and replaces
  // bad disks.
  void Finish() { acts_ = false; }
  bool Settled() const { return idle() && disks_.FirstBad() == nodes_.size(); }
  uint64_t progress() const { return progress_; }
  // How often a replica was held against the rules.
  uint64_t checks() const { return checks_; }
  std::string Describe() const;

 private:
  // A command of a job, or what takes its place.
  enum class Step : uint8_t {
    kRemove,  // At the leader.
    kAsk,     // Asks the leader for the configuration.
    kLeave,   // At the node of the job.
    kJoin,    // At the node of the job.
    kLearn,   // At the leader: the node learns.
    kVote,    // At the leader: the node learns, and votes later.
  };
  enum class Role : uint8_t { kIsOut, kLearns, kVotes };
  struct Node {
    bool late = false;
    bool asked = false;      // A command has no reply yet.
    StoreIncarnation store;  // Zero: it was not seen since its disk was lost.
    Role role = Role::kVotes;
    bool held = false;  // The operator left a replica there.
    bool left = false;  // It has left, and did not come again.
  };

  void Violate(size_t node, std::string_view rule, std::string_view what);
  // Holds the replica on the node against the rules.
  void CheckReplica(size_t node, const raft::Host& host);
  // Begins a job, if there is something to do.
  void Act();
  void Change(size_t node, uint64_t detail);
  void Replace(size_t node);
  std::deque<Step> StepsToReturn(size_t node) const;
  void Begin(size_t node, const std::string& what, std::deque<Step> steps);
  void EndJob();
  // The disk is erased when the present turn has ended, and the node starts
  // with HostOptions::join.
  void LoseDisk(size_t node);
  // The node that gets the command of this step; the number of nodes: none.
  size_t Addressee(Step step) const;
  std::string CommandOf(Step step) const;
  // The step needs no command, or no further one.
  bool IsDone(Step step) const;
  void Command(size_t node);
  void OnReply(size_t node, Step step, const std::string& line);
  void OnDone(Step step);
  void Mark(size_t node, std::string_view mark);
  // Null: there is no leader.
  const raft::Core* Leader(size_t* node) const;

  World& world_;
  const std::vector<MachineId>& machines_;
  NodeDisks& disks_;
  const Hooks hooks_;
  std::vector<Node> nodes_;
  bool acts_ = true;
  uint64_t acts_so_far_ = 0;
  SimTime next_act_;
  // The present job. No steps: there is none.
  std::deque<Step> steps_;
  size_t job_node_ = 0;
  uint64_t jobs_ = 0;  // The number of the present job.
  bool erasing_ = false;
  SimTime down_since_;         // Since then its node was not seen to work.
  std::string configuration_;  // The reply to `configuration`.
  std::string replica_;  // The reply to `join`: the replica and its store.
  SimTime replace_at_;   // When a bad disk is replaced. Zero: there is none.
  uint64_t progress_ = 0;
  uint64_t checks_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_HARNESS_MEMBER_OPERATOR_H_
