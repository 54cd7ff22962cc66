#include "kv/slots/slot.h"

#include "gtest/gtest.h"

namespace quorate::kv {
namespace {

TEST(Crc16, CheckString_GivesThePublishedValue) {
  EXPECT_EQ(Crc16("123456789"), 0x31C3);
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
