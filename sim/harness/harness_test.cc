// A Harness leads a subject through all phases, and reports one that is stuck.
#include "sim/harness/harness.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/disk.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "sim/schedule/schedule_options.h"

namespace quorate::sim {
namespace {

// Three nodes whose timers fire. It notes what the harness asks for.
class SmallSubject final : public Subject {
 public:
  enum class Mistake : uint8_t {
    kNone,
    kClientsNeverIdle,
    kProbeNeverEnds,
    kProbeTakesLong,  // Its progress can be seen.
    kNodesNeverAgree,
    kFinds,
    // The loss of power of all machines shows these.
    kStuckAfterPowerLoss,
    kAcknowledgesTooSoon,
  };
  SmallSubject(World& world, std::vector<std::string>* story,
               Mistake mistake = Mistake::kNone)
      : world_(world), story_(*story), mistake_(mistake) {}

  ScheduleOptions Start() override {
    std::vector<MachineId> nodes;
    for (int i = 0; i < 3; ++i) {
      nodes.push_back(world_.AddMachine());
      world_.Start(nodes.back(), [this](env::Env& env) {
        return std::make_shared<Program>(
            env, mistake_ == Mistake::kAcknowledgesTooSoon
                     ? env::Durability::kLater
                     : env::Durability::kDurable);
      });
    }
    nodes_ = nodes;
    return {.nodes = nodes, .groups = {nodes}};
  }
  void StopClients() override { story_.push_back("stop clients"); }
  void OnHealed(const std::vector<MachineId>& nodes) override {
    story_.push_back("healed " + std::to_string(nodes.size()));
  }
  bool ClientsIdle() const override {
    return mistake_ != Mistake::kClientsNeverIdle &&
           !(probing_ && mistake_ == Mistake::kProbeNeverEnds) &&
           !(probing_ && mistake_ == Mistake::kProbeTakesLong &&
             world_.now() < probe_began_ + Seconds(100));
  }
  std::vector<Probe> Probes(Stage stage) override {
    std::vector<Probe> probes;
    probes.push_back({"a probe", [this, stage] {
                        probing_ = true;
                        probe_began_ = world_.now();
                        Note("probe", stage);
                        if (stage == Stage::kPowerLoss) ReadAll();
                      }});
    if (mistake_ == Mistake::kProbeTakesLong) {
      probes.back().progress = [this] {
        return static_cast<uint64_t>(world_.now().ns());
      };
    }
    return probes;
  }
  std::vector<Condition> Conditions(Stage stage) override {
    Note("conditions", stage);
    std::vector<Condition> conditions;
    conditions.push_back({"agreement", [this, stage] {
                            return mistake_ != Mistake::kNodesNeverAgree &&
                                   !(mistake_ ==
                                         Mistake::kStuckAfterPowerLoss &&
                                     stage == Stage::kPowerLoss);
                          }});
    return conditions;
  }
  void CompareReplicas() override { story_.push_back("compare"); }
  void Finish() override {
    story_.push_back("finish");
    if (mistake_ == Mistake::kFinds) world_.Violate("found");
    if (mistake_ == Mistake::kFinds) world_.Violate("found again");
  }
  std::string Describe() const override { return "small"; }

 private:
  // Its timer fires again and again. Its first life stores a value.
  struct Program {
    Program(env::Env& env, env::Durability durability)
        : env(env), durability(durability) {
      Tick();
      pending = env.disk.Open(
          kFile, env::Disk::OpenMode::kCreate,
          [this](absl::StatusOr<std::unique_ptr<env::File>> opened) {
            if (!opened.ok()) return;
            file = *std::move(opened);
            pending = this->env.disk.SyncDirectory(
                [this](const absl::Status&) { Write(); });
          });
    }
    void Tick() {
      timer = env.loop.At(env.loop.ReadClock().mono + Milliseconds(100),
                          [this] { Tick(); });
    }
    void Write() {
      const Buffer value = Buffer::Copy(kValue);
      pending =
          file->Write(0, {&value, 1}, durability, [](const absl::Status&) {});
    }
    env::Env& env;
    const env::Durability durability;
    std::unique_ptr<env::File> file;
    env::Pending timer;
    env::Pending pending;
  };
  static constexpr const char* kFile = "stored";
  static constexpr const char* kValue = "an acknowledged value";

  void ReadAll() {
    for (const MachineId node : nodes_) {
      if (world_.ReadDiskFile(node, kFile) == kValue) return;
    }
    world_.Violate("acknowledged: no machine has the value");
  }
  void Note(const std::string& what, Stage stage) {
    story_.push_back(what + " " + std::to_string(static_cast<int>(stage)));
  }

