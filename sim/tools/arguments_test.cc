#include "sim/tools/arguments.h"

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(SimulateArguments, Run_WithEverything) {
  const auto parsed = ParseArguments(
      {"run", "--seed", "7", "--nodes=3", "--groups", "2", "--duration",
       "250ms", "--clients=4", "--tape-out", "x.tape", "--history-out",
       "x.jsonl", "--defaults", "--json"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, SimulateArguments::Command::kRun);
  EXPECT_EQ(parsed->run.seed, 7u);
  EXPECT_EQ(parsed->run.shape.nodes, 3u);
  EXPECT_EQ(parsed->run.shape.groups, 2u);
  EXPECT_EQ(parsed->run.shape.clients, 4u);
  EXPECT_TRUE(parsed->run.shape.defaults);
  EXPECT_EQ(parsed->run.duration, Milliseconds(250));
  EXPECT_EQ(*ParseDuration("2h"), Seconds(7'200));
  EXPECT_FALSE(ParseDuration("169h").ok());
  EXPECT_EQ(parsed->tape_out, "x.tape");
  EXPECT_EQ(parsed->history_out, "x.jsonl");
  EXPECT_TRUE(parsed->json);
}

TEST(SimulateArguments, Swarm_TakesARangeOfSeeds) {
  const auto parsed =
      ParseArguments({"swarm", "--seeds", "5..20", "--jobs", "2"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->first_seed, 5u);
  EXPECT_EQ(parsed->last_seed, 20u);
  EXPECT_EQ(parsed->jobs, 2u);
}

TEST(SimulateArguments, Limits_OfARun) {
  const auto parsed =
      ParseArguments({"swarm", "--time-max", "30s", "--memory-max=512"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->limits.processor_time, Seconds(30));
  EXPECT_EQ(parsed->limits.memory_mib, 512u);
  EXPECT_FALSE(ParseArguments({"swarm", "--time-max", "0s"}).ok());
  EXPECT_FALSE(ParseArguments({"swarm", "--memory-max", "1"}).ok());
}

TEST(SimulateArguments, Explore_NeedsAScenario) {
  const auto parsed =
      ParseArguments({"explore", "--scenario", "election", "--executions",
                      "500", "--seed", "3", "--jobs", "2"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->command, SimulateArguments::Command::kExplore);
  EXPECT_EQ(parsed->scenario, "election");
  EXPECT_EQ(parsed->executions_max, 500u);
  EXPECT_EQ(parsed->run.seed, 3u);
  EXPECT_EQ(ParseArguments({"explore"}).status().message(),
            "explore: expected --scenario, with a name or the path of a file");
}

TEST(SimulateArguments, Families_AreLeftOutOrSelected) {
  const auto without =
      ParseArguments({"run", "--seed", "1", "--without", "loss,disk_wipe"});
  ASSERT_TRUE(without.ok()) << without.status();
  EXPECT_EQ(FaultFamilyNames(without->run.without), "loss,disk_wipe");
  const auto only = ParseArguments({"swarm", "--only=clock"});
  ASSERT_TRUE(only.ok()) << only.status();
  EXPECT_EQ(only->run.without.size(), kFaultFamilies - 1);
  EXPECT_EQ(FaultFamilyNames(OtherFaultFamilies(only->run.without)), "clock");
}

TEST(SimulateArguments, Replay_TakesATape) {
  const auto parsed = ParseArguments({"replay", "a.tape"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->tape_in, "a.tape");
}

TEST(SimulateArguments, View_LooksAtATimeOrAtAnEvent) {
  const auto at_time =
      ParseArguments({"view", "7", "--text", "--around", "12.5s"});
  ASSERT_TRUE(at_time.ok()) << at_time.status();
  EXPECT_EQ(at_time->around, SimTime() + Milliseconds(12'500));
  EXPECT_EQ(at_time->around_record, 0u);
  const auto at_event =
      ParseArguments({"view", "7", "--text", "--around", "125"});
  ASSERT_TRUE(at_event.ok()) << at_event.status();
  EXPECT_EQ(at_event->around, std::nullopt);
  EXPECT_EQ(at_event->around_record, 125u);
}

TEST(SimulateArguments, BadUsage_SaysWhatWasExpected) {
  const std::pair<std::vector<std::string>, std::string> kCases[] = {
      {{},
       "expected run, swarm, replay, diff, shrink, view, corpus or explore"},
      {{"walk"},
       "expected run, swarm, replay, diff, shrink, view, corpus or explore, "
       "found "
       "'walk'"},
      {{"run", "--seed"}, "--seed: expected a value"},
      {{"run", "--tape-out", "--json"}, "--tape-out: expected a value"},
      {{"run", "--tape-out="}, "--tape-out: expected a value"},
      {{"run", "--seed", "x"}, "--seed: expected a number"},
      {{"run", "--nodes", "0"}, "--nodes: expected a number from 1 to 64"},
      {{"run", "--what", "1"}, "unknown flag --what of run"},
      {{"run", "--jobs", "1"}, "unknown flag --jobs of run"},
      {{"run", "--json=1"}, "--json: expected no value"},
      {{"run", "--duration", "1d"}, "--duration: expected a time"},
      {{"swarm", "--seeds", "9..1"}, "--seeds: expected a range"},
      {{"run", "--only", "loss,rain"},
       "--only: expected families of faults (delay,loss,duplication,"},
      {{"run", "--without", "loss,rain"}, "found 'rain'"},
      {{"run", "--without", "loss,"}, "found ''"},
      {{"run", "--seed", "1", "--seed=2"}, "--seed: given twice; give it once"},
      {{"run", "--json", "--json"}, "--json: given twice"},
      {{"run", "--only", "loss", "--without", "loss"},
       "--only and --without: give one of them"},
      {{"swarm", "--no-faults", "--only", "loss"},
       "--only: leave it out, or --no-faults"},
      {{"run", "--without", "loss", "--no-faults"},
       "--without: leave it out, or --no-faults"},
      {{"replay"}, "expected the path of a tape"},
      {{"diff", "1"}, "diff: expected two runs"},
      {{"diff", "1", "2", "3"}, "diff: expected two runs"},
      {{"diff", "1", "2", "--seed", "1"}, "unknown flag --seed of diff"},
      {{"run", "stray"}, "expected a flag, found 'stray'"},
  };
  for (const auto& [arguments, message] : kCases) {
    const auto parsed = ParseArguments(arguments);
    ASSERT_FALSE(parsed.ok()) << message;
    EXPECT_NE(std::string(parsed.status().message()).find(message),
              std::string::npos)
        << parsed.status();
  }
}

}  // namespace
}  // namespace quorate::sim
