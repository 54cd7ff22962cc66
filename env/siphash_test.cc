#include "env/siphash.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate {
namespace {

// The vectors of the authors' implementation: the key 00 01 … 0f, and the
// messages 00 01 … of each length.
TEST(SipHash, VectorsOfTheAuthors_HaveTheirResults) {
  const SipKey key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};
  std::string bytes;
  EXPECT_EQ(SipHash(key, bytes), 0x726fdb47dd0e0e31ULL);
  for (char c = 0; c < 15; ++c) bytes.push_back(c);
  EXPECT_EQ(SipHash(key, std::string_view(bytes).substr(0, 1)),
            0x74f839c593dc67fdULL);
  EXPECT_EQ(SipHash(key, std::string_view(bytes).substr(0, 8)),
            0x93f5f5799a932462ULL);
  EXPECT_EQ(SipHash(key, uint64_t{0x0706050403020100}), 0x93f5f5799a932462ULL);
  EXPECT_EQ(SipHash(key, bytes), 0xa129ca6149be45e5ULL);
}

}  // namespace
}  // namespace quorate
