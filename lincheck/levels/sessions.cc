#include "lincheck/levels/sessions.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "lincheck/levels/cycles.h"

namespace quorate::lincheck {
namespace {

constexpr uint32_t kNone = VersionOrder::kNone;

// States come first among the nodes, by position. Others are moments of a
// session: after some states, before others.
class Graph {
 public:
  explicit Graph(const VersionOrder& order)
      : order_(order), nodes_(static_cast<uint32_t>(order.states.size())) {
    for (uint32_t p = 1; p < order.states.size(); ++p) {
      const uint32_t writer = order.states[p].writer;
      const uint32_t seen = order.rows[writer].seen;
      const uint32_t before = order.by_versions ? p - 1
                              : seen != kNone   ? seen
                                                : 0;
      edges_.push_back({before, p, 0, order.by_versions});
    }
  }

  // An edge between a state and a moment is labelled with the row that saw or
  // wrote the state.
  void Add(uint32_t from, uint32_t to, uint32_t row) {
    edges_.push_back({from, to, row, !IsState(from)});
  }
  uint32_t NewMoment() { return nodes_++; }

  const VersionOrder& order() const { return order_; }
  bool IsState(uint32_t node) const { return node < order_.states.size(); }
  bool HasCycle() const { return !Cycles(nodes_, edges_).none(); }
  // Of few edges that are not free; empty if there is none.
  std::vector<Cycles::Edge> ShortCycle() const {
    return Cycles(nodes_, edges_)
        .Best([](uint32_t) { return true; }, [](const auto&) { return true; });
  }

 private:
  const VersionOrder& order_;
  uint32_t nodes_;
  std::vector<Cycles::Edge> edges_;
};

// The states that one client has seen, or written, and what must not come
// before them.
class Past {
 public:
  explicit Past(Graph* graph) : graph_(*graph) {}

  void Add(uint32_t state, uint32_t row) {
    ever_.insert(state);
    if (!places_.emplace(state, states_.size()).second) return;
    states_.emplace_back(state, row);
  }
  // `state`, which `row` saw or wrote, does not come before any of these;
  // `strictly`: nor is it one of them.
  void Precede(uint32_t state, uint32_t row, bool strictly) {
    if (states_.empty()) return;
    const auto place = places_.find(state);
    if (place != places_.end()) return Replace(place->second, row, strictly);
    if (ever_.contains(state)) {
      // It came before the first of these, and now comes after it.
      return AddStep(states_[0], state, row);
    }
    // Each is before some moment, once.
    for (; joined_ < states_.size(); ++joined_) {
      const uint32_t moment = graph_.NewMoment();
      if (moment_ != kNone) graph_.Add(moment_, moment, 0);
      graph_.Add(states_[joined_].first, moment, states_[joined_].second);
      moment_ = moment;
    }
    graph_.Add(moment_, state, row);
  }

 private:
  using State = std::pair<uint32_t, uint32_t>;  // And the row.

  void AddStep(const State& from, uint32_t to, uint32_t row) {
    const uint32_t moment = graph_.NewMoment();
    graph_.Add(from.first, moment, from.second);
    graph_.Add(moment, to, row);
  }
  // All others come before one of them, which stands for them from now on.
  void Replace(size_t place, uint32_t row, bool strictly) {
    const State itself = states_[place];
    for (size_t i = 0; i < states_.size(); ++i) {
      if (i != place || strictly) AddStep(states_[i], itself.first, row);
    }
    states_ = {itself};
    places_ = {{itself.first, 0}};
    joined_ = 0;
  }

  Graph& graph_;
  std::vector<State> states_;
  absl::flat_hash_map<uint32_t, size_t> places_;  // Into states_.
  absl::flat_hash_set<uint32_t> ever_;  // With those that others stand for.
  size_t joined_ = 0;        // So many of states_ are before moment_.
  uint32_t moment_ = kNone;  // The last one; those in ever_ are before it.
};

class Judge {
 public:
  Judge(const History& history, const Model& model, const VersionOrder& order)
      : history_(history), model_(model), order_(order) {
    for (uint32_t r = 0; r < order.rows.size(); ++r) {
      clients_[Op(r).client].push_back(r);
    }
    for (auto& [client, rows] : clients_) {
      std::sort(rows.begin(), rows.end(), ByInvocation([&](size_t r) {
                  return Op(static_cast<uint32_t>(r));
                }));
    }
  }

  bool Holds(ConsistencyLevel level) const {
    return !MakeGraph(level).HasCycle();
  }
  LevelVerdict Run(ConsistencyLevel level) const {
    const Graph graph = MakeGraph(level);
    return Explain(level, graph, graph.ShortCycle());
  }

 private:
  Graph MakeGraph(ConsistencyLevel level) const {
    Graph graph(order_);
    const auto asks = [&](ConsistencyLevel one) {
      return level == one || level == ConsistencyLevel::kSessions;
    };
    for (const auto& [client, rows] : clients_) {
      if (asks(ConsistencyLevel::kReadYourWrites))
        AddSession(rows, true, false, &graph);
      if (asks(ConsistencyLevel::kMonotonicReads))
        AddSession(rows, false, false, &graph);
      if (asks(ConsistencyLevel::kMonotonicWrites))
        AddSession(rows, true, true, &graph);
      if (asks(ConsistencyLevel::kWritesFollowReads)) {
        AddSession(rows, false, true, &graph);
      }
    }
    return graph;
  }

