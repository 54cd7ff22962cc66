// The log against a slow model: random operations, crashes at any point, a
// failure of the Nth disk operation, every bit flipped.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/log/record.h"
#include "raft/log/testing/log_harness.h"
#include "raft/log/testing/log_model.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;
using sim::World;

constexpr uint32_t kGroups = 4;

// Issues operations [from, from + count) of a workload, several per turn, and
// lets some turns pass while writes are in flight.
void Issue(LogHarness& h, LogModel& model, const Random& random, uint64_t from,
           uint64_t count) {
  uint64_t done = 0;
  while (done < count && h.running()) {
    const uint64_t in_turn =
        std::min(count - done, 1 + random.Below(6, "in_turn", 1, from + done));
    env::Pending pending = h.test().env().loop.Defer([&] {
      for (uint64_t i = 0; i < in_turn; ++i) {
        model.Issue(RandomOperation(random, from + done + i, kGroups));
      }
    });
    done += in_turn;
    if (random.Below(2, "wait", 1, from + done) == 0) {
      h.Run();
    } else {
      h.world().RunFor(Microseconds(
          static_cast<int64_t>(random.Below(300, "for", 1, from + done))));
    }
  }
}

// Several lives, each ended by a crash between or within disk operations.
void CrashRun(uint64_t seed, sim::WorldOptions world, Duration witness_delay,
              std::map<std::string, uint64_t>* marks) {
  world.seed = seed;
  LogHarness h(world);
  h.options().segment_bytes = 24 << 10;
  h.options().batch_bytes_max = 8 << 10;
  h.options().witness_delay = witness_delay;
  h.Start();
  LogModel model(&h);
  const Random random(seed * 77 + 5);
  uint64_t number = 0;
  for (int life = 0; life < 12 && !testing::Test::HasFailure(); ++life) {
    const CrashKind kind = random.Below(2, "crash", 0, life) == 0
                               ? CrashKind::kProcess
                               : CrashKind::kMachine;
    if (random.Below(3, "soon", 0, life) == 0) {
      h.world().CrashAtDiskOperation(h.test().machine(),
                                     1 + random.Below(60, "at", 0, life), kind);
    }
    const uint64_t count = 5 + random.Below(60, "operations", 0, life);
    Issue(h, model, random, number, count);
    number += count;
    h.Crash(kind);
    // The crash may also interrupt the opening.
    if (random.Below(3, "reopen", 0, life) == 0) {
      h.world().CrashAtDiskOperation(
          h.test().machine(), 1 + random.Below(20, "at2", 0, life), kind);
      (void)h.Open();
      h.Crash(kind);
    }
    const absl::Status opened = h.Open();
    ASSERT_TRUE(opened.ok()) << "seed " << seed << ": " << opened;
    model.Recovered();
    EXPECT_TRUE(h.world().violations().empty())
        << h.world().violations().front();
  }
  EXPECT_FALSE(testing::Test::HasFailure()) << "seed " << seed;
  for (const auto& [mark, count] : h.world().marks()) (*marks)[mark] += count;
}

TEST(LogCrash, RandomOperationsAndCrashes_StateIsTheModelsAtOrAfterTheLastAck) {
  std::map<std::string, uint64_t> marks;
  for (uint64_t seed = 1; seed <= 120 && !HasFailure(); ++seed) {
    sim::WorldOptions world;
    if (seed % 3 == 0) world.buggify = {.active = {1, 1}, .fire = {1, 8}};
    if (seed % 2 == 0) world.disk.jitter = {1, 2};
    const Duration witness_delay =
        seed % 5 == 0 ? Microseconds(100) : Seconds(1);
    CrashRun(seed, world, witness_delay, &marks);
  }
  // Many runs reach each rare branch, so that a defect there would show.
  EXPECT_GT(marks["log.torn_tail_cut"], 5u);
  EXPECT_GT(marks["log.segment_recycled"], 20u);
  EXPECT_GT(marks["log.segment_rewritten"], 5u);
  EXPECT_GT(marks["log.witness"], 100u);
  EXPECT_EQ(marks["log.corrupt_record_fenced"], 0u);
}

// Random operations chosen by RapidCheck, which shrinks a failing case to a few
// operations.
struct ModelStep {
  enum class Do : uint8_t {
    kIssue,
    kWait,
    kWitness,
    kCrashProcess,
    kCrashMachine
  } what;
  ModelOperation operation;
};

