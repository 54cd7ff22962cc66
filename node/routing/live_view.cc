#include "node/routing/live_view.h"

#include <algorithm>

#include "env/check.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// An election takes a small part of its timeout if it begins by a transfer.
constexpr int64_t kQueriesInATimeout = 16;

constexpr std::string_view kAnotherAnswers =
    "another node answers at its address";

// The reason in words about "it", the other node. Empty: none.
std::string_view RefusalText(env::HandshakeRefusal refusal) {
  using Refusal = env::HandshakeRefusal;
  switch (refusal) {
    case Refusal::kNone:
      return "";
    case Refusal::kOtherCluster:
      return "it belongs to another cluster";
    case Refusal::kOtherNode:
      return kAnotherAnswers;
    case Refusal::kNoCommonVersion:
      return "it speaks another version of the peer protocol";
    case Refusal::kUnknownNode:
      return "its configuration does not name this node";
    case Refusal::kOtherBootstrap:
      return "it was bootstrapped with other groups, replicas, read-only nodes "
             "or slots than this node";
    case Refusal::kOtherStore:
      return "it or this node has a data directory that the cluster has given "
             "up, or it is connected to another process that is this node";
    case Refusal::kEarlierStart:
      return "it or this node runs on an old copy of its data directory";
    case Refusal::kOwnStore:
      return "it runs on a copy of the data directory of this node";
    case Refusal::kOtherFounding:
      return "it is of another cluster with the same id";
    case Refusal::kOtherCertificate:
      return "its certificate or that of this node does not name its node";
  }
  return "";
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
    case ReplicaState::kHalted:
      return "halted";
  }
  return "";
}

LiveView::LiveView(env::Env& env, const raft::Host& host, const Config& config,
                   ClusterMap& cluster, PeerLinks& links)
    : env_(env),
      host_(host),
      config_(config),
      cluster_(cluster),
      links_(links),
      start_(env.random.Bits("node.live_view", config.node.value(), 0) | 1) {
  MakePeers();
}

void LiveView::MakePeers() {
  std::vector<Peer> before = std::exchange(peers_, {});
  auto old = before.begin();
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id == config_.node) continue;
    while (old != before.end() && old->node < node.id) ++old;
    if (old != before.end() && old->node == node.id) {
      peers_.push_back(std::move(*old));
    } else {
      peers_.emplace_back().node = node.id;
    }
    Peer& peer = peers_.back();
    if (peer.known.start != 0) continue;
    peer.replicas.clear();
    for (const GroupId group : cluster_.shards().GroupsOn(node.id)) {
      peer.replicas[group] = ReplicaState::kUnknown;
    }
  }
}

void LiveView::Start() {
  started_ = true;
  Tick();
}

void LiveView::OnMapChanged() {
  const bool alone = peers_.empty();
  MakePeers();
  if (started_ && alone) Tick();
  RefreshCutOff();
  Change();
}

void LiveView::TellMap() {
  for (Peer& peer : peers_) {
    if (!peer.alive || peer.map >= cluster_.shards().version()) continue;
    peer.asked = MonoNow();
    links_.TellStatus(peer.node);
  }
}

void LiveView::OnAddressesChanged() { Change(); }

void LiveView::OnOwnChange() {
  RefreshCutOff();
  Change();
}

void LiveView::Tick() {
  for (Peer& peer : peers_) TickPeer(peer);
  // A controller that was recovered may begin again below a lost version.
  newest_reported_ = newest_map().version;
  if (peers_.empty()) return;
  timer_ = env_.loop.At(MonoNow() + config_.host.core.election_timeout_max,
                        [this] { Tick(); });
}

void LiveView::TickPeer(Peer& peer) {
  TakeHandshake(peer);
  const NodeId node = peer.node;
  const bool answered = std::exchange(peer.answered, false);
  if (!answered && ++peer.misses >= kMissesMax && peer.alive) {
    peer.alive = false;
    Change();
  }
  const bool useless = !peer.difference.empty() || AllStopped(peer);
  peer.faults = useless ? peer.faults + 1 : 0;
  // That node's queries answer the ones which this node sends as its answers.
  // One of the two always asks, so no interval passes without a question.
  const bool asked = links_.TakeAsked(node);
  if (answered && asked && node < config_.node) return;
  if (!env_.buggify.Fire("node.status_not_asked")) Query(peer);
}

