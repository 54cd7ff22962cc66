// Changed snapshots of a store are refused. A snapshot of other options shows
// that the check can fail.
#include "sim/cluster/changed_state.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"

namespace quorate::sim {
namespace {

kv::StoreOptions Options(uint32_t group) {
  return {
      .group = GroupId(group),
      .hash_key = 7,
      .owned = {{Slot(0), Slot(99)}, {Slot(200), Slot(kHashSlotCount - 1)}}};
}

std::string SnapshotOf(kv::Store& store) {
  const auto reader = store.TakeSnapshot();
  std::string bytes;
  for (Buffer piece = reader->Next(1000); !piece.empty();
       piece = reader->Next(1000)) {
    bytes += piece.view();
  }
  return bytes;
}

// 40 keys, every second one deleted again.
void Fill(kv::Store* store) {
  for (uint64_t i = 0; i < 60; ++i) {
    kv::BatchBuilder batch;
    const std::string key = absl::StrCat("key", i < 40 ? i : (i - 40) * 2);
    const std::string_view arguments[] = {key, "value"};
    batch.Add({.op = i < 40 ? kv::Op::kSet : kv::Op::kDel,
               .slot = kv::HashSlot(key),
               .arguments = absl::MakeSpan(arguments, i < 40 ? 2 : 1)});
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = raft::Index(2 + i);
    entry.kind = raft::EntryKind::kCommands;
    entry.payload = batch.Finish();
    store->Apply(entry, /*wants_result=*/false);
  }
}

TEST(ChangedState, EveryChangeOfAnEmptyState_IsRefused) {
  kv::Store store(Options(1));
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(
        CheckChangedState(Options(1), SnapshotOf(store), Random(seed), 50), "")
        << seed;
  }
}

TEST(ChangedState, EveryChangeOfKeysAndRemovals_IsRefused) {
  kv::Store store(Options(1));
  Fill(&store);
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(
        CheckChangedState(Options(1), SnapshotOf(store), Random(seed), 50), "")
        << seed;
  }
}

TEST(ChangedState, SnapshotThatIsRefusedUnchanged_Found) {
  kv::Store store(Options(2));
  EXPECT_NE(CheckChangedState(Options(1), SnapshotOf(store), Random(1), 1), "");
}

}  // namespace
}  // namespace quorate::sim
