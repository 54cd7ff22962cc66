#include "sim/cluster/cluster_checks.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "kv/store/store.h"
#include "node/server.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"
#include "raft/host/host.h"
#include "raft/transport/transport.h"
#include "shardctrl/controller/machine.h"

namespace quorate::sim {
namespace {

// The elections that a calm group may need before it serves.
constexpr int64_t kElectionTimeouts = 10;

// The metrics of work that ends when no client waits. Input is not among them:
// a connection to a client that lost power may have watched keys for ever.
constexpr absl::string_view kWorkGauges[] = {
    "quorate_output_held_bytes",     "quorate_clients_without_room",
    "quorate_clients_gone",          "quorate_proposals_pending",
    "quorate_held_requests",         "quorate_held_request_bytes",
    "quorate_peer_held_bytes",       "quorate_output_reserved_bytes",
    "quorate_memory_reserved_bytes",
};

// The log has its present file open, and the next one. The snapshot of each
// group is open, too, to be sent.
constexpr size_t kLogFilesMax = 2;
// The end mark of the log may be open, too.
constexpr std::string_view kLogEndName = "log.end";
// The answer to a node that has the newest state of the controller.
constexpr size_t kPollBytes = 64;
// snap-GROUP-…, with eight digits. The list of files is in order.
constexpr absl::string_view kSnapshotPrefix = "snap-";
constexpr absl::string_view kLogPrefix = "log-";
constexpr size_t kSnapshotGroupBytes = kSnapshotPrefix.size() + 8;

// Whether a line of the page of metrics, "name{labels} value", is that of a
// gauge above zero.
bool ShowsWork(absl::string_view line) {
  const auto is_of = [line](absl::string_view gauge) {
    return absl::StartsWith(line, gauge) && line.size() > gauge.size() &&
           (line[gauge.size()] == ' ' || line[gauge.size()] == '{');
  };
  return std::any_of(std::begin(kWorkGauges), std::end(kWorkGauges), is_of) &&
         line.substr(line.rfind(' ') + 1) != "0";
}

// Whether the replica can take entries behind this position of its leader's
// log: it has the entry there, or a later snapshot.
bool Reaches(const raft::Core& replica, const raft::LogPosition& start) {
  return !replica.installing() && (replica.log_start().index >= start.index ||
                                   replica.TermAt(start.index) == start.term);
}

// That of a running replica of the controller. Null: none runs.
const shardctrl::ClusterState* NewestControllerState(const Cluster& cluster) {
  const shardctrl::ClusterState* newest = nullptr;
  for (const node::NodeConfig& node : cluster.nodes()) {
    const node::Server* const at = cluster.server(node.id);
    if (at == nullptr ||
        !at->host().group_status(shardctrl::kControllerGroup).ok())
      continue;
    const auto* const machine =
        static_cast<const shardctrl::ControllerMachine*>(
            at->host().state_machine(shardctrl::kControllerGroup));
    if (newest == nullptr || machine->state().version > newest->version)
      newest = &machine->state();
  }
  return newest;
}

bool Contains(const std::vector<MachineId>& machines, MachineId machine) {
  return std::find(machines.begin(), machines.end(), machine) != machines.end();
}

}  // namespace

Duration GreatestTiming(const Cluster& cluster,
                        Duration raft::CoreOptions::*timing) {
  Duration greatest;
  for (const node::Config& config : cluster.configs()) {
    greatest = std::max(greatest, config.host.core.*timing);
  }
  return greatest;
}

Duration LeaderBound(const Cluster& cluster) {
  // A node may pause before it dials a peer again.
  Duration redial;
  for (const raft::TransportOptions& options : cluster.peer_streams()) {
    redial = std::max(redial, options.redial_max);
  }
  // Of a node that moved, others know the last report, the first address and
  // the seeds. They may try each for the longest time.
  Duration search;
  if (cluster.changes_addresses()) {
    search = node::Server::kDialPatience *
             static_cast<int64_t>(cluster.nodes().size() + 1);
  }
  return GreatestTiming(cluster, &raft::CoreOptions::election_timeout_max) *
             kElectionTimeouts +
         redial + search;
}

int64_t CalmTrips(const Cluster& cluster) {
  constexpr int64_t kTrips = 12;
  constexpr int64_t kTripsOfWindow = 2;
  for (const node::Config& config : cluster.configs()) {
    if (config.host.peer_window_bytes < raft::HostLimits().peer_window_bytes) {
      return kTrips +
             kTripsOfWindow * static_cast<int64_t>(cluster.groups().size());
    }
  }
  return kTrips;
}

Duration AvailabilityBound(const Cluster& cluster) {
  // A node may wait for the reply of a leader that has just lost its role.
  Duration proxy;
  for (const node::Config& config : cluster.configs()) {
    proxy = std::max(proxy, config.timeouts.proxy);
  }
  return LeaderBound(cluster) + proxy;
}

RepeatedWork::Windows WindowsOfLeaders(const Cluster& cluster) {
  RepeatedWork::Windows most;
  for (const node::Config& config : cluster.configs()) {
    const raft::CoreOptions& core = config.host.core;
    most.entry_bytes = std::max<uint64_t>(
        most.entry_bytes, core.inflight_bytes_max + core.append_bytes_max);
    most.chunk_bytes =
        std::max<uint64_t>(most.chunk_bytes, core.snapshot_inflight_bytes_max +
                                                 core.snapshot_chunk_bytes);
  }
  return most;
}

Recorder::Limits LimitsOfNodes(const Cluster& cluster) {
  Recorder::Limits limits;
  std::set<NodeId> read_only;
  for (const node::NodeConfig& node : cluster.nodes()) {
    if (node.read_only) read_only.insert(node.id);
  }
  limits.read_only = [read_only = std::move(read_only)](NodeId node) {
    return read_only.contains(node);
  };
  for (const node::Config& config : cluster.configs()) {
    limits.memory |= config.limits.memory_bytes > 0;
  }
  return limits;
}

std::vector<NodeId> ClusterChecks::NeedSnapshot(GroupId group) const {
  std::vector<NodeId> nodes;
  const NodeId leader = cluster_.LeaderOf(group);
  if (leader == NodeId()) return nodes;
  const raft::Core* const core = cluster_.server(leader)->host().core(group);
  if (core == nullptr) return nodes;
  for (const node::NodeConfig& config : cluster_.nodes()) {
    const node::Server* const at = cluster_.server(config.id);
    const raft::Core* const replica =
        at == nullptr ? nullptr : at->host().core(group);
    if (replica != nullptr && !Reaches(*replica, core->log_start())) {
      nodes.push_back(config.id);
    }
  }
  return nodes;
}

bool ClusterChecks::LacksVoter(NodeId node) const {
  return std::ranges::any_of(cluster_.groups(), [&](const GroupMembers& shard) {
    return shard.Has(node) && !LeftOut(shard.group, node) &&
           LacksReplica(node, shard.group);
  });
}

bool ClusterChecks::LacksReplica(NodeId node, GroupId group) const {
  const node::Server* const at = cluster_.server(node);
  if (at == nullptr) return false;
  const raft::Core* const core = at->host().core(group);
  return core != nullptr
             ? core->joining()
             : at->host().condition(group) == raft::Host::Condition::kNotHeld;
}

bool ClusterChecks::HasMajority(GroupId group,
                                const std::vector<MachineId>& machines) const {
  for (const GroupMembers& shard : cluster_.groups()) {
    if (shard.group != group) continue;
    const std::vector<NodeId> behind = NeedSnapshot(group);
    const auto works = [&](NodeId node) {
      return !cluster_.MayNotWork(node, group) && !LacksReplica(node, group) &&
             Contains(machines, cluster_.machine(node)) &&
             std::find(behind.begin(), behind.end(), node) == behind.end();
    };
    return shard.Majority(works);
  }
  return false;
}

bool ClusterChecks::AllWorkExcept(
    NodeId node, GroupId group, const std::vector<MachineId>& machines) const {
  for (const GroupMembers& shard : cluster_.groups()) {
    if (shard.group != group) continue;
    const std::vector<NodeId> members = shard.members();
    return NeedSnapshot(group).empty() && !shard.Has(NodeId()) &&
           std::all_of(members.begin(), members.end(), [&](NodeId member) {
             return Contains(machines, cluster_.machine(member)) &&
                    (member == node || !cluster_.MayNotWork(member, group));
           });
  }
  return false;
}

bool ClusterChecks::HasVoters(const GroupMembers& shard,
                              const std::vector<MachineId>& machines) const {
  return shard.Majority(
      [&](NodeId node) { return Contains(machines, cluster_.machine(node)); });
}

bool ClusterChecks::NamesNode(const raft::Configuration& configuration,
                              NodeId node) const {
  bool named = false;
  raft::ForEachMember(configuration, [&](const raft::Member& member) {
    named |= cluster_.NumberOf(member.node) == node;
  });
  return named;
}

bool ClusterChecks::MayNotJoin(NodeId node, const raft::Core& leader) const {
  return cluster_.server(node) != nullptr &&
         cluster_.KnownLevel(node) < leader.configuration().level;
}

bool ClusterChecks::MembersStayed(
    const std::vector<MachineId>& machines) const {
  const bool nobody_fills = ControllerIsLost(machines);
  for (const GroupMembers& shard : cluster_.groups()) {
    const NodeId leader = cluster_.LeaderOf(shard.group);
    if (leader == NodeId()) continue;
    const raft::Core& led = *cluster_.server(leader)->host().core(shard.group);
    for (const NodeId node : shard.members()) {
      const node::Server* const at = cluster_.server(node);
      const bool absent =
          at != nullptr && at->host().core(shard.group) == nullptr;
      const bool given_up =
          absent && nobody_fills && cluster_.MayNotWork(node, shard.group);
      if (!NamesNode(led.configuration(), node) || given_up ||
          (absent && MayNotJoin(node, led))) {
        return false;
      }
    }
  }
  return true;
}

bool ClusterChecks::Settled(const std::vector<MachineId>& machines) {
  const std::vector<GroupMembers>& shards = cluster_.groups();
  // The group that had not settled at the last call is asked first.
  if (unsettled_ >= shards.size()) unsettled_ = 0;
  if (!GroupSettled(shards[unsettled_], machines)) return false;
  for (size_t i = 0; i < shards.size(); ++i) {
    if (i == unsettled_ || GroupSettled(shards[i], machines)) continue;
    unsettled_ = i;
    return false;
  }
  return true;
}

bool ClusterChecks::MayHaveMajority(
    const GroupMembers& shard, const std::vector<MachineId>& machines) const {
  return shard.Majority([&](NodeId node) {
    return !cluster_.MayNotWork(node, shard.group) &&
           Contains(machines, cluster_.machine(node));
  });
}

bool ClusterChecks::ControllerIsLost(
    const std::vector<MachineId>& machines) const {
  const auto& groups = cluster_.groups();
  return !MayHaveMajority(
      *std::ranges::find(groups, shardctrl::kControllerGroup,
                         &GroupMembers::group),
      machines);
}

bool ClusterChecks::IsHaltedByRight(NodeId node, GroupId group) const {
  const raft::Host& host = cluster_.server(node)->host();
  const raft::Core* const core = host.core(group);
  return core->halted_at() != raft::Index() &&
         replica_checker_.RoseWithout(group, core->replica(),
                                      host.state_machine(group)->known_level());
}

bool ClusterChecks::GroupSettled(const GroupMembers& shard,
                                 const std::vector<MachineId>& machines) const {
  // Without a majority for good it waits, and no client notices.
  if (!shard.stores && !MayHaveMajority(shard, machines)) return true;
  const NodeId leader = cluster_.LeaderOf(shard.group);
  if (leader == NodeId()) return false;
  const raft::Core& led = *cluster_.server(leader)->host().core(shard.group);
  const raft::Index end = led.last().index;
  for (const NodeId node : shard.members()) {
    // A clock that was wrong may have made a silent node count as dead. Then
    // its replica was rebuilt on another node.
    if (!Contains(machines, cluster_.machine(node)) ||
        !NamesNode(led.configuration(), node)) {
      continue;
    }
    const node::Server* at = cluster_.server(node);
    // The node does not run yet.
    if (at == nullptr && !cluster_.MayNotStart(node)) return false;
    const raft::Core* core =
        at == nullptr ? nullptr : at->host().core(shard.group);
    if (core == nullptr) {
      if (!MayNotJoin(node, led) && !cluster_.MayNotWork(node, shard.group)) {
        return false;
      }
      continue;
    }
    // Only the controller brings a new replica into its group.
    if (core->joining() && ControllerIsLost(machines)) continue;
    if ((core->applied_index() != end && !IsHaltedByRight(node, shard.group)) ||
        cluster_.NumberOf(at->host().leader(shard.group)) != leader) {
      return false;
    }
  }
  return true;
}

// Pieces of snapshots that have arrived wait for the disk.
uint64_t ClusterChecks::Progress() const {
  uint64_t progress = OpenSnapshotBytes();
  const auto pieces = world_.marks().find("raft.snapshot_chunk_received");
  if (pieces != world_.marks().end()) progress += pieces->second;
  for (const GroupMembers& shard : cluster_.groups()) {
    for (const NodeId node : shard.members()) {
      const node::Server* const at = cluster_.server(node);
      const raft::Core* const core =
          at == nullptr ? nullptr : at->host().core(shard.group);
      if (core != nullptr) progress += core->applied_index().value();
    }
  }
  return progress;
}

void ClusterChecks::CheckLeaders(
    SimTime since,
    absl::FunctionRef<const std::vector<MachineId>&(MachineId)> part_of) {
  for (const node::NodeConfig& config : cluster_.nodes()) {
    const node::Server* const server = cluster_.server(config.id);
    if (server == nullptr) continue;
    const std::vector<MachineId>& part = part_of(cluster_.machine(config.id));
    if (part.empty()) continue;
    for (const GroupMembers& shard : cluster_.groups()) {
      const raft::Core* const core = server->host().core(shard.group);
      if (core == nullptr || core->role() != raft::RoleKind::kLeader) continue;
      ++leaders_checked_;
      if (HasVoters(shard, part)) continue;
      world_.Violate(
          absl::StrCat("check-quorum: node ", config.id.value(),
                       " still leads group ", shard.group.value(),
                       " without a majority, which it has not heard since ",
                       since.ms(), " ms"));
      return;
    }
  }
}

void ClusterChecks::CheckKnownLeaders(
    SimTime since, Duration bound,
    absl::FunctionRef<const std::vector<MachineId>&(MachineId)> part_of) {
  const auto before = std::exchange(leaderless_since_, {});
  for (const GroupMembers& shard : cluster_.groups()) {
    const GroupId group = shard.group;
    const NodeId leader = cluster_.LeaderOf(group);
    for (const node::NodeConfig& config : cluster_.nodes()) {
      const node::Server* const server = cluster_.server(config.id);
      if (server == nullptr || cluster_.MayNotWork(config.id)) continue;
      const bool stores = shard.stores;
      if (!stores && (!shard.Has(config.id) || LeftOut(group, config.id))) {
        continue;
      }
      // Nodes that come or go know less.
      if (cluster_.places().change() && !IsMember(config.id)) continue;
      const NodeId named = cluster_.NumberOf(
          stores ? server->LeaderOf(group) : server->host().leader(group));
      ++known_leaders_checked_;
      if (named != NodeId() && named == leader) continue;
      const std::vector<MachineId> part =
          StartedAmong(part_of(cluster_.machine(config.id)));
      if (!HasMajority(group, part)) continue;
      const std::pair<NodeId, GroupId> key(config.id, group);
      const auto known = before.find(key);
      const SimTime begin =
          std::max(since, known == before.end() ? world_.now() : known->second);
      leaderless_since_[key] = begin;
      if (world_.now() - begin < bound) continue;
      world_.Violate(absl::StrCat(
          "leader: node ", config.id.value(), " names ",
          named == NodeId() ? "none" : absl::StrCat("node ", named.value()),
          " of group ", group.value(), ", which ",
          leader == NodeId() ? "none" : absl::StrCat("node ", leader.value()),
          " leads; it has not known the leader since ", begin.ms(),
          " ms, though it reaches a majority"));
      return;
    }
  }
}

// The controller moves its own replica from a node that counted as dead.
bool ClusterChecks::LeftOut(GroupId group, NodeId node) const {
  const NodeId leader = cluster_.LeaderOf(group);
  return leader != NodeId() &&
         !NamesNode(
             cluster_.server(leader)->host().core(group)->configuration(),
             node);
}

bool ClusterChecks::IsMember(NodeId node) const {
  return std::any_of(
      cluster_.groups().begin(), cluster_.groups().end(),
      [node](const GroupMembers& group) { return group.Has(node); });
}

// A start with a long log takes a while.
std::vector<MachineId> ClusterChecks::StartedAmong(
    const std::vector<MachineId>& machines) const {
  std::vector<MachineId> started;
  for (const MachineId machine : machines) {
    if (cluster_.server(NodeId(machine.value())) != nullptr) {
      started.push_back(machine);
    }
  }
  return started;
}

void ClusterChecks::CheckLogSpace(LogSpaceChecker* checker) const {
  for (const node::NodeConfig& config : cluster_.nodes()) {
    const std::optional<LogSpaceChecker::Use> use = LogUseOf(config.id);
    if (use.has_value()) {
      checker->Check(world_.now(), config.id, *use);
    } else {
      checker->Excuse(config.id);
    }
  }
}

std::optional<LogSpaceChecker::Use> ClusterChecks::LogUseOf(NodeId node) const {
  const node::Server* const server = cluster_.server(node);
  const MachineId machine = cluster_.machine(node);
  if (server == nullptr || cluster_.MayNotWork(node) ||
      world_.paused(machine)) {
    return std::nullopt;
  }
  const node::Config& config = cluster_.configs()[node.value() - 1];
  LogSpaceChecker::Use use{.segment_bytes = config.host.log.segment_bytes,
                           .slack_segments = config.host.log.slack_segments};
  size_t replicas = 0;
  for (const GroupMembers& shard : cluster_.groups()) {
    if (!shard.Has(node)) continue;
    ++replicas;
    const raft::Core* const core = server->host().core(shard.group);
    if (core == nullptr || core->installing() ||
        server->host().condition(shard.group) !=
            raft::Host::Condition::kWorks) {
      return std::nullopt;
    }
    use.live_bytes +=
        replica_checker_.BytesBehind(shard.group, core->log_start().index);
    // Entries that are not committed are in memory.
    const raft::Index known =
        std::max({core->log_start().index, core->evicted(),
                  replica_checker_.committed(shard.group)});
    for (raft::Index index = known; index < core->last().index;) {
      use.live_bytes += core->EntryAt(++index).size_bytes();
    }
  }
  // Others were left out, and the node does not know that yet. Without a
  // replica nothing is written, and files are freed after a write.
  if (replicas == 0 || server->host().groups().size() != replicas) {
    return std::nullopt;
  }
  for (const std::string& file : world_.DiskFiles(machine)) {
    if (!absl::StartsWith(file, kLogPrefix)) continue;
    const uint64_t bytes = world_.DiskFileSize(machine, file);
    use.file_bytes += bytes;
    use.largest_file_bytes = std::max(use.largest_file_bytes, bytes);
  }
  return use;
}

void ClusterChecks::BeginCalm() {
  for (const GroupMembers& shard : cluster_.groups()) {
    calm_leaderships_[shard.group] = {
        .begun = replica_checker_.leaderships(shard.group),
        .given_away = cluster_.given_away(shard.group)};
  }
}

void ClusterChecks::EndCalm() {
  const shardctrl::ClusterState* const state = NewestControllerState(cluster_);
  for (const GroupMembers& shard : cluster_.groups()) {
    const shardctrl::GroupRecord* const group =
        state == nullptr ? nullptr : state->FindGroup(shard.group);
    const NodeId preferred =
        group == nullptr ? shard.voters.front() : group->preferred_leader;
    const auto before = calm_leaderships_.find(shard.group);
    if (before == calm_leaderships_.end()) continue;
    const size_t begun =
        replica_checker_.leaderships(shard.group) - before->second.begun;
    const NodeId leader = replica_checker_.last_leader(shard.group);
    // Slots that move may fill the disk of a leader of another group. That one
    // gives its leadership away, and may get it back.
    const size_t excused =
        cluster_.places().change()
            ? 2 * (cluster_.given_away(shard.group) - before->second.given_away)
            : 0;
    if (begun <= excused || (begun == excused + 1 && leader == preferred)) {
      continue;
    }
    world_.Violate(absl::StrCat("availability: ", begun,
                                " leaderships of group ", shard.group.value(),
                                ", the last at node ", leader.value(),
                                ", began though no fault was left"));
  }
  calm_leaderships_.clear();
}

void ClusterChecks::CheckOwned(NodeId node, const GroupMembers& shard,
                               const kv::Store& store) {
  const auto owned = store.owned();
  const bool same =
      std::equal(owned.begin(), owned.end(), shard.slots.begin(),
                 shard.slots.end(), [](const auto& range, const auto& slots) {
                   return range.first.value() == slots.first &&
                          range.last.value() == slots.second;
                 });
  if (same) return;
  world_.Violate(absl::StrCat("slots: node ", node.value(),
                              " owns others in group ", shard.group.value(),
                              " than its file says"));
}

void ClusterChecks::CompareStates() {
  for (const GroupMembers& shard : cluster_.groups()) {
    for (const NodeId node : shard.members()) {
      const node::Server* at = cluster_.server(node);
      if (at == nullptr || !at->host().group_status(shard.group).ok()) continue;
      if (!shard.stores) {
        replica_checker_.OnDigest(
            node, shard.group, at->host().core(shard.group)->applied_index(),
            at->host().state_machine(shard.group)->Digest());
        continue;
      }
      const kv::Store* store = at->store(shard.group);
      if (store == nullptr) continue;
      // Compares the incremental digest with one that is computed from the
      // whole state.
      if (store->Digest() != store->RecomputeDigest()) {
        world_.Violate(absl::StrCat("digest: node ", node.value(), " group ",
                                    shard.group.value(),
                                    ": the state is not what its digest says"));
      }
      replica_checker_.OnDigest(node, shard.group, store->applied_index(),
                                store->Digest());
      // Of slots that move the controller knows later than their groups.
      if (!cluster_.places().change()) CheckOwned(node, shard, *store);
    }
  }
}

void ClusterChecks::AddOpenWork(NodeId node, std::string* open) const {
  const node::Server* const at = cluster_.server(node);
  if (at == nullptr) return;
  const std::string page = at->MetricsText();
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    if (!ShowsWork(line) || ShowsPolls(line)) continue;
    absl::StrAppend(open, "node ", node.value(), ": ", line, "\n");
  }
}