void showValue(const ModelStep& step, std::ostream& out) {
  out << "{" << static_cast<int>(step.what) << ": kind "
      << static_cast<int>(step.operation.kind) << " group "
      << step.operation.group << " back " << step.operation.back << " count "
      << step.operation.count << " bytes " << step.operation.bytes << "}";
}

rc::Gen<ModelStep> AnyStep() {
  using Kind = ModelOperation::Kind;
  using Do = ModelStep::Do;
  const auto kind = rc::gen::weightedElement<Kind>({{12, Kind::kAppend},
                                                    {3, Kind::kHardState},
                                                    {3, Kind::kLogStart},
                                                    {1, Kind::kInstall},
                                                    {1, Kind::kDrop}});
  return rc::gen::build<ModelStep>(
      rc::gen::set(&ModelStep::what,
                   rc::gen::weightedElement<Do>({{20, Do::kIssue},
                                                 {5, Do::kWait},
                                                 {2, Do::kWitness},
                                                 {1, Do::kCrashProcess},
                                                 {1, Do::kCrashMachine}})),
      rc::gen::set(&ModelStep::operation,
                   rc::gen::build<ModelOperation>(
                       rc::gen::set(&ModelOperation::kind, kind),
                       rc::gen::set(&ModelOperation::group,
                                    rc::gen::inRange<uint32_t>(1, 4)),
                       rc::gen::set(&ModelOperation::back,
                                    rc::gen::inRange<uint32_t>(0, 4)),
                       rc::gen::set(&ModelOperation::count,
                                    rc::gen::inRange<uint32_t>(1, 5)),
                       rc::gen::set(&ModelOperation::bytes,
                                    rc::gen::inRange<uint32_t>(0, 3000)))));
}

RC_GTEST_PROP(LogModel, AfterAnyCrash_StateIsTheModelsAtOrAfterTheLastAck,
              (uint64_t seed)) {
  const auto steps = *rc::gen::scale(
      5.0, rc::gen::container<std::vector<ModelStep>>(AnyStep()));
  LogHarness h(seed);
  h.options().segment_bytes = 16 << 10;
  h.options().batch_bytes_max = 6 << 10;
  h.Start();
  LogModel model(&h);
  const auto crash = [&](CrashKind kind) {
    h.Crash(kind);
    const absl::Status opened = h.Open();
    RC_ASSERT(opened.ok());
    model.Recovered();
    model.CheckReads();
  };
  for (const ModelStep& step : steps) {
    switch (step.what) {
      case ModelStep::Do::kIssue: {
        env::Pending pending =
            h.test().env().loop.Defer([&] { model.Issue(step.operation); });
        h.world().RunFor(Microseconds(20));
        break;
      }
      case ModelStep::Do::kWait:
        h.Run();
        RC_ASSERT(model.AllAcknowledged());
        model.CheckReads();
        break;
      case ModelStep::Do::kWitness:
        RC_ASSERT(h.Witness().ok());
        RC_ASSERT(model.AllAcknowledged());
        break;
      case ModelStep::Do::kCrashProcess:
        crash(CrashKind::kProcess);
        break;
      case ModelStep::Do::kCrashMachine:
        crash(CrashKind::kMachine);
        break;
    }
  }
  crash(CrashKind::kMachine);
  RC_ASSERT(!testing::Test::HasFailure());
}

// The lives of the two loops below: operations, some of them in flight
// together, and a restart in the middle.
constexpr uint64_t kLoopOperations = 150;

void LoopOptions(LogHarness& h) {
  h.options().segment_bytes = 16 << 10;
  h.options().batch_bytes_max = 8 << 10;
  h.options().witness_delay = Milliseconds(1);
}

