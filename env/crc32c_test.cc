#include "env/crc32c.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(Crc32c, KnownVectors_MatchRfc3720) {
  EXPECT_EQ(Crc32c(0, "123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(0, std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(0, std::string(32, '\xff')), 0x62a8ab43u);
}

TEST(Crc32c, Pieces_EqualTheWhole) {
  const std::string text = "the quick brown fox jumps over the lazy dog";
  for (size_t cut = 0; cut <= text.size(); ++cut) {
    EXPECT_EQ(Crc32c(Crc32c(0, text.substr(0, cut)), text.substr(cut)),
              Crc32c(0, text));
  }
}

TEST(Crc32cSeed, EveryPart_MovesTheSeed) {
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(2, 2, 3));
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(1, 3, 3));
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(1, 2, 4));
}

}  // namespace
}  // namespace quorate