std::string ClusterChecks::OpenWork() const {
  std::string open;
  for (const node::NodeConfig& config : cluster_.nodes()) {
    AddOpenWork(config.id, &open);
  }
  return open;
}

bool ClusterChecks::HasOpenWork() const {
  const auto& nodes = cluster_.nodes();
  return std::any_of(nodes.begin(), nodes.end(), [this](const auto& config) {
    const node::Server* const at = cluster_.server(config.id);
    if (at == nullptr || !at->HasOpenWork()) return false;
    std::string open;
    AddOpenWork(config.id, &open);
    return !open.empty();
  });
}

// Nodes without a replica of the controller ask others for its state, again and
// again. The last answer is kept until the next question.
bool ClusterChecks::ShowsPolls(absl::string_view line) const {
  constexpr absl::string_view kHeld = "quorate_peer_held_bytes ";
  size_t bytes = 0;
  return absl::StartsWith(line, kHeld) &&
         absl::SimpleAtoi(line.substr(kHeld.size()), &bytes) &&
         bytes <= kPollBytes * cluster_.nodes().size();
}

size_t ClusterChecks::SnapshotsInTransfer(NodeId node) const {
  size_t groups = 0;
  for (const GroupMembers& shard : cluster_.groups()) {
    const raft::Core* const core =
        cluster_.server(node)->host().core(shard.group);
    if (core == nullptr) continue;
    const auto followers = core->followers();
    groups += std::any_of(followers.begin(), followers.end(),
                          [](const raft::Core::FollowerStatus& follower) {
                            return follower.snapshot != raft::LogPosition();
                          });
  }
  return groups;
}

