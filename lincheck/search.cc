#include "lincheck/search.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "lincheck/frontier.h"
#include "lincheck/search_plan.h"

namespace quorate::lincheck {
namespace {

using Word = uint64_t;
constexpr uint32_t kNone = SearchPlan::kNone;
constexpr size_t kPlacedShownMax = 32;

uint64_t Mix(uint64_t x) {
  x ^= x >> 33;
  x *= 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  x ^= x >> 33;
  return x;
}

bool TestBit(const std::vector<Word>& words, size_t bit) {
  return words[bit / 64] >> (bit % 64) & 1;
}
void FlipBit(std::vector<Word>& words, size_t bit) {
  words[bit / 64] ^= Word{1} << (bit % 64);
}

// Which configurations have failed. A configuration: state, first known
// operation not placed, the bits beyond it, and the unknown ones spent. Records
// lie one after another in `words_`: hash chain, state and base, sizes, window,
// spent.
class Memory {
 public:
  Memory() : heads_(1024, kNone) {}

  // False if the configuration (or one that had spent a subset) was there
  // already; else remembers it. `window` and `spent` without trailing zero
  // words.
  bool Insert(StateId state, uint32_t base, absl::Span<const Word> window,
              absl::Span<const Word> spent) {
    uint64_t hash = Mix((uint64_t{state} << 32) | base);
    for (Word word : window) hash = Mix(hash ^ word) + 0x9e3779b97f4a7c15ULL;
    uint32_t* head = &heads_[hash & (heads_.size() - 1)];
    for (uint32_t at = *head; at != kNone; at = records_[at].next) {
      if (records_[at].hash == hash &&
          Covers(records_[at], state, base, window, spent)) {
        return false;
      }
    }
    records_.push_back({hash, words_.size(), state, base,
                        static_cast<uint32_t>(window.size()),
                        static_cast<uint32_t>(spent.size()), *head});
    *head = static_cast<uint32_t>(records_.size() - 1);
    words_.insert(words_.end(), window.begin(), window.end());
    words_.insert(words_.end(), spent.begin(), spent.end());
    if (records_.size() > heads_.size()) Grow();
    return true;
  }

  size_t size_bytes() const {
    return records_.size() * sizeof(Record) + words_.size() * sizeof(Word) +
           heads_.size() * sizeof(uint32_t);
  }

 private:
  struct Record {
    uint64_t hash;
    size_t offset;  // Into words_.
    StateId state;
    uint32_t base;
    uint32_t window_size;
    uint32_t spent_size;
    uint32_t next;  // Of the same bucket.
  };

  bool Covers(const Record& r, StateId state, uint32_t base,
              absl::Span<const Word> window,
              absl::Span<const Word> spent) const {
    if (r.state != state || r.base != base || r.window_size != window.size() ||
        r.spent_size > spent.size()) {
      return false;
    }
    const Word* words = words_.data() + r.offset;
    if (!std::equal(window.begin(), window.end(), words)) return false;
    words += r.window_size;
    for (uint32_t i = 0; i < r.spent_size; ++i) {
      if ((words[i] & ~spent[i]) != 0) return false;
    }
    return true;
  }

  void Grow() {
    heads_.assign(heads_.size() * 2, kNone);
    for (uint32_t i = 0; i < records_.size(); ++i) {
      uint32_t& head = heads_[records_[i].hash & (heads_.size() - 1)];
      records_[i].next = head;
      head = i;
    }
  }

  std::vector<Record> records_;
  std::vector<Word> words_;
  std::vector<uint32_t> heads_;
};

class Searcher final : public SearchWay {
 public:
  Searcher(const SearchPlan& plan, const SearchOptions& options)
      : plan_(plan),
        known_(plan.known),
        unknown_(plan.unknown),
        options_(options),
        stepper_(plan),
        best_(plan.class_count) {
    Rank();
    Link();
    seeing_.resize(plan.last_seen.size());
    leaving_.resize(plan.last_seen.size());
    for (uint32_t op = 0; op < known_.size(); ++op) Count(op, 1);
    state_ = stepper_.Initial();
    if (!seeing_.empty()) value_of_.assign(state_ + 1, 0);
    Remember();
    PlaceReads();
  }

  SearchResult Run(uint64_t nodes_max) override;

