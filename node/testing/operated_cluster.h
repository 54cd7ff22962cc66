// node/testing/operated_cluster.h: a fixture for tests in which operators
// change a simulated cluster by its admin addresses.
#ifndef QUORATE_NODE_TESTING_OPERATED_CLUSTER_H_
#define QUORATE_NODE_TESTING_OPERATED_CLUSTER_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/token.h"

namespace quorate::node {

class OperatedCluster : public testing::Test {
 protected:
  using Json = nlohmann::json;

  void Begin(TestCluster::Options options) {
    options.peer_streams = true;
    cluster_ = std::make_unique<TestCluster>(options);
    ASSERT_TRUE(cluster_->AwaitLeaders());
  }
  // The status of an answer of the admin address of a node, and its body.
  std::pair<int, Json> Ask(size_t node, std::string_view method,
                           std::string_view target, std::string_view body = "",
                           std::string_view key = "") {
    auto client = cluster_->ConnectAdmin(node);
    if (!client->connected()) return {0, Json()};
    client->Send(Concat(method, " ", target,
                        " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
                        key.empty() ? "" : "Idempotency-Key: ", key,
                        key.empty() ? "" : "\r\n",
                        "Content-Length: ", body.size(), "\r\n\r\n", body));
    cluster_->world().RunUntilTrue([&] { return client->closed(); },
                                   Seconds(10));
    const std::string answer = client->Take();
    const size_t end = answer.find("\r\n\r\n");
    if (!answer.starts_with("HTTP/1.1 ") || end == answer.npos) {
      return {0, Json()};
    }
    return {std::stoi(answer.substr(9, 3)),
            Json::parse(answer.substr(end + 4), nullptr, false)};
  }
  // Asks again and again until the row is as `done` says.
  template <typename Done>
  bool Await(std::string_view target, Done done,
             Duration within = Seconds(60)) {
    for (Duration waited; waited < within;
         waited = waited + Milliseconds(200)) {
      const auto [status, row] = Ask(0, "GET", target);
      last_ = row;
      if (status == 200 && done(last_)) return true;
      cluster_->world().RunFor(Milliseconds(200));
    }
    return false;
  }

  // The configuration of a node on the next new machine, for an answer of
  // `node add` or `node replace`.
  Config Joining(const Json& answer) {
    const size_t n = cluster_->size() + 1;
    JoinConfig join{.token = answer["token"]};
    for (const Json& seed : answer["seeds"]) join.seeds.push_back(seed);
    const auto token = shardctrl::ParseToken(join.token);
    EXPECT_TRUE(token.ok()) << token.status();
    join.cluster = token->cluster;
    join.node = token->node;
    const auto config = ParseConfig(
        Concat("[node]\ndata_dir = \"unused\"\n[listen]\nresp = \"n", n,
               ":7001\"\nhttp = \"n", n, ":8001\"\npeer = \"n", n,
               ":9001\"\nadmin = \"n", n,
               ":8101\"\nallow_non_loopback = true\n"),
        "q.toml", join);
    EXPECT_TRUE(config.ok()) << config.status();
    return *config;
  }
  raft::Host& host(size_t node) { return cluster_->server(node).host(); }
  const shardctrl::ClusterState& StateOn(size_t node) {
    return static_cast<const shardctrl::ControllerMachine*>(
               host(node).state_machine(shardctrl::kControllerGroup))
        ->state();
  }
  // The slots that the leader of the group accepts.
  uint32_t SlotsOf(GroupId group) {
    const size_t leader = cluster_->LeaderOf(group);
    if (leader >= cluster_->size()) return 0;
    uint32_t count = 0;
    for (const SlotRange range :
         cluster_->server(leader).store(group)->owned()) {
      count += range.size();
    }
    return count;
  }
  bool RunUntil(std::function<bool()> done) {
    return cluster_->world().RunUntilTrue(std::move(done), Seconds(30));
  }
  // The position of the node that leads the controller.
  size_t AwaitController() {
    RunUntil(
        [&] { return cluster_->LeaderOf(shardctrl::kControllerGroup) < 3; });
    return cluster_->LeaderOf(shardctrl::kControllerGroup);
  }
  void Cut(size_t node, bool cut) {
    for (size_t other = 0; other < cluster_->size(); ++other) {
      if (other != node) CutBetween(node, other, cut);
    }
  }
  void CutBetween(size_t one, size_t other, bool cut) {
    const sim::MachineId a = cluster_->machine(one);
    const sim::MachineId b = cluster_->machine(other);
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      cut ? cluster_->world().BlockLink(from, to)
          : cluster_->world().HealLink(from, to);
    }
  }
  // Waits until the controller knows the addresses of all nodes, and the
  // members of all groups.
  bool AwaitAddresses(size_t count) {
    const auto reported = [](const shardctrl::GroupRecord& group) {
      return !group.founded || group.Configuration() != nullptr;
    };
    return Await("/v1/nodes",
                 [&](const Json& answer) {
                   if (answer["nodes"].size() != count) return false;
                   for (const Json& node : answer["nodes"]) {
                     if (node["addresses"]["peer"] == "") return false;
                   }
                   return true;
                 }) &&
           RunUntil([&] {
             return std::ranges::all_of(StateOn(AwaitController()).groups,
                                        reported);
           });
  }

  std::unique_ptr<TestCluster> cluster_;
  Json last_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_TESTING_OPERATED_CLUSTER_H_
