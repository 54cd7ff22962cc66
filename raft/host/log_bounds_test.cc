// Bounds of the logs of a node while snapshots and their transfers are slow.
#include <algorithm>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/journal_cluster.h"

namespace quorate::raft {
namespace {

class LogBoundsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    cluster_.world_.SetLogSink(
        env::Severity::kWarning, [this](sim::SimTime, sim::MachineId,
                                        env::Severity, std::string_view line) {
          warned_ += line.find("bytes of entries, the limit") != line.npos;
        });
  }
  void Start() {
    cluster_.options_.digest_interval = 0;
    for (uint32_t n = 1; n <= 3; ++n) cluster_.StartNode(n);
  }
  void Propose(int count, size_t bytes = 400) {
    for (int i = 0; i < count; ++i) {
      ++lines_;
      ASSERT_EQ(cluster_.Propose(std::string(bytes, 'x')).outcome,
                Outcome::kDone);
      for (uint32_t n = 1; n <= 3; ++n) {
        if (cluster_.node(n) == nullptr) continue;
        most_ = std::max(most_, host(n).log_bytes());
      }
    }
  }
  Host& host(uint32_t n) { return cluster_.node(n)->host; }

  testing::JournalCluster cluster_{
      41, /*snapshot_threshold_bytes=*/1 << 30, {}};
  size_t lines_ = 0;
  uint64_t most_ = 0;  // Size of the log of any node so far.
  int warned_ = 0;
};

// At the configured speed one snapshot would take longer than all of this.
TEST_F(LogBoundsTest, SnapshotsOfALargeState_AreFasterBeyondTheBudget) {
  constexpr uint64_t kBudget = 512 << 10;
  cluster_.options_.log_bytes_max = kBudget;
  cluster_.options_.log.snapshot_bytes_per_second = 1'000'000;
  Start();
  Propose(2500, 4000);
  const Core& core = *host(cluster_.leader()).core(testing::kGroup);
  EXPECT_GT(core.snapshot().size_bytes, 6 * kBudget);
  EXPECT_LT(most_, 10 * kBudget);
  EXPECT_GE(warned_, 1);
  EXPECT_LE(warned_, 30);
}

}  // namespace
}  // namespace quorate::raft
