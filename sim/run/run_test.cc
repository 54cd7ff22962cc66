// A run depends on its options alone. A tape repeats it, and any part of a tape
// is a valid run.
#include "sim/run/run.h"

#include <algorithm>
#include <array>
#include <string>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/formats/read.h"
#include "lincheck/models/kv.h"
#include "lincheck/testing/memory_source.h"
#include "sim/choices/tape.h"

namespace quorate::sim {
namespace {

RunOptions Short(uint64_t seed) {
  return {.seed = seed,
          .shape = {.groups = 3, .clients = 10, .operations_per_second = 100},
          .duration = Seconds(10),
          .record = true};
}

TEST(Run, SameSeed_SameHash) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    RunOptions unrecorded = Short(seed);
    unrecorded.record = false;
    sim::Run first(Short(seed));
    sim::Run second(unrecorded);
    const RunReport report = first.Execute();
    EXPECT_EQ(report.violations, std::vector<std::string>{});
    EXPECT_EQ(report.trace_hash, second.Execute().trace_hash) << seed;
  }
}

TEST(Run, FamiliesOfFaults_AreReportedByName) {
  SwarmReport swarm = SwarmReport::Empty({}, {});
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    RunOptions options{.seed = seed,
                       .shape = {.nodes = 1, .groups = 1, .clients = 1},
                       .duration = Seconds(1),
                       .without = {FaultFamily::kClog}};
    swarm.Add(sim::Run(options).Execute());
  }
  for (const FaultFamily family : OtherFaultFamilies({})) {
    const std::string name = "family." + std::string(FaultFamilyName(family));
    ASSERT_TRUE(swarm.drawn.contains(name)) << name;
    EXPECT_EQ(swarm.drawn.at(name) > 0, family != FaultFamily::kClog) << name;
  }
}

TEST(Run, DurationsThatNoRunDrew_AreReportedWithZero) {
  const RunReport drawn =
      sim::Run({.seed = 1, .shape = {.nodes = 1, .groups = 1, .clients = 1}})
          .Current();
  uint64_t durations = 0;
  for (const int seconds : {20, 30, 60, 120}) {
    const std::string name = "shape.duration_s=" + std::to_string(seconds);
    ASSERT_TRUE(drawn.drawn.contains(name)) << name;
    durations += drawn.drawn.at(name);
  }
  EXPECT_EQ(durations, 1u);
}

TEST(Run, AnotherSeed_AnotherHash) {
  EXPECT_NE(sim::Run(Short(1)).Execute().trace_hash,
            sim::Run(Short(2)).Execute().trace_hash);
}

TEST(Run, ReplayedTape_SameRun) {
  for (uint64_t seed = 4; seed <= 6; ++seed) {
    sim::Run run(Short(seed));
    const RunReport report = run.Execute();
    // The tape goes through its text form.
    const auto tape = ParseTape(FormatTape(run.tape()));
    ASSERT_TRUE(tape.ok()) << tape.status();
    const auto options = OptionsOfTape(*tape);
    ASSERT_TRUE(options.ok()) << options.status();
    EXPECT_EQ(options->seed, seed);
    EXPECT_EQ(options->duration, Seconds(10));
    const RunReport again = sim::Run(*options, *tape).Execute();
    EXPECT_EQ(again.trace_hash, report.trace_hash) << seed;
    EXPECT_EQ(again.events, report.events);
    EXPECT_EQ(again.faults, report.faults);
  }
}

TEST(Run, Defaults_NothingButFaultsAndClientsIsOnTheTape) {
  RunOptions options = Short(4);
  options.shape.defaults = true;
  sim::Run run(options);
  const RunReport report = run.Execute();
  EXPECT_FALSE(report.drawn.contains("shape.voters=3"));
  const Tape tape = run.tape();
  for (const TapeChoice& line : tape.choices) {
    EXPECT_FALSE(line.site.starts_with("shape.") ||
                 line.site.starts_with("knob.") ||
                 line.site.starts_with("client."))
        << line.site;
  }
  const auto again = OptionsOfTape(tape);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->shape.defaults);
  EXPECT_EQ(sim::Run(*again, tape).Execute().trace_hash, report.trace_hash);
}

TEST(Run, TapeWithLinesLeftOut_IsAValidRun) {
  sim::Run run(Short(7));
  run.Execute();
  const Tape whole = run.tape();
  ASSERT_GT(whole.choices.size(), 100u);
  for (size_t part = 0; part < 8; ++part) {
    Tape tape = whole;
    tape.choices.clear();
    for (size_t i = 0; i < whole.choices.size(); ++i) {
      if (i % 8 != part) tape.choices.push_back(whole.choices[i]);
    }
    const RunReport report = sim::Run(*OptionsOfTape(tape), tape).Execute();
    EXPECT_EQ(report.violations, std::vector<std::string>{}) << part;
  }
}

