// The client that asks for views, against servers with fixed replies.
#include "sim/workload/view_client.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "env/env.h"
#include "gtest/gtest.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

struct ViewOutcome {
  size_t views = 0;
  size_t failures = 0;
  NodeView last;
};

// Asks a node that gives fixed answers for two seconds, and one that does not
// exist. `right`: whether the replies of the first one count as right.
ViewOutcome RunView(const std::string& resp, const std::string& http,
                    bool right) {
  World world({.seed = 1});
  world.Start(world.AddMachine({.name = "n1"}), [resp](env::Env& env) {
    return std::make_shared<Parrot>(env, "n1:7101", resp);
  });
  world.Start(world.AddMachine({.name = "n2"}), [http](env::Env& env) {
    return std::make_shared<Parrot>(env, "n2:8001", http);
  });
  ViewOutcome outcome;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    return std::make_shared<ViewClient>(
        env, std::vector<std::string>{"n1:7101", "n3:7101"},
        std::vector<std::string>{"n2:8001", "n3:8001"},
        [&outcome, right](size_t node, const NodeView* view) {
          EXPECT_EQ(view != nullptr, node == 0);
          ++(view == nullptr ? outcome.failures : outcome.views);
          if (view != nullptr) outcome.last = *view;
          return right && view != nullptr;
        });
  });
  world.RunFor(Seconds(2));
  return outcome;
}

constexpr char kReplies[] = "*0\r\n$2\r\nab\r\n$2\r\ncd\r\n$2\r\nef\r\n";
constexpr char kAnswer[] = "HTTP/1.1 503 no\r\nContent-Length: 2\r\n\r\nno";

TEST(ViewClient, Node_IsAskedOverBothProtocolsAgainAndAgain) {
  const ViewOutcome outcome = RunView(kReplies, kAnswer, /*right=*/false);
  EXPECT_GE(outcome.views, 10u);
  EXPECT_GE(outcome.failures, 10u);
  EXPECT_EQ(outcome.last.slots.type, ClientReply::Type::kArray);
  EXPECT_EQ(outcome.last.nodes, "ab");
  EXPECT_EQ(outcome.last.cluster_info, "cd");
  EXPECT_EQ(outcome.last.info, "ef");
  EXPECT_EQ(outcome.last.ready_status, 503);
  EXPECT_EQ(outcome.last.metrics, std::nullopt);
}

TEST(ViewClient, NodeWhoseRepliesAreRight_IsAskedForMetrics) {
  // The Parrot answers two requests that arrive together.
  const ViewOutcome outcome =
      RunView(kReplies, std::string(kAnswer) + kAnswer, /*right=*/true);
  EXPECT_GE(outcome.views, 10u);
  EXPECT_EQ(outcome.last.metrics, "no");
}

}  // namespace
}  // namespace quorate::sim
