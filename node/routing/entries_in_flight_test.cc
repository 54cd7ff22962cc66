#include "node/routing/entries_in_flight.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

TEST(EntriesInFlight, NoneInFlight_HasRoomForAnyEntry) {
  const BoundsConfig bounds;
  EntriesInFlight entries(/*payload_bytes_max=*/100, bounds);
  EXPECT_TRUE(entries.HasRoom(101, bounds.results_in_flight_bytes + 1));
}

TEST(EntriesInFlight, EachLimit_IsReachedAndNotExceeded) {
  const BoundsConfig bounds;
  EntriesInFlight entries(/*payload_bytes_max=*/100, bounds);
  entries.Begin(60, bounds.results_in_flight_bytes - 5);
  EXPECT_TRUE(entries.HasRoom(40, 5));
  EXPECT_FALSE(entries.HasRoom(41, 5));
  EXPECT_FALSE(entries.HasRoom(40, 6));
  entries.End(60, bounds.results_in_flight_bytes - 5);
  for (size_t i = 0; i < bounds.entries_in_flight; ++i) {
    EXPECT_TRUE(entries.HasRoom(0, 0)) << i;
    entries.Begin(0, 0);
  }
  EXPECT_FALSE(entries.HasRoom(0, 0));
  entries.End(0, 0);
  EXPECT_TRUE(entries.HasRoom(0, 0));
}

TEST(EntriesInFlight, ExecutedAt_IsTheLastRecordedTime) {
  const BoundsConfig bounds;
  EntriesInFlight entries(/*payload_bytes_max=*/100, bounds);
  EXPECT_EQ(entries.executed_at(), MonoTime::Min());
  entries.RecordExecuted(MonoTime(7));
  entries.RecordExecuted(MonoTime(9));
  EXPECT_EQ(entries.executed_at(), MonoTime(9));
}

}  // namespace
}  // namespace quorate::node
