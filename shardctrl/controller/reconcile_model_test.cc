// Many nodes reconcile with the controller while nodes crash, lose their disks
// and know old states, and operators type commands. The groups are a model of
// Raft: one log for each, of which a replica has a beginning.
//
// These are the rules:
//   - a leader has every committed entry;
//   - a change leaves a majority of working voters, and as many voters as are
//     wanted, if there were as many;
//   - a dropped replica is no voter;
//   - all replicas of a new group begin with one entry 1;
//   - a replica of an earlier generation is never named again;
//   - a store that some group needs is not given up;
//   - without faults every wish comes true.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "shardctrl/controller/reconcile.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::shardctrl {
namespace {

using Command = ControllerCommand;
using Kind = ReconcileAction::Kind;

class Model {
 public:
  explicit Model(uint64_t seed)
      : random_(seed),
        cluster_(3 + seed % 3, 1 + seed % 4, 3 - 2 * (seed % 5 == 0)) {
    for (const NodeRecord& record : cluster_.state.nodes) {
      nodes_[record.id].store = record.store;
    }
    for (const GroupRecord& record : cluster_.state.groups) {
      Group& group = groups_[record.id];
      raft::Configuration first;
      first.machine_kind = cluster_.state.created_groups.machine_kind;
      for (const WantedReplica& wanted : record.wanted) {
        first.voters.push_back({.replica = wanted.replica,
                                .node = wanted.node,
                                .store = wanted.store});
        nodes_[wanted.node].replicas[record.id].push_back(
            {.id = wanted.replica, .length = 1});
      }
      raft::SortMembers(&first.voters);
      group.log.push_back({raft::Term(1), first, true});
      group.committed = 1;
    }
    Publish();
    for (auto& [id, node] : nodes_) node.known = states_.back();
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !failed(); ++i) Step();
  }

  // Ends all faults, and demands that the wishes come true.
  void Finish() {
    for (auto& [id, node] : nodes_) {
      if (!node.gone) node.alive = true;
      if (!node.gone) Do(Command::ReportSign{id});
    }
    calm_ = true;
    for (int round = 0; round < 300 && !failed(); ++round) {
      for (auto& [id, node] : nodes_) {
        if (node.alive) Tick(id);
      }
      for (auto& [id, group] : groups_) Consensus(id);
      Rescue();
      if (Settled()) return;
    }
    if (!failed()) Fail("the wishes did not come true: " + Describe());
  }

  bool failed() const { return ::testing::Test::HasFailure(); }
  const std::map<std::string, int>& marks() const { return marks_; }

 private:
  struct Replica {
    ReplicaId id;
    bool fenced = false;
    bool held = false;
    size_t length = 0;  // It has so many entries of the group's log.
    // Another replica was recovered since: the log is not that of this one any
    // more. Its last configuration and the position.
    bool stale = false;
    raft::LogPosition position;
    raft::Configuration configuration;
  };
  struct Node {
    bool alive = true;
    bool gone = false;  // It never comes back.
    StoreIncarnation store;
    std::map<GroupId, std::vector<Replica>> replicas;
    std::map<GroupId, ReplicaId> prepared;
    // The last reports about groups.
    std::map<GroupId, ReportedConfiguration> reports;
    std::shared_ptr<const ClusterState> known;
  };
  struct Entry {
    raft::Term term;
    raft::Configuration configuration;  // In effect from here on.
    bool changes = false;               // It is a configuration.
  };
  struct Group {
    std::vector<Entry> log;
    size_t committed = 0;
    raft::Term term{1};
    ReplicaId leader;
    uint64_t generation = 0;
  };

  uint64_t Draw(uint64_t bound) {
    return random_.Below(bound, "model", 0, ++draws_);
  }
  bool Chance(uint64_t one_in) { return Draw(one_in) == 0; }
  void Fail(const std::string& what) { ADD_FAILURE() << what; }

  void Publish() {
    states_.push_back(std::make_shared<ClusterState>(cluster_.state));
    if (states_.size() > 20) states_.pop_front();
  }
  ControllerAnswer Do(const Command::Body& body) {
    const ClusterState before = cluster_.state;
    ControllerAnswer answer = cluster_.Do(body);
    if (answer.outcome == ControllerAnswer::Outcome::kDone) {
      Publish();
    } else if (cluster_.state != before) {
      Fail("a refusal changed the state: " + answer.text);
    }
    if (!ValidateState(cluster_.state).ok()) Fail("the state is not valid");
    return answer;
  }
  bool Done(const Command::Body& body) {
    return Do(body).outcome == ControllerAnswer::Outcome::kDone;
  }

