#include "lincheck/explain/minimise.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "lincheck/explain/relaxed.h"
#include "lincheck/links/links.h"

namespace quorate::lincheck {
namespace {

// Steps for a question at first, for itself and for each operation.
constexpr uint64_t kEasyNodes = 200'000;
constexpr uint64_t kEasyNodesEach = 160;
constexpr size_t kCountedMax = 12;  // So few operations are counted at once.
constexpr int kCutsGivenUpMax = 2;
constexpr size_t kNearMax = 64;
constexpr size_t kLastWrites = 3;
constexpr uint64_t kHarder = 8;  // So many times more in the next round.

// Part of a core: what is near to one operation, and what else was taken.
class Surroundings {
 public:
  Surroundings(absl::Span<const Operation> operations,
               const std::vector<size_t>& core, size_t middle)
      : operations_(operations),
        middle_(middle),
        nearest_(core),
        left_(operations.size(), false) {
    for (const size_t i : core) left_[i] = true;
    std::sort(nearest_.begin(), nearest_.end(), Nearer());
    Take(middle);
  }

  // In the order in which they were.
  const std::vector<size_t>& taken() const { return taken_; }
  // Whether there is nothing to take of it.
  bool Has(size_t i) const { return !left_[i]; }
  void Take(size_t i) {
    if (left_[i]) taken_.push_back(i);
    left_[i] = false;
  }
  // More each time. False if that would be more than `max`, or more than half
  // of the core.
  bool TakeNearest(size_t max) {
    near_ = std::max<size_t>(2 * near_, 1);
    if (near_ > std::min(max, nearest_.size() / 2)) return false;
    for (size_t n = 0; n < near_; ++n) Take(nearest_[n]);
    return true;
  }
  // `i`, and the nearest ones of its kind, more each time. False if there was
  // nothing to take.
  bool TakeAlike(size_t i, absl::Span<const size_t> kind) {
    const size_t before = taken_.size();
    Take(i);
    size_t& count = alike_[kind[0]];
    count = std::min(std::max<size_t>(4 * count, 1), kind.size());
    std::vector<size_t> sorted(kind.begin(), kind.end());
    std::partial_sort(sorted.begin(), sorted.begin() + count, sorted.end(),
                      Nearer());
    for (size_t n = 0; n < count; ++n) Take(sorted[n]);
    return taken_.size() > before;
  }

 private:
  std::function<bool(size_t, size_t)> Nearer() const {
    const Time middle = operations_[middle_].ret;
    const auto distance = [this, middle](size_t i) {
      const Time ret = operations_[i].ret;
      return ret < middle ? middle - ret : ret - middle;
    };
    return [distance](size_t a, size_t b) {
      return std::pair(distance(a), a) < std::pair(distance(b), b);
    };
  }

  const absl::Span<const Operation> operations_;
  const size_t middle_;
  std::vector<size_t> nearest_;  // All of the core.
  size_t near_ = 0;
  std::vector<bool> left_;  // By operation.
  std::vector<size_t> taken_;
  std::map<size_t, size_t> alike_;  // How many of a kind, by its first member.
};

class Minimiser {
 public:
  Minimiser(absl::Span<const Operation> operations, const Model& model,
            Decision decision, const CheckOptions& options)
      : operations_(operations),
        model_(model),
        options_(options),
        scope_(std::move(decision.scope)),
        linked_(decision.by_zones),
        in_core_(operations.size(), false) {
    small_.operations = std::move(decision.core);
    small_.reason = std::move(decision.reason);
    named_ = std::move(decision.named);
    stuck_ = decision.by_search ? decision.stuck : small_.operations[0];
    small_.blocked =
        decision.by_search ? decision.stuck : CounterExample::kNotKnown;
    if (scope_.empty() || !OutsideIsLinked()) LookEverywhere();
  }

  CounterExample Run();

