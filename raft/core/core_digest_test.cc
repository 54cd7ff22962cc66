// Digests of values that differ in one byte or in their length.
#include "raft/core/core_digest.h"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "env/time.h"
#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

uint64_t DigestOf(std::string_view bytes) {
  CoreDigest digest(MonoTime(), Seconds(1));
  digest.Add(bytes);
  return digest.value();
}

TEST(CoreDigest, EachByteAndTheLength_ChangeIt) {
  const std::string zeros(20, '\0');
  std::set<uint64_t> digests;
  for (size_t size = 0; size <= zeros.size(); ++size) {
    EXPECT_TRUE(digests.insert(DigestOf(zeros.substr(0, size))).second) << size;
  }
  for (size_t at = 0; at < zeros.size(); ++at) {
    std::string bytes = zeros;
    bytes[at] = '\1';
    EXPECT_TRUE(digests.insert(DigestOf(bytes)).second) << at;
  }
}

TEST(CoreDigest, BytesThatMoveToTheNextValue_ChangeIt) {
  CoreDigest one(MonoTime(), Seconds(1));
  one.Add(std::string_view("12345678"));
  one.Add(std::string_view("9"));
  CoreDigest other(MonoTime(), Seconds(1));
  other.Add(std::string_view("1234567"));
  other.Add(std::string_view("89"));
  EXPECT_NE(one.value(), other.value());
}

}  // namespace
}  // namespace quorate::raft