  // The working replica with this id; null: none runs, or it is held.
  Replica* Find(GroupId group, ReplicaId id) {
    for (auto& [number, node] : nodes_) {
      if (!node.alive) continue;
      for (Replica& one : node.replicas[group]) {
        if (one.id == id && !one.fenced && !one.held) return &one;
      }
    }
    return nullptr;
  }
  // Counts also replicas whose nodes are down, and those that a new group is
  // about to begin with.
  bool Holds(const raft::Member& member, GroupId group, NodeId without) {
    Node& node = nodes_[member.node];
    if (member.node == without || node.gone) return false;
    for (const Replica& one : node.replicas[group]) {
      if (one.id == member.replica && !one.fenced && !one.held) return true;
    }
    const auto prepared = node.prepared.find(group);
    return !cluster_.state.FindGroup(group)->reported.has_value() &&
           prepared != node.prepared.end() &&
           prepared->second == member.replica;
  }
  template <typename Counts>
  static bool Majority(const std::vector<raft::Member>& voters, Counts counts) {
    const auto number = std::count_if(voters.begin(), voters.end(), counts);
    return voters.empty() || static_cast<size_t>(number) > voters.size() / 2;
  }
  template <typename Counts>
  static bool Quorum(const raft::Configuration& c, Counts counts) {
    return Majority(c.voters, counts) && Majority(c.outgoing_voters, counts);
  }
  static size_t LastChange(const Group& group, size_t length) {
    while (!group.log[length - 1].changes) --length;
    return length - 1;
  }
  // The first entry whose configuration may be in effect.
  static size_t FirstInEffect(const Group& group) {
    return group.log.empty()
               ? 0
               : LastChange(group, std::max<size_t>(group.committed, 1));
  }
  // Whether the group survives the loss of what the node has of it, for all
  // configurations that may be in effect.
  bool MayLose(GroupId id, NodeId node) {
    const Group& group = groups_[id];
    for (size_t i = FirstInEffect(group); i < group.log.size(); ++i) {
      if (!Quorum(group.log[i].configuration, [&](const raft::Member& one) {
            return Holds(one, id, node);
          })) {
        return false;
      }
    }
    return true;
  }
  bool MayLoseNode(NodeId node) {
    return std::all_of(groups_.begin(), groups_.end(), [&](const auto& one) {
      return MayLose(one.first, node);
    });
  }

  // Damaged replicas, and first voters that came too late: the controller may
  // count them as working.
  bool HasHiddenLoss(GroupId id, const Group& group) {
    const auto hidden = [&](const raft::Member& voter) {
      const Node& node = nodes_[voter.node];
      return !node.gone && node.store == voter.store &&
             !Holds(voter, id, NodeId());
    };
    for (size_t i = FirstInEffect(group); i < group.log.size(); ++i) {
      const raft::Configuration& c = group.log[i].configuration;
      if (std::any_of(c.voters.begin(), c.voters.end(), hidden) ||
          std::any_of(c.outgoing_voters.begin(), c.outgoing_voters.end(),
                      hidden)) {
        return true;
      }
    }
    return false;
  }
  // Asks the controller to give up the node's store.
  bool GiveUp(NodeId node, const Command::Body& body) {
    const bool needed =
        std::any_of(groups_.begin(), groups_.end(), [&](const auto& one) {
          return MayLose(one.first, NodeId()) && !MayLose(one.first, node);
        });
    const bool hidden = std::any_of(
        groups_.begin(), groups_.end(),
        [&](const auto& one) { return HasHiddenLoss(one.first, one.second); });
    if ((hidden && !MayLoseNode(node)) || !Done(body)) return false;
    if (needed) {
      Fail("the controller gave up a store that a group needs" + Describe());
    }
    return true;
  }

