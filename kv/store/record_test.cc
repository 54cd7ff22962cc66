#include "kv/store/record.h"

#include <cstdint>
#include <string>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

constexpr Version kVersion{GroupId(7), raft::Index(3), 4};

TEST(Record, KeyOf16AndValueOf64_HasAHeaderOf20Bytes) {
  RecordPool pool;
  Record* record = Record::Make(&pool, std::string(16, 'k'),
                                {.head = std::string(64, 'v')}, kVersion, 0);
  EXPECT_EQ(pool.used_bytes(), 16u + 64 + 20 + 4);  // 4: a multiple of 8.
  record->Unref();
  record = Record::Make(&pool, std::string(16, 'k'),
                        {.head = std::string(64, 'v')}, kVersion, 1);
  EXPECT_EQ(pool.used_bytes(), 16u + 64 + 28 + 4);
  record->Unref();
}

TEST(Record, SharedValue_IsHeldUntilTheRecordEnds) {
  RecordPool pool;
  const Buffer value = Buffer::Copy(std::string(100'000, 'v'));
  for (const int64_t expire_at_ms : {0, 99}) {
    Record* record =
        Record::Make(&pool, "key", {.shared = &value}, kVersion, expire_at_ms);
    EXPECT_EQ(record->value().data(), value.data());
    EXPECT_EQ(record->value().size(), value.size());
    EXPECT_EQ(record->key(), "key");
    EXPECT_EQ(record->expire_at_ms(), expire_at_ms);
    EXPECT_FALSE(record->Fits({.shared = &value}, 0));
    record->Unref();
  }
  EXPECT_EQ(pool.used_bytes(), 0u);
}

TEST(Record, CanStore_RefusesWhatHasNoRoom) {
  const GroupId group(UINT32_MAX);
  const uint64_t limit = uint64_t{1} << 48;
  EXPECT_TRUE(Record::CanStore({group, raft::Index(limit - 1), 65'535}));
  EXPECT_FALSE(Record::CanStore({group, raft::Index(limit), 0}));
  EXPECT_FALSE(Record::CanStore({group, raft::Index(1), 65'536}));
}

// All fields come back, whatever the others are, and setters change their own
// field only.
RC_GTEST_PROP(Record, Fields_ComeBack, ()) {
  RecordPool pool;
  const auto text = [](size_t max) {
    return std::string(*rc::gen::inRange<size_t>(0, max + 1), 'x');
  };
  const std::string key = *rc::gen::element<size_t>(0, 1) == 0
                              ? text(40)
                              : std::string(64 << 10, 'k');
  std::string head = text(*rc::gen::element<size_t>(10, 3'000, 1 << 20));
  const std::string tail = text(10);
  Version version{GroupId(*rc::gen::arbitrary<uint32_t>()),
                  raft::Index(*rc::gen::arbitrary<uint64_t>() >> 16),
                  *rc::gen::inRange<uint32_t>(0, 65'536)};
  const auto expire_at_ms = *rc::gen::element<int64_t>(0, 1, INT64_MAX);
  Record* record = Record::Make(&pool, key, {.head = head, .tail = tail},
                                version, expire_at_ms);
  const auto check = [&](int64_t expected_expiry) {
    RC_ASSERT(record->key() == key);
    RC_ASSERT(record->value() == head + tail);
    RC_ASSERT(record->version() == version);
    RC_ASSERT(record->expire_at_ms() == expected_expiry);
    RC_ASSERT(record->size_bytes() ==
              kRecordOverheadBytes + key.size() + head.size() + tail.size());
  };
  check(expire_at_ms);
  RC_ASSERT(record->FitsExpiry(0));
  RC_ASSERT(record->FitsExpiry(5) == (expire_at_ms != 0));
  head.assign(head.size(), 'y');
  RC_ASSERT(record->Fits({.head = head, .tail = tail}, 0));
  RC_ASSERT(!record->Fits({.head = head + tail, .tail = "z"}, 0));
  record->SetValue({.head = head, .tail = tail});
  record->SetValueHash(7);
  record->SetExpiry(0);
  version.position ^= 1;
  record->SetVersion(version);
  record->Ref();
  RC_ASSERT(record->shared());
  record->Unref();
  RC_ASSERT(!record->shared());
  check(0);
  const bool is_long = record->value().size() >= Record::kHashedValueBytesMin;
  RC_ASSERT(record->value_hash() == (is_long ? 7u : 0u));
  record->SetValue({.head = head, .tail = tail});
  RC_ASSERT(record->value_hash() == 0u);
  record->Unref();
  RC_ASSERT(pool.used_bytes() == 0u);
}

}  // namespace
}  // namespace quorate::kv
