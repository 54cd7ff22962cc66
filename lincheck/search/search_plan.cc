#include "lincheck/search/search_plan.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/hash/hash.h"
#include "lincheck/value.h"

namespace quorate::lincheck {
namespace {

// The numbers below `count` by their times, then by number.
template <typename F>
std::vector<uint32_t> SortByTime(size_t count, F time_of) {
  std::vector<std::pair<Time, uint32_t>> times;
  times.reserve(count);
  for (uint32_t i = 0; i < count; ++i) times.emplace_back(time_of(i), i);
  std::sort(times.begin(), times.end());
  std::vector<uint32_t> sorted;
  sorted.reserve(count);
  for (const auto& [time, i] : times) sorted.push_back(i);
  return sorted;
}

}  // namespace

SearchPlan::SearchPlan(absl::Span<const Operation> operations_of,
                       const Model& model_of, const std::vector<bool>* endless,
                       bool merges)
    : operations(operations_of), model(model_of), merges_states(merges) {
  const std::vector<uint32_t> order = SortByTime(
      operations.size(), [&](uint32_t i) { return operations[i].invoke; });
  const bool calls_suffice =
      std::none_of(operations.begin(), operations.end(),
                   [&](const auto& op) { return model.LooksBeyondCall(op); });
  // Looked up only.
  absl::flat_hash_map<CallKey, uint32_t> classes;
  std::vector<uint32_t> last_of_class;
  const auto class_of = [&](const Operation& op) {
    const auto next = static_cast<uint32_t>(last_of_class.size());
    const uint32_t number =
        calls_suffice ? classes.try_emplace(CallKey::Of(op), next).first->second
                      : next;
    if (number == next) last_of_class.push_back(kNone);
    return number;
  };
  for (const uint32_t i : order) {
    const Operation& op = operations[i];
    if (op.known()) {
      known.push_back(i);
      is_read.push_back(KeepsState(model, op));
      known_class.push_back(class_of(op));
    } else if (!model.IsRead(op)) {
      const uint32_t number = class_of(op);
      unknown_class.push_back(number);
      kin.push_back(last_of_class[number]);
      last_of_class[number] = static_cast<uint32_t>(unknown.size());
      unknown.push_back(i);
      is_endless.push_back(endless != nullptr && (*endless)[i]);
    }
  }
  class_count = static_cast<uint32_t>(last_of_class.size());
  returns =
      SortByTime(known.size(), [&](uint32_t i) { return KnownOp(i).ret; });
  RankByClass();
  AssignSlots();
  FindNatures();
}

void SearchPlan::RankByClass() {
  // Counted by class, in the order of returns.
  std::vector<uint32_t> at(class_count + 1, 0);
  for (const uint32_t number : known_class) ++at[number + 1];
  std::partial_sum(at.begin(), at.end(), at.begin());
  class_rank.resize(known.size());
  for (const uint32_t op : returns) class_rank[op] = at[known_class[op]]++;
}

void SearchPlan::AssignSlots() {
  slots.resize(known.size());
  std::vector<uint32_t> free;
  uint32_t next = 0;
  uint32_t next_unknown = 0;
  for (const uint32_t returning : returns) {
    for (;
         next < known.size() && KnownOp(next).invoke <= KnownOp(returning).ret;
         ++next) {
      if (free.empty()) free.push_back(slot_count++);
      slots[next] = free.back();
      free.pop_back();
    }
    invoked.push_back(next);
    while (next_unknown < unknown.size() &&
           UnknownOp(next_unknown).invoke <= KnownOp(returning).ret) {
      ++next_unknown;
    }
    unknown_invoked.push_back(next_unknown);
    free.push_back(slots[returning]);
  }
}

bool SearchPlan::ValuesTellAll() const {
  if (model.HooksAreTested()) return true;
  const auto tells = [&](const Operation& op) {
    Links links;
    return model.FindLinks(op, &links) || links.looks;
  };
  return std::all_of(known.begin(), known.end(),
                     [&](uint32_t i) { return tells(operations[i]); }) &&
         std::all_of(unknown.begin(), unknown.end(),
                     [&](uint32_t u) { return tells(operations[u]); });
}

void SearchPlan::FindNatures() {
  const bool values_tell_all = ValuesTellAll();
  bool linked = true;  // All that change the state.
  std::vector<Links> of_known(known.size());
  std::vector<Links> of_unknown(unknown.size());
  const auto find = [&](const Operation& op, bool reads, Links* links) {
    const bool found = values_tell_all && model.FindLinks(op, links);
    if (!found) *links = {};
    if (reads) {
      links->writes = false;
      return links->reads ? Nature{Effect::kRead, false, links->seen}
                          : Nature{Effect::kNothing, false, {}};
    }
    linked = linked && found && links->writes;
    appends |= links->appends;
    const bool blind =
        found && !links->reads && !links->conditional && links->size.is_none();
    if (links->appends) return Nature{Effect::kAppend, blind, {}};
    if (links->writes) return Nature{Effect::kReplace, blind, links->written};
    return Nature{};
  };
  for (uint32_t i = 0; i < known.size(); ++i) {
    known_nature.push_back(find(KnownOp(i), is_read[i], &of_known[i]));
  }
  for (uint32_t u = 0; u < unknown.size(); ++u) {
    unknown_nature.push_back(find(UnknownOp(u), false, &of_unknown[u]));
  }
  replaced_by.assign(known.size() + 1, kNever);
  for (size_t i = known.size(); i-- > 0;) {
    const auto op = static_cast<uint32_t>(i);
    replaced_by[i] = replaced_by[i + 1];
    if (of_known[i].writes && !of_known[i].conditional) {
      replaced_by[i] = std::min(replaced_by[i], KnownOp(op).ret);
    }
  }
  if (linked) NumberValues(of_known, of_unknown);
}

void SearchPlan::NumberValues(absl::Span<const Links> of_known,
                              absl::Span<const Links> of_unknown) {
  absl::flat_hash_map<Value, uint32_t, ValueHash> numbers;  // Looked up only.
  const auto number = [&](Value value) {
    const auto next = static_cast<uint32_t>(numbers.size());
    const uint32_t found = numbers.try_emplace(value, next).first->second;
    if (found == last_seen.size()) {
      last_seen.push_back(kNone);
      last_left.push_back(kNone);
      unknown_leaving.emplace_back();
    }
    return found;
  };
  number(Value::Nil());
  for (uint32_t i = 0; i < of_known.size(); ++i) {
    const Links& links = of_known[i];
    known_seen.push_back(links.reads ? number(links.seen) : kNone);
    known_left.push_back(links.writes ? number(links.written) : kNone);
    if (links.reads) last_seen[known_seen.back()] = i;
    if (links.writes) last_left[known_left.back()] = i;
  }
  for (uint32_t u = 0; u < of_unknown.size(); ++u) {
    unknown_left.push_back(number(of_unknown[u].written));
    unknown_leaving[unknown_left.back()].push_back(u);
  }
  for (size_t value = 1; value < last_seen.size(); ++value) {
    if (last_left[value] == kNone && unknown_leaving[value].empty()) {
      unwritten = last_seen[value];
    }
  }
}

bool ValueMayGrowInto(Value value, Value seen) {
  // Nil and integers turn into text; they are rare enough.
  if (!value.is_string() || value == seen) return true;
  return seen.is_string() && seen.bytes().starts_with(value.bytes());
}

Stepper::Stepper(const SearchPlan& plan)
    : plan_(plan), states_(plan.model.NewStates()) {
  if (plan.merges_states) states_->Watch(plan.operations);
  // As large as a second-level cache is useful.
  constexpr int kBitsMax = 15;
  int bits = 6;
  while (bits < kBitsMax && (size_t{1} << bits) < 4 * plan.operations.size()) {
    ++bits;
  }
  cache_.resize(size_t{1} << bits);
  shift_ = 64 - bits;
}

}  // namespace quorate::lincheck
