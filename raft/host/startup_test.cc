// Starts on stores whose log and snapshots do not fit together.
#include <malloc.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/host/bootstrap_record.h"
#include "raft/host/host.h"
#include "raft/log/read_attempts.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

// How many snapshots are being loaded, and the most at a time.
struct Loads {
  int now = 0;
  int most = 0;
  // The error of the state machine at a snapshot's bytes.
  absl::Status refusal;
};

class Nothing final : public StateMachine {
 public:
  explicit Nothing(Loads* loads = nullptr) : loads_(loads) {}
  Buffer Apply(const Entry&, bool) override { return Buffer(); }
  std::unique_ptr<SnapshotReader> TakeSnapshot() override { return nullptr; }
  std::unique_ptr<SnapshotWriter> BeginRestore(
      const SnapshotDescriptor&) override {
    return std::make_unique<Load>(loads_);
  }
  uint64_t Digest() const override { return 0; }

 private:
  class Load final : public SnapshotWriter {
   public:
    explicit Load(Loads* loads) : loads_(loads) {
      loads_->most = std::max(loads_->most, ++loads_->now);
    }
    ~Load() override { --loads_->now; }
    absl::Status Add(std::string_view) override { return loads_->refusal; }
    absl::Status Commit() override { return absl::OkStatus(); }

   private:
    Loads* const loads_;
  };

  Loads* const loads_;
};

size_t AllocatedBytes() {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

class StartupTest : public testing::Test {
 protected:
  explicit StartupTest(uint32_t group_count = 2) {
    BootstrapRecord record;
    for (uint32_t group = 1; group <= group_count; ++group) {
      record.plan.groups.push_back(
          {.group = GroupId(group), .voters = {kTestNode}});
    }
    const absl::StatusOr<StoreIdentity> store = h_.CreateIdentity();
    CHECK(store.ok()) << store.status();
    record.stores = {{kTestNode, store->store}};
    CHECK(h_.FoundStore(*store, EncodeBootstrapRecord(record)).ok());
    CHECK(h_.Open().ok());
    CHECK(h_.OpenSnapshots().ok());
    record_ = record;
    options_.cluster = kTestCluster;
    options_.node = kTestNode;
    options_.plan = record.plan;
    options_.listen_address = "10.0.0.1:9000";
  }

  GroupKey KeyOf(uint32_t group) const {
    return {GroupId(group),
            ReplicaOn(FirstConfiguration(record_, GroupId(group)), kTestNode)};
  }
  absl::Status AppendFirst(GroupKey key) {
    Entry first = TestEntry(1, 1, "");
    first.kind = EntryKind::kConfiguration;
    first.payload = EncodeConfiguration(FirstConfiguration(record_, key.group));
    first.checksum = EntryChecksum(first);
    const HardState hard_state{.term = Term(1)};
    return h_.Append(key, {first}, &hard_state);
  }
  void WriteSnapshot(GroupKey key, LogPosition position,
                     std::string_view state = "") {
    SnapshotDescriptor descriptor;
    descriptor.position = position;
    descriptor.configuration.voters = {
        {key.replica, kTestNode, StoreIncarnation(1)}};
    ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                    h_.snapshots()->Begin(key, descriptor, std::move(done));
                  }).ok());
    if (!state.empty()) {
      ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                      h_.snapshots()->Append(key, Buffer::Copy(state),
                                             std::move(done));
                    }).ok());
    }
    absl::Status finished = absl::UnknownError("not called");
    h_.test().InTurn([&] {
      h_.snapshots()->Finish(key, [&](auto s) { finished = s.status(); });
    });
    ASSERT_TRUE(finished.ok()) << finished;
  }
  // Starts a host on the store and returns the states of its groups.
  std::vector<absl::Status> Start() {
    absl::Status started = absl::UnknownError("not called");
    Host host(
        h_.test().env(), options_,
        [this](GroupId group, const Configuration&) {
          return group == unknown_parameters_
                     ? nullptr
                     : std::make_unique<Nothing>(&loads_);
        },
        nullptr);
    h_.test().InTurn([&] {
      host.Start([&](absl::Status status) { started = std::move(status); });
    });
    EXPECT_TRUE(started.ok()) << started;
    allocated_bytes_ = AllocatedBytes();
    std::vector<absl::Status> groups;
    for (const GroupPlan& group : options_.plan.groups) {
      groups.push_back(host.group_status(group.group));
      conditions_[group.group] = host.condition(group.group);
    }
    if (while_it_runs_) while_it_runs_(host);
    return groups;
  }
  // Group 1 needs its snapshot, and group 2 has none.
  void WriteGroupOfASnapshot() {
    ASSERT_TRUE(AppendFirst(KeyOf(2)).ok());
    for (uint64_t i = 1; i <= 7; ++i) {
      ASSERT_TRUE(h_.Append(KeyOf(1), {TestEntry(4, i, "entry")}).ok());
    }
    ASSERT_TRUE(h_.SetLogStart(KeyOf(1), {Term(4), Index(5)}).ok());
    WriteSnapshot(KeyOf(1), {Term(4), Index(5)}, "the state");
    h_.Crash(sim::CrashKind::kMachine);
  }
  std::string SnapshotFile() {
    for (const std::string& file : h_.world().DiskFiles(h_.test().machine())) {
      if (file.starts_with("snap-")) return file;
    }
    return "";
  }
  // The snapshot file `bytes`, as a newer program would write it.
  static std::string OfANewerFormat(std::string bytes) {
    const size_t footer = bytes.size() - kSnapshotFooterBytes;
    bytes[footer + 8] = kSnapshotFormatVersion + 1;
    const uint32_t crc = Crc32c(
        0, std::string_view(bytes).substr(footer, kSnapshotFooterBytes - 4));
    StoreFixed(bytes.data() + bytes.size() - 4, crc);
    return bytes;
  }
  // The start halts group 1 alone, and another one does so again. `repaired`
  // brings back the program that knows the data.
  void ExpectHalted(const std::function<void()>& repaired) {
    for (int start = 0; start < 2; ++start) {
      const std::vector<absl::Status> groups = Start();
      EXPECT_TRUE(absl::IsFailedPrecondition(groups[0])) << groups[0];
      EXPECT_TRUE(absl::StrContains(groups[0].message(), "start th"))
          << groups[0];
      EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kHalted);
      EXPECT_EQ(groups[1], absl::OkStatus());
      h_.Crash(sim::CrashKind::kMachine);
    }
    repaired();
    EXPECT_EQ(Start(), std::vector<absl::Status>(2));
    EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kWorks);
  }

  LogHarness h_;
  HostOptions options_;
  BootstrapRecord record_;
  Loads loads_;
  GroupId unknown_parameters_;
  std::map<GroupId, Host::Condition> conditions_;
  size_t allocated_bytes_ = 0;  // While the host ran.
  std::function<void(Host&)> while_it_runs_;
};

