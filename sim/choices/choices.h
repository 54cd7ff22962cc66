// sim/choices/choices.h: makes every choice of the world: draws it, records it,
// or reads it from a tape.
//
// The key of a choice is its site, its entity and the entity's own counter.
// Each choice has a default, at which nothing special happens. A choice does
// not depend on the number of other choices, so removing one leaves the others
// unchanged.
#ifndef QUORATE_SIM_CHOICES_CHOICES_H_
#define QUORATE_SIM_CHOICES_CHOICES_H_

#include <cstdint>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "env/random.h"
#include "env/time.h"
#include "sim/choices/tape.h"

namespace quorate::sim {

// A stable name with its hash. Declare one constant for each site:
//   inline constexpr ChoiceSite kLatency("net.latency");
struct ChoiceSite {
  constexpr ChoiceSite(const char* text)  // NOLINT: literals convert.
      : name(text), site(text) {}
  std::string_view name;  // [a-z0-9._-]+
  Site site;
};

class Choices {
 public:
  // Draws from `seed`. If `record`, keeps the choices that differ from the
  // default.
  Choices(uint64_t seed, bool record);
  // Reads from `tape` and draws nothing.
  explicit Choices(const Tape& tape);

  // The choice: the value on the tape, or `default_value` if the tape does not
  // have it; without a tape draw(const Random&, Site, entity, counter).
  template <typename Draw>
  uint64_t Choose(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                  uint64_t default_value, Draw&& draw) {
    if (replaying_) return Find(site, entity, counter, default_value);
    ++draws_;
    const uint64_t value = draw(random_, site.site, entity, counter);
    if (recording_) Record(site, entity, counter, value, default_value);
    return value;
  }
  // True with probability `ratio`. Default: false.
  bool Chance(const ChoiceSite& site, uint64_t entity, uint64_t counter,
              Ratio ratio) {
    if (replaying_) return Find(site, entity, counter, 0) != 0;
    if (ratio.numerator == 0) return false;
    ++draws_;
    const bool value = random_.Chance(ratio, site.site, entity, counter);
    if (recording_) Record(site, entity, counter, value ? 1 : 0, 0);
    return value;
  }
  // Uniform in [0, bound). Default: 0. Requires: bound > 0. A larger value on a
  // tape becomes the largest allowed one.
  uint64_t Below(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                 uint64_t bound) {
    const uint64_t value =
        Choose(site, entity, counter, 0,
               [bound](const Random& random, Site s, uint64_t e, uint64_t c) {
                 return random.Below(bound, s, e, c);
               });
    return value < bound ? value : bound - 1;
  }
  // Uniform in [low, high]. Default: low.
  Duration Between(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                   Duration low, Duration high) {
    return low + Duration(static_cast<int64_t>(
                     Below(site, entity, counter,
                           static_cast<uint64_t>((high - low).ns()) + 1)));
  }

  bool replaying() const { return replaying_; }
  // The seed of the product's own draws.
  uint64_t seed() const { return random_.seed(); }
  // The number of draws. Zero while replaying.
  uint64_t draws() const { return draws_; }
  // While recording: the choices so far. While replaying: the lines of the tape
  // that were used.
  std::vector<TapeChoice> taken() const;

 private:
  using Key = std::tuple<uint64_t, uint64_t, uint64_t>;
  struct Replayed {
    size_t line = 0;  // The index in `choices_`.
    bool used = false;
  };

  uint64_t Find(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                uint64_t default_value);
  void Record(const ChoiceSite& site, uint64_t entity, uint64_t counter,
              uint64_t value, uint64_t default_value);

  Random random_;
  const bool replaying_;
  const bool recording_;
  uint64_t draws_ = 0;
  std::vector<TapeChoice> choices_;
  // Looked up only. A recording has all choices here: a key may be used again,
  // but with the same value.
  absl::flat_hash_map<Key, uint64_t> recorded_;
  absl::flat_hash_map<Key, Replayed> replay_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_CHOICES_H_
