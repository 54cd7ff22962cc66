#include "shardctrl/placement.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "env/check.h"

namespace quorate::shardctrl {
namespace {

// Positions of nodes and groups in lists sorted by id.
using At = uint32_t;
constexpr At kNone = std::numeric_limits<At>::max();

// One goal after another; each is to be small.
struct Cost {
  int64_t down = 0;
  int64_t zones = 0;
  int64_t hosts = 0;
  int64_t balance = 0;
  int64_t moves = 0;
  friend auto operator<=>(const Cost&, const Cost&) = default;
  friend Cost operator+(const Cost& a, const Cost& b) {
    return {a.down + b.down, a.zones + b.zones, a.hosts + b.hosts,
            a.balance + b.balance, a.moves + b.moves};
  }
  friend Cost operator-(const Cost& a, const Cost& b) {
    return {a.down - b.down, a.zones - b.zones, a.hosts - b.hosts,
            a.balance - b.balance, a.moves - b.moves};
  }
};

// A replica of a group moves from one node to another.
struct Move {
  At group = kNone;
  At from = kNone;
  At to = kNone;
};

// The number of moves that are looked at together: a replica may have to move
// so that another one can.
constexpr size_t kChainMax = 4;

// The search. It begins with the present replicas. It adds and takes away until
// each group has its number. Then it moves replicas while that makes the cost
// less. The cost is convex in the number of replicas of each node, zone and
// host, so chains of moves reach the least one.
class Search {
 public:
  Search(absl::Span<const PlacementNode> nodes,
         absl::Span<const PlacementGroup> groups);
  void Run();
  std::vector<PlacedGroup> Result() const;

 private:
  struct Node {
    const PlacementNode* given = nullptr;
    At zone = 0;
    At host = 0;
    int64_t count = 0;
    int64_t Share(int64_t doubled) const;
  };
  struct Group {
    const PlacementGroup* given = nullptr;
    std::vector<At> nodes;      // Not sorted.
    std::vector<uint8_t> has;   // By node.
    std::vector<uint8_t> may;   // By node.
    std::vector<int64_t> move;  // By node: the cost of a replica there.
    bool shrinks = false;       // It has more replicas than it shall have.
  };

  Cost AddCost(const Group& group, At node) const;
  Cost DropCost(const Group& group, At node) const;
  Cost GroupCost(const Group& group, At from, At to) const;
  Cost CountCost(At from, At to) const;
  void Add(At group, At node);
  void Drop(At group, At node);
  void Fill(At group);
  void List(At group, bool in);
  bool ImproveOnce();
  bool ImproveByChain();
  bool TryChain(const std::vector<Move>& chain);
  void Apply(const Move& move);
  std::set<std::pair<Cost, At>>& Moves(At from, At to) {
    return moves_[from * nodes_.size() + to];
  }

