// Snapshots: written, received, read, replaced; with an error or a crash at
// every disk operation.
#include "raft/log/snapshot_store.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "env/changed_env.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/log/files/watched_disk.h"
#include "raft/log/read_attempts.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/testing/log_harness.h"

namespace quorate::raft {
namespace {

using sim::CrashKind;

const GroupKey kGroup = TestGroup(1);

SnapshotDescriptor At(uint64_t term, uint64_t index) {
  SnapshotDescriptor descriptor;
  descriptor.position = {Term(term), Index(index)};
  descriptor.log_time = WallTime(static_cast<int64_t>(index));
  descriptor.configuration.voters = {
      {ReplicaId(1), NodeId(1), StoreIncarnation(1)}};
  return descriptor;
}

std::string Data(uint64_t index, size_t size) {
  std::string data(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    data[i] = static_cast<char>(index * 31 + i * 7 + i / 1000);
  }
  return data;
}

SnapshotDescriptor Described(uint64_t index, const std::string& data) {
  SnapshotDescriptor descriptor = At(1, index);
  SnapshotChecksums checksums(kGroup, descriptor.position);
  checksums.Add(data);
  descriptor.size_bytes = checksums.size_bytes();
  descriptor.crc32c = checksums.crc32c();
  return descriptor;
}

// Calls on a LogHarness that wait for their result.
class Store {
 public:
  explicit Store(LogHarness* harness) : h_(*harness) {}