// No sequence of crashes leaves them.
TEST_F(StartupTest, TwoLogsOfOneGroup_FenceIt) {
  const GroupKey other{GroupId(1), ReplicaId(77)};
  ASSERT_TRUE(AppendFirst(KeyOf(1)).ok());
  ASSERT_TRUE(AppendFirst(KeyOf(2)).ok());
  ASSERT_TRUE(AppendFirst(other).ok());
  h_.Close();
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(absl::IsDataLoss(groups[0])) << groups[0];
  EXPECT_TRUE(absl::StrContains(groups[0].message(), "logs of two replicas"))
      << groups[0];
  EXPECT_EQ(groups[1], absl::OkStatus());
}

TEST_F(StartupTest, TwoLogsOfOneGroup_AreDroppedTogether) {
  const GroupKey other{GroupId(1), ReplicaId(77)};
  for (const GroupKey& key : {KeyOf(1), KeyOf(2), other}) {
    ASSERT_TRUE(AppendFirst(key).ok());
  }
  h_.Close();
  absl::Status dropped = absl::UnknownError("not called");
  while_it_runs_ = [&](Host& host) {
    ASSERT_TRUE(host.failed().contains(GroupId(1)));
    EXPECT_EQ(host.failed()[GroupId(1)].size(), 2u);
    EXPECT_EQ(host.groups(), std::vector{GroupId(2)});
    h_.test().InTurn([&] {
      host.DropReplica(GroupId(1), [&](absl::Status s) { dropped = s; });
    });
    EXPECT_TRUE(host.failed().empty());
  };
  EXPECT_TRUE(absl::IsDataLoss(Start()[0]));
  EXPECT_EQ(dropped, absl::OkStatus());
  while_it_runs_ = nullptr;
  h_.Crash(sim::CrashKind::kMachine);
  EXPECT_TRUE(absl::IsNotFound(Start()[0]));
  EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kNotHeld);
}

