#include "shardctrl/controller/reconcile.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "shardctrl/controller/words.h"

namespace quorate::shardctrl {
namespace {

using Action = ReconcileAction;
using Kind = ReconcileAction::Kind;
using Members = std::vector<raft::Member>;
using Replicas = std::vector<const HostedReplica*>;

bool Contains(const Members& members, ReplicaId replica) {
  return std::any_of(members.begin(), members.end(), [&](const auto& member) {
    return member.replica == replica;
  });
}

std::string NodesOf(const Members& members) {
  std::vector<NodeId> nodes;
  for (const raft::Member& one : members) nodes.push_back(one.node);
  std::stable_sort(nodes.begin(), nodes.end());
  return NodesText(nodes);
}

// Behind the names of so many nodes.
const char* DoNotAnswer(size_t count) {
  return count == 1 ? " does not answer" : " do not answer";
}

// A replica that joins has no configuration yet.
bool HasConfiguration(const HostedReplica& held) {
  return held.position != raft::LogPosition();
}

// Old members that confirm writes while the chosen node is away would lose
// them. One that joins has no vote, and may be a member of the new generation.
bool MustBeHeld(const HostedReplica& held, const GroupRecovery& recovery) {
  return !held.fenced && !held.held && HasConfiguration(held) &&
         held.configuration.generation < recovery.generation;
}

Action Holding(const HostedReplica& held) {
  return {.kind = Kind::kHold,
          .group = held.group,
          .replica = held.replica,
          .why = "the group is being recovered from another node"};
}

// The work of a node for one group as the holder of a replica, leader or not.
class OwnReplica {
 public:
  // `replicas`: those of the group.
  OwnReplica(const GroupRecord& group, const HostView& host,
             const Replicas& replicas, std::vector<Action>* actions)
      : group_(group), host_(host), replicas_(replicas), actions_(*actions) {}

  void Run() {
    if (group_.recovery.has_value()) return Recover(*group_.recovery);
    const WantedReplica* wanted = group_.WantedOn(host_.node);
    ReplicaId mine;
    uint64_t generation = group_.reported.has_value()
                              ? group_.reported->configuration.generation
                              : 0;
    bool hosted = false, dropping = false;
    // A host drops the fenced replicas of a group together.
    const bool drops_fenced = std::all_of(
        replicas_.begin(), replicas_.end(), [&](const HostedReplica* held) {
          return !held->fenced || IsLeftOut(*held, wanted);
        });
    for (const HostedReplica* held : replicas_) {
      if (held->fenced ? drops_fenced : IsLeftOut(*held, wanted)) {
        dropping |= !held->fenced;
        Add({.kind = Kind::kDrop,
             .replica = held->replica,
             .why = "a later configuration of the group does not name it"});
      } else if (!held->fenced) {
        mine = held->replica;
        hosted = true;
        if (HasConfiguration(*held)) {
          generation = held->configuration.generation;
        }
      }
    }
    if (dropping) return;  // A node has one working replica of a group.
    if (!hosted) {
      const auto prepared = host_.prepared.find(group_.id);
      if (prepared != host_.prepared.end()) mine = prepared->second;
      if (MustFound(mine)) return;
    }
    if (wanted == nullptr) return;
    if (mine == ReplicaId()) {
      Add({.kind = Kind::kPrepare,
           .why = "a replica is wanted on this node, and none works here"});
    } else if (!hosted && VotesAlready(mine)) {
      Add({.kind = Kind::kPrepare,
           .why = "the group began without the replica that was prepared here, "
                  "and counts it as a voter: another one takes its place"});
    } else if (wanted->replica != mine || wanted->store != host_.store) {
      Add({.kind = Kind::kReportReplica,
           .replica = mine,
           .generation = generation,
           .why = "the controller does not know the replica of this node"});
    } else if (!hosted && group_.reported.has_value()) {
      // No other replica will be named for this node now.
      Add({.kind = Kind::kJoin,
           .replica = mine,
           .configuration = group_.reported->configuration,
           .why = "the group exists"});
    }
  }

 private:
  void Add(Action action) {
    action.group = group_.id;
    actions_.push_back(std::move(action));
  }

