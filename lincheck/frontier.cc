#include "lincheck/frontier.h"

#include <algorithm>
#include <array>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace quorate::lincheck {
namespace {

using Word = uint64_t;
constexpr uint32_t kNone = SearchPlan::kNone;

// Sets of spent operations, each stored once and named by a number; 0 is the
// empty one.
class SpentSets {
 public:
  explicit SpentSets(size_t unknown) : words_((unknown + 63) / 64) {
    Intern(std::vector<Word>(words_, 0));
  }
  bool Has(uint32_t set, uint32_t u) const {
    return sets_[set][u / 64] >> (u % 64) & 1;
  }
  uint32_t With(uint32_t set, uint32_t u) {
    std::vector<Word> more = sets_[set];
    more[u / 64] |= Word{1} << (u % 64);
    return Intern(std::move(more));
  }
  bool Subset(uint32_t a, uint32_t b) const {
    if (a == b || a == 0) return true;
    for (size_t i = 0; i < words_; ++i) {
      if ((sets_[a][i] & ~sets_[b][i]) != 0) return false;
    }
    return true;
  }
  size_t size_bytes() const {
    return sets_.size() * (2 * words_ * sizeof(Word) + 80);
  }

 private:
  uint32_t Intern(std::vector<Word> set) {
    const auto [it, inserted] =
        numbers_.try_emplace(set, static_cast<uint32_t>(sets_.size()));
    if (inserted) sets_.push_back(std::move(set));
    return it->second;
  }

  const size_t words_;
  std::vector<std::vector<Word>> sets_;
  absl::flat_hash_map<std::vector<Word>, uint32_t> numbers_;  // Looked up only.
};

// At most 64 * kWords known operations are open at a time.
template <size_t kWords>
class Frontier final : public SearchWay {
 public:
  Frontier(const SearchPlan& plan, const SearchOptions& options)
      : plan_(plan),
        options_(options),
        stepper_(plan),
        spent_sets_(plan.unknown.size()),
        slots_(64 * kWords, kNone),
        slot_of_(plan.known.size()),
        heads_(64) {
    configurations_.push_back({.state = stepper_.Initial()});
    if (!plan.last_seen.empty()) {
      value_of_.assign(stepper_.Initial() + 1, 0);
    }
  }

  SearchResult Run(uint64_t nodes_max) override;

 private:
  using Bits = std::array<Word, kWords>;
  struct Configuration {
    StateId state = 0;
    uint32_t spent = 0;
    uint32_t last = kNone;  // Into placements_.
    Bits writes{};          // Placed, by slot.
    Bits reads{};
  };
  struct Entry {
    Configuration c;
    uint32_t next = kNone;
    bool dominated = false;
  };
  struct Head {
    uint64_t round = 0;
    uint32_t first = kNone;
  };
  struct Placement {
    uint32_t operation = 0;
    uint32_t before = kNone;
  };

  static bool MayHelp(const SearchPlan::Foresight& other, Value seen) {
    return other.effect == SearchPlan::Effect::kAny ||
           (other.effect == SearchPlan::Effect::kReplace &&
            ValueMayGrowInto(other.value, seen));
  }
  static bool Has(const Bits& bits, uint32_t slot) {
    return bits[slot / 64] >> (slot % 64) & 1;
  }
  static void Flip(Bits& bits, uint32_t slot) {
    bits[slot / 64] ^= Word{1} << (slot % 64);
  }
  static bool Subset(const Bits& a, const Bits& b) {
    for (size_t i = 0; i < kWords; ++i) {
      if ((a[i] & ~b[i]) != 0) return false;
    }
    return true;
  }
  static uint64_t Hash(const Configuration& c) {
    uint64_t hash = c.state * uint64_t{0x9e3779b97f4a7c15};
    for (const Word word : c.writes) {
      hash = (hash ^ word) * uint64_t{0xff51afd7ed558ccd};
      hash ^= hash >> 32;
    }
    return hash;
  }

