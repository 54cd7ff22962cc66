#include "kv/slots/slot.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::kv {
namespace {

TEST(Crc16, CheckString_GivesThePublishedValue) {
  EXPECT_EQ(Crc16("123456789"), 0x31C3);
}

// The definition, bit by bit.
uint16_t SlowCrc16(std::string_view bytes) {
  uint32_t crc = 0;
  for (const char c : bytes) {
    crc ^= uint32_t{static_cast<uint8_t>(c)} << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021 : 0);
    }
    crc &= 0xffff;
  }
  return static_cast<uint16_t>(crc);
}

TEST(Crc16, AnyLength_FollowsTheDefinition) {
  std::string bytes;
  uint32_t next = 1;
  for (int length = 0; length < 100; ++length) {
    EXPECT_EQ(Crc16(bytes), SlowCrc16(bytes)) << length;
    next = next * 1'103'515'245 + 12'345;
    bytes.push_back(static_cast<char>(next >> 24));
  }
}

TEST(HashSlot, KnownKeys_AreWhereRedisPutsThem) {
  EXPECT_EQ(HashSlot(""), Slot(0));
  EXPECT_EQ(HashSlot("foo"), Slot(12182));
  EXPECT_EQ(HashSlot("bar"), Slot(5061));
  EXPECT_EQ(HashSlot("hello"), Slot(866));
  EXPECT_EQ(HashSlot("somekey"), Slot(11058));
}

TEST(HashSlot, Tag_DecidesAlone) {
  EXPECT_EQ(HashSlot("{user1000}.following"), Slot(3443));
  EXPECT_EQ(HashSlot("user1000"), Slot(3443));
  EXPECT_EQ(HashSlot("foo{bar}{zap}"), HashSlot("bar"));
}

TEST(HashSlot, OddBraces_FollowTheFirstPair) {
  EXPECT_EQ(HashSlot("foo{}{bar}"), Slot(8363));  // Empty: the whole key.
  EXPECT_EQ(HashSlot("foo{{bar}}zap"), Slot(4015));
  EXPECT_EQ(HashTag("foo{{bar}}zap"), "{bar");
  EXPECT_EQ(HashTag("a{b"), "a{b");
  EXPECT_EQ(HashTag("a}b{c"), "a}b{c");
}

}  // namespace
}  // namespace quorate::kv
