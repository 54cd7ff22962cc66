#include "lincheck/explain/reason.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lincheck/links/links.h"
#include "lincheck/links/versioned.h"

namespace quorate::lincheck {
namespace {

constexpr size_t kNobody = ~size_t{0};

// "A", "A or B", "A, B or C"; beyond `most` "A, B or 7 more".
std::string List(const std::vector<std::string>& items, size_t most,
                 const char* word) {
  const size_t named = items.size() <= most ? items.size() : most;
  std::string text;
  for (size_t i = 0; i < named; ++i) {
    const bool last = i + 1 == items.size();
    absl::StrAppend(&text, i == 0 ? "" : last ? word : ", ", items[i]);
  }
  if (named < items.size()) {
    absl::StrAppend(&text, word, items.size() - named, " more");
  }
  return text;
}

// Tries all orders of a small history.
class Orders {
 public:
  Orders(absl::Span<const Operation> operations, const Model& model)
      : operations_(operations), model_(model), states_(model.NewStates()) {}

  Reason Run();

 private:
  static constexpr size_t kShownMax = 4;
  static constexpr size_t kStatesMax = 4;
  static constexpr uint64_t kNodesMax = 50'000;

  // A place of an operation: a state, and the operation that made it.
  struct Met {
    size_t operation = 0;
    StateId state = kImpossible;
    size_t maker = kNobody;

    friend bool operator==(const Met&, const Met&) = default;
  };
  // Where an order has come to.
  struct Place {
    uint64_t placed = 0;
    StateId state = kImpossible;
    size_t maker = kNobody;

    friend bool operator==(const Place&, const Place&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Place& p) {
      return H::combine(std::move(h), p.placed, p.state, p.maker);
    }
  };

  static bool Has(uint64_t set, size_t i) { return (set >> i & 1) != 0; }
  std::string Call(size_t i) const {
    return DescribeCallOfClient(model_, operations_[i]);
  }
  // The operation that is not placed and returns first.
  size_t First(uint64_t placed) const;
  // Whether any operation that returned can be placed from here on, perhaps
  // after others that did not.
  bool Extend(const Place& place);
  void NoteOrder(size_t blocked);
  // One that every order leaves out; kNobody if there is none.
  size_t AlwaysLeftOut() const;
  std::string WhyNot(size_t operation) const;
  std::string WhyEither() const;
  // "the register is 2 (after write(2) of client 1)": all that `operation` met;
  // empty: too much.
  std::string StatesMet(size_t operation, const std::vector<Met>& list) const;
  std::string Makers(const std::vector<size_t>& makers) const;