  void Open(Time until);
  // kOk if some configuration is left; nothing has changed if kUnknown.
  Result Return(uint32_t op, uint64_t nodes_max);
  // Remembers that `c` has placed this operation, if somebody wants to know.
  void Note(uint32_t operation, Configuration* c) {
    if (!options_.wants_order) return;
    placements_.push_back({operation, c->last});
    c->last = static_cast<uint32_t>(placements_.size() - 1);
  }
  // Places every read that fits: it changes nothing, so it never hurts.
  void PlaceReads(Configuration* c);
  void Insert(Configuration c);
  void Grow();
  void Expand(const Configuration& c, Time limit);
  // The next read, if it cannot be reached from there; else kNone.
  uint32_t Hopeless(const Configuration& c) const;
  // The last one that needs the value of `before`, which led to `c`, if
  // somebody still does and nothing is left that leaves it; else kNone.
  uint32_t Loses(StateId before, const Configuration& c) const;
  void InsertUnlessVain(StateId before, const Configuration& c) {
    uint32_t by = Loses(before, c);
    if (by == kNone) by = Hopeless(c);
    if (by == kNone) {
      Insert(c);
    } else {
      result_.foreseen = plan_.known[by];
    }
  }
  // Remembers what value `state` shows, `op` having led to it.
  void NoteValue(const std::vector<uint32_t>& left, uint32_t op,
                 StateId state) {
    if (left.empty() || left[op] == kNone) return;
    if (value_of_.size() <= state) value_of_.resize(state + 1, kNone);
    value_of_[state] = left[op];
  }
  void Stuck(uint32_t op);
  bool OverBudget(uint64_t nodes_max);

