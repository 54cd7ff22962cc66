// GET /debug/... shows the state of a node that runs.

#include <algorithm>
#include <string>
#include <string_view>

#include "node/testing/operated_cluster.h"

namespace quorate::node {
namespace {

class DebugPageTest : public OperatedCluster {
 protected:
  Json Page(size_t node, std::string_view name) {
    const auto [status, page] = Ask(node, "GET", Concat("/debug/", name));
    EXPECT_EQ(status, 200);
    EXPECT_EQ(page["node"], node + 1);
    return page;
  }
  // Null: there is none.
  static Json RowWith(const Json& rows, std::string_view field, Json value) {
    const auto found = std::ranges::find_if(
        rows, [&](const Json& row) { return row[field] == value; });
    return found == rows.end() ? Json() : *found;
  }
};

TEST_F(DebugPageTest, Orders_ShowARequestThatWaitsForALeader) {
  Begin({.nodes = 3, .groups = 1, .adjust = [](Config& config) {
           config.timeouts.leader_wait = Seconds(60);
         }});
  EXPECT_EQ(Page(0, "orders")["connections"], Json::array());
  cluster_->Crash(1);
  cluster_->Crash(2);
  cluster_->world().RunFor(Seconds(5));
  auto client = cluster_->ConnectResp(0);
  client->Send("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
  client->Send("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n");
  cluster_->world().RunFor(Seconds(1));
  const Json page = Page(0, "orders");
  const Json group = RowWith(page["groups"], "group", 1);
  ASSERT_FALSE(group.is_null()) << page.dump(1);
  EXPECT_TRUE(group["leader"].is_null());
  EXPECT_EQ(group["waiting_requests"], 2);
  ASSERT_EQ(page["connections"].size(), 1u) << page.dump(1);
  const Json& connection = page["connections"][0];
  EXPECT_EQ(connection["protocol"], "resp");
  EXPECT_EQ(connection["answers_due"], 2);
  const Json order = RowWith(connection["orders"], "group", 1);
  // The read travels in the log, in front of the write.
  EXPECT_EQ(order["in_batch"], 2) << page.dump(1);
}

TEST_F(DebugPageTest, Moves_ShowWhatTheDriverDoes) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  auto client = cluster_->ConnectResp(0);
  const std::string value(1000, 'v');
  for (int i = 0; i < 50; ++i) {
    cluster_->Command(*client, {"SET", Concat("{b}", i), value});
  }
  const auto [status, answer] =
      Ask(0, "POST", "/v1/moves",
          R"({"to":2,"slots":"3300","bytes_per_second":10000})");
  ASSERT_EQ(status, 200) << answer.dump(1);
  const size_t source = cluster_->LeaderOf(GroupId(1));
  ASSERT_LT(source, 3u);
  Json row;
  EXPECT_TRUE(RunUntil([&] {
    const Json moves = Page(source, "moves")["moves"];
    row = RowWith(moves, "group", 1);
    return !row.is_null() && row["work"] == "copying";
  }));
  EXPECT_EQ(row["problem"], "") << row.dump(1);
  EXPECT_EQ(row["one_piece_at_a_time"], false);
}

TEST_F(DebugPageTest, Rooms_HaveTheirBounds) {
  Begin({.nodes = 1, .groups = 1, .adjust = [](Config& config) {
           config.limits.memory_bytes = 12'345'678;
         }});
  auto client = cluster_->ConnectResp(0);
  cluster_->Command(*client, {"SET", "k", std::string(5'000, 'v')});
  const Json page = Page(0, "rooms");
  const Json stores = RowWith(page["rooms"], "room", "stores");
  EXPECT_EQ(stores["bound"], 12'345'678) << page.dump(1);
  EXPECT_GT(stores["bytes"], 5'000);
  EXPECT_EQ(page["closed"], Json::array());
}

TEST_F(DebugPageTest, Timers_StandInTheOrderOfTime) {
  Begin({.nodes = 3, .groups = 3});
  const Json timers = Page(0, "timers")["timers"];
  EXPECT_TRUE(std::ranges::is_sorted(timers, {}, [](const Json& row) {
    return row["due_ms"].get<int64_t>();
  })) << timers.dump(1);
  for (uint32_t group = 1; group <= 3; ++group) {
    const bool found = std::ranges::any_of(timers, [&](const Json& row) {
      return row["timer"] == "consensus" && row["group"] == group;
    });
    EXPECT_TRUE(found) << timers.dump(1);
  }
}

TEST_F(DebugPageTest, AnotherPath_IsNoRoute) {
  Begin({.nodes = 1, .groups = 1});
  EXPECT_EQ(Ask(0, "GET", "/debug").second["pages"].size(), 4u);
  EXPECT_EQ(Ask(0, "GET", "/debug/nothing").first, 404);
  EXPECT_EQ(Ask(0, "POST", "/debug/orders").first, 404);
}

}  // namespace
}  // namespace quorate::node
