#include "lincheck/sequential.h"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;

enum class Why : uint8_t {
  kSession,  // The same client did one before the other.
  kSees,     // The second saw what the first wrote.
  kVersion,  // The second wrote, or replaced, a later version.
};

class Graph {
 public:
  Graph(const History& history, const Model& model,
        absl::Span<const VersionOrder> orders)
      : history_(history), model_(model), orders_(orders) {
    Collect();
    AddVersions();
    AddSessions();
    Sort();
  }

  LevelVerdict Run();

 private:
  struct Node {
    size_t operation = 0;  // Of an operation. Others: a moment of a session.
    uint32_t order = 0;    // Into orders_.
    uint32_t row = kNone;  // kNone: a moment.
  };
  struct Edge {
    uint32_t from = 0;
    uint32_t to = 0;
    Why why = Why::kSession;
  };

  uint32_t NodeOf(uint32_t order, uint32_t row) const {
    return first_[order] + row;
  }
  void Collect();
  void AddVersions();
  void AddSessions();
  void AddSession(absl::Span<const uint32_t> nodes);
  void Sort();
  // Marks what is on no cycle, but for what lies between two.
  std::vector<bool> Peel() const;
  // Some node on a cycle, found by walking on from `n`.
  uint32_t WalkToCycle(uint32_t n, const std::vector<bool>& peeled) const;
  // The shortest cycle through `start` among what is not peeled: its edges.
  std::vector<Edge> Cycle(uint32_t start,
                          const std::vector<bool>& peeled) const;
  bool Sure(const std::vector<Edge>& cycle) const;
  LevelVerdict Explain(const std::vector<Edge>& cycle) const;

  const History& history_;
  const Model& model_;
  const absl::Span<const VersionOrder> orders_;
  std::vector<uint32_t> first_;  // By order: the node of its first row.
  std::vector<Node> nodes_;
  std::vector<Edge> edges_;      // By `from`, once sorted.
  std::vector<uint32_t> begin_;  // By node, into edges_.
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
  for (uint32_t o = 0; o < orders_.size(); ++o) {
    const VersionOrder& order = orders_[o];
    if (!order.known) continue;
    for (uint32_t p = 2; p < order.states.size(); ++p) {
      edges_.push_back({NodeOf(o, order.states[p - 1].writer),
                        NodeOf(o, order.states[p].writer), Why::kVersion});
    }
    for (uint32_t r = 0; r < order.rows.size(); ++r) {
      const VersionOrder::Row& row = order.rows[r];
      if (row.seen == kNone) continue;
      if (row.seen > 0) {
        edges_.push_back({NodeOf(o, order.states[row.seen].writer),
                          NodeOf(o, r), Why::kSees});
      }
      if (row.seen + 1 >= order.states.size()) continue;
      const uint32_t next = order.states[row.seen + 1].writer;
      if (next != r) {
        edges_.push_back({NodeOf(o, r), NodeOf(o, next), Why::kVersion});
      }
    }
  }
}

void Graph::AddSession(absl::Span<const uint32_t> nodes) {
  const absl::Span<const Operation> operations = history_.operations();
  const auto op = [&](uint32_t n) -> const Operation& {
    return operations[nodes_[n].operation];
  };
  std::vector<uint32_t> by_return(nodes.begin(), nodes.end());
  std::erase_if(by_return, [&](uint32_t n) { return !op(n).known(); });
  std::sort(by_return.begin(), by_return.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(op(a).ret, a) < std::pair(op(b).ret, b);
  });
  size_t returned = 0;
  uint32_t moment = kNone;  // After all that returned so far.
  for (const uint32_t n : nodes) {
    while (returned < by_return.size() &&
           op(by_return[returned]).ret < op(n).invoke) {
      const auto next = static_cast<uint32_t>(nodes_.size());
      nodes_.push_back({});
      if (moment != kNone) edges_.push_back({moment, next, Why::kSession});
      edges_.push_back({by_return[returned++], next, Why::kSession});
      moment = next;
    }
    if (moment != kNone) edges_.push_back({moment, n, Why::kSession});
  }
}

void Graph::AddSessions() {
  const absl::Span<const Operation> operations = history_.operations();
  std::vector<uint32_t> nodes;
  for (uint32_t n = 0; n < nodes_.size(); ++n) nodes.push_back(n);
  const auto key = [&](uint32_t n) {
    const Operation& op = operations[nodes_[n].operation];
    return std::tuple(op.client, op.invoke, n);
  };
  std::sort(nodes.begin(), nodes.end(),
            [&](uint32_t a, uint32_t b) { return key(a) < key(b); });
  for (size_t begin = 0; begin < nodes.size();) {
    const uint32_t client = operations[nodes_[nodes[begin]].operation].client;
    size_t end = begin;
    while (end < nodes.size() &&
           operations[nodes_[nodes[end]].operation].client == client) {
      ++end;
    }
    AddSession(absl::MakeConstSpan(nodes).subspan(begin, end - begin));
    begin = end;
  }
}

void Graph::Sort() {
  std::stable_sort(
      edges_.begin(), edges_.end(),
      [](const Edge& a, const Edge& b) { return a.from < b.from; });
  begin_.assign(nodes_.size() + 1, 0);
  for (const Edge& edge : edges_) ++begin_[edge.from + 1];
  for (size_t n = 0; n < nodes_.size(); ++n) begin_[n + 1] += begin_[n];
}

