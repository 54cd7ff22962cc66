// Clients against a small server. A correct server gives no violation, and
// every mistake is found.
#include "sim/workload/client.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sim/checks/recorder.h"
#include "sim/testing/fake_server.h"
#include "sim/world/liveness.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

using ::testing::ElementsAre;

struct Outcome {
  std::vector<std::string> violations;
  Recorder::Counts counts;
  bool idle = true;
  bool all_written = false;
  bool all_read = false;
  bool reset_in_mid_reply = false;
};

Outcome RunClients(const WorldOptions& options, ServerMistake mistake) {
  World world(options);
  Outcome outcome;
  Recorder recorder([&] { return world.now(); },
                    [&](std::string what) { world.Violate(std::move(what)); });
  const MachineId server = world.AddMachine({.name = "n1"});
  world.Start(server, [mistake](env::Env& env) {
    return std::make_shared<FakeServer>(env, "n1:7001", mistake);
  });
  std::vector<WorkloadClient*> clients;
  for (uint32_t i = 1; i <= 4; ++i) {
    const MachineId machine = world.AddMachine({.client = true});
    world.Start(machine, [&, i](env::Env& env) {
      auto client = std::make_shared<WorkloadClient>(
          env,
          WorkloadClientOptions{
              .id = i,
              .servers = {"n1:7001"},
              .cluster_servers = {"n1:7001"},
              .habits = {.sessions = i % 2 == 0},
              .interval = Milliseconds(20),
              .operations = {.stale_reads = i == 3, .expiry = false}},
          &world.choices(), &recorder);
      clients.push_back(client.get());
      return client;
    });
  }
  const auto idle = [&] {
    for (const WorkloadClient* client : clients) {
      if (!client->idle()) return false;
    }
    return true;
  };
  world.RunFor(Seconds(10));
  world.stream_options() = {};
  for (WorkloadClient* client : clients) client->StopIssuing();
  // A server that does not answer holds each connection for five seconds.
  outcome.idle = world.RunUntilTrue(idle, Seconds(120));
  const std::vector<std::string> keys = recorder.keys();
  std::vector<std::string> numbers;
  for (const std::string& key : keys) {
    if (key[0] == 'n') numbers.push_back(key);
  }
  const uint64_t before_writes = recorder.counts().succeeded;
  clients[0]->AddToEach(numbers);
  world.RunUntilTrue(idle, Seconds(20));
  outcome.all_written =
      recorder.counts().succeeded == before_writes + numbers.size();
  const uint64_t before = recorder.counts().succeeded;
  clients[0]->ReadAll(keys);
  world.RunUntilTrue(idle, Seconds(20));
  outcome.all_read = recorder.counts().succeeded == before + keys.size();
  recorder.Finish();
  outcome.violations = world.violations();
  outcome.counts = recorder.counts();
  outcome.reset_in_mid_reply =
      world.marks().contains("client.connection_reset_in_mid_reply");
  return outcome;
}

WorldOptions BadNetwork(uint64_t seed) {
  WorldOptions options{.seed = seed};
  options.streams.jitter = {1, 2};
  options.streams.split = {1, 4};
  options.streams.reset = {1, 100};
  options.streams.lost_tail = {1, 2};
  options.streams.refuse = {1, 20};
  return options;
}

TEST(WorkloadClient, CorrectServer_EverythingSucceeds) {
  const Outcome outcome = RunClients({.seed = 1}, ServerMistake::kNone);
  EXPECT_EQ(outcome.violations, std::vector<std::string>{});
  EXPECT_TRUE(outcome.idle);
  EXPECT_TRUE(outcome.all_written);
  EXPECT_TRUE(outcome.all_read);
  EXPECT_GT(outcome.counts.invoked, 1000u);
  EXPECT_EQ(outcome.counts.succeeded, outcome.counts.invoked);
  EXPECT_GT(outcome.counts.stale_reads, 25u);
}

TEST(WorkloadClient, BadNetwork_NoFalseAlarm) {
  bool reset_in_mid_reply = false;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const Outcome outcome = RunClients(BadNetwork(seed), ServerMistake::kNone);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_TRUE(outcome.idle);
    EXPECT_TRUE(outcome.all_written);
    EXPECT_TRUE(outcome.all_read);
    EXPECT_GT(outcome.counts.unknown, 0u);
    EXPECT_GT(outcome.counts.succeeded, outcome.counts.invoked / 2);
    reset_in_mid_reply |= outcome.reset_in_mid_reply;
  }
  EXPECT_TRUE(reset_in_mid_reply);
}

TEST(WorkloadClient, EveryMistake_Found) {
  for (const ServerMistake mistake :
       {ServerMistake::kForgetsWrites, ServerMistake::kServesStale,
        ServerMistake::kDoesTwice, ServerMistake::kDoesWhatItRefuses}) {
    const Outcome outcome = RunClients({.seed = 1}, mistake);
    ASSERT_FALSE(outcome.violations.empty()) << static_cast<int>(mistake);
    EXPECT_EQ(outcome.violations[0].substr(0, 15), "linearizability")
        << outcome.violations[0];
  }
}

