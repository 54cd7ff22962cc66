// Creating and reading a store, with every disk operation failing or cut short
// once.
#include "raft/log/identity.h"

#include <string>

#include "gtest/gtest.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

void WriteFile(LogHarness& h, const std::string& name,
               const std::string& contents) {
  std::unique_ptr<env::File> file;
  env::Pending p =
      h.test().env().disk.Open(name, env::Disk::OpenMode::kCreateIfAbsent,
                               [&](auto opened) { file = *std::move(opened); });
  h.Run();
  const Buffer bytes = Buffer::Copy(contents);
  p = file->Write(0, absl::MakeConstSpan(&bytes, 1), env::Durability::kDurable,
                  [](absl::Status status) { EXPECT_TRUE(status.ok()); });
  h.Run();
}

bool Says(const absl::Status& status, const std::string& what) {
  return std::string(status.message()).find(what) != std::string::npos;
}

TEST(Identity, CreatedStore_IsReadBackAfterEitherCrash) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    LogHarness h(seed);
    ASSERT_TRUE(h.CreateStore().ok());
    EXPECT_NE(h.options().store, StoreIncarnation());
    for (CrashKind kind : {CrashKind::kMachine, CrashKind::kProcess}) {
      h.Crash(kind);
      const auto identity = h.ReadIdentity();
      ASSERT_TRUE(identity.ok()) << identity.status();
      EXPECT_EQ(*identity, (StoreIdentity{kTestCluster, kTestNode,
                                          h.options().store, kTestRecord}));
    }
  }
}

TEST(Identity, BootstrapRecord_OfAnySizeUpToItsMaximum_IsReadBack) {
  for (const size_t size :
       {size_t{1}, size_t{5000}, kBootstrapRecordBytesMax}) {
    LogHarness h;
    const std::string bootstrap_record(size, 'f');
    ASSERT_TRUE(h.CreateStore(bootstrap_record).ok());
    h.Crash(CrashKind::kMachine);
    const auto identity = h.ReadIdentity();
    ASSERT_TRUE(identity.ok()) << identity.status();
    EXPECT_EQ(identity->bootstrap_record, bootstrap_record);
  }
  LogHarness h;
  EXPECT_TRUE(absl::IsInvalidArgument(
      h.CreateStore(std::string(kBootstrapRecordBytesMax + 1, 'f'))));
  EXPECT_EQ(h.ReadIdentity()->bootstrap_record, "");
}

TEST(Identity, StoreThatIsNotFounded_BeginsItsLogAgainAndKeepsItsName) {
  LogHarness h;
  // The record is refused, so the founding ends before its last step.
  ASSERT_FALSE(
      h.CreateStore(std::string(kBootstrapRecordBytesMax + 1, 'f')).ok());
  ASSERT_TRUE(h.Open().ok());
  ASSERT_TRUE(h.Append(TestGroup(1), {TestEntry(1, 1, "undecided")}).ok());
  const StoreIncarnation store = h.options().store;
  h.Crash(CrashKind::kProcess);
  const auto identity = h.ReadIdentity();
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->store, store);
  ASSERT_TRUE(h.FoundStore(*identity).ok());
  ASSERT_TRUE(h.Open().ok());
  EXPECT_TRUE(h.log()->recovered().empty());
}

TEST(Identity, EmptyDirectory_IsNotAStore) {
  LogHarness h;
  const absl::Status status = h.ReadIdentity().status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_TRUE(Says(status, "bootstrap")) << status;
}

TEST(Identity, CreatedTwice_IsRefused) {
  LogHarness h;
  ASSERT_TRUE(h.CreateStore().ok());
  const StoreIncarnation store = h.options().store;
  EXPECT_TRUE(absl::IsAlreadyExists(h.CreateStore()));
  EXPECT_EQ(h.ReadIdentity()->store, store);
}

TEST(Identity, WipedAndCreatedAgain_IsAnotherStore) {
  LogHarness h;
  ASSERT_TRUE(h.CreateStore().ok());
  const StoreIncarnation store = h.options().store;
  h.world().Crash(h.test().machine(), CrashKind::kMachine);
  h.world().EraseDisk(h.test().machine());
  h.Reboot();
  ASSERT_TRUE(h.CreateStore().ok());
  EXPECT_NE(h.options().store, store);
}

