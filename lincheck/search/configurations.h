// lincheck/search/configurations.h: what a search has found out so far, and
// where it goes on. For lincheck/search/search.cc alone.
//
// Returns have levels. A configuration of a level explains all returns before
// it. Of two of a level of which one covers the other, one is enough.
#ifndef QUORATE_LINCHECK_SEARCH_CONFIGURATIONS_H_
#define QUORATE_LINCHECK_SEARCH_CONFIGURATIONS_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "absl/types/span.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

using Word = uint64_t;

// Sets of spent operations, each stored once and named by a number; 0 is the
// empty one.
class SpentSets {
 public:
  explicit SpentSets(size_t unknown)
      : words_((unknown + 63) / 64),
        sets_(words_, 0),
        numbers_(0, Hash{this}, Equal{this}) {
    numbers_.insert(0);
  }
  SpentSets(const SpentSets&) = delete;

  bool Has(uint32_t set, uint32_t u) const {
    return sets_[set * words_ + u / 64] >> (u % 64) & 1;
  }
  uint32_t With(uint32_t set, uint32_t u) {
    const size_t begin = sets_.size();
    sets_.resize(begin + words_);
    std::copy_n(sets_.begin() + set * words_, words_, sets_.begin() + begin);
    sets_[begin + u / 64] |= Word{1} << (u % 64);
    const uint32_t number =
        *numbers_.insert(static_cast<uint32_t>(begin / words_)).first;
    if (number != begin / words_) sets_.resize(begin);
    return number;
  }
  bool Subset(uint32_t a, uint32_t b) const {
    if (a == b || a == 0) return true;
    for (size_t i = 0; i < words_; ++i) {
      if ((sets_[a * words_ + i] & ~sets_[b * words_ + i]) != 0) return false;
    }
    return true;
  }
  // Whether `f` is true for one of those before `end` that are not in it: they
  // are asked about in order.
  template <typename F>
  bool AnyBeyond(uint32_t set, uint32_t end, F f) const {
    for (uint32_t begin = 0; begin < end; begin += 64) {
      Word left = ~sets_[set * words_ + begin / 64];
      if (end - begin < 64) left &= (Word{1} << (end - begin)) - 1;
      for (; left != 0; left &= left - 1) {
        if (f(begin + std::countr_zero(left))) return true;
      }
    }
    return false;
  }
  size_t size_bytes() const {
    return sets_.capacity() * sizeof(Word) +
           numbers_.capacity() * (sizeof(uint32_t) + 1);
  }

 private:
  absl::Span<const Word> Of(uint32_t set) const {
    return {sets_.data() + set * words_, words_};
  }
  struct Hash {
    const SpentSets* sets;
    size_t operator()(uint32_t set) const {
      return absl::HashOf(sets->Of(set));
    }
  };
  struct Equal {
    const SpentSets* sets;
    bool operator()(uint32_t a, uint32_t b) const {
      return sets->Of(a) == sets->Of(b);
    }
  };

  const size_t words_;
  std::vector<Word> sets_;                              // One after the other.
  absl::flat_hash_set<uint32_t, Hash, Equal> numbers_;  // Looked up only.
};

// A set of open operations, by slot.
template <size_t kWords>
class SlotSet {
 public:
  bool Has(uint32_t slot) const { return words_[slot / 64] >> (slot % 64) & 1; }
  void Add(uint32_t slot) { words_[slot / 64] |= Word{1} << (slot % 64); }
  void Remove(uint32_t slot) { words_[slot / 64] &= ~(Word{1} << (slot % 64)); }
  // Adds what is in both of the others.
  void AddBoth(const SlotSet& a, const SlotSet& b) {
    for (size_t i = 0; i < kWords; ++i) words_[i] |= a.words_[i] & b.words_[i];
  }
  bool Within(const SlotSet& other) const {
    for (size_t i = 0; i < kWords; ++i) {
      if ((words_[i] & ~other.words_[i]) != 0) return false;
    }
    return true;
  }
  // Calls `f` with each slot that is not in `other`.
  template <typename F>
  void ForEachBeyond(const SlotSet& other, F f) const {
    for (size_t i = 0; i < kWords; ++i) {
      for (Word word = words_[i] & ~other.words_[i]; word != 0;
           word &= word - 1) {
        f(static_cast<uint32_t>(64 * i + std::countr_zero(word)));
      }
    }
  }
  friend bool operator==(const SlotSet&, const SlotSet&) = default;
  size_t size() const {
    size_t count = 0;
    for (const Word word : words_) count += std::popcount(word);
    return count;
  }

 private:
  std::array<Word, kWords> words_{};
};