 private:
  // Calls and returns of known operations in order of time, as a doubly linked
  // list that placed ones leave.
  struct Node {
    uint32_t previous = kNone;
    uint32_t next = kNone;
    uint32_t op = 0;  // Into known_.
    bool is_return = false;
  };
  struct Frame {
    StateId state_before = 0;
    uint32_t op = 0;  // Into known_, or into unknown_ if `unknown`.
    bool unknown = false;
    bool forced = false;  // A read: no other choice is worth trying.
    size_t group = 0;     // If `unknown`: where the alternatives to it begin.
  };
  struct Best {
    uint64_t round = 0;
    uint32_t op = 0;
  };
  struct Alternative {
    uint32_t unknown = 0;
    StateId state = 0;
  };

  void Rank();
  void Link();
  // Takes `op` out of the list or puts it back.
  void Lift(uint32_t op);
  void Unlift(uint32_t op);
  bool Remember();
  // Places every read that fits now.
  void PlaceReads();
  void PlaceKnown(uint32_t op, StateId next, bool forced);
  // The known operation of least rank from `rank` on that may be placed next;
  // `end` is where the list of candidates ends: kNone if all is placed.
  uint32_t Candidate(uint32_t rank, uint32_t* end);
  bool Reads(uint32_t op) const {
    return plan_.known_foresight[op].effect == SearchPlan::Effect::kRead;
  }
  static bool MayHelp(const SearchPlan::Foresight& other, Value seen) {
    return other.effect == SearchPlan::Effect::kAny ||
           (other.effect == SearchPlan::Effect::kReplace &&
            ValueMayGrowInto(other.value, seen));
  }
  // The next read, if it cannot be reached from here; else kNone.
  uint32_t Hopeless() const;
  // The last one that needs the value of `before`, if somebody still does and
  // nothing is left that leaves it; else kNone.
  uint32_t Loses(StateId before) const;
  bool Vain(StateId before) {
    uint32_t by = Loses(before);
    if (by == kNone) by = Hopeless();
    if (by != kNone) stuck_result_.foreseen = known_[by];
    return by != kNone;
  }
  // Remembers what value the state shows, `op` having led to it.
  void NoteValue(const std::vector<uint32_t>& left, uint32_t op) {
    if (left.empty() || left[op] == kNone) return;
    if (value_of_.size() <= state_) value_of_.resize(state_ + 1, kNone);
    value_of_[state_] = left[op];
  }
  void Count(uint32_t op, int32_t by) {
    if (seeing_.empty()) return;
    if (plan_.known_seen[op] != kNone) seeing_[plan_.known_seen[op]] += by;
    if (plan_.known_left[op] != kNone) leaving_[plan_.known_left[op]] += by;
  }
  // Places one more operation: a known one of at least this rank, else one with
  // unknown outcome. False if none leads anywhere new.
  bool Advance(uint32_t rank);
  // Remembers every configuration one unknown operation away before any is
  // entered: those that spend less come first.
  bool GatherUnknown(Time limit);
  bool TakeAlternative(size_t group);
  // Takes back placements until another choice could be made; false if there is
  // none.
  bool Backtrack();
  bool OverBudget(uint64_t nodes_max) {
    if (options_.deadline != nullptr && stepper_.steps() >= next_look_) {
      next_look_ = stepper_.steps() + kStepsBetweenLooks;
      if (options_.deadline->Passed()) return true;
    }
    return stepper_.steps() > nodes_max ||
           memory_.size_bytes() + stepper_.size_bytes() > options_.bytes_max;
  }
  uint32_t head() const { return nodes_[0].next; }
  void NoteStuck(uint32_t op);
  // Or takes it back.
  void Spend(uint32_t unknown) {
    if (!plan_.is_endless[unknown]) FlipBit(spent_, unknown);
  }
  // Identical operations with unknown outcome are interchangeable: only the
  // first one not spent is tried.
  bool FirstOfItsKind(uint32_t unknown) const {
    const uint32_t kin = plan_.kin[unknown];
    return kin == kNone || TestBit(spent_, kin);
  }

  const SearchPlan& plan_;
  const std::vector<uint32_t>& known_;
  const std::vector<uint32_t>& unknown_;
  const SearchOptions options_;
  Stepper stepper_;
  std::vector<Node> nodes_;  // nodes_[0] is the head; 1 + 2 i is the call, 2 +
                             // 2 i the return of known_[i].
  // For each known_: its place in the order in which candidates are tried: by
  // version written where one is told (that is how it happened, if all is
  // well), then by invocation.
  std::vector<uint32_t> rank_;

