#include "node/routing/live_view.h"

#include <algorithm>
#include <array>

#include "env/check.h"
#include "env/parse_integer.h"
#include "node/base/node_identity.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr ReplicaState kReported[] = {
    ReplicaState::kFine, ReplicaState::kFenced, ReplicaState::kStopped,
    ReplicaState::kRefused};

// Returns the fields of "a b c d"; false if there are not four.
bool SplitRow(std::string_view row, std::array<std::string_view, 5>* fields) {
  for (size_t i = 0; i < fields->size(); ++i) {
    const size_t end = row.find(' ');
    if ((end == std::string_view::npos) != (i + 1 == fields->size())) {
      return false;
    }
    (*fields)[i] = row.substr(0, end);
    row.remove_prefix(end == std::string_view::npos ? row.size() : end + 1);
  }
  return true;
}

bool Contains(const std::vector<GroupId>& groups, GroupId group) {
  return std::ranges::find(groups, group) != groups.end();
}

// Returns "group 1" or "groups 1, 2".
template <typename Id>
std::string Named(std::string_view what, const std::vector<Id>& ids) {
  std::string text = Concat(what, ids.size() > 1 ? "s " : " ");
  for (size_t i = 0; i < ids.size(); ++i) {
    Append(&text, i > 0 ? ", " : "", ids[i]);
  }
  return text;
}

}  // namespace

std::string_view ReplicaStateName(ReplicaState state) {
  switch (state) {
    case ReplicaState::kUnknown:
      return "unknown";
    case ReplicaState::kFine:
      return "ok";
    case ReplicaState::kFenced:
      return "fenced";
    case ReplicaState::kStopped:
      return "stopped";
    case ReplicaState::kRefused:
      return "refused";
  }
  return "";
}

LiveView::LiveView(env::Env& env, const raft::Host& host, const Config& config,
                   const shardctrl::ShardMap& map)
    : env_(env),
      host_(host),
      config_(config),
      map_(map),
      own_groups_(map.GroupsOn(config.node)),
      // A link without an answer for two intervals is replaced.
      links_(env, config.raft.election_timeout_max * 2),
      start_(env.random.Bits("node.live_view", config.node.value(), 0) | 1) {
  for (const NodeConfig& node : config.nodes) {
    if (node.id == config.node) continue;
    Peer& peer = peers_.emplace_back();
    peer.config = &node;
    for (const GroupId group : map.GroupsOn(node.id)) {
      peer.replicas[group] = ReplicaState::kUnknown;
    }
  }
}

void LiveView::Start() { Tick(); }

void LiveView::Tick() {
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    if (!std::exchange(peer.answered, false) && ++peer.misses >= kMissesMax &&
        peer.alive) {
      peer.alive = false;
      Change();
    }
    if (!peer.asking && !env_.buggify.Fire("node.status_not_asked")) Query(i);
  }
  if (peers_.empty()) return;
  timer_ = env_.loop.At(MonoNow() + config_.raft.election_timeout_max,
                        [this] { Tick(); });
}

void LiveView::Query(size_t index) {
  Peer& peer = peers_[index];
  peer.asking = true;
  peer.asked = MonoNow();
  links_.To(peer.config->resp)
      .AskStatus(
          host_.identity(), peer.known,
          [this, index](StatusAnswer answer) { OnAnswer(index, answer); });
}

void LiveView::OnAnswer(size_t index, const StatusAnswer& answer) {
  Peer& peer = peers_[index];
  peer.asking = false;
  if (!answer.answered) return;
  peer.answered = true;
  peer.misses = 0;
  const bool back = !std::exchange(peer.alive, true);
  const bool other = TakeIdentity(peer, answer);
  const bool rows = peer.difference.empty() && TakeRows(peer, answer.report);
  if (other) RefreshCutOff();
  if (back || other || rows) Change();
}

bool LiveView::TakeIdentity(Peer& peer, const StatusAnswer& answer) {
  const NodeReport& report = answer.report;
  std::string difference;
  if (report.start != 0) {
    difference =
        IdentityDifference(host_.identity(), peer.config->id, report.identity);
  } else if (answer.strange) {
    difference = "it does not understand the status query of this version";
  } else {
    return false;  // It has too many clients.
  }
  std::vector<GroupId> refused;
  if (difference.empty()) refused = GroupsRefusing(report.identity);
  if (difference == peer.difference && refused == peer.refused &&
      report.refused == peer.refuses) {
    return false;
  }
  peer.difference = std::move(difference);
  peer.refused = std::move(refused);
  peer.refuses = report.refused;
  return true;
}

