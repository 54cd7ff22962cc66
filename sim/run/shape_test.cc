// Every value of a shape and of a setting is drawn often enough, and every
// combination is a valid configuration.
#include "sim/run/shape.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "sim/workload/surface_requests.h"

namespace quorate::sim {
namespace {

TEST(ShapeDraw, EachValue_IsDrawnInAtLeastTwoPercentOfRuns) {
  constexpr uint64_t kRuns = 4000;
  std::map<std::string, uint64_t> runs;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    draw.DrawShape();
    draw.DrawConfig(NodeId(1), {});
    draw.DrawPeerStreams(NodeId(1));
    DiskOptions disk;
    draw.DrawDisk(NodeId(1), &disk);
    LoopOptions loop;
    draw.DrawLoop(NodeId(1), &loop);
    draw.DrawDistance(NodeId(1));
    draw.DrawClient(1);
    for (const auto& [value, count] : draw.drawn()) runs[value] += count > 0;
  }
  EXPECT_GT(runs.size(), 60u);
  for (const auto& [value, count] : runs) {
    EXPECT_GE(count * 50, kRuns) << value;
  }
}

// The number that is listed is the one that the run has.
TEST(ShapeDraw, EachNumberOfVoters_IsInEffectInAtLeastTwoPercentOfRuns) {
  constexpr uint64_t kRuns = 4000;
  std::map<uint32_t, uint64_t> runs;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    const Shape shape = draw.DrawShape();
    EXPECT_LE(shape.voters, shape.nodes);
    EXPECT_EQ(draw.drawn().at("shape.voters=" + std::to_string(shape.voters)),
              1u);
    ++runs[shape.voters];
  }
  for (uint32_t voters = 1; voters <= 7; ++voters) {
    EXPECT_GE(runs[voters] * 50, kRuns) << voters << " voters";
  }
}

// Reads of many keys reach the nodes on which even their arguments take more
// work than a turn has.
TEST(ShapeDraw, WorkOfATurn_IsLessThanThatOfALongReadInSomeRuns) {
  constexpr uint64_t kRuns = 400;
  // As TurnWork::kCopiedArgumentsPerUnit says (node/base/turn_work.h).
  constexpr uint64_t kWork = kManyKeys / 8;
  uint64_t runs = 0;
  for (uint64_t seed = 1; seed <= kRuns; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    draw.DrawShape();
    if (draw.DrawConfig(NodeId(1), {}).bounds.turn_work <= kWork) ++runs;
  }
  EXPECT_GE(runs * 10, kRuns);
  EXPECT_TRUE(std::any_of(std::begin(kRespScripts), std::end(kRespScripts),
                          [](std::string_view script) {
                            return script.find("MGET %m") != script.npos;
                          }));
}

// Tables whose keys are not settings of behaviour: the cluster draws identities
// and addresses, and ShapeDraw::DrawShape the groups.
constexpr std::string_view kIdentities[] = {
    "cluster.",  "node.",     "listen.",   "nodes[].",
    "founding.", "sharding.", "shards[].",
};

TEST(ShapeDraw, EachKeyOfTheConfiguration_IsDrawnOrNamedAsNotSimulated) {
  std::ifstream file("docs/testing/not-simulated.md");
  ASSERT_TRUE(file.good());
  std::stringstream page;
  page << file.rdbuf();
  std::set<std::string> drawn;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    draw.DrawConfig(NodeId(1), draw.DrawShape());
    for (const auto& [value, count] : draw.drawn()) {
      drawn.insert(value.substr(0, value.find('=')));
    }
  }
  // One key sets four timings, which runs draw apart.
  drawn.insert("knob.raft.election_timeout_ms");
  for (const node::ConfigKey& key : node::ConfigKeys()) {
    const bool identity = std::any_of(
        std::begin(kIdentities), std::end(kIdentities),
        [&key](std::string_view table) { return key.name.starts_with(table); });
    const bool named =
        page.str().find("`" + key.name + "`") != std::string::npos;
    EXPECT_EQ(drawn.contains("knob." + key.name), !identity && !named)
        << key.name;
  }
}

TEST(ShapeDraw, ValuesThatWereNotDrawn_AreListedWithZero) {
  Choices choices{Tape()};
  ShapeDraw draw(&choices);
  draw.DrawShape();
  EXPECT_EQ(draw.drawn().at("shape.voters=3"), 1u);
  EXPECT_EQ(draw.drawn().at("shape.voters=7"), 0u);
}