// For N = 1, 2, … the Nth disk operation fails, once or from then on, while the
// log is created, written, rolled, reopened and rewritten. Stops when a run has
// fewer than N operations. Returns the number of runs.
uint64_t FailNthLoop(bool persistent) {
  const Random random(11);
  for (uint64_t n = 1; n < 2000; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    LogHarness h;
    LoopOptions(h);
    h.world().FailDiskOperation(h.test().machine(), World::DiskOperation::kAny,
                                n, persistent);
    LogModel model(&h);
    bool failed = false;
    const auto heal = [&](const absl::Status& status) {
      EXPECT_FALSE(failed && !persistent) << "failed twice: " << status;
      EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDataLoss(status))
          << status;
      EXPECT_NE(std::string(status.message()).find("injected"),
                std::string::npos)
          << "the cause is not in: " << status;
      failed = true;
      h.world().HealDisk(h.test().machine());
    };
    absl::Status status = h.CreateStore();
    while (!status.ok() && !testing::Test::HasFailure()) {
      heal(status);
      h.Crash(CrashKind::kProcess);
      status = h.CompleteStore();
    }
    for (int life = 0; life < 3 && !testing::Test::HasFailure(); ++life) {
      status = h.Open();
      if (!status.ok()) {
        heal(status);
        h.Crash(CrashKind::kMachine);
        status = h.Open();
      }
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) break;
      model.Recovered();
      Issue(h, model, random, life * 1000, kLoopOperations);
      h.Run();
      EXPECT_TRUE(model.AllAnswered());
      if (h.log()->status().ok()) {
        EXPECT_TRUE(model.AllAcknowledged());
      } else {
        if (!model.AllAcknowledged()) {
          EXPECT_EQ(h.log()->status(), model.error());
        }
        heal(h.log()->status());
        // A stopped log never recovers by itself.
        EXPECT_EQ(h.Append(TestGroup(9), {TestEntry(1, 1, "late")}),
                  h.log()->status());
      }
      h.Crash(life == 0 ? CrashKind::kMachine : CrashKind::kProcess);
    }
    EXPECT_TRUE(h.world().violations().empty())
        << h.world().violations().front();
    if (testing::Test::HasFailure()) return n;
    const auto& faults = h.world().faults();
    const uint64_t injected = faults.count(sim::Fault::kDiskReadError) +
                              faults.count(sim::Fault::kDiskWriteError) +
                              faults.count(sim::Fault::kDiskSyncError);
    if (injected == 0) return n;
  }
  ADD_FAILURE() << "the run never ended without an error";
  return 0;
}

TEST(LogFailNth, TransientErrorAtAnyOperation_IsReportedAndNothingIsLost) {
  EXPECT_GT(FailNthLoop(false), 100u);
}

TEST(LogFailNth, PersistentErrorFromAnyOperationOn_IsReportedAndNothingIsLost) {
  EXPECT_GT(FailNthLoop(true), 100u);
}

// In life `armed` (0: the creation) the machine stops while the Nth operation
// is in flight, for every N of that life.
void CrashNthLoop(CrashKind kind, int armed) {
  const Random random(12);
  for (uint64_t n = 1; n < 2000; ++n) {
    SCOPED_TRACE("life " + std::to_string(armed) + " operation " +
                 std::to_string(n));
    LogHarness h(n);
    LoopOptions(h);
    LogModel model(&h);
    const auto arm = [&](int life) {
      if (life == armed) {
        h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
      }
    };
    bool crashed = false;
    arm(0);
    absl::Status status = h.CreateStore();
    if (!h.running()) {
      crashed = true;
      h.Reboot();
      status = h.CompleteStore();
      EXPECT_TRUE(status.ok()) << status;
    } else {
      h.Crash(kind);
    }
    for (int life = 1; life <= 3 && !testing::Test::HasFailure(); ++life) {
      arm(life);
      status = h.Open();
      if (!h.running()) {
        crashed = true;
        h.Reboot();
        status = h.Open();
      }
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) break;
      model.Recovered();
      Issue(h, model, random, life * 1000, kLoopOperations);
      h.Run();
      if (h.running()) {
        EXPECT_TRUE(model.AllAcknowledged());
        h.Crash(kind);
      } else {
        crashed = true;
        h.Reboot();
      }
    }
    if (testing::Test::HasFailure()) return;
    if (!crashed) {
      EXPECT_GT(n, armed == 0 ? 9u : 80u) << "fewer operations than there are";
      return;
    }
  }
  ADD_FAILURE() << "the run never ended without a crash";
}

TEST(LogCrashNth, ProcessDiesDuringAnyOperation_NothingAcknowledgedIsLost) {
  for (int life = 0; life <= 3; ++life) CrashNthLoop(CrashKind::kProcess, life);
}

TEST(LogCrashNth, MachineDiesDuringAnyOperation_NothingAcknowledgedIsLost) {
  for (int life = 0; life <= 3; ++life) CrashNthLoop(CrashKind::kMachine, life);
}

