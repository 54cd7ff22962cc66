#include "kv/store/work.h"

#include <array>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "kv/slots/slot_scan.h"

namespace quorate::kv {
namespace {

constexpr uint64_t kLong = 400'000;

class WorkTest : public ::testing::Test {
 protected:
  // Adds a command to the estimate, in both forms.
  uint64_t Add(Op op, const std::vector<std::string_view>& arguments,
               std::array<int64_t, 2> numbers = {}, CommandFlags flags = 0) {
    const CommandSpec spec{.op = op,
                           .slot = HashSlot("{t}"),
                           .flags = flags,
                           .numbers = numbers,
                           .arguments = arguments};
    BatchBuilder batch;
    batch.Add(spec);
    const Buffer payload = batch.Finish();
    CommandReader reader(payload.view());
    CommandView view;
    const CommandHeader header = reader.NextHeader();
    EXPECT_TRUE(reader.ok() && reader.Next(&view));
    const bool copies_nothing = of_views_.CopiesNothing(header);
    const uint64_t bytes = of_views_.AddValueBytes(view, size_of_);
    if (copies_nothing) {
      EXPECT_EQ(bytes, 0u) << OpName(op);
      ++copying_nothing_;
    }
    EXPECT_EQ(of_specs_.AddValueBytes(spec, size_of_), bytes);
    return bytes;
  }
  void Clear() {
    of_views_.Clear();
    of_specs_.Clear();
  }

