#include "kv/store/snapshot.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "kv/store/work.h"
#include "kv/testing/golden.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

const StoreOptions kOptions = {
    .group = GroupId(4),
    .hash_key = 77,
    .owned = {{Slot(0), Slot(99)}, {Slot(200), Slot(16383)}}};

// Two runs of slots that touch, and differ in their epochs.
const StoreOptions kWithEpochs = {
    .group = GroupId(4),
    .hash_key = 77,
    .owned = {{Slot(0), Slot(99), SlotEpoch(0x0807060504030201)},
              {Slot(100), Slot(16383), SlotEpoch(3)}}};

void Apply(Store* store, uint64_t index, Buffer payload) {
  raft::Entry entry;
  entry.index = raft::Index(index);
  entry.log_time = WallTime(static_cast<int64_t>(index) * 1'000'000'000);
  entry.payload = std::move(payload);
  store->Apply(entry, /*wants_result=*/false);
}

// Two slots, one with sessions; expiries; values of all sizes.
Buffer SampleBatch() {
  BatchBuilder batch;
  const auto set = [&](std::string_view key, std::string_view value,
                       uint64_t sequence) {
    const std::string_view arguments[] = {key, value};
    CommandSpec spec{
        .op = Op::kSet, .slot = HashSlot(key), .arguments = arguments};
    if (sequence > 0) {
      spec.session = SessionStamp{.token = {ClientId(9), 60'000},
                                  .sequence = Sequence(sequence),
                                  .floor = Sequence(1)};
    } else {
      spec.expire_at_ms = 90'000;
    }
    batch.Add(spec);
  };
  set("{a}1", "one", 1);
  set("{a}2", "", 2);
  set("{b}", "expires", 0);
  return batch.Finish();
}

// SampleBatch applied behind the last removals of two slots.
std::unique_ptr<Store> SampleStore(const StoreOptions& options = kOptions) {
  auto store = std::make_unique<Store>(options);
  BatchBuilder batch;
  for (const std::string_view key : {"{a}0", "{c}0"}) {
    const std::string_view arguments[] = {key, "v"};
    const auto all = absl::MakeConstSpan(arguments);
    batch.Add({.op = Op::kSet, .slot = HashSlot(key), .arguments = all});
    batch.Add(
        {.op = Op::kDel, .slot = HashSlot(key), .arguments = all.first(1)});
  }
  Apply(store.get(), 4, batch.Finish());
  Apply(store.get(), 5, SampleBatch());
  return store;
}

std::string BytesOf(Store* store, size_t piece_bytes = 1 << 16) {
  std::string bytes;
  const auto reader = store->TakeSnapshot();
  while (true) {
    const Buffer piece = reader->Next(piece_bytes);
    if (piece.empty()) return bytes;
    EXPECT_LE(piece.size(), piece_bytes);
    bytes += piece.view();
  }
}

absl::Status Restore(Store* store, std::string_view bytes) {
  const auto writer = store->BeginRestore({});
  const absl::Status status = writer->Add(bytes);
  if (!status.ok()) return status;
  return writer->Commit();
}

// The first write to each page copies it.
TEST(StoreSnapshot, CommandsWhileItIsRead_CountAsMoreWork) {
  const std::unique_ptr<Store> store = SampleStore();
  const Buffer batch = SampleBatch();  // Of three commands.
  const uint64_t alone = store->WorkOf(batch);
  std::unique_ptr<raft::SnapshotReader> reader = store->TakeSnapshot();
  const uint64_t copied = 3 * WorkEstimate::kPageCopyBytes;
  EXPECT_EQ(store->WorkOf(batch), alone + copied);
  reader = store->TakeSnapshot();
  EXPECT_EQ(store->WorkOf(batch), alone + copied);
  reader.reset();
  EXPECT_EQ(store->WorkOf(batch), alone);
}

TEST(Snapshot, EpochsOfSlots_AreState) {
  const auto store = SampleStore(kWithEpochs);
  const std::string bytes = BytesOf(store.get());
  Store restored(kWithEpochs);
  const absl::Status status = Restore(&restored, bytes);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(restored.slot_runs(), kWithEpochs.owned);
  EXPECT_EQ(restored.Digest(), store->Digest());
  EXPECT_EQ(BytesOf(&restored), bytes);
  // Equal slots, but another epoch of one.
  StoreOptions others = kWithEpochs;
  others.owned[1].epoch = SlotEpoch(2);
  EXPECT_NE(SampleStore(others)->Digest(), store->Digest());
  // Slots and epochs are those of the snapshot, not of the founding.
  for (const std::vector<SlotRun>& founded : {others.owned, kOptions.owned}) {
    Store other({.group = GroupId(4), .hash_key = 77, .owned = founded});
    const absl::Status adopted = Restore(&other, bytes);
    EXPECT_TRUE(adopted.ok()) << adopted;
    EXPECT_EQ(other.slot_runs(), kWithEpochs.owned);
    EXPECT_EQ(other.Digest(), store->Digest());
    EXPECT_EQ(BytesOf(&other), bytes);
  }
}

// A store that is the source of three moves, in each of its phases, and the
// destination of one. The first item of a slot is cut.
std::unique_ptr<Store> MovingStore() {
  auto store = SampleStore(kWithEpochs);
  BatchBuilder batch;
  const auto add = [&](const MoveStep& step) {
    const std::string argument = EncodeMoveStep(step);
    const std::string_view arguments[] = {argument};
    batch.Add(MoveCommand(step, arguments));
  };
  const auto plan_of = [&](uint64_t id, std::vector<std::string_view> keys) {
    MovePlan plan = {.id = MoveId(id),
                     .from = GroupId(4),
                     .to = GroupId(6),
                     .epoch = SlotEpoch(0x1807060504030201)};
    for (const std::string_view key : keys) {
      plan.slots.push_back({HashSlot(key), HashSlot(key)});
    }
    return plan;
  };
  add(TrackStep{plan_of(1, {"{a}"})});
  add(TrackStep{plan_of(2, {"{b}"})});
  add(FreezeStep{MoveId(2)});
  std::vector<std::string_view> left = {"{c}", "{d}"};
  if (HashSlot(left[1]) < HashSlot(left[0])) std::swap(left[0], left[1]);
  add(TrackStep{plan_of(3, left)});
  add(FreezeStep{MoveId(3)});
  add(ReleaseStep{plan_of(3, left), 1});
  add(TrackStep{plan_of(4, {"{e}"})});
  add(FreezeStep{MoveId(4)});
  add(ReleaseStep{plan_of(4, {"{e}"}), 1});
  MovePlan back = plan_of(5, {"{e}"});
  std::swap(back.from, back.to);
  back.epoch = SlotEpoch(0x2807060504030201);
  add(PrepareStep{back});
  std::string item = {1, 0, 0, 0, 9, 8, 7};
  StoreFixed(item.data() + 1, HashSlot("{e}").value());
  add(StageStep{back.id,
                {.stream = {.slot = HashSlot("{e}"), .view = raft::Index(70)},
                 .bytes = item}});
  // Changes of the first move.
  for (const std::string_view key : {"{a}1", "{a}7"}) {
    const std::string_view arguments[] = {key, "changed"};
    batch.Add({.op = Op::kSet, .slot = HashSlot(key), .arguments = arguments});
  }
  Apply(store.get(), 6, batch.Finish());
  return store;
}

TEST(Snapshot, State_HasTheBytesOfVersion1) {
  const auto store = MovingStore();
  EXPECT_EQ(store->moves().size(), 4u);
  EXPECT_EQ(store->moves()[0].changes_kept, 2u);
  EXPECT_EQ(store->moves()[2].at.slots_left, 1u);
  EXPECT_EQ(store->moves()[3].at.place.offset, 7u);
  testing::ExpectGolden("kv/store/testdata/snapshot_v1.golden",
                        BytesOf(store.get()));
}

TEST(Snapshot, Moves_AreState) {
  const auto store = MovingStore();
  const std::string bytes = BytesOf(store.get(), 7);
  Store restored(kOptions);
  const absl::Status status = Restore(&restored, bytes);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(restored.slot_runs(), store->slot_runs());
  EXPECT_EQ(restored.Digest(), store->Digest());
  EXPECT_EQ(restored.memory_bytes(), store->memory_bytes());
  EXPECT_EQ(BytesOf(&restored), bytes);
  ASSERT_EQ(restored.moves().size(), store->moves().size());
  for (size_t i = 0; i < restored.moves().size(); ++i) {
    EXPECT_EQ(restored.moves()[i].plan, store->moves()[i].plan);
    EXPECT_EQ(restored.moves()[i].at, store->moves()[i].at);
  }
  // Both note further changes.
  for (Store* each : {store.get(), &restored}) {
    Apply(each, 7, SampleBatch());
    EXPECT_EQ(each->moves()[0].changes_kept, 3u);
  }
  EXPECT_EQ(restored.Digest(), store->Digest());
}

TEST(Snapshot, SlotInAnUnknownState_IsOfANewerProgram) {
  const std::string bytes = BytesOf(SampleStore(kWithEpochs).get());
  constexpr size_t kRuns = 44;
  constexpr size_t kBytesOfRun = 16;
  for (const size_t run : {0, 1}) {
    std::string newer = bytes;
    StoreFixed<uint32_t>(newer.data() + kRuns + run * kBytesOfRun + 4,
                         static_cast<uint32_t>(SlotState::kLeft) + 1);
    Store store(kWithEpochs);
    const absl::Status status = Restore(&store, newer);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_NE(std::string(status.message()).find("start that program"),
              std::string::npos);
    EXPECT_EQ(store.key_count(), 0u);
  }
}

TEST(Snapshot, RestoredStore_HasEqualBytesAndEqualLaterDigests) {
  const auto store = SampleStore();
  const std::string bytes = BytesOf(store.get());
  Store other({.group = GroupId(4), .hash_key = 77, .owned = kOptions.owned});
  ASSERT_TRUE(Restore(&other, bytes).ok());
  EXPECT_EQ(other.Digest(), store->Digest());
  EXPECT_EQ(other.applied_index(), raft::Index(5));
  EXPECT_EQ(other.log_time(), store->log_time());
  EXPECT_EQ(other.owned(), store->owned());
  EXPECT_EQ(BytesOf(&other), bytes);
  for (Store* each : {store.get(), &other}) Apply(each, 95, Buffer());
  EXPECT_EQ(other.key_count(), 2u);  // One was due.
  EXPECT_EQ(other.Digest(), store->Digest());
}

TEST(Snapshot, AnyHistoryOfPages_GivesTheSameBytes) {
  Store grown({.group = GroupId(4), .hash_key = 77, .owned = kOptions.owned});
  Store shrunk({.group = GroupId(4), .hash_key = 77, .owned = kOptions.owned});
  BatchBuilder batch;
  const auto add = [&](Op op, int i) {
    const std::string key = "{a}" + std::to_string(i);
    const std::string_view arguments[] = {key, "v"};
    batch.Add(
        {.op = op,
         .slot = HashSlot(key),
         .arguments = absl::MakeConstSpan(arguments, op == Op::kSet ? 2 : 1)});
  };
  for (int i = 0; i < 1'000; ++i) add(Op::kSet, i);
  for (int i = 0; i < 1'000; ++i) add(Op::kDel, i);
  Apply(&shrunk, 1, batch.Finish());
  // Both stores have removed the same key last.
  for (int i = 0; i < 1'998; ++i) add(Op::kGet, i);
  add(Op::kSet, 999);
  add(Op::kDel, 999);
  Apply(&grown, 1, batch.Finish());
  for (int i = 0; i < 5; ++i) add(Op::kSet, i);
  const Buffer payload = batch.Finish();
  Apply(&shrunk, 2, payload);
  Apply(&grown, 2, payload);
  EXPECT_GT(shrunk.counters().pages_split, 0u);
  EXPECT_EQ(grown.counters().pages_split, 0u);
  EXPECT_EQ(BytesOf(&grown), BytesOf(&shrunk));
}

TEST(Snapshot, SmallPieces_AreTheSameBytes) {
  const auto store = SampleStore();
  EXPECT_EQ(BytesOf(store.get(), 1), BytesOf(store.get()));
  EXPECT_EQ(BytesOf(store.get(), 7), BytesOf(store.get()));
}

TEST(Snapshot, EveryCut_IsRefusedAndChangesNothing) {
  const std::string bytes = BytesOf(MovingStore().get());
  for (size_t size = 0; size < bytes.size(); ++size) {
    Store store(kWithEpochs);
    const uint64_t before = store.Digest();
    EXPECT_EQ(Restore(&store, std::string_view(bytes).substr(0, size)).code(),
              absl::StatusCode::kDataLoss)
        << size;
    EXPECT_EQ(store.Digest(), before);
  }
  Store store(kWithEpochs);
  EXPECT_FALSE(Restore(&store, bytes + "x").ok());
}

TEST(Snapshot, EveryFlippedBit_IsRefused) {
  const std::string bytes = BytesOf(MovingStore().get());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string damaged = bytes;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    Store store(kWithEpochs);
    EXPECT_FALSE(Restore(&store, damaged).ok()) << "bit " << bit;
    EXPECT_EQ(store.key_count(), 0u);
  }
}

// Format and type of a key.
TEST(Snapshot, OfANewerProgram_IsToldFromDamage) {
  const std::string bytes = BytesOf(SampleStore().get());
  const size_t count = 44 + 16 * kOptions.owned.size();
  const auto removals = LoadFixed<uint32_t>(bytes, count);
  const size_t record = count + 4 + 18 * removals + 3;
  ASSERT_EQ(bytes[record], 2);
  for (const size_t at : {size_t{4}, record + 1}) {
    std::string newer = bytes;
    newer[at] = 99;
    Store store(kOptions);
    const absl::Status status = Restore(&store, newer);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << at << ": " << status;
    EXPECT_NE(std::string(status.message()).find("start that program"),
              std::string::npos);
    newer[0] = 'X';
    EXPECT_TRUE(absl::IsDataLoss(Restore(&store, newer)));
  }
}

TEST(Snapshot, SlotThatWasRead_IsSharedNoLonger) {
  Store store(kOptions);
  std::vector<std::string> keys = {"{a}", "{b}"};
  if (HashSlot(keys[1]) < HashSlot(keys[0])) std::swap(keys[0], keys[1]);
  uint64_t index = 0;
  const auto set = [&](const std::string& key) {
    const std::string_view arguments[] = {key, "value"};
    BatchBuilder batch;
    batch.Add({.op = Op::kSet, .slot = HashSlot(key), .arguments = arguments});
    Apply(&store, ++index, batch.Finish());
  };
  for (const std::string& key : keys) set(key);
  const auto reader = store.TakeSnapshot();
  EXPECT_TRUE(store.shares_pages());
  std::string read;
  while (read.find(keys[1]) == std::string::npos) {
    read += reader->Next(1).view();
  }
  set(keys[0]);
  EXPECT_EQ(store.counters().pages_copied, 0u);
  set(keys[1]);
  EXPECT_EQ(store.counters().pages_copied, 1u);
  while (!reader->Next(100).empty()) {
  }
  set(keys[1]);
  EXPECT_EQ(store.counters().pages_copied, 1u);
}

TEST(Snapshot, VersionThatNoEntryHas_IsRefused) {
  Store store(kOptions);
  const std::string_view arguments[] = {"the key", "v"};
  BatchBuilder batch;
  batch.Add(
      {.op = Op::kSet, .slot = HashSlot(arguments[0]), .arguments = arguments});
  Apply(&store, 1, batch.Finish());
  const std::string bytes = BytesOf(&store);
  // The key follows its version: group, position and index, whose highest bytes
  // are 9 bytes and 1 byte before the key.
  const size_t key = bytes.find("the key");
  for (const size_t at : {key - 9, key - 1}) {
    std::string bad = bytes;
    bad[at] = '\1';
    Store other(kOptions);
    const absl::Status status = Restore(&other, bad);
    EXPECT_NE(status.message().find("which no entry can have"),
              std::string::npos)
        << status;
    EXPECT_EQ(other.key_count(), 0u);
  }
}

TEST(Snapshot, KeyOfAnUnknownType_IsRefused) {
  Store store(kOptions);
  const std::string_view arguments[] = {"the key", "v"};
  BatchBuilder batch;
  batch.Add(
      {.op = Op::kSet, .slot = HashSlot(arguments[0]), .arguments = arguments});
  Apply(&store, 1, batch.Finish());
  std::string bytes = BytesOf(&store);
  // Between them are two sizes, the expiry and the version.
  const size_t type = bytes.find("the key") - 33;
  EXPECT_EQ(bytes[type], 0);
  bytes[type] = 1;
  Store other(kOptions);
  const absl::Status status = Restore(&other, bytes);
  EXPECT_NE(status.message().find("a key of the unknown type 1"),
            std::string::npos)
      << status;
  EXPECT_EQ(other.key_count(), 0u);
}

TEST(Snapshot, OfAnotherGroupOrKey_IsRefused) {
  const std::string bytes = BytesOf(SampleStore().get());
  Store group({.group = GroupId(5), .hash_key = 77, .owned = kOptions.owned});
  EXPECT_EQ(Restore(&group, bytes).code(), absl::StatusCode::kInvalidArgument);
  Store key({.group = GroupId(4), .hash_key = 78, .owned = kOptions.owned});
  EXPECT_EQ(Restore(&key, bytes).code(), absl::StatusCode::kInvalidArgument);
}

RC_GTEST_PROP(SnapshotParser, AnyBytes_AreRefused, ()) {
  std::string bytes = BytesOf(SampleStore(kWithEpochs).get());
  // A good beginning, then anything.
  const auto keep = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes.resize(keep);
  bytes += *rc::gen::arbitrary<std::string>();
  SnapshotParser parser(SessionRules{});
  size_t at = 0;
  while (at < bytes.size()) {
    const auto size = *rc::gen::inRange<size_t>(1, bytes.size() - at + 1);
    if (!parser.Add(std::string_view(bytes).substr(at, size)).ok()) return;
    at += size;
  }
  SnapshotParser::State state;
  RC_ASSERT(!parser.Finish(&state).ok());
}

}  // namespace
}  // namespace quorate::kv
