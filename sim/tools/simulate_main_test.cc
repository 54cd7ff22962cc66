#include "sim/tools/simulate_main.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "sim/choices/tape.h"
#include "sim/harness/subject.h"
#include "sim/tools/arguments.h"
#include "sim/tools/files.h"
#include "sim/tools/subject_main.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

struct Printed {
  int exit_status = 0;
  std::string out;
  std::string error;
};

Printed Call(const std::vector<std::string>& words) {
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  Printed printed{.exit_status = SimulateMain({.program = "simulate"}, words)};
  std::fflush(stdout);
  printed.out = testing::internal::GetCapturedStdout();
  printed.error = testing::internal::GetCapturedStderr();
  return printed;
}

TEST(SimulateMain, WrongWords_UnderJson_AreJson) {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--json", "--seed", "x"},
        {"run", "--seed", "x", "--json"}}) {
    const Printed printed = Call(words);
    EXPECT_EQ(printed.exit_status, kBadUsage);
    EXPECT_EQ(printed.out.find("{\"error\":\"--seed: expected"), 0u)
        << printed.out;
    EXPECT_TRUE(printed.out.ends_with("\"}\n")) << printed.out;
    EXPECT_EQ(printed.error.find("--seed: "), 0u);
    EXPECT_EQ(printed.error.find('\n'), printed.error.size() - 1);
  }
  const Printed plain = Call({"run", "--seed", "x"});
  EXPECT_EQ(plain.exit_status, kBadUsage);
  EXPECT_EQ(plain.out, "");
  EXPECT_NE(plain.error.find("\n\n"), std::string::npos) << "no help";
}

TEST(SimulateMain, FileThatCannotBeWritten_UnderJson_IsJson) {
  const Printed printed =
      Call({"run", "--json", "--tape-out", "/nowhere/file.tape"});
  EXPECT_EQ(printed.exit_status, kBadUsage);
  EXPECT_EQ(printed.out, "{\"error\":\"cannot write /nowhere/file.tape\"}\n");
}

// A subject that fails if a timer of its own fires late, which one choice of
// the world in many decides.
class LateSubject final : public Subject {
 public:
  explicit LateSubject(World* world, bool loops = false)
      : world_(*world), loops_(loops) {}

  ScheduleOptions Start() override {
    const MachineId machine = world_.AddMachine({.name = "m"});
    world_.Start(machine, [](env::Env&) { return std::make_shared<int>(0); });
    for (uint64_t i = 0; i < 200; ++i) {
      const uint64_t draw = world_.choices().Below("test.draw", i, 0, 10);
      if (i == 77 && draw >= 3) world_.Violate("late: draw 77 is too large");
    }
    return {.nodes = {machine}};
  }
  void AfterTurn(MachineId) override {
    while (loops_) turns_ = turns_ + 1;
  }
  void StopClients() override {}
  bool ClientsIdle() const override { return true; }
  uint64_t FinishedWork() const override { return 0; }
  std::vector<Probe> Probes(Stage) override { return {}; }
  std::vector<Condition> Conditions(Stage) override { return {}; }
  void Finish() override {}
  std::string Describe() const override { return ""; }
  std::string Summary() const override { return "one draw"; }

 private:
  World& world_;
  const bool loops_;  // For ever, in the first turn.
  volatile uint64_t turns_ = 0;
};

TEST(SimulateMain, Json_IsAllThatIsPrinted) {
  const Simulator simulator = SubjectSimulator("late", [](World& world) {
    return std::make_unique<LateSubject>(&world);
  });
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"run", "--seed", "1", "--json"},
        {"swarm", "--seeds", "1..3", "--json"}}) {
    testing::internal::CaptureStdout();
    SimulateMain(simulator, words);
    const std::string out = testing::internal::GetCapturedStdout();
    EXPECT_EQ(out.find('{'), 0u) << out;
    EXPECT_EQ(out.find('\n'), out.size() - 1) << out;
  }
}

