#include "kv/store/long_read.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kv/testing/store_fixture.h"

namespace quorate::kv {
namespace {

class LongReadTest : public StoreTest {
 protected:
  // Keys of one slot.
  static std::string Key(int i) { return "{s}" + std::to_string(i); }
  static Slot TheSlot() { return HashSlot("{s}"); }

  void Set(int i, std::string_view value, int64_t expire_at_ms = 0) {
    const std::string key = Key(i);
    CommandSpec spec{.op = Op::kSet, .slot = TheSlot()};
    if (expire_at_ms != 0) spec.expire_at_ms = expire_at_ms;
    Do(spec, {key, value});
  }

  std::unique_ptr<LongRead> Begin(Op op, int keys,
                                  WallTime present = WallTime::Min()) {
    names_.clear();
    for (int i = 0; i < keys; ++i) names_.push_back(Key(i));
    return store_.BeginLongRead(op, TheSlot(), {names_.begin(), names_.end()},
                                {.present = present});
  }

  static std::vector<std::string> Take(LongRead& read, size_t keys_max,
                                       size_t bytes_max) {
    std::vector<std::string> values;
    for (const ResultElement& element : read.Next(keys_max, bytes_max)) {
      values.push_back(element.nil ? "(nil)" : std::string(element.bytes));
    }
    return values;
  }

  std::vector<std::string> names_;
};

TEST_F(LongReadTest, WritesBetweenThePieces_AreNotSeen) {
  for (int i = 0; i < 1000; ++i) Set(i, "old");
  Set(1, std::string(8000, 'o'));
  const auto read = Begin(Op::kMGet, 1001);
  EXPECT_TRUE(read->Count(400));
  for (int i = 0; i < 1001; ++i) Set(i, "new");
  EXPECT_TRUE(read->Count(600));
  EXPECT_FALSE(read->Count(1));
  ASSERT_TRUE(read->has_elements());
  EXPECT_EQ(read->value_bytes(), 999u * 3 + 8000);
  const std::vector<std::string> first = Take(*read, 500, 100'000);
  ASSERT_EQ(first.size(), 500u);
  EXPECT_EQ(first[0], "old");
  EXPECT_EQ(first[1], std::string(8000, 'o'));
  Do({.op = Op::kDel, .slot = TheSlot()}, {Key(700)});
  std::vector<std::string> rest;
  while (!read->done()) {
    for (std::string& value : Take(*read, 77, 100'000)) {
      rest.push_back(std::move(value));
    }
  }
  ASSERT_EQ(rest.size(), 501u);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(rest[i], "old") << i;
  EXPECT_EQ(rest[500], "(nil)");
}

TEST_F(LongReadTest, Elements_EndAtTheBytes) {
  for (int i = 0; i < 20; ++i) Set(i, std::string(1000, 'v'));
  const auto read = Begin(Op::kMGet, 20);
  EXPECT_FALSE(read->Count(100));
  EXPECT_EQ(Take(*read, 100, 2500).size(), 3u);
  EXPECT_EQ(Take(*read, 100, 1).size(), 1u);
  EXPECT_EQ(Take(*read, 5, 100'000).size(), 5u);
  EXPECT_EQ(read->taken(), 9u);
}

TEST_F(LongReadTest, KeysOfSeveralSlots_AreOfOneState) {
  // Successive keys are of one slot, or of several.
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < 300; ++i) {
    const std::string tag = "{" + std::to_string(i % 7 == 0 ? i : i / 20) + "}";
    if (!store_.Owns(HashSlot(tag))) continue;
    keys.push_back(tag + std::to_string(i));
  }
  const auto set_all = [&](std::string_view value) {
    for (size_t i = 0; i < keys.size(); i += 2) {
      Do({.op = Op::kSet}, {keys[i], value});
    }
  };
  set_all("old");
  const auto begin = [&](Op op) {
    names_.clear();
    for (const std::string& key : keys) {
      AppendSlotKey(HashSlot(key), key, &names_.emplace_back());
    }
    return store_.BeginLongRead(op, HashSlot(keys[0]),
                                {names_.begin(), names_.end()}, {});
  };
  const auto read = begin(Op::kMGetOfSlots);
  EXPECT_TRUE(read->Count(33));
  set_all("new");
  EXPECT_FALSE(read->Count(1000));
  ASSERT_TRUE(read->has_elements());
  EXPECT_EQ(read->value_bytes(), 150u * 3);
  std::vector<std::string> values;
  while (!read->done()) {
    for (std::string& value : Take(*read, 19, 100'000)) {
      values.push_back(std::move(value));
    }
  }
  ASSERT_EQ(values.size(), keys.size());
  for (size_t i = 0; i < keys.size(); ++i) {
    EXPECT_EQ(values[i], i % 2 == 0 ? "old" : "(nil)") << i;
  }
  const auto count = begin(Op::kExistsOfSlots);
  EXPECT_FALSE(count->Count(1000));
  EXPECT_EQ(count->Whole().integer, 150);
}

TEST_F(LongReadTest, Exists_CountsPresentKeys) {
  for (int i = 0; i < 50; i += 2) Set(i, "v");
  const auto read = Begin(Op::kExists, 50);
  EXPECT_TRUE(read->Count(49));
  Do({.op = Op::kDel, .slot = TheSlot()}, {Key(0), Key(48)});
  EXPECT_FALSE(read->Count(49));
  EXPECT_FALSE(read->has_elements());
  EXPECT_EQ(read->Whole().integer, 25);
}

TEST_F(LongReadTest, MoreBytesThanACommandReturns_HasNoElements) {
  const std::string value(500'000, 'v');
  for (int i = 0; i < 10; ++i) Set(i, value);
  names_.clear();
  std::vector<std::string> keys;
  for (int i = 0; i < 10; ++i) keys.push_back(Key(i));
  std::vector<std::string_view> often;
  for (int i = 0; i < 140; ++i) often.push_back(keys[i % 10]);
  const auto read = store_.BeginLongRead(Op::kMGet, TheSlot(), often, {});
  EXPECT_FALSE(read->Count(1000));
  EXPECT_FALSE(read->has_elements());
  EXPECT_EQ(read->Whole().status, ResultStatus::kTooLarge);
}

TEST_F(LongReadTest, DueKey_NeedsTime) {
  SetTime(1'000);
  for (int i = 0; i < 10; ++i) Set(i, "v");
  Set(7, "v", 2'000);
  auto read = Begin(Op::kMGet, 10, WallTime(1'999'000'000));
  EXPECT_FALSE(read->Count(100));
  EXPECT_FALSE(read->needs_time());
  read = Begin(Op::kMGet, 10, WallTime(2'000'000'000));
  EXPECT_FALSE(read->Count(100));
  EXPECT_TRUE(read->needs_time());
}

TEST_F(LongReadTest, SlotWithoutKeys_HasOnlyNil) {
  const auto read = Begin(Op::kMGet, 40);
  EXPECT_FALSE(read->Count(100));
  EXPECT_EQ(Take(*read, 100, 100), std::vector<std::string>(40, "(nil)"));
}

}  // namespace
}  // namespace quorate::kv
