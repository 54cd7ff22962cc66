#include "kv/slots/keyed_hash.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::kv {
namespace {

struct Pinned {
  uint64_t key;
  std::string_view bytes;
  uint64_t hash;
};

// Snapshots and cursors hold such values: a change loses keys.
constexpr Pinned kPinned[] = {
    {0x0, "", 0xe8a63f0a17afc4cd},
    {0x0, "a", 0x30a9bbe226aba93a},
    {0x0, "key:12", 0xf97e8a5d95d1aa3c},
    {0x0, "0123456789abcdef", 0x6bd2f87a83f9522f},
    {0x0, "The quick brown fox jumps over the lazy dog", 0xf70670bf37044487},
    {0x123456789abcdef, "", 0xd3bc14c6593effea},
    {0x123456789abcdef, "a", 0x6aed1f740f93db9f},
    {0x123456789abcdef, "key:12", 0xaed4a9159629d569},
    {0x123456789abcdef, "0123456789abcdef", 0x46819eb27d3ad6fd},
    {0x123456789abcdef, "The quick brown fox jumps over the lazy dog",
     0x59de0ca6b3f6fb45},
};

TEST(KeyedHash, StoredValues_NeverChange) {
  for (const Pinned& pinned : kPinned) {
    EXPECT_EQ(KeyedHash(pinned.key, pinned.bytes), pinned.hash)
        << pinned.key << " " << pinned.bytes;
  }
}

TEST(KeyedHash, EveryByteAndTheKey_Count) {
  for (size_t size = 1; size <= 40; ++size) {
    const std::string text(size, 'x');
    const uint64_t hash = KeyedHash(7, text);
    EXPECT_NE(KeyedHash(8, text), hash);
    for (size_t i = 0; i < size; ++i) {
      std::string other = text;
      other[i] = 'y';
      EXPECT_NE(KeyedHash(7, other), hash) << size << " " << i;
    }
  }
}

}  // namespace
}  // namespace quorate::kv
