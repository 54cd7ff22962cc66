// Entries that are only on disk: which ones leave the memory, and how a
// follower that needs them gets them.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

class EvictionTest : public ReplicaTest {
 protected:
  static constexpr uint64_t kEntries = 20;

  // Leads in term 2. Replica 2 has everything, and replica 3 has said nothing.
  // Entries 3 to 22 are commands.
  void StartLeader() {
    options_.append_bytes_max = 3 * Commands(2, 3).size_bytes();
    Start(Term(1));
    BecomeServingLeader();
    for (uint64_t i = 0; i < kEntries; ++i) {
      Step(Proposal{i, EntryKind::kCommands, Buffer::Copy("x")});
      log_.push_back(core_->EntryAt(core_->last().index));
    }
    FinishWrites();
    Receive(Ack(2, 2, core_->last().index.value()));
    ASSERT_EQ(core_->applied_index(), Index(2 + kEntries));
  }
  // The leader's entries are on disk only. Replica 3 has those up to `last`, so
  // the leader reads the next ones.
  void LetReplica3Lack(LogPosition last) {
    Step(Evict{0});
    Receive(Rejection(3, 2, last));
    Receive(Ack(3, 2, last.index.value()));
    ASSERT_EQ(out_.entry_reads.size(), 1u);
  }
  // The entries [from, from + count) of the log on disk.
  EntryList OnDisk(uint64_t from, uint64_t count) const {
    EntryList entries;
    for (uint64_t i = 0; i < count; ++i)
      entries.push_back(log_.at(from - 3 + i));
    return entries;
  }
  std::vector<Message> AppendsTo3() const {
    std::vector<Message> found;
    for (const Message& message : Of(out_.messages, MessageType::kAppend)) {
      if (message.to == ReplicaId(3)) found.push_back(message);
    }
    return found;
  }

  std::vector<Entry> log_;
};

TEST_F(EvictionTest, EntriesNotAppliedOrNotDurable_Stay) {
  Start(Term(1));
  BecomeServingLeader();
  for (uint64_t i = 0; i < 3; ++i) {
    Step(Proposal{i, EntryKind::kCommands, Buffer::Copy("x")});
  }
  FinishWrites();
  // Index 2 is applied. Everything is durable.
  Step(Evict{0});
  EXPECT_EQ(core_->evicted(), Index(2));
  // Two voters have committed index 5, which is not on this disk.
  Step(Proposal{9, EntryKind::kCommands, Buffer::Copy("x")});
  Receive(Ack(2, 2, 6));
  Receive(Ack(3, 2, 6));
  ASSERT_EQ(core_->applied_index(), Index(6));
  Step(Evict{0});
  EXPECT_EQ(core_->evicted(), Index(5));
  FinishWrites();
  Step(Evict{0});
  EXPECT_EQ(core_->evicted(), Index(6));
  EXPECT_EQ(core_->resident_log_bytes(), 0u);
  EXPECT_EQ(core_->TermAt(Index(3)), Term(2));
}

TEST_F(EvictionTest, KeepBytes_TheNewestEntriesStay) {
  StartLeader();
  Step(Evict{5 * Commands(2, 3).size_bytes()});
  EXPECT_EQ(core_->evicted(), Index(2 + kEntries - 5));
  EXPECT_EQ(core_->resident_log_bytes(), 5 * Commands(2, 3).size_bytes());
  EXPECT_GT(core_->log_bytes(), kEntries * Commands(2, 3).size_bytes());
}

// The host frees them over several turns.
TEST_F(EvictionTest, EntriesThatLeaveTheMemory_AreInTheOutput) {
  StartLeader();
  Step(Evict{4 * Commands(2, 3).size_bytes()});
  ASSERT_EQ(core_->evicted(), Index(18));
  ASSERT_EQ(out_.removed.size(), 18u);
  EXPECT_EQ(out_.removed.front().index, Index(1));
  EXPECT_EQ(out_.removed.back(), log_.at(18 - 3));
  Step(Proposal{99, EntryKind::kCommands, Buffer::Copy("x")});
  EXPECT_TRUE(out_.removed.empty());
  Step(SnapshotTaken{
      .snapshot = {.position = {Term(2), Index(20)},
                   .configuration = core_->ConfigurationAt(Index(20))},
      .compact_index = Index(20)});
  ASSERT_EQ(core_->log_start().index, Index(20));
  ASSERT_EQ(out_.removed.size(), 2u);
  EXPECT_EQ(out_.removed.front(), log_.at(19 - 3));
}

