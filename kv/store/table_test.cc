#include "kv/store/table.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "kv/slots/keyed_hash.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr uint64_t kHashKey = 5;

class TableTest : public ::testing::Test {
 protected:
  explicit TableTest(uint32_t page_keys = kPageKeysMax)
      : context_(std::make_shared<TableContext>(kHashKey, nullptr, &KeyedHash,
                                                page_keys)),
        table_(context_.get()) {}

  void Put(std::string_view key, std::string_view value, uint64_t index = 1) {
    table_.Put(table_.Hash(key), key, {.head = value},
               {GroupId(1), raft::Index(index), 0}, /*expire_at_ms=*/0);
  }
  bool Erase(std::string_view key) {
    return table_.Erase(table_.Hash(key), key);
  }
  std::string_view Get(std::string_view key) {
    const Record* record = table_.Find(table_.Hash(key), key);
    return record == nullptr ? "(none)" : record->value();
  }
  static std::string Key(int i) { return "key" + std::to_string(i); }

  // All keys, in the order of iteration, in steps of `step` records.
  template <typename Source>
  static std::vector<std::string> Keys(const Source& source, size_t step = 1) {
    std::vector<std::string> keys;
    std::pair<uint64_t, std::string> last;
    uint64_t next = 0;
    while (source.ScanPages(
        next, step,
        [&](uint64_t hash, const Record& record) {
          EXPECT_EQ(hash, KeyedHash(kHashKey, record.key()));
          const std::pair<uint64_t, std::string> here(hash, record.key());
          EXPECT_TRUE(keys.empty() || last < here);
          last = here;
          keys.emplace_back(record.key());
        },
        &next)) {
    }
    return keys;
  }

  const std::shared_ptr<TableContext> context_;
  PageReclaimer& reclaimer_ = context_->reclaimer;
  const PageCounters& counters_ = context_->counters;
  Table table_;
};

// The hash of a long value is stored in its record. So another expiry, and the
// removal of the key, read no value.
TEST_F(TableTest, LongValue_IsHashedOnce) {
  const std::string value(Record::kHashedValueBytesMin, 'v');
  const std::string other(Record::kHashedValueBytesMin, 'w');
  const uint64_t hash = table_.Hash("key");
  const auto check = [&](std::string_view expected) {
    const Record* record = table_.Find(hash, "key");
    ASSERT_NE(record, nullptr);
    EXPECT_EQ(record->value_hash(), KeyedHash(kHashKey + 1, expected));
    EXPECT_EQ(table_.digest(), Table::RecordDigest(kHashKey, hash, *record));
  };
  Put("key", value);
  check(value);
  const Version version{GroupId(1), raft::Index(2), 0};
  for (const int64_t expire_at_ms : {0, 5, 6, 0}) {
    table_.SetExpiry(hash, "key", version, expire_at_ms);
    check(value);
  }
  const TableView view = table_.TakeView();
  table_.SetExpiry(hash, "key", version, 7);
  check(value);
  Put("key", other, 3);
  check(other);
  Put("key", "short", 4);
  EXPECT_EQ(table_.Find(hash, "key")->value_hash(), 0u);
  EXPECT_TRUE(Erase("key"));
  EXPECT_EQ(table_.digest(), 0u);
}

TEST_F(TableTest, ManyKeys_AreFoundAndIteratedInHashOrder) {
  constexpr int kKeys = 20'000;
  for (int i = 0; i < kKeys; ++i) Put(Key(i), Key(i));
  EXPECT_EQ(table_.key_count(), static_cast<uint64_t>(kKeys));
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(Get(Key(i)), Key(i));
  EXPECT_EQ(Get("other"), "(none)");
  EXPECT_EQ(Keys(table_).size(), static_cast<size_t>(kKeys));
  EXPECT_GT(counters_.split, 0u);
}

