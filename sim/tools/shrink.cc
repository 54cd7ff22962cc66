#include "sim/tools/shrink.h"

#include <algorithm>
#include <compare>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sim/tools/choice_kind.h"

namespace quorate::sim {
namespace {

// Lines that are many, and that few failures need.
bool IsMass(const TapeChoice& choice) {
  return KindOf(choice) == ChoiceKind::kNoise || choice.site == "net.late" ||
         choice.site == "net.fate" || choice.site == "schedule.moment" ||
         choice.site == "buggify.fire";
}

bool IsOperationOrFault(const TapeChoice& choice) {
  const ChoiceKind kind = KindOf(choice);
  return kind == ChoiceKind::kOperation || kind == ChoiceKind::kFault;
}

bool IsKnob(const TapeChoice& choice) {
  return absl::StartsWith(choice.site, "knob.");
}

// The settings of nodes, and the shape of the run.
bool IsShape(const TapeChoice& choice) {
  return absl::StartsWith(choice.site, "shape.") || IsKnob(choice);
}

class Shrinker {
 public:
  Shrinker(const Tape& tape, const ShrinkOptions& options,
           const TryTapes& try_tapes, const HasTime& has_time,
           const OnSmaller& on_smaller)
      : best_(tape),
        options_(options),
        try_tapes_(try_tapes),
        has_time_(has_time),
        on_smaller_(on_smaller) {}

  Tape Run() {
    RemoveWhole();
    FirstParameters();
    // Operations and faults go before the settings in which they happen:
    // settings make rare things frequent, so fewer operations do.
    size_t parts = 2;
    for (size_t before = SIZE_MAX; Size() < before && has_time_();) {
      before = Size();
      Halves(parts, {{"kinds", &KindGroup},
                     {"clients and faults", &EntityGroup},
                     {"operations and faults", &OperationGroup}});
      Parameters();
      Halves(1, {{"settings", &SettingGroup}});
      Halves(1, {{"details", &DetailGroup}});
      Values();
      parts = kLaterParts;
    }
    return best_;
  }

 private:
  using Keep = std::function<bool(const TapeChoice&)>;
  // The group to which a choice belongs in a pass. None: the pass keeps it.
  struct GroupName {
    std::string site;
    uint64_t entity = 0;
    uint64_t counter = 0;
    friend auto operator<=>(const GroupName&, const GroupName&) = default;
  };
  using Group = std::optional<GroupName>;
  using GroupOf = Group (*)(const TapeChoice&);

  // Parameters with a value weigh as lines.
  size_t Size() const { return best_.choices.size() + best_.parameters.size(); }

  Tape Kept(const Keep& keep) const {
    Tape tape = best_;
    std::erase_if(tape.choices,
                  [&](const TapeChoice& choice) { return !keep(choice); });
    return tape;
  }

  // Tries these in their order, several at a time, and takes the first one that
  // has the violation. Returns its place; tapes.size(): none has.
  size_t First(const std::vector<Tape>& tapes) {
    for (size_t begin = 0; begin < tapes.size() && has_time_();) {
      const size_t end = std::min(tapes.size(), begin + options_.jobs);
      const std::vector<Tape> some(tapes.begin() + begin, tapes.begin() + end);
      std::vector<std::optional<Tape>> tried = try_tapes_(some);
      for (size_t i = 0; i < tried.size(); ++i) {
        if (!tried[i].has_value()) continue;
        best_ = *std::move(tried[i]);
        on_smaller_(best_, pass_);
        return begin + i;
      }
      begin = end;
    }
    return tapes.size();
  }

  // Large parts at once, the largest first.
  void RemoveWhole() {
    const std::vector<Keep> keeps = {
        [](const TapeChoice& c) { return IsShape(c) && !IsMass(c); },
        [](const TapeChoice& c) {
          return !IsShape(c) && !IsMass(c) &&
                 !absl::StartsWith(c.site, "workload.");
        },
        [](const TapeChoice& c) { return !IsMass(c); },
        [](const TapeChoice& c) { return !IsMass(c) && !IsShape(c); },
    };
    std::vector<Tape> tapes;
    for (const Keep& keep : keeps) tapes.push_back(Kept(keep));
    First(tapes);
  }

  // Runs that are short and small, before any part is looked at: later ones
  // take as long as these.
  void FirstParameters() {
    pass_ = "first parameters";
    for (const ShrinkOptions::Sizes& sizes : options_.first) {
      std::vector<Tape> tapes;
      for (const ShrinkOptions::Size& size : sizes) {
        Tape& tape = tapes.emplace_back(best_);
        for (const auto& [key, value] : size) tape.SetParameter(key, value);
      }
      First(tapes);
    }
  }

  void Parameters() {
    pass_ = "parameters";
    for (const auto& [key, values] : options_.parameters) {
      std::vector<Tape> tapes;
      for (const std::string& value : values) {
        const std::string* const now = best_.Parameter(key);
        if (now != nullptr && *now == value) break;
        tapes.push_back(best_);
        tapes.back().SetParameter(key, value);
      }
      First(tapes);
    }
  }

  struct Pass {
    std::string_view name;
    GroupOf group_of;
    size_t parts = 1;
    bool done = false;  // Single groups were tried.
  };