  // Nothing else happens to the group until it is recovered.
  void Recover(const GroupRecovery& recovery) {
    const bool from_here =
        host_.node == recovery.node && host_.store == recovery.store;
    for (const HostedReplica* held : replicas_) {
      if (from_here && !held->fenced && held->replica == recovery.replica) {
        Add({.kind = Kind::kRecover,
             .replica = held->replica,
             .generation = recovery.generation,
             .known_term = group_.reported->term,
             .why = "an operator gave up the majority of the group"});
      } else if (MustBeHeld(*held, recovery)) {
        Add(Holding(*held));
      }
    }
  }

  // Entry 1 of a new group names the prepared replica. The group needs it, even
  // if others are wanted by now: they replace it later.
  bool MustFound(ReplicaId prepared) {
    if (group_.reported.has_value() || !group_.first.has_value() ||
        raft::FindMember(*group_.first, prepared) == nullptr) {
      return false;
    }
    Add({.kind = Kind::kFound,
         .replica = prepared,
         .configuration = *group_.first,
         .why = "all replicas of the new group are prepared"});
    return true;
  }

  // A new group may begin while one of its nodes is down. That node cannot know
  // whether its replica has voted and lost its log, so the id is never used.
  bool VotesAlready(ReplicaId prepared) const {
    return group_.reported.has_value() &&
           raft::IsVoter(group_.reported->configuration, prepared);
  }

  bool IsLeftOut(const HostedReplica& held, const WantedReplica* wanted) const {
    if (!group_.reported.has_value()) return false;
    const ReportedConfiguration& known = *group_.reported;
    if (raft::FindMember(known.configuration, held.replica) != nullptr) {
      return false;
    }
    // A recovery gave up all replicas of earlier generations.
    if (HasConfiguration(held) &&
        held.configuration.generation < known.configuration.generation) {
      return true;
    }
    // It is about to be named, or to be replaced by one that is.
    if (wanted != nullptr && wanted->replica == held.replica) return false;
    const bool names_itself =
        raft::FindMember(held.configuration, held.replica) != nullptr;
    // Both are committed then, so their indexes have one order.
    if (held.compacted.has_value() &&
        held.configuration.generation == known.configuration.generation) {
      return names_itself ? known.position.index > *held.compacted
                          : known.position.index >= *held.compacted;
    }
    const auto reported =
        std::tuple(known.configuration.generation, known.position);
    const auto own = std::tuple(held.configuration.generation, held.position);
    return names_itself ? reported > own : reported >= own;
  }

  const GroupRecord& group_;
  const HostView& host_;
  const Replicas& replicas_;
  std::vector<Action>& actions_;
};

// For a node that the cluster has removed, or whose store it has given up. A
// replica of an earlier generation must go: it might meet others of its kind.
void DropEarlierGenerations(const ClusterState& state, const HostView& host,
                            std::vector<Action>* actions) {
  for (const HostedReplica& held : host.replicas) {
    const GroupRecord* const group = state.FindGroup(held.group);
    if (group != nullptr && group->recovery.has_value() &&
        MustBeHeld(held, *group->recovery)) {
      actions->push_back(Holding(held));
    }
    if (group == nullptr || !group->reported.has_value() || held.fenced ||
        !HasConfiguration(held) ||
        held.configuration.generation >=
            group->reported->configuration.generation) {
      continue;
    }
    actions->push_back({.kind = Kind::kDrop,
                        .group = held.group,
                        .replica = held.replica,
                        .why = "the group was recovered without it"});
  }
}

// A group that has retired owned nothing any more. Its id is never used again.
void DropRetired(const ClusterState& state, const HostView& host,
                 std::vector<Action>* actions) {
  for (const HostedReplica& held : host.replicas) {
    if (held.group == kControllerGroup || held.group >= state.next_group ||
        state.FindGroup(held.group) != nullptr) {
      continue;
    }
    actions->push_back({.kind = Kind::kDrop,
                        .group = held.group,
                        .replica = held.replica,
                        .why = "the group was retired"});
  }
}

// The work of the leader of one group.
class Leader {
 public:
  Leader(const ClusterState& state, const GroupRecord& group,
         const HostView& host, const HostedReplica& self,
         std::vector<Action>* actions)
      : state_(state),
        group_(group),
        host_(host),
        self_(self),
        present_(self.configuration),
        actions_(*actions) {}

