// Transfers of snapshots: several chunks are in flight, each is sent once, and
// lost ones again. The test is the host, and the other side of the transfer.
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

constexpr uint64_t kChunk = 10;
constexpr uint64_t kSize = 100;

class SnapshotTransferTest : public ReplicaTest {
 protected:
  SnapshotTransferTest() {
    options_.snapshot_chunk_bytes = kChunk;
    options_.snapshot_inflight_bytes_max = 3 * kChunk;
  }
  SnapshotDescriptor Snapshot(LogPosition position, uint64_t size = kSize) {
    SnapshotDescriptor snapshot = SmallSnapshot(position);
    snapshot.size_bytes = size;
    return snapshot;
  }
  static std::vector<Message> Chunks(const std::vector<Message>& messages) {
    return Of(messages, MessageType::kSnapshotChunk);
  }
};

// ---- The leader.

// Replica 3 needs the snapshot that replica 1 leads with.
class SendingTest : public SnapshotTransferTest {
 protected:
  void Begin(uint64_t size = kSize) {
    Start(Term(1));
    BecomeServingLeader();
    snapshot_ = Snapshot(At(2, 2), size);
    Step(SnapshotTaken{snapshot_, Index(2)});
    Receive(Rejection(3, 2, At(1, 1)));
    Collect();
  }
  // Completes reads until none is outstanding.
  void FinishReads() {
    while (!reads_.empty()) {
      const SnapshotWork read = reads_.front();
      reads_.erase(reads_.begin());
      Step(ChunkRead{read.to, read.snapshot, read.offset,
                     Buffer::Copy(std::string(kChunk, 'x')), false});
      Collect();
    }
  }
  void Collect() {
    for (const SnapshotWork& work : out_.snapshots) reads_.push_back(work);
    for (const Message& chunk : Chunks(out_.messages)) {
      if (chunk.part->chunk.empty()) {
        ++questions_;
      } else {
        sent_.push_back(chunk.part->offset);
      }
      number_ = chunk.number;
    }
  }
  void Reply(uint64_t offset, uint64_t staged, bool reject = false,
             AppendNumber number = AppendNumber()) {
    Message reply = From(3, MessageType::kSnapshotReply, 2);
    reply.number = number == AppendNumber() ? number_ : number;
    reply.reject = reject;
    reply.part.Mutable().snapshot.position = snapshot_.position;
    reply.part.Mutable().offset = offset;
    reply.part.Mutable().staged = staged;
    Receive(reply);
    Collect();
    FinishReads();
  }
  std::vector<uint64_t> TakeSent() { return std::exchange(sent_, {}); }

  SnapshotDescriptor snapshot_;
  std::vector<SnapshotWork> reads_;
  std::vector<uint64_t> sent_;  // Offsets of the chunks with bytes.
  int questions_ = 0;           // Chunks without.
  AppendNumber number_;         // The newest chunk.
};

using Offsets = std::vector<uint64_t>;

TEST_F(SendingTest, Chunks_FillTheWindowOnceTheFollowerHasReplied) {
  Begin();
  FinishReads();
  EXPECT_EQ(TakeSent(), Offsets({0}));
  Reply(10, 0);
  EXPECT_EQ(TakeSent(), Offsets({10, 20}));
  Reply(30, 10);
  EXPECT_EQ(TakeSent(), Offsets({30}));
  Reply(40, 40);
  EXPECT_EQ(TakeSent(), Offsets({40, 50, 60}));
  Reply(70, 70);
  Reply(100, 100);
  EXPECT_EQ(TakeSent(), Offsets({70, 80, 90}));
  EXPECT_EQ(questions_, 0);
}

TEST_F(SendingTest, FollowerThatHasAPart_GetsTheRest) {
  Begin();
  FinishReads();
  EXPECT_EQ(TakeSent(), Offsets({0}));
  Reply(70, 70);
  EXPECT_EQ(TakeSent(), Offsets({70, 80, 90}));
}

