#include "lincheck/explain/relaxed.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <string>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/hash/hash.h"
#include "lincheck/decide/decide.h"
#include "lincheck/links/links.h"
#include "lincheck/value.h"

namespace quorate::lincheck {
namespace {

// Beyond it values that are built by appending are not compared.
constexpr size_t kTextsMax = 256;

// The key of a group: function, value looked for, value left. A function of -1
// is any.
struct Deed {
  int function = -1;
  Value looked_for;
  Value left;

  friend bool operator==(const Deed&, const Deed&) = default;
};
struct DeedHash {
  size_t operator()(const Deed& deed) const {
    const ValueHash hash;
    return absl::HashOf(deed.function, hash(deed.looked_for), hash(deed.left));
  }
};

// The values that operations look for.
class LookedFor {
 public:
  explicit LookedFor(bool appends) : appends_(appends) { Add(Value::Nil()); }

  bool Add(Value value) {
    if (value.is_none() || !values_.insert(value).second) return false;
    if (value.is_string()) texts_.push_back(value.bytes());
    return true;
  }
  bool Has(Value value) const { return values_.contains(value); }
  // Whether a state that shows `value` can come to show any of them.
  bool MayGrowFrom(Value value) const {
    if (value.is_none() || Has(value)) return true;
    if (!appends_) return false;
    const std::string number =
        value.is_integer() ? std::to_string(value.integer()) : std::string();
    const std::string_view text = value.is_string() ? value.bytes() : number;
    return std::any_of(texts_.begin(), texts_.end(),
                       [&](auto seen) { return seen.starts_with(text); });
  }
  bool MayContain(std::string_view piece) const {
    return std::any_of(texts_.begin(), texts_.end(), [&](auto seen) {
      return seen.find(piece) != std::string_view::npos;
    });
  }
  // Comparing would take too long.
  bool TooMany() const { return appends_ && texts_.size() > kTextsMax; }

 private:
  const bool appends_;
  absl::flat_hash_set<Value, ValueHash> values_;  // Looked up only.
  std::vector<std::string_view> texts_;
};

class Asking {
 public:
  Asking(absl::Span<const Operation> operations, const Model& model,
         const std::vector<Relaxed::Kind>& kinds, bool calls_suffice,
         const Relaxed::Question& question)
      : operations_(operations),
        model_(model),
        kinds_(kinds),
        calls_suffice_(calls_suffice),
        counted_(question.counted || !calls_suffice),
        kept_(question.kept),
        is_kept_(operations.size(), false) {
    for (const size_t i : kept_) {
      is_kept_[i] = true;
      last_return_ = std::max(last_return_, operations[i].ret);
    }
    Gather(question.among);
    WatchKept();
    FindAtOnce();
    FindGroups(counted_);
  }

  SearchResult Run(const SearchOptions& limits);

 private:
  // Kinds that do the same to whatever anybody looks for.
  struct Group {
    std::vector<size_t> members;  // By time of invocation.
    bool counted = false;
  };

  // The members of each kind that may take effect.
  void Gather(const std::vector<bool>* among);
  // Makes the states that the operations which are kept can tell apart.
  void WatchKept();
  // Takes operations out of members_ whose effect Blur() supposes from the
  // beginning. They take effect as soon as they are invoked.
  void FindAtOnce();
  // Nothing if that does not tell kinds apart.
  std::unique_ptr<LookedFor> FindLookedFor() const;
  void FindGroups(bool counted);
  Deed DeedOf(const Relaxed::Kind& kind, const LookedFor& looked_for) const;
  // Whether doing it again and again makes a new state each time.
  bool HasNoEnd(const Operation& relaxed) const;
  // Makes the history that is searched.
  void Assemble();
  void Add(const Operation& op, size_t operation, size_t group, bool endless);
  // Hands out the uses of each group to its members. False if there are too
  // few: such a group is counted from now on.
  bool HandOut(std::vector<size_t>* order);
  bool Replays(const std::vector<size_t>& order) const;
  // `operation`, or the next one to return that is kept.
  size_t Kept(size_t operation) const;

