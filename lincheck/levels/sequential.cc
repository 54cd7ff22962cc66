#include "lincheck/levels/sequential.h"

#include <algorithm>
#include <limits>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/levels/cycles.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;

enum Why : uint32_t {
  kSession,  // The same client did one before the other.
  kSees,     // The second saw what the first wrote.
  kVersion,  // The second wrote the next version.
  kMisses,   // The second wrote the next version after what the first saw.
};

class Graph {
 public:
  Graph(const History& history, const Model& model,
        absl::Span<const VersionOrder> orders)
      : history_(history), model_(model), orders_(orders) {
    Collect();
    AddVersions();
    AddSessions();
  }

  LevelVerdict Run();

 private:
  struct Node {
    size_t operation = 0;  // Meaningless for a moment of a session.
    uint32_t order = 0;    // Into orders_.
    uint32_t row = kNone;  // kNone: a moment.
  };
  using Edge = Cycles::Edge;  // The label is a Why.

  uint32_t NodeOf(uint32_t order, uint32_t row) const {
    return first_[order] + row;
  }
  void Collect();
  void AddVersions();
  void AddSessions();
  void AddSession(absl::Span<const uint32_t> nodes);
  bool Writes(const Node& node) const {
    return orders_[node.order].rows[node.row].written != kNone;
  }
  bool Sure(const std::vector<Edge>& cycle) const;
  LevelVerdict Explain(const std::vector<Edge>& cycle) const;

  const History& history_;
  const Model& model_;
  const absl::Span<const VersionOrder> orders_;
  std::vector<uint32_t> first_;  // By order: the node of its first row.
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;
};

void Graph::Collect() {
  for (uint32_t o = 0; o < orders_.size(); ++o) {
    first_.push_back(static_cast<uint32_t>(nodes_.size()));
    if (!orders_[o].known) continue;
    for (uint32_t r = 0; r < orders_[o].rows.size(); ++r) {
      nodes_.push_back({orders_[o].rows[r].operation, o, r});
    }
  }
}

void Graph::AddVersions() {
  // Untouched, what is too much costs nothing.
  edges_.reserve(4 * nodes_.size());
  for (uint32_t o = 0; o < orders_.size(); ++o) {
    const VersionOrder& order = orders_[o];
    if (!order.known) continue;
    for (uint32_t p = 2; p < order.states.size(); ++p) {
      edges_.push_back({NodeOf(o, order.states[p - 1].writer),
                        NodeOf(o, order.states[p].writer), kVersion,
                        order.by_versions});
    }
    for (uint32_t r = 0; r < order.rows.size(); ++r) {
      const VersionOrder::Row& row = order.rows[r];
      if (row.seen == kNone) continue;
      if (row.seen > 0) {
        edges_.push_back(
            {NodeOf(o, order.states[row.seen].writer), NodeOf(o, r), kSees});
      }
      if (row.seen + 1 >= order.states.size()) continue;
      const uint32_t next = order.states[row.seen + 1].writer;
      if (next != r) {
        edges_.push_back({NodeOf(o, r), NodeOf(o, next), kMisses});
      }
    }
  }
}

void Graph::AddSession(absl::Span<const uint32_t> nodes) {
  const absl::Span<const Operation> operations = history_.operations();
  const auto op = [&](size_t n) -> const Operation& {
    return operations[nodes_[n].operation];
  };
  uint32_t last = kNone;  // After all that returned so far.
  Time last_return = std::numeric_limits<Time>::min();
  const auto returned = [&](uint32_t n) {
    const bool overlaps = last != kNone && last_return >= op(n).invoke;
    last_return = op(n).ret;
    if (!overlaps) {
      last = n;
      return;
    }
    const auto moment = static_cast<uint32_t>(nodes_.size());
    nodes_.push_back({});
    edges_.push_back({last, moment, kSession, true});
    edges_.push_back({n, moment, kSession, true});
    last = moment;
  };
  WalkInTime(nodes, {nodes.begin(), nodes.end()}, op, returned,
             [&](uint32_t n) {
               if (last != kNone) edges_.push_back({last, n, kSession, true});
             });
}

