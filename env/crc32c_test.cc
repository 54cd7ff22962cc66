#include "env/crc32c.h"

#include <cstdint>
#include <string>
#include <string_view>

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

// Long inputs are taken by several ways at once, short ones by one.
TEST(Crc32c, EveryLength_EqualsTheSumByBits) {
  const auto by_bits = [](uint32_t crc, std::string_view bytes) {
    crc = ~crc;
    for (const char c : bytes) {
      crc ^= static_cast<uint8_t>(c);
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78 : 0);
      }
    }
    return ~crc;
  };
  std::string bytes;
  for (uint32_t i = 0; i < 8000; ++i) {
    bytes.push_back(static_cast<char>(i * 2654435761u >> 24));
  }
  for (size_t size = 0; size <= bytes.size(); size += size < 800 ? 1 : 97) {
    const std::string_view part = std::string_view(bytes).substr(3, size);
    ASSERT_EQ(Crc32c(7, part), by_bits(7, part)) << size;
  }
}

TEST(Crc32cSeed, EveryPart_MovesTheSeed) {
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(2, 2, 3));
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(1, 3, 3));
  EXPECT_NE(Crc32cSeed(1, 2, 3), Crc32cSeed(1, 2, 4));
}

}  // namespace
}  // namespace quorate
