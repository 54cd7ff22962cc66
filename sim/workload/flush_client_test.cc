// The client that empties the store, against a server with fixed replies.
#include "sim/workload/flush_client.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct FlushOutcome {
  bool done = false;
  std::vector<std::string> violations;
};

// The end of a minute with a server that gives `answer` to both requests.
FlushOutcome RunFlush(const std::string& answer) {
  World world({.seed = 1});
  world.Start(world.AddMachine({.name = "n1"}), [answer](env::Env& env) {
    return std::make_shared<Parrot>(env, "n1:7001", answer);
  });
  FlushClient* client = nullptr;
  world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
    auto made = std::make_shared<FlushClient>(
        env, std::vector<std::string>{"n1:7001"},
        [&](std::string what) { world.Violate(std::move(what)); });
    client = made.get();
    return made;
  });
  world.RunFor(Seconds(60));
  return {client->done(),
          {world.violations().begin(), world.violations().end()}};
}

TEST(FlushClient, EmptyAfterwards_Done) {
  const FlushOutcome outcome = RunFlush("+OK\r\n:0\r\n");
  EXPECT_TRUE(outcome.done);
  EXPECT_THAT(outcome.violations, IsEmpty());
}

TEST(FlushClient, KeysLeft_Violation) {
  EXPECT_THAT(RunFlush("+OK\r\n:3\r\n").violations,
              ElementsAre(HasSubstr("DBSIZE is")));
}

TEST(FlushClient, Refused_TriesAgain) {
  const FlushOutcome outcome = RunFlush("-TRYAGAIN no leader\r\n:3\r\n");
  EXPECT_FALSE(outcome.done);
  EXPECT_THAT(outcome.violations, IsEmpty());
}

}  // namespace
}  // namespace quorate::sim