  // Leaves out one of so many parts at a time, then of twice as many, and so on
  // down to single groups. All passes take turns. So the parts that go first
  // are large ones, and later runs are short.
  void Halves(size_t parts, std::vector<Pass> passes) {
    for (Pass& pass : passes) pass.parts = parts;
    size_t fruitless = 0;  // Rounds since a part could go.
    for (bool further = true; further && has_time_();) {
      further = false;
      bool any_pass = false;
      for (Pass& pass : passes) {
        if (pass.done) continue;
        pass_ = pass.name;
        NumberGroups(pass.group_of);
        pass.done = group_count_ <= pass.parts;
        further |= !pass.done;
        const bool any =
            Sweep(pass.group_of, (group_count_ + pass.parts - 1) / pass.parts);
        pass.parts *= 2;
        any_pass |= any;
      }
      // A failure that needs much to come together stands no large loss. It
      // may stand another size of the run.
      fruitless = any_pass ? 0 : fruitless + 1;
      if (further && fruitless == kFruitlessRounds) Parameters();
    }
  }

  // Leaves out parts of `size` groups, from the first group on. Returns
  // whether any could go. Requires: NumberGroups was called.
  bool Sweep(GroupOf group_of, size_t size) {
    bool any = false;
    for (size_t begin = 0; begin < group_count_ && has_time_();) {
      std::vector<Tape> tapes;
      for (size_t i = 0; i < options_.jobs; ++i) {
        const size_t from = begin + i * size;
        if (from >= group_count_) break;
        tapes.push_back(WithoutGroups(from, from + size));
      }
      const size_t found = First(tapes);
      begin += found * size;
      // The groups behind those that are gone have their numbers now.
      if (found < tapes.size()) {
        any = true;
        NumberGroups(group_of);
      }
    }
    return any;
  }

  static Group KindGroup(const TapeChoice& choice) {
    if (IsKnob(choice)) return std::nullopt;
    return GroupName{choice.site};
  }
  static Group EntityGroup(const TapeChoice& choice) {
    if (IsShape(choice)) return std::nullopt;
    return GroupName{choice.site.substr(0, choice.site.find('.')),
                     choice.entity};
  }
  static Group OperationGroup(const TapeChoice& choice) {
    if (!IsOperationOrFault(choice)) return std::nullopt;
    return GroupName{choice.site, choice.entity, choice.counter};
  }
  static Group SettingGroup(const TapeChoice& choice) {
    if (!IsKnob(choice)) return std::nullopt;
    return GroupName{choice.site};
  }
  static Group DetailGroup(const TapeChoice& choice) {
    if (IsOperationOrFault(choice)) return std::nullopt;
    return GroupName{choice.site, choice.entity, choice.counter};
  }

  // Numbers the groups in the order of their first lines.
  void NumberGroups(GroupOf group_of) {
    std::map<GroupName, size_t> numbers;
    groups_.clear();
    for (const TapeChoice& choice : best_.choices) {
      const Group group = group_of(choice);
      groups_.push_back(
          group.has_value()
              ? numbers.try_emplace(*group, numbers.size()).first->second
              : SIZE_MAX);
    }
    group_count_ = numbers.size();
  }

  Tape WithoutGroups(size_t from, size_t to) const {
    Tape tape{.seed = best_.seed, .parameters = best_.parameters};
    for (size_t i = 0; i < groups_.size(); ++i) {
      if (groups_[i] >= from && groups_[i] < to) continue;
      tape.choices.push_back(best_.choices[i]);
    }
    return tape;
  }

  // The smallest value of a choice that is no default is 1.
  void Values() {
    pass_ = "values";
    for (size_t i = 0; i < best_.choices.size() && has_time_(); ++i) {
      const uint64_t value = best_.choices[i].value;
      if (value <= 1) continue;
      std::vector<Tape> tapes;
      for (const uint64_t smaller : {uint64_t{1}, value / 4, value / 2}) {
        if (smaller == 0 || smaller >= value) continue;
        tapes.push_back(best_);
        tapes.back().choices[i].value = smaller;
        // The value of an operation may be the seed of its content.
        if (KindOf(best_.choices[i]) == ChoiceKind::kOperation) break;
      }
      First(tapes);
    }
  }

  static constexpr size_t kFruitlessRounds = 2;
  // Large parts were tried before.
  static constexpr size_t kLaterParts = 16;

  Tape best_;
  std::vector<size_t> groups_;  // The number of the group of each line.
  size_t group_count_ = 0;
  std::string_view pass_ = "large parts";
  const ShrinkOptions& options_;
  const TryTapes& try_tapes_;
  const HasTime& has_time_;
  const OnSmaller& on_smaller_;
};

}  // namespace

std::string KindOfViolation(std::string_view violation) {
  const absl::string_view line(
      violation.data(), std::min(violation.find('\n'), violation.size()));
  std::string kind;
  for (const char c : line) {
    // Runs of digits are one mark.
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      kind += c;
    } else if (kind.empty() || kind.back() != '#') {
      kind += '#';
    }
  }
  if (absl::StartsWith(kind, "group #: ")) kind.erase(0, 9);
  const size_t check = kind.find(" CHECK failed");
  if (check != kind.npos) return kind.substr(0, kind.find(" (", check));
  const size_t colon = kind.find(": ");
  if (absl::StartsWith(kind, "liveness: ")) {
    return kind.substr(0, kind.find(" took"));
  }
  return kind.substr(0, colon);
}

Tape Shrink(const Tape& tape, const ShrinkOptions& options,
            const TryTapes& try_tapes, const HasTime& has_time,
            const OnSmaller& on_smaller) {
  return Shrinker(tape, options, try_tapes, has_time, on_smaller).Run();
}

}  // namespace quorate::sim
