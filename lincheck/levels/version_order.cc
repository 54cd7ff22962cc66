#include "lincheck/levels/version_order.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;

class Builder {
 public:
  Builder(const History& history, absl::Span<const size_t> indices,
          const Model& model)
      : history_(history), indices_(indices), model_(model) {
    for (size_t i : indices) operations_.push_back(history.operations()[i]);
  }

  VersionOrder Run() {
    std::optional<Linked> linked = LinkOperations(operations_, model_);
    if (!linked.has_value() || linked->partial) {
      return Unknown(
          "That is known only where every operation names the write it "
          "saw, by a value that is written once or by a version; not every one "
          "does");
    }
    linked_ = *std::move(linked);
    order_.by_versions = HasVersions(operations_);
    if (!order_.by_versions && TellVersions(operations_)) {
      return Unknown("Not every operation tells its version");
    }
    if (!order_.by_versions && !model_.HooksAreTested()) {
      return Unknown(
          "No test compares FindLinks() of the model with its Step()");
    }
    if (order_.by_versions && !WritesTell()) {
      return Unknown("Not every write tells its version");
    }
    if (!Keep() || !(order_.by_versions ? SortByVersion() : FindNoRing())) {
      return std::move(order_);
    }
    if (!order_.by_versions) SortByChains();
    FillIn();
    if (order_.by_versions && !Replays()) {
      return Unknown("Results do not fit the versions that were told");
    }
    order_.known = true;
    return std::move(order_);
  }

 private:
  std::string Call(size_t i) const {
    return DescribeCallOfClient(model_, operations_[i]);
  }
  VersionOrder Unknown(std::string reason) {
    order_.reason = std::move(reason);
    return std::move(order_);
  }
  // Operations of `core` contradict each other.
  bool Contradict(const std::vector<uint32_t>& core, std::string reason) {
    for (const uint32_t i : core) {
      order_.contradiction.push_back(indices_[i]);
    }
    order_.reason = std::move(reason);
    return false;
  }
  bool WritesTell() const {
    return std::all_of(
        operations_.begin(), operations_.end(), [&](const Operation& op) {
          return !op.known() || op.written != kNoVersion || model_.IsRead(op);
        });
  }

  // Keeps the operations that count. False if an unwritten value was seen.
  bool Keep() {
    const std::vector<Link>& links = linked_.links;
    Counting found = FindCounting(operations_, linked_);
    writer_ = std::move(found.writer);
    kept_ = std::move(found.kept);
    // The links are not whole if they contradict each other.
    if (!linked_.core.empty()) {
      return Contradict({linked_.core.begin(), linked_.core.end()},
                        linked_.reason);
    }
    for (uint32_t i = 0; i < links.size(); ++i) {
      const uint32_t seen = links[i].seen;
      if (!kept_[i] || seen == kNone || seen == 0 || writer_[seen] != kNone) {
        continue;
      }
      return Contradict(
          {i}, absl::StrCat(Call(i), " saw a value that was never written."));
    }
    return true;
  }

