#include "examples/counter/counter.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::examples {
namespace {

std::string Add(Counter& counter, std::string text) {
  raft::Entry entry;
  entry.payload = Buffer::Copy(text);
  return std::string(counter.Apply(entry, true).view());
}

TEST(CounterTest, Adds_OneAfterTheOther_ReturnTheSum) {
  Counter counter;
  EXPECT_EQ(Add(counter, "5"), "5");
  EXPECT_EQ(Add(counter, "-7"), "-2");
}

TEST(CounterTest, Nonsense_IsAnsweredAndChangesNothing) {
  Counter counter;
  Add(counter, "5");
  EXPECT_EQ(Add(counter, "many"), "not a number");
  EXPECT_EQ(counter.sum(), 5);
}

TEST(CounterTest, Snapshot_TakenThenRestored_IsTheStateWhenItWasTaken) {
  Counter counter;
  Add(counter, "1234");
  const auto reader = counter.TakeSnapshot();
  Add(counter, "1");
  Counter other;
  const auto writer = other.BeginRestore({});
  for (Buffer piece = reader->Next(3); !piece.empty();
       piece = reader->Next(3)) {
    EXPECT_LE(piece.size(), 3u);
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  EXPECT_EQ(other.sum(), 0);
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_EQ(other.sum(), 1234);
}

TEST(CounterTest, DamagedSnapshot_IsRefusedAndChangesNothing) {
  Counter counter;
  Add(counter, "5");
  const auto writer = counter.BeginRestore({});
  ASSERT_TRUE(writer->Add("12x").ok());
  EXPECT_EQ(writer->Commit().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(counter.sum(), 5);
}

}  // namespace
}  // namespace quorate::examples