// It is asked for its last entry without any read. Then entries are read in one
// piece after another, and sent up to those in memory.
TEST_F(EvictionTest, Laggard_GetsEntriesFromTheDisk) {
  StartLeader();
  Step(Evict{4 * Commands(2, 3).size_bytes()});
  ASSERT_EQ(core_->evicted(), Index(18));
  Receive(Rejection(3, 2, At(1, 1)));
  ASSERT_EQ(AppendsTo3().size(), 1u);
  EXPECT_TRUE(AppendsTo3()[0].entries.empty());
  EXPECT_EQ(AppendsTo3()[0].previous, At(1, 1));
  EXPECT_TRUE(out_.entry_reads.empty());
  // The entry at index 2 is the leader's first one.
  const Entry first = leader_output_.write->entries.front();
  Receive(Ack(3, 2, 1));
  ASSERT_EQ(out_.entry_reads.size(), 1u);
  EXPECT_EQ(out_.entry_reads[0].to, ReplicaId(3));
  EXPECT_EQ(out_.entry_reads[0].after, Index(1));
  EXPECT_EQ(out_.entry_reads[0].through, Index(18));
  EXPECT_TRUE(AppendsTo3().empty());
  // One read at a time.
  Step(Proposal{99, EntryKind::kCommands, Buffer::Copy("x")});
  log_.push_back(core_->EntryAt(core_->last().index));
  EXPECT_TRUE(out_.entry_reads.empty());

  EntryList piece{first};
  piece.Append(OnDisk(3, 5));
  Step(EntriesRead{ReplicaId(3), Index(1), piece});
  std::vector<Message> appends = AppendsTo3();
  ASSERT_EQ(appends.size(), 2u);
  EXPECT_EQ(appends[0].previous, At(1, 1));
  EXPECT_EQ(appends[0].entries.size(), 3u);
  EXPECT_EQ(appends[0].entries.front(), first);
  EXPECT_EQ(appends[1].previous, At(2, 4));
  EXPECT_EQ(appends[1].entries.back(), log_[7 - 3]);
  ASSERT_EQ(out_.entry_reads.size(), 1u);
  EXPECT_EQ(out_.entry_reads[0].after, Index(7));
  Step(EntriesRead{ReplicaId(3), Index(7), OnDisk(8, 11)});
  // The rest is in memory.
  appends = AppendsTo3();
  ASSERT_FALSE(appends.empty());
  EXPECT_EQ(appends.back().entries.back().index, core_->last().index);
  Index next(8);
  for (const Message& append : appends) {
    EXPECT_EQ(append.previous.index + 1, next);
    for (const Entry& entry : append.entries) {
      EXPECT_EQ(entry, log_.at(next.value() - 3));
      next = next + 1;
    }
  }
  EXPECT_TRUE(out_.entry_reads.empty());
}

// A leader keeps no entries for followers with a full window.
TEST_F(EvictionTest, EntriesReadThatCannotBeSent_AreReadAgain) {
  options_.inflight_messages_max = 1;
  StartLeader();
  LetReplica3Lack(At(2, 4));
  Step(EntriesRead{ReplicaId(3), Index(4), OnDisk(5, 9)});
  ASSERT_EQ(AppendsTo3().size(), 1u);
  EXPECT_EQ(AppendsTo3()[0].entries.size(), 3u);
  EXPECT_TRUE(out_.entry_reads.empty()) << "the window is full";
  Receive(Ack(3, 2, 7));
  EXPECT_TRUE(AppendsTo3().empty());
  ASSERT_EQ(out_.entry_reads.size(), 1u);
  EXPECT_EQ(out_.entry_reads[0].after, Index(7));
}

TEST_F(EvictionTest, EntriesThatCannotBeRead_AreAskedForAtTheNextHeartbeat) {
  StartLeader();
  LetReplica3Lack(At(1, 1));
  Step(EntriesRead{ReplicaId(3), Index(1), {}});
  EXPECT_TRUE(out_.entry_reads.empty());
  Receive(Ack(3, 2, 1));
  EXPECT_TRUE(out_.entry_reads.empty());
  size_t reads = 0;
  for (int i = 0; i < 3 && reads == 0; ++i) {
    PassToDeadline();
    reads = out_.entry_reads.size();
  }
  EXPECT_EQ(reads, 1u);
}

// Entries of another term than those of the log, a gap, or another read.
TEST_F(EvictionTest, OtherEntriesThanThoseOfTheLog_AreNotSent) {
  StartLeader();
  LetReplica3Lack(At(2, 4));
  Step(EntriesRead{ReplicaId(3), Index(3), OnDisk(4, 3)});
  EXPECT_TRUE(AppendsTo3().empty());
  Step(EntriesRead{ReplicaId(2), Index(4), OnDisk(5, 3)});
  EXPECT_TRUE(AppendsTo3().empty());
  Step(EntriesRead{ReplicaId(3), Index(4), {Commands(1, 5)}});
  EXPECT_TRUE(AppendsTo3().empty());
  Step(EntriesRead{ReplicaId(3), Index(4), OnDisk(5, 3)});
  EXPECT_TRUE(AppendsTo3().empty()) << "the read had failed";
}

TEST_F(EvictionTest, Laggard_LogWasCutMeanwhile_GetsTheSnapshot) {
  StartLeader();
  LetReplica3Lack(At(1, 1));
  Step(SnapshotTaken{SmallSnapshot(At(2, 22)), Index(22)});
  EXPECT_EQ(core_->log_start(), At(2, 22));
  Step(EntriesRead{ReplicaId(3), Index(1), {}});
  PassToDeadline();
  PassToDeadline();
  Receive(Ack(3, 2, 1));
  EXPECT_TRUE(AppendsTo3().empty());
  EXPECT_EQ(core_->followers().at(1).state, "snapshot");
}

// A leader that has its log on disk only finds where the logs agree.
TEST_F(EvictionTest, ConflictsAmongEvictedTerms_AreFound) {
  Restored restored;
  restored.hard_state = {Term(7), ReplicaId()};
  restored.entries.push_back(BootstrapEntry(configuration_));
  uint64_t index = 1;
  for (const uint64_t term : {2, 2, 4, 4, 6}) {
    restored.entries.push_back(Commands(term, ++index));
  }
  restored.snapshot = SmallSnapshot(At(6, 6));
  StartFrom(std::move(restored));
  BecomeServingLeader();
  Step(Evict{0});
  ASSERT_EQ(core_->evicted(), Index(7));
  Receive(Rejection(3, 8, At(3, 6)));
  EXPECT_EQ(AppendsTo3().at(0).previous, At(2, 3));
}

}  // namespace
}  // namespace quorate::raft