void LiveView::Query(Peer& peer) {
  peer.asked = MonoNow();
  links_.AskStatus(peer.node);
}

const NodeReport& LiveView::Known(NodeId node) {
  const Peer* peer = FindPeer(node);
  return peer == nullptr ? none_ : peer->known;
}

void LiveView::OnLinkOpened(NodeId node) {
  Peer* peer = FindPeer(node);
  if (peer == nullptr) return;
  TakeHandshake(*peer);
  Query(*peer);
}

void LiveView::TakeHandshake(Peer& peer) {
  env::HandshakeRefusal refusal = env_.transport.link(peer.node).refusal;
  // That says nothing about the peer, which may be reachable elsewhere.
  peer.another_answers = refusal == env::HandshakeRefusal::kOtherNode;
  if (peer.another_answers) refusal = env::HandshakeRefusal::kNone;
  if (refusal != env::HandshakeRefusal::kNone) NoteAnswer(peer);
  const std::string_view difference = RefusalText(refusal);
  if (difference == peer.difference) return;
  peer.difference = difference;
  peer.refused.clear();
  peer.refuses.clear();
  RefreshCutOff();
  Change();
}

void LiveView::NoteAnswer(Peer& peer) {
  peer.answered = true;
  peer.misses = 0;
  if (!std::exchange(peer.alive, true)) Change();
}

void LiveView::OnReport(NodeId node, StoreIncarnation store,
                        const NodeReport& report) {
  Peer* peer = FindPeer(node);
  if (peer == nullptr || !peer->difference.empty()) return;
  NoteAnswer(*peer);
  const bool other = TakeRefusals(*peer, store, report);
  const bool rows = TakeRows(*peer, report);
  peer->map = report.map;
  newest_reported_ = std::max(newest_reported_, report.map);
  TakeAddresses(report);
  if (other) RefreshCutOff();
  if (other || rows) Change();
  if (report.map > cluster_.shards().version() && map_observer_) {
    map_observer_();
  }
}

LiveView::NewestMap LiveView::newest_map() const {
  NewestMap newest{.version = cluster_.shards().version()};
  for (const Peer& peer : peers_) {
    if (!peer.alive || !peer.difference.empty()) continue;
    if (peer.map > newest.version) newest = {peer.node, peer.map};
  }
  return newest;
}

bool LiveView::TakeRefusals(Peer& peer, StoreIncarnation store,
                            const NodeReport& report) {
  std::vector<GroupId> refused = GroupsRefusing(peer.node, store);
  if (refused == peer.refused && report.refused == peer.refuses) return false;
  peer.refused = std::move(refused);
  peer.refuses = report.refused;
  return true;
}

bool LiveView::TakeRows(Peer& peer, const NodeReport& report) {
  if (report.known || (report.start == peer.known.start &&
                       report.changes < peer.known.changes)) {
    return false;
  }
  peer.known.start = report.start;
  peer.known.changes = report.changes;
  peer.replicas.clear();
  for (const ReplicaReport& row : report.rows) TakeRow(peer, row);
  return true;
}

// A change of the map is told to this view, too, so no peer is in use here.
void LiveView::TakeAddresses(const NodeReport& report) {
  for (const NodeAddresses& row : report.addresses) {
    cluster_.LearnFromOther(row);
  }
}

void LiveView::TakeRow(Peer& peer, const ReplicaReport& row) {
  peer.replicas[row.group] = row.state;
  if (StateOf(peer, row.group) == ReplicaState::kRefused) return;
  LearnLeader(row.group, row.term, row.leader);
  raft::Level& highest = levels_[row.group];
  highest = std::max(highest, row.level);
  // The reports of one node about its own leadership arrive in order.
  const auto known = leaders_.find(row.group);
  if (known != leaders_.end() && known->second.node == peer.node &&
      (row.term >= known->second.term || Unfit(row.state))) {
    known->second.lapsed = row.leader != peer.node;
  }
}