// A start reads bytes whose sync has failed as if they were durable. In each of
// `starts` starts one disk operation fails, the one of number `failing`. In the
// next start the machine loses power at its Nth disk operation, for every N.
void FailStartsThenCrashNthLoop(int starts, uint64_t failing, bool entries) {
  for (uint64_t n = 1; n < 200; ++n) {
    SCOPED_TRACE("operation " + std::to_string(n));
    LogHarness h(n);
    LoopOptions(h);
    LogModel model(&h);
    h.Start();
    if (entries) {
      h.test().InTurn([&] { model.Issue({.count = 3}); });
      h.Run();
    }
    EXPECT_TRUE(h.Restart(CrashKind::kMachine).ok());
    model.Recovered();
    const auto machine = h.test().machine();
    for (int i = 0; i < starts; ++i) {
      h.Crash(CrashKind::kProcess);
      h.world().FailDiskOperation(machine, World::DiskOperation::kAny, failing,
                                  /*persistent=*/false);
      const absl::Status status = h.Open();
      EXPECT_TRUE(status.ok() || absl::IsUnavailable(status) ||
                  absl::IsDataLoss(status))
          << status;
      h.world().HealDisk(machine);
    }
    h.Crash(CrashKind::kProcess);
    h.world().CrashAtDiskOperation(machine, n, CrashKind::kMachine);
    const absl::Status unhurt = h.Open();
    const bool crashed = !h.running();
    if (crashed) {
      h.Reboot();
      const absl::Status status = h.Open();
      EXPECT_TRUE(status.ok()) << status;
      if (!status.ok()) return;
    } else {
      EXPECT_TRUE(unhurt.ok()) << unhurt;
    }
    model.Recovered();
    if (testing::Test::HasFailure()) return;
    if (!crashed) {
      EXPECT_GT(n, 9u) << "fewer operations than there are";
      return;
    }
  }
  ADD_FAILURE() << "the run never ended without a crash";
}

TEST(LogCrashNth, PowerIsLostInTheStartAfterFailedOnes_NothingIsLost) {
  // A start has fewer operations.
  constexpr uint64_t kOperations = 30;
  for (int starts = 1; starts <= 3; ++starts) {
    SCOPED_TRACE("failed starts " + std::to_string(starts));
    for (uint64_t failing = 1; failing <= kOperations; ++failing) {
      SCOPED_TRACE("failing operation " + std::to_string(failing));
      FailStartsThenCrashNthLoop(starts, failing, /*entries=*/false);
      FailStartsThenCrashNthLoop(starts, failing, /*entries=*/true);
    }
  }
}

// Writes a small log of two groups over two segments, always the same bytes.
void WriteSmallLog(LogHarness& h, LogModel& model) {
  h.options().segment_bytes = 16 << 10;
  h.Start();
  using Kind = ModelOperation::Kind;
  const std::vector<ModelOperation> operations = {
      {.group = 1, .count = 2, .bytes = 30},
      {.group = 2, .count = 3, .bytes = 600},
      {.kind = Kind::kHardState, .group = 1, .count = 3},
      {.group = 1, .back = 1, .count = 2, .bytes = 13},
      {.kind = Kind::kLogStart, .group = 2, .back = 1},
      {.group = 2, .count = 1, .bytes = 14000},
      {.group = 1, .count = 1, .bytes = 9},
      {.group = 2, .count = 1, .bytes = 20},
      {.group = 1, .count = 1, .bytes = 21},
  };
  for (const ModelOperation& operation : operations) {
    h.test().InTurn([&] { model.Issue(operation); });
  }
  CHECK(model.AllAcknowledged());
}

// The allowed states of a group that is not fenced, when one bit of the log is
// wrong. They are the group's state with and without the last durable write. No
// later record distinguishes a torn write from a damaged one.
bool Acceptable(const RecoveredGroup& got, const ModelGroup& now,
                const ModelGroup& before) {
  for (const ModelGroup* model : {&now, &before}) {
    if (got.hard_state == model->hard_state &&
        got.log_start == model->log_start && got.entries == model->entries) {
      return true;
    }
  }
  return false;
}

