// The log and the snapshots of a store on the real disk: the order of their
// system calls, and each of these calls failing.
#include <errno.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/real_env.h"
#include "net/testing/disk_calls.h"
#include "net/testing/testing.h"
#include "raft/log/identity.h"
#include "raft/log/log.h"
#include "raft/log/snapshot_store.h"

namespace quorate::net {
namespace {

constexpr ClusterId kCluster(5);
constexpr NodeId kNode(1);
constexpr raft::GroupKey kGroup{GroupId(1), ReplicaId(1)};

// One process on a store.
class Life {
 public:
  explicit Life(const std::string& directory) : directory_(directory) {
    options_.cluster = kCluster;
    options_.segment_bytes = 64 << 10;
    options_.snapshot_sync_bytes = 64 << 10;
  }

  // Opens the store; creates it if there is none.
  absl::Status Open() {
    auto real = RealEnv::Create(
        {.data_directory = directory_, .log_level = env::Severity::kError});
    if (!real.ok()) return real.status();
    real_ = *std::move(real);
    absl::StatusOr<raft::StoreIdentity> identity =
        Get<absl::StatusOr<raft::StoreIdentity>>([&](auto done) {
          step_ =
              raft::ReadStore(real_->env(), kCluster, kNode, std::move(done));
        });
    if (absl::IsNotFound(identity.status())) {
      identity = Get<absl::StatusOr<raft::StoreIdentity>>([&](auto done) {
        step_ =
            raft::CreateStore(real_->env(), kCluster, kNode, std::move(done));
      });
    }
    if (identity.ok() && identity->bootstrap_record.empty()) {
      const raft::StoreIdentity store = *identity;
      identity = Get<absl::StatusOr<raft::StoreIdentity>>([&](auto done) {
        step_ = raft::CreateLog(real_->env(), store, std::move(done));
      });
      if (!identity.ok()) return identity.status();
      identity = Get<absl::StatusOr<raft::StoreIdentity>>([&](auto done) {
        step_ =
            raft::FoundStore(real_->env(), store, "a record", std::move(done));
      });
    }
    if (!identity.ok()) return identity.status();
    options_.store = identity->store;
    const absl::Status log = Get<absl::Status>([&](auto done) {
      step_ =
          raft::Log::Open(real_->env(), options_,
                          [this, done = std::move(done)](auto opened) mutable {
                            if (opened.ok()) log_ = *std::move(opened);
                            done(opened.status());
                          });
    });
    if (!log.ok()) return log;
    return Get<absl::Status>([&](auto done) {
      step_ = raft::SnapshotStore::Open(
          real_->env(), options_,
          [this, done = std::move(done)](auto opened) mutable {
            if (opened.ok()) snapshots_ = *std::move(opened);
            done(opened.status());
          });
    });
  }
  // Returns the index of the last entry.
  uint64_t last() {
    const raft::RecoveredGroup& group = log_->recovered()[kGroup];
    EXPECT_TRUE(group.fenced.ok()) << group.fenced;
    return group.log_start.position.index.value() + group.entries.size();
  }