// One that explains all returns before its level. An open write that is
// usable and not settled must still take effect; one that is both may; one
// that is not usable has. Operations that are not open yet are neither.
template <size_t kWords>
struct SearchConfiguration {
  StateId state = 0;
  uint32_t spent = 0;       // Of spent_sets_.
  SlotSet<kWords> usable;   // Writes that may still take effect.
  SlotSet<kWords> settled;  // Operations that need not, any more.

  // Every order that explains the rest after `other` explains it after this
  // one.
  bool Covers(const SearchConfiguration& other,
              const SpentSets& spent_sets) const {
    return state == other.state && other.usable.Within(usable) &&
           other.settled.Within(settled) &&
           spent_sets.Subset(spent, other.spent);
  }
};
// All configurations, by level.
template <size_t kWords>
class Levels {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  struct Entry {
    SearchConfiguration<kWords> c;
    // The one before: of the same level, or of the level before where nothing
    // was placed.
    uint32_t parent = kNone;
    uint32_t placed = kNone;  // Known, or unknown beyond the last known.
    uint32_t same = kNone;    // The next of its level and state.
    uint32_t after = kNone;   // The next of its level.
    uint32_t below = kNone;   // Of its level, that was the newest before it.
    // Where what replaces the state is tried instead: what was placed since
    // then settled nothing else, and need not have been. kNone: here.
    uint32_t instead = kNone;
    uint32_t tried = 0;   // How many moves were tried.
    bool passed = false;  // It was looked at.
    bool done = false;    // Nothing more can be found, or another one
                          // covers it.
    // Its parent passes on without what returns here: it is of use only if that
    // is placed after all.
    bool late = false;
  };

  explicit Levels(size_t count) : levels_(count) {}

  Entry& operator[](uint32_t i) { return chunks_[i / kChunk][i % kChunk]; }
  const Entry& operator[](uint32_t i) const {
    return chunks_[i / kChunk][i % kChunk];
  }

  // False if another one covers it. Entries stay where they are.
  bool Insert(size_t level, const Entry& entry, const SpentSets& spent_sets);
  bool Done(size_t level) {
    Level& l = levels_[level];
    while (l.oldest != kNone && (*this)[l.oldest].done) {
      l.oldest = (*this)[l.oldest].after;
    }
    return l.oldest == kNone;
  }
  // The oldest entry that is not done. Requires: !Done(level).
  uint32_t Oldest(size_t level) const { return levels_[level].oldest; }
  uint32_t Newest(size_t level) {
    uint32_t& newest = levels_[level].newest;
    while ((*this)[newest].done) newest = (*this)[newest].below;
    return newest;
  }
  // kNone: there was none.
  uint32_t First(size_t level) const { return levels_[level].first; }

  uint64_t compared() const { return compared_; }
  size_t size_bytes() const {
    return end_ * sizeof(Entry) +
           heads_.capacity() * (sizeof(typename Heads::value_type) + 1);
  }

 private:
  static constexpr uint32_t kChunk = 1024;
  // The first entry of each level and state.
  using Heads = absl::flat_hash_map<std::pair<size_t, StateId>, uint32_t>;

  struct Level {
    uint32_t first = kNone;
    uint32_t last = kNone;
    uint32_t oldest = kNone;  // None before it is to be explored.
    uint32_t newest = kNone;
  };

  uint32_t New(const Entry& entry) {
    if (end_ % kChunk == 0) chunks_.emplace_back().reserve(kChunk);
    chunks_.back().push_back(entry);
    return end_++;
  }

  std::vector<Level> levels_;
  std::vector<std::vector<Entry>> chunks_;  // They never move.
  uint32_t end_ = 0;
  Heads heads_;  // Looked up only.
  uint64_t compared_ = 0;
};

template <size_t kWords>
bool Levels<kWords>::Insert(size_t level, const Entry& entry,
                            const SpentSets& spent_sets) {
  Level& l = levels_[level];
  uint32_t& head =
      heads_.try_emplace({level, entry.c.state}, kNone).first->second;
  for (uint32_t* at = &head; *at != kNone;) {
    Entry& other = (*this)[*at];
    ++compared_;
    if (other.c.Covers(entry.c, spent_sets)) return false;
    if (entry.c.Covers(other.c, spent_sets)) {
      // The new one also covers every entry that the other one covers.
      other.done = true;
      *at = other.same;
    } else {
      at = &other.same;
    }
  }
  const uint32_t number = New(entry);
  Entry& inserted = (*this)[number];
  inserted.same = std::exchange(head, number);
  inserted.below = std::exchange(l.newest, number);
  if (l.first == kNone) {
    l.first = number;
  } else {
    (*this)[l.last].after = number;
  }
  if (l.oldest == kNone) l.oldest = number;
  l.last = number;
  return true;
}

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SEARCH_CONFIGURATIONS_H_