TEST_F(SendingTest, OverdueReply_IsAskedForWithoutBytes) {
  Begin();
  FinishReads();
  Reply(10, 10);
  EXPECT_EQ(TakeSent(), Offsets({0, 10, 20, 30}));
  for (int i = 1; i <= 5; ++i) {
    Receive(From(3, MessageType::kHeartbeatReply, 2));
    Pass(options_.retry_interval);
    Step(TimerFired());
    Collect();
    EXPECT_EQ(questions_, i);
    Reply(40, 10);  // Its disk is slow.
  }
  EXPECT_EQ(TakeSent(), Offsets()) << "nothing is sent twice";
  Reply(40, 40);
  EXPECT_EQ(TakeSent(), Offsets({40, 50, 60}));
}

TEST_F(SendingTest, LostChunk_IsSentAgainOnce) {
  Begin();
  FinishReads();
  const AppendNumber first = number_;
  Reply(10, 10);
  EXPECT_EQ(TakeSent(), Offsets({0, 10, 20, 30}));
  const AppendNumber last = number_;
  // The chunk at 10 is lost. Those behind it are refused, one after another.
  Reply(10, 10, /*reject=*/true, last);
  EXPECT_EQ(TakeSent(), Offsets({10, 20})) << "the window is half";
  Reply(10, 10, /*reject=*/true, last);
  Reply(30, 0, /*reject=*/false, first);
  EXPECT_EQ(TakeSent(), Offsets()) << "these replies are out of date";
  Reply(40, 40);
  EXPECT_EQ(TakeSent(), Offsets({40, 50, 60}));
}

// The follower has room for one chunk, and refuses all that arrive with it.
TEST_F(SendingTest, FollowerWithLessRoom_GetsAboutWhatItTakes) {
  Begin();
  FinishReads();
  Reply(10, 10);
  size_t arrived = TakeSent().size();
  size_t sent = arrived;
  for (uint64_t has = 20; has < kSize; has += kChunk) {
    Reply(has, has, /*reject=*/arrived > 1);
    arrived = TakeSent().size();
    sent += arrived;
  }
  EXPECT_LE(sent, 2 * kSize / kChunk);
}

TEST_F(SendingTest, LostStagingFile_IsFilledFromItsBeginning) {
  Begin();
  FinishReads();
  Reply(10, 10);
  Reply(40, 40);
  TakeSent();
  Reply(0, 0, /*reject=*/true);
  EXPECT_EQ(TakeSent(), Offsets({0})) << "it may have more than it says";
  Reply(40, 40);
  EXPECT_EQ(TakeSent(), Offsets({40, 50, 60}));
}

TEST_F(SendingTest, ReadThatTheFollowerOvertook_IsNotSent) {
  Begin();
  ASSERT_EQ(reads_.size(), 1u);
  FinishReads();
  TakeSent();
  Message reply = From(3, MessageType::kSnapshotReply, 2);
  reply.number = number_;
  reply.part.Mutable().snapshot.position = snapshot_.position;
  reply.part.Mutable().offset = reply.part.Mutable().staged = 10;
  Receive(reply);
  Collect();
  ASSERT_EQ(reads_.size(), 1u);
  EXPECT_EQ(reads_[0].offset, 10u);
  reply.part.Mutable().offset = reply.part.Mutable().staged = 50;
  Receive(reply);
  Collect();
  EXPECT_EQ(reads_.size(), 1u) << "one read at a time";
  FinishReads();
  EXPECT_EQ(TakeSent(), Offsets({50, 60, 70}));
}

TEST_F(SendingTest, UnreadableSnapshot_IsReadAgainAfterAWhile) {
  Begin();
  FinishReads();
  Reply(10, 10);
  TakeSent();
  Message reply = From(3, MessageType::kSnapshotReply, 2);
  reply.number = number_;
  reply.part.Mutable().snapshot.position = snapshot_.position;
  reply.part.Mutable().offset = reply.part.Mutable().staged = 40;
  Receive(reply);
  ASSERT_EQ(out_.snapshots.size(), 1u);
  Step(ChunkRead{ReplicaId(3), snapshot_, 40, Buffer(), true});
  EXPECT_TRUE(out_.snapshots.empty());
  Pass(options_.retry_interval);
  Step(TimerFired());
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].offset, 0u);
}