 private:
  const Relaxed& relaxed() {
    if (relaxed_ == nullptr) {
      relaxed_ = std::make_unique<Relaxed>(operations_, model_);
    }
    return *relaxed_;
  }
  bool BySearch() const { return small_.blocked != CounterExample::kNotKnown; }
  void LookEverywhere();
  // Whether all that is outside the scope names what it writes even when
  // relaxed: then it cannot stand for anything in the scope.
  bool OutsideIsLinked() const;
  // Whether the scope has the writer of every version that was seen in it.
  bool KnowsWhatItSaw() const;
  // Decides about the partition with all operations outside `core` relaxed,
  // `among` as in Relaxed.
  SearchResult Try(const std::vector<size_t>& core,
                   const std::vector<bool>* among = nullptr);
  // One way of asking that.
  SearchResult Ask(const std::vector<size_t>& core,
                   const std::vector<bool>* among, bool counted);
  // The same by zones alone.
  SearchResult TryLinked(const std::vector<size_t>& core,
                         const std::vector<bool>* among);
  bool IsWrong(const std::vector<size_t>& core) {
    return Try(core).result == Result::kViolation;
  }
  // A core that is wrong even if everything else is relaxed. False if there is
  // no time to find out.
  bool Begin();
  // Leaves out what returned after the first moment at which it is wrong.
  void CutEnd();
  // Leaves out what is far from an operation and explains nothing of it. False
  // if nothing was.
  bool CutAround(size_t middle, size_t near_max);
  // The one that returns last.
  size_t LastOf(const std::vector<size_t>& core) const;
  // Asks about candidates_[begin, end): those which can be left out are. If
  // `needed`, they cannot all be.
  void Reduce(size_t begin, size_t end, bool needed);
  std::vector<size_t> Core() const;
  void FillContext();
  // The last writes before an operation that nothing explains.
  std::vector<size_t> LastWrites() const;
  bool Over() const {
    return nodes_ > options_.minimise_nodes_max ||
           (options_.deadline != nullptr && options_.deadline->Passed());
  }

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const CheckOptions options_;
  // Operations that may matter, in order.
  std::vector<size_t> scope_;
  bool everywhere_ = false;                 // It is all operations.
  bool linked_;                             // Zones decide.
  size_t stuck_ = 0;                        // The operation that it failed at.
  std::unique_ptr<const Relaxed> relaxed_;  // Made at the first use.
  bool counts_ = false;                     // Which way comes first.
  uint64_t nodes_ = 0;
  uint64_t harder_ = 1;
  std::vector<bool> in_core_;  // By operation.
  std::vector<size_t> candidates_;
  std::vector<size_t> unsure_;  // Those that no question decided.
  std::vector<size_t> named_;   // Operations that the reason names.
  // An order that explains the core without one of its operations.
  std::vector<std::pair<size_t, std::vector<size_t>>> orders_;
  CounterExample small_;
};

void Minimiser::LookEverywhere() {
  scope_.resize(operations_.size());
  std::iota(scope_.begin(), scope_.end(), 0);
  everywhere_ = true;
}

bool Minimiser::OutsideIsLinked() const {
  const bool versions = HasVersions(operations_);
  bool nameless = false;  // A write outside that might be any version.
  // Values decide so far, and versions may decide about fewer of them.
  if (!versions && TellVersions(operations_)) return false;
  size_t at = 0;
  for (size_t i = 0; i < operations_.size(); ++i) {
    if (at < scope_.size() && scope_[at] == i) {
      ++at;
      continue;
    }
    const Operation& op = operations_[i];
    if (ReadsInAnyCase(model_, op)) continue;
    if (versions) {
      nameless |= op.written == kNoVersion;
      continue;
    }
    Links links;
    if (!model_.FindLinks(Relax(op), &links) || links.conditional) return false;
  }
  return !nameless || KnowsWhatItSaw();
}

bool Minimiser::KnowsWhatItSaw() const {
  absl::flat_hash_set<StateVersion> written = {kNoVersion, kInitialVersion};
  for (const size_t i : scope_) written.insert(operations_[i].written);
  return std::all_of(scope_.begin(), scope_.end(), [&](size_t i) {
    return written.contains(operations_[i].seen);
  });
}

SearchResult Minimiser::TryLinked(const std::vector<size_t>& core,
                                  const std::vector<bool>* among) {
  std::vector<Operation> relaxed;
  std::vector<size_t> indices;
  size_t at = 0;
  for (const size_t i : scope_) {
    const bool kept = at < core.size() && core[at] == i;
    if (kept) ++at;
    if (!kept && (ReadsInAnyCase(model_, operations_[i]) ||
                  (among != nullptr && !(*among)[i]))) {
      continue;
    }
    relaxed.push_back(kept ? operations_[i] : Relax(operations_[i]));
    indices.push_back(i);
  }
  nodes_ += relaxed.size();
  Decision decision = DecideByZones(relaxed, model_);
  if (!decision.by_zones && !everywhere_) {
    // Relaxed, something does not name what it saw or wrote any more.
    LookEverywhere();
    return TryLinked(core, among);
  }
  if (decision.result == Result::kViolation && among == nullptr) {
    small_.reason = std::move(decision.reason);
    small_.blocked = CounterExample::kNotKnown;
    named_ = std::move(decision.named);
    for (size_t& i : named_) i = indices[i];
  }
  for (size_t& i : decision.order) i = indices[i];
  return {.result = decision.result, .order = std::move(decision.order)};
}

SearchResult Minimiser::Ask(const std::vector<size_t>& core,
                            const std::vector<bool>* among, bool counted) {
  const uint64_t left = options_.minimise_nodes_max - nodes_;
  const uint64_t easy = harder_ * (kEasyNodes + kEasyNodesEach * core.size());
  SearchResult found =
      relaxed().Judge({.kept = core, .among = among, .counted = counted},
                      {.nodes_max = std::min(left, easy),
                       .bytes_max = options_.bytes_max,
                       .deadline = options_.deadline});
  nodes_ += found.nodes + core.size();
  return found;
}

SearchResult Minimiser::Try(const std::vector<size_t>& core,
                            const std::vector<bool>* among) {
  if (core.empty()) return {.result = Result::kOk};
  if (Over()) return {};
  if (linked_) {
    SearchResult answer = TryLinked(core, among);
    if (answer.result != Result::kUnknown) return answer;
  }
  if (relaxed_ == nullptr) counts_ = relaxed().relaxable() <= kCountedMax;
  SearchResult found = Ask(core, among, counts_);
  if (found.result == Result::kUnknown && !Over()) {
    found = Ask(core, among, !counts_);
    // The way that succeeded comes first the next time.
    if (found.result != Result::kUnknown) counts_ = !counts_;
  }
  if (found.result == Result::kViolation && among == nullptr) {
    small_.blocked = found.foreseen.value_or(found.stuck);
    named_.clear();
    small_.reason = DescribeStuck(operations_, model_, found);
  }
  return found;
}

std::vector<size_t> Minimiser::Core() const {
  std::vector<size_t> core;
  for (size_t i = 0; i < in_core_.size(); ++i) {
    if (in_core_[i]) core.push_back(i);
  }
  return core;
}

bool Minimiser::Begin() {
  if (!BySearch() && IsWrong(small_.operations)) return true;
  if (!BySearch()) {
    // An operation of unknown outcome may do something else than it did while
    // its result was known: begin with all.
    LookEverywhere();
    small_.operations.clear();
    for (size_t i = 0; i < operations_.size(); ++i) {
      if (operations_[i].known()) small_.operations.push_back(i);
    }
    if (linked_ && !IsWrong(small_.operations)) return false;
  }
  if (!CutAround(stuck_, kNearMax) &&
      !CutAround(LastOf(small_.operations), kNearMax)) {
    CutEnd();
    CutAround(LastOf(small_.operations), small_.operations.size());
  }
  return true;
}

void Minimiser::CutEnd() {
  std::vector<size_t>& core = small_.operations;
  std::sort(core.begin(), core.end(), ByReturn(operations_));
  size_t right = 0;
  size_t wrong = core.size();
  while (wrong - right > 1) {
    const size_t half = right + (wrong - right) / 2;
    std::vector<size_t> some(core.begin(), core.begin() + half);
    std::sort(some.begin(), some.end());
    (IsWrong(some) ? wrong : right) = half;
  }
  core.resize(wrong);
}

size_t Minimiser::LastOf(const std::vector<size_t>& core) const {
  return *std::max_element(core.begin(), core.end(), ByReturn(operations_));
}

bool Minimiser::CutAround(size_t middle, size_t near_max) {
  Surroundings around(operations_, small_.operations, middle);
  for (int given_up = 0; given_up < kCutsGivenUpMax;) {
    std::vector<size_t> core = around.taken();
    std::sort(core.begin(), core.end());
    const SearchResult answer = Try(core);
    if (answer.result == Result::kViolation) {
      candidates_.assign(around.taken().rbegin(), around.taken().rend());
      small_.operations = std::move(core);
      return true;
    }
    if (answer.result == Result::kUnknown) ++given_up;
    // The operations that explain them are taken, and others like them.
    bool more = false;
    std::map<size_t, size_t> kinds;  // By its first member, one of it.
    for (const size_t i : answer.order) {
      if (!around.Has(i)) kinds.emplace(relaxed().Alike(i)[0], i);
    }
    for (const auto& [first, i] : kinds) {
      more |= around.TakeAlike(i, relaxed().Alike(i));
    }
    if (!more && !around.TakeNearest(near_max)) break;
  }
  return false;
}

void Minimiser::Reduce(size_t begin, size_t end, bool needed) {
  if (begin == end) return;
  if (Over()) {
    unsure_.insert(unsure_.end(), candidates_.begin() + begin,
                   candidates_.begin() + end);
    return;
  }
  Result result = Result::kOk;
  if (end - begin == 1 || !needed) {
    for (size_t c = begin; c < end; ++c) in_core_[candidates_[c]] = false;
    SearchResult answer = Try(Core());
    result = answer.result;
    if (result == Result::kViolation) return;
    for (size_t c = begin; c < end; ++c) in_core_[candidates_[c]] = true;
    if (end - begin == 1) {
      if (result == Result::kOk) {
        orders_.emplace_back(candidates_[begin], std::move(answer.order));
      } else {
        unsure_.push_back(candidates_[begin]);
      }
      return;
    }
  }
  const size_t half = begin + (end - begin) / 2;
  Reduce(begin, half, false);
  const bool gone =
      std::none_of(candidates_.begin() + begin, candidates_.begin() + half,
                   [&](size_t i) { return in_core_[i]; });
  Reduce(half, end, gone && result == Result::kOk);
}

std::vector<size_t> Minimiser::LastWrites() const {
  const Operation& alone = operations_[small_.operations[0]];
  std::vector<size_t> writes;
  for (size_t i = 0; i < operations_.size(); ++i) {
    // Operations that failed are left out.
    if (i != small_.operations[0] && operations_[i].invoke <= alone.ret &&
        !OnlyReads(model_, operations_[i])) {
      writes.push_back(i);
    }
  }
  std::sort(writes.rbegin(), writes.rend(), ByInvocation(operations_));
  writes.resize(std::min(writes.size(), kLastWrites));
  return writes;
}

void Minimiser::FillContext() {
  // The core has become smaller since they were found. Operations that left it
  // have an unknown outcome now.
  std::vector<bool> among(operations_.size(), false);
  const auto add = [&](const std::vector<size_t>& order) {
    for (const size_t i : order) {
      if (in_core_[i] || among[i] || ReadsInAnyCase(model_, operations_[i])) {
        continue;
      }
      among[i] = true;
      small_.context.push_back(i);
    }
  };
  add(named_);
  // Without its writer a version might be anybody's. With it, less is possible:
  // it is there before the questions.
  size_t writers = 0;
  absl::flat_hash_set<StateVersion> versions_seen;  // Looked up only.
  for (const size_t i : small_.operations)
    versions_seen.insert(operations_[i].seen);
  for (size_t i = 0; i < operations_.size(); ++i) {
    const StateVersion written = operations_[i].written;
    if (written != kNoVersion && versions_seen.contains(written) &&
        !in_core_[i] && !among[i]) {
      among[i] = true;
      small_.context.push_back(i);
      ++writers;
    }
  }
  for (const auto& [left_out, order] : orders_) {
    std::vector<size_t> rest = small_.operations;
    std::erase(rest, left_out);
    among[left_out] = true;
    const bool enough = Try(rest, &among).result == Result::kOk;
    among[left_out] = false;
    if (enough) continue;
    const SearchResult answer = Try(rest);
    add(answer.result == Result::kOk ? answer.order : order);
  }
  if (small_.context.size() == writers && small_.operations.size() == 1) {
    add(LastWrites());
  }
  std::sort(small_.context.begin(), small_.context.end());
}

CounterExample Minimiser::Run() {
  if (!Begin()) return std::move(small_);
  for (const size_t i : small_.operations) in_core_[i] = true;
  if (candidates_.empty()) {
    // Operations that returned late are left out first, so that a writer stays
    // rather than a second reader.
    candidates_ = small_.operations;
    std::sort(candidates_.rbegin(), candidates_.rend(), ByReturn(operations_));
  }
  bool minimal = false;
  for (;;) {
    Reduce(0, candidates_.size(), true);
    minimal = unsure_.empty();
    if (minimal || Over()) break;
    candidates_ = std::exchange(unsure_, {});
    harder_ *= kHarder;
  }
  small_.operations = Core();
  small_.minimal = minimal;
  if (minimal) FillContext();
  return std::move(small_);
}

}  // namespace

CounterExample Minimise(absl::Span<const Operation> operations,
                        const Model& model, Decision decision,
                        const CheckOptions& options) {
  return Minimiser(operations, model, std::move(decision), options).Run();
}

}  // namespace quorate::lincheck