// Until a record follows it, a damaged opening looks like an unfinished one.
// The segment that it replaces still exists.
TEST(LogBitRot, AnyBitOfAFreshOpeningFlipped_ChangesNothing) {
  size_t flips = 0;
  for (uint64_t offset = 0;; ++offset) {
    SCOPED_TRACE(offset);
    LogHarness h;
    LogModel model(&h);
    WriteSmallLog(h, model);
    const ModelGroup now[2] = {model.state(1), model.state(2)};
    ASSERT_TRUE(h.Restart(CrashKind::kMachine).ok());
    h.Crash(CrashKind::kMachine);
    const std::string name = h.LogFiles().back();
    if (offset > h.ReadFile(name).find_last_not_of('\0')) break;
    ASSERT_TRUE(h.world().FlipDiskBit(h.test().machine(), name, offset,
                                      static_cast<int>(offset % 8)));
    ASSERT_TRUE(h.Open().ok());
    for (uint32_t group = 1; group <= 2; ++group) {
      const RecoveredGroup& got = h.log()->recovered().at(model.Key(group));
      ASSERT_TRUE(got.fenced.ok()) << got.fenced;
      ASSERT_TRUE(Acceptable(got, now[group - 1], now[group - 1]));
    }
    ++flips;
  }
  EXPECT_GT(flips, 300u);
}