  // ---- Consensus.
  void Lead(GroupId id, Replica* replica) {
    Group& group = groups_[id];
    if (replica->length < group.committed) {
      Fail(absl::StrCat("group ", id.value(), " lost committed entries"));
    }
    group.term = group.term + 1;
    group.leader = replica->id;
    group.log.resize(replica->length);
    for (auto& [number, node] : nodes_) {
      for (Replica& one : node.replicas[id]) {
        one.length = std::min(one.length, replica->length);
      }
    }
    Append(id, group.log.back().configuration, false);
  }
  void Append(GroupId id, raft::Configuration configuration, bool changes) {
    Group& group = groups_[id];
    group.log.push_back({group.term, std::move(configuration), changes});
    Find(id, group.leader)->length = group.log.size();
  }
  // A voter that leaves may still be needed until that is committed (thesis
  // 4.2.2).
  static bool MayCampaign(const Group& group, const Replica& replica) {
    const size_t at = LastChange(group, replica.length);
    return raft::IsVoter(group.log[at].configuration, replica.id) ||
           (at >= group.committed && at > 0 &&
            raft::IsVoter(group.log[at - 1].configuration, replica.id));
  }
  void Elect(GroupId id) {
    Group& group = groups_[id];
    std::vector<Replica*> candidates;
    for (auto& [number, node] : nodes_) {
      if (!node.alive) continue;
      for (Replica& one : node.replicas[id]) {
        if (one.length == 0 || one.fenced || one.held || one.stale) continue;
        if (MayCampaign(group, one)) candidates.push_back(&one);
      }
    }
    if (candidates.empty()) return;
    Replica* candidate = candidates[Draw(candidates.size())];
    if (Quorum(group.log[candidate->length - 1].configuration,
               [&](const raft::Member& voter) {
                 const Replica* one = Find(id, voter.replica);
                 return one != nullptr && one->length <= candidate->length;
               })) {
      Lead(id, candidate);
    }
  }
  void Consensus(GroupId id) {
    Group& group = groups_[id];
    Replica* leader = Find(id, group.leader);
    if (leader == nullptr) group.leader = ReplicaId();
    if (leader == nullptr || (!calm_ && Chance(20))) Elect(id);
    leader = Find(id, group.leader);
    if (leader == nullptr || leader->length == 0) return;
    const raft::Configuration present = group.log.back().configuration;
    raft::ForEachMember(present, [&](const raft::Member& member) {
      Replica* one = Find(id, member.replica);
      if (one != nullptr && (calm_ || Chance(2))) one->length = leader->length;
    });
    if (!Quorum(present, [&](const raft::Member& voter) {
          const Replica* one = Find(id, voter.replica);
          return one != nullptr && one->length == leader->length;
        })) {
      return;
    }
    group.committed = leader->length;
    if (!present.outgoing_voters.empty()) {
      raft::Configuration next = present;
      next.outgoing_voters.clear();
      for (const auto& one : present.next_learners)
        next.learners.push_back(one);
      next.next_learners.clear();
      raft::SortMembers(&next.learners);
      Append(id, next, true);
    } else if (!raft::IsVoter(present, group.leader)) {
      group.leader = ReplicaId();
    }
  }

