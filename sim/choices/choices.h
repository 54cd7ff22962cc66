// sim/choices/choices.h: makes every choice of the world: draws it, records it,
// or reads it from a tape.
//
// The name of a choice is its site, its entity and the entity's own counter. A
// choice depends on its name alone, so removing one leaves the others
// unchanged. Each choice has a default, at which nothing special happens.
#ifndef QUORATE_SIM_CHOICES_CHOICES_H_
#define QUORATE_SIM_CHOICES_CHOICES_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "env/random.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"
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

// Names one thing about which choices are made, at one or several sites: a
// message, a disk operation, a turn.
struct ChoiceKey {
  uint64_t entity = 0;
  uint64_t counter = 0;
  friend bool operator==(const ChoiceKey&, const ChoiceKey&) = default;
};

// Counters for things that happen again and again at one place. A counter is
// the millisecond and the number of the thing in it. So one thing more leaves
// the counters of most later ones unchanged.
class MillisecondCounter {
 public:
  uint64_t Next(SimTime now) {
    const auto ms = static_cast<uint64_t>(now.ms());
    number_ = ms == ms_ ? number_ + 1 : 0;
    ms_ = ms;
    return ms << 20 | number_;
  }

 private:
  uint64_t ms_ = 0;
  uint64_t number_ = 0;
};

class Choices {
 public:
  // Draws from `seed`. If `record`, keeps the choices that differ from the
  // default.
  Choices(uint64_t seed, bool record);
  // Reads from `tape` and draws nothing.
  explicit Choices(const Tape& tape);

  // The key of a thing that is described by `kind`, `entity` and `counter`. The
  // first thing of a description has (entity, counter) as its key. Each later
  // one has a key that also depends on the number of those before it, so that a
  // tape can tell them apart.
  ChoiceKey Count(const ChoiceSite& kind, uint64_t entity, uint64_t counter);

  // The choice: the value on the tape, or `default_value` if the tape does not
  // have it; without a tape draw(const Random&, Site, entity, counter). A value
  // on the tape above `most`, the largest one that is drawn, becomes `most`.
  // Requires: each key is used once at a site. The caller makes it unique, or
  // takes it from Count.
  template <typename Draw>
  uint64_t Choose(const ChoiceSite& site, const ChoiceKey& key,
                  uint64_t default_value, uint64_t most, Draw&& draw) {
    if (replaying_) return std::min(Find(site, key, default_value), most);
    ++draws_;
    const uint64_t value = draw(random_, site.site, key.entity, key.counter);
    if (recording_ && value != default_value) Record(site, key, value);
    return value;
  }
  // True with probability `ratio`. Default: false.
  bool Chance(const ChoiceSite& site, const ChoiceKey& key, Ratio ratio) {
    if (ratio.numerator == 0 && !TapeAddsFaults()) return false;
    return Choose(site, key, 0, 1,
                  [ratio](const Random& random, Site s, uint64_t e,
                          uint64_t c) -> uint64_t {
                    return random.Chance(ratio, s, e, c) ? 1 : 0;
                  }) != 0;
  }
  // Uniform in [0, bound). Default: 0. Requires: bound > 0.
  uint64_t Below(const ChoiceSite& site, const ChoiceKey& key, uint64_t bound) {
    return Choose(site, key, 0, bound - 1,
                  [bound](const Random& random, Site s, uint64_t e,
                          uint64_t c) { return random.Below(bound, s, e, c); });
  }
  // With probability `ratio` uniform in [1, most], else 0. Default: 0.
  // Requires: most > 0.
  uint64_t SometimesUpTo(const ChoiceSite& site, const ChoiceKey& key,
                         Ratio ratio, uint64_t most) {
    if (ratio.numerator == 0 && !TapeAddsFaults()) return 0;
    return Choose(
        site, key, 0, most,
        [&](const Random& random, Site s, uint64_t e, uint64_t c) -> uint64_t {
          if (!random.Chance(ratio, s, e, c)) return 0;
          return 1 + random.Fork(s, e).Below(most, s, e, c);
        });
  }
  // The randomness of a thing that a tape may leave out. Empty, the default: it
  // is left out.
  std::optional<Random> RandomOrNone(const ChoiceSite& site,
                                     const ChoiceKey& key) {
    const uint64_t bits =
        Choose(site, key, 0, UINT64_MAX,
               [](const Random& random, Site s, uint64_t e, uint64_t c) {
                 return random.Bits(s, e, c) | 1;
               });
    if (bits == 0) return std::nullopt;
    return Random(bits);
  }
  // Uniform in [low, high]. Default: low.
  Duration Between(const ChoiceSite& site, const ChoiceKey& key, Duration low,
                   Duration high) {
    return low + Duration(static_cast<int64_t>(Below(
                     site, key, static_cast<uint64_t>((high - low).ns()) + 1)));
  }

  // Shorter forms for a name that may be used more than once: they count it.
  template <typename Draw>
  uint64_t Choose(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                  uint64_t default_value, uint64_t most, Draw&& draw) {
    return Choose(site, Count(site, entity, counter), default_value, most,
                  std::forward<Draw>(draw));
  }
  bool Chance(const ChoiceSite& site, uint64_t entity, uint64_t counter,
              Ratio ratio) {
    return Chance(site, Count(site, entity, counter), ratio);
  }
  uint64_t Below(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                 uint64_t bound) {
    return Below(site, Count(site, entity, counter), bound);
  }
  Duration Between(const ChoiceSite& site, uint64_t entity, uint64_t counter,
                   Duration low, Duration high) {
    return Between(site, Count(site, entity, counter), low, high);
  }

  // True while lines of a replayed tape may add faults that have no
  // probability. The line of their family may have been deleted.
  bool TapeAddsFaults() const { return replaying_ && !faults_ended_; }
  // From now on lines of the tape add no such faults: they belong to the time
  // before, when an event had the same key.
  void EndFaults() { faults_ended_ = true; }
  // The seed of the product's own draws.
  uint64_t seed() const { return random_.seed(); }
  // The number of draws. Zero while replaying.
  uint64_t draws() const { return draws_; }
  // While recording: the choices so far. While replaying: the lines of the tape
  // that were used.
  std::vector<TapeChoice> taken() const;
  // While replaying: the number of lines of the tape that were not used.
  size_t unused() const {
    return replaying_ ? choices_.size() - taken().size() : 0;
  }

 private:
  using Key = std::tuple<uint64_t, uint64_t, uint64_t>;
  struct KeyHash {
    size_t operator()(const Key& key) const {
      const auto [site, entity, counter] = key;
      return Mix64(site ^ Mix64(entity ^ counter * 0x9e3779b97f4a7c15));
    }
  };
  struct Replayed {
    size_t line = 0;  // The index in `choices_`.
    bool used = false;
  };

  uint64_t Find(const ChoiceSite& site, const ChoiceKey& key,
                uint64_t default_value);
  void Record(const ChoiceSite& site, const ChoiceKey& key, uint64_t value);

  Random random_;
  const bool replaying_;
  bool faults_ended_ = false;
  const bool recording_;
  uint64_t draws_ = 0;
  std::vector<TapeChoice> choices_;
  // How often each description was counted. Looked up only.
  absl::flat_hash_map<Key, uint64_t, KeyHash> counts_;
  absl::flat_hash_map<Key, Replayed, KeyHash> replay_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_CHOICES_H_
