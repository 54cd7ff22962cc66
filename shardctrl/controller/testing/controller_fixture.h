// shardctrl/controller/testing/controller_fixture.h: a cluster as tests of the
// controller see it: founded nodes and groups, and commands on them.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_
#define QUORATE_SHARDCTRL_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/ids.h"
#include "env/time.h"
#include "raft/core/configuration.h"
#include "raft/core/types.h"
#include "shardctrl/controller/apply.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/founding.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/token.h"

namespace quorate::shardctrl {

// Node n has store 100 * n. The replica of group g on node n has the id
// 1000 * g + n. The controller's replicas count as group 999.
class ControlledCluster {
 public:
  static StoreIncarnation StoreOf(uint32_t node) {
    return StoreIncarnation(100u * node);
  }
  static uint64_t NumberOf(GroupId group) {
    return group == kControllerGroup ? 999 : group.value();
  }
  static raft::Member MemberOn(GroupId group, uint32_t node) {
    return {.replica = ReplicaId(1000 * NumberOf(group) + node),
            .node = NodeId(node),
            .store = StoreOf(node)};
  }
  static raft::Configuration MembersOn(GroupId group,
                                       const std::vector<uint32_t>& voters) {
    raft::Configuration configuration;
    for (uint32_t node : voters) {
      configuration.voters.push_back(MemberOn(group, node));
    }
    raft::SortMembers(&configuration.voters);
    configuration.machine_kind = 7;
    configuration.hash_key = 5;
    return configuration;
  }
  static TokenDigest Token(uint64_t secret) {
    return DigestOf(ClusterId(1), secret, secret);
  }

  // Nodes 1 … nodes; each of the groups has its first voters, one node after
  // another.
  ControlledCluster(uint32_t nodes, uint32_t groups, uint32_t replicas = 3) {
    ClusterFounding founding;
    founding.default_replicas = replicas;
    founding.created_groups = {.machine_kind = 7, .parameters = "parameters"};
    for (uint32_t n = 1; n <= nodes; ++n) {
      founding.nodes.push_back(
          {.id = NodeId(n),
           .name = absl::StrCat("n", n),
           .store = StoreOf(n),
           .addresses = {.peer = absl::StrCat("10.0.0.", n, ":1"),
                         .resp = absl::StrCat("10.0.0.", n, ":2")}});
    }
    for (uint32_t g = 1; g <= groups; ++g) {
      std::vector<uint32_t> voters;
      for (uint32_t i = 0; i < replicas; ++i) {
        voters.push_back((g - 1 + i) % nodes + 1);
      }
      founding.groups.push_back(
          {.id = GroupId(g),
           .name = absl::StrCat("s", g),
           .configuration = MembersOn(GroupId(g), voters)});
    }
    std::vector<uint32_t> voters;
    for (uint32_t n = 1; n <= ControllerReplicas(nodes); ++n) {
      voters.push_back(n);
    }
    founding.groups.push_back(
        {.id = kControllerGroup,
         .name = "controller",
         .configuration = MembersOn(kControllerGroup, voters)});
    founding.slots = {
        {.slots = {Slot(0), Slot(kHashSlotCount - 1)}, .group = GroupId(1)}};
    auto founded = FoundCluster(std::move(founding));
    CHECK(founded.ok()) << founded.status().ToString();
    state = *std::move(founded);
  }

  // Executes a command as the log would: encoded and decoded.
  ControllerAnswer Do(ControllerCommand::Body body,
                      OperationId operation = {}) {
    const ControllerCommand command{operation, std::move(body)};
    const auto decoded = DecodeCommand(EncodeCommand(command));
    CHECK(decoded.ok()) << decoded.status().ToString();
    return ApplyCommand(*decoded, now, &state);
  }

  // The leader of the group reports what is wanted: the wish has come true.
  // Replicas that are not known yet are reported first.
  void Settle(GroupId id) {
    GroupRecord& group = *state.FindGroup(id);
    raft::Configuration c;
    c.machine_kind = 7;
    c.hash_key = 5;
    for (const WantedReplica& wanted : group.wanted) {
      const NodeRecord& node = *state.FindNode(wanted.node);
      raft::Member member{
          .replica = wanted.replica, .node = wanted.node, .store = node.store};
      if (member.replica == ReplicaId()) {
        member.replica = ReplicaId(++drawn_);
        Do(ControllerCommand::ReportReplica{id, wanted.node, node.store,
                                            member.replica});
      }
      (wanted.purpose == ReplicaPurpose::kVoter ? c.voters : c.learners)
          .push_back(member);
    }
    raft::SortMembers(&c.voters);
    raft::SortMembers(&c.learners);
    Report(id, c, group.preferred_leader);
  }
  void SettleAll() {
    std::vector<GroupId> ids;
    for (const GroupRecord& group : state.groups) ids.push_back(group.id);
    for (GroupId id : ids) Settle(id);
  }
  ControllerAnswer Report(GroupId id, const raft::Configuration& configuration,
                          NodeId leader) {
    ++index_;
    return Do(ControllerCommand::ReportGroup{
        id,
        {.position = {raft::Term(2), raft::Index(index_)},
         .configuration = configuration,
         .leader = leader,
         .term = raft::Term(2)}});
  }

  // Registers a node and lets its store join.
  NodeId Join(ControllerCommand::AddNode add = {}) {
    add.token = Token(9);
    add.valid_for = Seconds(60);
    const NodeId node = Do(add).node;
    CHECK(Do(ControllerCommand::BindNode{node, Token(9), StoreOf(node.value())})
              .outcome == ControllerAnswer::Outcome::kDone);
    return node;
  }
  std::vector<uint32_t> Wanted(GroupId id) const {
    std::vector<uint32_t> nodes;
    for (const WantedReplica& one : state.FindGroup(id)->wanted) {
      nodes.push_back(one.node.value());
    }
    return nodes;
  }

  ClusterState state;
  WallTime now{Seconds(1000).ns()};

 private:
  uint64_t index_ = 10;
  uint64_t drawn_ = 5'000'000;
};

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_TESTING_CONTROLLER_FIXTURE_H_
