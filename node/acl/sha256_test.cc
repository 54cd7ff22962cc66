#include "node/acl/sha256.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

// The examples of FIPS 180-4 that NIST publishes, and both sides of the ends of
// blocks.
TEST(Sha256Test, Digest_OfPublishedExamples_IsTheirs) {
  EXPECT_EQ(Sha256Hex(""),
            "e3b0c44298fc1c149afbf4c8996fb924"
            "27ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256Hex("abc"),
            "ba7816bf8f01cfea414140de5dae2223"
            "b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256Hex("abcdbcdecdefdefgefghfghighijhijk"
                      "ijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039"
            "a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67"
            "f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Test, Digest_OfSizesAroundABlock_IsThatOfOtherPrograms) {
  EXPECT_EQ(Sha256Hex(std::string(55, 'b')),
            "eb2c86e932179f4ba13fe8715a26124b"
            "77d6bad290b9b4c1cc140cf633300c19");
  EXPECT_EQ(Sha256Hex(std::string(56, 'b')),
            "a5fc6e203a4c2b657d0d153885932414"
            "b2ffc6a93f0f8bf8b3183315e5a7212c");
  EXPECT_EQ(Sha256Hex(std::string(63, 'b')),
            "94e419fabac7f930810f9636354042f8"
            "c1426d2f834d4ab65c93dc1e69326b13");
  EXPECT_EQ(Sha256Hex(std::string(64, 'b')),
            "a0fab1377f49a759b57f63318262ebe8"
            "9fabfc990e8e93ceac2984561482b9d4");
  EXPECT_EQ(Sha256Hex(std::string(65, 'b')),
            "74b128f30cf83de43ddf4aafc40c7b50"
            "a7443d3c73a89a7cfca17e15e43d51ab");
}

TEST(Sha256Test, Comparison_OfTexts_SeesEachDifference) {
  EXPECT_TRUE(EqualsInConstantTime("", ""));
  EXPECT_TRUE(EqualsInConstantTime("abc", "abc"));
  EXPECT_FALSE(EqualsInConstantTime("abc", "abd"));
  EXPECT_FALSE(EqualsInConstantTime("xbc", "abc"));
  EXPECT_FALSE(EqualsInConstantTime("abc", "ab"));
}

}  // namespace
}  // namespace quorate::node