TEST(Identity, AnotherClusterOrNode_IsNamed) {
  LogHarness h;
  ASSERT_TRUE(h.CreateStore().ok());
  absl::Status status = h.ReadIdentity(ClusterId(4711)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_TRUE(Says(status, "4711")) << status;
  status = h.ReadIdentity(kTestCluster, NodeId(42)).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_TRUE(Says(status, "node 1") && Says(status, "node 42")) << status;
  EXPECT_TRUE(Says(status, "copy of another node's directory")) << status;
}

TEST(Identity, FilesWithoutIdentity_AreNeitherReadNorCreated) {
  LogHarness h;
  WriteFile(h, "somebody-elses", "data");
  EXPECT_TRUE(absl::IsFailedPrecondition(h.ReadIdentity().status()));
  const absl::Status status = h.CreateStore();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_TRUE(Says(status, "somebody-elses")) << status;
}

TEST(Identity, LostIdentityOfAUsedStore_IsNotReplaced) {
  LogHarness h;
  h.Start();
  for (uint64_t i = 1; i < 50; ++i) {
    ASSERT_TRUE(
        h.Append(TestGroup(1), {TestEntry(1, i, std::string(4000, 'x'))}).ok());
  }
  env::Pending p = h.test().env().disk.Remove("identity", [](absl::Status) {});
  h.Run();
  h.Crash(CrashKind::kProcess);
  EXPECT_TRUE(absl::IsFailedPrecondition(h.ReadIdentity().status()));
  EXPECT_TRUE(absl::IsFailedPrecondition(h.CreateStore()));
}

TEST(Identity, DamagedFile_IsDataLoss) {
  LogHarness h;
  ASSERT_TRUE(h.CreateStore().ok());
  const size_t size = h.ReadFile("identity").size();
  for (uint64_t i = 0; i < size; ++i) {
    ASSERT_TRUE(h.world().FlipDiskBit(h.test().machine(), "identity", i, 2));
    const absl::Status status = h.ReadIdentity().status();
    // A flipped bit in the version looks like another version.
    EXPECT_TRUE(absl::IsDataLoss(status) ||
                (i == 8 && absl::IsFailedPrecondition(status)))
        << i << " " << status;
    ASSERT_TRUE(h.world().FlipDiskBit(h.test().machine(), "identity", i, 2));
  }
  EXPECT_TRUE(h.ReadIdentity().ok());
}

TEST(Identity, LockedDirectory_IsUnavailable) {
  LogHarness h;
  ASSERT_TRUE(h.CreateStore().ok());
  const sim::MachineId other = h.world().AddMachine(
      {.name = "other", .shares_disk_with = h.test().machine()});
  h.world().Start(other, nullptr);
  absl::Status status;
  auto operation =
      ReadStore(h.world().env(other), kTestCluster, kTestNode,
                [&](auto identity) { status = identity.status(); });
  h.Run();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST(IdentityFailNth, AnyOperationOfACreation_IsReportedAndCanBeRepeated) {
  for (const bool persistent : {false, true}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(n);
      ASSERT_LT(n, 100u);
      LogHarness h;
      h.world().FailDiskOperation(
          h.test().machine(), sim::World::DiskOperation::kAny, n, persistent);
      const absl::Status status = h.CreateStore();
      if (status.ok()) {
        EXPECT_GT(n, 8u);
        break;
      }
      EXPECT_TRUE(absl::IsUnavailable(status)) << status;
      h.world().HealDisk(h.test().machine());
      h.Crash(CrashKind::kMachine);
      // It can be completed, whatever the attempt left.
      ASSERT_TRUE(h.CompleteStore().ok());
      ASSERT_TRUE(h.Open().ok());
    }
  }
}

TEST(IdentityCrashNth, AnyOperationOfACreation_LeavesAStoreOrNone) {
  for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
      for (uint64_t n = 1;; ++n) {
        SCOPED_TRACE(n);
        ASSERT_LT(n, 100u);
        LogHarness h(seed);
        h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
        const absl::Status status = h.CreateStore();
        if (h.running()) break;
        EXPECT_FALSE(status.ok());
        h.Reboot();
        ASSERT_TRUE(h.CompleteStore().ok());
        ASSERT_TRUE(h.Open().ok());
      }
    }
  }
}

}  // namespace
}  // namespace quorate::raft