  static constexpr size_t kNone = ~size_t{0};

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const std::vector<Relaxed::Kind>& kinds_;
  const bool calls_suffice_;
  const bool counted_;
  const absl::Span<const size_t> kept_;
  std::vector<bool> is_kept_;
  Time last_return_ = 0;
  std::vector<std::vector<size_t>> members_;  // By kind.
  std::vector<size_t> at_once_;
  std::unique_ptr<StateSpace> watched_;  // All of them; null: with versions.
  bool merges_ = true;  // States and kinds that look alike are one.
  std::vector<Group> groups_;
  // The history that is searched, with the operation and the group of each
  // part.
  std::vector<Operation> assembled_;
  std::vector<size_t> operation_;
  std::vector<size_t> group_;
  std::vector<bool> endless_;
};

void Asking::Gather(const std::vector<bool>* among) {
  members_.resize(kinds_.size());
  for (size_t k = 0; k < kinds_.size(); ++k) {
    for (const size_t i : kinds_[k].members) {
      if (operations_[i].invoke > last_return_) break;
      if (is_kept_[i] || (among != nullptr && !(*among)[i])) continue;
      members_[k].push_back(i);
    }
  }
}

void Asking::WatchKept() {
  if (TellVersions(operations_)) return;
  std::vector<Operation> all;
  for (const size_t i : kept_) all.push_back(operations_[i]);
  watched_ = model_.NewStates();
  watched_->Watch(all);
}

void Asking::FindAtOnce() {
  if (watched_ == nullptr) return;
  std::vector<Operation> all;
  for (const size_t i : kept_) all.push_back(operations_[i]);
  for (const std::vector<size_t>& members : members_) {
    if (!members.empty()) all.push_back(Relax(operations_[members[0]]));
  }
  const std::unique_ptr<StateSpace> blurred = model_.NewStates();
  blurred->Watch(all);
  const std::unique_ptr<StateSpace> states = model_.NewStates();
  const StateId initial = states->Initial();
  const StateId supposed = states->Import(*blurred, blurred->Initial());
  if (supposed == initial) return;
  for (std::vector<size_t>& members : members_) {
    if (members.empty()) continue;
    const Operation relaxed = Relax(operations_[members[0]]);
    if (states->Step(supposed, relaxed) != supposed ||
        states->Step(initial, relaxed) == initial) {
      continue;
    }
    at_once_.insert(at_once_.end(), members.begin(), members.end());
    members.clear();
  }
}

bool Asking::HasNoEnd(const Operation& relaxed) const {
  constexpr int kTimes = 16;
  if (watched_ == nullptr) return false;
  StateId state = watched_->Initial();
  for (int i = 0; i < kTimes; ++i) {
    const StateId next = watched_->Step(state, relaxed);
    if (next == kImpossible || next == state) return false;
    state = next;
  }
  return true;
}

std::unique_ptr<LookedFor> Asking::FindLookedFor() const {
  bool appends = false;
  for (size_t k = 0; k < kinds_.size(); ++k) {
    if (members_[k].empty()) continue;
    if (!kinds_[k].linked || !kinds_[k].links.looks) return nullptr;
    appends |= kinds_[k].links.appends;
  }
  for (const size_t i : kept_) {
    Links links;
    appends |= model_.FindLinks(operations_[i], &links) && links.appends;
    if (!links.looks) return nullptr;
  }
  auto looked_for = std::make_unique<LookedFor>(appends);
  for (const size_t i : kept_) {
    Links links;
    model_.FindLinks(operations_[i], &links);
    looked_for->Add(links.looked_for);
    if (looked_for->TooMany()) return nullptr;
  }
  // Values that must be there before an operation leaves a value that is looked
  // for.
  for (bool more = true; more;) {
    more = false;
    for (size_t k = 0; k < kinds_.size(); ++k) {
      const Relaxed::Kind& kind = kinds_[k];
      if (members_[k].empty() || looked_for->Has(kind.links.looked_for)) {
        continue;
      }
      if (kind.links.reads && !looked_for->MayGrowFrom(kind.links.written)) {
        continue;
      }
      more |= looked_for->Add(kind.links.looked_for);
    }
    if (looked_for->TooMany()) return nullptr;
  }
  return looked_for;
}

Deed Asking::DeedOf(const Relaxed::Kind& kind,
                    const LookedFor& looked_for) const {
  const Links& links = kind.links;
  Deed deed{.looked_for = links.looked_for, .left = links.written};
  const bool grows_into_nothing =
      links.appends && !looked_for.MayContain(links.written.bytes());
  if (links.writes ? !looked_for.MayGrowFrom(links.written)
                   : grows_into_nothing) {
    deed.left = {};  // A value that no operation looks for.
  }
  const bool always = links.writes && !links.reads && !links.conditional;
  if (!always && !grows_into_nothing) {
    deed.function = operations_[kind.members[0]].function;
  }
  return deed;
}

void Asking::FindGroups(bool counted) {
  const std::unique_ptr<LookedFor> looked_for =
      calls_suffice_ && merges_ ? FindLookedFor() : nullptr;
  groups_.clear();
  absl::flat_hash_map<Deed, size_t, DeedHash> numbers;  // Looked up only.
  for (size_t k = 0; k < kinds_.size(); ++k) {
    if (members_[k].empty()) continue;
    const Relaxed::Kind& kind = kinds_[k];
    size_t group = groups_.size();
    if (looked_for != nullptr) {
      // It never sees the value that it needs.
      if (kind.links.reads && !looked_for->MayGrowFrom(kind.links.looked_for)) {
        continue;
      }
      group =
          numbers.try_emplace(DeedOf(kind, *looked_for), group).first->second;
    }
    if (group == groups_.size()) {
      groups_.push_back(
          {.counted =
               counted || HasNoEnd(Relax(operations_[kind.members[0]]))});
    }
    std::vector<size_t>& members = groups_[group].members;
    members.insert(members.end(), members_[k].begin(), members_[k].end());
  }
  for (Group& group : groups_) {
    std::sort(group.members.begin(), group.members.end(),
              ByInvocation(operations_));
  }
}

void Asking::Add(const Operation& op, size_t operation, size_t group,
                 bool endless) {
  assembled_.push_back(op);
  operation_.push_back(operation);
  group_.push_back(group);
  endless_.push_back(endless);
}

void Asking::Assemble() {
  assembled_.clear();
  operation_.clear();
  group_.clear();
  endless_.clear();
  for (const size_t i : kept_) Add(operations_[i], i, kNone, false);
  for (const size_t i : at_once_) {
    Operation done = Relax(operations_[i]);
    done.ret = done.invoke;
    Add(done, i, kNone, false);
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    const Group& group = groups_[g];
    Operation first = Relax(operations_[group.members[0]]);
    if (!group.counted) {
      Add(first, kNone, g, true);
      continue;
    }
    for (const size_t i : group.members) {
      first.invoke = operations_[i].invoke;
      Add(first, i, kNone, false);
    }
  }
}

bool Asking::HandOut(std::vector<size_t>* order) {
  // An operation must be invoked before all that follow it returned.
  std::vector<Time> latest(order->size());
  Time least = kNever;
  for (size_t at = order->size(); at-- > 0;) {
    const size_t i = (*order)[at];
    least = std::min(least, assembled_[i].ret);
    latest[at] = least;
  }
  std::vector<size_t> used(groups_.size(), 0);
  bool enough = true;
  for (size_t at = 0; at < order->size(); ++at) {
    const size_t i = (*order)[at];
    (*order)[at] = operation_[i];
    if (group_[i] == kNone) continue;
    Group& group = groups_[group_[i]];
    const size_t use = used[group_[i]]++;
    if (use >= group.members.size() ||
        operations_[group.members[use]].invoke > latest[at]) {
      group.counted = true;
      enough = false;
    }
    if (!enough) continue;
    (*order)[at] = group.members[use];
  }
  return enough;
}

bool Asking::Replays(const std::vector<size_t>& order) const {
  const std::unique_ptr<StateSpace> states = model_.NewStates();
  StateId state = states->Initial();
  for (const size_t i : order) {
    const Operation& op = operations_[i];
    state = states->Step(state, is_kept_[i] ? op : Relax(op));
    if (state == kImpossible) return false;
  }
  return true;
}

size_t Asking::Kept(size_t operation) const {
  if (is_kept_[operation]) return operation;
  const Time since = operations_[operation].invoke;
  size_t next = kept_[0];
  for (const size_t i : kept_) {
    const Time best = operations_[next].ret;
    const Time ret = operations_[i].ret;
    if (ret >= since && (best < since || ret < best)) next = i;
  }
  return next;
}

SearchResult Asking::Run(const SearchOptions& limits) {
  uint64_t nodes = 0;
  for (;;) {
    Assemble();
    SearchOptions options = limits;
    options.nodes_max = limits.nodes_max - std::min(nodes, limits.nodes_max);
    options.endless = &endless_;
    options.merges_states = merges_;
    options.wants_order = true;
    SearchResult result =
        SearchPartition(assembled_, operations_, model_, options);
    nodes += result.nodes;
    result.nodes = nodes;
    if (result.result == Result::kViolation) {
      result.stuck = Kept(operation_[result.stuck]);
      if (result.foreseen.has_value()) {
        result.foreseen = Kept(operation_[*result.foreseen]);
      }
      result.last_placed.reset();
    } else if (result.result == Result::kOk) {
      if (!HandOut(&result.order)) continue;
      if (!Replays(result.order)) {
        result.result = Result::kUnknown;
        // A model may take more states for one than are alike.
        if (std::exchange(merges_, false)) {
          FindGroups(counted_);
          continue;
        }
      }
    }
    return result;
  }
}

}  // namespace

Relaxed::Relaxed(absl::Span<const Operation> operations, const Model& model)
    : operations_(operations), model_(model) {
  calls_suffice_ =
      std::none_of(operations.begin(), operations.end(),
                   [&](const auto& op) { return model.LooksBeyondCall(op); }) &&
      !TellVersions(operations);
  std::vector<size_t> order(operations.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), ByInvocation(operations));
  absl::flat_hash_map<CallKey, size_t> numbers;  // Looked up only.
  for (const size_t i : order) {
    const Operation& op = operations[i];
    if (ReadsInAnyCase(model, op)) continue;
    size_t kind = kinds_.size();
    if (calls_suffice_) {
      kind = numbers.try_emplace(CallKey::Of(Relax(op)), kind).first->second;
    }
    if (kind == kinds_.size()) {
      kinds_.emplace_back();
      Kind& added = kinds_.back();
      added.linked = model.FindLinks(Relax(op), &added.links);
    }
    kinds_[kind].members.push_back(i);
    ++relaxable_;
  }
  // An operation that needs the value of another one mostly comes after it.
  std::reverse(kinds_.begin(), kinds_.end());
  kind_of_.resize(operations.size());
  for (size_t k = 0; k < kinds_.size(); ++k) {
    for (const size_t i : kinds_[k].members) kind_of_[i] = k;
  }
}

SearchResult Relaxed::Judge(const Question& question,
                            const SearchOptions& limits) const {
  return Asking(operations_, model_, kinds_, calls_suffice_, question)
      .Run(limits);
}

}  // namespace quorate::lincheck