  StateId state_ = 0;
  std::vector<Word> placed_;  // Bits of known_.
  uint32_t base_ = 0;         // First of known_ that is not placed.
  uint32_t top_ = 0;          // One beyond the last that was ever placed.
  std::vector<Word> spent_;   // Bits of unknown_.
  std::vector<Frame> frames_;
  std::vector<Alternative> alternatives_;
  Memory memory_;
  std::vector<Word> window_;  // Scratch.
  std::vector<Best> best_;    // By class: of the last list of candidates.
  uint64_t round_ = 0;
  // By value (SearchPlan::known_seen): how many known operations that are not
  // placed need it, and leave it.
  std::vector<int32_t> seeing_;
  std::vector<int32_t> leaving_;
  std::vector<uint32_t> value_of_;  // By state; kNone: not known.

  Time stuck_return_ = 0;
  size_t stuck_depth_ = 0;
  StateId stuck_state_ = 0;
  bool stuck_ = false;
  uint64_t next_look_ = 0;  // At the deadline, in steps.
  SearchResult stuck_result_;
};

void Searcher::Rank() {
  std::vector<uint32_t> by_rank(known_.size());
  std::iota(by_rank.begin(), by_rank.end(), 0);
  std::stable_sort(by_rank.begin(), by_rank.end(), [&](uint32_t a, uint32_t b) {
    return plan_.KnownOp(a).written < plan_.KnownOp(b).written;
  });
  rank_.resize(known_.size());
  for (uint32_t i = 0; i < by_rank.size(); ++i) rank_[by_rank[i]] = i;
}

void Searcher::Link() {
  struct Event {
    Time time;
    bool is_return;
    uint32_t op;
  };
  std::vector<Event> events;
  for (uint32_t i = 0; i < known_.size(); ++i) {
    events.push_back({plan_.KnownOp(i).invoke, false, i});
    events.push_back({plan_.KnownOp(i).ret, true, i});
  }
  // Calls before returns at the same time: those operations are concurrent.
  std::sort(events.begin(), events.end(), [](const Event& a, const Event& b) {
    return std::tuple(a.time, a.is_return, a.op) <
           std::tuple(b.time, b.is_return, b.op);
  });
  nodes_.resize(1 + 2 * known_.size());
  uint32_t previous = 0;
  for (const Event& event : events) {
    const uint32_t at = 1 + 2 * event.op + (event.is_return ? 1 : 0);
    nodes_[at] = {previous, kNone, event.op, event.is_return};
    nodes_[previous].next = at;
    previous = at;
  }
  placed_.assign(known_.size() / 64 + 1, 0);
  spent_.assign(unknown_.size() / 64 + 1, 0);
}

void Searcher::Lift(uint32_t op) {
  for (uint32_t at : {1 + 2 * op, 2 + 2 * op}) {
    const Node& node = nodes_[at];
    nodes_[node.previous].next = node.next;
    if (node.next != kNone) nodes_[node.next].previous = node.previous;
  }
  FlipBit(placed_, op);
  Count(op, -1);
  top_ = std::max(top_, op + 1);
  while (base_ < known_.size() && TestBit(placed_, base_)) ++base_;
}

void Searcher::Unlift(uint32_t op) {
  for (uint32_t at : {2 + 2 * op, 1 + 2 * op}) {
    const Node& node = nodes_[at];
    nodes_[node.previous].next = at;
    if (node.next != kNone) nodes_[node.next].previous = at;
  }
  FlipBit(placed_, op);
  Count(op, 1);
  base_ = std::min(base_, op);
}

bool Searcher::Remember() {
  window_.clear();
  // The words from the base's on; bits at or below the base in its word are the
  // base's own business and are cleared.
  for (size_t word = base_ / 64; word * 64 < top_; ++word) {
    Word bits = placed_[word];
    if (word == base_ / 64) bits &= ~Word{0} << (base_ % 64);
    window_.push_back(bits);
  }
  while (!window_.empty() && window_.back() == 0) window_.pop_back();
  size_t spent_size = spent_.size();
  while (spent_size > 0 && spent_[spent_size - 1] == 0) --spent_size;
  return memory_.Insert(state_, base_, window_,
                        absl::MakeConstSpan(spent_).first(spent_size));
}

void Searcher::PlaceKnown(uint32_t op, StateId next, bool forced) {
  frames_.push_back({.state_before = state_, .op = op, .forced = forced});
  state_ = next;
  Lift(op);
}

void Searcher::PlaceReads() {
  for (uint32_t at = head(); at != kNone && !nodes_[at].is_return;) {
    const uint32_t op = nodes_[at].op;
    at = nodes_[at].next;
    if (!plan_.is_read[op] || stepper_.Known(state_, op) != state_) {
      continue;
    }
    // Its own return may be the first one: what follows becomes a candidate.
    if (at == 2 + 2 * op) at = nodes_[at].next;
    PlaceKnown(op, state_, /*forced=*/true);
  }
}

void Searcher::NoteStuck(uint32_t op) {
  const Time ret = plan_.KnownOp(op).ret;
  if (stuck_ && (ret < stuck_return_ ||
                 (ret == stuck_return_ && frames_.size() <= stuck_depth_))) {
    return;
  }
  stuck_ = true;
  stuck_return_ = ret;
  stuck_depth_ = frames_.size();
  stuck_state_ = state_;
  stuck_result_.stuck = known_[op];
  stuck_result_.placed.clear();
  const size_t shown = std::min(frames_.size(), kPlacedShownMax);
  for (size_t i = frames_.size() - shown; i < frames_.size(); ++i) {
    const Frame& frame = frames_[i];
    stuck_result_.placed.push_back(frame.unknown ? unknown_[frame.op]
                                                 : known_[frame.op]);
  }
}

uint32_t Searcher::Candidate(uint32_t rank, uint32_t* end) {
  // Of operations of one class the first to return stands for all.
  ++round_;
  uint32_t at = head();
  for (; at != kNone && !nodes_[at].is_return; at = nodes_[at].next) {
    const uint32_t op = nodes_[at].op;
    Best& best = best_[plan_.known_class[op]];
    if (best.round != round_ ||
        plan_.KnownOp(op).ret < plan_.KnownOp(best.op).ret) {
      best = {round_, op};
    }
  }
  *end = at;
  uint32_t found = kNone;
  for (uint32_t n = head(); n != at; n = nodes_[n].next) {
    const uint32_t op = nodes_[n].op;
    if (rank_[op] < rank || best_[plan_.known_class[op]].op != op) continue;
    if (found == kNone || rank_[op] < rank_[found]) found = op;
  }
  return found;
}

uint32_t Searcher::Loses(StateId before) const {
  if (seeing_.empty() || before == state_ || before >= value_of_.size()) {
    return kNone;
  }
  const uint32_t value = value_of_[before];
  if (value == kNone || seeing_[value] == 0 || leaving_[value] > 0) {
    return kNone;
  }
  const std::vector<uint32_t>& others = plan_.unknown_leaving[value];
  const bool gone = std::all_of(others.begin(), others.end(),
                                [&](uint32_t u) { return TestBit(spent_, u); });
  return gone ? plan_.last_seen[value] : kNone;
}

uint32_t Searcher::Hopeless() const {
  if (plan_.known_foresight.empty()) return kNone;
  // The next read that returns, and what may come before it.
  uint32_t at = head();
  while (at != kNone && !(nodes_[at].is_return && Reads(nodes_[at].op))) {
    at = nodes_[at].next;
  }
  if (at == kNone) return kNone;
  const uint32_t read = nodes_[at].op;
  const Value seen = plan_.known_foresight[read].value;
  if (stepper_.MayGrowInto(state_, seen)) return kNone;
  for (uint32_t n = head(); n != at; n = nodes_[n].next) {
    if (nodes_[n].is_return) continue;
    if (MayHelp(plan_.known_foresight[nodes_[n].op], seen)) return kNone;
  }
  const Time limit = plan_.KnownOp(read).ret;
  for (uint32_t u = 0; u < unknown_.size(); ++u) {
    if (plan_.UnknownOp(u).invoke > limit) break;
    if (!TestBit(spent_, u) && MayHelp(plan_.unknown_foresight[u], seen)) {
      return kNone;
    }
  }
  return read;
}

bool Searcher::Advance(uint32_t rank) {
  for (;;) {
    uint32_t end = kNone;
    const uint32_t best = Candidate(rank, &end);
    if (end == kNone) return false;
    if (best == kNone) {
      NoteStuck(nodes_[end].op);
      return GatherUnknown(plan_.KnownOp(nodes_[end].op).ret);
    }
    rank = rank_[best] + 1;
    const StateId next = stepper_.Known(state_, best);
    if (next == kImpossible) continue;
    const StateId before = state_;
    PlaceKnown(best, next, /*forced=*/false);
    // What left a state as it was may have done nothing.
    if (next != before) NoteValue(plan_.known_left, best);
    if (!Vain(before) && Remember()) return true;
    Unlift(best);
    state_ = frames_.back().state_before;
    frames_.pop_back();
  }
}

bool Searcher::GatherUnknown(Time limit) {
  const size_t group = alternatives_.size();
  const StateId before = state_;
  for (uint32_t u = 0; u < unknown_.size(); ++u) {
    if (plan_.UnknownOp(u).invoke > limit) break;
    if (TestBit(spent_, u) || !FirstOfItsKind(u)) continue;
    const StateId next = stepper_.Unknown(before, u);
    if (next == kImpossible || next == before) continue;
    Spend(u);
    state_ = next;
    NoteValue(plan_.unknown_left, u);
    if (!Vain(before) && Remember()) {
      alternatives_.push_back({u, next});
    }
    Spend(u);
  }
  state_ = before;
  return TakeAlternative(group);
}

bool Searcher::TakeAlternative(size_t group) {
  if (alternatives_.size() == group) return false;
  const Alternative next = alternatives_.back();
  alternatives_.pop_back();
  frames_.push_back({.state_before = state_,
                     .op = next.unknown,
                     .unknown = true,
                     .group = group});
  Spend(next.unknown);
  state_ = next.state;
  return true;
}

bool Searcher::Backtrack() {
  while (!frames_.empty()) {
    const Frame frame = frames_.back();
    frames_.pop_back();
    state_ = frame.state_before;
    if (frame.unknown) {
      Spend(frame.op);
      if (TakeAlternative(frame.group)) return true;
      continue;
    }
    Unlift(frame.op);
    if (!frame.forced && Advance(rank_[frame.op] + 1)) return true;
  }
  return false;
}

SearchResult Searcher::Run(uint64_t nodes_max) {
  SearchResult result;
  result.result = Result::kOk;
  while (head() != kNone) {
    if (OverBudget(nodes_max)) {
      result.result = Result::kUnknown;
      break;
    }
    if (!Advance(0) && !Backtrack()) {
      result = stuck_result_;
      result.result = Result::kViolation;
      result.state = stepper_.Describe(stuck_state_);
      break;
    }
    PlaceReads();
  }
  if (result.result == Result::kOk) {
    for (const Frame& frame : frames_) {
      result.order.push_back(frame.unknown ? unknown_[frame.op]
                                           : known_[frame.op]);
    }
  }
  result.nodes = stepper_.steps();
  return result;
}

}  // namespace

std::unique_ptr<SearchWay> SearchDepthFirst(const SearchPlan& plan,
                                            const SearchOptions& options) {
  return std::make_unique<Searcher>(plan, options);
}

SearchResult Search(absl::Span<const Operation> operations, const Model& model,
                    const SearchOptions& options) {
  if (options.nodes_max == 0)
    return {};  // What must not search proves nothing.
  const SearchPlan plan(operations, model, options.endless,
                        options.merges_states);
  // Depth first finds an order where there are many; the frontier finds out
  // that there is none. Neither is always better, so both get their turns.
  std::unique_ptr<SearchWay> ways[] = {SearchDepthFirst(plan, options),
                                       nullptr};
  uint64_t spent[] = {0, 0};
  uint64_t turn = 20'000 + 16 * operations.size();
  for (size_t way = 0;; way = 1 - way) {
    if (ways[way] == nullptr) ways[way] = SearchByFrontier(plan, options);
    const uint64_t left = options.nodes_max - spent[0] - spent[1];
    // A step of the frontier costs an eighth.
    const uint64_t steps = std::min(way == 0 ? turn : 8 * turn, left);
    SearchResult result = ways[way]->Run(spent[way] + steps);
    const bool idle = result.nodes == spent[way];  // Out of memory.
    spent[way] = result.nodes;
    result.nodes = spent[0] + spent[1];
    if (result.result != Result::kUnknown ||
        result.nodes >= options.nodes_max || (idle && way == 1) ||
        (options.deadline != nullptr && options.deadline->Passed())) {
      return result;
    }
    turn *= 2;
  }
}

}  // namespace quorate::lincheck
