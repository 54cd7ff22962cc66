#include "lincheck/search/search.h"

#include <algorithm>
#include <utility>

#include "lincheck/search/configurations.h"
#include "lincheck/search/search_plan.h"
#include "lincheck/search/window.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = SearchPlan::kNone;

// At most 64 * kWords known operations are open at a time.
template <size_t kWords>
class LevelSearch final : public Searcher {
 public:
  LevelSearch(const SearchPlan& plan, const SearchOptions& options)
      : plan_(plan),
        options_(options),
        stepper_(plan),
        spent_sets_(plan.unknown.size()),
        window_(plan),
        levels_(plan.returns.size() + 1) {
    arrivals_.push_back({.c = {.state = stepper_.Initial()}});
    if (!plan.last_seen.empty()) value_of_.assign(1, 0);
    Admit();
  }

  SearchResult Run(SearchEnd end, uint64_t nodes_max) override;

 private:
  using Slots = SlotSet<kWords>;
  using Configuration = SearchConfiguration<kWords>;
  using Entry = typename Levels<kWords>::Entry;

  // Which known operations may see a state.
  struct Sight {
    uint32_t witness = kNone;  // One that does.
    // None of these does.
    uint32_t clear_from = 0;
    uint32_t clear_until = 0;
  };

  // The level to work on; false if nothing is left.
  bool NextLevel(bool deep);
  bool OverBudget(uint64_t nodes_max);

  // Takes in what passed on to a level.
  void Admit();
  bool Insert(size_t level, const Entry& entry);
  void Explore(size_t level, bool deep);
  // Carries it over to the next level, if it may go there as it is. True if
  // there is more to be found at this one.
  bool Pass(size_t level, uint32_t at);
  // False if there is more to be tried.
  bool Expand(size_t level, uint32_t at, bool deep);
  // Operations that may be placed next, beside the one that returns here, in
  // the order in which they are tried.
  void FindMoves(size_t level, const Configuration& c);
  bool Try(size_t level, uint32_t at, uint32_t move);

  // Takes what costs nothing. False if nothing can come of it. `before`: the
  // state that led there.
  bool Refine(StateId before, Configuration* c);
  // Settles what leaves the state as it is: it may be placed right here.
  void Settle(uint32_t slot, Configuration* c);
  // True if no operation can see the state any more.
  bool Unseen(StateId state, const Configuration& c);
  bool StillSees(uint32_t op, const Configuration& c) const;
  // True if what is seen later cannot be reached from there, `lost` being a
  // value that is not there any more; that is remembered.
  bool InVain(uint32_t lost, const Configuration& c) {
    uint32_t by = Loses(lost, c);
    if (by == kNone) by = Hopeless(c);
    if (by != kNone) result_.foreseen = plan_.known[by];
    return by != kNone;
  }
  // The next read, if it cannot be reached from there; else kNone.
  uint32_t Hopeless(const Configuration& c) const;
  static bool MayHelp(const SearchPlan::Nature& other, Value seen) {
    return other.effect == SearchPlan::Effect::kAny ||
           (other.effect == SearchPlan::Effect::kReplace &&
            ValueMayGrowInto(other.value, seen));
  }
  // The last operation that needs this value, which was replaced. kNone if none
  // needs it any more, or if an operation may still leave it.
  uint32_t Loses(uint32_t value, const Configuration& c) const;
  // kNone: not known.
  uint32_t ValueOf(StateId state) const {
    return state < value_of_.size() ? value_of_[state] : kNone;
  }
  uint32_t ValueLeft(uint32_t move) const {
    if (plan_.last_left.empty()) return kNone;
    return IsKnown(move) ? plan_.known_left[move]
                         : plan_.unknown_left[move - plan_.known.size()];
  }
  // Remembers what value `state` shows.
  void NoteValue(StateId state, uint32_t value) {
    if (value == kNone) return;
    if (value_of_.size() <= state) value_of_.resize(state + 1, kNone);
    value_of_[state] = value;
  }
  bool IsKnown(uint32_t move) const { return move < plan_.known.size(); }
  const Operation& OperationOf(uint32_t move) const {
    return IsKnown(move) ? plan_.KnownOp(move)
                         : plan_.UnknownOp(move - plan_.known.size());
  }
  const SearchPlan::Nature& NatureOf(uint32_t move) const {
    return IsKnown(move) ? plan_.known_nature[move]
                         : plan_.unknown_nature[move - plan_.known.size()];
  }
  // Whether it leaves nothing of the state, and does not look at it.
  bool Replaces(uint32_t move) const {
    const SearchPlan::Nature& nature = NatureOf(move);
    return nature.blind && nature.effect == SearchPlan::Effect::kReplace;
  }