// Damage to the header of a record may have destroyed all records of a group.
TEST_F(StartupTest, SnapshotOfAGroupThatADamagedLogLacks_FencesItsGroup) {
  const GroupKey logged = KeyOf(1);
  const GroupKey lost = KeyOf(2);
  const std::string text =
      "this record will be damaged" + std::string(600, 'x');
  ASSERT_TRUE(h_.Append(logged, {TestEntry(1, 1, text)}).ok());
  ASSERT_TRUE(h_.Append(logged, {TestEntry(1, 2, "more")}).ok());
  WriteSnapshot(lost, {Term(3), Index(7)});
  h_.Crash(sim::CrashKind::kMachine);
  bool damaged = false;
  for (const std::string& name : h_.LogFiles()) {
    const size_t at = h_.ReadFile(name).find("this record will");
    if (at == std::string::npos) continue;
    damaged = h_.world().FlipDiskBit(h_.test().machine(), name, at - 100, 3);
  }
  ASSERT_TRUE(damaged);
  std::vector<std::string> lines;
  h_.world().SetLogSink(
      env::Severity::kError,
      [&](sim::SimTime, sim::MachineId, env::Severity, std::string_view line) {
        if (line.starts_with("raft: group 1 is ")) {
          lines.emplace_back(line);
        }
      });
  for (const absl::Status& group : Start()) {
    EXPECT_TRUE(absl::IsDataLoss(group)) << group;
  }
  h_.world().SetLogSink(env::Severity::kError, nullptr);
  // The line names the group and its state once.
  ASSERT_EQ(lines.size(), 1u);
  const std::string prefix = "raft: group 1 is fenced: ";
  EXPECT_TRUE(lines[0].starts_with(prefix)) << lines[0];
  EXPECT_EQ(lines[0].find("group 1", prefix.size()), std::string::npos)
      << lines[0];
  EXPECT_EQ(lines[0].find("DATA_LOSS"), std::string::npos) << lines[0];
}

TEST_F(StartupTest, SnapshotOfAnotherTermThanTheLogStart_FencesItsGroup) {
  const GroupKey key = KeyOf(1);
  for (uint64_t i = 1; i <= 7; ++i) {
    ASSERT_TRUE(h_.Append(key, {TestEntry(4, i, "entry")}).ok());
  }
  ASSERT_TRUE(h_.SetLogStart(key, {Term(4), Index(5)}).ok());
  WriteSnapshot(key, {Term(3), Index(5)});
  h_.Crash(sim::CrashKind::kMachine);
  const absl::Status group = Start()[0];
  EXPECT_TRUE(absl::IsDataLoss(group)) << group;
  EXPECT_NE(std::string(group.message()).find("begins in term 4"),
            std::string::npos);
}

// The disk lost a sector of one file. The other groups must start.
TEST_F(StartupTest, SnapshotWithAnUnreadableEnd_FencesItsGroup) {
  for (uint32_t group : {1, 2}) {
    for (uint64_t i = 1; i <= 7; ++i) {
      ASSERT_TRUE(h_.Append(KeyOf(group), {TestEntry(4, i, "entry")}).ok());
    }
    ASSERT_TRUE(h_.SetLogStart(KeyOf(group), {Term(4), Index(5)}).ok());
    WriteSnapshot(KeyOf(group), {Term(4), Index(5)});
  }
  h_.Crash(sim::CrashKind::kMachine);
  std::string name;
  for (const std::string& file : h_.world().DiskFiles(h_.test().machine())) {
    if (file.starts_with("snap-00000001-")) name = file;
  }
  ASSERT_FALSE(name.empty());
  h_.world().MakeUnreadable(h_.test().machine(), name,
                            h_.ReadFile(name).size() - 1, 1);
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(absl::IsDataLoss(groups[0])) << groups[0];
  EXPECT_TRUE(absl::StrContains(groups[0].message(), name)) << groups[0];
  EXPECT_EQ(groups[1], absl::OkStatus());
}

