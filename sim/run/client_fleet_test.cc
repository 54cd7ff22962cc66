// Every kind of client finishes its operations at a correct cluster, and every
// client that is killed or paused goes on.
#include "sim/run/client_fleet.h"

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/run/shape.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

// A cluster without faults, whose logs the recorder follows.
class FleetRun {
 public:
  FleetRun(uint64_t seed, const Shape& shape, bool failures)
      : world_({.seed = seed}),
        recorder_([this] { return world_.now(); },
                  [this](std::string what) { world_.Violate(what); }),
        cluster_(world_, replica_checker_,
                 {.nodes = 3,
                  .groups = 2,
                  .configure =
                      [shape](NodeId) {
                        node::Config config;
                        config.rules = shape.rules;
                        return config;
                      }}),
        fleet_(world_, cluster_, recorder_,
               {.shape = shape,
                .failures = failures,
                .failing_time = Seconds(15)}) {
    recorder_.SetClocks({.epoch = WorldOptions().epoch});
    recorder_.SetSessionRules(shape.rules.sessions);
    recorder_.CheckOrder(
        [this](std::string_view key) { return cluster_.GroupOf(key); });
    cluster_.SetCommitHook([this](GroupId group, const raft::Entry& entry) {
      const bool commands = entry.kind == raft::EntryKind::kCommands;
      recorder_.log().OnCommitted(
          group, entry.index,
          EntryClock{.term = entry.term,
                     .log_time = entry.log_time,
                     .bounded = entry.leader_wall.bounded()},
          commands ? entry.payload.view() : std::string_view());
    });
    world_.SetStepHook(
        [this](MachineId machine) { cluster_.AfterTurn(machine); });
    cluster_.Start();
    ShapeDraw draw(&world_.choices());
    fleet_.Start(&draw);
    world_.RunFor(Seconds(20));
    fleet_.Stop(cluster_.resp_addresses());
    EXPECT_TRUE(world_.RunUntilTrue([this] { return fleet_.idle(); }))
        << fleet_.Describe();
    recorder_.Finish();
    EXPECT_EQ(world_.violations(), std::vector<std::string>{});
    EXPECT_GT(recorder_.counts().succeeded, 100u);
  }

  Recorder& recorder() { return recorder_; }
  ClientFleet& fleet() { return fleet_; }
  World& world() { return world_; }

 private:
  World world_;
  ReplicaChecker replica_checker_{
      [this](std::string what) { world_.Violate(what); }};
  Recorder recorder_;
  Cluster cluster_;
  ClientFleet fleet_;
};

TEST(ClientFleet, WithoutFailures_NoOutcomeIsUnknown) {
  std::map<std::string, uint64_t> marks;
  uint64_t group_reads = 0;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    FleetRun run(seed,
                 {.clients = 6,
                  .http_clients = 2,
                  .http_idempotency_keys = seed % 2 == 0,
                  .library_clients = 2,
                  .library_sessions = seed % 2 == 0,
                  .multi_key_clients = 2},
                 /*failures=*/false);
    EXPECT_EQ(run.recorder().counts().unknown, 0u);
    EXPECT_GT(run.recorder().multi_keys().reads_checked(), 20u);
    group_reads += run.recorder().multi_keys().group_reads_checked();
    EXPECT_GT(run.recorder().multi_keys().scans_checked(), 5u);
    EXPECT_EQ(run.world().faults().count(Fault::kClientCrash), 0u);
    for (const auto& [mark, count] : run.world().marks()) marks[mark] += count;
  }
  EXPECT_GT(group_reads, 20u);
  EXPECT_GT(marks["client.half_closed_a_connection"], 0u);
  EXPECT_GT(marks["client.vanished_in_mid_request"], 0u);
}

TEST(ClientFleet, StopWithoutAKeyToAskFor_IsNotWatched) {
  FleetRun run(1, {.clients = 1}, /*failures=*/false);
  run.fleet().AskDuringAStop({NodeId(1)}, {GroupId(1), GroupId(2)}, Seconds(1),
                             NodeId());
  EXPECT_TRUE(run.fleet().AskedAll());
  run.fleet().AskDuringAStop({NodeId(1)}, {GroupId(1)}, Seconds(1), NodeId());
  EXPECT_FALSE(run.fleet().AskedAll());
}

TEST(ClientFleet, OneClient_ReadsStaleStatesInSomeRuns) {
  uint64_t stale = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    FleetRun run(seed, {.clients = 1}, /*failures=*/false);
    stale += run.recorder().counts().stale_reads > 0;
  }
  EXPECT_GT(stale, 0u);
  EXPECT_LT(stale, 8u);
}

TEST(ClientFleet, KilledAndPausedClients_EndTheirOperations) {
  std::map<std::string, uint64_t> marks;
  uint64_t crashes = 0;
  uint64_t pauses = 0;
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    FleetRun run(seed, {.clients = 8, .operations_per_second = 200},
                 /*failures=*/true);
    crashes += run.world().faults().count(Fault::kClientCrash);
    pauses += run.world().faults().count(Fault::kClientPause);
    for (const auto& [mark, count] : run.world().marks()) marks[mark] += count;
  }
  EXPECT_GT(crashes, 0u);
  EXPECT_GT(pauses, 0u);
  EXPECT_GT(marks["client.restarted"] + marks["client.resumed_operations"], 0u);
}

TEST(ClientFleet, AddressOfAnotherServer_LibraryUsesTheOtherAddresses) {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    FleetRun run(seed,
                 {.clients = 2,
                  .library_clients = 3,
                  .library_sessions = seed % 2 == 0,
                  .library_impostor = true},
                 /*failures=*/false);
    EXPECT_GT(run.fleet().impostor_answers(), 5u);
  }
}

TEST(ClientFleet, SlotsWithRoomForFewSessions_RefuseOthersForATime) {
  Shape shape{.clients = 8, .library_clients = 2};
  shape.rules.sessions = {.lifetime = Seconds(3),
                          .open_window = Seconds(1),
                          .rows_per_slot_max = 2};
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    FleetRun run(seed, shape, /*failures=*/false);
    EXPECT_EQ(run.recorder().counts().unknown, 0u) << "seed " << seed;
    EXPECT_GT(run.recorder().counts().refused, 0u) << "seed " << seed;
  }
}

TEST(ClientFleet, SessionsWithAShortWindow_AreReplaced) {
  Shape shape{.clients = 8, .library_clients = 2};
  shape.rules.sessions.open_window = Seconds(1);
  FleetRun run(3, shape, /*failures=*/false);
  EXPECT_EQ(run.recorder().counts().unknown, 0u);
}

}  // namespace
}  // namespace quorate::sim
