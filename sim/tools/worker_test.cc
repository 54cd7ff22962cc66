// A run that dies is a violation, and leaves its results up to its death.
#include "sim/tools/worker.h"

#include <sys/mman.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "env/check.h"
#include "gtest/gtest.h"
#include "sim/choices/tape.h"
#include "sim/harness/harness.h"
#include "sim/tools/files.h"
#include "sim/tools/subject_main.h"

namespace quorate::sim {
namespace {

enum class Death { kNone, kCheck, kSignal, kEndlessLoop, kEndlessMemory };

// Two nodes with timers. After some turns the run dies.
class Mortal final : public Subject {
 public:
  Mortal(World& world, Death death) : world_(world), death_(death) {}

  ScheduleOptions Start() override {
    std::vector<MachineId> nodes;
    for (int i = 0; i < 2; ++i) {
      nodes.push_back(world_.AddMachine());
      world_.Start(nodes.back(), [](env::Env& env) {
        return std::make_shared<Program>(env);
      });
    }
    return {.nodes = nodes, .groups = {nodes}};
  }
  void AfterTurn(MachineId machine) override {
    world_.env(machine).tracer.Sometimes("mortal.turn");
    if (world_.now() < SimTime() + Seconds(1)) return;
    CHECK(death_ != Death::kCheck) << "planted";
    if (death_ == Death::kSignal) std::raise(SIGSEGV);
    while (death_ == Death::kEndlessLoop) turns_ = turns_ + 1;
    while (death_ == Death::kEndlessMemory) TakeMemory();
  }
  void StopClients() override {}
  bool ClientsIdle() const override { return true; }
  std::vector<Probe> Probes(Stage) override { return {}; }
  std::vector<Condition> Conditions(Stage) override { return {}; }
  void Finish() override {}
  std::string Summary() const override { return "two nodes"; }
  std::string Describe() const override { return ""; }

 private:
  // Without an allocator, which the handler of a signal would interrupt.
  static void TakeMemory() {
    constexpr size_t kBytes = 1 << 20;
    void* const bytes = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(bytes != MAP_FAILED);
    std::memset(bytes, 1, kBytes);
  }
  struct Program {
    explicit Program(env::Env& env) : env(env) { Tick(); }
    void Tick() {
      timer = env.loop.At(env.loop.ReadClock().mono + Milliseconds(100),
                          [this] { Tick(); });
    }
    env::Env& env;
    env::Pending timer;
  };

