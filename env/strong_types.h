// env/strong_types.h: integer types that cannot be mixed up. StrongId only
// compares; StrongOrdinal also counts, and the difference of two ordinals is a
// plain integer.
#ifndef QUORATE_ENV_STRONG_TYPES_H_
#define QUORATE_ENV_STRONG_TYPES_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <utility>

namespace quorate {

// An identity. It is ordered, so that it can be a key. Zero means "none" unless
// the alias says otherwise. Example: using NodeId = StrongId<struct NodeIdTag>;
template <typename Tag, typename Rep = uint64_t>
class StrongId {
 public:
  constexpr StrongId() = default;
  explicit constexpr StrongId(Rep value) : value_(value) {}
  constexpr Rep value() const { return value_; }
  friend constexpr auto operator<=>(StrongId, StrongId) = default;
  friend std::ostream& operator<<(std::ostream& out, StrongId id) {
    return out << +id.value_;
  }
  template <typename H>
  friend H AbslHashValue(H h, StrongId id) {
    return H::combine(std::move(h), id.value_);
  }

 private:
  Rep value_ = 0;
};

// A position in a sequence: terms, log indexes, sequence numbers.
template <typename Tag>
class StrongOrdinal {
 public:
  constexpr StrongOrdinal() = default;
  explicit constexpr StrongOrdinal(uint64_t value) : value_(value) {}
  constexpr uint64_t value() const { return value_; }
  friend constexpr auto operator<=>(StrongOrdinal, StrongOrdinal) = default;
  friend constexpr StrongOrdinal operator+(StrongOrdinal a, uint64_t n) {
    return StrongOrdinal(a.value_ + n);
  }
  friend constexpr StrongOrdinal operator-(StrongOrdinal a, uint64_t n) {
    return StrongOrdinal(a.value_ - n);
  }
  // The distance from `b` up to `a`. Requires: b <= a.
  friend constexpr uint64_t operator-(StrongOrdinal a, StrongOrdinal b) {
    return a.value_ - b.value_;
  }
  constexpr StrongOrdinal& operator++() {
    ++value_;
    return *this;
  }
  friend std::ostream& operator<<(std::ostream& out, StrongOrdinal o) {
    return out << o.value_;
  }
  template <typename H>
  friend H AbslHashValue(H h, StrongOrdinal o) {
    return H::combine(std::move(h), o.value_);
  }

 private:
  uint64_t value_ = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENV_STRONG_TYPES_H_