const LiveView::Peer* LiveView::FindPeer(NodeId node) const {
  const auto found = std::lower_bound(
      peers_.begin(), peers_.end(), node,
      [](const Peer& peer, NodeId id) { return peer.node < id; });
  return found == peers_.end() || found->node != node ? nullptr : &*found;
}

bool LiveView::alive(NodeId node) const {
  const Peer* peer = FindPeer(node);
  return peer == nullptr ? node == config_.node : peer->alive;
}

bool LiveView::works(NodeId node) const {
  const Peer* peer = FindPeer(node);
  if (peer == nullptr) return node == config_.node;
  return peer->alive && peer->faults < kMissesMax;
}

bool LiveView::alone() const {
  return !peers_.empty() &&
         std::ranges::none_of(peers_, [this](const Peer& peer) {
           return env_.transport.link(peer.node).open;
         });
}

// The disk failed. A node without replicas has none of it to report.
bool LiveView::AllStopped(const Peer& peer) {
  return !peer.replicas.empty() &&
         std::ranges::all_of(peer.replicas, [](const auto& row) {
           return row.second == ReplicaState::kStopped;
         });
}

ReplicaState LiveView::StateOf(const Peer& peer, GroupId group) {
  if (!peer.difference.empty() || Contains(peer.refused, group)) {
    return ReplicaState::kRefused;
  }
  const auto found = peer.replicas.find(group);
  return found == peer.replicas.end() ? ReplicaState::kStopped : found->second;
}

ReplicaState LiveView::replica(GroupId group, NodeId node) const {
  if (node == config_.node) {
    using Condition = raft::Host::Condition;
    switch (host_.condition(group)) {
      case Condition::kWorks:
        return OwnStatus(group).ok() ? ReplicaState::kFine
                                     : ReplicaState::kRefused;
      case Condition::kHalted:
        return ReplicaState::kHalted;
      case Condition::kFenced:
        return ReplicaState::kFenced;
      case Condition::kStopped:
      case Condition::kNotHeld:
        return ReplicaState::kStopped;
    }
  }
  const Peer* peer = FindPeer(node);
  return peer == nullptr ? ReplicaState::kStopped : StateOf(*peer, group);
}