  World& world_;
  std::vector<std::string>& story_;
  const Mistake mistake_;
  std::vector<MachineId> nodes_;
  bool probing_ = false;
  SimTime probe_began_;
};

class HarnessTest : public testing::Test {
 protected:
  HarnessResult Run(SmallSubject::Mistake mistake, bool faults = true) {
    return RunSeed({.seed = 3, .duration = Seconds(5), .faults = faults},
                   [this, mistake](World& world) {
                     return std::make_unique<SmallSubject>(world, &story_,
                                                           mistake);
                   });
  }
  void ExpectViolation(SmallSubject::Mistake mistake, const std::string& what) {
    const HarnessResult result = Run(mistake);
    ASSERT_EQ(result.violations.size(), 1u);
    EXPECT_EQ(result.violations[0].substr(0, what.size()), what);
  }

  std::vector<std::string> story_;
};

TEST_F(HarnessTest, WithoutFaults_AllPhasesButTheLossOfPower) {
  EXPECT_TRUE(Run(SmallSubject::Mistake::kNone, /*faults=*/false).ok());
  EXPECT_EQ(story_,
            (std::vector<std::string>{
                "healed 3", "stop clients", "probe 0", "conditions 0",
                "healed 3", "conditions 1", "probe 1", "compare", "finish"}));
}

TEST_F(HarnessTest, WithFaults_AMajorityThenAllThenALossOfPower) {
  const HarnessResult result = Run(SmallSubject::Mistake::kNone);
  EXPECT_TRUE(result.ok());
  ASSERT_EQ(story_.size(), 12u);
  EXPECT_TRUE(story_[0] == "healed 2" || story_[0] == "healed 3");
  EXPECT_EQ(std::vector<std::string>(story_.begin() + 4, story_.end()),
            (std::vector<std::string>{"healed 3", "conditions 1", "probe 1",
                                      "compare", "conditions 2", "probe 2",
                                      "compare", "finish"}));
}

TEST_F(HarnessTest, ClientsThatNeverFinish_Liveness) {
  ExpectViolation(SmallSubject::Mistake::kClientsNeverIdle,
                  "liveness: finishing all open operations");
  ExpectViolation(SmallSubject::Mistake::kProbeNeverEnds, "liveness: a probe");
}

TEST_F(HarnessTest, ProbeThatMakesProgress_HasMoreTime) {
  EXPECT_TRUE(Run(SmallSubject::Mistake::kProbeTakesLong).ok());
}

TEST_F(HarnessTest, NodesThatNeverAgree_Liveness) {
  ExpectViolation(SmallSubject::Mistake::kNodesNeverAgree,
                  "liveness: agreement");
}

TEST_F(HarnessTest, NodesThatAreStuckAfterALossOfPower_Liveness) {
  ExpectViolation(SmallSubject::Mistake::kStuckAfterPowerLoss,
                  "liveness: agreement");
  EXPECT_EQ(story_.back(), "conditions 2");
}

// A write that is not durable may survive, so one seed alone may show nothing.
TEST_F(HarnessTest, ValueThatIsAcknowledgedTooSoon_IsLostWithAllPower) {
  const auto lost = [this](SmallSubject::Mistake mistake) {
    int runs = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) {
      const HarnessResult result = RunSeed(
          {.seed = seed,
           .duration = Seconds(1),
           .without = OtherFaultFamilies({FaultFamily::kMachineCrash})},
          [&](World& world) {
            return std::make_unique<SmallSubject>(world, &story_, mistake);
          });
      if (result.ok()) continue;
      EXPECT_EQ(result.violations[0], "acknowledged: no machine has the value");
      ++runs;
    }
    return runs;
  };
  EXPECT_EQ(lost(SmallSubject::Mistake::kNone), 0);
  EXPECT_GT(lost(SmallSubject::Mistake::kAcknowledgesTooSoon), 0);
}

TEST_F(HarnessTest, SeveralViolationsAtOnce_TheFirstIsReported) {
  EXPECT_EQ(Run(SmallSubject::Mistake::kFinds).violations,
            std::vector<std::string>{"found"});
}

TEST_F(HarnessTest, Tape_RepeatsTheRun) {
  const HarnessResult result = Run(SmallSubject::Mistake::kFinds);
  EXPECT_EQ(result.violations, std::vector<std::string>{"found"});
  const auto make = [this](World& world) {
    return std::make_unique<SmallSubject>(world, &story_,
                                          SmallSubject::Mistake::kFinds);
  };
  const auto again = Replay(result.tape, make);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->trace_hash, result.trace_hash);
  EXPECT_EQ(again->violations, result.violations);
  const auto refused = Replay("quorate-tape 1\nseed 1\nnodes=3\n---\n", make);
  EXPECT_EQ(refused.status().message(), "parameter nodes: not known");
}

}  // namespace
}  // namespace quorate::sim