std::vector<bool> Graph::Peel() const {
  std::vector<bool> peeled(nodes_.size(), false);
  // First what nothing leads to, then what leads nowhere.
  for (const bool forward : {true, false}) {
    std::vector<uint32_t> begin(nodes_.size() + 1, 0);
    std::vector<uint32_t> count(nodes_.size(), 0);
    std::vector<uint32_t> next(edges_.size());
    for (const Edge& edge : edges_) {
      if (peeled[edge.from] || peeled[edge.to]) continue;
      ++begin[(forward ? edge.from : edge.to) + 1];
      ++count[forward ? edge.to : edge.from];
    }
    for (size_t n = 0; n < nodes_.size(); ++n) begin[n + 1] += begin[n];
    std::vector<uint32_t> at(begin.begin(), begin.end() - 1);
    for (const Edge& edge : edges_) {
      if (peeled[edge.from] || peeled[edge.to]) continue;
      next[at[forward ? edge.from : edge.to]++] = forward ? edge.to : edge.from;
    }
    std::vector<uint32_t> open;
    for (uint32_t n = 0; n < nodes_.size(); ++n) {
      if (!peeled[n] && count[n] == 0) open.push_back(n);
    }
    while (!open.empty()) {
      const uint32_t n = open.back();
      open.pop_back();
      peeled[n] = true;
      for (uint32_t e = begin[n]; e < begin[n + 1]; ++e) {
        if (--count[next[e]] == 0) open.push_back(next[e]);
      }
    }
  }
  return peeled;
}

uint32_t Graph::WalkToCycle(uint32_t n, const std::vector<bool>& peeled) const {
  std::vector<bool> visited(nodes_.size(), false);
  while (!visited[n]) {
    visited[n] = true;
    uint32_t e = begin_[n];
    while (peeled[edges_[e].to]) ++e;
    n = edges_[e].to;
  }
  return n;
}

std::vector<Graph::Edge> Graph::Cycle(uint32_t start,
                                      const std::vector<bool>& peeled) const {
  std::vector<uint32_t> by(nodes_.size(), kNone);  // The edge that led there.
  std::vector<uint32_t> open = {start};
  for (size_t i = 0; i < open.size(); ++i) {
    for (uint32_t e = begin_[open[i]]; e < begin_[open[i] + 1]; ++e) {
      const uint32_t to = edges_[e].to;
      if (peeled[to] || by[to] != kNone) continue;
      by[to] = e;
      if (to != start) {
        open.push_back(to);
        continue;
      }
      std::vector<Edge> cycle;
      uint32_t at = start;
      do {
        cycle.push_back(edges_[by[at]]);
        at = edges_[by[at]].from;
      } while (at != start);
      std::reverse(cycle.begin(), cycle.end());
      return cycle;
    }
  }
  return {};
}

bool Graph::Sure(const std::vector<Edge>& cycle) const {
  const auto left = [&](const Node& node) {
    const VersionOrder::Row& row = orders_[node.order].rows[node.row];
    return row.written != kNone ? row.written : row.seen;
  };
  // Steps from version to version count as one.
  for (size_t i = 0; i < cycle.size(); ++i) {
    if (cycle[i].why != Why::kVersion) continue;
    size_t end = i;
    while (end + 1 < cycle.size() && cycle[end + 1].why == Why::kVersion) ++end;
    const Node& from = nodes_[cycle[i].from];
    const Node& to = nodes_[cycle[end].to];
    // The first one may only have read: then it is its state that counts.
    if (!orders_[from.order].Sure(left(from), left(to))) return false;
    i = end;
  }
  return true;
}

LevelVerdict Graph::Explain(const std::vector<Edge>& cycle) const {
  LevelVerdict verdict{.level = Level::kSequential,
                       .result = Result::kViolation,
                       .reason = "No single order keeps every client's own: "};
  std::vector<Edge> steps;  // From operations, whatever lies between.
  for (const Edge& edge : cycle) {
    if (nodes_[edge.from].row == kNone) continue;
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
        steps[i].why == Why::kSees      ? absl::StrCat(to, " saw ", from)
        : steps[i].why == Why::kSession ? absl::StrCat(to, " came after ", from)
        : reads ? absl::StrCat(from, " saw an older version than ", to, " left")
                : absl::StrCat(from, " took effect before ", to));
  }
  verdict.reason += '.';
  for (const VersionOrder& order : orders_) order.Complete(&verdict.witness);
  return verdict;
}

LevelVerdict Graph::Run() {
  constexpr size_t kStartsMax = 30;
  const std::vector<bool> peeled = Peel();
  std::vector<Edge> best;
  bool best_sure = false;
  size_t starts = 0;
  for (uint32_t n = 0; n < nodes_.size() && starts < kStartsMax; ++n) {
    if (peeled[n] || nodes_[n].row == kNone) continue;
    ++starts;
    std::vector<Edge> cycle = Cycle(WalkToCycle(n, peeled), peeled);
    const bool sure = Sure(cycle);
    if (best.empty() ||
        std::tuple(!sure, cycle.size()) < std::tuple(!best_sure, best.size())) {
      best = std::move(cycle);
      best_sure = sure;
    }
  }
  if (best.empty()) return {Level::kSequential, Result::kOk, {}, {}};
  if (best_sure) return Explain(best);
  return {Level::kSequential,
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
