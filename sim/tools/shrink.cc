#include "sim/tools/shrink.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// Small delays, orders and splits. Most lines of a tape are such ones, and few
// failures need them.
constexpr std::string_view kNoise[] = {
    "net.jitter",      "net.late",          "net.fate",
    "stream.jitter",   "stream.split",      "stream.split_delay",
    "disk.jitter",     "loop.timers_first", "loop.order",
    "loop.hiccup",     "schedule.moment",   "buggify.fire",
    "shadow.of_start",
};

bool IsNoise(const TapeChoice& choice) {
  return std::ranges::find(kNoise, choice.site) != std::end(kNoise);
}

// Knobs of nodes, and what the seed drew for the shape of the run.
bool IsShape(const TapeChoice& choice) {
  return absl::StartsWith(choice.site, "shape.") ||
         absl::StartsWith(choice.site, "knob.");
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
    for (size_t before = SIZE_MAX; Size() < before && has_time_();) {
      before = Size();
      Parameters();
      BySite();
      ByEntity();
      Lines();
      Values();
    }
    return best_;
  }

 private:
  using Keep = std::function<bool(const TapeChoice&)>;

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
        on_smaller_(best_);
        return begin + i;
      }
      begin = end;
    }
    return tapes.size();
  }

  // Large parts at once, the largest first.
  void RemoveWhole() {
    const std::vector<Keep> keeps = {
        [](const TapeChoice& c) { return IsShape(c) && !IsNoise(c); },
        [](const TapeChoice& c) {
          return !IsShape(c) && !IsNoise(c) &&
                 !absl::StartsWith(c.site, "workload.");
        },
        [](const TapeChoice& c) { return !IsShape(c) && !IsNoise(c); },
        [](const TapeChoice& c) {
          return !IsNoise(c) && !absl::StartsWith(c.site, "knob.");
        },
        [](const TapeChoice& c) { return !IsNoise(c); },
    };
    std::vector<Tape> tapes;
    for (const Keep& keep : keeps) tapes.push_back(Kept(keep));
    First(tapes);
  }

  void Parameters() {
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

  // Leaves out all choices of one site after the other, those of most lines
  // first.
  void BySite() {
    Groups([](const TapeChoice& choice) { return choice.site; });
  }

  // Leaves out all choices about one entity: a client, a node, a connection.
  void ByEntity() {
    Groups([](const TapeChoice& choice) {
      return absl::StrCat(choice.site, " ", choice.entity);
    });
  }

  template <typename GroupOf>
  void Groups(GroupOf group_of) {
    std::set<std::string> kept;
    while (has_time_()) {
      std::map<std::string, size_t> sizes;
      for (const TapeChoice& choice : best_.choices) {
        ++sizes[group_of(choice)];
      }
      std::vector<std::pair<size_t, std::string>> order;
      for (const auto& [group, size] : sizes) {
        if (!kept.contains(group)) order.emplace_back(size, group);
      }
      if (order.empty() || order.size() > kGroupsMax) return;
      std::ranges::sort(order, std::greater<>());
      std::vector<Tape> tapes;
      for (const auto& [size, group] : order) {
        tapes.push_back(Kept([&](const TapeChoice& choice) {
          return group_of(choice) != group;
        }));
        if (tapes.size() == kGroupsAtOnce) break;
      }
      const size_t found = First(tapes);
      for (size_t i = 0; i < std::min(found, tapes.size()); ++i) {
        kept.insert(order[i].second);
      }
    }
  }

  // Leaves out a part of the lines that is half as large each time.
  void Lines() {
    for (size_t part = (best_.choices.size() + 1) / 2; part > 0 && has_time_();
         part = part == 1 ? 0 : (part + 1) / 2) {
      for (size_t begin = 0; begin < best_.choices.size() && has_time_();) {
        std::vector<Tape> tapes;
        for (size_t i = 0; i < options_.jobs; ++i) {
          const size_t at = begin + i * part;
          if (at >= best_.choices.size()) break;
          Tape& tape = tapes.emplace_back(best_);
          const auto first = tape.choices.begin() + static_cast<ptrdiff_t>(at);
          const size_t count = std::min(part, tape.choices.size() - at);
          tape.choices.erase(first, first + static_cast<ptrdiff_t>(count));
        }
        const size_t found = First(tapes);
        // The lines behind those that are gone have their place now.
        begin += found * part;
      }
    }
  }

  // The smallest value of a choice that is no default is 1.
  void Values() {
    for (size_t i = 0; i < best_.choices.size() && has_time_(); ++i) {
      const uint64_t value = best_.choices[i].value;
      if (value <= 1) continue;
      std::vector<Tape> tapes;
      for (const uint64_t smaller : {uint64_t{1}, value / 4, value / 2}) {
        if (smaller == 0 || smaller >= value) continue;
        tapes.push_back(best_);
        tapes.back().choices[i].value = smaller;
      }
      First(tapes);
    }
  }

  static constexpr size_t kGroupsMax = 2000;
  static constexpr size_t kGroupsAtOnce = 64;

  Tape best_;
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