  void Run() {
    if (!self_.leads->settled) return;
    ReportedConfiguration report{.position = self_.position,
                                 .configuration = present_,
                                 .leader = host_.node,
                                 .term = self_.leads->term};
    if (IsReported()) report.position = group_.reported->position;
    if (group_.recovery.has_value() &&
        present_.generation < group_.recovery->generation) {
      return;
    }
    // Another leader knows more.
    if (group_.reported.has_value() &&
        (group_.reported->IsNewerThan(report) ||
         (group_.reported->configuration.generation == present_.generation &&
          group_.reported->term > report.term))) {
      return;
    }
    // The controller forgets the old replicas with that report. A state from
    // before it may name them.
    const bool recovered =
        present_.generation > (group_.reported.has_value()
                                   ? group_.reported->configuration.generation
                                   : 0);
    std::optional<Action> step = recovered ? std::nullopt : NextStep();
    report.problem = problem_.substr(0, kProblemBytes);
    const bool changes_voters = step.has_value() &&
                                step->kind == Kind::kChange &&
                                step->configuration.voters != present_.voters;
    if (changes_voters) report.next = step->configuration;
    if (!IsNoted(report)) {
      report.number = NumberOf(report);
      Add({.kind = Kind::kReportGroup,
           .report = std::move(report),
           .why = "the controller does not know this configuration"});
      if (changes_voters) return;
    }
    if (step.has_value()) Add(*std::move(step));
  }

 private:
  // Less than a command takes.
  static constexpr size_t kProblemBytes = 500;

  void Add(Action action) {
    action.group = group_.id;
    actions_.push_back(std::move(action));
  }

  // True if the entry of the present configuration was reported: at its own
  // position, or at that of a snapshot behind it. An equal configuration may be
  // that of a later entry. Then replicas that were named between both have to
  // know. All of them are committed, so their indexes have one order.
  bool IsReported() const {
    const raft::Index entry = self_.compacted.value_or(self_.position.index);
    return group_.reported.has_value() &&
           group_.reported->configuration == present_ &&
           entry <= group_.reported->position.index;
  }

  // True if the controller knows all of it, and no earlier report of this
  // leader can change that.
  bool IsNoted(ReportedConfiguration report) const {
    if (!group_.reported.has_value()) return false;
    report.number = group_.reported->number;
    return group_.reported == report && report.number >= LastNumber();
  }

  uint64_t LastNumber() const {
    const auto& sent = self_.leads->sent;
    return sent.has_value() ? sent->number : 0;
  }

  // A report on its way may still be executed before this one. An equal one is
  // this one: else each state that is one report old would lead to another.
  uint64_t NumberOf(ReportedConfiguration report) const {
    report.number = LastNumber();
    if (self_.leads->sent == report) return report.number;
    return 1 + std::max(report.number, group_.reported.has_value()
                                           ? group_.reported->number
                                           : uint64_t{0});
  }

  // The index that a change names.
  raft::Index Base() const {
    return self_.compacted.value_or(self_.position.index);
  }

  const HostedReplica::Member* Known(ReplicaId replica) const {
    for (const HostedReplica::Member& member : self_.leads->members) {
      if (member.replica == replica) return &member;
    }
    return nullptr;
  }
  bool Answers(ReplicaId replica) const {
    const HostedReplica::Member* known = Known(replica);
    return replica == self_.replica || (known != nullptr && known->answers);
  }
  // An announcement stays while the learner answers: its own entry may be more
  // than the learner may lack. The core refuses the change until then.
  bool MayVote(ReplicaId replica) const {
    const HostedReplica::Member* known = Known(replica);
    return replica == self_.replica ||
           (known != nullptr && known->answers &&
            (known->caught_up || IsAnnounced(replica)));
  }
  bool TakesLeadership(ReplicaId replica) const {
    const HostedReplica::Member* known = Known(replica);
    return known != nullptr && known->takes_leadership;
  }
  // This leader has announced the replica as one of the next voters.
  bool IsAnnounced(ReplicaId replica) const {
    const auto& reported = group_.reported;
    return reported.has_value() && reported->next.has_value() &&
           reported->term == self_.leads->term &&
           raft::IsVoter(*reported->next, replica);
  }

