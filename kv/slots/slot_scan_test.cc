#include "kv/slots/slot_scan.h"

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "env/little_endian.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "kv/store/keyspace.h"
#include "kv/store/table.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr Slot kLastSlot = Slot(16383);

TEST(Cursor, LargestPosition_FitsADouble) {
  constexpr uint64_t kPositions = uint64_t{1} << ScanPosition::kBits;
  const uint64_t cursor = MakeCursor(kLastSlot, {kPositions - 1});
  EXPECT_EQ(cursor, (uint64_t{1} << kCursorBits) - 1);
  EXPECT_LT(cursor, uint64_t{1} << 53);
  EXPECT_EQ(static_cast<uint64_t>(static_cast<double>(cursor)), cursor);
  EXPECT_EQ(CursorSlot(cursor), kLastSlot);
  EXPECT_EQ(CursorPosition(cursor).value, kPositions - 1);
}

TEST(SlotScan, SlotsWithoutKeys_AreSkipped) {
  std::vector<Slot> asked;
  const ScanResult found = ScanSlots(
      static_cast<int64_t>(MakeCursor(Slot(5), {})), ScanBounds(kLastSlot, 10),
      [&](Slot slot, ScanPosition, size_t, ScanVisit visit) -> ScanStep {
        asked.push_back(slot);
        if (slot == Slot(5)) return {.done = true, .next_slot = 9'000};
        if (slot == Slot(9'001)) return {.done = true, .next_slot = 16'384};
        visit("k");
        return {.done = true};
      });
  EXPECT_EQ(asked, (std::vector<Slot>{Slot(5), Slot(9'000), Slot(9'001)}));
  EXPECT_EQ(found.keys.size(), 1u);
  EXPECT_EQ(found.next, 0u);
}

// Hashes that an adversary might find: many share a position, and many are
// equal.
uint64_t AdversarialHash(uint64_t draw) {
  constexpr int kShift = 64 - ScanPosition::kBits;
  constexpr uint64_t kPositions[] = {0, 1, 2, 0x55555, 0xfffff};
  const uint64_t position = kPositions[draw % 5];
  const uint64_t bits = Mix64(draw >> 3);
  switch (draw >> 40 & 3) {
    case 0:  // One hash for all.
      return position << kShift;
    case 1:  // Hashes that differ in their last bits only.
      return position << kShift | bits % 4;
    case 2:  // Hashes that share a position.
      return position << kShift | bits >> ScanPosition::kBits;
    default:
      return bits;
  }
}

// The bytes begin with the hash.
struct Key {
  uint64_t hash = 0;
  std::string bytes;
};

uint64_t ChosenHash(uint64_t, std::string_view key) {
  return LoadFixed<uint64_t>(key, 0);
}

std::vector<Key> DrawKeys(char prefix, size_t count, uint64_t* draw) {
  std::vector<Key> keys;
  for (size_t i = 0; i < count; ++i) {
    *draw = Mix64(*draw + 1);
    Key key{.hash = AdversarialHash(*draw)};
    AppendFixed(&key.bytes, key.hash);
    key.bytes += prefix + std::to_string(i);
    keys.push_back(key);
  }
  return keys;
}

// Keys that stay are visited exactly once, and the scan ends, whatever the
// hashes are and whatever is written or removed between two steps.
RC_GTEST_PROP(SlotScan, AdversarialHashes_VisitsWhatStaysOnce, ()) {
  const auto context =
      std::make_shared<TableContext>(/*hash_key=*/1, nullptr, &ChosenHash);
  Table table(context.get());
  uint64_t draw = *rc::gen::arbitrary<uint64_t>();
  const size_t stay_count = *rc::gen::inRange<size_t>(0, 2000);
  const std::vector<Key> stays = DrawKeys('s', stay_count, &draw);
  const std::vector<Key> changing = DrawKeys('c', 500, &draw);
  const auto put = [&](const Key& key) {
    table.Put(key.hash, key.bytes, {.head = "v"},
              {GroupId(1), raft::Index(1), 0}, 0);
  };
  for (const Key& key : stays) put(key);
  const auto count = *rc::gen::inRange<uint32_t>(1, 100);
  const auto changes = *rc::gen::inRange<int>(0, 50);

  std::map<std::string, int> seen;
  // As a client keeps it.
  auto cursor = static_cast<double>(MakeCursor(kLastSlot, {}));
  int steps = 0;
  do {
    const ScanResult step = ScanSlots(
        static_cast<int64_t>(cursor), ScanBounds(kLastSlot, count),
        [&](Slot, ScanPosition from, size_t count_max, ScanVisit visit) {
          return ScanTable(table, from, count_max,
                           [&](const Record& record) { visit(record.key()); });
        });
    for (const std::string_view key : step.keys) ++seen[std::string(key)];
    RC_ASSERT(step.next == 0 || static_cast<double>(step.next) > cursor);
    cursor = static_cast<double>(step.next);
    for (int i = 0; i < changes; ++i) {
      draw = Mix64(draw + 1);
      const Key& key = changing[draw % changing.size()];
      if (draw >> 32 & 1) {
        put(key);
      } else {
        table.Erase(key.hash, key.bytes);
      }
    }
    RC_ASSERT(++steps < 10'000);
  } while (cursor != 0);
  for (const Key& key : stays) RC_ASSERT(seen[key.bytes] == 1);
}

}  // namespace
}  // namespace quorate::kv