  // ---- Nodes.
  HostView View(NodeId id) {
    Node& node = nodes_[id];
    HostView host{.node = id, .store = node.store, .prepared = node.prepared};
    for (auto& [number, replicas] : node.replicas) {
      const Group& group = groups_[number];
      for (const Replica& one : replicas) {
        HostedReplica held{.group = number,
                           .replica = one.id,
                           .fenced = one.fenced,
                           .held = one.held};
        if (one.stale) {
          held.position = one.position;
          held.configuration = one.configuration;
        } else if (one.length > 0) {
          const size_t at = LastChange(group, one.length);
          held.position = {group.log[at].term, raft::Index(at + 1)};
          held.configuration = group.log[at].configuration;
        }
        if (group.leader == one.id && !one.fenced) {
          held.leads = Leadership(number, one);
          const auto sent = node.reports.find(number);
          if (sent != node.reports.end() && sent->second.term == group.term) {
            held.leads->sent = sent->second;
          }
        }
        host.replicas.push_back(std::move(held));
      }
    }
    return host;
  }
  HostedReplica::Leadership Leadership(GroupId id, const Replica& leader) {
    const Group& group = groups_[id];
    const size_t at = LastChange(group, leader.length);
    HostedReplica::Leadership leads{.term = group.term};
    leads.settled = at < group.committed && group.committed > 0 &&
                    group.log[group.committed - 1].term == group.term &&
                    group.log[at].configuration.outgoing_voters.empty();
    for (ReplicaId member : raft::MemberReplicas(group.log[at].configuration)) {
      const Replica* one = Find(id, member);
      const bool has =
          one != nullptr && one->length > at && one->length >= group.committed;
      leads.members.push_back({member, one != nullptr, has});
    }
    return leads;
  }
  void Tick(NodeId id) {
    Node& node = nodes_[id];
    if (calm_ || Chance(2)) node.known = states_.back();
    for (const ReconcileAction& action : Reconcile(*node.known, View(id))) {
      if (!calm_ && Chance(4)) continue;  // It fails, or is lost.
      Execute(id, action);
      if (!calm_ && Chance(50)) return Crash(id);
    }
  }
  void Execute(NodeId id, const ReconcileAction& action) {
    Node& node = nodes_[id];
    ++marks_[absl::StrCat("action ", static_cast<int>(action.kind))];
    switch (action.kind) {
      case Kind::kPrepare:
        node.prepared[action.group] = ReplicaId((++drawn_ * 7919) % 1000003);
        break;
      case Kind::kReportReplica:
        Do(Command::ReportReplica{action.group, id, node.store, action.replica,
                                  action.generation});
        break;
      case Kind::kFound: {
        Group& group = groups_[action.group];
        if (group.log.empty()) {
          group.log.push_back({raft::Term(1), action.configuration, true});
          group.committed = 1;
        } else if (group.generation == 0 &&
                   group.log[0].configuration != action.configuration) {
          // The log of a recovered group begins with another one. A node with
          // an old state may still found the group as it was.
          Fail("two first entries");
        }
        node.replicas[action.group].push_back(
            {.id = action.replica, .length = 1});
        node.prepared.erase(action.group);
        break;
      }
      case Kind::kJoin: {
        auto& replicas = node.replicas[action.group];
        for (const Replica& one : replicas) {
          if (!one.fenced) Fail("two working replicas on a node");
        }
        if (raft::IsVoter(action.configuration, action.replica)) {
          Fail("a voter joins without its log");
        }
        replicas.push_back({.id = action.replica});
        node.prepared.erase(action.group);
        break;
      }
      case Kind::kReportGroup:
        node.reports[action.group] = action.report;
        Do(Command::ReportGroup{action.group, action.report});
        break;
      case Kind::kChange:
        Change(action);
        break;
      case Kind::kTransfer:
        Transfer(action);
        break;
      case Kind::kDrop:
        Drop(id, action);
        break;
      case Kind::kRecover:
        Recover(id, action);
        break;
      case Kind::kHold:
        Hold(id, action);
        break;
      case Kind::kReportEmpty:
        Do(Command::ReportEmpty{id, node.store});
        break;
    }
  }
  void Hold(NodeId id, const ReconcileAction& action) {
    for (Replica& one : nodes_[id].replicas[action.group]) {
      if (one.id == action.replica) one.held = true;
    }
    if (groups_[action.group].leader == action.replica) {
      groups_[action.group].leader = ReplicaId();
    }
    ++marks_["held"];
  }
  // Old voters on other nodes that answer must be held first.
  bool OthersAreHeld(NodeId id, const ReconcileAction& action) {
    for (auto& [number, node] : nodes_) {
      if (!node.alive || number == id) continue;
      for (const HostedReplica& one : View(number).replicas) {
        if (one.group == action.group && !one.fenced && !one.held &&
            raft::IsVoter(one.configuration, one.replica)) {
          return false;
        }
      }
    }
    return true;
  }
  // Another node was chosen meanwhile. The replica is alone under a generation
  // that is not that of the group.
  void RecoverInVain(NodeId id, const ReconcileAction& action) {
    for (Replica& one : nodes_[id].replicas[action.group]) {
      if (one.id != action.replica || one.stale) continue;
      const Group& group = groups_[action.group];
      const size_t at = LastChange(group, one.length);
      one.position = {group.log[at].term, raft::Index(at + 1)};
      one.id = ReplicaId((++drawn_ * 7919) % 1000003);
      one.configuration = group.log[at].configuration;
      one.configuration.voters = {
          {.replica = one.id, .node = id, .store = nodes_[id].store}};
      one.configuration.generation = action.generation;
      one.stale = true;
      one.held = false;
    }
    ++marks_["recovered in vain"];
  }
  // The replica gets a new id and is alone. All others are of an earlier
  // generation then.
  void Recover(NodeId id, const ReconcileAction& action) {
    Group& group = groups_[action.group];
    if (!OthersAreHeld(id, action)) return;
    const auto& wish = cluster_.state.FindGroup(action.group)->recovery;
    if (!wish.has_value() || wish->replica != action.replica) {
      return RecoverInVain(id, action);
    }
    if (action.generation <= group.generation) return;
    for (auto& [number, node] : nodes_) {
      for (Replica& one : node.replicas[action.group]) {
        if (one.id == action.replica || one.stale || one.length == 0) continue;
        const size_t at = LastChange(group, one.length);
        one.position = {group.log[at].term, raft::Index(at + 1)};
        one.configuration = group.log[at].configuration;
        one.stale = true;
      }
    }
    for (Replica& one : nodes_[id].replicas[action.group]) {
      if (one.id != action.replica) continue;
      if (one.stale || one.fenced) return Fail("no replica to recover");
      one.id = ReplicaId((++drawn_ * 7919) % 1000003);
      one.held = false;
      raft::Configuration alone =
          group.log[LastChange(group, one.length)].configuration;
      alone.voters = {
          {.replica = one.id, .node = id, .store = nodes_[id].store}};
      alone.outgoing_voters.clear();
      alone.learners.clear();
      alone.next_learners.clear();
      alone.generation = group.generation = action.generation;
      group.log.resize(one.length);
      for (Entry& entry : group.log) {
        entry.configuration = alone;
        entry.changes = false;
      }
      group.log[0].changes = true;
      group.committed = one.length;
      group.term = std::max(group.term, action.known_term) + 1;
      group.leader = ReplicaId();
      ++marks_["recovered"];
    }
  }
  bool IsStale(GroupId id, ReplicaId replica) {
    for (auto& [number, node] : nodes_) {
      for (const Replica& one : node.replicas[id]) {
        if (one.id == replica && one.stale) return true;
      }
    }
    return false;
  }
  void Change(const ReconcileAction& action) {
    for (const ReplicaId one : raft::MemberReplicas(action.configuration)) {
      if (IsStale(action.group, one)) {
        return Fail("a replica of an earlier generation was named");
      }
    }
    Group& group = groups_[action.group];
    const Replica& leader = *Find(action.group, group.leader);
    const raft::Configuration present = group.log.back().configuration;
    if (!Leadership(action.group, leader).settled) return;
    if (action.base.value() != LastChange(group, leader.length) + 1 ||
        !raft::ValidateConfiguration(action.configuration).ok()) {
      return Fail("a change that the core refuses");
    }
    const auto& voters = action.configuration.voters;
    if (voters == present.voters) {
      return Append(action.group, action.configuration, true);
    }
    ++marks_["joint"];
    const bool works = Majority(voters, [&](const raft::Member& one) {
      return Find(action.group, one.replica) != nullptr;
    });
    if (!works) Fail("a change left no majority of working voters");
    const size_t replicas = nodes_[raft::NodeOf(present, group.leader)]
                                .known->FindGroup(action.group)
                                ->replicas;
    if (voters.size() < std::min<size_t>(present.voters.size(), replicas)) {
      Fail("a voter was removed before it was replaced");
    }
    raft::Configuration joint = action.configuration;
    joint.outgoing_voters = present.voters;
    joint.learners.clear();
    for (const raft::Member& one : action.configuration.learners) {
      const bool votes = raft::IsVoter(present, one.replica);
      (votes ? joint.next_learners : joint.learners).push_back(one);
    }
    Append(action.group, joint, true);
  }
  void Transfer(const ReconcileAction& action) {
    Group& group = groups_[action.group];
    const Replica* leader = Find(action.group, group.leader);
    Replica* to = Find(action.group, action.replica);
    if (leader == nullptr || to == nullptr || to->length < leader->length) {
      return;
    }
    Lead(action.group, to);
  }
  void Drop(NodeId id, const ReconcileAction& action) {
    Group& group = groups_[action.group];
    auto& replicas = nodes_[id].replicas[action.group];
    const auto at = std::find_if(
        replicas.begin(), replicas.end(),
        [&](const Replica& one) { return one.id == action.replica; });
    for (size_t i = LastChange(group, group.committed); i < group.log.size();
         ++i) {
      if (!at->fenced &&
          raft::IsVoter(group.log[i].configuration, action.replica)) {
        Fail("a voter was dropped");
      }
    }
    if (group.leader == action.replica) group.leader = ReplicaId();
    replicas.erase(at);
  }