  // The purpose of the replica, if it is the wanted one of its node.
  std::optional<ReplicaPurpose> PurposeOf(const raft::Member& member) const {
    const WantedReplica* wanted = group_.WantedOn(member.node);
    if (wanted == nullptr) return std::nullopt;
    if (wanted->replica == member.replica && wanted->store == member.store) {
      return wanted->purpose;
    }
    // A node that has not reported its replica yet keeps the one that it has.
    const NodeRecord* node = state_.FindNode(member.node);
    const bool unreported = wanted->replica == ReplicaId();
    if (unreported && node != nullptr && node->store == member.store) {
      return wanted->purpose;
    }
    return std::nullopt;
  }
  bool IsWanted(const raft::Member& member, ReplicaPurpose purpose) const {
    return PurposeOf(member) == purpose;
  }

  // Wanted replicas that no list has are added as learners first.
  std::optional<Action> AddLearners() const {
    Action step{.kind = Kind::kChange, .base = Base()};
    step.configuration = present_;
    Members added;
    for (const WantedReplica& wanted : group_.wanted) {
      const NodeRecord* node = state_.FindNode(wanted.node);
      if (wanted.replica == ReplicaId() || node == nullptr ||
          node->store != wanted.store ||
          raft::FindMember(present_, wanted.replica) != nullptr) {
        continue;
      }
      added.push_back({.replica = wanted.replica,
                       .node = wanted.node,
                       .store = wanted.store});
    }
    if (added.empty()) return std::nullopt;
    for (const raft::Member& member : added) {
      step.configuration.learners.push_back(member);
    }
    raft::SortMembers(&step.configuration.learners);
    step.why =
        absl::StrCat("the replica on ", NodesOf(added), " begins as a learner");
    if (!raft::ValidateConfiguration(step.configuration).ok()) {
      return std::nullopt;
    }
    return step;
  }

  // The voters after the next change. Voters that are not wanted stay until
  // others replace them; those that answer stay longest.
  Members NextVoters() const {
    Members next, unwanted;
    for (const raft::Member& voter : present_.voters) {
      (IsWanted(voter, ReplicaPurpose::kVoter) ? next : unwanted)
          .push_back(voter);
    }
    for (const raft::Member& learner : present_.learners) {
      if (IsWanted(learner, ReplicaPurpose::kVoter) &&
          MayVote(learner.replica)) {
        next.push_back(learner);
      }
    }
    std::stable_partition(
        unwanted.begin(), unwanted.end(),
        [&](const raft::Member& member) { return Answers(member.replica); });
    for (const raft::Member& member : unwanted) {
      if (next.size() >= group_.replicas) break;
      next.push_back(member);
    }
    raft::SortMembers(&next);
    return next;
  }

  bool MajorityAnswers(const Members& voters) const {
    const auto answers = std::count_if(
        voters.begin(), voters.end(),
        [&](const auto& member) { return Answers(member.replica); });
    return static_cast<size_t>(answers) > voters.size() / 2;
  }

  Members Silent(const Members& voters) const {
    Members silent;
    for (const raft::Member& member : voters) {
      if (!Answers(member.replica)) silent.push_back(member);
    }
    return silent;
  }

  // Promotes learners that have caught up, removes voters that they replace,
  // and removes learners that are not wanted, in one change.
  std::optional<Action> ChangeMembers() {
    Action step{.kind = Kind::kChange, .base = Base()};
    step.configuration = present_;
    Members& voters = step.configuration.voters;
    voters = NextVoters();
    if (voters != present_.voters && !MajorityAnswers(voters)) {
      const Members silent = Silent(voters);
      problem_ = absl::StrCat("of the voters that would remain, ",
                              NodesOf(silent), DoNotAnswer(silent.size()));
      voters = present_.voters;
      // A learner that works helps in any case.
      for (const raft::Member& learner : present_.learners) {
        if (IsWanted(learner, ReplicaPurpose::kVoter) &&
            MayVote(learner.replica)) {
          voters.push_back(learner);
        }
      }
      raft::SortMembers(&voters);
      if (!MajorityAnswers(voters)) voters = present_.voters;
    }
    Members learners;
    for (const raft::Member& learner : present_.learners) {
      if (!Contains(voters, learner.replica) &&
          PurposeOf(learner).has_value()) {
        learners.push_back(learner);
      }
    }
    for (const raft::Member& voter : present_.voters) {
      if (!Contains(voters, voter.replica) &&
          IsWanted(voter, ReplicaPurpose::kLearner)) {
        learners.push_back(voter);
      }
    }
    raft::SortMembers(&learners);
    step.configuration.learners = std::move(learners);
    if (step.configuration == present_) return std::nullopt;
    step.why = absl::StrCat("the voters are to be on ", NodesOf(voters));
    return step;
  }