TEST_F(SendingTest, EmptySnapshot_IsOneChunk) {
  Begin(0);
  EXPECT_EQ(questions_, 1);
  EXPECT_TRUE(reads_.empty());
  Pass(options_.retry_interval);
  Step(TimerFired());
  Collect();
  EXPECT_EQ(questions_, 2);
  Reply(0, 0);
  EXPECT_TRUE(reads_.empty());
}

TEST_F(SendingTest, RepliesThatNoFollowerSends_AreDropped) {
  Begin();
  FinishReads();
  const auto dropped = [this] {
    return out_.events.size() == 1 &&
           out_.events[0].kind == Event::Kind::kInvalidMessage;
  };
  Message reply = From(3, MessageType::kSnapshotReply, 2);
  reply.number = number_;
  reply.part.Mutable().snapshot.position = snapshot_.position;
  reply.part.Mutable().offset = kSize + 1;
  Receive(reply);
  EXPECT_TRUE(dropped());
  reply.part.Mutable().offset = 10;
  reply.part.Mutable().staged = 11;
  Receive(reply);
  EXPECT_TRUE(dropped());
  reply.part.Mutable().staged = 10;
  reply.number = number_ + 1;
  Receive(reply);
  EXPECT_TRUE(dropped());
  reply.number = number_;
  Receive(reply);
  EXPECT_TRUE(out_.events.empty());
}

// ---- The follower.

class ReceivingTest : public SnapshotTransferTest {
 protected:
  void SetUp() override {
    Start(Term(2));
    snapshot_ = Snapshot(At(2, 9));
  }
  void Chunk(uint64_t offset, uint64_t size = kChunk, uint64_t term = 3) {
    Message chunk = From(2, MessageType::kSnapshotChunk, term);
    chunk.number = AppendNumber(++chunks_);
    chunk.part.Mutable().snapshot = snapshot_;
    chunk.part.Mutable().offset = offset;
    chunk.part.Mutable().chunk = Buffer::Copy(std::string(size, 'x'));
    Receive(chunk);
    FinishWrites();
  }
  // Receives a chunk that is passed to the host.
  void Accepted(uint64_t offset) {
    Chunk(offset);
    ASSERT_EQ(out_.snapshots.size(), 1u);
    EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kWrite);
    EXPECT_EQ(out_.snapshots[0].offset, offset);
  }
  void Written(uint64_t received, uint64_t end) {
    Step(ChunkWritten{snapshot_, received, end});
  }
  // The last step sent exactly this reply.
  void ExpectReply(uint64_t offset, uint64_t staged, bool reject) {
    const auto replies = Of(out_.messages, MessageType::kSnapshotReply);
    ASSERT_EQ(replies.size(), 1u);
    EXPECT_EQ(replies[0].part->offset, offset);
    EXPECT_EQ(replies[0].part->staged, staged);
    EXPECT_EQ(replies[0].reject, reject);
    EXPECT_EQ(replies[0].number, AppendNumber(chunks_));
  }

  SnapshotDescriptor snapshot_;
  uint64_t chunks_ = 0;
};

TEST_F(ReceivingTest, Chunks_AreAcceptedBehindOneThatIsWritten) {
  Chunk(0);  // The term is new, so this reply waits for the disk.
  Accepted(10);
  Accepted(20);
  EXPECT_TRUE(out_.messages.empty());
  Written(10, 10);
  ExpectReply(30, 10, /*reject=*/false);
  Accepted(30);
  Written(20, 20);
  ExpectReply(40, 20, /*reject=*/false);
}

TEST_F(ReceivingTest, ChunksBeyondTheBound_AreWantedOnceThereIsRoom) {
  for (const uint64_t offset : {0, 10, 20}) Chunk(offset);
  for (const uint64_t offset : {30, 40}) {
    Chunk(offset);
    EXPECT_TRUE(out_.snapshots.empty());
    EXPECT_TRUE(out_.messages.empty());
  }
  Written(10, 10);
  ExpectReply(30, 10, /*reject=*/false);
  Written(20, 20);
  ExpectReply(30, 20, /*reject=*/true);
  Written(30, 30);
  ExpectReply(30, 30, /*reject=*/false);
  Accepted(30);
}