  void Stuck();
  // The order that leads to an entry.
  std::vector<size_t> OrderTo(size_t level, uint32_t at);

  const SearchPlan& plan_;
  const SearchOptions options_;
  Stepper stepper_;
  SpentSets spent_sets_;
  OpenOperations<kWords> window_;
  Levels<kWords> levels_;
  // Entries that passed on to a level and are not admitted there yet.
  std::vector<Entry> arrivals_;
  size_t arrivals_level_ = 0;
  size_t level_ = 0;       // That is worked on.
  size_t deepest_ = 0;     // No level beyond it has anything left to explore.
  size_t shallowest_ = 0;  // None before it has.
  size_t reached_ = 0;     // The last level that was entered.
  // Scratch. Moves are known ones, or unknown ones beyond the last known.
  std::vector<uint32_t> moves_;
  std::vector<uint32_t> value_of_;  // By state; kNone: not known.
  std::vector<Sight> sights_;       // By state.
  uint64_t next_look_ = 0;          // At the deadline, in nodes.
  SearchResult result_;
};

template <size_t kWords>
void LevelSearch<kWords>::Admit() {
  const size_t level = arrivals_level_;
  if (level == plan_.returns.size()) return;  // There is nothing left to do.
  level_ = level;
  window_.MoveTo(level);
  for (Entry& entry : arrivals_) {
    for (uint32_t op = level == 0 ? 0 : plan_.invoked[level - 1];
         op < window_.next(); ++op) {
      if (!plan_.is_read[op]) entry.c.usable.Add(plan_.slots[op]);
      Settle(plan_.slots[op], &entry.c);
    }
    if (Refine(entry.c.state, &entry.c)) Insert(level, entry);
  }
  arrivals_.clear();
}

template <size_t kWords>
bool LevelSearch<kWords>::Insert(size_t level, const Entry& entry) {
  if (!levels_.Insert(level, entry, spent_sets_)) return false;
  deepest_ = std::max(deepest_, level);
  reached_ = std::max(reached_, level);
  return true;
}

template <size_t kWords>
void LevelSearch<kWords>::Explore(size_t level, bool deep) {
  window_.MoveTo(level);
  const uint32_t at = deep ? levels_.Newest(level) : levels_.Oldest(level);
  const size_t arrived = arrivals_.size();
  const bool more = Pass(level, at);
  // Entries that passed on come first.
  if (more && deep && arrivals_.size() > arrived) return;
  if (!more || Expand(level, at, deep)) levels_[at].done = true;
}

template <size_t kWords>
bool LevelSearch<kWords>::Pass(size_t level, uint32_t at) {
  Entry& entry = levels_[at];
  const uint32_t op = plan_.returns[level];
  const uint32_t slot = plan_.slots[op];
  const bool settled = entry.c.settled.Has(slot);
  const bool usable = entry.c.usable.Has(slot);
  if (!entry.passed && settled && !(entry.late && usable)) {
    Entry next{.c = entry.c, .parent = at};
    next.c.settled.Remove(slot);
    next.c.usable.Remove(slot);
    const uint32_t value = ValueLeft(op);
    const uint32_t shown = ValueOf(entry.c.state);
    if (!usable || !InVain(value != shown ? value : kNone, next.c)) {
      arrivals_level_ = level + 1;
      arrivals_.push_back(next);
    }
  }
  entry.passed = true;
  // A write that need not be placed any more may still be placed.
  return !settled || usable;
}