// Offset 0 is the state; the last byte belongs to the footer.
TEST_F(StartupTest, SnapshotThatIsUnreadableForAWhile_FencesNoGroup) {
  ASSERT_TRUE(AppendFirst(KeyOf(2)).ok());
  for (uint64_t i = 1; i <= 7; ++i) {
    ASSERT_TRUE(h_.Append(KeyOf(1), {TestEntry(4, i, "entry")}).ok());
  }
  ASSERT_TRUE(h_.SetLogStart(KeyOf(1), {Term(4), Index(5)}).ok());
  WriteSnapshot(KeyOf(1), {Term(4), Index(5)}, "the state");
  const sim::MachineId machine = h_.test().machine();
  const std::vector<std::string> files = h_.world().DiskFiles(machine);
  const std::string name = *std::find_if(
      files.begin(), files.end(),
      [](const std::string& file) { return file.starts_with("snap-"); });
  for (const uint64_t at : {size_t{0}, h_.ReadFile(name).size() - 1}) {
    SCOPED_TRACE(at);
    h_.Crash(sim::CrashKind::kProcess);
    h_.world().MakeUnreadable(machine, name, at, 1);
    h_.world().At(h_.world().now() + ReadAttempts::kPause,
                  [&] { h_.world().HealDisk(machine); });
    for (const absl::Status& group : Start()) EXPECT_TRUE(group.ok()) << group;
    EXPECT_GT(h_.world().disk_failures(machine), 0u);
  }
}

// However long the disk opens no file, no data are lost.
TEST_F(StartupTest, SnapshotThatCannotBeOpenedForLong_StopsItsGroupOnly) {
  WriteGroupOfASnapshot();
  const sim::MachineId machine = h_.test().machine();
  // The log is open when the disk begins to open no more files.
  const std::string name = SnapshotFile();
  h_.world().MakeUnreadable(machine, name, h_.ReadFile(name).size() - 1, 1);
  h_.world().At(h_.world().now() + ReadAttempts::kPause / 2, [&] {
    h_.world().HealDisk(machine);
    h_.world().LimitOpenFiles(machine, 0);
  });
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(absl::IsResourceExhausted(groups[0])) << groups[0];
  EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kStopped);
  EXPECT_TRUE(groups[1].ok()) << groups[1];
  h_.world().HealDisk(machine);
  h_.Crash(sim::CrashKind::kProcess);
  for (const absl::Status& group : Start()) EXPECT_TRUE(group.ok()) << group;
}

// The bytes verify, so nothing is lost: only this program does not know them.
TEST_F(StartupTest, SnapshotOfANewerFormat_HaltsItsGroupAlone) {
  WriteGroupOfASnapshot();
  const std::string name = SnapshotFile();
  const std::string file = h_.ReadFile(name);
  const std::string newer = OfANewerFormat(file);
  h_.world().OverwriteDisk(h_.test().machine(), name, 0, newer);
  ExpectHalted([&] {
    EXPECT_EQ(h_.ReadFile(name), newer);
    h_.world().OverwriteDisk(h_.test().machine(), name, 0, file);
  });
}

// A file that a newer program left behind cannot stand for the snapshot that
// was lost.
TEST_F(StartupTest, SnapshotOfANewerFormatBelowTheLogStart_IsNotTheLostOne) {
  WriteGroupOfASnapshot();
  const sim::MachineId machine = h_.test().machine();
  const std::string lost = SnapshotFile();
  const std::string older =
      SnapshotName(KeyOf(1), {.term = Term(4), .index = Index(3)});
  const std::string newer = OfANewerFormat(h_.ReadFile(lost));
  h_.world().Crash(machine, sim::CrashKind::kProcess);
  h_.world().PutDiskFile(machine, older, newer);
  h_.world().RemoveDiskFile(machine, lost);
  h_.Reboot();
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(absl::IsDataLoss(groups[0])) << groups[0];
  EXPECT_FALSE(absl::StrContains(groups[0].message(), older)) << groups[0];
  EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kFenced);
  EXPECT_TRUE(groups[1].ok()) << groups[1];
}

