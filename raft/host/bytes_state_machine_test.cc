#include "raft/host/bytes_state_machine.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

// A word that each entry replaces.
class Word final : public BytesStateMachine {
 public:
  explicit Word(std::string word = "") : word_(std::move(word)) {}
  Buffer Apply(const Entry& entry, bool) override {
    word_ = std::string(entry.payload.view());
    return {};
  }
  Buffer Save() const override { return Buffer::Copy(word_); }
  absl::Status Restore(std::string_view state) override {
    if (state == "damaged") return absl::DataLossError("damaged");
    word_ = std::string(state);
    return absl::OkStatus();
  }
  const std::string& word() const { return word_; }

 private:
  std::string word_;
};

void Set(Word& machine, std::string_view word) {
  Entry entry;
  entry.payload = Buffer::Copy(word);
  machine.Apply(entry, false);
}

TEST(BytesStateMachineTest, Snapshot_WhileEntriesAreApplied_KeepsTheState) {
  Word machine("before");
  const auto reader = machine.TakeSnapshot();
  Set(machine, "after");
  std::string read;
  for (Buffer piece = reader->Next(4); !piece.empty();
       piece = reader->Next(4)) {
    EXPECT_LE(piece.size(), 4u);
    read.append(piece.view());
  }
  EXPECT_EQ(read, "before");
  EXPECT_TRUE(reader->Next(4).empty());
}

TEST(BytesStateMachineTest, Restore_InPieces_ReplacesTheStateAtCommit) {
  Word machine("old");
  const auto writer = machine.BeginRestore({});
  ASSERT_TRUE(writer->Add("ne").ok());
  ASSERT_TRUE(writer->Add("w").ok());
  EXPECT_EQ(machine.word(), "old");
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(machine.word(), "new");
}

TEST(BytesStateMachineTest, Restore_OfAStateThatIsRefused_ReturnsTheError) {
  Word machine("old");
  const auto writer = machine.BeginRestore({});
  ASSERT_TRUE(writer->Add("damaged").ok());
  EXPECT_EQ(writer->Commit().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(machine.word(), "old");
}

TEST(BytesStateMachineTest, EmptyState_SavedAndRestored_IsEmpty) {
  Word machine;
  EXPECT_TRUE(machine.TakeSnapshot()->Next(4).empty());
  Word other("full");
  ASSERT_TRUE(other.BeginRestore({})->Commit().ok());
  EXPECT_EQ(other.word(), "");
}

TEST(BytesStateMachineTest, Digest_OfTwoMachines_IsEqualIfTheStatesAre) {
  Word one("a"), other("a");
  EXPECT_EQ(one.Digest(), other.Digest());
  Set(other, "b");
  EXPECT_NE(one.Digest(), other.Digest());
}

// The number never changes: replicas of different versions compare digests.
TEST(BytesStateMachineTest, Digest_OfAKnownState_IsPinned) {
  EXPECT_EQ(Word("quorate").Digest(), 1327645414801104432u);
}

}  // namespace
}  // namespace quorate::raft
