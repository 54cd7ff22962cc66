// Changed snapshots of a store are refused. A snapshot of other options shows
// that the check can fail.
#include "sim/run/changed_state.h"

#include <cstdint>
#include <string>

#include "env/random.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"

namespace quorate::sim {
namespace {

kv::StoreOptions Options(uint32_t group) {
  return {.group = GroupId(group),
          .hash_key = 7,
          .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}};
}

std::string SnapshotOf(const kv::StoreOptions& options) {
  kv::Store store(options);
  const auto reader = store.TakeSnapshot();
  std::string bytes;
  for (Buffer piece = reader->Next(1000); !piece.empty();
       piece = reader->Next(1000)) {
    bytes += piece.view();
  }
  return bytes;
}

TEST(ChangedState, EveryChange_IsRefused) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(
        CheckChangedState(Options(1), SnapshotOf(Options(1)), Random(seed), 50),
        "")
        << seed;
  }
}

TEST(ChangedState, SnapshotThatIsRefusedUnchanged_Found) {
  EXPECT_NE(CheckChangedState(Options(1), SnapshotOf(Options(2)), Random(1), 1),
            "");
}

}  // namespace
}  // namespace quorate::sim
