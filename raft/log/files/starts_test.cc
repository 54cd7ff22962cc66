// The file of starts, with every disk operation failing or cut short once.
#include "raft/log/files/starts.h"

#include <memory>
#include <optional>

#include "gtest/gtest.h"
#include "raft/log/identity.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

class StartsTest : public ::testing::Test {
 protected:
  static Starts Sample(uint64_t number) {
    return {.number = number,
            .tags = std::vector<uint32_t>(number, 7),
            .address = "host:1",
            .others = {"host:2", "host:3"},
            .gave_way = number % 2 == 1,
            .seen = {{NodeId(2), {StoreIncarnation(9), {number, 8}}}}};
  }

  static absl::Status Write(LogHarness& h, const Starts& starts) {
    absl::Status result = absl::UnknownError("not called");
    StartsFile file(h.test().env().disk, StoreIncarnation(5));
    file.Write(starts,
               [&](absl::Status status) { result = std::move(status); });
    h.Run();
    return result;
  }

  static absl::StatusOr<Starts> Read(
      LogHarness& h, StoreIncarnation store = StoreIncarnation(5)) {
    absl::StatusOr<Starts> result = absl::UnknownError("not called");
    StartsFile file(h.test().env().disk, store);
    file.Read(
        [&](absl::StatusOr<Starts> starts) { result = std::move(starts); });
    h.Run();
    return result;
  }
};

TEST_F(StartsTest, WrittenOnes_AreReadBackAfterEitherCrash) {
  for (const CrashKind kind : {CrashKind::kMachine, CrashKind::kProcess}) {
    LogHarness h;
    ASSERT_TRUE(h.CreateStore().ok());
    EXPECT_TRUE(absl::IsNotFound(Read(h).status()));
    for (const uint64_t number : {100u, 3u, 512u}) {
      ASSERT_EQ(Write(h, Sample(number)), absl::OkStatus());
      h.Crash(kind);
      EXPECT_EQ(*Read(h), Sample(number));
    }
    EXPECT_TRUE(absl::IsDataLoss(Read(h, StoreIncarnation(6)).status()));
  }
}

TEST_F(StartsTest, CrashAtAnyOperation_LeavesTheEarlierOrTheLaterOnes) {
  for (const CrashKind kind : {CrashKind::kMachine, CrashKind::kProcess}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(n);
      ASSERT_LT(n, 20u);
      LogHarness h(n);
      ASSERT_TRUE(h.CreateStore().ok());
      ASSERT_EQ(Write(h, Sample(9)), absl::OkStatus());
      h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
      const absl::Status written = Write(h, Sample(4));
      if (h.running()) {
        EXPECT_EQ(written, absl::OkStatus());
        break;
      }
      h.Reboot();
      const absl::StatusOr<Starts> read = Read(h);
      ASSERT_TRUE(read.ok()) << read.status();
      EXPECT_TRUE(*read == Sample(9) || *read == Sample(4));
      ASSERT_EQ(Write(h, Sample(5)), absl::OkStatus());
      EXPECT_EQ(*Read(h), Sample(5));
    }
  }
}

// The identity of a restored directory is replaced in one step.
TEST_F(StartsTest,
       CrashAtAnyOperationOfARestore_LeavesTheFormerOrTheNewCluster) {
  constexpr ClusterId kOther(4711);
  for (uint64_t n = 1;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 20u);
    LogHarness h(n);
    ASSERT_TRUE(h.CreateStore().ok());
    const StoreIdentity before = *h.ReadIdentity(ClusterId());
    StoreIdentity after = before;
    after.cluster = kOther;
    after.restored_from = before.cluster;
    h.world().CrashAtDiskOperation(h.test().machine(), n, CrashKind::kMachine);
    absl::StatusOr<StoreIdentity> restored = absl::UnknownError("not called");
    auto task = RestoreStore(h.test().env(), before, kOther, [&](auto result) {
      restored = std::move(result);
    });
    h.Run();
    task.reset();
    if (h.running()) {
      ASSERT_TRUE(restored.ok()) << restored.status();
      EXPECT_EQ(*restored, after);
      break;
    }
    h.Reboot();
    const absl::StatusOr<StoreIdentity> read = h.ReadIdentity(ClusterId());
    ASSERT_TRUE(read.ok()) << read.status();
    EXPECT_TRUE(*read == before || *read == after);
  }
}

}  // namespace
}  // namespace quorate::raft