TEST(Run, TapeOfNonsense_Refused) {
  Tape tape;
  tape.SetParameter("nodes", "many");
  EXPECT_FALSE(OptionsOfTape(tape).ok());
  for (const auto& [key, bad, good] :
       {std::array{"nodes", "0", "3"}, std::array{"nodes", "65", "64"},
        std::array{"nodes", "", "5"}, std::array{"groups", "-1", "1"},
        std::array{"clients", "0", "9"},
        std::array{"duration_ms", "999999999999", "1"},
        std::array{"operations_per_second", "x", "1"},
        std::array{"faults", "2", "0"},
        std::array{"without", "rain", "loss"}}) {
    tape.SetParameter(key, bad);
    const auto refused = OptionsOfTape(tape);
    ASSERT_FALSE(refused.ok()) << key;
    EXPECT_NE(std::string(refused.status().message()).find(key),
              std::string::npos);
    tape.SetParameter(key, good);
    EXPECT_TRUE(OptionsOfTape(tape).ok()) << key;
  }
  tape.SetParameter("nodez", "3");
  EXPECT_EQ(OptionsOfTape(tape).status().message(),
            "parameter nodez: not known");
}

TEST(Run, OneFamilyAlone_CausesItsFaultsAlone) {
  uint64_t lost = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    const RunOptions options = {
        .seed = seed,
        .shape = {.nodes = 3, .groups = 1, .clients = 3},
        .duration = Seconds(5),
        .without = OtherFaultFamilies({FaultFamily::kLoss}),
        .record = true};
    sim::Run run(options);
    const RunReport report = run.Execute();
    EXPECT_TRUE(report.ok()) << FormatReport(report);
    for (const auto& [name, count] : report.faults) {
      // The liveness phase leaves a minority cut off.
      if (name == "message_blocked") continue;
      EXPECT_EQ(name, "message_lost");
      lost += count;
    }
    const auto again = OptionsOfTape(run.tape());
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(again->without, options.without);
    EXPECT_NE(ReplayLine(*again).find(" --without delay,duplication,"),
              std::string::npos);
  }
  EXPECT_GT(lost, 0u);
}

TEST(Run, WithoutFaults_EverythingSucceeds) {
  const RunReport report = sim::Run({.seed = 1,
                                     .shape = {.nodes = 5,
                                               .groups = 3,
                                               .clients = 10,
                                               .operations_per_second = 100},
                                     .duration = Seconds(10),
                                     .faults = false})
                               .Execute();
  EXPECT_EQ(report.violations, std::vector<std::string>{});
  // Unless another client wrote a watched key first.
  EXPECT_EQ(report.succeeded + report.refused, report.operations);
  EXPECT_LT(report.refused, report.operations / 50);
  EXPECT_GT(report.operations, 800u);
  EXPECT_TRUE(report.faults.empty());
}

// Whether some node of the run had a limit of memory. It may refuse one part of
// a write to several slots, so that the outcome of the whole is unknown.
bool HadMemoryLimit(const RunReport& report) {
  return std::any_of(
      report.drawn.begin(), report.drawn.end(), [](const auto& drawn) {
        return drawn.first.starts_with("knob.limits.memory_bytes=") &&
               !drawn.first.ends_with("=0") && drawn.second > 0;
      });
}

TEST(Run, DrawnShapesWithoutFaults_EachOutcomeIsKnown) {
  uint64_t operations = 0;
  uint64_t without_limit = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const RunReport report =
        sim::Run({.seed = seed, .duration = Seconds(6), .faults = false})
            .Execute();
    EXPECT_TRUE(report.ok()) << FormatReport(report);
    operations += report.operations;
    if (HadMemoryLimit(report)) continue;
    EXPECT_EQ(report.unknown, 0u) << "seed " << seed;
    without_limit += report.operations;
  }
  EXPECT_GT(operations, 10'000u);
  EXPECT_GT(without_limit, operations / 4);
}

TEST(Run, History_IsReadByTheCheckerAndRight) {
  // Without faults every outcome is known, so every shape can be decided.
  RunOptions options = Short(7);
  options.faults = false;
  sim::Run run(options);
  const RunReport report = run.Execute();
  const std::string text = run.History();
  lincheck::MemorySource source(text);
  absl::StatusOr<lincheck::Recording> recording =
      lincheck::ReadHistory(&source, {});
  ASSERT_TRUE(recording.ok()) << recording.status();
  EXPECT_EQ(recording->model, "kv");
  EXPECT_GT(recording->history.operations().size(), report.succeeded / 4);
  EXPECT_LE(recording->history.operations().size(), report.operations);
  const auto leader = std::find_if(
      recording->events.begin(), recording->events.end(),
      [](const lincheck::TimelineEvent& event) {
        return event.kind == lincheck::TimelineEvent::Kind::kLeader;
      });
  ASSERT_NE(leader, recording->events.end());
  const lincheck::ModelOf<lincheck::Kv> model;
  EXPECT_EQ(lincheck::Check(recording->history, model).result,
            lincheck::Result::kOk);
}

TEST(Run, ReplayLine_SaysWhatDiffersFromTheDefaults) {
  EXPECT_EQ(ReplayLine({.seed = 7}),
            "./bazelw run -c opt //:simulate -- run --seed 7");
  EXPECT_EQ(
      ReplayLine({.seed = 7, .shape = {.nodes = 3}, .duration = Seconds(2)}),
      "./bazelw run -c opt //:simulate -- run --seed 7 --nodes 3 "
      "--duration 2000ms");
  EXPECT_EQ(ReplayLine({.seed = 7, .shape = {.nodes = 3, .defaults = true}}),
            "./bazelw run -c opt //:simulate -- run --seed 7 --nodes 3 "
            "--defaults");
}

}  // namespace
}  // namespace quorate::sim