std::string LiveView::refusal(NodeId node) const {
  const Peer* peer = FindPeer(node);
  if (peer == nullptr) return {};
  if (!peer->difference.empty()) return peer->difference;
  if (!peer->alive && peer->another_answers) {
    return std::string(kAnotherAnswers);
  }
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

std::vector<GroupId> LiveView::GroupsOn(NodeId node) const {
  std::vector<GroupId> groups;
  if (node != config_.node) {
    const Peer* const peer = FindPeer(node);
    if (peer == nullptr) return groups;
    for (const auto& [group, state] : peer->replicas) groups.push_back(group);
    return groups;
  }
  groups = host_.groups();
  for (const auto& [group, replicas] : host_.failed()) groups.push_back(group);
  // A host that has stopped may know none of them.
  for (const GroupId group : cluster_.shards().GroupsOn(node)) {
    if (Holds(node, group)) groups.push_back(group);
  }
  std::ranges::sort(groups);
  const auto repeated = std::ranges::unique(groups);
  groups.erase(repeated.begin(), repeated.end());
  return groups;
}

bool LiveView::Holds(NodeId node, GroupId group) const {
  if (node == config_.node) {
    return host_.condition(group) != raft::Host::Condition::kNotHeld;
  }
  const Peer* const peer = FindPeer(node);
  return peer != nullptr && peer->replicas.contains(group);
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

std::vector<GroupId> LiveView::GroupsRefusing(NodeId node,
                                              StoreIncarnation store) const {
  std::vector<GroupId> groups;
  for (const GroupId group : host_.groups()) {
    if (host_.RefusesStore(group, node, store)) groups.push_back(group);
  }
  return groups;
}

std::vector<NodeId> LiveView::VotersOf(const shardctrl::Group& group) const {
  const raft::Core* const core = host_.core(group.id);
  if (core == nullptr || core->configuration().voters.empty()) {
    return group.voters;
  }
  std::vector<NodeId> voters;
  for (const raft::Member& voter : core->configuration().voters) {
    voters.push_back(voter.node);
  }
  std::ranges::sort(voters);
  return voters;
}

void LiveView::RefreshCutOff() {
  cut_off_.clear();
  store_refused_.clear();
  const bool any_refusal = std::ranges::any_of(peers_, [](const Peer& peer) {
    return !peer.difference.empty() || !peer.refuses.empty();
  });
  if (!any_refusal) return;
  for (const shardctrl::Group& group : cluster_.shards().groups()) {
    const std::vector<NodeId> voters = VotersOf(group);
    size_t others = 0;
    std::string different;
    std::vector<NodeId> refusing;
    for (const NodeId voter : voters) {
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
    if (voters.size() - others < voters.size() / 2 + 1) {
      cut_off_[group.id] = absl::FailedPreconditionError(
          Concat("this node can reach no majority of the group (", different,
                 "), see docs/operate/failures.md"));
    }
    if (!refusing.empty() && Holds(config_.node, group.id)) {
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
  if (leader == NodeId() || cluster_.FindNode(leader) == nullptr) return;
  Leader& known = leaders_[group];
  if (term <= known.term) return;  // A term has one leader.
  known = {.term = term, .node = leader};
  Change();
}

MonoTime LiveView::QuerySoon(GroupId group) {
  const MonoTime now = MonoNow();
  const Duration pause =
      config_.host.core.election_timeout_min / kQueriesInATimeout;
  MonoTime again = now + pause;
  for (Peer& peer : peers_) {
    if (!peer.replicas.contains(group)) continue;
    if (peer.asked == MonoTime::Min() || now >= peer.asked + pause) {
      Query(peer);
    } else {
      again = std::min(again, peer.asked + pause);
    }
  }
  return again;
}

std::vector<NodeAddresses> LiveView::AddressesToReport() const {
  std::vector<NodeAddresses> addresses;
  size_t size = 0;
  for (const auto& [node, report] : cluster_.reports()) {
    if (cluster_.FindNode(node) == nullptr) continue;
    size += EncodedSize(report);
    if (size > kReportAddressBytesMax) break;
    addresses.push_back(report);
  }
  return addresses;
}

NodeReport LiveView::Report(NodeId asker, StoreIncarnation store,
                            const StatusQuery& query) {
  std::vector<ReplicaReport> rows;
  const std::vector<GroupId> own_groups = GroupsOn(config_.node);
  rows.reserve(std::min(own_groups.size(), kReportRowsMax));
  for (const GroupId group : own_groups) {
    if (rows.size() == kReportRowsMax) break;
    ReplicaReport& row = rows.emplace_back();
    row.group = group;
    row.state = replica(group, config_.node);
    if (row.state != ReplicaState::kFine) continue;
    const raft::Core& core = *host_.core(group);
    row.term = core.term();
    row.level = core.configuration().level;
    const NodeId leader = host_.leader(group);
    if ((leader == config_.node) == (core.role() == raft::RoleKind::kLeader)) {
      row.leader = leader;
    }
  }
  std::vector<NodeAddresses> addresses = AddressesToReport();
  if (rows != rows_ || addresses != addresses_ || reported_ == 0) {
    rows_ = std::move(rows);
    addresses_ = std::move(addresses);
    ++reported_;
  }
  NodeReport report;
  report.refused = GroupsRefusing(asker, store);
  if (report.refused.size() > kReportRowsMax) {
    report.refused.resize(kReportRowsMax);
  }
  report.start = start_;
  report.changes = reported_;
  report.map = cluster_.shards().version();
  report.known = query.start == start_ && query.changes == reported_;
  if (report.known) return report;
  report.rows = rows_;
  report.addresses = addresses_;
  return report;
}

void LiveView::Change() {
  ++version_;
  if (!observer_ || std::exchange(change_pending_, true)) return;
  observer_call_ = env_.loop.Defer([this] {
    change_pending_ = false;
    observer_();
  });
}

}  // namespace quorate::node