template <size_t kWords>
void LevelSearch<kWords>::FindMoves(size_t level, const Configuration& c) {
  moves_.clear();
  const uint32_t returning = plan_.returns[level];
  const std::vector<uint32_t>& writes = window_.writes();
  for (size_t i = 0; i < writes.size(); ++i) {
    const uint32_t slot = writes[i];
    const uint32_t op = window_.operation(slot);
    if (op == returning || !c.usable.Has(slot)) continue;
    // Of one class the first to return stands for all, unless it need not be
    // placed and this one must.
    bool stood_for = false;
    for (size_t j = i; !stood_for && j-- > 0;) {
      if (plan_.known_class[window_.operation(writes[j])] !=
          plan_.known_class[op]) {
        break;
      }
      stood_for = c.usable.Has(writes[j]) &&
                  (!c.settled.Has(writes[j]) || c.settled.Has(slot));
    }
    if (!stood_for) moves_.push_back(op);
  }
  // By invocation.
  std::sort(moves_.begin(), moves_.end());
  const auto known = static_cast<uint32_t>(plan_.known.size());
  spent_sets_.AnyBeyond(c.spent, plan_.unknown_invoked[level], [&](uint32_t u) {
    const uint32_t kin = plan_.kin[u];
    if (kin == kNone || spent_sets_.Has(c.spent, kin)) {
      moves_.push_back(known + u);
    }
    return false;
  });
  // A move that leaves the needed value comes first, as far as values say.
  const bool numbered = !plan_.last_left.empty();
  const uint32_t needed = numbered ? plan_.known_seen[returning] : kNone;
  const Value result = numbered ? Value() : plan_.KnownOp(returning).result;
  if (needed == kNone && result.is_none()) return;
  std::stable_partition(moves_.begin(), moves_.end(), [&](uint32_t move) {
    return needed != kNone ? ValueLeft(move) == needed
                           : OperationOf(move).argument == result;
  });
}

template <size_t kWords>
bool LevelSearch<kWords>::Expand(size_t level, uint32_t at, bool deep) {
  const Configuration c = levels_[at].c;
  const uint32_t returning = plan_.returns[level];
  uint32_t tried = levels_[at].tried;
  if (tried == 0) {
    levels_[at].tried = ++tried;
    if (c.usable.Has(plan_.slots[returning]) && Try(level, at, returning) &&
        deep) {
      return false;
    }
  }
  FindMoves(level, c);
  while (tried <= moves_.size()) {
    const uint32_t move = moves_[tried - 1];
    levels_[at].tried = ++tried;
    if (Try(level, at, move) && deep) return tried > moves_.size();
  }
  return true;
}

template <size_t kWords>
bool LevelSearch<kWords>::Try(size_t level, uint32_t at, uint32_t move) {
  const Entry& entry = levels_[at];
  if (entry.instead != kNone && Replaces(move)) return false;
  const bool known = IsKnown(move);
  const auto unknown = static_cast<uint32_t>(move - plan_.known.size());
  const StateId before = entry.c.state;
  const StateId next =
      known ? stepper_.Known(before, move) : stepper_.Unknown(before, unknown);
  if (next == kImpossible) return false;
  Slots settled = entry.c.settled;
  // A blind write placed just before is overwritten, so it counts as settled.
  if (Replaces(move)) settled.AddBoth(window_.blind(), entry.c.usable);
  if (!known && next == before && settled == entry.c.settled) return false;
  Entry after{.c = entry.c, .parent = at, .placed = move};
  after.c.state = next;
  after.c.settled = settled;
  after.late = entry.c.settled.Has(plan_.slots[plan_.returns[level]]);
  if (known) {
    after.c.usable.Remove(plan_.slots[move]);
    after.c.settled.Add(plan_.slots[move]);
  } else if (!plan_.is_endless[unknown]) {
    after.c.spent = spent_sets_.With(entry.c.spent, unknown);
  }
  // An operation that left the state as it was may have done nothing.
  if (next != before) NoteValue(next, ValueLeft(move));
  settled = after.c.settled;
  if (!Refine(before, &after.c)) return false;
  if ((!known || NatureOf(move).blind) && after.c.settled == settled) {
    // Only if the other entry is still to be tried.
    const uint32_t instead = entry.instead != kNone ? entry.instead : at;
    const Entry& other = levels_[instead];
    if (!other.done && !after.c.Covers(other.c, spent_sets_)) {
      after.instead = instead;
    }
  }
  return Insert(level, after);
}

