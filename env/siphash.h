// env/siphash.h: SipHash-2-4 of Aumasson and Bernstein, a keyed hash whose
// results do not show the key.
//
// For values that clients see, such as ids of sessions. The draws of Random and
// the hashes of tables can be inverted.
#ifndef QUORATE_ENV_SIPHASH_H_
#define QUORATE_ENV_SIPHASH_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/little_endian.h"

namespace quorate {

struct SipKey {
  uint64_t first = 0;
  uint64_t second = 0;
};

namespace siphash_internal {

struct State {
  uint64_t v0, v1, v2, v3;

  static constexpr uint64_t Rotate(uint64_t x, int bits) {
    return x << bits | x >> (64 - bits);
  }
  constexpr void Round() {
    v0 += v1;
    v1 = Rotate(v1, 13) ^ v0;
    v0 = Rotate(v0, 32);
    v2 += v3;
    v3 = Rotate(v3, 16) ^ v2;
    v0 += v3;
    v3 = Rotate(v3, 21) ^ v0;
    v2 += v1;
    v1 = Rotate(v1, 17) ^ v2;
    v2 = Rotate(v2, 32);
  }
  constexpr void Take(uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
};

}  // namespace siphash_internal

inline uint64_t SipHash(const SipKey& key, std::string_view bytes) {
  siphash_internal::State state{.v0 = key.first ^ 0x736f6d6570736575ULL,
                                .v1 = key.second ^ 0x646f72616e646f6dULL,
                                .v2 = key.first ^ 0x6c7967656e657261ULL,
                                .v3 = key.second ^ 0x7465646279746573ULL};
  uint64_t last = uint64_t{bytes.size()} << 56;
  while (bytes.size() >= sizeof(uint64_t)) {
    state.Take(LoadFixed<uint64_t>(bytes.data()));
    bytes.remove_prefix(sizeof(uint64_t));
  }
  for (size_t i = 0; i < bytes.size(); ++i) {
    last |= uint64_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  state.Take(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.Round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

// Of the eight bytes of `word`, the lowest first.
inline uint64_t SipHash(const SipKey& key, uint64_t word) {
  char bytes[sizeof(word)];
  StoreFixed(bytes, word);
  return SipHash(key, std::string_view(bytes, sizeof(bytes)));
}

}  // namespace quorate

#endif  // QUORATE_ENV_SIPHASH_H_
