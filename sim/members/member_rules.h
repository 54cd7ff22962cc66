// sim/members/member_rules.h: the rules of a cluster whose members change,
// which hold at every step.
//
// The rules know two truths: the entries that the groups commit, and which
// replicas really work. The state of the controller is that of its model, and
// not that of the product (controller_checker.h).
//
//   majority: a leader proposes no voters of which no majority works, if of the
//   voters before a majority does.
//   replacement: a change of voters leaves as many as the group shall have.
//   learner: a leader proposes as voters only replicas whose logs have the
//   configuration before.
//   report: a configuration that the controller knows was committed by its
//   group before, and in effect at that position.
//   recovery: a group goes on with a higher generation only after the loss of
//   its majority.
//   copies: no move ends because the copies of its slots differ.
//   refusal: the answer that an operator gets is the one that the log gave.
#ifndef QUORATE_SIM_MEMBERS_MEMBER_RULES_H_
#define QUORATE_SIM_MEMBERS_MEMBER_RULES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"
#include "sim/choices/sim_time.h"
#include "sim/members/controller_checker.h"

namespace quorate::sim {

class MemberRules {
 public:
  // A replica that worked this recently counts as one that works: its leader
  // cannot know better.
  static constexpr Duration kKnownToWork = Seconds(3);

  using Report = std::function<void(std::string)>;
  using Clock = std::function<SimTime()>;
  // `controller` outlives the object.
  MemberRules(const ControllerChecker* controller, Clock clock, Report violate)
      : controller_(*controller),
        clock_(std::move(clock)),
        violate_(std::move(violate)) {}

  // The first replica applied the entry. The checker of the controller knows
  // the entry.
  void OnCommitted(GroupId group, const raft::Entry& entry);
  // A replica took a step.
  void OnStep(GroupId group, const raft::Core& core);
  // The replica works now. Call it for all that do, many times in a second.
  void OnWorks(ReplicaId replica) { worked_[replica] = clock_(); }

  // A leader proposes voters instead of those before.
  void CheckProposal(GroupId id, const raft::Configuration& before,
                     const raft::Configuration& after);
  // New voters, where the configuration before is at `base`.
  void CheckNewVoters(GroupId id, raft::Index base,
                      const raft::Configuration& before,
                      const raft::Configuration& after);
  // A replica has a log with this last entry, and knows this commit index.
  void OnLog(GroupId group, ReplicaId replica, raft::Index last,
             raft::Index commit);

  // The status of an operator's answer.
  void OnAnswer(const shardctrl::OperationId& operation, int status,
                const std::string& request);
  // Checks what must hold once all entries are applied.
  void Finish() const;

  // The state of the controller after the entries so far, by the model. Null:
  // its group has not committed its first entry yet.
  const shardctrl::ClusterState* state() const { return controller_.state(); }
  // The group has lost its majority for good.
  void OnMajorityLost(GroupId group) { groups_[group].lost = true; }
  // The groups that did not go on yet.
  std::vector<GroupId> lost() const;
  // A replica has a configuration of a higher generation than all before, in
  // effect at `index`.
  void OnRecovery(GroupId id, raft::Index index,
                  const raft::Configuration& now);

  // The newest committed configuration; null: none is known.
  const raft::Configuration* Committed(GroupId group) const;
  // Whether the replica has not heard of that one yet.
  bool IsBehind(GroupId group, const raft::Core& core) const;
  // The replicas that were wanted until lately: leaders may go by them. The
  // present ones are not among them.
  using Wanted = std::vector<shardctrl::WantedReplica>;
  std::vector<Wanted> WantedLately(GroupId group) const;
  // The group existed, and has ended.
  bool Retired(GroupId group) const;
  // The groups that committed an entry, without those that have ended.
  std::vector<GroupId> groups() const;
  // The end of the longest log of the group, and what is committed.
  raft::Index LongestLog(GroupId group) const;
  raft::Index CommitIndex(GroupId group) const;
  // Whether the replica worked just now.
  bool Works(ReplicaId replica) const;
  // How many configurations were committed, in all groups.
  uint64_t changes() const { return changes_; }
  uint64_t refusals() const { return refusals_; }
  uint64_t answers() const { return answers_; }
  // How often a rule was evaluated.
  struct Checked {
    uint64_t voters = 0;      // Proposals of other voters.
    uint64_t new_voters = 0;  // Proposals of a voter that was none.
    uint64_t reports = 0;
    uint64_t recoveries = 0;
    uint64_t decisions = 0;  // Moves that were decided or given up.
  };
  const Checked& checked() const { return checked_; }

 private:
  struct Group {
    // By generation and index.
    std::map<std::pair<uint64_t, raft::Index>, raft::Configuration> committed;
    bool lost = false;
    // The first leader since the newest recovery. None: there was none yet.
    std::optional<SimTime> led = SimTime();
    uint64_t generation = 0;
    // The newest configuration of a leader that was checked.
    raft::LogPosition checked;
    raft::Configuration proposed;
    uint32_t least_replicas = ~uint32_t{0};  // That it ever was to have.
    raft::Index commit;  // The highest one that a replica knew.
    std::map<ReplicaId, raft::Index> last;  // The highest last index of each.
    // The place of the latest configuration of each leader.
    std::map<ReplicaId, raft::Index> configured;
    std::optional<Wanted> wanted;  // Nullopt: it was not created yet.
    // Former wanted replicas, and when others were wanted instead.
    std::vector<std::pair<SimTime, Wanted>> wanted_before;
  };

  void OnControllerCommand(const ControllerChecker::Executed& executed);
  void NoteWanted(const shardctrl::GroupRecord& record, Group* group);
  void OnReport(const shardctrl::ControllerCommand::ReportGroup& report);
  size_t Working(const std::vector<raft::Member>& voters) const;

  const ControllerChecker& controller_;
  const Clock clock_;
  const Report violate_;
  std::map<GroupId, Group> groups_;
  std::map<ReplicaId, SimTime> worked_;
  // The outcomes of operations. One that did nothing may come again.
  std::map<std::pair<uint64_t, uint64_t>,
           std::set<shardctrl::ControllerAnswer::Outcome>>
      outcomes_;
  std::vector<std::pair<GroupId, shardctrl::ReportedConfiguration>> reports_;
  uint64_t changes_ = 0;
  uint64_t refusals_ = 0;
  uint64_t answers_ = 0;
  Checked checked_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_MEMBER_RULES_H_