std::string ClusterChecks::SurplusOpenFiles() const {
  std::string surplus;
  for (const node::NodeConfig& config : cluster_.nodes()) {
    if (cluster_.server(config.id) == nullptr ||
        cluster_.MayNotWork(config.id)) {
      continue;
    }
    const MachineId machine = cluster_.machine(config.id);
    // A snapshot that could not be removed stays until the next start.
    size_t needed = kLogFilesMax;
    std::string group;
    for (const std::string& file : world_.DiskFiles(machine)) {
      if (!absl::StartsWith(file, kSnapshotPrefix)) continue;
      const std::string of = file.substr(0, kSnapshotGroupBytes);
      needed += std::exchange(group, of) != of ? 1 : 0;
    }
    needed += SnapshotsInTransfer(config.id);
    std::vector<std::string> open = world_.OpenFiles(machine);
    std::erase(open, kLogEndName);
    if (open.size() > needed) {
      absl::StrAppend(&surplus, "node ", config.id.value(), ": ", open.size(),
                      " files are open instead of ", needed, ": ",
                      absl::StrJoin(open, " "), "\n");
    }
  }
  return surplus;
}

uint64_t ClusterChecks::OpenSnapshotBytes() const {
  uint64_t bytes = 0;
  for (const MachineId machine : cluster_.machines()) {
    for (const std::string& file : world_.OpenFiles(machine)) {
      if (!absl::StartsWith(file, kSnapshotPrefix)) continue;
      bytes += world_.DiskFileSize(machine, file);
    }
  }
  return bytes;
}