bool LiveView::TakeRows(Peer& peer, const NodeReport& report) {
  if (report.start == 0 || report.rows.empty()) return false;
  peer.known = {};
  peer.known.start = report.start;
  peer.known.changes = report.changes;
  std::string_view rest = report.rows;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    if (end == std::string_view::npos || !TakeRow(peer, rest.substr(0, end))) {
      break;
    }
    rest.remove_prefix(end + 1);
  }
  return true;
}

bool LiveView::TakeRow(Peer& peer, std::string_view row) {
  std::array<std::string_view, 5> fields;
  uint32_t group_number = 0;
  uint32_t leader = 0;
  uint64_t term = 0;
  uint64_t level = 0;
  if (!SplitRow(row, &fields) || !ParseInteger(fields[0], &group_number) ||
      !ParseInteger(fields[2], &leader) || !ParseInteger(fields[3], &term) ||
      !ParseInteger(fields[4], &level)) {
    return false;
  }
  const GroupId group(group_number);
  const auto replica = peer.replicas.find(group);
  if (replica == peer.replicas.end()) return false;
  for (const ReplicaState state : kReported) {
    if (fields[1] == ReplicaStateName(state)) replica->second = state;
  }
  if (StateOf(peer, group) == ReplicaState::kRefused) return true;
  LearnLeader(group, raft::Term(term), NodeId(leader));
  raft::Level& highest = levels_[group];
  highest = std::max(highest, raft::Level(level));
  // The reports of one node about its own leadership arrive in order.
  const auto known = leaders_.find(group);
  if (known != leaders_.end() && known->second.node == peer.config->id &&
      (raft::Term(term) >= known->second.term || Unfit(replica->second))) {
    known->second.lapsed = NodeId(leader) != peer.config->id;
  }
  return true;
}

const LiveView::Peer* LiveView::FindPeer(NodeId node) const {
  const auto found = std::lower_bound(
      peers_.begin(), peers_.end(), node,
      [](const Peer& peer, NodeId id) { return peer.config->id < id; });
  return found == peers_.end() || found->config->id != node ? nullptr : &*found;
}

bool LiveView::alive(NodeId node) const {
  const Peer* peer = FindPeer(node);
  return peer == nullptr ? node == config_.node : peer->alive;
}

ReplicaState LiveView::StateOf(const Peer& peer, GroupId group) {
  if (!peer.difference.empty() || Contains(peer.refused, group)) {
    return ReplicaState::kRefused;
  }
  const auto found = peer.replicas.find(group);
  CHECK(found != peer.replicas.end()) << "group " << group;
  return found->second;
}

ReplicaState LiveView::replica(GroupId group, NodeId node) const {
  if (node == config_.node) {
    if (OwnStatus(group).ok()) return ReplicaState::kFine;
    if (host_.group_status(group).ok()) return ReplicaState::kRefused;
    return host_.core(group) == nullptr ? ReplicaState::kFenced
                                        : ReplicaState::kStopped;
  }
  const Peer* peer = FindPeer(node);
  CHECK(peer != nullptr) << "node " << node;
  return StateOf(*peer, group);
}

std::string LiveView::refusal(NodeId node) const {
  const Peer* peer = FindPeer(node);
  if (peer == nullptr) return {};
  if (!peer->difference.empty()) return peer->difference;
  if (!peer->refused.empty()) {
    return Concat("its data directory is not the one that belongs to ",
                  Named("group", peer->refused));
  }
  std::vector<GroupId> groups;
  for (const auto& [group, state] : peer->replicas) {
    if (state == ReplicaState::kRefused) groups.push_back(group);
  }
  if (groups.empty()) return {};
  return Concat("the other nodes of ", Named("group", groups), " refuse it");
}

absl::Status LiveView::OwnStatus(GroupId group) const {
  absl::Status status = host_.group_status(group);
  if (!status.ok() || (store_refused_.empty() && cut_off_.empty())) {
    return status;
  }
  // A leader has a majority, so the refusal of one voter does not count.
  if (host_.core(group)->role() == raft::RoleKind::kLeader) return status;
  const auto found = store_refused_.find(group);
  return found != store_refused_.end() ? found->second : CutOff(group);
}