  absl::Status Write(uint64_t index, const std::string& data,
                     GroupKey group = kGroup) {
    absl::Status status = h_.Wait([&](SnapshotStore::Done done) {
      h_.snapshots()->Begin(group, At(1, index), std::move(done));
    });
    for (size_t at = 0; status.ok() && at < data.size(); at += 50'000) {
      status = h_.Wait([&](SnapshotStore::Done done) {
        h_.snapshots()->Append(group, Buffer::Copy(data.substr(at, 50'000)),
                               std::move(done));
      });
    }
    if (!status.ok()) return status;
    absl::StatusOr<SnapshotDescriptor> finished = absl::UnknownError("");
    h_.test().InTurn([&] {
      h_.snapshots()->Finish(group, [&](auto result) { finished = result; });
    });
    if (finished.ok()) {
      EXPECT_EQ(*finished, Described(index, data));
    }
    return finished.status();
  }
  absl::StatusOr<uint64_t> Receive(const SnapshotDescriptor& descriptor,
                                   uint64_t offset, const std::string& chunk) {
    absl::StatusOr<uint64_t> result = absl::UnknownError("not called");
    h_.test().InTurn([&] {
      h_.snapshots()->Receive(kGroup, descriptor, offset, Buffer::Copy(chunk),
                              [&](auto received) { result = received; });
    });
    return result;
  }
  absl::Status FinishReceive(const SnapshotDescriptor& descriptor) {
    return h_.Wait([&](SnapshotStore::Done done) {
      h_.snapshots()->FinishReceive(kGroup, descriptor, std::move(done));
    });
  }
  absl::Status ReceiveAll(uint64_t index, const std::string& data) {
    const SnapshotDescriptor descriptor = Described(index, data);
    for (uint64_t at = 0; at < data.size();) {
      const auto received = Receive(descriptor, at, data.substr(at, 40'000));
      if (!received.ok()) return received.status();
      at = *received;
    }
    return FinishReceive(descriptor);
  }
  absl::StatusOr<std::string> Read(uint64_t index, uint64_t offset,
                                   size_t size) {
    absl::StatusOr<Buffer> result = absl::UnknownError("not called");
    h_.test().InTurn([&] {
      h_.snapshots()->Read(kGroup, At(1, index).position, offset, size,
                           [&](auto bytes) { result = std::move(bytes); });
    });
    if (!result.ok()) return result.status();
    return std::string(result->view());
  }
  absl::StatusOr<std::string> ReadAll(uint64_t index) {
    std::string data;
    while (true) {
      const auto piece = Read(index, data.size(), 30'000);
      if (!piece.ok()) return piece.status();
      if (piece->empty()) return data;
      data += *piece;
    }
  }

 private:
  LogHarness& h_;
};

class SnapshotStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(h_.CreateStore().ok());
    ASSERT_TRUE(h_.OpenSnapshots().ok());
  }
  void Restart(CrashKind kind) {
    h_.Crash(kind);
    ASSERT_TRUE(h_.OpenSnapshots().ok());
  }
  std::vector<std::string> Files() {
    std::vector<std::string> names;
    for (const auto& name : h_.world().DiskFiles(h_.test().machine())) {
      if (name.rfind("snap-", 0) == 0) names.push_back(name);
    }
    return names;
  }
  LogHarness h_;
  Store store_{&h_};
};

// Wherever the file is on its way to its final name, none of it may remain.
TEST_F(SnapshotStoreTest, AbandonedAnywhereInFinish_LeavesNoFile) {
  ASSERT_TRUE(store_.Write(10, Data(10, 1000)).ok());
  const std::vector<std::string> files = Files();
  int abandoned = 0;
  for (int64_t us = 0; us < 1000; us += 10) {
    SCOPED_TRACE(us);
    ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                    h_.snapshots()->Begin(kGroup, At(1, 20), std::move(done));
                  }).ok());
    bool finished = false;
    env::Pending turn = h_.test().env().loop.Defer([&] {
      h_.snapshots()->Finish(kGroup,
                             [&](auto result) { finished = result.ok(); });
    });
    h_.world().RunFor(Microseconds(us));
    if (finished) break;
    h_.snapshots()->Abandon(kGroup);
    h_.Run();
    EXPECT_FALSE(finished);
    EXPECT_EQ(Files(), files);
    ++abandoned;
  }
  EXPECT_GT(abandoned, 20);
}

// The removal of the failed one's files waits behind one that hangs.
TEST_F(SnapshotStoreTest, WrittenAgainAfterAnError_StaysWhenTheFirstIsRemoved) {
  const auto machine = h_.test().machine();
  const GroupKey other{GroupId(77), ReplicaId(1)};
  // Ends with the call: removals may still hang.
  const auto soon = [&](auto call) {
    std::optional<bool> ok;
    env::Pending turn = h_.test().env().loop.Defer([&] { call(&ok); });
    EXPECT_TRUE(h_.world().RunUntilTrue([&] { return ok.has_value(); }));
    return *ok;
  };
  uint64_t failed = 0;
  // The operations of Finish, one after another.
  for (uint64_t n = 1; failed == n - 1; ++n) {
    SCOPED_TRACE(n);
    const SnapshotDescriptor descriptor = At(1, 10 + n);
    const auto begin = [&](GroupKey group) {
      return soon([&](std::optional<bool>* ok) {
        h_.snapshots()->Begin(group, descriptor,
                              [ok](absl::Status status) { *ok = status.ok(); });
      });
    };
    const auto finish = [&] {
      return soon([&](std::optional<bool>* ok) {
        h_.snapshots()->Finish(kGroup,
                               [ok](auto result) { *ok = result.ok(); });
      });
    };
    ASSERT_TRUE(begin(other));
    for (const std::string& name : Files()) {
      if (name.starts_with(SnapshotName(other, descriptor.position))) {
        h_.world().StallDisk(machine, h_.world().now() + Seconds(1), name);
      }
    }
    ASSERT_TRUE(begin(kGroup));
    h_.snapshots()->Abandon(other);
    h_.world().FailDiskOperation(machine, sim::World::DiskOperation::kAny, n,
                                 /*persistent=*/false);
    if (!finish()) {
      ++failed;
      ASSERT_TRUE(begin(kGroup));
      EXPECT_TRUE(finish());
    }
    h_.world().RunFor(Seconds(2));
    Restart(CrashKind::kMachine);
    const auto newest = h_.snapshots()->newest().find(kGroup);
    ASSERT_NE(newest, h_.snapshots()->newest().end());
    EXPECT_EQ(newest->second.position, descriptor.position);
  }
  EXPECT_GT(failed, 3u);
}

TEST_F(SnapshotStoreTest, LongSnapshot_IsSyncedInPieces) {
  h_.options().snapshot_sync_bytes = 100'000;
  ASSERT_TRUE(h_.OpenSnapshots().ok());
  uint64_t n = 1;
  uint64_t failed = 0;
  // Each sync fails once: five of pieces, one of the end, one of the directory.
  while (true) {
    h_.world().FailDiskOperation(h_.test().machine(),
                                 sim::World::DiskOperation::kSync, n, false);
    if (store_.Write(n, Data(n, 500'000)).ok()) break;
    ++failed;
    ++n;
  }
  EXPECT_EQ(failed, 7u);
}

TEST_F(SnapshotStoreTest, Pace_DelaysThePiecesOfSnapshots) {
  ASSERT_TRUE(h_.OpenSnapshots().ok());
  env::BulkPace pace(h_.test().env().loop,
                     {.floor = 100'000, .ceiling = 100'000});
  uint64_t haste = 1;
  h_.snapshots()->SetPace(pace, [&haste] { return haste; });
  const std::string piece = Data(1, 50'000);
  // When the last one of ten pieces was written.
  const auto ten_written = [&](uint64_t index) {
    const sim::SimTime begin = h_.world().now();
    sim::SimTime end = begin;
    h_.test().InTurn([&] {
      h_.snapshots()->Begin(kGroup, At(1, index), [](absl::Status) {});
      for (int i = 0; i < 10; ++i) {
        h_.snapshots()->Append(kGroup, Buffer::Copy(piece),
                               [&](absl::Status) { end = h_.world().now(); });
      }
    });
    EXPECT_TRUE(h_.world().RunUntilTrue(
        [&] { return pace.done(env::BulkKind::kSnapshotWrite) >= 500'000; }));
    h_.world().RunFor(Seconds(10));
    return static_cast<double>((end - begin).ms()) / 1000;
  };
  EXPECT_NEAR(ten_written(1), 5, 0.5);
  haste = 10;
  EXPECT_NEAR(ten_written(2), 0.5, 0.25);
  const sim::SimTime begin = h_.world().now();
  ASSERT_TRUE(store_.ReceiveAll(3, Data(3, 500'000)).ok());
  EXPECT_GE(h_.world().now() - begin, Milliseconds(4'900));
}

TEST_F(SnapshotStoreTest, WrittenSnapshot_SurvivesAndReadsBack) {
  const std::string data = Data(10, 200'000);
  ASSERT_TRUE(store_.Write(10, data).ok());
  EXPECT_EQ(*store_.ReadAll(10), data);
  Restart(CrashKind::kMachine);
  ASSERT_EQ(h_.snapshots()->newest().count(kGroup), 1u);
  EXPECT_EQ(h_.snapshots()->newest().at(kGroup), Described(10, data));
  EXPECT_EQ(*store_.ReadAll(10), data);
  // Reads anywhere, across blocks, and beyond the end.
  EXPECT_EQ(*store_.Read(10, 65'530, 20), data.substr(65'530, 20));
  EXPECT_EQ(*store_.Read(10, 199'990, 1000), data.substr(199'990));
  EXPECT_EQ(*store_.Read(10, 200'000, 1000), "");
  EXPECT_EQ(*store_.Read(10, ~uint64_t{0}, 1000), "");
}

TEST_F(SnapshotStoreTest, EmptySnapshot_IsASnapshot) {
  ASSERT_TRUE(store_.Write(10, "").ok());
  Restart(CrashKind::kMachine);
  EXPECT_EQ(h_.snapshots()->newest().at(kGroup), Described(10, ""));
  EXPECT_EQ(*store_.ReadAll(10), "");
}

TEST_F(SnapshotStoreTest, NewerSnapshot_ReplacesTheOlder) {
  ASSERT_TRUE(store_.Write(10, Data(10, 1000)).ok());
  ASSERT_TRUE(store_.Write(20, Data(20, 1000)).ok());
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_FALSE(h_.snapshots()->Has(kGroup, At(1, 10).position));
  EXPECT_TRUE(h_.snapshots()->Has(kGroup, At(1, 20).position));
  EXPECT_TRUE(absl::IsNotFound(store_.Read(10, 0, 10).status()));
  EXPECT_EQ(*store_.ReadAll(20), Data(20, 1000));
}

TEST_F(SnapshotStoreTest, KeptSnapshot_IsReadableBesideTheNewest) {
  const auto keep = [this](LogPosition position) {
    h_.test().InTurn([&] { h_.snapshots()->Keep(kGroup, position); });
    h_.Run();
  };
  ASSERT_TRUE(store_.Write(10, Data(10, 100'000)).ok());
  keep(At(1, 10).position);
  for (const uint64_t newer : {20, 30}) {
    ASSERT_TRUE(store_.Write(newer, Data(newer, 1000)).ok());
    h_.Run();
    EXPECT_EQ(Files().size(), 2u) << "one older file at most";
    EXPECT_TRUE(h_.snapshots()->Has(kGroup, At(1, 10).position));
    EXPECT_EQ(*store_.ReadAll(10), Data(10, 100'000));
    EXPECT_EQ(*store_.ReadAll(newer), Data(newer, 1000));
  }
  // Keeping the newest one gives the space of the older one back.
  keep(At(1, 30).position);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(store_.Read(10, 0, 10).status()));
  ASSERT_TRUE(store_.Write(40, Data(40, 1000)).ok());
  EXPECT_EQ(*store_.ReadAll(30), Data(30, 1000));
  keep(LogPosition());
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(store_.Read(30, 0, 10).status()));
  EXPECT_EQ(*store_.ReadAll(40), Data(40, 1000));
}

TEST_F(SnapshotStoreTest, KeptSnapshot_IsRemovedAtOpenAndWithItsGroup) {
  const auto keep_and_replace = [this](uint64_t index) {
    ASSERT_TRUE(store_.Write(index, Data(index, 1000)).ok());
    h_.test().InTurn(
        [&] { h_.snapshots()->Keep(kGroup, At(1, index).position); });
    ASSERT_TRUE(store_.Write(index + 1, Data(index + 1, 1000)).ok());
    h_.Run();
    EXPECT_EQ(Files().size(), 2u);
  };
  keep_and_replace(10);
  Restart(CrashKind::kProcess);
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(*store_.ReadAll(11), Data(11, 1000));
  keep_and_replace(20);
  ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                  h_.snapshots()->Drop(kGroup, std::move(done));
                }).ok());
  EXPECT_TRUE(Files().empty());
}

// Its last reader gets its bytes.
TEST_F(SnapshotStoreTest, KeptSnapshot_ThatIsReleasedDuringARead_IsReadOn) {
  ASSERT_TRUE(store_.Write(10, Data(10, 1000)).ok());
  h_.test().InTurn([&] { h_.snapshots()->Keep(kGroup, At(1, 10).position); });
  ASSERT_TRUE(store_.Write(20, Data(20, 1000)).ok());
  ASSERT_TRUE(store_.Read(10, 0, 1).ok());
  absl::StatusOr<Buffer> result = absl::UnknownError("not called");
  h_.test().InTurn([&] {
    h_.snapshots()->Read(kGroup, At(1, 10).position, 0, 1000,
                         [&](auto bytes) { result = std::move(bytes); });
    h_.snapshots()->Keep(kGroup, LogPosition());
  });
  h_.Run();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->view(), Data(10, 1000));
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(SnapshotStoreTest, OlderSnapshotThanTheNewest_IsRefused) {
  ASSERT_TRUE(store_.Write(20, Data(20, 1000)).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(store_.Write(10, Data(10, 1000))));
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store_.ReceiveAll(10, Data(10, 1000))));
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(h_.snapshots()->newest().at(kGroup).position.index, Index(20));
}

TEST_F(SnapshotStoreTest, Abandoned_LeavesNothing) {
  ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                  h_.snapshots()->Begin(kGroup, At(1, 5), std::move(done));
                }).ok());
  h_.test().InTurn([&] {
    h_.snapshots()->Append(kGroup, Buffer::Copy("x"),
                           [](absl::Status) { ADD_FAILURE(); });
    h_.snapshots()->Abandon(kGroup);
  });
  EXPECT_TRUE(Files().empty());
  EXPECT_TRUE(absl::IsFailedPrecondition(h_.Wait([&](SnapshotStore::Done done) {
    h_.snapshots()->Append(kGroup, Buffer::Copy("x"), std::move(done));
  })));
  EXPECT_TRUE(store_.Write(5, Data(5, 70'000)).ok());
}

TEST_F(SnapshotStoreTest, StagingFiles_AreRemovedAtOpen) {
  ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                  h_.snapshots()->Begin(kGroup, At(1, 5), std::move(done));
                }).ok());
  ASSERT_TRUE(store_.Receive(Described(9, Data(9, 1000)), 0, "abc").ok());
  EXPECT_EQ(Files().size(), 2u);
  Restart(CrashKind::kProcess);
  EXPECT_TRUE(Files().empty());
  EXPECT_TRUE(h_.snapshots()->newest().empty());
}

TEST_F(SnapshotStoreTest, Receiving_AnswersWhatIsThere) {
  const std::string data = Data(30, 10'000);
  const SnapshotDescriptor descriptor = Described(30, data);
  EXPECT_EQ(*store_.Receive(descriptor, 500, data.substr(500, 10)), 0u);
  EXPECT_EQ(*store_.Receive(descriptor, 0, data.substr(0, 4000)), 4000u);
  EXPECT_EQ(*store_.Receive(descriptor, 0, data.substr(0, 4000)), 4000u);
  EXPECT_EQ(*store_.Receive(descriptor, 5000, data.substr(5000, 10)), 4000u);
  EXPECT_EQ(*store_.Receive(descriptor, 4000, data.substr(4000)), 10'000u);
  EXPECT_EQ(*store_.Receive(descriptor, 10'000, ""), 10'000u);
  ASSERT_TRUE(store_.FinishReceive(descriptor).ok());
  EXPECT_TRUE(store_.FinishReceive(descriptor).ok()) << "asked twice";
  Restart(CrashKind::kMachine);
  EXPECT_EQ(*store_.ReadAll(30), data);
}

TEST_F(SnapshotStoreTest, DiscardedReceipt_LeavesNoFile) {
  const std::string data = Data(30, 10'000);
  const SnapshotDescriptor descriptor = Described(30, data);
  const auto files = [this] {
    return h_.test().world().DiskFiles(h_.test().machine());
  };
  const auto before = files();
  EXPECT_EQ(*store_.Receive(descriptor, 0, data.substr(0, 4000)), 4000u);
  EXPECT_NE(files(), before);
  h_.test().InTurn([&] { h_.snapshots()->DiscardReceived(kGroup); });
  EXPECT_TRUE(h_.test().world().RunUntilIdle());
  EXPECT_EQ(files(), before);
  EXPECT_EQ(*store_.Receive(descriptor, 4000, data.substr(4000)), 0u);
}

TEST_F(SnapshotStoreTest, ChunksInOneTurn_AreStoredInOrder) {
  const std::string data = Data(30, 10'000);
  const SnapshotDescriptor descriptor = Described(30, data);
  std::vector<uint64_t> answers;
  h_.test().InTurn([&] {
    for (uint64_t at = 0; at < data.size(); at += 1000) {
      h_.snapshots()->Receive(
          kGroup, descriptor, at, Buffer::Copy(data.substr(at, 1000)),
          [&](auto received) { answers.push_back(*received); });
    }
  });
  ASSERT_EQ(answers.size(), 10u);
  EXPECT_TRUE(std::is_sorted(answers.begin(), answers.end()));
  EXPECT_EQ(answers.back(), 10'000u);
  EXPECT_TRUE(store_.FinishReceive(descriptor).ok());
}

TEST_F(SnapshotStoreTest, AnotherDescriptor_StartsOver) {
  const std::string data = Data(30, 1000);
  ASSERT_EQ(*store_.Receive(Described(30, data), 0, data.substr(0, 500)), 500u);
  const std::string newer = Data(40, 1000);
  EXPECT_EQ(*store_.Receive(Described(40, newer), 500, newer.substr(500)), 0u);
  EXPECT_TRUE(store_.ReceiveAll(40, newer).ok());
  EXPECT_EQ(*store_.ReadAll(40), newer);
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(SnapshotStoreTest, WrongBytes_AreDiscarded) {
  std::string data = Data(30, 1000);
  const SnapshotDescriptor descriptor = Described(30, data);
  data[77] ^= 1;
  ASSERT_TRUE(store_.Receive(descriptor, 0, data).ok());
  EXPECT_TRUE(absl::IsDataLoss(store_.FinishReceive(descriptor)));
  // The transfer starts over.
  EXPECT_EQ(*store_.Receive(descriptor, 1000, ""), 0u);
  EXPECT_TRUE(absl::IsDataLoss(store_.FinishReceive(descriptor))) << "empty";
  EXPECT_TRUE(h_.snapshots()->newest().empty());
}

TEST_F(SnapshotStoreTest, NonsenseFromALeader_IsRefused) {
  SnapshotDescriptor descriptor = Described(30, Data(30, 1000));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_.Receive(descriptor, 900, std::string(101, 'x')).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_.Receive(descriptor, ~uint64_t{0}, "x").status()));
  descriptor.configuration = {};
  EXPECT_FALSE(store_.Receive(descriptor, 0, "x").ok());
  EXPECT_TRUE(Files().empty());
}

TEST_F(SnapshotStoreTest, DroppedGroup_LeavesNoFile) {
  ASSERT_TRUE(store_.Write(10, Data(10, 1000)).ok());
  ASSERT_TRUE(store_.Write(10, Data(10, 1000), TestGroup(2)).ok());
  ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                  h_.snapshots()->Drop(kGroup, std::move(done));
                }).ok());
  Restart(CrashKind::kMachine);
  EXPECT_EQ(h_.snapshots()->newest().size(), 1u);
  EXPECT_EQ(Files().size(), 1u);
}

// Operations on a file end in any order, so its removal may come too early.
TEST_F(SnapshotStoreTest, DroppedWhileItsFilesAreCreated_LeavesNoFile) {
  h_.options().snapshot_sync_bytes = 1;
  ASSERT_TRUE(h_.OpenSnapshots().ok());
  h_.world().disk_options(h_.test().machine()).jitter = {1, 2};
  const std::string data = Data(1, 1000);
  for (uint64_t index = 1; index <= 200; ++index) {
    SCOPED_TRACE(index);
    // Creating the staging file takes about 0.2 ms, and the second file of a
    // received snapshot comes after a sync.
    if (index % 2 == 0) {
      h_.snapshots()->Begin(kGroup, At(1, index), [](absl::Status) {});
    } else {
      h_.snapshots()->Receive(kGroup, Described(index, data), 0,
                              Buffer::Copy(data.substr(0, 100)),
                              [](absl::StatusOr<uint64_t>) {});
    }
    h_.world().RunFor(Microseconds(index * 13));
    ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                    h_.snapshots()->Drop(kGroup, std::move(done));
                  }).ok());
    h_.Run();
    ASSERT_THAT(Files(), testing::IsEmpty());
  }
}

// A snapshot that is being received, with a sync after 10,000 bytes or more.
class ReceivedPartTest : public SnapshotStoreTest {
 protected:
  void SetUp() override {
    h_.options().snapshot_sync_bytes = 10'000;
    SnapshotStoreTest::SetUp();
    ReceiveUpTo(28'000);
  }
  // In chunks of 4,000 bytes.
  void ReceiveUpTo(uint64_t end, uint64_t from = 0) {
    for (uint64_t at = from; at < end; at += 4'000) {
      ASSERT_EQ(*store_.Receive(descriptor_, at, data_.substr(at, 4'000)),
                at + 4'000);
    }
  }
  // The answer to a leader that starts at the beginning.
  uint64_t Begin(const SnapshotDescriptor& descriptor) {
    return *store_.Receive(descriptor, 0, "x");
  }

  const std::string data_ = Data(30, 100'000);
  const SnapshotDescriptor descriptor_ = Described(30, data_);
};

TEST_F(ReceivedPartTest, IsContinuedBehindItsLastSync) {
  uint64_t received = 28'000;
  for (const CrashKind kind : {CrashKind::kMachine, CrashKind::kProcess}) {
    Restart(kind);
    EXPECT_EQ(Files().size(), 2u);
    const uint64_t synced = received / 12'000 * 12'000;
    EXPECT_EQ(Begin(descriptor_), synced);
    ReceiveUpTo(synced + 28'000, synced);
    received = synced + 28'000;
  }
  EXPECT_EQ(h_.world().marks().at("raft.snapshot_transfer_resumed"), 2u);
  ReceiveUpTo(100'000, received);
  ASSERT_TRUE(store_.FinishReceive(descriptor_).ok());
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
  Restart(CrashKind::kMachine);
  EXPECT_EQ(*store_.ReadAll(30), data_);
}

TEST_F(ReceivedPartTest, ChunksOfTheFirstTurn_WaitUntilItIsVerified) {
  Restart(CrashKind::kMachine);
  std::vector<uint64_t> answers;
  h_.test().InTurn([&] {
    for (const uint64_t at : {0, 4'000, 24'000}) {
      h_.snapshots()->Receive(
          kGroup, descriptor_, at, Buffer::Copy(data_.substr(at, 4'000)),
          [&](auto received) { answers.push_back(*received); });
    }
  });
  EXPECT_EQ(answers, std::vector<uint64_t>({24'000, 24'000, 24'000}));
}

// The callback of one chunk may find that the snapshot is not needed.
TEST_F(ReceivedPartTest, GivenUpByTheFirstCallback_CallsNoOther) {
  Restart(CrashKind::kMachine);
  std::vector<uint64_t> answered;
  h_.test().InTurn([&] {
    for (const uint64_t at : {0, 4'000, 24'000}) {
      h_.snapshots()->Receive(kGroup, descriptor_, at,
                              Buffer::Copy(data_.substr(at, 4'000)),
                              [&, at](auto) {
                                answered.push_back(at);
                                h_.snapshots()->DiscardReceived(kGroup);
                              });
    }
  });
  h_.Run();
  EXPECT_EQ(answered, std::vector<uint64_t>{0});
  EXPECT_TRUE(Files().empty());
}

TEST_F(ReceivedPartTest, OfAnotherSnapshot_IsRemoved) {
  SnapshotDescriptor other = descriptor_;
  ++other.crc32c;  // The next leader encodes the same state in another way.
  Restart(CrashKind::kMachine);
  EXPECT_EQ(Begin(other), 1u);
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
  EXPECT_EQ(Begin(descriptor_), 1u);
}

TEST_F(ReceivedPartTest, ThatIsNotNeeded_IsRemoved) {
  Restart(CrashKind::kMachine);
  h_.test().InTurn([&] { h_.snapshots()->DiscardReceived(kGroup); });
  h_.Run();
  EXPECT_TRUE(Files().empty());

  ReceiveUpTo(28'000);
  Restart(CrashKind::kMachine);
  ASSERT_TRUE(store_.Write(40, Data(40, 1'000)).ok());
  h_.Run();
  EXPECT_EQ(Files().size(), 1u) << "an own snapshot has more";
}

TEST_F(ReceivedPartTest, WithoutItsProgress_IsRemovedAtOpen) {
  for (const size_t removed : {0, 1}) {
    const std::vector<std::string> files = Files();
    ASSERT_EQ(files.size(), 2u);
    env::Pending removal;
    h_.test().InTurn([&] {
      removal = h_.test().env().disk.Remove(
          files[removed],
          [](absl::Status status) { EXPECT_TRUE(status.ok()); });
    });
    Restart(CrashKind::kProcess);
    EXPECT_TRUE(Files().empty());
    ReceiveUpTo(28'000);
  }
}

TEST_F(ReceivedPartTest, DamagedBytes_AreReceivedAgain) {
  h_.Crash(CrashKind::kProcess);
  const std::string name = Files().at(0);
  ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, 15'000, 3));
  ASSERT_TRUE(h_.OpenSnapshots().ok());
  EXPECT_EQ(Begin(descriptor_), 12'000u);
  ReceiveUpTo(100'000, 12'000);
  ASSERT_TRUE(store_.FinishReceive(descriptor_).ok());
  EXPECT_EQ(*store_.ReadAll(30), data_);
}

TEST_F(ReceivedPartTest, AnyBitOfItsProgressFlipped_LosesBytesAtMost) {
  size_t size = h_.ReadFile(Files().at(1)).size();
  ASSERT_GT(size, 50u);
  for (uint64_t i = 0; i < size; ++i) {
    SCOPED_TRACE(i);
    h_.Crash(CrashKind::kProcess);
    ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), Files().at(1), i,
                                       static_cast<int>(i % 8)));
    ASSERT_TRUE(h_.OpenSnapshots().ok());
    const uint64_t received = Begin(descriptor_);
    EXPECT_TRUE(received == 1 || received == 12'000) << received;
    h_.test().InTurn([&] { h_.snapshots()->DiscardReceived(kGroup); });
    h_.Run();
    ReceiveUpTo(28'000);
  }
}

// The transfer ends with the right bytes, whatever the crash leaves.
TEST(ReceivedPartCrashNth, AnyOperation_IsContinued) {
  const std::string data = Data(30, 60'000);
  const SnapshotDescriptor descriptor = Described(30, data);
  uint64_t resumed = 0;
  for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n));
      ASSERT_LT(n, 500u);
      LogHarness h(n);
      h.options().snapshot_sync_bytes = 10'000;
      ASSERT_TRUE(h.CreateStore().ok());
      Store store(&h);
      ASSERT_TRUE(h.OpenSnapshots().ok());
      h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
      const auto receive = [&] {
        uint64_t at = 0;
        while (at < data.size()) {
          const auto received =
              store.Receive(descriptor, at, data.substr(at, 4'000));
          if (!received.ok() || *received < at) return;
          at = *received;
        }
        (void)store.FinishReceive(descriptor);
      };
      receive();
      const bool crashed = !h.running();
      h.Crash(kind);
      ASSERT_TRUE(h.OpenSnapshots().ok());
      if (h.snapshots()->newest().empty()) receive();
      EXPECT_EQ(*store.ReadAll(30), data);
      const auto mark =
          h.world().marks().find("raft.snapshot_transfer_resumed");
      if (mark != h.world().marks().end()) resumed += mark->second;
      EXPECT_TRUE(h.world().violations().empty());
      if (HasFailure()) return;
      if (!crashed) break;
    }
  }
  EXPECT_GT(resumed, 10u);
}

TEST_F(SnapshotStoreTest, AnotherStoresSnapshot_IsRefused) {
  ASSERT_TRUE(store_.Write(10, Data(10, 1000)).ok());
  h_.Crash(CrashKind::kProcess);
  h_.options().store = StoreIncarnation(777);
  const absl::Status status = h_.OpenSnapshots();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
}

TEST_F(SnapshotStoreTest, AnyBitFlipped_IsReported) {
  const std::string data = Data(10, 3000);
  ASSERT_TRUE(store_.Write(10, data).ok());
  const std::string name = Files().at(0);
  const size_t size = h_.ReadFile(name).size();
  for (uint64_t i = 0; i < size; ++i) {
    SCOPED_TRACE(i);
    const int bit = static_cast<int>(i % 8);
    h_.Crash(CrashKind::kProcess);
    ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, i, bit));
    ASSERT_TRUE(h_.OpenSnapshots().ok());
    if (i < data.size()) {
      EXPECT_TRUE(absl::IsDataLoss(store_.ReadAll(10).status()));
    } else {
      EXPECT_TRUE(
          absl::IsDataLoss(h_.snapshots()->damaged().at(kGroup).at(0).why));
      EXPECT_TRUE(h_.snapshots()->newest().empty());
    }
    ASSERT_TRUE(h_.world().FlipDiskBit(h_.test().machine(), name, i, bit));
  }
  Restart(CrashKind::kProcess);
  EXPECT_EQ(*store_.ReadAll(10), data);
}

// Open goes on without the snapshot. The other group keeps its own.
TEST_F(SnapshotStoreTest, UnreadableBytes_DamageTheirSnapshotAlone) {
  const GroupKey other = TestGroup(2);
  const std::string data = Data(10, 3000);
  ASSERT_TRUE(store_.Write(10, data).ok());
  const std::string name = Files().at(0);
  ASSERT_TRUE(store_.Write(20, data, other).ok());
  const size_t size = h_.ReadFile(name).size();
  // Those behind the data hold the trailer and the footer.
  for (uint64_t at : {uint64_t{0}, uint64_t{data.size()}, size - 1}) {
    SCOPED_TRACE(at);
    h_.Crash(CrashKind::kProcess);
    h_.world().MakeUnreadable(h_.test().machine(), name, at, 1);
    const absl::Status opened = h_.OpenSnapshots();
    ASSERT_TRUE(opened.ok()) << opened;
    EXPECT_EQ(h_.snapshots()->newest().count(other), 1u);
    EXPECT_EQ(h_.snapshots()->damaged().count(other), 0u);
    if (at < data.size()) {
      EXPECT_FALSE(store_.ReadAll(10).ok());
    } else {
      EXPECT_EQ(h_.snapshots()->newest().count(kGroup), 0u);
      EXPECT_TRUE(
          absl::IsDataLoss(h_.snapshots()->damaged().at(kGroup).at(0).why));
    }
    h_.world().HealDisk(h_.test().machine());
  }
  // Nothing was removed: the disk can read the file again.
  Restart(CrashKind::kProcess);
  EXPECT_EQ(*store_.ReadAll(10), data);
}

// The files are a snapshot and one that was received in part.
TEST_F(ReceivedPartTest, OperationThatFailsOnceAtOpen_LosesNothing) {
  ASSERT_TRUE(store_.Write(10, Data(10, 3000)).ok());
  const auto machine = h_.test().machine();
  int opened = 0;
  for (uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE(nth);
    h_.Crash(CrashKind::kProcess);
    h_.world().FailDiskOperation(machine, sim::World::DiskOperation::kRead, nth,
                                 /*persistent=*/false);
    const absl::Status status = h_.OpenSnapshots();
    const bool failed = h_.world().disk_failures(machine) > 0;
    h_.world().HealDisk(machine);
    if (!failed) break;
    if (!status.ok()) continue;
    ++opened;
    EXPECT_TRUE(h_.snapshots()->damaged().empty());
    EXPECT_EQ(h_.snapshots()->newest().count(kGroup), 1u);
    EXPECT_EQ(Files().size(), 3u);
  }
  // Opening, size, footer and trailer of the snapshot; opening and bytes of the
  // progress.
  EXPECT_EQ(opened, 6);
}

// Files can be opened again when the attempts at the first one are over.
TEST_F(SnapshotStoreTest, SnapshotThatCannotBeOpened_DamagesItsGroupAlone) {
  const GroupKey other = TestGroup(2);
  ASSERT_TRUE(store_.Write(10, Data(10, 3000)).ok());
  ASSERT_TRUE(store_.Write(20, Data(20, 3000), other).ok());
  h_.Crash(CrashKind::kProcess);
  const auto machine = h_.test().machine();
  h_.world().LimitOpenFiles(machine, 0);
  h_.world().At(
      h_.world().now() + ReadAttempts::kPause * ReadAttempts::kAttemptsMax,
      [&] { h_.world().HealDisk(machine); });
  const absl::Status opened = h_.OpenSnapshots();
  ASSERT_TRUE(opened.ok()) << opened;
  const absl::Status why = h_.snapshots()->damaged().at(kGroup).at(0).why;
  EXPECT_TRUE(absl::IsResourceExhausted(why)) << why;
  EXPECT_EQ(h_.snapshots()->newest().count(kGroup), 0u);
  EXPECT_EQ(h_.snapshots()->newest().count(other), 1u);
}

// A disk on which one file belongs to another user.
class DiskOfTwoUsers final : public ForwardingDisk {
 public:
  DiskOfTwoUsers(env::Disk& disk, std::string other)
      : ForwardingDisk(disk), other_(std::move(other)) {}
  env::Pending Open(std::string_view name, OpenMode mode, env::FileUse use,
                    OpenDone done) override {
    const bool refused = name == other_;
    return ForwardingDisk::Open(
        name, mode, use,
        [refused, done = std::move(done)](
            absl::StatusOr<std::unique_ptr<env::File>> file) mutable {
          if (refused) file = absl::PermissionDeniedError("of another user");
          done(std::move(file));
        });
  }

 private:
  const std::string other_;
};

// A restore as another user loses no data: the start does not fence.
TEST_F(SnapshotStoreTest, SnapshotOfAnotherUser_IsNotTakenForDamaged) {
  const GroupKey other = TestGroup(2);
  ASSERT_TRUE(store_.Write(10, Data(10, 3000)).ok());
  ASSERT_TRUE(store_.Write(20, Data(20, 3000), other).ok());
  h_.Crash(CrashKind::kProcess);
  env::Env& real = h_.test().env();
  DiskOfTwoUsers disk(real.disk, SnapshotName(kGroup, At(1, 10).position));
  env::Env env = env::WithDisk(real, disk);
  std::unique_ptr<SnapshotStore> opened;
  const auto opening = SnapshotStore::Open(env, h_.options(), [&](auto store) {
    ASSERT_TRUE(store.ok()) << store.status();
    opened = *std::move(store);
  });
  h_.Run();
  ASSERT_NE(opened, nullptr);
  const absl::Status why = opened->damaged().at(kGroup).at(0).why;
  EXPECT_TRUE(absl::IsPermissionDenied(why)) << why;
  EXPECT_TRUE(ReadAttempts::MayPass(why));
  EXPECT_EQ(opened->newest().count(other), 1u);
}

TEST_F(SnapshotStoreTest, SnapshotAboveTheLimit_IsRefused) {
  h_.Close();
  h_.options().snapshot_bytes_max = 120'000;
  Restart(CrashKind::kProcess);
  EXPECT_TRUE(absl::IsInvalidArgument(store_.Write(10, Data(10, 120'001))));
  h_.Run();
  EXPECT_EQ(Files().size(), 0u);
  const std::string data = Data(20, 120'001);
  EXPECT_TRUE(absl::IsInvalidArgument(
      store_.Receive(Described(20, data), 0, data.substr(0, 4'000)).status()));
  h_.Run();
  EXPECT_EQ(Files().size(), 0u);
  EXPECT_TRUE(store_.Write(30, Data(30, 120'000)).ok());
  EXPECT_TRUE(store_.ReceiveAll(40, Data(40, 120'000)).ok());
}

// The end of the largest one fits into one operation of the disk, with room for
// a configuration.
TEST(SnapshotLimit, LargestSnapshot_HasAnEndOfOneOperation) {
  SnapshotTrailer trailer{.descriptor = At(1, 1)};
  trailer.blocks.resize(LogOptions().snapshot_bytes_max / kSnapshotBlockBytes);
  const size_t bytes =
      EncodeSnapshotEnd(kTestCluster, StoreIncarnation(1), trailer).size();
  EXPECT_LE(bytes + (60 << 10), env::kDiskOperationBytesMax);
}

TEST_F(SnapshotStoreTest,
       SurplusFileThatCannotBeRemoved_StaysUntilTheNextOpen) {
  ASSERT_TRUE(store_.Write(10, Data(10, 3000)).ok());
  ASSERT_TRUE(h_.Wait([&](SnapshotStore::Done done) {
                  h_.snapshots()->Begin(kGroup, At(1, 20), std::move(done));
                }).ok());
  h_.Crash(CrashKind::kProcess);
  h_.world().FailDiskOperation(h_.test().machine(),
                               sim::World::DiskOperation::kWrite, 1,
                               /*persistent=*/false);
  const absl::Status opened = h_.OpenSnapshots();
  ASSERT_TRUE(opened.ok()) << opened;
  EXPECT_EQ(h_.world().disk_failures(h_.test().machine()), 1u);
  EXPECT_EQ(Files().size(), 2u);
  Restart(CrashKind::kProcess);
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(SnapshotStoreTest, DestroyedWithinACallback_CallsNothingMore) {
  int called = 0;
  h_.test().InTurn([&] {
    h_.snapshots()->Begin(kGroup, At(1, 5), [&](absl::Status) {
      ++called;
      h_.Close();
    });
    h_.snapshots()->Append(kGroup, Buffer::Copy("x"),
                           [&](absl::Status) { ++called; });
  });
  EXPECT_EQ(called, 1);
}

// One life: an own snapshot, a received one over it, reads.
absl::Status Life(Store& store, uint64_t base, uint64_t* durable) {
  absl::Status status = store.Write(base + 1, Data(base + 1, 120'000));
  if (!status.ok()) return status;
  *durable = base + 1;
  const auto read = store.ReadAll(base + 1);
  if (!read.ok()) return read.status();
  EXPECT_EQ(*read, Data(base + 1, 120'000));
  status = store.ReceiveAll(base + 2, Data(base + 2, 90'000));
  if (!status.ok()) return status;
  *durable = base + 2;
  const auto received = store.ReadAll(base + 2);
  if (!received.ok()) return received.status();
  EXPECT_EQ(*received, Data(base + 2, 90'000));
  return absl::OkStatus();
}

// The stored snapshot must be complete: the last one reported durable, or a
// later one.
void CheckNewest(LogHarness& h, uint64_t durable) {
  Store store(&h);
  const auto& newest = h.snapshots()->newest();
  const auto found = newest.find(kGroup);
  if (found == newest.end()) {
    EXPECT_EQ(durable, 0u) << "a durable snapshot is gone";
    return;
  }
  const uint64_t index = found->second.position.index.value();
  EXPECT_GE(index, durable);
  const auto data = store.ReadAll(index);
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_EQ(*data, Data(index, index % 2 == 1 ? 120'000 : 90'000));
  EXPECT_TRUE(h.snapshots()->damaged().empty());
}

// A disk on which the log's reserve is 64 KiB.
class SnapshotRoomTest : public ReceivedPartTest {
 protected:
  void SetFreeBytes(uint64_t free) {
    h_.Run();
    uint64_t used = 0;
    for (const auto& name : h_.world().DiskFiles(h_.test().machine())) {
      used += h_.world().DiskFileSize(h_.test().machine(), name);
    }
    h_.world().disk_options(h_.test().machine()).capacity_bytes = used + free;
  }
  static constexpr uint64_t kReserve = 64 << 10;
};

TEST_F(SnapshotRoomTest, OwnSnapshotWithoutRoom_IsRefusedAndWorksLater) {
  h_.snapshots()->DiscardReceived(kGroup);
  SetFreeBytes(kReserve + 120'000);
  const std::string data = Data(10, 200'000);
  EXPECT_TRUE(absl::IsResourceExhausted(store_.Write(10, data)));
  h_.Run();
  EXPECT_EQ(h_.snapshots()->refused_for_room(), 1u);
  EXPECT_EQ(Files().size(), 0u);
  SetFreeBytes(kReserve + 220'000);
  EXPECT_TRUE(store_.Write(10, data).ok());
  EXPECT_EQ(*store_.ReadAll(10), data);
  EXPECT_EQ(h_.snapshots()->refused_for_room(), 1u);
}

TEST_F(SnapshotRoomTest, TransferWithoutRoomForAll_IsNotBegun) {
  h_.snapshots()->DiscardReceived(kGroup);
  SetFreeBytes(kReserve + 90'000);
  const auto refused = store_.Receive(descriptor_, 0, data_.substr(0, 4'000));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  EXPECT_EQ(h_.snapshots()->refused_for_room(), 1u);
  EXPECT_EQ(Files().size(), 0u);
  SetFreeBytes(kReserve + 110'000);
  EXPECT_TRUE(store_.ReceiveAll(30, data_).ok());
}

TEST_F(SnapshotRoomTest, RoomThatTheLogTakes_EndsTheTransfer) {
  SetFreeBytes(kReserve + 50'000);
  absl::StatusOr<uint64_t> refused = 28'000;
  while (refused.ok() && *refused < 50'000) {
    refused =
        store_.Receive(descriptor_, *refused, data_.substr(*refused, 4'000));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status())) << refused.status();
  h_.Run();
  EXPECT_EQ(Files().size(), 0u) << "its space is free again";
}

TEST_F(SnapshotRoomTest, PartThatNoTransferResumed_IsRemovedFirst) {
  Restart(CrashKind::kProcess);
  EXPECT_EQ(Files().size(), 2u);
  SetFreeBytes(kReserve);
  EXPECT_TRUE(store_.Write(20, Data(20, 20'000), TestGroup(2)).ok());
  EXPECT_EQ(h_.snapshots()->refused_for_room(), 0u);
  h_.Run();
  EXPECT_EQ(Files().size(), 1u);
}

TEST_F(SnapshotRoomTest, LackOfRoom_FirstAsksTheLogForItsUnusedFiles) {
  h_.snapshots()->DiscardReceived(kGroup);
  SetFreeBytes(kReserve);
  int calls = 0;
  h_.snapshots()->OnLackOfRoom([&] {
    ++calls;
    h_.world().disk_options(h_.test().machine()).capacity_bytes += 50'000;
    return true;
  });
  EXPECT_TRUE(store_.Write(10, Data(10, 20'000)).ok());
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(h_.snapshots()->refused_for_room(), 0u);
}

TEST(SnapshotFailNth, AnyOperation_IsReportedAndTheNextTryWorks) {
  for (const bool persistent : {false, true}) {
    for (uint64_t n = 1;; ++n) {
      SCOPED_TRACE("operation " + std::to_string(n));
      ASSERT_LT(n, 500u);
      LogHarness h;
      h.options().snapshot_sync_bytes = 50'000;
      ASSERT_TRUE(h.CreateStore().ok());
      Store store(&h);
      h.world().FailDiskOperation(
          h.test().machine(), sim::World::DiskOperation::kAny, n, persistent);
      uint64_t durable = 0;
      absl::Status status = h.OpenSnapshots();
      if (status.ok()) status = Life(store, 0, &durable);
      h.Run();
      const auto& faults = h.world().faults();
      const bool injected = faults.count(sim::Fault::kDiskReadError) +
                                faults.count(sim::Fault::kDiskWriteError) +
                                faults.count(sim::Fault::kDiskSyncError) >
                            0;
      h.world().HealDisk(h.test().machine());
      if (!status.ok()) {
        EXPECT_TRUE(injected);
        EXPECT_TRUE(absl::IsUnavailable(status) || absl::IsDataLoss(status))
            << status;
        if (h.snapshots() != nullptr) {
          // An error in a snapshot needs no restart.
          EXPECT_TRUE(Life(store, 10, &durable).ok());
        }
      }
      h.Crash(CrashKind::kMachine);
      ASSERT_TRUE(h.OpenSnapshots().ok());
      CheckNewest(h, durable);
      EXPECT_TRUE(h.world().violations().empty());
      if (HasFailure()) return;
      if (!injected) {
        EXPECT_GT(n, 20u);
        break;
      }
    }
  }
}

TEST(SnapshotCrashNth, AnyOperation_LeavesAWholeSnapshot) {
  for (const CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      for (uint64_t n = 1;; ++n) {
        SCOPED_TRACE("operation " + std::to_string(n));
        ASSERT_LT(n, 500u);
        LogHarness h(seed);
        h.options().snapshot_sync_bytes = 50'000;
        ASSERT_TRUE(h.CreateStore().ok());
        Store store(&h);
        ASSERT_TRUE(h.OpenSnapshots().ok());
        h.world().CrashAtDiskOperation(h.test().machine(), n, kind);
        uint64_t durable = 0;
        (void)Life(store, 0, &durable);
        const bool crashed = !h.running();
        h.Crash(kind);
        ASSERT_TRUE(h.OpenSnapshots().ok());
        CheckNewest(h, durable);
        EXPECT_TRUE(Life(store, 10, &durable).ok());
        if (HasFailure()) return;
        if (!crashed) break;
      }
    }
  }
}

}  // namespace
}  // namespace quorate::raft