  // ---- Faults and operators.
  void Crash(NodeId id) {
    Node& node = nodes_[id];
    node.alive = false;
    for (auto& [number, replicas] : node.replicas) {
      for (const Replica& one : replicas) {
        if (groups_[number].leader == one.id) {
          groups_[number].leader = ReplicaId();
        }
      }
    }
  }
  NodeId AnyNode() {
    auto at = nodes_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(Draw(nodes_.size())));
    return at->first;
  }
  GroupId AnyGroup() {
    auto at = groups_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(Draw(groups_.size())));
    return at->first;
  }
  void Step() {
    cluster_.now = cluster_.now + Seconds(1);
    const NodeId id = AnyNode();
    Node& node = nodes_[id];
    const uint64_t what = Draw(100);
    if (what < 55) {
      if (node.alive) Tick(id);
    } else if (what < 85) {
      Consensus(AnyGroup());
    } else if (what < 89) {
      if (node.alive) Crash(id);
    } else if (what < 94) {
      if (!node.alive && !node.gone) {
        node.alive = true;
        // A restart may hear of an old state first.
        node.known = states_[Draw(states_.size())];
      }
    } else if (what < 95) {
      Fence(id);
    } else if (what < 96) {
      Wipe(id);
    } else {
      Operate(id);
    }
  }
  void Fence(NodeId id) {
    const GroupId number = AnyGroup();
    auto& replicas = nodes_[id].replicas[number];
    if (replicas.empty() || replicas.back().fenced || !MayLose(number, id)) {
      return;
    }
    replicas.back().fenced = true;
    if (groups_[number].leader == replicas.back().id) {
      groups_[number].leader = ReplicaId();
    }
    ++marks_["fence"];
  }
  // The disk is lost, and an operator replaces the node.
  void Wipe(NodeId id) {
    Node& node = nodes_[id];
    if (node.gone ||
        !GiveUp(id, Command::ReplaceNode{id, ControlledCluster::Token(3),
                                         Seconds(1000)})) {
      return;
    }
    Crash(id);
    node.alive = true;
    node.store = StoreIncarnation(100000 + ++drawn_);
    node.replicas.clear();
    node.prepared.clear();
    node.known = states_.back();
    if (!Done(Command::BindNode{id, ControlledCluster::Token(3), node.store})) {
      Fail("the new store was not bound");
    }
    ++marks_["replace"];
  }
  // Nodes with a majority of one group are lost for good, so that every other
  // group keeps its own.
  void LoseMajority() {
    const GroupId id = AnyGroup();
    if (id == kControllerGroup || groups_[id].log.empty() || !lost_.empty() ||
        !MayLose(id, NodeId())) {
      return;
    }
    // The controller counts the voters that it knows.
    for (const auto& [number, group] : groups_) {
      const GroupRecord& record = *cluster_.state.FindGroup(number);
      if ((!group.log.empty() || record.first.has_value()) &&
          (!record.reported.has_value() ||
           record.reported->configuration != group.log.back().configuration)) {
        return;
      }
    }
    const raft::Configuration present = groups_[id].log.back().configuration;
    if (Chance(2)) return GiveUpMajority(id, present.voters);
    for (const raft::Member& voter : present.voters) {
      Node& node = nodes_[voter.node];
      const bool others =
          std::all_of(groups_.begin(), groups_.end(), [&](const auto& one) {
            return one.first == id || one.second.log.empty() ||
                   MayLose(one.first, voter.node);
          });
      const auto survives = std::count_if(
          present.voters.begin(), present.voters.end(), [&](const auto& one) {
            return one.node != voter.node && Find(id, one.replica) != nullptr &&
                   Find(id, one.replica)->length > 0;
          });
      if (node.gone || !others || survives == 0) continue;
      Crash(voter.node);
      node.gone = true;
      node.replicas.clear();
      lost_.push_back(voter.node);
      if (!MayLose(id, NodeId())) break;
    }
    for (const NodeId node : lost_) {
      Do(Command::ReportSilence{node});
      if (nodes_.size() < 12) AddNode();
    }
    if (!MayLose(id, NodeId())) ++marks_["lost majority"];
  }
  // The operator believes that the others will not come back, and is wrong.
  void GiveUpMajority(GroupId id, const std::vector<raft::Member>& voters) {
    const raft::Member& survivor = voters[Draw(voters.size())];
    for (const raft::Member& voter : voters) {
      if (voter.node == survivor.node || !nodes_[voter.node].alive) continue;
      Crash(voter.node);
      Do(Command::ReportSilence{voter.node});
    }
    given_up_ = id;
    Rescue();
    given_up_ = GroupId();
    const auto& recovery = cluster_.state.FindGroup(id)->recovery;
    if (recovery.has_value() && Chance(2)) Crash(recovery->node);
  }
  bool WaitsForChosen(GroupId id) {
    const auto& recovery = cluster_.state.FindGroup(id)->recovery;
    return recovery.has_value() && !nodes_[recovery->node].alive;
  }
  // The operator gives lost majorities up, and the lost nodes.
  void Rescue() {
    for (auto& [id, group] : groups_) {
      const GroupRecord& record = *cluster_.state.FindGroup(id);
      const bool lost = (!lost_.empty() || calm_) && !MayLose(id, NodeId());
      const bool waits = WaitsForChosen(id);
      if (group.log.empty() || (!lost && !waits && id != given_up_)) continue;
      if (record.recovery.has_value() && !waits) continue;
      if (waits) {
        ++marks_["chosen again"];
        Do(Command::ReportSilence{record.recovery->node});
      }
      std::vector<ReplicaId> broken;
      if (record.reported.has_value()) {
        for (const auto& voter : record.reported->configuration.voters) {
          if (nodes_[voter.node].alive && Find(id, voter.replica) == nullptr) {
            broken.push_back(voter.replica);
          }
        }
      }
      std::vector<std::pair<size_t, Command::RecoverGroup>> survivors;
      for (auto& [number, node] : nodes_) {
        for (const Replica& one : node.replicas[id]) {
          if (!node.alive || one.fenced || one.stale || one.length == 0) {
            continue;
          }
          survivors.push_back(
              {one.length,
               {id, number, node.store, one.id, group.generation + 1, broken,
                record.ReportedPosition()}});
        }
      }
      std::stable_sort(
          survivors.begin(), survivors.end(),
          [](const auto& a, const auto& b) { return a.first > b.first; });
      for (const auto& [length, command] : survivors) {
        if (Done(command)) break;
      }
    }
    std::erase_if(lost_, [&](NodeId id) {
      const NodeRecord* node = cluster_.state.FindNode(id);
      if (node == nullptr || node->lost) return true;
      Do(Command::ReportSilence{id});
      const bool removed = Done(Command::RemoveNode{id, true});
      // Too few data nodes are left.
      if (!removed && calm_ && nodes_.size() < 15) AddNode();
      return removed;
    });
  }
  void AddNode() {
    const NodeId added = cluster_.Join(
        {.zone = Chance(2) ? "a" : "b", .weight = Chance(3) ? 200u : 100u});
    nodes_[added].store = ControlledCluster::StoreOf(added.value());
    Publish();
    nodes_[added].known = states_.back();
  }
  void Mark(const std::string& what, bool done) {
    ++marks_[absl::StrCat(what, done ? "" : " refused")];
  }
  void Operate(NodeId id) {
    const bool waits =
        std::any_of(groups_.begin(), groups_.end(),
                    [&](const auto& one) { return WaitsForChosen(one.first); });
    if ((!lost_.empty() || waits) && Chance(2)) return Rescue();
    switch (Draw(13)) {
      case 0:
        if (nodes_.size() < 8) AddNode();
        break;
      case 1:
      case 2:
        Mark("drain", Done(Command::DrainNode{id}));
        break;
      case 3:
        if (nodes_[id].gone) break;
        Mark("undrain", Done(Command::UndrainNode{id}));
        break;
      case 4:
        Mark("remove", Done(Command::RemoveNode{id}));
        break;
      case 5:
        if (!GiveUp(id, Command::RemoveNode{id, true})) break;
        Crash(id);
        nodes_[id].gone = true;
        nodes_[id].replicas.clear();
        ++marks_["lost"];
        break;
      case 6:
        Mark("set", Done(Command::SetGroup{
                        AnyGroup(), static_cast<uint32_t>(1 + Draw(5))}));
        break;
      case 7:
        Mark("transfer", Done(Command::TransferGroup{AnyGroup(), id}));
        break;
      case 8:
        if (groups_.size() < 8) {
          for (GroupId made : Do(Command::CreateGroups{1, 0}).groups) {
            groups_[made];
          }
        }
        break;
      case 9:
      case 10:
      case 11:
        LoseMajority();
        break;
      default:
        if (nodes_[id].alive) {
          Do(Command::ReportSign{id});
        } else {
          Do(Command::ReportSilence{id});
          cluster_.now = cluster_.now + Seconds(601);
          Mark("repair", Done(Command::ReportSilence{id}));
        }
    }
  }

  // ---- The end.
  bool Settled() {
    for (const GroupRecord& group : cluster_.state.groups) {
      if (!IsSettled(group)) return false;
      for (auto& [id, node] : nodes_) {
        if (node.gone) continue;
        const bool wanted = group.WantedOn(id) != nullptr;
        if (node.replicas[group.id].size() != (wanted ? 1u : 0u)) return false;
      }
    }
    if (!lost_.empty()) return false;
    return std::none_of(cluster_.state.nodes.begin(),
                        cluster_.state.nodes.end(), [](const NodeRecord& node) {
                          return node.leaving &&
                                 node.state != NodeState::kRemoved;
                        });
  }
  std::string Describe() {
    std::string text;
    for (const GroupRow& row : GroupRows(cluster_.state)) {
      absl::StrAppend(&text, "\ngroup ", row.id.value(), " leader ",
                      row.leader.value(), " settled ", row.settled,
                      " problem '", row.problem, "' voters");
      for (NodeId id : row.voters) absl::StrAppend(&text, " ", id.value());
      absl::StrAppend(&text, " wanted");
      for (NodeId id : row.wanted) absl::StrAppend(&text, " ", id.value());
      absl::StrAppend(
          &text, " preferred ",
          cluster_.state.FindGroup(row.id)->preferred_leader.value());
      const Group& group = groups_[row.id];
      absl::StrAppend(&text, " log ", group.log.size(), " committed ",
                      group.committed, " leads ", group.leader.value());
      if (!group.log.empty()) {
        const raft::Configuration& last = group.log.back().configuration;
        absl::StrAppend(&text, " with voters");
        for (const auto& one : last.voters) {
          absl::StrAppend(&text, " ", one.replica.value());
        }
        absl::StrAppend(&text, " outgoing");
        for (const auto& one : last.outgoing_voters) {
          absl::StrAppend(&text, " ", one.replica.value());
        }
      }
      for (auto& [id, node] : nodes_) {
        for (const Replica& one : node.replicas[row.id]) {
          absl::StrAppend(&text, " [node ", id.value(), " replica ",
                          one.id.value(), one.fenced ? " fenced" : "",
                          one.held ? " held" : "", " length ", one.length, "]");
        }
      }
    }
    for (const NodeRow& row : NodeRows(cluster_.state)) {
      absl::StrAppend(&text, "\nnode ", row.id.value(), " ",
                      std::string(row.state), " ", row.problem);
    }
    return text;
  }

  Random random_;
  uint64_t draws_ = 0;
  uint64_t drawn_ = 0;
  ControlledCluster cluster_;
  std::map<NodeId, Node> nodes_;
  std::map<GroupId, Group> groups_;
  std::deque<std::shared_ptr<const ClusterState>> states_;
  std::map<std::string, int> marks_;
  std::vector<NodeId> lost_;  // Nodes of lost majorities, until removed.
  GroupId given_up_;          // Its majority is only away.
  bool calm_ = false;
};

TEST(ReconcileModel, AnyScript_KeepsTheRulesAndEndsAsWished) {
  std::map<std::string, int> marks;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Model model(seed);
    model.Run(600);
    model.Finish();
    for (const auto& [mark, count] : model.marks()) marks[mark] += count;
    if (model.failed()) break;
  }
  // The scripts reach everything.
  for (const char* mark :
       {"action 0", "action 1",      "action 2",    "action 3", "action 4",
        "action 5", "action 6",      "action 7",    "action 8", "recovered",
        "held",     "joint",         "fence",       "replace",  "drain",
        "undrain",  "remove",        "lost",        "set",      "transfer",
        "repair",   "drain refused", "chosen again"}) {
    EXPECT_GT(marks[mark], 20) << mark;
  }
}

}  // namespace
}  // namespace quorate::shardctrl
