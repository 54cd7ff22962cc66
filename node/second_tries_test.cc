// Changes of operators whose outcome is not known, and the second try.
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

class SecondTriesTest : public OperatedCluster {
 protected:
  // The controller's leader takes the change, and reaches no other node for a
  // while.
  std::pair<int, Json> AddWhileCutOff(size_t* leader) {
    EXPECT_TRUE(AwaitAddresses(3)) << last_.dump(1);
    *leader = AwaitController();
    for (size_t n = 0; n < 3; ++n) Cut(n, true);
    auto answer = Ask(*leader, "POST", "/v1/nodes", "{\"zone\": \"b\"}");
    for (size_t n = 0; n < 3; ++n) Cut(n, false);
    AwaitController();
    cluster_->world().RunFor(Seconds(2));
    return answer;
  }
  size_t NodesOf(size_t node) {
    return Ask(node, "GET", "/v1/nodes").second["nodes"].size();
  }
};

// The first try may take effect once the others answer again.
TEST_F(SecondTriesTest, UnknownOutcome_IsSaid_AndTheSameRequestFinishesIt) {
  size_t took_effect = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    Begin({.nodes = 3, .groups = 1, .seed = seed});
    size_t leader = 0;
    const auto [status, unknown] = AddWhileCutOff(&leader);
    ASSERT_EQ(status, 504) << unknown.dump(1);
    EXPECT_EQ(unknown["error"]["code"], "OUTCOME_UNKNOWN");
    const std::string operation = unknown["error"]["operation"];
    EXPECT_FALSE(operation.empty());
    took_effect += NodesOf(leader) - 3;
    // Another request is another node.
    const auto [other, another] = Ask(leader, "POST", "/v1/nodes");
    ASSERT_EQ(other, 200) << another.dump(1);
    EXPECT_FALSE(another.contains("finishes"));
    const auto [again, added] =
        Ask(leader, "POST", "/v1/nodes", "{\"zone\": \"b\"}");
    ASSERT_EQ(again, 200) << added.dump(1);
    EXPECT_EQ(added["finishes"], operation);
    EXPECT_EQ(NodesOf(leader), 5u);
    // Each node knows the operation by its name.
    const size_t elsewhere = (leader + 1) % 3;
    const auto [named, same] =
        Ask(elsewhere, "POST", "/v1/nodes", "{\"zone\": \"b\"}", operation);
    ASSERT_EQ(named, 200) << same.dump(1);
    EXPECT_EQ(same["id"], added["id"]);
    EXPECT_EQ(same["token"], added["token"]);
    // It is finished: this is a new one.
    const auto [third, fresh] =
        Ask(leader, "POST", "/v1/nodes", "{\"zone\": \"b\"}");
    ASSERT_EQ(third, 200) << fresh.dump(1);
    EXPECT_FALSE(fresh.contains("finishes"));
    EXPECT_EQ(NodesOf(leader), 6u);
  }
  EXPECT_GT(took_effect, 0u);
}

// The change has no effect: no leader took it.
TEST_F(SecondTriesTest, ChangeThatNoLeaderTook_IsNotOfUnknownOutcome) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  cluster_->Crash(1);
  cluster_->Crash(2);
  cluster_->world().RunFor(Seconds(5));
  const auto [status, answer] = Ask(0, "POST", "/v1/nodes");
  EXPECT_EQ(status, 503) << answer.dump(1);
  EXPECT_EQ(answer["error"]["code"], "NO_CONTROLLER");
}

}  // namespace
}  // namespace quorate::node
