#include "node/base/node_identity.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

env::TransportIdentity NodeThree() {
  env::TransportIdentity identity;
  identity.cluster = ClusterId(~uint64_t{0});
  identity.node = NodeId(3);
  identity.incarnation = StoreIncarnation(~uint64_t{0} - 1);
  identity.version_min = 2;
  identity.version_max = 4;
  identity.bootstrap_checksum = ~uint32_t{0};
  return identity;
}

TEST(NodeIdentity_Format, IsReadBack) {
  env::TransportIdentity read;
  ASSERT_TRUE(ParseIdentity(FormatIdentity(NodeThree()), &read));
  EXPECT_EQ(FormatIdentity(read), FormatIdentity(NodeThree()));
  EXPECT_EQ(read.incarnation, NodeThree().incarnation);
}

TEST(NodeIdentity_Parse, Nonsense_IsRefused) {
  env::TransportIdentity read;
  for (const char* text :
       {"", "1", "1 2 3 4 5", "1 2 3 4 5 ", "1 2 3 4 5 x", "1 2 3 4 5 6 7",
        " 1 2 3 4 5 6", "1 -2 3 4 5 6", "1 4294967296 3 4 5 6"}) {
    EXPECT_FALSE(ParseIdentity(text, &read)) << text;
  }
}

TEST(NodeIdentity_Difference, OtherStore_IsNone) {
  env::TransportIdentity other = NodeThree();
  other.incarnation = StoreIncarnation(1);
  EXPECT_EQ(IdentityDifference(NodeThree(), NodeId(3), other), "");
}

TEST(NodeIdentity_Difference, NamesWhatDiffers) {
  env::TransportIdentity self = NodeThree();
  self.node = NodeId(1);
  const auto difference = [&](void (*change)(env::TransportIdentity&)) {
    env::TransportIdentity other = NodeThree();
    change(other);
    return IdentityDifference(self, NodeId(3), other);
  };
  EXPECT_EQ(difference([](env::TransportIdentity&) {}), "");
  EXPECT_EQ(difference([](env::TransportIdentity& other) {
              other.cluster = ClusterId(7);
            }),
            "it belongs to cluster 7, this node to cluster "
            "18446744073709551615");
  EXPECT_EQ(
      difference([](env::TransportIdentity& other) { other.node = NodeId(2); }),
      "node 2 answers at its address");
  EXPECT_EQ(difference([](env::TransportIdentity& other) {
              other.version_min = 5;
              other.version_max = 6;
            }),
            "it speaks version 6 of the peer protocol, this node version 4");
  EXPECT_EQ(difference([](env::TransportIdentity& other) {
              other.version_min = 0;
              other.version_max = 1;
            }),
            "it speaks version 1 of the peer protocol, this node version 4");
  EXPECT_EQ(difference([](env::TransportIdentity& other) {
              other.bootstrap_checksum = 1;
            }),
            "it was bootstrapped with other groups, replicas, read-only nodes "
            "or slots than this node");
}

}  // namespace
}  // namespace quorate::node