  const SearchPlan& plan_;
  const SearchOptions options_;
  Stepper stepper_;
  SpentSets spent_sets_;
  std::vector<uint32_t> slots_;        // The open known operation in each.
  std::vector<uint32_t> open_reads_;   // Slots.
  std::vector<uint32_t> open_writes_;  // Slots.
  std::vector<uint32_t> slot_of_;      // By known operation.
  uint32_t next_known_ = 0;            // The first that is not open yet.
  std::vector<Configuration> configurations_;
  std::vector<Placement> placements_;
  std::vector<Entry> entries_;      // Of this return.
  std::vector<uint32_t> value_of_;  // By state; kNone: not known.
  std::vector<Head> heads_;
  uint64_t round_ = 0;
  size_t next_return_ = 0;  // Into SearchPlan::returns.
  uint64_t next_look_ = 0;
  SearchResult result_;
};

template <size_t kWords>
void Frontier<kWords>::Open(Time until) {
  while (next_known_ < plan_.known.size() &&
         plan_.KnownOp(next_known_).invoke <= until) {
    const auto slot = static_cast<uint32_t>(
        std::find(slots_.begin(), slots_.end(), kNone) - slots_.begin());
    slots_[slot] = next_known_;
    slot_of_[next_known_] = slot;
    if (plan_.is_read[next_known_]) {
      open_reads_.push_back(slot);
    } else {
      const auto key = [&](uint32_t s) {
        return std::tuple(plan_.known_class[slots_[s]],
                          plan_.KnownOp(slots_[s]).ret, slots_[s]);
      };
      open_writes_.insert(
          std::upper_bound(
              open_writes_.begin(), open_writes_.end(), slot,
              [&](uint32_t a, uint32_t b) { return key(a) < key(b); }),
          slot);
    }
    ++next_known_;
  }
}

template <size_t kWords>
void Frontier<kWords>::PlaceReads(Configuration* c) {
  for (const uint32_t slot : open_reads_) {
    if (!Has(c->reads, slot) &&
        stepper_.Known(c->state, slots_[slot]) == c->state) {
      Flip(c->reads, slot);
      Note(plan_.known[slots_[slot]], c);
    }
  }
}

template <size_t kWords>
void Frontier<kWords>::Insert(Configuration c) {
  Head& head = heads_[Hash(c) & (heads_.size() - 1)];
  if (head.round != round_) head = {round_, kNone};
  for (uint32_t at = head.first; at != kNone; at = entries_[at].next) {
    Entry& other = entries_[at];
    if (other.c.state != c.state || other.c.writes != c.writes) continue;
    if (Subset(c.reads, other.c.reads) &&
        spent_sets_.Subset(other.c.spent, c.spent)) {
      return;
    }
    if (Subset(other.c.reads, c.reads) &&
        spent_sets_.Subset(c.spent, other.c.spent)) {
      other.dominated = true;
    }
  }
  entries_.push_back({c, head.first, false});
  head.first = static_cast<uint32_t>(entries_.size() - 1);
  if (entries_.size() > heads_.size()) Grow();
}

template <size_t kWords>
void Frontier<kWords>::Grow() {
  heads_.assign(2 * heads_.size(), Head{});
  for (uint32_t i = 0; i < entries_.size(); ++i) {
    Head& head = heads_[Hash(entries_[i].c) & (heads_.size() - 1)];
    if (head.round != round_) head = {round_, kNone};
    entries_[i].next = head.first;
    head.first = i;
  }
}

template <size_t kWords>
void Frontier<kWords>::Expand(const Configuration& c, Time limit) {
  uint32_t last_class = kNone;
  for (const uint32_t slot : open_writes_) {
    if (Has(c.writes, slot)) continue;
    // Of one class the first to return stands for all.
    if (plan_.known_class[slots_[slot]] == last_class) continue;
    last_class = plan_.known_class[slots_[slot]];
    const StateId next = stepper_.Known(c.state, slots_[slot]);
    if (next == kImpossible) continue;
    Configuration after = c;
    after.state = next;
    Flip(after.writes, slot);
    Note(plan_.known[slots_[slot]], &after);
    // What left a state as it was may have done nothing.
    if (next != c.state) {
      NoteValue(plan_.known_left, slots_[slot], next);
      PlaceReads(&after);
    }
    InsertUnlessVain(c.state, after);
  }
  for (uint32_t u = 0; u < plan_.unknown.size(); ++u) {
    if (plan_.UnknownOp(u).invoke > limit) break;
    if (spent_sets_.Has(c.spent, u)) continue;
    if (plan_.kin[u] != kNone && !spent_sets_.Has(c.spent, plan_.kin[u])) {
      continue;
    }
    const StateId next = stepper_.Unknown(c.state, u);
    if (next == kImpossible || next == c.state) continue;
    Configuration after = c;
    after.state = next;
    if (!plan_.is_endless[u]) after.spent = spent_sets_.With(c.spent, u);
    Note(plan_.unknown[u], &after);
    NoteValue(plan_.unknown_left, u, next);
    PlaceReads(&after);
    InsertUnlessVain(c.state, after);
  }
}

template <size_t kWords>
uint32_t Frontier<kWords>::Loses(StateId before, const Configuration& c) const {
  if (before == c.state || before >= value_of_.size()) return kNone;
  const uint32_t value = value_of_[before];
  if (value == kNone) return kNone;
  const auto later = [&](uint32_t op) {
    return op != kNone && op >= next_known_;
  };
  if (later(plan_.last_left[value])) return kNone;
  bool needed = later(plan_.last_seen[value]);
  for (const uint32_t slot : open_reads_) {
    needed = needed ||
             (plan_.known_seen[slots_[slot]] == value && !Has(c.reads, slot));
  }
  for (const uint32_t slot : open_writes_) {
    if (Has(c.writes, slot)) continue;
    if (plan_.known_left[slots_[slot]] == value) return kNone;
    needed = needed || plan_.known_seen[slots_[slot]] == value;
  }
  if (!needed) return kNone;
  const std::vector<uint32_t>& others = plan_.unknown_leaving[value];
  const bool gone = std::all_of(others.begin(), others.end(), [&](uint32_t u) {
    return spent_sets_.Has(c.spent, u);
  });
  return gone ? plan_.last_seen[value] : kNone;
}

template <size_t kWords>
uint32_t Frontier<kWords>::Hopeless(const Configuration& c) const {
  if (plan_.known_foresight.empty()) return kNone;
  const auto open = [&](uint32_t op) { return op < next_known_; };
  // The next read that returns, and what may come before it.
  uint32_t read = kNone;
  for (size_t i = next_return_; i < plan_.returns.size(); ++i) {
    const uint32_t op = plan_.returns[i];
    if (plan_.known_foresight[op].effect != SearchPlan::Effect::kRead) continue;
    if (open(op) && Has(c.reads, slot_of_[op])) continue;
    read = op;
    break;
  }
  if (read == kNone) return kNone;
  const Value seen = plan_.known_foresight[read].value;
  const Time limit = plan_.KnownOp(read).ret;
  if (stepper_.MayGrowInto(c.state, seen)) return kNone;
  for (const uint32_t slot : open_writes_) {
    if (!Has(c.writes, slot) &&
        MayHelp(plan_.known_foresight[slots_[slot]], seen)) {
      return kNone;
    }
  }
  for (uint32_t op = next_known_;
       op < plan_.known.size() && plan_.KnownOp(op).invoke <= limit; ++op) {
    if (MayHelp(plan_.known_foresight[op], seen)) return kNone;
  }
  for (uint32_t u = 0; u < plan_.unknown.size(); ++u) {
    if (plan_.UnknownOp(u).invoke > limit) break;
    if (!spent_sets_.Has(c.spent, u) &&
        MayHelp(plan_.unknown_foresight[u], seen)) {
      return kNone;
    }
  }
  return read;
}

template <size_t kWords>
bool Frontier<kWords>::OverBudget(uint64_t nodes_max) {
  if (options_.deadline != nullptr && stepper_.steps() >= next_look_) {
    next_look_ = stepper_.steps() + kStepsBetweenLooks;
    if (options_.deadline->Passed()) return true;
  }
  return stepper_.steps() > nodes_max ||
         (entries_.capacity() + configurations_.capacity()) * sizeof(Entry) +
                 placements_.capacity() * sizeof(Placement) +
                 spent_sets_.size_bytes() + stepper_.size_bytes() >
             options_.bytes_max;
}

template <size_t kWords>
void Frontier<kWords>::Stuck(uint32_t op) {
  result_.stuck = plan_.known[op];
  // Of all ends the one that got furthest; the last one found, at a tie.
  size_t best = 0;
  const auto placed = [](const Configuration& c) {
    size_t count = 0;
    for (const Bits* bits : {&c.writes, &c.reads}) {
      for (Word word : *bits) {
        for (; word != 0; word &= word - 1) ++count;
      }
    }
    return count;
  };
  for (size_t i = 1; i < entries_.size(); ++i) {
    if (placed(entries_[i].c) >= placed(entries_[best].c)) best = i;
  }
  result_.state = stepper_.Describe(entries_[best].c.state);
}

template <size_t kWords>
Result Frontier<kWords>::Return(uint32_t op, uint64_t nodes_max) {
  const Time limit = plan_.KnownOp(op).ret;
  const uint32_t slot = slot_of_[op];
  const bool is_read = plan_.is_read[op];
  ++round_;
  entries_.clear();
  for (Configuration& c : configurations_) {
    PlaceReads(&c);
    Insert(c);
  }
  // Breadth first: what spends less comes first.
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Configuration c = entries_[i].c;
    if (entries_[i].dominated || Has(is_read ? c.reads : c.writes, slot)) {
      continue;
    }
    Expand(c, limit);
    if (OverBudget(nodes_max)) return Result::kUnknown;
  }
  configurations_.clear();
  for (const Entry& entry : entries_) {
    Configuration c = entry.c;
    Bits& bits = is_read ? c.reads : c.writes;
    if (entry.dominated || !Has(bits, slot)) continue;
    Flip(bits, slot);
    configurations_.push_back(c);
  }
  if (configurations_.empty()) {
    Stuck(op);
    return Result::kViolation;
  }
  slots_[slot] = kNone;
  std::vector<uint32_t>& open = is_read ? open_reads_ : open_writes_;
  open.erase(std::find(open.begin(), open.end(), slot));
  return Result::kOk;
}

