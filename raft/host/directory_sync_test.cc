// A sync of the data directory that fails stops the node (env/disk.h).
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "env/changed_env.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"
#include "raft/log/files/watched_disk.h"
#include "raft/log/snapshot_format.h"

namespace quorate::raft {
namespace {

using testing::JournalCluster;
using testing::JournalProgram;
using testing::kGroup;

// A disk whose directory cannot be synced any more once `fails` is set, and
// `succeeding` further syncs have ended.
class BrokenDirectory final : public ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  env::Pending SyncDirectory(env::File::Done done) override {
    return ForwardingDisk::SyncDirectory(
        [this, done = std::move(done)](absl::Status status) mutable {
          if (fails && succeeding-- <= 0) {
            ++failures;
            status = absl::UnavailableError("syncing directory: I/O error");
          }
          done(std::move(status));
        });
  }

  bool fails = false;
  int succeeding = 0;
  int failures = 0;
};

// The program of a node on such a disk.
struct ProgramOnBrokenDirectory {
  ProgramOnBrokenDirectory(env::Env& real, HostOptions options)
      : disk(real.disk),
        env(env::WithDisk(real, disk)),
        program(env, std::move(options), Level(1)) {}

  BrokenDirectory disk;
  env::Env env;
  JournalProgram program;
};

class DirectorySyncTest : public ::testing::Test {
 protected:
  static constexpr uint32_t kBroken = 3;

  void Start(uint64_t snapshot_threshold_bytes, uint64_t segment_bytes) {
    cluster_ = std::make_unique<JournalCluster>(7, snapshot_threshold_bytes,
                                                std::vector<uint32_t>());
    cluster_->options_.log.segment_bytes = segment_bytes;
    for (uint32_t n = 1; n <= 3; ++n) cluster_->StartNode(n);
    ASSERT_EQ(cluster_->Propose("first").outcome, Outcome::kDone);
    ASSERT_TRUE(cluster_->WaitConverged(1));
    cluster_->Crash(kBroken, sim::CrashKind::kProcess);
  }
  // The node starts on the broken disk.
  void StartWith(bool fails, int succeeding) {
    cluster_->world_.Start(
        cluster_->machines_[kBroken - 1], [=, this](env::Env& env) {
          auto program = std::make_shared<ProgramOnBrokenDirectory>(
              env, cluster_->OptionsOf(kBroken));
          broken_ = program.get();
          broken_->disk.fails = fails;
          broken_->disk.succeeding = succeeding;
          cluster_->programs_[kBroken - 1] = &program->program;
          return program;
        });
    cluster_->AwaitStart(kBroken);
  }
  // Its directory cannot be synced once the start has ended.
  void StartBroken() {
    StartWith(/*fails=*/false, /*succeeding=*/0);
    broken_->disk.fails = true;
  }
  void Propose(int lines) {
    for (int i = 0; i < lines; ++i) {
      ASSERT_EQ(cluster_->Propose(std::string(200, 'x')).outcome,
                Outcome::kDone);
    }
  }
  void ExpectThatTheNodeStops() {
    ASSERT_TRUE(broken_->program.started.ok()) << broken_->program.started;
    const Host& host = broken_->program.host;
    ASSERT_TRUE(
        cluster_->world_.RunUntilTrue([&] { return !host.status().ok(); }));
    EXPECT_EQ(broken_->program.observer.stopped, host.status());
    EXPECT_FALSE(host.group_status(kGroup).ok());
    const std::string why(host.status().message());
    EXPECT_TRUE(absl::StrContains(why, "cannot sync the data directory"))
        << why;
    EXPECT_TRUE(absl::StrContains(why, "start the node again")) << why;
    // The others go on. A witness of the log may lead to one more attempt.
    for (int i = 0; i < 20; ++i) {
      Propose(1);
      cluster_->world_.RunFor(Seconds(1));
    }
    EXPECT_LE(broken_->disk.failures, 2);
  }

  std::unique_ptr<JournalCluster> cluster_;
  ProgramOnBrokenDirectory* broken_ = nullptr;
};

TEST_F(DirectorySyncTest, FailsForTheNextSegment_TheNodeStops) {
  Start(/*snapshot_threshold_bytes=*/0, /*segment_bytes=*/64 << 10);
  StartBroken();
  Propose(50);
  ExpectThatTheNodeStops();
}

TEST_F(DirectorySyncTest, FailsForAnOwnSnapshot_TheNodeStops) {
  Start(/*snapshot_threshold_bytes=*/4096, /*segment_bytes=*/64 << 20);
  StartBroken();
  Propose(50);
  ExpectThatTheNodeStops();
}

TEST_F(DirectorySyncTest, FailsForAReceivedSnapshot_TheNodeStops) {
  Start(/*snapshot_threshold_bytes=*/4096, /*segment_bytes=*/64 << 20);
  Propose(200);
  StartBroken();
  ExpectThatTheNodeStops();
  EXPECT_EQ(broken_->program.observer.restored, 0);
}

// One of these syncs follows the removal of a snapshot without a group.
TEST_F(DirectorySyncTest, AnySyncOfTheStartFails_TheNodeStops) {
  Start(/*snapshot_threshold_bytes=*/0, /*segment_bytes=*/64 << 10);
  const std::string left = SnapshotName({GroupId(9), ReplicaId(9'000)},
                                        {.term = Term(1), .index = Index(5)});
  for (int n = 0;; ++n) {
    SCOPED_TRACE(n);
    ASSERT_LT(n, 20);
    cluster_->world_.PutDiskFile(cluster_->machines_[kBroken - 1], left, "x");
    StartWith(/*fails=*/true, /*succeeding=*/n);
    cluster_->world_.RunFor(Seconds(5));
    const absl::Status status = broken_->program.host.status();
    if (broken_->disk.failures == 0) {
      EXPECT_TRUE(status.ok()) << status;
      EXPECT_GE(n, 2);
      break;
    }
    EXPECT_FALSE(status.ok());
    cluster_->Crash(kBroken, sim::CrashKind::kProcess);
  }
}

}  // namespace
}  // namespace quorate::raft