template <size_t kWords>
bool LevelSearch<kWords>::Refine(StateId before, Configuration* c) {
  if (c->state != before) {
    for (const uint32_t slot : window_.reads()) Settle(slot, c);
    // Another state may show the same value.
    const uint32_t shown = ValueOf(before);
    const bool lost = shown != ValueOf(c->state);
    if (InVain(lost ? shown : kNone, *c)) return false;
  }
  if (!stepper_.IsForgotten(c->state) && Unseen(c->state, *c)) {
    if (InVain(ValueOf(c->state), *c)) return false;
    const StateId forgotten = stepper_.Forget(c->state);
    if (forgotten == c->state) return true;
    c->state = forgotten;
    for (const uint32_t slot : window_.writes()) Settle(slot, c);
  }
  return true;
}

template <size_t kWords>
void LevelSearch<kWords>::Settle(uint32_t slot, Configuration* c) {
  if (c->settled.Has(slot)) return;
  const uint32_t op = window_.operation(slot);
  if (!plan_.is_read[op] && !c->usable.Has(slot)) return;
  // Values tell without a step, as a rule.
  const uint32_t shown = ValueOf(c->state);
  if (shown != kNone &&
      ((plan_.known_seen[op] != kNone && plan_.known_seen[op] != shown) ||
       (plan_.known_left[op] != kNone && plan_.known_left[op] != shown))) {
    return;
  }
  if (stepper_.Known(c->state, op) == c->state) c->settled.Add(slot);
}

template <size_t kWords>
bool LevelSearch<kWords>::StillSees(uint32_t op, const Configuration& c) const {
  if (op >= window_.next()) return true;
  if (!window_.open(op)) return false;
  const uint32_t slot = plan_.slots[op];
  return plan_.is_read[op] ? !c.settled.Has(slot) : c.usable.Has(slot);
}

template <size_t kWords>
bool LevelSearch<kWords>::Unseen(StateId state, const Configuration& c) {
  constexpr uint32_t kLookedAtMax = 1024;
  if (sights_.size() <= state) sights_.resize(state + 1);
  Sight& sight = sights_[state];
  // After the next replacement only what it leaves can be seen.
  const Time limit = plan_.replaced_by[window_.next()];
  if (sight.witness != kNone && StillSees(sight.witness, c) &&
      plan_.KnownOp(sight.witness).invoke <= limit) {
    return false;
  }
  const uint32_t shown = ValueOf(state);
  const auto sees = [&](uint32_t op) {
    if (plan_.known_nature[op].blind) return false;
    if (shown != kNone && plan_.known_seen[op] != kNone) {
      return plan_.known_seen[op] == shown;
    }
    return stepper_.MaySee(state, plan_.KnownOp(op));
  };
  for (const auto* slots : {&window_.reads(), &window_.writes()}) {
    for (const uint32_t slot : *slots) {
      const uint32_t op = window_.operation(slot);
      if (!StillSees(op, c) || !sees(op)) continue;
      sight.witness = op;
      return false;
    }
  }
  const uint32_t next = window_.next();
  if (next < sight.clear_from || next > sight.clear_until) {
    sight.clear_from = sight.clear_until = next;
  }
  uint32_t& op = sight.clear_until;
  for (; op < plan_.known.size(); ++op) {
    if (plan_.KnownOp(op).invoke > limit) break;
    if (op - next == kLookedAtMax) return false;
    if (!sees(op)) continue;
    sight.witness = op;
    return false;
  }
  const auto unknown = static_cast<uint32_t>(plan_.unknown.size());
  return !spent_sets_.AnyBeyond(c.spent, unknown, [&](uint32_t u) {
    return !plan_.unknown_nature[u].blind &&
           stepper_.MaySee(state, plan_.UnknownOp(u));
  });
}

template <size_t kWords>
uint32_t LevelSearch<kWords>::Loses(uint32_t value,
                                    const Configuration& c) const {
  if (value == kNone) return kNone;
  const auto later = [&](uint32_t op) {
    return op != kNone && op >= window_.next();
  };
  if (later(plan_.last_left[value])) return kNone;
  bool needed = later(plan_.last_seen[value]);
  for (const auto* slots : {&window_.reads(), &window_.writes()}) {
    for (const uint32_t slot : *slots) {
      const uint32_t op = window_.operation(slot);
      if (!StillSees(op, c)) continue;
      if (plan_.known_left[op] == value) return kNone;
      needed |= plan_.known_seen[op] == value && !c.settled.Has(slot);
    }
  }
  if (!needed) return kNone;
  const std::vector<uint32_t>& others = plan_.unknown_leaving[value];
  const bool gone = std::all_of(others.begin(), others.end(), [&](uint32_t u) {
    return spent_sets_.Has(c.spent, u);
  });
  return gone ? plan_.last_seen[value] : kNone;
}