  std::vector<Node> nodes_;
  std::vector<Group> groups_;
  // By the pair of nodes: the groups of which a replica may move from one to
  // the other, the cheapest first.
  std::vector<std::set<std::pair<Cost, At>>> moves_;
};

template <typename Given>
std::vector<const Given*> SortedById(absl::Span<const Given> given) {
  std::vector<const Given*> sorted;
  for (const Given& one : given) sorted.push_back(&one);
  std::stable_sort(
      sorted.begin(), sorted.end(),
      [](const Given* a, const Given* b) { return a->id < b->id; });
  for (size_t i = 1; i < sorted.size(); ++i) {
    CHECK(sorted[i - 1]->id < sorted[i]->id) << "id " << sorted[i]->id;
  }
  return sorted;
}

Search::Search(absl::Span<const PlacementNode> nodes,
               absl::Span<const PlacementGroup> groups) {
  std::map<NodeId, At> positions;
  std::map<std::string, At> zones, hosts;
  for (const PlacementNode* given : SortedById(nodes)) {
    CHECK_GE(given->weight, 1u);
    const At at = static_cast<At>(nodes_.size());
    positions[given->id] = at;
    const At zone =
        zones.emplace(given->zone, static_cast<At>(zones.size())).first->second;
    // Hosts without a name follow those with one.
    const At host =
        given->host.empty()
            ? static_cast<At>(nodes.size()) + at
            : hosts.emplace(given->host, static_cast<At>(hosts.size()))
                  .first->second;
    nodes_.push_back({given, zone, host, 0});
  }
  const auto at = [&](NodeId id) {
    const auto found = positions.find(id);
    return found == positions.end() ? kNone : found->second;
  };
  for (const PlacementGroup* given : SortedById(groups)) {
    Group group;
    group.given = given;
    group.has.assign(nodes_.size(), 0);
    group.may.assign(nodes_.size(), given->allowed.empty() ? 1 : 0);
    group.move.assign(nodes_.size(), 2);
    for (NodeId id : given->allowed) {
      if (at(id) != kNone) group.may[at(id)] = 1;
    }
    for (NodeId id : given->coming) {
      if (at(id) != kNone) group.move[at(id)] = 1;
    }
    for (NodeId id : given->present) {
      if (at(id) != kNone) group.move[at(id)] = 0;
    }
    uint32_t present = 0;
    for (At node = 0; node < nodes_.size(); ++node) {
      if (nodes_[node].given->down && group.move[node] == 2) {
        group.may[node] = 0;
      }
      if (group.move[node] == 0 && group.may[node] != 0) ++present;
    }
    group.shrinks = present > given->replicas;
    groups_.push_back(std::move(group));
  }
  moves_.resize(nodes_.size() * nodes_.size());
}

// The cost of `count` replicas is count^2 / weight, so that of one more is
// (2 * count + 1) / weight.
int64_t Search::Node::Share(int64_t doubled) const {
  constexpr int64_t kScale = int64_t{1} << 32;
  return doubled * kScale / given->weight;
}

Cost Search::AddCost(const Group& group, At node) const {
  Cost cost{.moves = group.move[node]};
  if (nodes_[node].given->down && (group.shrinks || group.move[node] > 0)) {
    cost.down = 1;
  }
  for (At other : group.nodes) {
    if (nodes_[other].zone == nodes_[node].zone) ++cost.zones;
    if (nodes_[other].host == nodes_[node].host) ++cost.hosts;
  }
  return cost;
}

Cost Search::DropCost(const Group& group, At node) const {
  Cost cost = Cost{} - AddCost(group, node);
  ++cost.zones;  // It was compared with itself.
  ++cost.hosts;
  return cost;
}

Cost Search::GroupCost(const Group& group, At from, At to) const {
  Cost cost = DropCost(group, from) + AddCost(group, to);
  if (nodes_[from].zone == nodes_[to].zone) --cost.zones;
  if (nodes_[from].host == nodes_[to].host) --cost.hosts;
  return cost;
}

Cost Search::CountCost(At from, At to) const {
  if (from == to) return {};
  return {.balance = nodes_[to].Share(2 * nodes_[to].count + 1) -
                     nodes_[from].Share(2 * nodes_[from].count - 1)};
}

void Search::Add(At group, At node) {
  groups_[group].nodes.push_back(node);
  groups_[group].has[node] = 1;
  ++nodes_[node].count;
}

void Search::Drop(At group, At node) {
  auto& list = groups_[group].nodes;
  list.erase(std::find(list.begin(), list.end(), node));
  groups_[group].has[node] = 0;
  --nodes_[node].count;
}

// Gives the group its number of replicas, or as many as there are nodes.
void Search::Fill(At at) {
  Group& group = groups_[at];
  while (group.nodes.size() > group.given->replicas) {
    std::pair<Cost, At> best{{}, kNone};
    for (At node : group.nodes) {
      Cost cost = DropCost(group, node);
      cost.balance -= nodes_[node].Share(2 * nodes_[node].count - 1);
      if (best.second == kNone || std::pair(cost, node) < best) {
        best = {cost, node};
      }
    }
    Drop(at, best.second);
  }
  while (group.nodes.size() < group.given->replicas) {
    std::pair<Cost, At> best{{}, kNone};
    for (At node = 0; node < nodes_.size(); ++node) {
      if (group.has[node] != 0 || group.may[node] == 0) continue;
      Cost cost = AddCost(group, node);
      cost.balance += nodes_[node].Share(2 * nodes_[node].count + 1);
      if (best.second == kNone || std::pair(cost, node) < best) {
        best = {cost, node};
      }
    }
    if (best.second == kNone) return;
    Add(at, best.second);
  }
}

// Adds the moves of the group to the lists, or takes them away.
void Search::List(At at, bool in) {
  const Group& group = groups_[at];
  for (At from : group.nodes) {
    for (At to = 0; to < nodes_.size(); ++to) {
      if (group.has[to] != 0 || group.may[to] == 0) continue;
      const std::pair<Cost, At> key{GroupCost(group, from, to), at};
      if (in) {
        Moves(from, to).insert(key);
      } else {
        Moves(from, to).erase(key);
      }
    }
  }
}

void Search::Apply(const Move& move) {
  List(move.group, false);
  Drop(move.group, move.from);
  Add(move.group, move.to);
  List(move.group, true);
}

// The best single move.
bool Search::ImproveOnce() {
  Cost least;
  Move best;
  for (At from = 0; from < nodes_.size(); ++from) {
    for (At to = 0; to < nodes_.size(); ++to) {
      if (Moves(from, to).empty()) continue;
      const auto& [cost, group] = *Moves(from, to).begin();
      const Cost sum = cost + CountCost(from, to);
      if (sum < least) {
        least = sum;
        best = {group, from, to};
      }
    }
  }
  if (best.group == kNone) return false;
  Apply(best);
  return true;
}

// A chain carries one replica from its first node to its last, through others.
// It may end where it began. The cheapest chain of each length between two
// nodes is made of a cheapest one that is shorter.
bool Search::ImproveByChain() {
  const size_t count = nodes_.size();
  struct Step {
    bool reached = false;
    Cost cost;
    Move last;
  };
  for (At first = 0; first < count; ++first) {
    std::array<std::vector<Step>, kChainMax + 1> steps;
    steps[0].resize(count);
    steps[0][first] = {true, {}, {}};
    for (size_t length = 1; length <= kChainMax; ++length) {
      steps[length].resize(count);
      for (At from = 0; from < count; ++from) {
        if (!steps[length - 1][from].reached) continue;
        for (At to = 0; to < count; ++to) {
          if (Moves(from, to).empty()) continue;
          const auto& [cost, group] = *Moves(from, to).begin();
          const Cost sum = steps[length - 1][from].cost + cost;
          Step& step = steps[length][to];
          if (step.reached && step.cost <= sum) continue;
          step = {true, sum, {group, from, to}};
        }
      }
      for (At last = 0; last < count; ++last) {
        const Step& end = steps[length][last];
        if (!end.reached || end.cost + CountCost(first, last) >= Cost{}) {
          continue;
        }
        std::vector<Move> chain;
        for (size_t i = length, at = last; i > 0; --i) {
          chain.push_back(steps[i][at].last);
          at = chain.back().from;
        }
        if (TryChain(chain)) return true;
      }
    }
  }
  return false;
}

// Two moves of a chain may be of one group, and then cost something else than
// their sum, or be impossible. So a chain is tried.
bool Search::TryChain(const std::vector<Move>& chain) {
  std::vector<Move> done;
  Cost sum;
  for (const Move& move : chain) {
    const Group& group = groups_[move.group];
    if (group.has[move.from] == 0 || group.has[move.to] != 0) break;
    sum = sum + GroupCost(group, move.from, move.to) +
          CountCost(move.from, move.to);
    Apply(move);
    done.push_back(move);
  }
  if (done.size() == chain.size() && sum < Cost{}) return true;
  for (size_t i = done.size(); i > 0; --i) {
    Apply({done[i - 1].group, done[i - 1].to, done[i - 1].from});
  }
  return false;
}

void Search::Run() {
  for (At at = 0; at < groups_.size(); ++at) {
    for (At node = 0; node < nodes_.size(); ++node) {
      if (groups_[at].move[node] == 0 && groups_[at].may[node] != 0) {
        Add(at, node);
      }
    }
  }
  for (At at = 0; at < groups_.size(); ++at) Fill(at);
  for (At at = 0; at < groups_.size(); ++at) List(at, true);
  // Each step makes the cost less, so this ends.
  while (ImproveOnce() || ImproveByChain()) {
  }
}

std::vector<PlacedGroup> Search::Result() const {
  std::vector<PlacedGroup> result;
  for (const Group& group : groups_) {
    PlacedGroup placed{.id = group.given->id};
    for (At node = 0; node < nodes_.size(); ++node) {
      if (group.has[node] != 0) placed.nodes.push_back(nodes_[node].given->id);
    }
    result.push_back(std::move(placed));
  }
  return result;
}

// Pairs of replicas of the group in one zone, and on one host.
std::pair<int, int> Neighbours(const std::map<NodeId, const PlacementNode*>& by,
                               const std::vector<NodeId>& nodes) {
  std::pair<int, int> pairs{0, 0};
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const auto a = by.find(nodes[i]), b = by.find(nodes[j]);
      if (a == by.end() || b == by.end()) continue;
      if (a->second->zone == b->second->zone) ++pairs.first;
      if (a->second->host == b->second->host && !a->second->host.empty()) {
        ++pairs.second;
      }
    }
  }
  return pairs;
}

}  // namespace