template <size_t kWords>
SearchResult Frontier<kWords>::Run(uint64_t nodes_max) {
  result_.result = Result::kOk;
  while (next_return_ < plan_.returns.size()) {
    const uint32_t op = plan_.returns[next_return_];
    Open(plan_.KnownOp(op).ret);
    result_.result = Return(op, nodes_max);
    if (result_.result != Result::kOk) break;
    ++next_return_;
  }
  result_.nodes = stepper_.steps();
  if (result_.result == Result::kOk && options_.wants_order) {
    const Configuration none;
    uint32_t at = (configurations_.empty() ? none : configurations_[0]).last;
    for (; at != kNone; at = placements_[at].before) {
      result_.order.push_back(placements_[at].operation);
    }
    std::reverse(result_.order.begin(), result_.order.end());
  }
  return result_;
}

class NoWay final : public SearchWay {
 public:
  SearchResult Run(uint64_t) override { return {}; }
};

// The most known operations that are open at once.
size_t OpenMax(const SearchPlan& plan) {
  size_t invoked = 0;
  size_t most = 0;
  for (size_t returned = 0; returned < plan.returns.size(); ++returned) {
    const Time ret = plan.KnownOp(plan.returns[returned]).ret;
    while (invoked < plan.known.size() &&
           plan.KnownOp(static_cast<uint32_t>(invoked)).invoke <= ret) {
      ++invoked;
    }
    most = std::max(most, invoked - returned);
  }
  return most;
}

}  // namespace

std::unique_ptr<SearchWay> SearchByFrontier(const SearchPlan& plan,
                                            const SearchOptions& options) {
  const size_t open = OpenMax(plan);
  if (open <= 64) return std::make_unique<Frontier<1>>(plan, options);
  if (open <= 128) return std::make_unique<Frontier<2>>(plan, options);
  if (open <= 512) return std::make_unique<Frontier<8>>(plan, options);
  return std::make_unique<NoWay>();
}

}  // namespace quorate::lincheck