  // The client had the first answer before it asked for the second.
  struct Step {
    uint32_t from = kNone;        // Row,
    uint32_t from_state = kNone;  // and the state it saw or wrote.
    uint32_t to = kNone;
    uint32_t to_state = kNone;
  };

  const Operation& Op(uint32_t r) const {
    return history_.operations()[order_.rows[r].operation];
  }
  std::string Call(uint32_t r) const {
    return DescribeCallOfClient(model_, Op(r));
  }
  // kNone: its client did not learn what it saw.
  uint32_t Seen(uint32_t r) const {
    Links links;
    const bool told =
        order_.by_versions ||
        (Op(r).known() && model_.FindLinks(Op(r), &links) && links.reads);
    return told ? order_.rows[r].seen : kNone;
  }
  // States that a client wrote (or else saw) come before states that it writes
  // (or sees) afterwards.
  void AddSession(absl::Span<const uint32_t> rows, bool wrote, bool writes,
                  Graph* graph) const {
    Past past(graph);
    WalkInTime(
        rows, {rows.begin(), rows.end()},
        [this](size_t r) -> const Operation& {
          return Op(static_cast<uint32_t>(r));
        },
        [&](uint32_t before) {
          const uint32_t state =
              wrote ? order_.rows[before].written : Seen(before);
          if (state != kNone) past.Add(state, before);
        },
        [&](uint32_t r) {
          const uint32_t state = writes ? order_.rows[r].written : Seen(r);
          if (state != kNone) past.Precede(state, r, writes);
        });
  }

  LevelVerdict Explain(ConsistencyLevel level, const Graph& graph,
                       std::vector<Cycles::Edge> cycle) const {
    if (cycle.empty()) return {level, Result::kOk, {}, {}};
    // From a state, so that steps are whole.
    while (!graph.IsState(cycle.front().from)) {
      std::rotate(cycle.begin(), cycle.begin() + 1, cycle.end());
    }
    std::vector<Step> steps;
    for (const Cycles::Edge& edge : cycle) {
      if (!graph.IsState(edge.to)) {
        if (graph.IsState(edge.from)) {
          steps.push_back({.from = edge.label, .from_state = edge.from});
        }
      } else if (!graph.IsState(edge.from)) {
        steps.back().to = edge.label;
        steps.back().to_state = edge.to;
      }
    }
    LevelVerdict verdict{level, Result::kViolation, {}, {}};
    for (const Step& step : steps) {
      for (const uint32_t r : {step.from, step.to}) {
        const size_t operation = order_.rows[r].operation;
        if (std::find(verdict.witness.begin(), verdict.witness.end(),
                      operation) == verdict.witness.end()) {
          verdict.witness.push_back(operation);
        }
      }
    }
    verdict.reason = steps.size() == 1 ? InWords(steps[0]) : InWords(steps);
    return verdict;
  }
  std::string InWords(const Step& step) const {
    const bool wrote = order_.rows[step.from].written == step.from_state;
    const bool writes = order_.rows[step.to].written == step.to_state;
    return absl::StrCat(Call(step.from), " came first, then ", Call(step.to),
                        writes ? " left" : " saw",
                        " an older version than that one ",
                        wrote ? "had written" : "had seen", ".");
  }
  std::string InWords(const std::vector<Step>& steps) const {
    std::string text = "No order of the writes fits all sessions: ";
    for (const Step& step : steps) {
      absl::StrAppend(&text, &step == &steps[0] ? "" : "; ", Call(step.to),
                      " came after ", Call(step.from));
    }
    return text + ".";
  }

  const History& history_;
  const Model& model_;
  const VersionOrder& order_;
  std::map<uint32_t, std::vector<uint32_t>> clients_;  // Rows by invocation.
};

}  // namespace

std::vector<LevelVerdict> CheckSessions(const History& history,
                                        const Model& model,
                                        const VersionOrder& order) {
  const Judge judge(history, model, order);
  // An order for all of them is one for each.
  const bool all = judge.Holds(ConsistencyLevel::kSessions);
  LevelVerdict sessions{ConsistencyLevel::kSessions, Result::kOk, {}, {}};
  std::vector<LevelVerdict> verdicts;
  for (const ConsistencyLevel level :
       {ConsistencyLevel::kReadYourWrites, ConsistencyLevel::kMonotonicReads,
        ConsistencyLevel::kMonotonicWrites,
        ConsistencyLevel::kWritesFollowReads}) {
    verdicts.push_back(all ? LevelVerdict{level, Result::kOk, {}, {}}
                           : judge.Run(level));
    if (sessions.result != Result::kOk ||
        verdicts.back().result == Result::kOk) {
      continue;
    }
    sessions = verdicts.back();
    sessions.level = ConsistencyLevel::kSessions;
    sessions.reason =
        absl::StrCat(std::string(LevelName(level)), ": ", sessions.reason);
  }
  if (!all && sessions.result == Result::kOk) {
    sessions = judge.Run(ConsistencyLevel::kSessions);
  }
  verdicts.push_back(std::move(sessions));
  return verdicts;
}

}  // namespace quorate::lincheck