std::vector<PlacedGroup> Place(absl::Span<const PlacementNode> nodes,
                               absl::Span<const PlacementGroup> groups) {
  Search search(nodes, groups);
  search.Run();
  return search.Result();
}

std::vector<PlacementChange> ExplainPlacement(
    absl::Span<const PlacementNode> nodes,
    absl::Span<const PlacementGroup> groups,
    absl::Span<const PlacedGroup> placed) {
  std::map<NodeId, const PlacementNode*> by;
  for (const PlacementNode& node : nodes) by[node.id] = &node;
  std::map<GroupId, const PlacementGroup*> before;
  for (const PlacementGroup& group : groups) before[group.id] = &group;
  std::vector<PlacementChange> changes;
  for (const PlacedGroup& group : placed) {
    const std::vector<NodeId>& old = before.at(group.id)->present;
    const std::set<NodeId> olds(old.begin(), old.end());
    const std::set<NodeId> news(group.nodes.begin(), group.nodes.end());
    std::vector<NodeId> from, to;
    for (NodeId id : olds) {
      if (!news.contains(id)) from.push_back(id);
    }
    for (NodeId id : news) {
      if (!olds.contains(id)) to.push_back(id);
    }
    // Nodes that must be left come first: they explain the new ones.
    std::stable_partition(from.begin(), from.end(),
                          [&](NodeId id) { return !by.contains(id); });
    const bool spread = group.nodes.size() == old.size() &&
                        Neighbours(by, group.nodes) < Neighbours(by, old);
    for (size_t i = 0; i < std::max(from.size(), to.size()); ++i) {
      PlacementChange change{.group = group.id};
      if (i < from.size()) change.from = from[i];
      if (i < to.size()) change.to = to[i];
      if (i >= from.size()) {
        change.reason = PlacementReason::kMissing;
      } else if (!by.contains(from[i])) {
        change.reason = PlacementReason::kNotAllowed;
      } else if (i >= to.size()) {
        change.reason = PlacementReason::kSurplus;
      } else {
        change.reason =
            spread ? PlacementReason::kSpread : PlacementReason::kBalance;
      }
      changes.push_back(change);
    }
  }
  return changes;
}

}  // namespace quorate::shardctrl