TEST_F(StartupTest, SnapshotWithANewerConfiguration_HaltsItsGroupAlone) {
  WriteGroupOfASnapshot();
  const std::string name = SnapshotFile();
  const std::string file = h_.ReadFile(name);
  std::string newer = file;
  const std::string_view bytes = newer;
  const size_t footer = bytes.size() - kSnapshotFooterBytes;
  const uint32_t trailer_bytes = LoadFixed<uint32_t>(bytes, footer + 12);
  const size_t trailer = footer - trailer_bytes;
  // One block, then the fields of fixed size.
  newer[trailer + 68] = 99;
  StoreFixed(newer.data() + footer + 40,
             Crc32c(0, bytes.substr(trailer, trailer_bytes)));
  StoreFixed(newer.data() + footer + 44, Crc32c(0, bytes.substr(footer, 44)));
  h_.world().OverwriteDisk(h_.test().machine(), name, 0, newer);
  ExpectHalted(
      [&] { h_.world().OverwriteDisk(h_.test().machine(), name, 0, file); });
}

TEST_F(StartupTest, SnapshotThatTheStateMachineIsTooOldFor_HaltsItsGroup) {
  WriteGroupOfASnapshot();
  loads_.refusal = absl::FailedPreconditionError("start that program");
  ExpectHalted([&] { loads_.refusal = absl::OkStatus(); });
  loads_.refusal = absl::DataLossError("damaged");
  h_.Crash(sim::CrashKind::kMachine);
  EXPECT_FALSE(Start()[0].ok());
  EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kFenced);
}

TEST_F(StartupTest, ParametersThatTheProgramIsTooOldFor_HaltTheirGroup) {
  WriteGroupOfASnapshot();
  unknown_parameters_ = GroupId(1);
  ExpectHalted([&] { unknown_parameters_ = GroupId(); });
}

TEST_F(StartupTest, FirstConfigurationOfANewerFormat_HaltsItsGroup) {
  ASSERT_TRUE(AppendFirst(KeyOf(2)).ok());
  Entry first = TestEntry(1, 1, "\x63 is a version to come");
  first.kind = EntryKind::kConfiguration;
  first.checksum = EntryChecksum(first);
  const HardState hard_state{.term = Term(1)};
  ASSERT_TRUE(h_.Append(KeyOf(1), {first}, &hard_state).ok());
  h_.Crash(sim::CrashKind::kMachine);
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(groups[0])) << groups[0];
  EXPECT_EQ(conditions_[GroupId(1)], Host::Condition::kHalted);
  EXPECT_EQ(groups[1], absl::OkStatus());
}

// No replica has the entries of a fenced group, so the log alone could keep
// them.
TEST_F(StartupTest, EntriesOfAFencedGroup_LeaveTheMemory) {
  constexpr size_t kPayloadBytes = 32 << 10;
  constexpr size_t kEntries = 512;
  // Two logs of one group.
  for (GroupKey key : {KeyOf(1), GroupKey{GroupId(1), ReplicaId(77)}}) {
    for (uint64_t i = 1; i <= kEntries / 2; ++i) {
      const std::string payload(kPayloadBytes, 'x');
      ASSERT_TRUE(h_.Append(key, {TestEntry(1, i, payload)}).ok());
    }
  }
  h_.Crash(sim::CrashKind::kMachine);
  const size_t before = AllocatedBytes();
  EXPECT_FALSE(Start()[0].ok());
  EXPECT_LT(allocated_bytes_, before + kEntries * kPayloadBytes / 4);
}

class StartupOfTenGroupsTest : public StartupTest {
 protected:
  StartupOfTenGroupsTest() : StartupTest(10) {}
};

// Each has a piece of its snapshot in memory. One after another, they would
// wait for the disk most of the time.
TEST_F(StartupOfTenGroupsTest, Snapshots_AreLoadedFourAtATime) {
  for (uint32_t group = 1; group <= 10; ++group) {
    for (uint64_t i = 1; i <= 7; ++i) {
      ASSERT_TRUE(h_.Append(KeyOf(group), {TestEntry(4, i, "entry")}).ok());
    }
    WriteSnapshot(KeyOf(group), {Term(4), Index(5)});
  }
  h_.Crash(sim::CrashKind::kMachine);
  for (const absl::Status& group : Start()) EXPECT_TRUE(group.ok()) << group;
  EXPECT_EQ(loads_.most, 4);
  EXPECT_EQ(loads_.now, 0);
}

class StartupOfManyGroupsTest : public StartupTest {
 protected:
  static constexpr uint32_t kGroups = 10'000;
  StartupOfManyGroupsTest() : StartupTest(kGroups) {}
};

