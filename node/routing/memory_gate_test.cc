#include "node/routing/memory_gate.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/store/store.h"

namespace quorate::node {
namespace {

Buffer BatchOf(const std::vector<std::pair<kv::Op, std::string>>& commands) {
  kv::BatchBuilder batch;
  for (const auto& [op, value] : commands) {
    std::vector<std::string_view> arguments = {"key"};
    if (op == kv::Op::kSet) arguments.push_back(value);
    batch.Add({.op = op, .slot = Slot(7), .arguments = arguments});
  }
  return batch.Finish();
}

std::vector<kv::Op> OpsOf(const Buffer& payload) {
  kv::CommandReader reader(payload.view());
  std::vector<kv::Op> ops;
  kv::CommandView command;
  while (reader.ok() && !reader.done()) {
    EXPECT_TRUE(reader.Next(&command));
    ops.push_back(command.op);
  }
  return ops;
}

// Without a store.
GatedBatch Pass(Buffer payload, MemoryBudget& budget,
                const std::vector<bool>& too_large = {}) {
  return PassMemoryGate(std::move(payload), budget, nullptr, too_large);
}

const std::string kLarge(1'000, 'x');

TEST(MemoryGate_WithoutLimit_PassesAndReservesNothing, Always) {
  MemoryBudget budget(0);
  const Quota::Share used(budget.used(), 1 << 30);
  const GatedBatch gated = Pass(BatchOf({{kv::Op::kSet, kLarge}}), budget);
  EXPECT_FALSE(gated.changed());
  EXPECT_EQ(budget.reserved_bytes(), 0u);
}

TEST(MemoryGate_BatchThatFits_IsReservedWhole, UntilReleased) {
  MemoryBudget budget(10'000);
  GatedBatch gated =
      Pass(BatchOf({{kv::Op::kSet, kLarge}, {kv::Op::kGet, ""}}), budget);
  EXPECT_FALSE(gated.changed());
  EXPECT_GE(gated.growth.bytes(), kLarge.size());
  EXPECT_EQ(budget.reserved_bytes(), gated.growth.bytes());
  gated.growth.End();
  EXPECT_EQ(budget.reserved_bytes(), 0u);
}

// The simulator's checker of resources reads this.
TEST(MemoryBudget_GrowthBeyondTheLimit, IsKnown) {
  MemoryBudget budget(1'000);
  Quota::Share growth(budget.reserved());
  budget.Reserve(1'000, &growth);
  budget.Reserve(0, &growth);
  EXPECT_EQ(budget.most_bytes_above_limit(), 0u);
  const Quota::Share used(budget.used(), 30);
  EXPECT_EQ(budget.most_bytes_above_limit(), 0u) << "a follower's store grew";
  budget.Reserve(5, &growth);
  growth.Resize(0);
  budget.Reserve(1, &growth);
  EXPECT_EQ(budget.most_bytes_above_limit(), 35u);
}

// Each may add a row, however little it changes.
TEST(MemoryGate_CommandsOfSessions, AreRefusedAPartAboveTheLimit) {
  const std::vector<std::string_view> key = {"key"};
  kv::BatchBuilder builder;
  builder.Add({.op = kv::Op::kDel, .slot = Slot(7), .arguments = key});
  builder.Add(
      {.op = kv::Op::kDel,
       .slot = Slot(7),
       .session = kv::SessionStamp{{}, kv::Sequence(1), kv::Sequence(1)},
       .arguments = key});
  const Buffer batch = builder.Finish();
  MemoryBudget budget(16'000);
  Quota::Share used(budget.used(), 17'000);
  EXPECT_FALSE(Pass(batch, budget).changed());
  used.Add(1);
  const GatedBatch gated = Pass(batch, budget);
  EXPECT_EQ(gated.refused,
            (std::vector<kv::ResultStatus>{kv::ResultStatus::kOk,
                                           kv::ResultStatus::kOutOfMemory}));
  EXPECT_EQ(OpsOf(gated.payload), (std::vector<kv::Op>{kv::Op::kDel}));
}

// Its first try was executed, so the store has its result.
TEST(MemoryGate_SecondTryOfASession, IsNotRefused) {
  const std::vector<std::string_view> key = {"key"};
  const kv::SessionStamp stamp = {
      kv::MakeSessionToken(5, WallTime(0), Seconds(60)), kv::Sequence(1),
      kv::Sequence(1)};
  const auto del = [&](Slot slot) {
    kv::BatchBuilder builder;
    builder.Add(
        {.op = kv::Op::kDel, .slot = slot, .session = stamp, .arguments = key});
    return builder.Finish();
  };
  kv::Store store({.group = GroupId(1),
                   .hash_key = 7,
                   .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}});
  raft::Entry entry;
  entry.index = raft::Index(1);
  entry.kind = raft::EntryKind::kCommands;
  entry.payload = del(Slot(7));
  store.Apply(entry, /*wants_result=*/false);
  MemoryBudget budget(16'000);
  const Quota::Share used(budget.used(), 20'000);
  EXPECT_FALSE(PassMemoryGate(del(Slot(7)), budget, &store).changed());
  EXPECT_TRUE(PassMemoryGate(del(Slot(8)), budget, &store).changed())
      << "it would add a row";
}

TEST(MemoryGate_BatchThatDoesNotFit_LosesItsGrowingCommands, FromTheFirst) {
  MemoryBudget budget(2'500);
  const GatedBatch gated = Pass(BatchOf({{kv::Op::kDel, ""},
                                         {kv::Op::kSet, kLarge},
                                         {kv::Op::kSet, kLarge},
                                         {kv::Op::kSet, kLarge},
                                         {kv::Op::kGet, ""}}),
                                budget);
  using enum kv::ResultStatus;
  EXPECT_EQ(gated.refused,
            (std::vector<kv::ResultStatus>{kOk, kOk, kOk, kOutOfMemory, kOk}));
  EXPECT_EQ(OpsOf(gated.payload),
            (std::vector<kv::Op>{kv::Op::kDel, kv::Op::kSet, kv::Op::kSet,
                                 kv::Op::kGet}));
  EXPECT_EQ(budget.reserved_bytes(), gated.growth.bytes());
  EXPECT_LE(budget.reserved_bytes(), budget.limit_bytes());
  EXPECT_EQ(budget.refused_commands(), 1u);
}

TEST(MemoryGate_UsedAboveTheLimit_RefusesEveryGrowingCommand, AndNoOther) {
  MemoryBudget budget(1'000);
  const Quota::Share used(budget.used(), 5'000);
  const GatedBatch gated =
      Pass(BatchOf({{kv::Op::kSet, ""}, {kv::Op::kDel, ""}}), budget);
  using enum kv::ResultStatus;
  EXPECT_EQ(gated.refused, (std::vector<kv::ResultStatus>{kOutOfMemory, kOk}));
  EXPECT_EQ(gated.growth.bytes(), 0u);
}

TEST(MemoryGate_Results_AreThoseOfTheWholeBatch, WithTheirVersions) {
  const kv::Version entry{GroupId(3), raft::Index(9), 0};
  kv::ResultBuilder proposed(entry);
  proposed.AddInteger({.wrote = true, .version = entry}, 5);
  kv::Version second = entry;
  second.position = 1;
  proposed.AddBytes({.version = second}, "abc");
  using enum kv::ResultStatus;
  const Buffer all =
      AddRefusedResults(proposed.Finish(), {kOutOfMemory, kOk, kTooLarge, kOk});
  ASSERT_TRUE(kv::ResultsAreWhole(all.view(), 4));
  kv::ResultReader reader(all.view());
  EXPECT_EQ(reader.Next().status, kOutOfMemory);
  const kv::ResultView first = reader.Next();
  EXPECT_EQ(first.integer, 5);
  EXPECT_TRUE(first.wrote);
  EXPECT_EQ(first.version, entry);
  EXPECT_EQ(reader.Next().status, kTooLarge);
  const kv::ResultView last = reader.Next();
  EXPECT_EQ(last.bytes, "abc");
  EXPECT_EQ(last.version, second);
}

TEST(MemoryGate_LargeTransaction_IsRefusedAlone, WithoutAMemoryLimit) {
  MemoryBudget budget(0);
  const Buffer batch =
      BatchOf({{kv::Op::kDel, ""}, {kv::Op::kGet, ""}, {kv::Op::kGet, ""}});
  const GatedBatch gated = Pass(batch, budget, {false, true, false});
  using enum kv::ResultStatus;
  EXPECT_EQ(gated.refused,
            (std::vector<kv::ResultStatus>{kOk, kTooLarge, kOk}));
  EXPECT_EQ(OpsOf(gated.payload),
            (std::vector<kv::Op>{kv::Op::kDel, kv::Op::kGet}));
}

// Appends a transaction of `gets` reads of the key.
void AddTransaction(kv::BatchBuilder* batch, int gets) {
  const std::vector<std::string_view> arguments = {"key"};
  batch->BeginAtomic(Slot(7), std::nullopt);
  for (int i = 0; i < gets; ++i) {
    batch->Add({.op = kv::Op::kGet, .slot = Slot(7), .arguments = arguments});
  }
  batch->EndAtomic();
}

TEST(MemoryGate_TransactionsOfABatch, AreLargeByTheValuesOfTheStore) {
  kv::Store store(
      {.group = GroupId(3), .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}});
  raft::Entry entry;
  entry.index = raft::Index(1);
  entry.payload = BatchOf({{kv::Op::kSet, kLarge}});
  store.Apply(entry, /*wants_result=*/false);
  kv::BatchBuilder batch;
  AddTransaction(&batch, 3);
  AddTransaction(&batch, 4);
  AddTransaction(&batch, 1);
  const Buffer payload = batch.Finish();
  EXPECT_EQ(LargeTransactions(payload, &store, 3 * kLarge.size()),
            (std::vector<bool>{false, true, false}));
  EXPECT_TRUE(LargeTransactions(payload, &store, 4 * kLarge.size()).empty());
  EXPECT_TRUE(LargeTransactions(payload, nullptr, 1).empty());
  EXPECT_TRUE(LargeTransactions(Buffer::Copy("no batch"), &store, 1).empty());
}

}  // namespace
}  // namespace quorate::node
