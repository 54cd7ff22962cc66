// kv/slots/keyed_hash.h: the hash that orders tables and makes digests.
// Snapshots and scan cursors store it, so it must never change:
// kv/slots/keyed_hash_test.cc pins its values.
#ifndef QUORATE_KV_SLOTS_KEYED_HASH_H_
#define QUORATE_KV_SLOTS_KEYED_HASH_H_

#include <cstdint>
#include <string_view>

#include "env/little_endian.h"
#include "env/random.h"

namespace quorate::kv {

// The two halves of a 64 by 64 bit product, combined by exclusive or.
inline uint64_t FoldMultiply(uint64_t a, uint64_t b) {
  const auto wide = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(wide) ^ static_cast<uint64_t>(wide >> 64);
}

// A keyed 64-bit hash of `bytes`. It is a chain of folded multiplies over words
// that are masked with secrets derived from the key (the construction of
// wyhash). Security: results are unpredictable only without `key`, and only if
// the key is random.
inline uint64_t KeyedHash(uint64_t key, std::string_view bytes) {
  const uint64_t secret_a =
      ((key ^ 0xa0761d6478bd642fULL) * 0xe7037ed1a0b428dbULL) | 1;
  const uint64_t secret_b =
      ((key ^ 0x589965cc75374cc3ULL) * 0x9e3779b97f4a7c15ULL) | 1;
  uint64_t state = key ^ (bytes.size() * 0x8ebc6af09c88c6e3ULL);
  const char* p = bytes.data();
  size_t size = bytes.size();
  while (size > 16) {
    state = FoldMultiply(LoadFixed<uint64_t>(p) ^ secret_a,
                         LoadFixed<uint64_t>(p + 8) ^ state);
    p += 16;
    size -= 16;
  }
  uint64_t low = 0;
  uint64_t high = 0;
  if (size >= 8) {
    low = LoadFixed<uint64_t>(p);
    high = LoadFixed<uint64_t>(p + size - 8);
  } else if (size >= 4) {
    low = LoadFixed<uint32_t>(p);
    high = LoadFixed<uint32_t>(p + size - 4);
  } else if (size > 0) {
    low = static_cast<uint8_t>(p[0]) |
          static_cast<uint64_t>(static_cast<uint8_t>(p[size / 2])) << 8 |
          static_cast<uint64_t>(static_cast<uint8_t>(p[size - 1])) << 16;
  }
  state = FoldMultiply(low ^ secret_a, high ^ state ^ secret_b);
  return FoldMultiply(state ^ secret_b, secret_a ^ bytes.size());
}

// Adds a word to a hash, for fields that are not bytes.
inline uint64_t HashWord(uint64_t state, uint64_t word) {
  return Mix64((state ^ word) + 0x9e3779b97f4a7c15ULL);
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_SLOTS_KEYED_HASH_H_