  const absl::Span<const Operation> operations_;
  const Model& model_;
  const std::unique_ptr<StateSpace> states_;
  uint64_t nodes_ = 0;
  bool explained_ = false;
  absl::flat_hash_map<Place, bool> visited_;  // Looked up only.
  std::vector<size_t> path_;                  // The order so far,
  std::vector<StateId> left_;                 // and what each of it left.
  std::vector<PartialOrder> found_;
  std::vector<Met> met_;   // By operations that could not be placed there.
  std::vector<Met> ends_;  // Where orders end: by the one to return first.
  uint64_t left_out_ = ~uint64_t{0};  // By all orders that ended.
};

size_t Orders::First(uint64_t placed) const {
  size_t first = operations_.size();
  for (size_t i = 0; i < operations_.size(); ++i) {
    if (!operations_[i].known() || Has(placed, i)) continue;
    if (first == operations_.size() ||
        operations_[i].ret < operations_[first].ret) {
      first = i;
    }
  }
  return first;
}

bool Orders::Extend(const Place& place) {
  const auto [seen, is_new] = visited_.try_emplace(place, false);
  if (!is_new) return seen->second;
  const size_t first = First(place.placed);
  if (first == operations_.size()) {
    explained_ = true;
    return true;
  }
  bool stuck = true;  // Nothing that returned can be next.
  bool goes_on = false;
  for (size_t i = 0; i < operations_.size(); ++i) {
    const Operation& op = operations_[i];
    if (op.invoke > operations_[first].ret || Has(place.placed, i)) continue;
    if (++nodes_ > kNodesMax) return true;
    const StateId next = states_->Step(place.state, op);
    if (next == kImpossible) {
      if (op.known()) met_.push_back({i, place.state, place.maker});
      continue;
    }
    if (!op.known() && next == place.state) continue;
    path_.push_back(i);
    left_.push_back(next);
    const bool further = Extend({place.placed | uint64_t{1} << i, next,
                                 next == place.state ? place.maker : i});
    path_.pop_back();
    left_.pop_back();
    stuck = stuck && !op.known();
    goes_on = goes_on || op.known() || further;
  }
  if (stuck) NoteOrder(first);
  if (!goes_on) {
    ends_.push_back({first, place.state, place.maker});
    left_out_ &= ~place.placed;
  }
  visited_[place] = goes_on;
  return goes_on;
}

void Orders::NoteOrder(size_t blocked) {
  // Operations of unknown outcome count only if others follow.
  size_t size = path_.size();
  while (size > 0 && !operations_[path_[size - 1]].known()) --size;
  auto it =
      std::find_if(found_.begin(), found_.end(),
                   [&](const PartialOrder& o) { return o.blocked == blocked; });
  if (it == found_.end()) {
    it = found_.insert(found_.end(), PartialOrder{.blocked = blocked});
  } else if (it->placed.size() >= size) {
    return;
  }
  it->placed.assign(path_.begin(), path_.begin() + size);
  it->states.clear();
  for (size_t i = 0; i < size; ++i) {
    it->states.push_back(states_->Describe(left_[i]));
  }
}

size_t Orders::AlwaysLeftOut() const {
  size_t first = kNobody;
  for (const Met& met : met_) {
    const size_t i = met.operation;
    if (Has(left_out_, i) &&
        (first == kNobody || operations_[i].ret < operations_[first].ret)) {
      first = i;
    }
  }
  return first;
}

std::string Orders::Makers(const std::vector<size_t>& makers) const {
  constexpr size_t kNamedMax = 2;
  std::vector<std::string> after;
  std::vector<std::string> perhaps;
  std::vector<std::string> ways;
  for (const size_t maker : makers) {
    if (maker == kNobody) {
      ways.push_back("as at the beginning");
    } else if (operations_[maker].known()) {
      after.push_back(Call(maker));
    } else {
      perhaps.push_back(DescribeSeenCall(model_, operations_[maker]));
    }
  }
  if (!after.empty()) {
    ways.push_back(absl::StrCat("after ", List(after, kNamedMax, " or ")));
  }
  if (!perhaps.empty()) {
    ways.push_back(
        absl::StrCat("if ", List(perhaps, kNamedMax, " or "), " took effect"));
  }
  return absl::StrJoin(ways, ", or ");
}

std::string Orders::StatesMet(size_t operation,
                              const std::vector<Met>& list) const {
  std::vector<std::pair<StateId, std::vector<size_t>>> states;
  for (const Met& met : list) {
    if (met.operation != operation) continue;
    auto it = std::find_if(states.begin(), states.end(),
                           [&](const auto& s) { return s.first == met.state; });
    if (it == states.end()) it = states.insert(it, {met.state, {}});
    std::vector<size_t>& makers = it->second;
    if (std::find(makers.begin(), makers.end(), met.maker) == makers.end()) {
      makers.push_back(met.maker);
    }
  }
  if (states.size() > kStatesMax) return "";
  std::vector<std::string> texts;
  for (const auto& [state, makers] : states) {
    texts.push_back(
        absl::StrCat(states_->Describe(state), " (", Makers(makers), ")"));
  }
  return absl::StrCat("the object is ", List(texts, kStatesMax, " or "));
}

std::string Orders::WhyNot(size_t operation) const {
  const std::string stuck =
      absl::StrCat(Call(operation), " cannot be placed: ");
  if (operations_.size() == 1) {
    return absl::StrCat(
        stuck, "before it nothing can have changed the object, which is ",
        states_->Describe(states_->Initial()), ".");
  }
  const std::string met = StatesMet(operation, met_);
  if (!met.empty()) {
    return absl::StrCat(stuck, "wherever the others leave room for it, ", met,
                        ".");
  }
  return absl::StrCat(stuck, "no order of the others leaves what it needs.");
}

std::string Orders::WhyEither() const {
  constexpr size_t kNamedMax = 4;
  std::vector<size_t> blocked;
  for (const Met& end : ends_) {
    if (std::find(blocked.begin(), blocked.end(), end.operation) ==
        blocked.end()) {
      blocked.push_back(end.operation);
    }
  }
  std::vector<std::string> calls;
  std::string text;
  for (const size_t i : blocked) {
    calls.push_back(Call(i));
    const std::string met = StatesMet(i, ends_);
    if (calls.size() > kNamedMax || met.empty()) continue;
    absl::StrAppend(&text, text.empty() ? " Where " : "; where ", met, ", ",
                    Call(i), " cannot follow");
  }
  return absl::StrCat(calls.size() == 2 ? "Either " : "One of ",
                      List(calls, kNamedMax, " or "), " cannot be placed",
                      text.empty() ? "" : ".", text, ".");
}

Reason Orders::Run() {
  Extend({0, states_->Initial(), kNobody});
  std::stable_sort(found_.begin(), found_.end(),
                   [](const PartialOrder& a, const PartialOrder& b) {
                     return a.placed.size() > b.placed.size();
                   });
  Reason reason;
  if (found_.empty()) return reason;
  reason.blocked = found_[0].blocked;
  if (nodes_ <= kNodesMax && !explained_) {
    const size_t always = AlwaysLeftOut();
    reason.either = always == kNobody;
    reason.text = always == kNobody ? WhyEither() : WhyNot(always);
    if (always != kNobody) {
      reason.blocked = always;
      std::stable_partition(
          found_.begin(), found_.end(),
          [&](const PartialOrder& o) { return o.blocked == always; });
    }
  }
  if (found_.size() > kShownMax) found_.resize(kShownMax);
  reason.orders = std::move(found_);
  return reason;
}

}  // namespace

Reason FindReason(absl::Span<const Operation> operations, const Model& model) {
  if (TellVersions(operations)) {
    const VersionedModel versioned(model, operations, operations);
    return Orders(operations, versioned).Run();
  }
  return Orders(operations, model).Run();
}

std::string FindMissing(absl::Span<const Operation> operations,
                        const Model& model, size_t stuck) {
  constexpr size_t kNamedMax = 3;
  const Operation& op = operations[stuck];
  Links needs;
  if (!model.FindLinks(op, &needs) || !needs.reads || needs.seen.is_nil()) {
    return {};
  }
  std::vector<std::string> failed;
  std::optional<size_t> later;  // The first.
  for (size_t i = 0; i < operations.size(); ++i) {
    const Operation& other = operations[i];
    const Operation relaxed = Relax(other);
    if (i == stuck || model.IsRead(relaxed)) continue;
    Links links;
    if (!model.FindLinks(relaxed, &links) || links.appends) return {};
    // A write that needs the value itself is of no help.
    if (!links.writes || links.written != needs.seen ||
        (links.reads && links.seen == needs.seen)) {
      continue;
    }
    const bool failing = model.IsRead(other);
    if (other.invoke <= op.ret && !failing) return {};
    if (other.invoke <= op.ret) {
      failed.push_back(DescribeCallOfClient(model, other));
    } else if (!failing && (!later.has_value() ||
                            other.invoke < operations[*later].invoke)) {
      later = i;
    }
  }
  const std::string value = needs.seen.ToString();
  if (!failed.empty()) {
    return absl::StrCat(
        "Only ", List(failed, kNamedMax, " and "), " would have left ", value,
        ", and ", failed.size() == 1 ? "that one failed." : "those failed.");
  }
  if (later.has_value()) {
    return absl::StrCat("The first call that would have left ", value, ", ",
                        DescribeSeenCall(model, operations[*later]),
                        ", came only after it had returned.");
  }
  return absl::StrCat("No operation wrote ", value, ".");
}

}  // namespace quorate::lincheck
