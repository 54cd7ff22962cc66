#include "lincheck/version_order.h"

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
      return Unknown("not every operation names the write it saw");
    }
    if (!linked->core.empty()) {
      for (size_t i : linked->core) {
        order_.contradiction.push_back(indices_[i]);
      }
      return Unknown(linked->reason);
    }
    linked_ = *std::move(linked);
    order_.by_versions = HasVersions(operations_);
    if (!Keep()) return std::move(order_);
    if (order_.by_versions) {
      SortByVersion();
    } else if (!SortByChains() || !FindNoRing()) {
      return std::move(order_);
    }
    FillIn();
    if (order_.by_versions && !Replays()) {
      return Unknown("results do not fit the versions told");
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

  // What counts. False if something was seen that nobody wrote.
  bool Keep() {
    const std::vector<Link>& links = linked_.links;
    writer_.assign(linked_.names, kNone);
    kept_.assign(links.size(), false);
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < links.size(); ++i) {
      if (links[i].written != kNone) writer_[links[i].written] = i;
      if (operations_[i].known() &&
          (links[i].seen != kNone || links[i].written != kNone)) {
        open.push_back(i);
      }
    }
    while (!open.empty()) {
      const uint32_t i = open.back();
      open.pop_back();
      if (kept_[i]) continue;
      kept_[i] = true;
      const uint32_t seen = links[i].seen;
      if (seen == kNone || seen == 0) continue;
      if (writer_[seen] == kNone) {
        order_.contradiction = {indices_[i]};
        order_.reason = absl::StrCat(Call(i), " saw what nobody wrote.");
        return false;
      }
      open.push_back(writer_[seen]);
    }
    for (uint32_t& writer : writer_) {
      if (writer != kNone && !kept_[writer]) writer = kNone;
    }
    return true;
  }

  void SortByVersion() {
    std::vector<std::pair<Version, uint32_t>> versions;
    for (uint32_t name = 1; name < linked_.names; ++name) {
      if (writer_[name] != kNone) {
        versions.emplace_back(operations_[writer_[name]].written, name);
      }
    }
    std::sort(versions.begin(), versions.end());
    names_ = {0};
    for (const auto& [version, name] : versions) names_.push_back(name);
    chain_.assign(linked_.names, 0);
  }

  // False if two operations replaced the same state.
  bool SortByChains() {
    std::vector<uint32_t> successor(linked_.names, kNone);
    // By chain: when it shows first, and its first state.
    std::vector<std::pair<Time, uint32_t>> chains;
    for (uint32_t i = 0; i < operations_.size(); ++i) {
      const Link& link = linked_.links[i];
      if (!kept_[i] || link.seen == kNone || link.written == kNone) continue;
      uint32_t& next = successor[link.seen];
      if (next != kNone) {
        order_.contradiction = {indices_[next], indices_[i]};
        order_.reason = absl::StrCat("Lost update: both ", Call(next), " and ",
                                     Call(i), " replaced the same value.");
        return false;
      }
      next = i;
    }
    std::vector<Time> shows(linked_.names, kNever);  // Least return.
    std::vector<Time> late(linked_.names,
                           std::numeric_limits<Time>::min());  // Invocation.
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
    return true;
  }

  // False if what some operation saw depends on what it wrote.
  bool FindNoRing() {
    std::vector<bool> placed(linked_.names, false);
    for (const uint32_t name : names_) placed[name] = true;
    for (uint32_t name = 0; name < linked_.names; ++name) {
      if (placed[name] || writer_[name] == kNone) continue;
      uint32_t op = writer_[name];
      do {
        order_.contradiction.push_back(indices_[op]);
        op = writer_[linked_.links[op].seen];
      } while (op != writer_[name]);
      order_.reason =
          absl::StrCat("What ", Call(op), " saw depends on what it wrote.");
      return false;
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

  // Whether the model agrees with the versions: each write in its turn, each
  // read after the version that it saw.
  bool Replays() const {
    std::vector<uint32_t> rows(order_.rows.size());
    std::iota(rows.begin(), rows.end(), 0);
    const auto key = [&](uint32_t r) {
      const VersionOrder::Row& row = order_.rows[r];
      const bool reads = row.written == kNone;
      return std::tuple(reads ? row.seen : row.written, reads, r);
    };
    std::sort(rows.begin(), rows.end(),
              [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
    const std::unique_ptr<StateSpace> states = model_.NewStates();
    StateId state = states->Initial();
    for (const uint32_t r : rows) {
      const VersionOrder::Row& row = order_.rows[r];
      Operation op = history_.operations()[row.operation];
      // One that replaced another version than the last is judged by the graph.
      if (row.written != kNone && row.seen != kNone &&
          row.seen + 1 != row.written) {
        op.result = {};
      }
      const StateId next = states->Step(state, op);
      if (next == kImpossible) return false;
      state = next;
    }
    return true;
  }

  const History& history_;
  const absl::Span<const size_t> indices_;
  const Model& model_;
  std::vector<Operation> operations_;
  Linked linked_;
  std::vector<uint32_t> writer_;  // By name; of those kept.
  std::vector<bool> kept_;        // By operation.
  std::vector<uint32_t> names_;   // In order.
  std::vector<uint32_t> chain_;   // By name.
  VersionOrder order_;
};

}  // namespace

VersionOrder OrderVersions(const History& history,
                           absl::Span<const size_t> indices,
                           const Model& model) {
  return Builder(history, indices, model).Run();
}

}  // namespace quorate::lincheck