TEST_F(TableTest, ErasedKeys_LeaveNothing) {
  for (int i = 0; i < 5'000; ++i) Put(Key(i), "v");
  for (int i = 0; i < 5'000; ++i) ASSERT_TRUE(Erase(Key(i)));
  EXPECT_FALSE(Erase(Key(0)));
  EXPECT_EQ(table_.key_count(), 0u);
  EXPECT_EQ(table_.size_bytes(), 0u);
  EXPECT_EQ(table_.digest(), 0u);
  EXPECT_EQ(counters_.merged, counters_.split);
  EXPECT_TRUE(Keys(table_).empty());
}

class SmallPagesTest : public TableTest {
 protected:
  SmallPagesTest() : TableTest(/*page_keys=*/4) {}
};

TEST_F(SmallPagesTest, ManyKeys_AreFoundAndLeaveNothing) {
  constexpr int kKeys = 2'000;
  for (int i = 0; i < kKeys; ++i) Put(Key(i), Key(i));
  for (int i = 0; i < kKeys; ++i) ASSERT_EQ(Get(Key(i)), Key(i));
  EXPECT_EQ(Keys(table_).size(), static_cast<size_t>(kKeys));
  EXPECT_GE(counters_.split, static_cast<uint64_t>(kKeys) / 4);
  for (int i = 0; i < kKeys; ++i) ASSERT_TRUE(Erase(Key(i)));
  EXPECT_EQ(counters_.merged, counters_.split);
  EXPECT_TRUE(Keys(table_).empty());
}

TEST_F(TableTest, View_KeepsWhatItShared) {
  for (int i = 0; i < 3'000; ++i) Put(Key(i), "old");
  const std::vector<std::string> keys = Keys(table_);
  TableView view = table_.TakeView();
  for (int i = 0; i < 3'000; ++i) {
    if (i % 3 == 0) Erase(Key(i));
    if (i % 3 == 1) Put(Key(i), "new");
  }
  for (int i = 3'000; i < 6'000; ++i) Put(Key(i), "more");
  EXPECT_EQ(Keys(view), keys);
  uint64_t next = 0;
  const auto check = [](uint64_t, const Record& record) {
    EXPECT_EQ(record.value(), "old");
  };
  while (view.ScanPages(next, 1, check, &next)) {
  }
  EXPECT_EQ(Get(Key(1)), "new");
  EXPECT_EQ(Get(Key(2)), "old");
  EXPECT_EQ(Get(Key(3)), "(none)");
}

TEST_F(TableTest, FirstWriteAfterAView_CopiesOnlyThePathToItsPage) {
  for (int i = 0; i < 100'000; ++i) Put(Key(i), "v");
  const TableView view = table_.TakeView();
  Put(Key(1), "w");
  // Three levels of branches at most, and the page.
  EXPECT_LE(counters_.copied, 4u);
  const uint64_t copied = counters_.copied;
  Put(Key(1), "x");
  EXPECT_EQ(counters_.copied, copied);
}

TEST_F(TableTest, Reclaimer_FreesStepByStep) {
  for (int i = 0; i < 10'000; ++i) Put(Key(i), "v");
  {
    TableView view = table_.TakeView();
    for (int i = 0; i < 10'000; ++i) Put(Key(i), "longer");
    while (reclaimer_.Step(1'000)) {
    }
  }
  EXPECT_FALSE(reclaimer_.idle());
  int steps = 0;
  while (reclaimer_.Step(10)) ++steps;
  EXPECT_GT(steps, 10);
}

TEST_F(TableTest, OverwriteOfEqualSize_HappensInPlace) {
  Put("k", "aaaa");
  const Record* before = table_.Find(table_.Hash("k"), "k");
  Put("k", "bbbb", 2);
  EXPECT_EQ(table_.Find(table_.Hash("k"), "k"), before);
  EXPECT_EQ(before->value(), "bbbb");
  EXPECT_EQ(before->version().index, raft::Index(2));
}

TEST_F(TableTest, Digest_DependsOnKeyValueExpiryAndVersion) {
  std::set<uint64_t> digests;
  const auto put = [&](std::string_view value, uint64_t index,
                       int64_t expire_at_ms) {
    table_.Put(table_.Hash("k"), "k", {.head = value},
               {GroupId(1), raft::Index(index), 0}, expire_at_ms);
    digests.insert(table_.digest());
  };
  put("v", 1, 0);
  put("w", 1, 0);
  put("v", 2, 0);
  put("v", 1, 7);
  EXPECT_EQ(digests.size(), 4u);
  put("v", 1, 0);
  EXPECT_EQ(digests.size(), 4u);
}

TEST_F(TableTest, EraseExpired_TakesTheRecordWithThatTimeOnly) {
  const uint64_t hash = table_.Hash("k");
  table_.Put(hash, "k", {.head = "v"}, {GroupId(1), raft::Index(1), 0}, 50);
  EXPECT_FALSE(table_.EraseExpired(hash, 49));
  EXPECT_FALSE(table_.EraseExpired(hash + 1, 50));
  EXPECT_TRUE(table_.EraseExpired(hash, 50));
  EXPECT_EQ(table_.key_count(), 0u);
}

TEST_F(TableTest, SetExpiry_OnARecordWithoutRoom_KeepsTheValue) {
  Put("k", "value");
  const uint64_t hash = table_.Hash("k");
  table_.SetExpiry(hash, "k", {GroupId(1), raft::Index(2), 3}, 50);
  const Record* record = table_.Find(hash, "k");
  EXPECT_EQ(record->expire_at_ms(), 50);
  EXPECT_EQ(record->value(), "value");
  EXPECT_EQ(record->version(), (Version{GroupId(1), raft::Index(2), 3}));
  table_.SetExpiry(hash, "k", {GroupId(1), raft::Index(3), 0}, 0);
  EXPECT_EQ(table_.Find(hash, "k"), record);  // The room stays.
  EXPECT_EQ(record->expire_at_ms(), 0);
}

TEST_F(TableTest, ErasedKeys_GiveTheirMemoryBack) {
  for (int i = 0; i < 50'000; ++i) Put(Key(i), "value");
  const size_t slabs = context_->pool->slab_count();
  EXPECT_GT(slabs, 20u);
  for (int i = 0; i < 49'990; ++i) Erase(Key(i));
  EXPECT_LE(context_->pool->slab_count(), 10u);
}

// A hash that a test chooses by the beginning of the key.
uint64_t ChosenHash(uint64_t, std::string_view key) {
  return LoadFixed<uint64_t>(key, 0);
}
std::string KeyWithHash(uint64_t hash, std::string_view rest) {
  std::string key;
  AppendFixed(&key, hash);
  return key.append(rest);
}

// Hashes chosen by hand reach what random ones do not: long common prefixes,
// and more equal ones than a page holds.
RC_GTEST_PROP(Table, AnyHashes_AgreeWithAMap, ()) {
  const auto context =
      std::make_shared<TableContext>(kHashKey, nullptr, &ChosenHash);
  Table table(context.get());
  std::map<std::pair<uint64_t, std::string>, std::string> model;
  std::vector<TableView> views;
  std::vector<size_t> view_sizes;
  const auto prefix = *rc::gen::element<uint64_t>(
      0, ~uint64_t{0}, 0x8000000000000000, 0x0123456789abcdef);
  const int free_bits = *rc::gen::element(3, 9, 20, 64);
  const uint64_t mask =
      free_bits == 64 ? ~uint64_t{0} : (uint64_t{1} << free_bits) - 1;
  const int operations = *rc::gen::inRange(0, 1'500);
  uint64_t draw = *rc::gen::arbitrary<uint64_t>();
  for (int i = 0; i < operations; ++i) {
    draw = Mix64(draw + 0x9e3779b97f4a7c15ULL);
    const uint64_t hash = (prefix & ~mask) | (Mix64(draw ^ 1) & mask);
    const std::string key =
        KeyWithHash(hash, std::to_string(Mix64(draw ^ 2) % 40));
    // Mostly puts in the first half, mostly erasures in the second.
    const bool put = Mix64(draw ^ 3) % 8 < (i < operations / 2 ? 7u : 2u);
    if (put) {
      const std::string value(Mix64(draw ^ 4) % 20, 'v');
      table.Put(hash, key, {.head = value}, {GroupId(1), raft::Index(1), 0}, 0);
      model[{hash, key}] = value;
    } else if (!model.empty()) {
      auto victim = model.lower_bound({hash, ""});
      if (victim == model.end()) victim = model.begin();
      RC_ASSERT(table.Erase(victim->first.first, victim->first.second));
      model.erase(victim);
    }
    if (Mix64(draw ^ 5) % 100 == 0) {
      views.push_back(table.TakeView());
      view_sizes.push_back(model.size());
    }
  }
  RC_ASSERT(table.key_count() == model.size());
  for (const auto& [at, value] : model) {
    const Record* record = table.Find(at.first, at.second);
    RC_ASSERT(record != nullptr);
    RC_ASSERT(record->value() == value);
  }
  auto expected = model.begin();
  uint64_t next = 0;
  bool more = true;
  while (more) {
    more = table.ScanPages(
        next, 1,
        [&](uint64_t hash, const Record& record) {
          RC_ASSERT(expected != model.end());
          RC_ASSERT(hash == expected->first.first);
          RC_ASSERT(record.key() == expected->first.second);
          ++expected;
        },
        &next);
  }
  RC_ASSERT(expected == model.end());
  for (size_t i = 0; i < views.size(); ++i) {
    size_t count = 0;
    next = 0;
    while (views[i].ScanPages(
        next, 1, [&](uint64_t, const Record&) { ++count; }, &next)) {
    }
    RC_ASSERT(count == view_sizes[i]);
  }
}

// Keys that are there from the first step of a scan to the last are visited,
// and none twice.
RC_GTEST_PROP(Table, ScanUnderChanges_VisitsWhatStays, ()) {
  const auto context = std::make_shared<TableContext>(kHashKey);
  Table table(context.get());
  const auto put = [&](const std::string& key) {
    table.Put(table.Hash(key), key, {.head = "v"},
              {GroupId(1), raft::Index(1), 0}, 0);
  };
  const int stays = *rc::gen::inRange(0, 400);
  for (int i = 0; i < stays; ++i) put("s" + std::to_string(i));
  uint64_t draw = *rc::gen::arbitrary<uint64_t>();
  std::map<std::string, int> seen;
  uint64_t next = 0;
  bool more = true;
  while (more) {
    more = table.ScanPages(
        next, 5,
        [&](uint64_t, const Record& record) {
          ++seen[std::string(record.key())];
        },
        &next);
    const int changes = *rc::gen::inRange(0, 200);
    for (int i = 0; i < changes; ++i) {
      draw = Mix64(draw + 1);
      const std::string key = "c" + std::to_string(draw % 300);
      if (draw >> 32 & 1) {
        put(key);
      } else {
        table.Erase(table.Hash(key), key);
      }
    }
  }
  for (int i = 0; i < stays; ++i) {
    RC_ASSERT(seen["s" + std::to_string(i)] == 1);
  }
  for (const auto& [key, times] : seen) RC_ASSERT(times <= 1);
}

TEST(KeyedHash, Values_NeverChange) {
  EXPECT_EQ(KeyedHash(0, ""), 0xe8a63f0a17afc4cdu);
  EXPECT_EQ(KeyedHash(1, "a"), 0x24d11f7533b9add3u);
  EXPECT_EQ(KeyedHash(1, "abcd"), 0xefd904ced66cd561u);
  EXPECT_EQ(KeyedHash(1, "12345678"), 0xd52f088a2e1fdd64u);
  EXPECT_EQ(KeyedHash(2, "0123456789abcdef0123456789abcdefX"),
            0x668073b1c7399cc2u);
}

TEST(KeyedHash, EveryBitOfKeyAndBytes_MovesAboutHalfOfTheHash) {
  const auto distance = [](uint64_t a, uint64_t b) {
    return __builtin_popcountll(a ^ b);
  };
  for (const size_t size : {1u, 3u, 4u, 7u, 8u, 15u, 16u, 17u, 40u}) {
    std::string bytes(size, 'x');
    EXPECT_NE(KeyedHash(0, bytes), 0u);
    const uint64_t base = KeyedHash(9, bytes);
    for (size_t bit = 0; bit < size * 8; ++bit) {
      std::string other = bytes;
      other[bit / 8] = static_cast<char>(other[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_GT(distance(base, KeyedHash(9, other)), 8)
          << size << " bytes, bit " << bit;
    }
    for (int bit = 0; bit < 64; ++bit) {
      EXPECT_GT(distance(base, KeyedHash(9 ^ uint64_t{1} << bit, bytes)), 8);
    }
  }
}

}  // namespace
}  // namespace quorate::kv