TEST(SimulateMain, FamilyThatTheRunsCannotHave_IsRefused) {
  const Simulator simulator = SubjectSimulator("late", [](World& world) {
    return std::make_unique<LateSubject>(&world);
  });
  const auto call = [&](const std::string& flag, const std::string& families) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    Printed printed{
        .exit_status = SimulateMain(
            simulator, {"swarm", "--seeds", "1..2", flag, families, "--json"})};
    printed.out = testing::internal::GetCapturedStdout();
    printed.error = testing::internal::GetCapturedStderr();
    return printed;
  };
  for (const std::string flag : {"--only", "--without"}) {
    const Printed refused = call(flag, "loss,memory");
    EXPECT_EQ(refused.exit_status, kBadUsage) << flag;
    EXPECT_EQ(refused.out.find("{\"error\":\"--only, --without: these runs "
                               "cannot have 'memory'; their families of faults "
                               "are delay,loss,"),
              0u)
        << refused.out;
    EXPECT_EQ(refused.error.find("disk_rot"), std::string::npos);
    const Printed taken = call(flag, "loss,clock");
    EXPECT_NE(taken.exit_status, kBadUsage) << taken.error;
  }
}

// Each smaller tape would take as long.
TEST(SimulateMain, SwarmWithARunThatHangs_NamesItAndWritesItsTape) {
  ::setenv("BUILD_WORKING_DIRECTORY", testing::TempDir().c_str(), 1);
  const Simulator simulator = SubjectSimulator("late", [](World& world) {
    return std::make_unique<LateSubject>(&world, /*loops=*/true);
  });
  testing::internal::CaptureStdout();
  const int status = SimulateMain(
      simulator,
      {"swarm", "--seeds", "2..2", "--duration", "1s", "--time-max", "1ms"});
  const std::string out = testing::internal::GetCapturedStdout();
  ::unsetenv("BUILD_WORKING_DIRECTORY");
  EXPECT_EQ(status, kViolation);
  const std::string path = testing::TempDir() + "/seed-2.tape";
  for (const std::string& part :
       {std::string("seed 2 FAILED: the run took more than 1 s of processor "),
        std::string("run --seed 2 --duration 1000ms"), "tape: " + path}) {
    EXPECT_NE(out.find(part), std::string::npos) << part << " in " << out;
  }
  EXPECT_EQ(out.find("shrunk from"), std::string::npos) << out;
  EXPECT_TRUE(ParseTape(ReadFile(path).value_or("")).ok());
}

TEST(SimulateMain, Shrink_LeavesTheChoiceThatMatters) {
  const std::string path = testing::TempDir() + "/late.tape";
  const Simulator simulator = SubjectSimulator("late", [](World& world) {
    return std::make_unique<LateSubject>(&world);
  });
  testing::internal::CaptureStdout();
  int status = kClean;
  for (int seed = 1; seed < 20 && status == kClean; ++seed) {
    status = SimulateMain(simulator, {"shrink", std::to_string(seed),
                                      "--tape-out", path, "--jobs", "2"});
  }
  const std::string out = testing::internal::GetCapturedStdout();
  EXPECT_EQ(status, kViolation) << out;
  EXPECT_NE(out.find("late: shrunk from "), std::string::npos) << out;
  EXPECT_NE(out.find("choices to 1 (0 faults, 0 operations) in "),
            std::string::npos)
      << out;
  EXPECT_NE(out.find("    test.draw 77 0 "), std::string::npos) << out;
  const absl::StatusOr<Tape> tape = ParseTape(ReadFile(path).value_or(""));
  ASSERT_TRUE(tape.ok()) << tape.status();
  EXPECT_EQ(tape->choices.size(), 1u);
  const std::string page = testing::TempDir() + "/late.html";
  EXPECT_NE(out.find("page: " + page + "\n"), std::string::npos) << out;
  EXPECT_NE(ReadFile(page).value_or("").find("\"violations\":[\"late"),
            std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