TEST(LogBitRot, AnyBitFlipped_IsFencedOrTheTailIsCut) {
  size_t fenced = 0;
  size_t refused = 0;
  size_t cut = 0;
  size_t unchanged = 0;
  std::vector<std::pair<std::string, uint64_t>> places;
  {
    LogHarness h;
    LogModel model(&h);
    WriteSmallLog(h, model);
    for (const std::string& name : h.LogFiles()) {
      const std::string bytes = h.ReadFile(name);
      const size_t end = bytes.find_last_not_of('\0') + 1;
      for (uint64_t i = 0; i < end; ++i) {
        // Within the one long payload a sample of offsets is enough.
        const bool inside =
            i > 100 && i + 100 < end && i % 16 != 0 &&
            bytes.compare(i - 100, 200, bytes, i - 99, 200) == 0;
        if (!inside) places.emplace_back(name, i);
      }
    }
  }
  ASSERT_GT(places.size(), 3000u);
  uint64_t number = 0;
  for (const auto& [name, offset] : places) {
    ++number;
    SCOPED_TRACE(name + " byte " + std::to_string(offset));
    LogHarness h;
    LogModel model(&h);
    WriteSmallLog(h, model);
    const ModelGroup now[2] = {model.state(1), model.state(2)};
    // The last write belonged to group 1.
    ModelGroup before = now[0];
    before.entries.pop_back();
    h.Crash(CrashKind::kMachine);
    ASSERT_TRUE(h.world().FlipDiskBit(h.test().machine(), name, offset,
                                      static_cast<int>(number % 8)));
    const absl::Status opened = h.Open();
    if (!opened.ok()) {
      EXPECT_TRUE(absl::IsDataLoss(opened) ||
                  absl::IsFailedPrecondition(opened))
          << opened;
      ++refused;
      continue;
    }
    for (uint32_t group = 1; group <= 2; ++group) {
      const auto& recovered = h.log()->recovered();
      const auto found = recovered.find(model.Key(group));
      ASSERT_NE(found, recovered.end());
      if (!found->second.fenced.ok()) {
        ++fenced;
        EXPECT_EQ(h.Append(model.Key(group), {}), found->second.fenced);
        // The group stays fenced.
        ASSERT_TRUE(h.Restart().ok());
        EXPECT_FALSE(h.log()->recovered()[model.Key(group)].fenced.ok());
        continue;
      }
      const ModelGroup& older = group == 1 ? before : now[1];
      EXPECT_TRUE(Acceptable(found->second, now[group - 1], older));
      if (found->second.entries == now[group - 1].entries) {
        ++unchanged;
      } else {
        ++cut;
      }
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(fenced, 500u);
  EXPECT_GT(cut, 20u);
  EXPECT_GT(unchanged, 50u);
  EXPECT_EQ(refused, 0u);
}

// An unreadable sector fences what it held. Unlike damage, it is never taken
// for a torn tail: everything was acknowledged.
TEST(LogUnreadable, AnySector_FencesOrChangesNothing) {
  size_t fenced = 0;
  size_t unchanged = 0;
  std::vector<std::string> files;
  {
    LogHarness h;
    LogModel model(&h);
    WriteSmallLog(h, model);
    files = h.LogFiles();
  }
  for (const std::string& name : files) {
    for (uint64_t offset = 0; offset < 20'000; offset += 512) {
      SCOPED_TRACE(name + " byte " + std::to_string(offset));
      LogHarness h;
      LogModel model(&h);
      WriteSmallLog(h, model);
      h.Crash(CrashKind::kMachine);
      h.world().MakeUnreadable(h.test().machine(), name, offset, 512);
      const absl::Status opened = h.Open();
      ASSERT_TRUE(opened.ok()) << opened;
      bool any_fenced = false;
      for (uint32_t group = 1; group <= 2; ++group) {
        const auto& recovered = h.log()->recovered();
        const auto found = recovered.find(model.Key(group));
        if (found == recovered.end() || !found->second.fenced.ok()) {
          any_fenced = true;
        } else {
          const ModelGroup& now = model.state(group);
          EXPECT_TRUE(Acceptable(found->second, now, now));
        }
      }
      ++(any_fenced ? fenced : unchanged);
      // The fence is durable: the disk may be able to read the sector later.
      h.world().HealDisk(h.test().machine());
      std::map<GroupKey, bool> before;
      for (const auto& [key, group] : h.log()->recovered()) {
        before[key] = group.fenced.ok();
      }
      ASSERT_TRUE(h.Restart().ok());
      for (const auto& [key, group] : h.log()->recovered()) {
        EXPECT_EQ(group.fenced.ok(), before.contains(key) && before[key]);
      }
      EXPECT_EQ(h.log()->recovered().size(), before.size());
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(fenced, 30u);
  EXPECT_GT(unchanged, 30u);
}

// An error that comes and goes may end the start, but fences nothing.
// A start that fences may end before its fence is durable. It must not have
// removed what it could not read: the next start may read it.
TEST(LogUnreadable, CrashWhileItIsFenced_LosesNothing) {
  std::vector<std::string> files;
  {
    LogHarness h;
    LogModel model(&h);
    WriteSmallLog(h, model);
    files = h.LogFiles();
  }
  size_t crashed = 0;
  size_t whole = 0;
  for (const std::string& name : files) {
    for (uint64_t n = 1; n < 100; ++n) {
      SCOPED_TRACE(name + ", operation " + std::to_string(n));
      LogHarness h;
      LogModel model(&h);
      WriteSmallLog(h, model);
      h.Crash(CrashKind::kMachine);
      h.world().MakeUnreadable(h.test().machine(), name, 0, 64 << 10);
      h.world().CrashAtDiskOperation(h.test().machine(), n,
                                     CrashKind::kMachine);
      (void)h.Open();
      const bool ended = h.running();
      h.Reboot();
      h.world().HealDisk(h.test().machine());
      h.world().CrashAtDiskOperation(h.test().machine(), 0,
                                     CrashKind::kMachine);
      if (ended) break;
      ++crashed;
      const absl::Status opened = h.Open();
      ASSERT_TRUE(opened.ok()) << opened;
      for (uint32_t group = 1; group <= 2; ++group) {
        const auto& recovered = h.log()->recovered();
        const auto found = recovered.find(model.Key(group));
        if (found == recovered.end() || !found->second.fenced.ok()) continue;
        ++whole;
        const ModelGroup& now = model.state(group);
        EXPECT_TRUE(Acceptable(found->second, now, now));
      }
      if (HasFailure()) return;
    }
  }
  EXPECT_GT(crashed, 20u);
  EXPECT_GT(whole, 20u);
}

TEST(LogUnreadable, TransientError_FencesNothing) {
  for (const bool persistent : {false, true}) {
    for (uint64_t n = 1; n < 60; ++n) {
      SCOPED_TRACE(n);
      LogHarness h;
      LogModel model(&h);
      WriteSmallLog(h, model);
      h.Crash(CrashKind::kMachine);
      h.world().FailDiskOperation(h.test().machine(),
                                  World::DiskOperation::kRead, n, persistent);
      absl::Status opened = h.Open();
      const bool failed = h.world().disk_failures(h.test().machine()) > 0;
      h.world().HealDisk(h.test().machine());
      if (!opened.ok()) {
        EXPECT_TRUE(absl::IsUnavailable(opened) || absl::IsDataLoss(opened))
            << opened;
        opened = h.Restart();
      }
      ASSERT_TRUE(opened.ok()) << opened;
      for (uint32_t group = 1; group <= 2; ++group) {
        const RecoveredGroup& got = h.log()->recovered().at(model.Key(group));
        EXPECT_TRUE(got.fenced.ok()) << got.fenced;
        EXPECT_TRUE(Acceptable(got, model.state(group), model.state(group)));
      }
      if (HasFailure()) return;
      if (!failed) break;
    }
  }
}

}  // namespace
}  // namespace quorate::raft