absl::Status LiveView::CutOff(GroupId group) const {
  const auto found = cut_off_.find(group);
  return found == cut_off_.end() ? absl::OkStatus() : found->second;
}

std::vector<GroupId> LiveView::GroupsRefusing(
    const env::TransportIdentity& identity) const {
  std::vector<GroupId> groups;
  for (const GroupId group : own_groups_) {
    if (host_.RefusesStore(group, identity.node, identity.incarnation)) {
      groups.push_back(group);
    }
  }
  return groups;
}

void LiveView::RefreshCutOff() {
  cut_off_.clear();
  store_refused_.clear();
  for (const shardctrl::Group& group : map_.groups()) {
    size_t others = 0;
    std::string different;
    std::vector<NodeId> refusing;
    for (const NodeId voter : group.voters) {
      const Peer* peer = FindPeer(voter);
      if (peer == nullptr) continue;
      if (!peer->difference.empty()) {
        ++others;
        Append(&different, different.empty() ? "" : "; ", "node ", voter, ": ",
               peer->difference);
      } else if (Contains(peer->refuses, group.id)) {
        refusing.push_back(voter);
      }
    }
    if (group.voters.size() - others < group.voters.size() / 2 + 1) {
      cut_off_[group.id] = absl::FailedPreconditionError(
          Concat("this node can reach no majority of the group (", different,
                 "), see docs/operate/failures.md"));
    }
    if (!refusing.empty() && Contains(own_groups_, group.id)) {
      store_refused_[group.id] = absl::FailedPreconditionError(
          Concat("this node's data directory is not the one that belongs to "
                 "the group (refused by ",
                 Named("node", refusing), "), see docs/operate/failures.md"));
    }
  }
}

LiveView::Leader LiveView::leader(GroupId group) const {
  const auto found = leaders_.find(group);
  return found == leaders_.end() ? Leader() : found->second;
}

NodeId LiveView::ReachableLeader(GroupId group) const {
  const Leader known = leader(group);
  const Peer* peer = FindPeer(known.node);
  if (peer == nullptr || !peer->alive || known.lapsed) return NodeId();
  if (!peer->replicas.contains(group) || Unfit(StateOf(*peer, group))) {
    return NodeId();
  }
  return known.node;
}

raft::Level LiveView::level(GroupId group) const {
  const auto found = levels_.find(group);
  return found == levels_.end() ? raft::Level() : found->second;
}

void LiveView::LearnLeader(GroupId group, raft::Term term, NodeId leader) {
  if (leader == NodeId() || config_.FindNode(leader) == nullptr) return;
  Leader& known = leaders_[group];
  if (term <= known.term) return;  // A term has one leader.
  known = {.term = term, .node = leader};
  Change();
}

void LiveView::QuerySoon(GroupId group) {
  const MonoTime now = MonoNow();
  const Duration pause = config_.raft.election_timeout_min / 4;
  for (size_t i = 0; i < peers_.size(); ++i) {
    Peer& peer = peers_[i];
    if (!peer.asking && peer.replicas.contains(group) &&
        (peer.asked == MonoTime::Min() || now >= peer.asked + pause)) {
      Query(i);
    }
  }
}

NodeReport LiveView::Report(const NodeReport& known,
                            const env::TransportIdentity& asker) {
  std::string rows;
  for (const GroupId group : own_groups_) {
    const ReplicaState state = replica(group, config_.node);
    NodeId leader;
    raft::Term term;
    raft::Level level;
    if (state == ReplicaState::kFine) {
      const raft::Core& core = *host_.core(group);
      term = core.term();
      level = core.configuration().level;
      leader = host_.leader(group);
      if ((leader == config_.node) !=
          (core.role() == raft::RoleKind::kLeader)) {
        leader = NodeId();
      }
    }
    Append(&rows, group, ' ', ReplicaStateName(state), ' ', leader, ' ', term,
           ' ', level, '\n');
  }
  if (rows != rows_) {
    rows_ = std::move(rows);
    ++reported_;
  }
  NodeReport report;
  report.identity = host_.identity();
  if (IdentityDifference(report.identity, asker.node, asker).empty()) {
    report.refused = GroupsRefusing(asker);
  }
  report.start = start_;
  report.changes = reported_;
  if (known.start != start_ || known.changes != reported_) report.rows = rows_;
  return report;
}

void LiveView::Change() {
  ++version_;
  if (observer_) observer_();
}

}  // namespace quorate::node