TEST_F(ReceivingTest, ChunkLargerThanTheBound_IsAcceptedAlone) {
  Chunk(0, 2 * kChunk);
  Chunk(20, 4 * kChunk);
  EXPECT_TRUE(out_.snapshots.empty());
  Written(20, 20);
  ExpectReply(20, 20, /*reject=*/true);
  Chunk(20, 4 * kChunk);
  EXPECT_EQ(out_.snapshots.size(), 1u);
}

// Chunks of other groups wait for the disk of this node.
class CrowdedReceivingTest : public ReceivingTest, protected HostGate {
 protected:
  CrowdedReceivingTest() { context_.gate = this; }
  bool MaySend(ReplicaId, Load) override { return true; }
  bool MayStage(uint64_t bytes) override { return bytes <= room_; }
  uint64_t room_ = 100;
};

TEST_F(CrowdedReceivingTest, ChunkWithoutRoom_IsAcceptedWhenTheLeaderAsks) {
  room_ = kChunk - 1;
  Chunk(0);
  EXPECT_TRUE(out_.snapshots.empty());
  EXPECT_TRUE(out_.messages.empty());
  room_ = 0;
  Chunk(10, 0);
  EXPECT_TRUE(out_.messages.empty());
  room_ = kChunk;
  Chunk(10, 0);
  ExpectReply(0, 0, /*reject=*/true);
  Accepted(0);
}

TEST_F(CrowdedReceivingTest, ChunkWrittenWithoutRoom_AsksForNoFurtherOne) {
  Chunk(0);
  room_ = 0;
  Chunk(10);
  EXPECT_TRUE(out_.snapshots.empty());
  Written(10, 10);
  ExpectReply(10, 10, /*reject=*/false);
  room_ = kChunk;
  Chunk(20, 0);
  ExpectReply(10, 10, /*reject=*/true);
  Accepted(10);
}

TEST_F(ReceivingTest, MissingChunk_IsReportedAtOnce) {
  Chunk(0);
  Chunk(20);
  EXPECT_TRUE(out_.snapshots.empty());
  ExpectReply(10, 0, /*reject=*/true);
  Accepted(10);
  Chunk(0);
  EXPECT_TRUE(out_.snapshots.empty());
  ExpectReply(20, 0, /*reject=*/false);
}

TEST_F(ReceivingTest, Question_IsAnsweredWithTheBytesAccepted) {
  Chunk(0);
  Chunk(10, 0);
  ExpectReply(10, 0, /*reject=*/false);
  Chunk(30, 0);
  ExpectReply(10, 0, /*reject=*/true);
}

TEST_F(ReceivingTest, LostStagingFile_RejectsWhatWasAccepted) {
  for (const uint64_t offset : {0, 10, 20}) Chunk(offset);
  Written(10, 10);
  Written(0, 20);
  ExpectReply(0, 0, /*reject=*/true);
  Written(0, 30);
  ExpectReply(0, 0, /*reject=*/true);
  Accepted(0);
}

// The host kept the staging file over a restart.
TEST_F(ReceivingTest, StagingFileWithMoreBytes_SkipsThem) {
  Chunk(0);
  Written(70, 10);
  ExpectReply(70, 70, /*reject=*/false);
  Accepted(70);
  Accepted(80);
  Accepted(90);
  Written(80, 80);
  Written(90, 90);
  Written(100, 100);
  ASSERT_EQ(out_.snapshots.size(), 1u);
  EXPECT_EQ(out_.snapshots[0].kind, SnapshotWork::Kind::kInstall);
}

TEST_F(ReceivingTest, NextLeader_GetsNoNumbersOfTheOneBefore) {
  Chunk(0);
  chunks_ = 0;
  Message heartbeat = From(3, MessageType::kHeartbeat, 4);
  Receive(heartbeat);
  FinishWrites();
  Written(10, 10);
  ExpectReply(10, 10, /*reject=*/false);
}

}  // namespace
}  // namespace quorate::raft