  // Appends `count` entries that follow `*acknowledged`.
  absl::Status Append(int count, uint64_t* acknowledged) {
    for (int i = 0; i < count; ++i) {
      raft::Entry entry;
      entry.term = raft::Term(1);
      entry.index = raft::Index(*acknowledged + 1);
      entry.payload = Buffer::Copy(std::string(9000, 'x'));
      entry.checksum = raft::EntryChecksum(entry);
      const absl::Status status = Get<absl::Status>([&](auto done) {
        log_->Append(kGroup, nullptr, raft::Index(), {entry}, std::move(done));
      });
      if (!status.ok()) return status;
      RecordAcknowledgement();
      ++*acknowledged;
    }
    return absl::OkStatus();
  }
  absl::Status Snapshot(uint64_t index) {
    raft::SnapshotDescriptor descriptor;
    descriptor.position = {raft::Term(1), raft::Index(index)};
    descriptor.configuration.voters = {
        {kGroup.replica, kNode, StoreIncarnation(1)}};
    absl::Status status = Get<absl::Status>([&](auto done) {
      snapshots_->Begin(kGroup, descriptor, std::move(done));
    });
    for (int i = 0; status.ok() && i < 4; ++i) {
      status = Get<absl::Status>([&](auto done) {
        snapshots_->Append(kGroup, Buffer::Copy(std::string(50'000, 's')),
                           std::move(done));
      });
    }
    if (!status.ok()) return status;
    status = Get<absl::Status>([&](auto done) {
      snapshots_->Finish(kGroup,
                         [done = std::move(done)](auto finished) mutable {
                           done(finished.status());
                         });
    });
    if (!status.ok()) return status;
    return Get<absl::Status>([&](auto done) {
      log_->SetLogStart(kGroup, descriptor.log_start(), false, std::move(done));
    });
  }
  // Everything that a store does. Ends at the first error.
  absl::Status Work(uint64_t* acknowledged) {
    absl::Status status;
    for (int i = 0; status.ok() && i < 3; ++i) {
      status = Append(12, acknowledged);
      if (status.ok()) status = Snapshot(*acknowledged - 3);
    }
    return status;
  }

 private:
  template <typename Result, typename Issue>
  Result Get(Issue&& issue) {
    std::unique_ptr<Result> result;
    issue([&result](Result r) {
      result = std::make_unique<Result>(std::move(r));
    });
    RunUntil(real_->loop(), [&] { return result != nullptr; });
    return *std::move(result);
  }

  const std::string directory_;
  std::unique_ptr<RealEnv> real_;
  raft::LogOptions options_;
  std::unique_ptr<raft::AsyncTask> step_;
  std::unique_ptr<raft::Log> log_;
  std::unique_ptr<raft::SnapshotStore> snapshots_;
};

class DiskOrderTest : public testing::Test {
 protected:
  DiskOrderTest() {
    std::string pattern =
        std::filesystem::path(testing::TempDir()) / "order.XXXXXX";
    directory_ = mkdtemp(pattern.data());
  }
  ~DiskOrderTest() override {
    FailDiskCall(DiskCallKind::kOpen, 0, 0);
    std::filesystem::remove_all(directory_);
  }
  std::string directory_;
};

// One life of a new store, then one on the store that it left.
std::vector<std::vector<DiskCall>> TwoLives(const std::string& directory) {
  std::vector<std::vector<DiskCall>> lives;
  uint64_t acknowledged = 0;
  for (int i = 0; i < 2; ++i) {
    BeginRecordingDiskCalls();
    {
      Life life(directory);
      EXPECT_TRUE(life.Open().ok());
      EXPECT_EQ(life.last(), acknowledged);
      const absl::Status worked = life.Work(&acknowledged);
      EXPECT_TRUE(worked.ok()) << worked;
    }
    lives.push_back(RecordedDiskCalls());
  }
  return lives;
}

TEST_F(DiskOrderTest, CallsOfTwoLives_BreakNoRule) {
  for (const std::vector<DiskCall>& calls : TwoLives(directory_)) {
    EXPECT_GT(calls.size(), 80u);
    for (const std::string& what : CheckDiskCalls(calls)) ADD_FAILURE() << what;
  }
}

// Each rule is broken by a trace from which the calls that it asks for are
// missing.
TEST_F(DiskOrderTest, TraceWithoutACallThatARuleAsksFor_BreaksIt) {
  const std::vector<DiskCall> calls = TwoLives(directory_)[0];
  const auto found = [&](auto change, const char* what) {
    std::vector<DiskCall> changed;
    for (DiskCall call : calls) {
      if (change(&call)) changed.push_back(call);
    }
    for (const std::string& text : CheckDiskCalls(changed)) {
      if (absl::StartsWith(text, what)) return true;
    }
    return false;
  };
  const auto without = [&](DiskCallKind kind, const char* name) {
    return [kind, name](DiskCall* call) {
      return call->kind != kind || !absl::StartsWith(call->name, name);
    };
  };
  EXPECT_TRUE(found(without(DiskCallKind::kSyncDirectory, ""),
                    "a file of the log is written before its name"));
  EXPECT_TRUE(found(without(DiskCallKind::kSyncDirectory, ""),
                    "a snapshot is removed before the next one"));
  EXPECT_TRUE(found(without(DiskCallKind::kSyncFile, "log-"),
                    "a file of the log is written before its space"));
  EXPECT_TRUE(found(without(DiskCallKind::kDurableWrite, "log-"),
                    "an append is acknowledged before a durable write"));
  EXPECT_TRUE(found(without(DiskCallKind::kSyncFile, "snap-"),
                    "a file is renamed before it is durable"));
  // The system gives the number of a closed descriptor to the next one.
  std::map<int, int> numbers;
  int next = 1000;
  EXPECT_TRUE(found(
      [&](DiskCall* call) {
        if (call->kind == DiskCallKind::kOpen) numbers[call->fd] = next++;
        const auto number = numbers.find(call->fd);
        if (number != numbers.end()) call->fd = number->second;
        return call->kind != DiskCallKind::kClose;
      },
      "two descriptors write a file of the log"));
  EXPECT_TRUE(found(
      [](DiskCall* call) {
        call->thread = 1;
        return true;
      },
      "a thread writes the log and does other work"));
  EXPECT_TRUE(found(
      [](DiskCall* call) {
        if (call->kind == DiskCallKind::kSyncFile) call->error = EIO;
        return true;
      },
      "a write after a failed sync"));
  bool first = true;
  EXPECT_TRUE(found(
      [&first](DiskCall* call) {
        if (call->kind == DiskCallKind::kSyncDirectory &&
            std::exchange(first, false)) {
          call->error = EIO;
        }
        return true;
      },
      "the directory is synced after a failed sync"));
}

// Of each kind the Nth call fails, for each N. The store reports it, or can do
// without; a later life has everything that was acknowledged.
TEST_F(DiskOrderTest, AnyCallFails_NothingAcknowledgedIsLost) {
  struct Failure {
    DiskCallKind kind;
    int error;
    bool in_second_life = false;  // The store is there already.
  };
  const Failure kFailures[] = {{DiskCallKind::kOpen, EMFILE},
                               {DiskCallKind::kWrite, ENOSPC},
                               {DiskCallKind::kDurableWrite, EIO},
                               {DiskCallKind::kSyncFile, EIO},
                               {DiskCallKind::kSyncDirectory, EIO},
                               {DiskCallKind::kRename, EIO},
                               {DiskCallKind::kRemove, EIO},
                               {DiskCallKind::kMakeDirectory, ENOSPC},
                               {DiskCallKind::kOpenDirectory, EMFILE},
                               {DiskCallKind::kFreeSpace, EIO},
                               {DiskCallKind::kClose, EIO},
                               {DiskCallKind::kOpen, EMFILE, true},
                               {DiskCallKind::kRead, EIO, true},
                               {DiskCallKind::kSize, EIO, true},
                               {DiskCallKind::kResize, EIO, true},
                               {DiskCallKind::kLock, ENOLCK, true},
                               {DiskCallKind::kAccess, EACCES, true},
                               {DiskCallKind::kList, EIO, true}};
  for (const auto& [kind, error, in_second_life] : kFailures) {
    int failures = 0;
    // Durable writes are many and alike.
    const uint64_t step = kind == DiskCallKind::kDurableWrite ? 7 : 1;
    for (uint64_t n = 1;; n += step) {
      SCOPED_TRACE(absl::StrCat("kind ", static_cast<int>(kind), " call ", n));
      const std::string directory =
          absl::StrCat(directory_, "/", static_cast<int>(kind), "-", n);
      uint64_t acknowledged = 0;
      if (in_second_life) {
        Life life(directory);
        ASSERT_TRUE(life.Open().ok());
        ASSERT_TRUE(life.Work(&acknowledged).ok());
      }
      BeginRecordingDiskCalls();
      {
        Life life(directory);
        FailDiskCall(kind, n, error);
        const absl::Status opened = life.Open();
        if (opened.ok()) (void)life.Work(&acknowledged);
      }
      const bool failed = DiskCallFailed();
      FailDiskCall(kind, 0, 0);
      for (const std::string& what : CheckDiskCalls(RecordedDiskCalls())) {
        ADD_FAILURE() << what;
      }
      {
        Life life(directory);
        const absl::Status opened = life.Open();
        ASSERT_TRUE(opened.ok()) << opened;
        EXPECT_GE(life.last(), acknowledged);
        acknowledged = life.last();
        EXPECT_TRUE(life.Append(5, &acknowledged).ok());
      }
      std::filesystem::remove_all(directory);
      if (HasFailure()) return;
      if (!failed) break;
      ++failures;
    }
    EXPECT_GT(failures, 0) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace quorate::net