template <size_t kWords>
uint32_t LevelSearch<kWords>::Hopeless(const Configuration& c) const {
  if (!plan_.appends) return kNone;
  // The next read that returns, and what may come before it.
  uint32_t read = kNone;
  for (size_t i = level_; i < plan_.returns.size() && read == kNone; ++i) {
    const uint32_t op = plan_.returns[i];
    const bool reads =
        plan_.known_nature[op].effect == SearchPlan::Effect::kRead;
    if (reads && StillSees(op, c)) read = op;
  }
  if (read == kNone || stepper_.MaySee(c.state, plan_.KnownOp(read))) {
    return kNone;
  }
  const Value seen = plan_.known_nature[read].value;
  const Time limit = plan_.KnownOp(read).ret;
  for (const uint32_t slot : window_.writes()) {
    if (c.usable.Has(slot) &&
        MayHelp(plan_.known_nature[window_.operation(slot)], seen)) {
      return kNone;
    }
  }
  for (uint32_t op = window_.next();
       op < plan_.known.size() && plan_.KnownOp(op).invoke <= limit; ++op) {
    if (MayHelp(plan_.known_nature[op], seen)) return kNone;
  }
  for (uint32_t u = 0; u < plan_.unknown.size(); ++u) {
    if (plan_.UnknownOp(u).invoke > limit) break;
    if (!spent_sets_.Has(c.spent, u) &&
        MayHelp(plan_.unknown_nature[u], seen)) {
      return kNone;
    }
  }
  return read;
}

template <size_t kWords>
bool LevelSearch<kWords>::OverBudget(uint64_t nodes_max) {
  result_.nodes = stepper_.steps() + levels_.compared() / 16;
  if (options_.deadline != nullptr && result_.nodes >= next_look_) {
    next_look_ = result_.nodes + kStepsBetweenLooks;
    if (options_.deadline->Passed()) return true;
  }
  const size_t bytes = levels_.size_bytes() + spent_sets_.size_bytes() +
                       stepper_.size_bytes() +
                       sights_.capacity() * sizeof(Sight) +
                       value_of_.capacity() * sizeof(uint32_t);
  return result_.nodes > nodes_max || bytes > options_.bytes_max;
}

template <size_t kWords>
bool LevelSearch<kWords>::NextLevel(bool deep) {
  if (!arrivals_.empty() && (deep || arrivals_level_ != shallowest_ + 1 ||
                             levels_.Done(shallowest_))) {
    Admit();
  }
  while (shallowest_ <= deepest_ && levels_.Done(shallowest_)) ++shallowest_;
  if (shallowest_ > deepest_) return false;
  while (deep && levels_.Done(deepest_)) --deepest_;
  level_ = deep ? deepest_ : shallowest_;
  return true;
}

template <size_t kWords>
SearchResult LevelSearch<kWords>::Run(SearchEnd from, uint64_t nodes_max) {
  const bool deep = from == SearchEnd::kDeep;
  result_.result = Result::kViolation;
  for (;;) {
    const size_t end = plan_.returns.size();
    if (!arrivals_.empty() && arrivals_level_ == end) {
      result_.result = Result::kOk;
      if (options_.wants_order && end > 0) {
        result_.order = OrderTo(end - 1, arrivals_.back().parent);
      }
      return result_;
    }
    if (!NextLevel(deep)) break;
    if (OverBudget(nodes_max)) {
      result_.result = Result::kUnknown;
      return result_;
    }
    Explore(level_, deep);
  }
  Stuck();
  return result_;
}