  std::optional<Action> TransferTo(const raft::Member& to,
                                   std::string why) const {
    return Action{.kind = Kind::kTransfer,
                  .replica = to.replica,
                  .to = to.node,
                  .why = std::move(why)};
  }

  // The voter that should lead next: the preferred one if it can.
  const raft::Member* Successor() const {
    const raft::Member* best = nullptr;
    for (const raft::Member& voter : present_.voters) {
      if (voter.replica == self_.replica || !MayVote(voter.replica) ||
          !TakesLeadership(voter.replica) ||
          !IsWanted(voter, ReplicaPurpose::kVoter)) {
        continue;
      }
      if (voter.node == group_.preferred_leader) return &voter;
      if (best == nullptr || voter.node < best->node) best = &voter;
    }
    return best;
  }

  // Names members that keep the wish from coming true.
  void FindProblem() {
    if (!problem_.empty()) return;
    Members silent;
    for (const raft::Member& learner : present_.learners) {
      if (IsWanted(learner, ReplicaPurpose::kVoter) &&
          !Answers(learner.replica)) {
        silent.push_back(learner);
      }
    }
    if (!silent.empty()) {
      problem_ = absl::StrCat(
          silent.size() == 1 ? "the new replica on " : "the new replicas on ",
          NodesOf(silent), DoNotAnswer(silent.size()));
    }
  }

  std::optional<Action> NextStep() {
    const raft::Member* self = raft::FindMember(present_, self_.replica);
    const bool stays =
        self != nullptr && IsWanted(*self, ReplicaPurpose::kVoter);
    if (!stays) {
      const raft::Member* next = Successor();
      if (next != nullptr) {
        return TransferTo(*next, "the leader's replica is to go");
      }
    }
    if (std::optional<Action> step = AddLearners(); step.has_value()) {
      return step;
    }
    std::optional<Action> step = ChangeMembers();
    FindProblem();
    return step;
  }

  const ClusterState& state_;
  const GroupRecord& group_;
  const HostView& host_;
  const HostedReplica& self_;
  const raft::Configuration& present_;
  std::vector<Action>& actions_;
  std::string problem_;
};

}  // namespace

std::vector<ReconcileAction> Reconcile(const ClusterState& state,
                                       const HostView& host) {
  std::vector<Action> actions;
  const NodeRecord* node = state.FindNode(host.node);
  // A store that the controller does not know drops what it has of earlier
  // generations.
  const bool bound = node != nullptr && host.store != StoreIncarnation() &&
                     node->store == host.store;
  if (!bound) {
    DropEarlierGenerations(state, host, &actions);
    return actions;
  }
  std::map<GroupId, Replicas> replicas;
  for (const HostedReplica& held : host.replicas) {
    replicas[held.group].push_back(&held);
  }
  for (const GroupRecord& group : state.groups) {
    const Replicas& of_group = replicas[group.id];
    OwnReplica(group, host, of_group, &actions).Run();
    for (const HostedReplica* held : of_group) {
      if (held->leads.has_value() && !held->fenced) {
        Leader(state, group, host, *held, &actions).Run();
      }
    }
  }
  DropRetired(state, host, &actions);
  if (node->leaving && !node->empty && host.replicas.empty()) {
    actions.push_back(
        {.kind = Kind::kReportEmpty, .why = "this node leaves the cluster"});
  }
  return actions;
}

}  // namespace quorate::shardctrl