TEST(ShapeDraw, NoChoiceOnATape_GivesTheDefaults) {
  Choices choices{Tape()};
  ShapeDraw draw(&choices);
  const Shape shape = draw.DrawShape();
  const Shape defaults;
  EXPECT_EQ(shape.nodes, defaults.nodes);
  EXPECT_EQ(shape.read_only_nodes, defaults.read_only_nodes);
  EXPECT_EQ(shape.groups, defaults.groups);
  EXPECT_EQ(shape.voters, defaults.voters);
  EXPECT_EQ(shape.clients, defaults.clients);
  EXPECT_EQ(shape.operations_per_second, defaults.operations_per_second);
  EXPECT_EQ(shape.keys, defaults.keys);
  EXPECT_EQ(shape.tags, defaults.tags);
  EXPECT_EQ(shape.hot_keys, defaults.hot_keys);
  EXPECT_EQ(shape.large_value_bytes, defaults.large_value_bytes);
  EXPECT_EQ(shape.value_bytes_max, defaults.value_bytes_max);
  EXPECT_EQ(shape.link_latency, defaults.link_latency);
  EXPECT_EQ(shape.stream_buffer_bytes, defaults.stream_buffer_bytes);
  EXPECT_TRUE(shape.rules == defaults.rules);
  EXPECT_EQ(shape.http_clients, 0u);
  EXPECT_EQ(shape.library_clients, 0u);
  EXPECT_EQ(shape.multi_key_clients, 0u);
  const ClientHabits habits = draw.DrawClient(1);
  EXPECT_FALSE(habits.crashes || habits.pauses || habits.reads_late ||
               habits.half_closes || habits.vanishes);
  DiskOptions disk;
  draw.DrawDisk(NodeId(1), &disk);
  EXPECT_EQ(disk.sync_latency, DiskOptions().sync_latency);
  EXPECT_EQ(disk.read_latency, DiskOptions().read_latency);
  const node::Config config = draw.DrawConfig(NodeId(1), {});
  EXPECT_EQ(config.timeouts.proxy, node::Config().timeouts.proxy);
  EXPECT_EQ(config.bounds.pipeline, node::Config().bounds.pipeline);
  EXPECT_EQ(config.host.core.election_timeout_min,
            raft::CoreOptions().election_timeout_min);
  EXPECT_EQ(config.host.core.election_timeout_max,
            raft::CoreOptions().election_timeout_max);
  EXPECT_EQ(config.host.core.heartbeat_interval,
            raft::CoreOptions().heartbeat_interval);
  EXPECT_EQ(draw.DrawPeerStreams(NodeId(1)).redial_min,
            raft::TransportOptions().redial_min);
}

TEST(ShapeDraw, FixedParts_AreNotDrawn) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices, {.nodes = 2, .groups = 9});
    const Shape shape = draw.DrawShape();
    EXPECT_EQ(shape.nodes, 2u);
    EXPECT_EQ(shape.groups, 9u);
    EXPECT_LE(shape.voters, 2u);
    EXPECT_FALSE(draw.drawn().contains("shape.nodes=2"));
  }
}

TEST(ShapeDraw, Defaults_NothingIsDrawn) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices, {.nodes = 4, .defaults = true});
    const Shape shape = draw.DrawShape();
    EXPECT_EQ(shape.nodes, 4u);
    EXPECT_EQ(shape.groups, Shape().groups);
    EXPECT_EQ(shape.voters, Shape().voters);
    EXPECT_EQ(draw.DrawConfig(NodeId(1), shape).timeouts.proxy,
              node::Config().timeouts.proxy);
    draw.DrawClient(1);
    EXPECT_TRUE(draw.drawn().empty());
    EXPECT_EQ(choices.draws(), 0u);
  }
}

// A leader sends two heartbeats, and a node a pulse, in the time that any
// follower waits.
TEST(ShapeDraw, TimingsOfNodes_DifferAndFitEachOther) {
  uint64_t runs_with_different_timings = 0;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    const Shape shape = draw.DrawShape();
    const raft::CoreOptions one = draw.DrawConfig(NodeId(1), shape).host.core;
    const raft::CoreOptions two = draw.DrawConfig(NodeId(2), shape).host.core;
    for (const raft::CoreOptions& core : {one, two}) {
      EXPECT_LT(core.election_timeout_min, core.election_timeout_max);
      EXPECT_GE(core.election_timeout_min, shape.election_timeout_min);
      EXPECT_LE(core.heartbeat_interval * 2, shape.election_timeout_min);
      EXPECT_LE(core.election_timeout_min * 2, shape.election_timeout_min * 3);
    }
    runs_with_different_timings +=
        one.election_timeout_min != two.election_timeout_min &&
        one.election_timeout_max != two.election_timeout_max &&
        one.heartbeat_interval != two.heartbeat_interval;
  }
  EXPECT_GT(runs_with_different_timings, 50u);
}

// The groups of a leader with the smallest window take turns at a link. So none
// of their entries is committed within a short time while all are busy.
TEST(ShapeDraw, SmallestWindowOfANode_EachNodeWaitsLongForAnswers) {
  uint64_t runs_with_it = 0;
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    Choices choices(seed, /*record=*/false);
    ShapeDraw draw(&choices);
    const std::vector<node::Config> configs =
        draw.DrawConfigs(draw.DrawShape());
    if (std::ranges::none_of(configs, [](const node::Config& config) {
          return config.host.peer_window_bytes == 1;
        })) {
      continue;
    }
    ++runs_with_it;
    for (const node::Config& config : configs) {
      EXPECT_GE(config.timeouts.proxy, Seconds(2)) << "seed " << seed;
    }
  }
  EXPECT_GT(runs_with_it, 50u);
}

}  // namespace
}  // namespace quorate::sim