// Each of two servers has only what it was sent. A client that stays with the
// first one never notices, unless it reads back.
TEST(WorkloadClient, ReadsBack_AtAnotherNode) {
  for (const bool reads_back : {false, true}) {
    World world({.seed = 1});
    Recorder recorder([&] { return world.now(); },
                      [&](std::string what) { world.Violate(what); });
    const std::vector<std::string> servers = {"n1:7001", "n2:7001"};
    for (const std::string& server : servers) {
      world.Start(world.AddMachine({.name = server.substr(0, 2)}),
                  [server](env::Env& env) {
                    return std::make_shared<FakeServer>(env, server,
                                                        ServerMistake::kNone);
                  });
    }
    world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
      return std::make_shared<WorkloadClient>(
          env,
          WorkloadClientOptions{
              .id = 2,
              .servers = servers,
              .cluster_servers = servers,
              .habits = {.stays_with_node = true, .reads_back = reads_back},
              .operations = {.expiry = false}},
          &world.choices(), &recorder);
    });
    world.RunFor(Seconds(20));
    recorder.Finish();
    EXPECT_EQ(!world.violations().empty(), reads_back);
  }
}

// Clients never give up these reads, and the server does not reply.
TEST(Liveness, RequestThatIsStuck_Found) {
  for (const bool stands_still : {false, true}) {
    World world({.seed = 1});
    Recorder recorder([&] { return world.now(); },
                      [&](std::string what) { world.Violate(what); });
    const MachineId server = world.AddMachine({.name = "n1"});
    world.Start(server, [](env::Env& env) {
      return std::make_shared<FakeServer>(env, "n1:7001", ServerMistake::kNone);
    });
    WorkloadClient* client = nullptr;
    world.Start(world.AddMachine({.client = true}), [&](env::Env& env) {
      auto made = std::make_shared<WorkloadClient>(
          env,
          WorkloadClientOptions{
              .id = 1, .servers = {"n1:7001"}, .cluster_servers = {"n1:7001"}},
          &world.choices(), &recorder);
      client = made.get();
      return made;
    });
    client->StopIssuing();
    client->ReadAll({"r1", "r2"});
    if (stands_still) world.Pause(server);
    RequireWithin(
        world, "reading", Seconds(20), [&] { return client->idle(); },
        [&] { return client->Describe(); });
    if (!stands_still) {
      EXPECT_EQ(world.violations(), std::vector<std::string>{});
      continue;
    }
    ASSERT_EQ(world.violations().size(), 1u);
    EXPECT_EQ(world.violations()[0].substr(0, 41),
              "liveness: reading took more than 20000 ms");
    EXPECT_NE(world.violations()[0].find("r1"), std::string::npos)
        << world.violations()[0];
  }
}

TEST(Liveness, AfterAViolation_NothingIsAddedAndNothingRuns) {
  World world({.seed = 1});
  world.Violate("first");
  RequireWithin(
      world, "anything", Seconds(1), [] { return false; },
      [] { return std::string(); });
  EXPECT_EQ(world.violations(), std::vector<std::string>{"first"});
  EXPECT_EQ(world.now(), SimTime());
}

// Work of `steps` seconds, of which each is progress if `counted`. Returns the
// violations.
std::vector<std::string> Work(uint64_t steps, bool counted) {
  World world({.seed = 1});
  uint64_t made = 0;
  for (int second = 1; second <= 400; ++second) {
    world.At(SimTime() + Seconds(second), [&] { ++made; });
  }
  RequireWithin(
      world, "work", Seconds(10), [&] { return made == steps; },
      [] { return std::string("described"); },
      [&] { return counted ? made : 0; });
  return world.violations();
}

TEST(Liveness, LimitBeginsAgain30TimesWhileThereIsProgress) {
  EXPECT_TRUE(Work(9, false).empty());
  EXPECT_THAT(Work(11, false),
              ElementsAre("liveness: work took more than 10000 ms after "
                          "healing\ndescribed"));
  EXPECT_TRUE(Work(299, true).empty());
  EXPECT_THAT(Work(301, true),
              ElementsAre("liveness: work took more than 300000 ms after "
                          "healing\ndescribed"));
}

TEST(WorkloadClient, ServerThatDoesNotAnswer_TimesOut) {
  const Outcome outcome = RunClients({.seed = 1}, ServerMistake::kNeverAnswers);
  EXPECT_EQ(outcome.violations, std::vector<std::string>{});
  EXPECT_TRUE(outcome.idle);
  EXPECT_GT(outcome.counts.unknown, 0u);
}

}  // namespace
}  // namespace quorate::sim
