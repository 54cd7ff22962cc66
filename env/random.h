// env/random.h: keyed, counter-based randomness.
//
// A draw is a pure function of (seed, site, entity, counter), so adding or
// removing one decision does not change the others. `site` is a stable name
// such as "raft.election_timeout", never a line number. `entity` identifies the
// object that draws, such as a group or a link. `counter` counts the draws of
// that entity at that site.
#ifndef QUORATE_ENV_RANDOM_H_
#define QUORATE_ENV_RANDOM_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "env/time.h"

namespace quorate {

// A probability as a ratio of integers. Requires: numerator <= denominator,
// denominator > 0.
struct Ratio {
  uint32_t numerator = 0;
  uint32_t denominator = 1;
};

// Mixes 64 bits so that every input bit influences every output bit (the
// finalizer of SplitMix64).
constexpr uint64_t Mix64(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  x ^= x >> 31;
  return x;
}

// A stable 64-bit hash of the name of a draw site (FNV-1a, then mixed).
// Computed at compile time for a literal, so that a point in a hot path costs
// nothing.
class Site {
 public:
  constexpr Site(std::string_view name)  // NOLINT: literals convert.
      : name_(name) {
    uint64_t hash = 0xcbf29ce484222325ULL;
    for (char c : name) {
      hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3ULL;
    }
    hash_ = Mix64(hash);
  }
  // NOLINTNEXTLINE: literals convert.
  template <size_t kSize>
  consteval Site(const char (&name)[kSize])
      : Site(std::string_view(name, kSize - 1)) {}
  constexpr uint64_t hash() const { return hash_; }
  // The name as it was given: no copy.
  constexpr std::string_view name() const { return name_; }

 private:
  std::string_view name_;
  uint64_t hash_ = 0;
};

// A generator as a value. Copies have the same seed and return the same draws.
class Random {
 public:
  explicit constexpr Random(uint64_t seed) : seed_(seed) {}
  constexpr uint64_t seed() const { return seed_; }

  // 64 uniform bits.
  constexpr uint64_t Bits(Site site, uint64_t entity, uint64_t counter) const {
    uint64_t x = Mix64(seed_ + 0x9e3779b97f4a7c15ULL);
    x = Mix64((x ^ site.hash()) + 0x9e3779b97f4a7c15ULL);
    x = Mix64((x ^ entity) + 0x9e3779b97f4a7c15ULL);
    return Mix64((x ^ counter) + 0x9e3779b97f4a7c15ULL);
  }
  // Uniform in [0, bound). Requires: bound > 0.
  constexpr uint64_t Below(uint64_t bound, Site site, uint64_t entity,
                           uint64_t counter) const {
    const auto wide =
        static_cast<unsigned __int128>(Bits(site, entity, counter)) * bound;
    return static_cast<uint64_t>(wide >> 64);
  }
  // Uniform in [low, high]. Requires: low <= high.
  constexpr Duration Between(Duration low, Duration high, Site site,
                             uint64_t entity, uint64_t counter) const {
    const auto width = static_cast<uint64_t>((high - low).ns()) + 1;
    return low + Nanoseconds(
                     static_cast<int64_t>(Below(width, site, entity, counter)));
  }
  // True with probability `ratio`.
  constexpr bool Chance(Ratio ratio, Site site, uint64_t entity,
                        uint64_t counter) const {
    return Below(ratio.denominator, site, entity, counter) < ratio.numerator;
  }
  // An independent generator for a part of the program.
  constexpr Random Fork(Site site, uint64_t entity) const {
    return Random(Bits(site, entity, ~uint64_t{0}));
  }

 private:
  uint64_t seed_;
};

}  // namespace quorate

#endif  // QUORATE_ENV_RANDOM_H_
