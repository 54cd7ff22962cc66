#include "node/cluster/address_cache.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

std::vector<NodeAddresses> Rows() {
  return {{.node = NodeId(2),
           .store = StoreIncarnation(0x0102030405060708),
           .start = 9,
           .peer = "b:1",
           .resp = "b:2",
           .resp_cluster = "b:3",
           .http = "b:4"},
          {.node = NodeId(3),
           .store = StoreIncarnation(1),
           .start = 1,
           .peer = "[::1]:1",
           .resp = "[::1]:2",
           .resp_cluster = "[::1]:3",
           .http = "[::1]:4"}};
}

std::string Hex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    hex.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return hex;
}

TEST(AddressCacheFile, Rows_AreReadAsTheyWereWritten) {
  const std::string bytes = EncodeAddressCache(ClusterId(7), Rows());
  EXPECT_EQ(DecodeAddressCache(ClusterId(7), bytes), Rows());
  // The file was longer before.
  EXPECT_EQ(DecodeAddressCache(ClusterId(7), bytes + "rest"), Rows());
  EXPECT_TRUE(DecodeAddressCache(ClusterId(8), bytes).empty());
}

TEST(AddressCacheFile, Bytes_AreThoseOfTheFormat) {
  const std::string bytes = EncodeAddressCache(ClusterId(7), {Rows()[0]});
  EXPECT_EQ(Hex(bytes.substr(0, 12)), "514144520100000034000000");
  EXPECT_EQ(Hex(bytes.substr(16)),
            "070000000000000001000000"
            "02000000080706050403020109000000000000000300623a310300623a32"
            "0300623a330300623a34");
}

TEST(AddressCacheFile, DamageAtAnyByte_IsNoticed) {
  const std::string bytes = EncodeAddressCache(ClusterId(7), Rows());
  for (size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    EXPECT_TRUE(DecodeAddressCache(ClusterId(7), damaged).empty()) << i;
    EXPECT_TRUE(DecodeAddressCache(ClusterId(7), bytes.substr(0, i)).empty())
        << i;
  }
}

}  // namespace
}  // namespace quorate::node
