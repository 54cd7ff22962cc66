#include "sim/cluster/state_text.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "raft/core/types.h"
#include "shardctrl/partition.h"
#include "sim/checks/state_witness.h"

namespace quorate::sim {
namespace {

class StateTextTest : public testing::Test {
 protected:
  static kv::StoreOptions Options() {
    return {.group = GroupId(1),
            .owned = {{.first = Slot(0),
                       .last = Slot(kHashSlotCount - 1),
                       .epoch = SlotEpoch(1)}}};
  }
  raft::Entry Set(std::string_view key, std::string_view value) {
    const std::string_view arguments[] = {key, value};
    kv::BatchBuilder batch;
    batch.Add({.op = kv::Op::kSet,
               .slot = kv::HashSlot(key),
               .arguments = arguments});
    raft::Entry entry;
    entry.index = raft::Index(++index_);
    entry.term = raft::Term(1);
    entry.kind = raft::EntryKind::kCommands;
    entry.payload = batch.Finish();
    return entry;
  }

  uint64_t index_ = 0;
};

TEST_F(StateTextTest, StoresThatDiffer_TheFirstKeyHasBothValues) {
  kv::Store one(Options());
  kv::Store other(Options());
  for (const char* const key : {"a", "b", "c", "d"}) {
    const raft::Entry entry = Set(key, "1");
    one.Apply(entry, false);
    other.Apply(entry, false);
  }
  EXPECT_EQ(StoreText(one), StoreText(other));
  const raft::Entry left = Set("b", "left");
  --index_;
  const raft::Entry right = Set("b", "righ");
  one.Apply(left, false);
  other.Apply(right, false);
  EXPECT_EQ(
      StateDifference(StoreText(one), StoreText(other)),
      "first \"key \\\"b\\\" = \\\"left\\\", version 1.5.0, due 0\", then "
      "\"key \\\"b\\\" = \\\"righ\\\", version 1.5.0, due 0\"");
}

}  // namespace
}  // namespace quorate::sim
