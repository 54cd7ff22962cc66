// The memory of a core: its log, writes, messages and the state machine share
// each entry, and an entry keeps nothing else alive.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "env/buffer.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

class CoreMemoryTest : public ReplicaTest {
 protected:
  // Entries of `term` from `first` on, whose payloads lie in one buffer, as
  // those of a message do.
  static std::vector<Entry> Arrived(uint64_t term, uint64_t first,
                                    size_t payload_bytes, size_t count) {
    const Buffer message = Buffer::Copy(std::string(1 << 20, 'm'));
    std::vector<Entry> entries;
    for (size_t i = 0; i < count; ++i) {
      Entry entry = Commands(term, first + i);
      entry.payload = message.Slice(i * payload_bytes, payload_bytes);
      entries.push_back(entry);
    }
    return entries;
  }
};

TEST_F(CoreMemoryTest, EntryOfALeader_IsOneObjectInLogWriteMessagesAndApply) {
  Start(Term(1));
  BecomeServingLeader();
  Receive(Ack(3, 2, 2));
  Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("a")});
  const Entry* const entry = &core_->EntryAt(Index(3));
  ASSERT_TRUE(out_.write.has_value());
  ASSERT_EQ(out_.write->entries.size(), 1u);
  EXPECT_EQ(&out_.write->entries[0], entry);
  const auto appends = Of(out_.messages, MessageType::kAppend);
  ASSERT_EQ(appends.size(), 2u);
  for (const Message& append : appends) {
    EXPECT_EQ(&append.entries.front(), entry);
  }
  FinishWrites();
  Receive(Ack(2, 2, 3));
  ASSERT_EQ(out_.apply.size(), 1u);
  EXPECT_EQ(&out_.apply[0], entry);
}

TEST_F(CoreMemoryTest, EntriesOfAFollower_AreOneObjectInLogWriteAndApply) {
  Start(Term(1));
  Receive(Append(2, 2, At(1, 1), Arrived(2, 2, 10, 300), 301));
  ASSERT_EQ(out_.write->entries.size(), 300u);
  ASSERT_EQ(out_.apply.size(), 301u);
  for (uint64_t i = 0; i < 300; ++i) {
    const Entry* const entry = &core_->EntryAt(Index(2 + i));
    EXPECT_EQ(&out_.write->entries[i], entry);
    EXPECT_EQ(&out_.apply[i + 1], entry);
  }
}

TEST_F(CoreMemoryTest, SmallPayloads_DoNotKeepTheirMessageAlive) {
  Start(Term(1));
  Receive(Append(2, 2, At(1, 1), Arrived(2, 2, 16, 100)));
  for (uint64_t i = 2; i <= 101; ++i) {
    const Buffer& payload = core_->EntryAt(Index(i)).payload;
    EXPECT_EQ(payload.view(), std::string(16, 'm'));
    EXPECT_LE(payload.block_size(), 4096u);
  }
  // An empty slice of a buffer keeps that buffer alive, too.
  Receive(Append(2, 2, At(2, 101), Arrived(2, 102, 0, 1)));
  EXPECT_EQ(core_->EntryAt(Index(102)).payload.block_size(), 0u);
}

TEST_F(CoreMemoryTest, OwnProposal_DoesNotKeepALargerBufferAlive) {
  Start(Term(1));
  BecomeServingLeader();
  const Buffer request = Buffer::Copy(std::string(100'000, 'r'));
  Step(Proposal{0, EntryKind::kCommands, request.Slice(7, 16)});
  EXPECT_EQ(core_->EntryAt(Index(3)).payload.block_size(), 16u);
}

TEST_F(CoreMemoryTest, RestoredEntries_AreTheOnesOfRecovery) {
  Restored restored;
  restored.hard_state.term = Term(1);
  restored.entries = {BootstrapEntry(configuration_), Commands(1, 2)};
  const EntryList recovered = restored.entries;
  StartFrom(std::move(restored));
  EXPECT_EQ(&core_->EntryAt(Index(2)), &recovered[1]);
}

TEST_F(CoreMemoryTest, LogBytes_AreThoseOfItsEntries) {
  Start(Term(1));
  const size_t before = core_->log_bytes();
  Receive(Append(2, 2, At(1, 1), Arrived(2, 2, 16, 10), 11));
  EXPECT_EQ(core_->log_bytes(), before + 10 * 64);
  FinishWrites();
  SnapshotTaken taken;
  taken.snapshot = SmallSnapshot(At(2, 11));
  taken.compact_index = Index(8);
  Step(taken);
  EXPECT_EQ(core_->log_bytes(), 3u * 64);
}

}  // namespace
}  // namespace quorate::raft