void Graph::AddSessions() {
  struct Begun {  // Sorted as they are: most of the time goes into this.
    Time invoke = 0;
    uint32_t client = 0;
    uint32_t node = 0;
  };
  std::vector<Begun> begun(nodes_.size());
  for (uint32_t n = 0; n < nodes_.size(); ++n) {
    const Operation& op = history_.operations()[nodes_[n].operation];
    begun[n] = {op.invoke, op.client, n};
  }
  std::sort(begun.begin(), begun.end(), [](const Begun& a, const Begun& b) {
    return std::tuple(a.client, a.invoke, a.node) <
           std::tuple(b.client, b.invoke, b.node);
  });
  std::vector<uint32_t> session;
  for (size_t i = 0; i < begun.size(); ++i) {
    session.push_back(begun[i].node);
    if (i + 1 < begun.size() && begun[i + 1].client == begun[i].client) {
      continue;
    }
    AddSession(session);
    session.clear();
  }
}

bool Graph::Sure(const std::vector<Edge>& cycle) const {
  const auto left = [&](const Node& node) {
    const VersionOrder::Row& row = orders_[node.order].rows[node.row];
    return row.written != kNone ? row.written : row.seen;
  };
  // Steps from version to version count as one.
  for (size_t i = 0; i < cycle.size(); ++i) {
    if (cycle[i].label < kVersion) continue;
    size_t end = i;
    while (end + 1 < cycle.size() && cycle[end + 1].label >= kVersion) ++end;
    const Node& from = nodes_[cycle[i].from];
    const Node& to = nodes_[cycle[end].to];
    // The first one may only have read: then it is its state that counts.
    if (!orders_[from.order].Sure(left(from), left(to))) return false;
    i = end;
  }
  return true;
}

LevelVerdict Graph::Explain(const std::vector<Edge>& cycle) const {
  LevelVerdict verdict{.level = ConsistencyLevel::kSequential,
                       .result = Result::kViolation,
                       .reason = "No single order keeps every client's own: "};
  std::vector<Edge> steps;  // From operations, whatever lies between.
  for (size_t i = 0; i < cycle.size(); ++i) {
    const Edge& edge = cycle[i];
    const Edge& before = i > 0 ? cycle[i - 1] : cycle.back();
    if (nodes_[edge.from].row == kNone) continue;
    if (before.label == kSession && edge.label == kSession) continue;
    // Versions say what is later, whatever was written between two.
    if (edge.label == kVersion &&
        orders_[nodes_[edge.from].order].by_versions &&
        (before.label == kVersion ||
         (before.label == kMisses && !Writes(nodes_[before.from])))) {
      continue;
    }
    steps.push_back(edge);
    verdict.witness.push_back(nodes_[edge.from].operation);
  }
  const auto call = [&](const Edge& edge) {
    const Operation& op = history_.operations()[nodes_[edge.from].operation];
    const std::string& name = history_.partition_name(op.partition);
    return absl::StrCat(
        DescribeCallOfClient(model_, op),
        name.empty() ? "" : absl::StrCat(" on key \"", name, "\""));
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string from = call(steps[i]);
    const std::string to = call(steps[(i + 1) % steps.size()]);
    const bool reads = OnlyReads(
        model_, history_.operations()[nodes_[steps[i].from].operation]);
    absl::StrAppend(
        &verdict.reason, i == 0 ? "" : "; ",
        steps[i].label == kSees      ? absl::StrCat(to, " saw ", from)
        : steps[i].label == kSession ? absl::StrCat(to, " came after ", from)
        : reads ? absl::StrCat(from, " saw an older version than ", to, " left")
                : absl::StrCat(from, " took effect before ", to));
  }
  verdict.reason += '.';
  return verdict;
}

LevelVerdict Graph::Run() {
  const std::vector<Edge> best =
      Cycles(static_cast<uint32_t>(nodes_.size()), edges_)
          .Best([&](uint32_t n) { return nodes_[n].row != kNone; },
                [&](const std::vector<Edge>& cycle) { return Sure(cycle); });
  if (best.empty()) return {ConsistencyLevel::kSequential, Result::kOk, {}, {}};
  if (Sure(best)) return Explain(best);
  return {ConsistencyLevel::kSequential,
          Result::kUnknown,
          "the order of writes is not known without versions",
          {}};
}

}  // namespace

LevelVerdict CheckSequential(const History& history, const Model& model,
                             absl::Span<const VersionOrder> orders) {
  return Graph(history, model, orders).Run();
}

}  // namespace quorate::lincheck