// In what order operations stand that lead from one entry to the next.
template <size_t kWords>
std::vector<size_t> LevelSearch<kWords>::OrderTo(size_t level, uint32_t at) {
  std::vector<std::pair<size_t, uint32_t>> path;
  const size_t known = plan_.known.size();
  std::vector<bool> takes_effect(known + plan_.unknown.size(), false);
  for (;;) {
    path.emplace_back(level, at);
    const Entry& entry = levels_[at];
    if (entry.placed != kNone) takes_effect[entry.placed] = true;
    if (entry.parent == kNone) break;
    if (entry.placed == kNone) --level;
    at = entry.parent;
  }
  std::vector<size_t> order;
  std::vector<uint32_t> in_slot(plan_.slot_count, kNone);
  std::vector<uint32_t> now;  // Settled here.
  uint32_t next = 0;          // To be invoked.
  Slots settled;
  for (size_t i = path.size(); i-- > 0;) {
    const Entry& entry = levels_[path[i].second];
    for (; next < plan_.invoked[path[i].first]; ++next) {
      in_slot[plan_.slots[next]] = next;
      settled.Remove(plan_.slots[next]);
    }
    now.clear();
    entry.c.settled.ForEachBeyond(settled, [&](uint32_t slot) {
      if (!takes_effect[in_slot[slot]]) now.push_back(in_slot[slot]);
    });
    settled = entry.c.settled;
    const auto add = [&](bool blind, bool read) {
      for (const uint32_t op : now) {
        if (plan_.known_nature[op].blind == blind &&
            plan_.is_read[op] == read) {
          order.push_back(plan_.known[op]);
        }
      }
    };
    // A blind write was settled by the write that replaced it at once, or
    // because no operation sees it.
    const bool replaces = entry.placed != kNone && Replaces(entry.placed);
    if (replaces) add(true, false);
    if (entry.placed != kNone) {
      order.push_back(IsKnown(entry.placed)
                          ? plan_.known[entry.placed]
                          : plan_.unknown[entry.placed - known]);
    }
    add(false, true);
    add(false, false);
    if (!replaces) add(true, false);
  }
  return order;
}

template <size_t kWords>
void LevelSearch<kWords>::Stuck() {
  result_.stuck = plan_.known[plan_.returns[reached_]];
  uint32_t best = levels_.First(reached_);
  if (best == kNone) {
    result_.state = stepper_.Describe(stepper_.Initial());
    return;
  }
  // Of all ends the one that got furthest; the last one found, at a tie.
  for (uint32_t i = best; i != kNone; i = levels_[i].after) {
    if (levels_[i].c.settled.size() >= levels_[best].c.settled.size()) best = i;
  }
  result_.state = stepper_.Describe(levels_[best].c.state);
  const std::vector<size_t> order = OrderTo(reached_, best);
  if (!order.empty()) result_.last_placed = order.back();
}

}  // namespace

std::unique_ptr<Searcher> MakeSearcher(const SearchPlan& plan,
                                       const SearchOptions& options) {
  if (plan.slot_count <= 64) {
    return std::make_unique<LevelSearch<1>>(plan, options);
  }
  if (plan.slot_count <= 128) {
    return std::make_unique<LevelSearch<2>>(plan, options);
  }
  if (plan.slot_count <= 512) {
    return std::make_unique<LevelSearch<8>>(plan, options);
  }
  if (plan.slot_count <= 4096) {
    return std::make_unique<LevelSearch<64>>(plan, options);
  }
  return std::make_unique<LevelSearch<kSlotsMax / 64>>(plan, options);
}

SearchResult Search(absl::Span<const Operation> operations, const Model& model,
                    const SearchOptions& options) {
  if (options.nodes_max == 0) return {};  // Without a search nothing is proven.
  const SearchPlan plan(operations, model, options.endless,
                        options.merges_states);
  if (plan.unwritten != kNone) {
    const size_t saw = plan.known[plan.unwritten];
    return {.result = Result::kViolation, .stuck = saw, .foreseen = saw};
  }
  if (plan.slot_count > kSlotsMax) return {};
  const std::unique_ptr<Searcher> searcher = MakeSearcher(plan, options);
  uint64_t turn = 2'000 + 8 * operations.size();
  uint64_t until = 0;
  for (bool deep = true;; deep = !deep) {
    until = std::min(until + turn, options.nodes_max);
    const SearchResult result =
        searcher->Run(deep ? SearchEnd::kDeep : SearchEnd::kBroad, until);
    // Both ends stop where memory or time is over.
    if (result.result != Result::kUnknown || result.nodes < until ||
        result.nodes >= options.nodes_max) {
      return result;
    }
    if (!deep) turn *= 2;
  }
}

}  // namespace quorate::lincheck
