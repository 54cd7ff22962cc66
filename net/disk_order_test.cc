// The log and the snapshots of a store on the real disk: the order of their
// system calls, and each of these calls failing.
#include <errno.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "env/crc32c.h"
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
// Gets its state from a leader.
constexpr raft::GroupKey kFollower{GroupId(2), ReplicaId(2)};
constexpr GroupId kDropped(3);

// The facts of a store that its lives were told to be durable.
struct Acknowledged {
  uint64_t last = 0;      // The index of the last entry of kGroup.
  uint64_t received = 0;  // The position of the last snapshot of kFollower.
  // Replicas of kDropped. None has an id of an earlier one.
  uint64_t created = 0;
  uint64_t dropped = 0;
};

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
  // The store has everything that was acknowledged. Sets the index of the last
  // entry, which may be higher.
  void Check(Acknowledged* acknowledged) {
    const auto start_of = [&](raft::GroupKey group) {
      const auto& recovered = log_->recovered()[group];
      EXPECT_TRUE(recovered.fenced.ok()) << recovered.fenced;
      const uint64_t start = recovered.log_start.position.index.value();
      const auto newest = snapshots_->newest().find(group);
      EXPECT_GE(newest == snapshots_->newest().end()
                    ? 0
                    : newest->second.position.index.value(),
                start);
      return start;
    };
    const uint64_t last =
        start_of(kGroup) + log_->recovered()[kGroup].entries.size();
    EXPECT_GE(last, acknowledged->last);
    acknowledged->last = last;
    EXPECT_GE(start_of(kFollower), acknowledged->received);
    EXPECT_TRUE(snapshots_->damaged().empty());
    for (const auto& [group, recovered] : log_->recovered()) {
      if (group.group != kDropped) continue;
      EXPECT_GT(group.replica.value(), acknowledged->dropped);
    }
  }
  // A file that could not be removed may be left.
  bool HasDroppedFiles() const {
    const std::vector<raft::GroupKey> groups = snapshots_->groups();
    return std::any_of(groups.begin(), groups.end(), [](const auto& group) {
      return group.group == kDropped;
    });
  }

  // Appends `count` entries that follow `*last`.
  absl::Status Append(raft::GroupKey group, int count, uint64_t* last) {
    for (int i = 0; i < count; ++i) {
      raft::Entry entry;
      entry.term = raft::Term(1);
      entry.index = raft::Index(*last + 1);
      entry.payload = Buffer::Copy(std::string(9000, 'x'));
      entry.checksum = raft::EntryChecksum(entry);
      const absl::Status status = Get<absl::Status>([&](auto done) {
        log_->Append(group, nullptr, raft::Index(), {entry}, std::move(done));
      });
      if (!status.ok()) return status;
      RecordAcknowledgement();
      ++*last;
    }
    return absl::OkStatus();
  }
  absl::Status Snapshot(raft::GroupKey group, uint64_t index) {
    const raft::SnapshotDescriptor descriptor = At(group, index);
    absl::Status status = Get<absl::Status>([&](auto done) {
      snapshots_->Begin(group, descriptor, std::move(done));
    });
    for (int i = 0; status.ok() && i < 4; ++i) {
      status = Get<absl::Status>([&](auto done) {
        snapshots_->Append(group, Buffer::Copy(std::string(kPieceBytes, 's')),
                           std::move(done));
      });
    }
    if (!status.ok()) return status;
    status = Get<absl::Status>([&](auto done) {
      snapshots_->Finish(group,
                         [done = std::move(done)](auto finished) mutable {
                           done(finished.status());
                         });
    });
    return status.ok() ? CutLog(group, descriptor, false) : status;
  }
  // Receives pieces of the snapshot at `index` until `end`. `*resumed` is the
  // number of bytes that an earlier life had received.
  absl::Status Receive(uint64_t index, uint64_t end, uint64_t* resumed) {
    const std::string piece(kPieceBytes, 's');
    uint64_t at = 0;
    while (at < end) {
      const auto received = Get<absl::StatusOr<uint64_t>>([&](auto done) {
        snapshots_->Receive(kFollower, Described(index), at,
                            Buffer::Copy(piece), std::move(done));
      });
      if (!received.ok()) return received.status();
      if (at == 0 && *received > kPieceBytes) *resumed = *received;
      at = *received;
    }
    return absl::OkStatus();
  }
  // The snapshot behind the last one, which an earlier life may have begun.
  absl::Status ReceiveNext(Acknowledged* acknowledged) {
    const uint64_t index = acknowledged->received + 10;
    absl::Status status = Receive(index, kSnapshotBytes, &resumed_);
    if (!status.ok()) return status;
    const raft::SnapshotDescriptor descriptor = Described(index);
    status = Get<absl::Status>([&](auto done) {
      snapshots_->FinishReceive(kFollower, descriptor, std::move(done));
    });
    if (status.ok()) status = CutLog(kFollower, descriptor, true);
    if (status.ok()) acknowledged->received = index;
    return status;
  }
  // As the host does it: first in the log.
  absl::Status CreateAndDrop(Acknowledged* acknowledged) {
    const raft::GroupKey group{kDropped, ReplicaId(++acknowledged->created)};
    uint64_t last = 0;
    absl::Status status = Append(group, 2, &last);
    if (status.ok()) status = Snapshot(group, 1);
    if (!status.ok()) return status;
    status = Get<absl::Status>([&](auto done) {
      log_->Drop(group, raft::Log::Leaves::kNothing, std::move(done));
    });
    if (!status.ok()) return status;
    RecordAcknowledgement();
    status = Get<absl::Status>(
        [&](auto done) { snapshots_->Drop(group, std::move(done)); });
    if (status.ok()) acknowledged->dropped = acknowledged->created;
    return status;
  }
  // Everything that a store does. Ends at the first error.
  absl::Status Work(Acknowledged* acknowledged) {
    absl::Status status = ReceiveNext(acknowledged);
    for (int i = 0; status.ok() && i < 3; ++i) {
      status = Append(kGroup, 12, &acknowledged->last);
      if (status.ok()) status = Snapshot(kGroup, acknowledged->last - 3);
    }
    if (status.ok()) status = CreateAndDrop(acknowledged);
    // The next life goes on with it.
    uint64_t resumed = 0;
    if (status.ok()) {
      status = Receive(acknowledged->received + 10, 3 * kPieceBytes, &resumed);
    }
    return status;
  }
  // The bytes that ReceiveNext did not need to receive.
  uint64_t resumed() const { return resumed_; }

 private:
  static constexpr uint64_t kPieceBytes = 50'000;
  static constexpr uint64_t kSnapshotBytes = 4 * kPieceBytes;

  static raft::SnapshotDescriptor At(raft::GroupKey group, uint64_t index) {
    raft::SnapshotDescriptor descriptor;
    descriptor.position = {raft::Term(1), raft::Index(index)};
    descriptor.configuration.voters = {
        {group.replica, kNode, StoreIncarnation(1)}};
    return descriptor;
  }
  // One that a leader sends.
  static raft::SnapshotDescriptor Described(uint64_t index) {
    raft::SnapshotDescriptor descriptor = At(kFollower, index);
    descriptor.size_bytes = kSnapshotBytes;
    descriptor.crc32c = Crc32c(0, std::string(kSnapshotBytes, 's'));
    return descriptor;
  }
  absl::Status CutLog(raft::GroupKey group,
                      const raft::SnapshotDescriptor& snapshot,
                      bool discard_suffix) {
    const absl::Status status = Get<absl::Status>([&](auto done) {
      log_->SetLogStart(group, snapshot.log_start(), discard_suffix,
                        std::move(done));
    });
    if (status.ok()) RecordAcknowledgement();
    return status;
  }
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
  uint64_t resumed_ = 0;
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
  Acknowledged acknowledged;
  for (int i = 0; i < 2; ++i) {
    BeginRecordingDiskCalls();
    {
      Life life(directory);
      EXPECT_TRUE(life.Open().ok());
      const uint64_t last = acknowledged.last;
      life.Check(&acknowledged);
      EXPECT_EQ(acknowledged.last, last);
      EXPECT_FALSE(life.HasDroppedFiles());
      const absl::Status worked = life.Work(&acknowledged);
      EXPECT_TRUE(worked.ok()) << worked;
      EXPECT_EQ(life.resumed() > 0, i > 0) << life.resumed();
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
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE(absl::StrCat("kind ", static_cast<int>(kind), " call ", n));
      const std::string directory =
          absl::StrCat(directory_, "/", static_cast<int>(kind), "-", n);
      Acknowledged acknowledged;
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
        life.Check(&acknowledged);
        EXPECT_TRUE(life.Append(kGroup, 5, &acknowledged.last).ok());
        EXPECT_TRUE(life.ReceiveNext(&acknowledged).ok());
        EXPECT_TRUE(life.CreateAndDrop(&acknowledged).ok());
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