  std::map<std::string, uint64_t, std::less<>> sizes_ = {{"long", kLong},
                                                         {"short", 10}};
  std::function<uint64_t(Slot, std::string_view)> size_of_ =
      [this](Slot, std::string_view key) {
        const auto found = sizes_.find(key);
        return found == sizes_.end() ? 0 : found->second;
      };
  int copying_nothing_ = 0;
  WorkEstimate of_views_;
  WorkEstimate of_specs_;
};

TEST_F(WorkTest, Reads_CountWhatTheyReturn) {
  EXPECT_EQ(Add(Op::kGet, {"long"}), kLong);
  EXPECT_EQ(Add(Op::kGet, {"none"}), 0u);
  EXPECT_EQ(Add(Op::kGetDel, {"long"}), kLong);
  EXPECT_EQ(Add(Op::kMGet, {"long", "short", "none", "long"}), 2 * kLong + 10);
  const auto with_slot = [](std::string_view key) {
    std::string argument;
    AppendSlotKey(HashSlot("{t}"), key, &argument);
    return argument;
  };
  EXPECT_EQ(Add(Op::kMGetOfSlots, {with_slot("long"), with_slot("short")}),
            kLong + 10);
  EXPECT_EQ(Add(Op::kGetRange, {"long"}, {0, -1}), kLong);
  EXPECT_EQ(Add(Op::kGetRange, {"long"}, {5, 15}), 10u);
  EXPECT_EQ(Add(Op::kExists, {"long"}), 0u);
  EXPECT_EQ(Add(Op::kScan, {}, {0, 10}), kScanBytesMax);
}

TEST_F(WorkTest, Changes_CountTheWholeValue) {
  EXPECT_EQ(Add(Op::kAppend, {"long", "x"}), (kLong + 1) / 4);
  EXPECT_EQ(Add(Op::kSetRange, {"long", "x"}, {5, 0}), kLong / 2);
  EXPECT_EQ(Add(Op::kSetBit, {"long"}, {2 * 8, 0}), kLong / 2);
  EXPECT_EQ(Add(Op::kAppend, {"short", "x"}), 11u / 4);
  EXPECT_EQ(Add(Op::kSet, {"long", "v"}), 0u);
  EXPECT_EQ(Add(Op::kDel, {"long"}), 0u);
}

TEST_F(WorkTest, PlainCommands_AreKnownByTheirHeaders) {
  Add(Op::kSet, {"long", "v"});
  Add(Op::kMSet, {"long", "v", "short", "v"});
  Add(Op::kDel, {"long"});
  EXPECT_EQ(copying_nothing_, 3);
  Add(Op::kSet, {"long", "v"}, {}, kReturnOld);
  Add(Op::kAppend, {"long", "v"});
  Add(Op::kGet, {"long"});
  // The length of an earlier command's key is noted.
  Add(Op::kSet, {"short", std::string(kLong, 'v')});
  Add(Op::kSet, {"short", "v"});
  EXPECT_EQ(copying_nothing_, 3);
}

// The commands before are not applied yet.
TEST_F(WorkTest, NewLengths_CountForTheNextCommands) {
  EXPECT_EQ(Add(Op::kSetRange, {"new", "x"}, {kLong, 0}), kLong / 2);
  EXPECT_EQ(Add(Op::kSetBit, {"new"}, {0, 0}), kLong / 2);
  EXPECT_EQ(Add(Op::kGet, {"new"}), kLong);
  EXPECT_EQ(Add(Op::kSetBit, {"other"}, {int64_t{16} * kLong, 0}), kLong / 2);
  EXPECT_EQ(Add(Op::kGet, {"other"}), kLong);
  const std::string value(kLong, 'v');
  EXPECT_EQ(Add(Op::kMSet, {"first", value, "second", "v"}), 0u);
  EXPECT_EQ(Add(Op::kMGet, {"first", "second"}), kLong);
  EXPECT_EQ(Add(Op::kSet, {"short", value}, {}, kReturnOld), 10u);
  EXPECT_EQ(Add(Op::kGet, {"short"}), kLong);
  EXPECT_EQ(Add(Op::kSet, {"short", "v"}), 0u);
  EXPECT_EQ(Add(Op::kGet, {"short"}), 1u);
  Clear();
  EXPECT_EQ(Add(Op::kGet, {"new"}), 0u);
}

TEST_F(WorkTest, NewLengths_CountForTheirKeysOnly) {
  constexpr uint64_t kMedium = 15'000;
  Add(Op::kSet, {"new", std::string(kMedium, 'v')});
  EXPECT_EQ(Add(Op::kGet, {"new"}), kMedium);
  EXPECT_EQ(Add(Op::kGet, {"other"}), 0u);
  EXPECT_EQ(Add(Op::kGet, {"short"}), 10u);
  EXPECT_EQ(Add(Op::kGet, {"long"}), kLong);
  // A shorter one replaces it, however short it is.
  Add(Op::kSet, {"new", std::string(kMedium / 2, 'v')});
  EXPECT_EQ(Add(Op::kGet, {"new"}), kMedium / 2);
  Add(Op::kSet, {"new", "v"});
  EXPECT_EQ(Add(Op::kGet, {"new"}), 1u);
  EXPECT_EQ(copying_nothing_, 0);
  Clear();
  EXPECT_EQ(Add(Op::kGet, {"new"}), 0u);
}

TEST_F(WorkTest, RemovedKey_CountsNothing) {
  constexpr uint64_t kBytes = 20'000;
  const std::string value(kBytes, 'v');
  Add(Op::kMSet, {"first", value, "second", value, "third", value});
  EXPECT_EQ(Add(Op::kGetDel, {"first"}), kBytes);
  EXPECT_EQ(Add(Op::kDel, {"second", "none"}), 0u);
  EXPECT_EQ(Add(Op::kMGet, {"first", "second", "third"}), kBytes);
}

// The condition may not hold.
TEST_F(WorkTest, ConditionalCommand_CountsAsTheLongerValue) {
  Add(Op::kSet, {"noted", std::string(kLong, 'v')});
  Add(Op::kSet, {"noted", "v"}, {}, kIfAbsent);
  EXPECT_EQ(Add(Op::kGet, {"noted"}), kLong);
  Add(Op::kSet, {"long", std::string(1'000, 'v')}, {}, kIfPresent);
  EXPECT_EQ(Add(Op::kGet, {"long"}), kLong);
}

TEST_F(WorkTest, AppliedCommands_AreForgottenByTheirNumbers) {
  constexpr uint64_t kBytes = 20'000;
  const std::string value(kBytes, 'v');
  of_views_.SetNumber(1);
  of_specs_.SetNumber(1);
  Add(Op::kMSet, {"first", value, "second", value});
  of_views_.SetNumber(2);
  of_specs_.SetNumber(2);
  Add(Op::kAppend, {"second", "v"});
  of_views_.ForgetThrough(1);
  of_specs_.ForgetThrough(1);
  EXPECT_EQ(Add(Op::kGet, {"first"}), 0u);
  EXPECT_EQ(Add(Op::kGet, {"second"}), kBytes + 1);
  of_views_.ForgetThrough(2);
  of_specs_.ForgetThrough(2);
  EXPECT_EQ(Add(Op::kGet, {"second"}), 0u);
  const int copying_nothing = copying_nothing_;
  Add(Op::kSet, {"first", "v"});
  EXPECT_EQ(copying_nothing_, copying_nothing + 1);
}

// More keys than the table has cells: no key counts less than its value has.
TEST_F(WorkTest, KeysThatShareCells_CountAsTheLongestOfThem) {
  constexpr size_t kKeys = 5'000;
  constexpr size_t kBytes = 300;
  for (size_t i = 0; i < kKeys; ++i) {
    Add(Op::kSet, {std::to_string(i), std::string(kBytes + i % 7, 'v')});
  }
  for (size_t i = 0; i < kKeys; ++i) {
    const uint64_t size = Add(Op::kGet, {std::to_string(i)});
    EXPECT_GE(size, kBytes + i % 7) << i;
    EXPECT_LE(size, kBytes + 6) << i;
  }
  EXPECT_EQ(Add(Op::kGet, {"long"}), kLong);
}

TEST_F(WorkTest, Transaction_CountsItsCommands) {
  BatchBuilder batch;
  batch.BeginAtomic(HashSlot("{t}"), std::nullopt);
  const std::vector<std::string_view> key = {"long"};
  const std::vector<std::string_view> append = {"long", "x"};
  batch.Add({.op = Op::kGet, .slot = HashSlot("{t}"), .arguments = key});
  batch.Add({.op = Op::kAppend, .slot = HashSlot("{t}"), .arguments = append});
  batch.EndAtomic();
  const Buffer payload = batch.Finish();
  CommandReader reader(payload.view());
  CommandView atomic;
  ASSERT_TRUE(reader.ok() && reader.Next(&atomic));
  EXPECT_EQ(of_views_.AddValueBytes(atomic, size_of_), kLong + (kLong + 1) / 4);
}

// Numbers that no client may send do not overflow.
TEST_F(WorkTest, NumbersOutOfRange_AreBounded) {
  constexpr int64_t kMin = std::numeric_limits<int64_t>::min();
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_LE(Add(Op::kSetRange, {"none", "x"}, {kMax, 0}), kValueBytesMax);
  EXPECT_LE(Add(Op::kSetBit, {"none"}, {kMax, 0}), kValueBytesMax);
  EXPECT_EQ(Add(Op::kSetRange, {"absent", "x"}, {kMin, 0}), 0u);
  EXPECT_LE(Add(Op::kGetRange, {"long"}, {kMin, kMax}), kLong);
  EXPECT_LE(Add(Op::kGetRange, {"long"}, {kMax, kMin}), kLong);
  EXPECT_LE(Add(Op::kKeyCount, {}, {kMin, kMax}), kValueBytesMax);
  EXPECT_LE(Add(Op::kExpire, {}, {kMax, 0}), 2 * kValueBytesMax);
}

}  // namespace
}  // namespace quorate::kv