std::string ClusterChecks::Describe() const {
  std::ostringstream out;
  out << OpenWork() << SurplusOpenFiles();
  for (const GroupMembers& shard : cluster_.groups()) {
    out << "group " << shard.group << " (committed "
        << replica_checker_.committed(shard.group) << "):";
    for (const NodeId node : shard.members()) {
      const node::Server* at = cluster_.server(node);
      const raft::Core* core =
          at == nullptr ? nullptr : at->host().core(shard.group);
      out << " node " << node;
      if (!world_.running(cluster_.machine(node))) {
        out << " down;";
      } else if (core == nullptr) {
        out << " not started;";
      } else {
        out << " " << raft::RoleName(core->role()) << " term " << core->term()
            << " last " << core->last().index << " commit "
            << core->commit_index() << " applied " << core->applied_index()
            << " leader " << core->leader() << " voters";
        for (const raft::Member& voter : core->configuration().voters) {
          out << " " << voter.node;
        }
        for (const raft::Member& voter :
             core->configuration().outgoing_voters) {
          out << " -" << voter.node;
        }
        if (core->transferring()) out << " transferring";
        if (!core->CanServeReads()) out << " not serving";
        out << " config " << core->configuration_index();
        out << ";";
      }
    }
    out << "\n";
  }
  return out.str();
}

}  // namespace quorate::sim