// The stack must not grow with the number of groups.
TEST_F(StartupOfManyGroupsTest, GroupsWithAndWithoutALog_AreAllPrepared) {
  // Every tenth group is in the log; the others are fenced.
  for (uint32_t group = 1; group <= kGroups; group += 10) {
    ASSERT_TRUE(AppendFirst(KeyOf(group)).ok());
  }
  h_.Crash(sim::CrashKind::kMachine);
  const std::vector<absl::Status> groups = Start();
  ASSERT_EQ(groups.size(), size_t{kGroups});
  for (size_t i = 0; i < groups.size(); ++i) {
    ASSERT_EQ(groups[i].ok(), i % 10 == 0) << i << ": " << groups[i];
  }
}

// A durable write for each group would make the first start of many groups
// slow.
TEST(StartupOfANewStoreTest, FirstEntriesOfAllGroups_ShareDurableWrites) {
  sim::TestEnv test(1);
  HostOptions options;
  options.cluster = kTestCluster;
  options.node = kTestNode;
  options.bootstrap = true;
  options.listen_address = "10.0.0.1:9000";
  for (uint32_t group = 1; group <= 200; ++group) {
    options.plan.groups.push_back(
        {.group = GroupId(group), .voters = {kTestNode}});
  }
  absl::Status started = absl::UnknownError("not called");
  uint64_t writes = 0;
  Host host(
      test.env(), options,
      [](GroupId, const Configuration&) { return std::make_unique<Nothing>(); },
      nullptr);
  test.InTurn([&] {
    host.Start([&](absl::Status status) {
      started = std::move(status);
      writes = host.stats().log.durable_writes;
    });
  });
  ASSERT_TRUE(started.ok()) << started;
  EXPECT_GT(writes, 0u);
  EXPECT_LE(writes, 10u);
  for (const GroupPlan& group : options.plan.groups) {
    EXPECT_TRUE(host.group_status(group.group).ok());
  }
}

// A crash tore the blank log off the drop of group 1.
TEST_F(StartupTest, TornDropOfAFoundedGroup_IsCompleted) {
  ASSERT_TRUE(AppendFirst(KeyOf(1)).ok());
  ASSERT_TRUE(AppendFirst(KeyOf(2)).ok());
  WriteSnapshot(KeyOf(1), {Term(1), Index(1)}, "the state");
  ASSERT_TRUE(h_.Drop(KeyOf(1), Log::Leaves::kNothing).ok());
  h_.Crash(sim::CrashKind::kMachine);
  for (int start = 0; start < 3; ++start) {
    const std::vector<absl::Status> groups = Start();
    EXPECT_TRUE(absl::IsNotFound(groups[0])) << groups[0];
    EXPECT_EQ(groups[1], absl::OkStatus());
    EXPECT_EQ(SnapshotFile(), "");
    h_.Crash(sim::CrashKind::kMachine);
    // The segment with the record of the drop is freed.
    ASSERT_TRUE(h_.Open().ok());
    EXPECT_TRUE(h_.log()->recovered().contains(KeyOf(1)));
    for (uint64_t i = 2; i <= 100; ++i) {
      const GroupKey other{GroupId(9), ReplicaId(9)};
      const Index next(100 * start + i);
      ASSERT_TRUE(h_.SetLogStart(other, {Term(1), next - 1}).ok());
      ASSERT_TRUE(
          h_.Append(other, {TestEntry(1, next.value(), std::string(4000, 'c'))})
              .ok());
    }
    ASSERT_TRUE(h_.Drop({GroupId(9), ReplicaId(9)}).ok());
    h_.Crash(sim::CrashKind::kMachine);
  }
}

// The founding wrote every replica before the record.
TEST_F(StartupTest, GroupThatTheLogLacks_IsFencedAndNotMadeAgain) {
  ASSERT_TRUE(AppendFirst(KeyOf(1)).ok());
  h_.Crash(sim::CrashKind::kMachine);
  options_.bootstrap = true;
  const std::vector<absl::Status> groups = Start();
  EXPECT_TRUE(groups[0].ok()) << groups[0];
  EXPECT_TRUE(absl::IsDataLoss(groups[1])) << groups[1];
}

}  // namespace
}  // namespace quorate::raft