  World& world_;
  const Death death_;
  volatile uint64_t turns_ = 0;
};

Simulator MortalSimulator(Death death) {
  return SubjectSimulator("mortal", [death](World& world) {
    return std::make_unique<Mortal>(world, death);
  });
}

std::string PathOf(const std::string& name) {
  return std::string(std::getenv("TEST_TMPDIR")) + "/" + name;
}

class WorkerDeath : public testing::TestWithParam<Death> {};

TEST_P(WorkerDeath, RunThatDies_LeavesItsResults) {
  const Simulator simulator = MortalSimulator(GetParam());
  const Job job{.run = {.seed = 3, .duration = Seconds(20)},
                .tape_out = PathOf("tape"),
                .trace_out = PathOf("trace")};
  const RunReport report = RunInChild(simulator, job);
  ASSERT_EQ(report.violations.size(), 1u);
  const std::string expected =
      GetParam() == Death::kCheck ? "planted" : "died of signal 11";
  EXPECT_NE(report.violations[0].find(expected), std::string::npos)
      << report.violations[0];
  EXPECT_EQ(report.seed, 3u);
  EXPECT_EQ(report.summary, "two nodes");
  EXPECT_GT(report.events, 10u);
  EXPECT_GT(report.marks.at("mortal.turn"), 10u);
  EXPECT_TRUE(report.drawn.contains("family.loss"));
  EXPECT_FALSE(ReadFile(job.trace_out).value().empty());
  // The tape repeats the run and its death.
  const absl::StatusOr<Tape> tape = ParseTape(ReadFile(job.tape_out).value());
  ASSERT_TRUE(tape.ok()) << tape.status();
  const RunReport again = RunInChild(
      simulator, {.run = *simulator.options_of_tape(*tape), .replay = *tape});
  EXPECT_EQ(again.trace_hash, report.trace_hash);
  EXPECT_EQ(again.violations, report.violations);
}

INSTANTIATE_TEST_SUITE_P(Deaths, WorkerDeath,
                         testing::Values(Death::kCheck, Death::kSignal));

TEST(WorkerLimit, EndlessLoop_IsEndedAndLeavesItsResults) {
  const Job job{.run = {.seed = 3, .duration = Seconds(1)},
                .trace_out = PathOf("trace"),
                .limits = {.processor_time = Milliseconds(0)}};
  const RunReport report =
      RunInChild(MortalSimulator(Death::kEndlessLoop), job);
  EXPECT_EQ(report.violations,
            std::vector<std::string>{"the run took more than 1 s of processor "
                                     "time: an endless loop?"});
  EXPECT_EQ(report.seed, 3u);
  EXPECT_EQ(report.summary, "two nodes");
  EXPECT_FALSE(ReadFile(job.trace_out).value().empty());
}

TEST(WorkerLimit, EndlessMemory_IsEndedAndLeavesItsResults) {
  const Job job{.run = {.seed = 3, .duration = Seconds(1)},
                .tape_out = PathOf("tape"),
                .limits = {.memory_mib = 300}};
  const RunReport report =
      RunInChild(MortalSimulator(Death::kEndlessMemory), job);
  EXPECT_EQ(report.violations, std::vector<std::string>{
                                   "the run took more than 300 MiB of memory"});
  EXPECT_TRUE(IsOfALimit(report.violations[0]));
  EXPECT_EQ(report.summary, "two nodes");
  EXPECT_TRUE(ParseTape(ReadFile(job.tape_out).value()).ok());
}

TEST(WorkerLimit, EndlessLoop_EndsNoOtherRunOfASwarm) {
  SwarmOptions options{.run = {.duration = Seconds(1)},
                       .first_seed = 1,
                       .last_seed = 3,
                       .jobs = 3,
                       .limits = {.processor_time = Milliseconds(0)}};
  const Simulator simulator = SubjectSimulator("mortal", [](World& world) {
    const bool second = world.choices().seed() == 2;
    return std::make_unique<Mortal>(
        world, second ? Death::kEndlessLoop : Death::kNone);
  });
  const SwarmReport swarm = RunSwarm(simulator, options);
  EXPECT_EQ(swarm.runs, 3u);
  EXPECT_EQ(swarm.failing_seeds, std::vector<uint64_t>{2});
}

// The second run in a process has another number of nodes.
TEST(SubjectSwarm, RepetitionThatDiffers_NamesTheFirstEvent) {
  const auto made = std::make_shared<uint32_t>(0);
  const Simulator simulator = SubjectSimulator("mortal", [made](World& world) {
    if (++*made == 2) world.Start(world.AddMachine(), nullptr);
    return std::make_unique<Mortal>(world, Death::kNone);
  });
  SwarmOptions options{
      .run = {.duration = Seconds(1)}, .first_seed = 100, .last_seed = 100};
  std::string violation;
  options.on_report = [&](const RunReport& report, const SwarmReport&) {
    ASSERT_EQ(report.violations.size(), 1u);
    violation = report.violations[0];
  };
  RunSwarm(simulator, options);
  EXPECT_TRUE(violation.starts_with("determinism: the second run has the hash"))
      << violation;
  EXPECT_NE(violation.find("different after"), std::string::npos) << violation;
  EXPECT_NE(violation.find("B: t=0.000000000 m2 boot"), std::string::npos)
      << violation;
}

TEST(SubjectSwarm, OfASubject_RunsJobsAndCountsMarksAndFamilies) {
  const SwarmOptions options{.run = {.duration = Seconds(5)},
                             .first_seed = 1,
                             .last_seed = 6,
                             .jobs = 2};
  const SwarmReport clean = RunSwarm(MortalSimulator(Death::kNone), options);
  EXPECT_EQ(clean.runs, 6u);
  EXPECT_TRUE(clean.failing_seeds.empty());
  EXPECT_EQ(clean.marks.at("mortal.turn"), 6u);
  EXPECT_TRUE(clean.drawn.contains("family.loss"));
  const SwarmReport dead = RunSwarm(MortalSimulator(Death::kCheck), options);
  EXPECT_EQ(dead.failing_seeds.size(), 6u);
}

}  // namespace
}  // namespace quorate::sim