  // False if an operation saw a later version than it made.
  bool SortByVersion() {
    std::vector<std::pair<StateVersion, uint32_t>> versions;
    for (uint32_t name = 1; name < linked_.names; ++name) {
      if (writer_[name] != kNone) {
        versions.emplace_back(operations_[writer_[name]].written, name);
      }
    }
    std::sort(versions.begin(), versions.end());
    names_ = {0};
    for (const auto& [version, name] : versions) names_.push_back(name);
    chain_.assign(linked_.names, 0);
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      const Operation& op = operations_[i];
      if (!kept_[i] || linked_.links[i].seen == kNone ||
          op.written == kNoVersion || op.seen < op.written) {
        continue;
      }
      return Contradict({i},
                        absl::StrCat(Call(i), " saw version ", op.seen,
                                     " and made version ", op.written, "."));
    }
    return true;
  }

  // In order of nothing, but for the initial state.
  void LeaveUnsorted() {
    names_ = {0};
    for (uint32_t name = 1; name < linked_.names; ++name) {
      if (writer_[name] != kNone) names_.push_back(name);
    }
    chain_.resize(linked_.names);
    std::iota(chain_.begin(), chain_.end(), 0);
  }

  // Unsorted if two operations replaced the same state.
  void SortByChains() {
    std::vector<uint32_t> successor(linked_.names, kNone);
    // By chain: when it shows first, and its first state.
    std::vector<std::pair<Time, uint32_t>> chains;
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      const Link& link = linked_.links[i];
      if (!kept_[i] || link.seen == kNone || link.written == kNone) continue;
      uint32_t& next = successor[link.seen];
      if (next != kNone) {
        Contradict({next, i},
                   absl::StrCat("Lost update: both ", Call(next), " and ",
                                Call(i), " replaced the same value."));
        return LeaveUnsorted();
      }
      next = i;
    }
    std::vector<Time> shows(linked_.names, kNever);  // Least return.
    // Invocation.
    std::vector<Time> late(linked_.names, std::numeric_limits<Time>::min());
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      const Link& link = linked_.links[i];
      if (!kept_[i]) continue;
      const uint32_t name = link.written != kNone ? link.written : link.seen;
      shows[name] = std::min(shows[name], operations_[i].ret);
      late[name] = std::max(late[name], operations_[i].invoke);
    }
    for (uint32_t name = 1; name < linked_.names; ++name) {
      const uint32_t writer = writer_[name];
      if (writer == kNone || linked_.links[writer].seen != kNone) continue;
      Time f = kNever;
      Time s = std::numeric_limits<Time>::min();
      for (uint32_t at = name;;) {
        f = std::min(f, shows[at]);
        s = std::max(s, late[at]);
        if (successor[at] == kNone) break;
        at = linked_.links[successor[at]].written;
      }
      chains.emplace_back(std::min(f, s), name);
    }
    std::sort(chains.begin(), chains.end());
    chains.insert(chains.begin(), {0, 0});
    chain_.assign(linked_.names, 0);
    for (uint32_t c = 0; c < chains.size(); ++c) {
      for (uint32_t at = chains[c].second;;) {
        names_.push_back(at);
        chain_[at] = c;
        if (successor[at] == kNone) break;
        at = linked_.links[successor[at]].written;
      }
    }
  }

  // False if what some operation saw depends on what it wrote.
  bool FindNoRing() {
    std::vector<uint32_t> reached(linked_.names, kNone);  // From which name.
    for (uint32_t name = 1; name < linked_.names; ++name) {
      uint32_t at = name;
      while (at != 0 && at != kNone && writer_[at] != kNone &&
             reached[at] == kNone) {
        reached[at] = name;
        at = linked_.links[writer_[at]].seen;
      }
      if (at == 0 || at == kNone || reached[at] != name) continue;
      std::vector<uint32_t> ring;
      const uint32_t first = at;
      do {
        ring.push_back(writer_[at]);
        at = linked_.links[writer_[at]].seen;
      } while (at != first);
      return Contradict(ring, absl::StrCat("What ", Call(writer_[first]),
                                           " saw depends on what it wrote."));
    }
    return true;
  }

  void FillIn() {
    std::vector<uint32_t> position(linked_.names, kNone);
    for (uint32_t p = 0; p < names_.size(); ++p) position[names_[p]] = p;
    order_.states.resize(names_.size());
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      if (!kept_[i]) continue;
      const Link& link = linked_.links[i];
      VersionOrder::Row row{.operation = indices_[i]};
      if (link.seen != kNone) row.seen = position[link.seen];
      if (link.written != kNone) {
        row.written = position[link.written];
        order_.states[row.written] = {static_cast<uint32_t>(order_.rows.size()),
                                      chain_[link.written]};
      }
      order_.rows.push_back(row);
    }
  }

  // Whether the model agrees with the versions: each operation with the one
  // that it saw, or else with the one before its own.
  bool Replays() const {
    const std::unique_ptr<StateSpace> space = model_.NewStates();
    std::vector<StateId> states = {space->Initial()};
    const auto step = [&](const VersionOrder::Row& row) {
      const uint32_t seen = row.seen != kNone ? row.seen : row.written - 1;
      return space->Step(states[seen], history_.operations()[row.operation]);
    };
    for (size_t p = 1; p < order_.states.size(); ++p) {
      states.push_back(step(order_.rows[order_.states[p].writer]));
      if (states.back() == kImpossible) return false;
    }
    return std::none_of(order_.rows.begin(), order_.rows.end(),
                        [&](const VersionOrder::Row& row) {
                          return row.written == kNone &&
                                 step(row) == kImpossible;
                        });
  }

  const History& history_;
  const absl::Span<const size_t> indices_;
  const Model& model_;
  std::vector<Operation> operations_;
  Linked linked_;
  std::vector<uint32_t> writer_;  // By name; kNone if it is not kept.
  std::vector<bool> kept_;        // By operation.
  std::vector<uint32_t> names_;   // In order.
  std::vector<uint32_t> chain_;   // By name.
  VersionOrder order_;
};

}  // namespace

bool VersionOrder::KeepsTime(const History& history, bool writes_alone) const {
  const auto op = [&](size_t r) -> const Operation& {
    return history.operations()[rows[r].operation];
  };
  const auto place = [&](uint32_t r) {
    return rows[r].written != kNone ? rows[r].written : rows[r].seen;
  };
  std::vector<uint32_t> by_invoke;
  for (uint32_t r = 0; r < rows.size(); ++r) {
    if (!writes_alone || rows[r].written != kNone) by_invoke.push_back(r);
  }
  std::sort(by_invoke.begin(), by_invoke.end(), ByInvocation(op));
  uint32_t reached = 0;  // By all that returned before.
  bool keeps = true;
  WalkInTime(
      by_invoke, by_invoke, op,
      [&](uint32_t r) { reached = std::max(reached, place(r)); },
      [&](uint32_t r) {
        const bool writes = rows[r].written != kNone;
        // It cannot stand where it wrote.
        const bool fits =
            !writes || rows[r].seen == kNone || rows[r].seen + 1 == place(r);
        keeps = keeps && fits &&
                (writes ? place(r) > reached : place(r) >= reached);
      });
  return keeps;
}

VersionOrder OrderVersions(const History& history,
                           absl::Span<const size_t> indices,
                           const Model& model) {
  return Builder(history, indices, model).Run();
}

}  // namespace quorate::lincheck
