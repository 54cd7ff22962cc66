// lincheck/models/datum.h: one stored value, owned: what the states of
// registers and keys are made of.
#ifndef QUORATE_LINCHECK_MODELS_DATUM_H_
#define QUORATE_LINCHECK_MODELS_DATUM_H_

#include <algorithm>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lincheck/model.h"
#include "lincheck/value.h"

namespace quorate::lincheck {

// For models that keep sets in vectors: in order, none twice.
template <typename T>
void SortSet(std::vector<T>* set) {
  std::sort(set->begin(), set->end());
  set->erase(std::unique(set->begin(), set->end()), set->end());
}
template <typename T>
void AddToSet(const T& item, std::vector<T>* set) {
  const auto at = std::lower_bound(set->begin(), set->end(), item);
  if (at == set->end() || *at != item) set->insert(at, item);
}
template <typename T>
bool IsInSet(const T& item, const std::vector<T>& set) {
  return std::binary_search(set.begin(), set.end(), item);
}

// An argument that was left out counts as nil.
inline Value OrNil(Value value) {
  return value.is_none() ? Value::Nil() : value;
}

// The integer of 64 bits that `value` stands for: an integer, or the digits of
// one that is too large for a Value.
std::optional<int64_t> IntegerOf(Value value);
std::optional<int64_t> LargeIntegerOf(std::string_view digits);

// Nil, an integer or a string; an integer is never equal to a string. One that
// is too large for a Value is its digits.
class Datum {
 public:
  // A string.
  static Datum Text(std::string_view bytes) {
    Datum datum;
    datum.Append(bytes);
    return datum;
  }
  static Datum Of(Value value) {
    Datum datum;
    datum.Assign(value);
    return datum;
  }
  bool is_nil() const { return kind_ == Kind::kNil; }
  bool is_integer() const { return kind_ == Kind::kInteger; }
  bool is_string() const { return kind_ == Kind::kString; }
  int64_t integer() const { return integer_; }
  // As IntegerOf().
  std::optional<int64_t> as_integer() const {
    return is_integer() ? integer_ : LargeIntegerOf(bytes_);
  }
  std::string_view bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

  // None counts as nil.
  void Assign(Value value) {
    // The memory of the bytes is used again.
    kind_ = Kind::kNil;
    forgotten_ = false;
    integer_ = 0;
    if (value.is_string()) {
      kind_ = Kind::kString;
      bytes_.assign(value.bytes());
      return;
    }
    bytes_.clear();
    if (value.is_integer()) AssignInteger(value.integer());
  }
  void AssignInteger(int64_t n) {
    kind_ = Kind::kInteger;
    forgotten_ = false;
    integer_ = n;
    bytes_.clear();
    if (n > Value::kIntegerMax || n < Value::kIntegerMin) Append("");
  }
  // A nil or integer becomes a string first (nil: the empty one).
  void Append(std::string_view more) {
    if (kind_ == Kind::kInteger) bytes_ = std::to_string(integer_);
    kind_ = Kind::kString;
    integer_ = 0;
    if (!forgotten_) bytes_.append(more);
  }
  // Becomes a value that is not nil, and that no operation sees, with or
  // without appended bytes.
  void Forget() {
    *this = {};
    kind_ = Kind::kString;
    forgotten_ = true;
  }
  bool is_forgotten() const { return forgotten_; }
  // None counts as nil.
  bool Equals(Value value) const {
    if (forgotten_) return false;
    switch (kind_) {
      case Kind::kNil:
        return OrNil(value).is_nil();
      case Kind::kInteger:
        return value.is_integer() && value.integer() == integer_;
      case Kind::kString:
        return value.is_string() && value.bytes() == bytes_;
    }
    return false;
  }
  // False if appending to it cannot lead to `seen`.
  bool MayGrowInto(Value seen) const {
    if (is_nil() || Equals(seen)) return true;
    if (!seen.is_string() || forgotten_) return false;
    return is_integer() ? seen.bytes().starts_with(std::to_string(integer_))
                        : seen.bytes().starts_with(bytes_);
  }
  // A result that was not reported is explained by every state.
  bool Explains(Value result) const {
    return result.is_none() || Equals(result);
  }
  std::string ToString() const;

  friend bool operator==(const Datum&, const Datum&) = default;
  // Some order, the same in every run: nil, integers, strings.
  friend auto operator<=>(const Datum&, const Datum&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Datum& d) {
    h = H::combine(std::move(h), d.kind_, d.forgotten_, d.integer_,
                   d.bytes_.size());
    const std::string_view bytes = d.bytes_;
    if (bytes.size() <= kHashedMax) return H::combine(std::move(h), bytes);
    // A search hashes long values again and again. Samples tell them apart.
    const size_t stride = (bytes.size() - kSample) / (kSamples - 1);
    for (size_t i = 0; i < kSamples; ++i) {
      h = H::combine(std::move(h), bytes.substr(i * stride, kSample));
    }
    return H::combine(std::move(h), bytes.substr(bytes.size() - kSample));
  }

 private:
  static constexpr size_t kSample = 32;
  static constexpr size_t kSamples = 16;
  static constexpr size_t kHashedMax = kSample * kSamples;

  enum class Kind : uint8_t { kNil, kInteger, kString };
  Kind kind_ = Kind::kNil;
  bool forgotten_ = false;
  int64_t integer_ = 0;
  std::string bytes_;
};

// The value of a datum, whose string `history` keeps.
Value ValueOf(const Datum& datum, History* history);

// A model of objects that start as `initial`.
template <typename M>
M StartingAs(Datum initial) {
  M model;
  model.initial = std::move(initial);
  return model;
}

// Names the initial value nil, as Links do, in those of an object that starts
// as `initial`. False if that is impossible: nil is another value of this
// object, or something is appended to a text.
bool RenameInitial(const Datum& initial, Links* links);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_MODELS_DATUM_H_
