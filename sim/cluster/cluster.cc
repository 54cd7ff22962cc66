#include "sim/cluster/cluster.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "kv/store/store.h"
#include "node/config/map_parts.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"
#include "sim/cluster/entry_words.h"
#include "sim/harness/program_env.h"
#include "sim/harness/replica_observer.h"

namespace quorate::sim {

// The reading of a node's monotonic clock when the run begins.
constexpr ChoiceSite kClockStart("clock.start");
constexpr Duration kClockStartMax = Seconds(100 * 24 * 3600);
constexpr ChoiceSite kShadowOfStart("shadow.of_start");
constexpr ChoiceSite kHashOfEnd("cluster.hash_of_end");
// Replicas that compare their states at each of more entries may never do so in
// a run.
constexpr uint64_t kDigestIntervalMax = 64;
constexpr uint64_t kTurnsPerCheck = 8;
// A queue beyond its bound stays there for longer.
constexpr uint64_t kTurnsPerLook = 4;
constexpr Ratio kEndsHashed{1, 8};

// The program on a server's machine. A crash destroys it.
class Cluster::Program final : public ReplicaObserver {
 public:
  Program(env::Env& env, Cluster* cluster, NodeId node)
      : ReplicaObserver(&cluster->world_, cluster->machine(node), node,
                        &cluster->replica_checker_),
        cluster_(cluster),
        node_(node),
        env_(env, cluster->PeerStreamsOf(node),
             env.random.Fork("sim.peer_streams", node.value()),
             [cluster, node](const Buffer& bytes) {
               if (cluster->request_hook_) cluster->request_hook_(node, bytes);
             }) {
    cluster_->programs_[PlaceOf(node_)] = this;
    for (const GroupMembers& group : cluster_->groups_) {
      if (group.stores) cluster_->NoteState(node_, group.group, raft::Index());
    }
    // A start repairs its disk. It may crash while it does so.
    const size_t place = PlaceOf(node_);
    const bool created = cluster_->places_.tenant(place)->created;
    const ChoiceKey life{
        node_.value(), cluster_->world_.incarnation(cluster_->machine(node_))};
    if (created &&
        cluster_->world_.choices().Chance(kShadowOfStart, life, {1, 4})) {
      cluster_->shadows_.Follow(cluster_->machine(node_),
                                ShadowRecovery::Moment::kStart);
    }
    NodeFiles& files = cluster_->files_;
    files.TryInvalidFile(place);
    files.TryWrongMap(place);
    // The store must exist. A node that lost its disk could not ask for its
    // part in the founding.
    const bool sound = created && !cluster_->MayNotWork(node_);
    if (sound) wrong_ = files.DrawContradictoryFile(place);
    if (wrong_ == nullptr) files.TryOtherAddresses(place);
    if (created) files.TryOtherSettings(place);
    const WrongFile* edited = wrong_;
    if (edited == nullptr && sound) edited = files.DrawOutdatedFile(place);
    const node::Config config = edited == nullptr
                                    ? files.ConfigOf(place)
                                    : files.ConfigWith(place, *edited);
    known_level_ = config.known_level();
    server_ = node::MakeServer(env_.env(), config, this);
    server_->Start([this](absl::Status status) { OnStarted(status); });
  }
  ~Program() {
    Program*& registered = cluster_->programs_[PlaceOf(node_)];
    if (registered == this) registered = nullptr;
    cluster_->leaderships_.EndAll(node_, cluster_->world_.now());
    // Cores are busy when a program ends, and idle when the run does.
    const ChoiceKey life{
        node_.value(), cluster_->world_.incarnation(cluster_->machine(node_))};
    if (cluster_->world_.choices().Chance(kHashOfEnd, life, kEndsHashed)) {
      HashCores();
    }
    // A snapshot on its disk may have the wrong state. It is mended at the next
    // start where members change.
    if (!cluster_->places_.change() &&
        cluster_->wrong_states_.HasWrong(node_)) {
      cluster_->Lose(node_);
    }
  }

  node::Server* server() const { return started_ ? server_.get() : nullptr; }
  raft::Level known_level() const { return known_level_; }

  bool Reaches(NodeId other) { return env_.env().transport.link(other).open; }

  bool IsRunning() const {
    return cluster_->world_.running(cluster_->machine(node_));
  }

  void OnEvent(GroupId group, const raft::Event& event) override {
    ReplicaObserver::OnEvent(group, event);
    if (event.kind == raft::Event::Kind::kConfigurationChanged) {
      cluster_->Mark(node_, "raft.configuration_changed");
    }
    if (event.kind == raft::Event::Kind::kGivesLeadershipAway) {
      ++cluster_->given_away_[group];
    }
    if (event.kind != raft::Event::Kind::kRoleChanged) return;
    if (event.role != raft::RoleKind::kLeader) {
      cluster_->leaderships_.End(node_, group, cluster_->world_.now());
    } else {
      // Its answers and snapshots would have the wrong state.
      if (cluster_->wrong_states_.IsWrong(node_, group)) {
        cluster_->EndWrongState(node_);
      }
      cluster_->Mark(node_, "raft.began_to_lead");
      cluster_->world_.AddToStory(
          cluster_->machine(node_), TraceKind::kLead,
          LeadPayload{group.value(), event.term.value()}.Pack(),
          absl::StrCat("group ", group.value(), ", term ", event.term.value()));
      cluster_->leaderships_.Begin(node_, group, event.term,
                                   cluster_->world_.now());
    }
  }
  void OnCommitted(GroupId group, const raft::Entry& entry) override {
    if (cluster_->commit_hook_) cluster_->commit_hook_(group, entry);
  }
  void OnApplied(GroupId group, const raft::Entry& entry) override {
    ReplicaObserver::OnApplied(group, entry);
    cluster_->wrong_states_.OnApplied(node_, group, entry.index,
                                      cluster_->world_.now());
    cluster_->NoteState(node_, group, entry.index);
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    ReplicaObserver::OnRecovered(group, core);
    if (cluster_->wrong_states_.OnStart(node_, group, core.replica())) {
      cluster_->replica_checker_.ExcuseState(node_, group, true);
    }
  }
  void OnRestored(GroupId group,
                  const raft::SnapshotDescriptor& snapshot) override {
    restored_ = true;
    ReplicaObserver::OnRestored(group, snapshot);
    cluster_->wrong_states_.OnRestored(node_, group);
    cluster_->replica_checker_.ExcuseState(
        node_, group, cluster_->wrong_states_.IsWrong(node_, group));
    cluster_->NoteState(node_, group, snapshot.position.index);
  }
  void OnStep(GroupId group, const raft::Core& core,
              const raft::Output& output) override {
    ++cluster_->core_steps_;
    ReplicaObserver::OnStep(group, core, output);
    NoteTransfer(group, core, output);
    if (!output.heartbeats.empty() && core.CanServeReads()) {
      cluster_->leaderships_.OnHeartbeats(group, core.term(),
                                          cluster_->world_.now());
    }
    FollowIfRare(core, output);
    if (cluster_->step_hook_) cluster_->step_hook_(node_, group, core, output);
  }
  void OnChanged(GroupId group) override {
    // The snapshot may be that of a wrong replica.
    if (std::exchange(restored_, false)) MendStates();
    const kv::Store* store = server_->store(group);
    if (store == nullptr) return;
    const kv::Store::Counters now = store->counters();
    const kv::Store::Counters last = std::exchange(counters_[group], now);
    using Counters = kv::Store::Counters;
    Mark("kv.duplicate_answered_from_session", last, now,
         &Counters::duplicates_answered);
    Mark("kv.expired_session_refused", last, now,
         &Counters::sessions_expired_refused);
    Mark("kv.full_session_refused", last, now,
         &Counters::sessions_refused_otherwise);
    Mark("kv.session_expired", last, now, &Counters::sessions_expired);
    Mark("kv.page_split", last, now, &Counters::pages_split);
    Mark("kv.page_copied_for_a_snapshot", last, now, &Counters::pages_copied);
  }
  void OnStopped(const absl::Status& why) override {
    ReplicaObserver::OnStopped(why);
    cluster_->OnNodeStopped(node_, why);
  }
  // An operator starts the node again.
  void OnFenced(GroupId group, const absl::Status& why) override {
    ReplicaObserver::OnFenced(group, why);
    if (cluster_->wrong_states_.IsWrong(node_, group)) {
      cluster_->Mark(node_, "raft.wrong_state_fenced");
    }
    cluster_->wrong_states_.OnFenced(node_, group, why);
    OnStopped(why);
  }
  // A new replica takes the place of a fenced one.
  void OnDropped(GroupId group) override {
    ReplicaObserver::OnDropped(group);
    cluster_->Mark(node_, "node.replica_dropped");
    cluster_->dropped_.emplace(node_, group);
    cluster_->NoteState(node_, group, raft::Index());
    cluster_->wrong_states_.OnDropped(node_, group);
    cluster_->replica_checker_.ExcuseState(node_, group, false);
  }
  std::string WordsOf(GroupId group, const raft::Entry& entry) const override {
    return CommandsOf(group, entry);
  }
  void OnStatesDiffer(GroupId group, raft::Index) override {
    cluster_->wrong_states_.OnDiffer(node_, group);
  }

  void HashCores() {
    if (started_) ReplicaObserver::HashCores(server_->host());
  }

  // Where members change, makes all states right that are wrong.
  void MendStates() {
    if (!cluster_->places_.change()) return;
    WrongStates& wrong = cluster_->wrong_states_;
    for (const GroupId group : wrong.groups()) {
      auto* const store = const_cast<kv::Store*>(server_->store(group));
      if (store == nullptr) continue;
      const bool mended = MendState(store);
      if (mended || wrong.IsWrong(node_, group)) wrong.OnMended(node_, group);
      cluster_->replica_checker_.ExcuseState(node_, group, false);
    }
  }

  void AfterTurn() {
    // A state that breaks an invariant of the server lasts, so that some turns
    // need no check. A crash cuts a turn short.
    if (++turns_ % kTurnsPerCheck == 0 && IsRunning()) {
      server_->CheckInvariants();
    }
    if (!started_) return;
    CheckChanged(server_->host());
    if (turns_ % kTurnsPerLook == 0 && IsRunning() && cluster_->turn_hook_) {
      cluster_->turn_hook_(node_, *server_);
    }
  }

 private:
  // The moment was reached if the counter of the store has grown.
  void Mark(std::string_view mark, const kv::Store::Counters& last,
            const kv::Store::Counters& now,
            uint64_t kv::Store::Counters::*counter) {
    if (now.*counter > last.*counter) cluster_->Mark(node_, mark);
  }

  // Follows the disk if a snapshot is installed or a conflicting suffix is
  // replaced.
  void FollowIfRare(const raft::Core& core, const raft::Output& output) {
    using Moment = ShadowRecovery::Moment;
    const MachineId machine = cluster_->machine(node_);
    for (const raft::SnapshotWork& work : output.snapshots) {
      if (work.kind != raft::SnapshotWork::Kind::kInstall) continue;
      return cluster_->shadows_.Follow(machine, ReplacesEntries(core, work)
                                                    ? Moment::kReplace
                                                    : Moment::kInstall);
    }
    for (const raft::Event& event : output.events) {
      if (event.kind != raft::Event::Kind::kSuffixTruncated) continue;
      return cluster_->shadows_.Follow(machine, Moment::kTruncate);
    }
  }

  // Whether a snapshot is installed into a log that is longer.
  static bool ReplacesEntries(const raft::Core& core,
                              const raft::SnapshotWork& work) {
    return work.kind == raft::SnapshotWork::Kind::kInstall &&
           core.last().index > work.snapshot.position.index;
  }

  // Marks a transfer of a snapshot that stops because its sender lost the
  // leadership.
  void NoteTransfer(GroupId group, const raft::Core& core,
                    const raft::Output& output) {
    if (output.snapshots.empty() && snapshot_from_.empty()) return;
    ReplicaId& sender = snapshot_from_[group];
    if (sender != ReplicaId() && core.leader() != sender) {
      if (core.leader() != ReplicaId()) {
        cluster_->Mark(node_, "raft.leader_lost_during_snapshot_transfer");
        sender = ReplicaId();
      }
    }
    for (const raft::SnapshotWork& work : output.snapshots) {
      if (work.kind == raft::SnapshotWork::Kind::kWrite) {
        sender = core.leader();
        if (work.offset > 0) {
          cluster_->Mark(node_, "raft.snapshot_chunk_received");
        }
      } else if (work.kind == raft::SnapshotWork::Kind::kInstall) {
        sender = ReplicaId();
        if (ReplacesEntries(core, work)) {
          cluster_->Mark(node_, "raft.install_into_a_longer_log");
        }
      }
    }
  }

  // The node must have refused the contradictory file. The operator mends it.
  void OnWrongFile(const absl::Status& status) {
    std::string violation =
        NotRefused(absl::StrCat("the edited file of node ", node_.value()),
                   wrong_->says, absl::StatusCode::kFailedPrecondition, status);
    if (violation.empty()) {
      cluster_->world_.CountMark(cluster_->machine(node_),
                                 "node.contradictory_file_refused");
    } else if (status.ok() || !cluster_->MayNotWork(node_)) {
      cluster_->world_.Violate(std::move(violation));
    }
    cluster_->files_.OnRefused(PlaceOf(node_));
    cluster_->supervisor_.OnStopped(cluster_->machine(node_), status);
  }

  void OnStarted(const absl::Status& status) {
    if (wrong_ != nullptr) return OnWrongFile(status);
    if (!status.ok()) {
      cluster_->OnNodeStopped(node_, status);
      return;
    }
    started_ = true;
    MendStates();
    cluster_->CheckIdentity(node_);
    CheckAddresses();
    CheckRecovered(server_->host());
    cluster_->CheckStart(node_, server_->host());
  }

  // The node works, and listens where its file says.
  void CheckAddresses() {
    const node::NodeConfig& file = cluster_->nodes()[PlaceOf(node_)];
    if (server_->status().ok() && server_->resp_address() == file.resp &&
        server_->resp_cluster_address() == file.resp_cluster &&
        server_->http_address() == file.http) {
      return;
    }
    cluster_->world_.Violate(absl::StrCat(
        "addresses: node ", node_.value(), " listens at ",
        server_->resp_address(), ", ", server_->resp_cluster_address(), " and ",
        server_->http_address(), "; it is ", server_->status().ToString()));
  }

  Cluster* const cluster_;
  const NodeId node_;
  // The mistake in the file of this start, which contradicts the store. Null:
  // there is none.
  const WrongFile* wrong_ = nullptr;
  ProgramEnv env_;
  std::unique_ptr<node::Server> server_;
  raft::Level known_level_;
  bool started_ = false;
  bool restored_ = false;  // A snapshot replaced a state in this turn.
  uint64_t turns_ = 0;
  std::map<GroupId, kv::Store::Counters> counters_;  // At the last change.
  // The leader that sends a snapshot. Zero: no snapshot is being received.
  std::map<GroupId, ReplicaId> snapshot_from_;
};

std::vector<node::Config> Cluster::SettingsOf(const ClusterOptions& options) {
  std::vector<node::Config> settings;
  for (size_t place = 0; place < places_.size(); ++place) {
    settings.push_back(options.configure
                           ? options.configure(Places::NumberOf(place))
                           : node::Config());
  }
  return settings;
}

Cluster::Cluster(World& world, ReplicaChecker& checker,
                 const ClusterOptions& options)
    : world_(world),
      replica_checker_(checker),
      damage_limits_(&world),
      shadows_(&world, &checker),
      supervisor_(&world, options.supervisor_delay),
      options_(options),
      places_(&world, {.founders = options.nodes,
                       .read_only = options.read_only_nodes,
                       .spares = options.spares,
                       .reserve = options.reserve,
                       .clock_start =
                           [&world](NodeId number) {
                             return world.choices().Between(
                                 kClockStart, number.value(), 0, Seconds(1000),
                                 kClockStartMax);
                           }}),
      files_(&world, &places_,
             {.groups = options.groups,
              .replicas = options.replicas,
              .bootstrap_left_on = options.bootstrap_left_on,
              .wrong_files = options.wrong_files,
              .changed_addresses = options.changed_addresses,
              .changed_settings = options.changed_settings},
             SettingsOf(options)),
      slots_(kv::MakeSlotStrategy(division())),
      programs_(places_.size()),
      created_late_(places_.size()),
      wrong_states_(
          [this](std::string what) { world_.Violate(std::move(what)); }) {
  CHECK(options_.nodes > 0 && options_.groups > 0);
  for (size_t place = 0; place < places_.size(); ++place) {
    const NodeId number = Places::NumberOf(place);
    if (options_.peer_streams) {
      peer_streams_.push_back(options_.peer_streams(number));
    }
    replica_checker_.SetSendWindow(number, SendWindowOf(place));
  }
  founded_ = FoundedGroups();
  groups_ = founded_;
  for (const GroupMembers& group : groups_) {
    // Replicas of other places take part otherwise.
    if (places_.change()) break;
    replica_checker_.SetVoters(group.group, group.voters);
  }
  // Copies of disks have the members of the founding.
  if (places_.change()) shadows_.End();
  world_.AddMarkHook([this](MachineId machine, std::string_view mark) {
    // A directory that is not created yet would be created by the copy.
    const size_t place = machine.value() - 1;
    if (place < places_.size() && places_.HasStore(place)) {
      shadows_.OnMark(machine, mark);
    }
  });
}

Cluster::~Cluster() {
  // The programs refer to the cluster, and the world outlives it.
  for (const MachineId machine : machines()) {
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  }
}

std::vector<GroupMembers> Cluster::FoundedGroups() const {
  std::vector<NodeId> read_only;
  std::set<NodeId> voting;
  for (size_t place = 0; place < places_.founders(); ++place) {
    const NodeId node = Places::NumberOf(place);
    if (nodes()[place].read_only) read_only.push_back(node);
  }
  std::vector<GroupMembers> groups;
  for (const node::ShardConfig& shard : shards()) {
    groups.push_back({.group = shard.group,
                      .voters = shard.replicas,
                      .learners = read_only,
                      .slots = shard.slots});
    voting.insert(shard.replicas.begin(), shard.replicas.end());
  }
  // Nodes with a replica of a store vote, the first ones.
  GroupMembers& controller = groups.emplace_back();
  controller.group = shardctrl::kControllerGroup;
  controller.stores = false;
  controller.voters.assign(voting.begin(), voting.end());
  const size_t nodes = voting.size();
  controller.voters.resize(nodes >= 5 ? 5 : nodes >= 3 ? 3 : 1);
  return groups;
}

std::vector<GroupMembers> Cluster::stores() const {
  std::vector<GroupMembers> stores = groups();
  std::erase_if(stores,
                [](const GroupMembers& group) { return !group.stores; });
  return stores;
}

bool Cluster::HasReplica(NodeId node) const {
  return std::ranges::any_of(groups(), [&](const GroupMembers& group) {
    return group.stores && group.Has(node);
  });
}

void Cluster::Start() {
  for (size_t place = 0; place < places_.size(); ++place) {
    world_.Start(machines()[place],
                 [this, place](env::Env& env) -> std::shared_ptr<void> {
                   if (!places_.tenant(place).has_value()) return nullptr;
                   return std::make_shared<Program>(env, this,
                                                    Places::NumberOf(place));
                 });
  }
}

void Cluster::AfterTurn(MachineId machine) {
  // Machines of nodes have the numbers of the places.
  if (machine.value() > programs_.size()) return;
  Program* const program = programs_[machine.value() - 1];
  if (program == nullptr) return;
  program->AfterTurn();
  const NodeId node(machine.value());
  damage_limits_.AfterTurn(
      machine, configs()[machine.value() - 1].host.log.witness_delay);
  if (!shadows_.Due(machine) || MayNotWork(node)) return;
  Recover(node);
}

// It may get the settings of any other one later.
uint64_t Cluster::SendWindowOf(size_t place) const {
  uint64_t most = 0;
  for (size_t i = 0; i < configs().size(); ++i) {
    if (i != place && !options_.changed_settings) continue;
    const raft::CoreOptions& core = configs()[i].host.core;
    most = std::max<uint64_t>(most,
                              core.inflight_bytes_max + core.append_bytes_max);
  }
  return most;
}

void Cluster::HashCores() {
  for (Program* const program : programs_) {
    if (program != nullptr) program->HashCores();
  }
}

void Cluster::Stop(MachineId machine) {
  node::Server* const server = this->server(nodes()[machine.value() - 1].id);
  const uint64_t incarnation = world_.incarnation(machine);
  if (server == nullptr) return;
  server->Stop([this, machine, incarnation](absl::Status) {
    // The program ends after the turn that calls this.
    world_.At(world_.now(), [this, machine, incarnation] {
      if (!world_.running(machine) ||
          world_.incarnation(machine) != incarnation) {
        return;
      }
      Mark(nodes()[machine.value() - 1].id, "node.stopped_by_an_operator");
      world_.Crash(machine, CrashKind::kProcess);
    });
  });
}

bool Cluster::SpoilState(MachineId machine, uint64_t draw) {
  const NodeId node(machine.value());
  const uint64_t interval = configs()[PlaceOf(node)].host.digest_interval;
  node::Server* const at = server(node);
  if (at == nullptr || interval == 0 || interval > kDigestIntervalMax) {
    return false;
  }
  for (size_t i = 0; i < shards().size(); ++i) {
    const GroupId group = shards()[(draw + i) % shards().size()].group;
    const raft::Core* const core = at->host().core(group);
    // The memory changes, no program does it.
    auto* const store = const_cast<kv::Store*>(at->store(group));
    if (core == nullptr || store == nullptr || core->installing() ||
        core->role() != raft::RoleKind::kFollower ||
        core->leader() == ReplicaId() ||
        !sim::SpoilState(store, group, draw / shards().size())) {
      continue;
    }
    wrong_states_.Add(node, group, core->replica(), core->applied_index(),
                      interval);
    replica_checker_.ExcuseState(node, group, true);
    return true;
  }
  return false;
}

bool Cluster::MayPutBack(MachineId machine,
                         const ShadowRecovery::Files& older) {
  const NodeId node(machine.value());
  if (MayNotWork(node) || !places_.HasStore(PlaceOf(node))) return false;
  const node::Config config = files_.ConfigOf(PlaceOf(node));
  const auto now = shadows_.Recall(machine, config, nullptr);
  const auto then = shadows_.Recall(machine, config, &older);
  if (now.empty() || now.size() != then.size()) return false;
  const auto sound = [this](NodeId voter) { return !MayNotWork(voter); };
  for (const auto& [group, promise] : now) {
    const auto old = then.find(group);
    if (old == then.end() || old->second.term != promise.term ||
        old->second.voted_for != promise.voted_for ||
        !replica_checker_.HeldWithout(node, group, promise.last, sound)) {
      return false;
    }
  }
  older_.insert(node);
  replica_checker_.OnOlderDisk(node);
  return true;
}

void Cluster::EndOlderDisks() {
  for (const NodeId node : older_) Lose(node);
}

void Cluster::EndWrongStates() {
  for (const node::NodeConfig& node : nodes()) {
    if (wrong_states_.HasWrong(node.id)) EndWrongState(node.id);
  }
}

void Cluster::EndWrongState(NodeId node) {
  if (!places_.change()) return Lose(node);
  Program* const program = programs_[PlaceOf(node)];
  if (program != nullptr) program->MendStates();
}

void Cluster::Lose(NodeId node) {
  if (!lost_.insert(node).second) return;
  const MachineId machine = this->machine(node);
  world_.At(world_.now(), [this, machine] {
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
    world_.EraseDisk(machine);
    world_.AddToStory(machine, TraceKind::kDeed, 0,
                      absl::StrCat("lost machine ", world_.name(machine)));
  });
}

void Cluster::OnNodeStopped(NodeId node, const absl::Status& why) {
  // Calls of a program that dies in this turn fail, too. A store that comes may
  // be refused.
  const bool comes = places_.change() && !places_.HasStore(PlaceOf(node));
  const bool excused =
      MayNotWork(node) || comes || !world_.running(machine(node));
  replica_checker_.OnNodeStopped(node, why, excused);
  supervisor_.OnStopped(machine(node), why);
}

std::vector<std::string> Cluster::AddressesOf(
    std::string node::NodeConfig::*kind) const {
  std::vector<std::string> addresses;
  for (const node::NodeConfig& node : nodes()) addresses.push_back(node.*kind);
  return addresses;
}

std::vector<std::string> Cluster::all_addresses() const {
  std::vector<std::string> addresses;
  for (const node::NodeConfig& node : nodes()) {
    addresses.insert(addresses.end(),
                     {node.resp, node.resp_cluster, node.http, node.peer});
  }
  return addresses;
}

node::Server* Cluster::ServerAt(size_t place) const {
  const Program* program = programs_[place];
  return program == nullptr ? nullptr : program->server();
}

raft::Level Cluster::KnownLevel(NodeId node) const {
  return programs_[PlaceOf(node)]->known_level();
}

void Cluster::ReplaceOlderPrograms() {
  for (size_t place = 0; place < programs_.size(); ++place) {
    const Program* const program = programs_[place];
    if (program == nullptr || !program->IsRunning() ||
        program->known_level() >= raft::Level(configs()[place].program_level)) {
      continue;
    }
    const MachineId machine = machines()[place];
    world_.CountMark(machine, "operator.replaced_an_older_program");
    world_.Crash(machine, CrashKind::kProcess);
    world_.Restart(machine);
  }
}

const raft::Core* Cluster::FindReplica(GroupId group, ReplicaId replica) const {
  for (const node::NodeConfig& node : nodes()) {
    const node::Server* at = server(node.id);
    const raft::Core* core = at == nullptr ? nullptr : at->host().core(group);
    if (core != nullptr && core->replica() == replica) return core;
  }
  return nullptr;
}

bool Cluster::Linked(absl::FunctionRef<bool(NodeId)> works) const {
  std::vector<size_t> places;
  for (size_t place = 0; place < places_.size(); ++place) {
    if (ServerAt(place) != nullptr && works(Places::NumberOf(place))) {
      places.push_back(place);
    }
  }
  return std::ranges::all_of(places, [&](size_t place) {
    return std::ranges::all_of(places, [&](size_t other) {
      return other == place ||
             programs_[place]->Reaches(places_.tenant(other)->node);
    });
  });
}

NodeId Cluster::LeaderOf(GroupId group) const {
  NodeId leader;
  raft::Term latest;
  for (const node::NodeConfig& node : nodes()) {
    const node::Server* at = server(node.id);
    const raft::Core* core = at == nullptr ? nullptr : at->host().core(group);
    if (core == nullptr || core->role() != raft::RoleKind::kLeader) continue;
    if (core->term() >= latest) leader = node.id;
    latest = std::max(latest, core->term());
  }
  return leader;
}

GroupId Cluster::OwnerIn(const std::vector<GroupMembers>& groups, Slot slot) {
  for (const GroupMembers& group : groups) {
    for (const auto& [first, last] : group.slots) {
      if (slot.value() >= first && slot.value() <= last) return group.group;
    }
  }
  return GroupId();
}

// A node that lost its disk must not start. There are two exceptions, which
// have promised nothing: a node that had never started before, and one without
// a replica.
void Cluster::CheckIdentity(NodeId node) {
  const size_t place = PlaceOf(node);
  const Tenant& tenant = *places_.tenant(place);
  const bool erased = HasErasedDisk(node);
  if (erased && !tenant.created) created_late_[place] = !places_.change();
  if (erased && tenant.created && !created_late_[place] &&
      (places_.change() || HasReplica(node))) {
    world_.Violate(absl::StrCat("identity: node ", tenant.node.value(),
                                " started though its disk is gone"));
  }
  const bool came_first =
      tenant.join.has_value() && !tenant.join->token.empty() &&
      bound_ != nullptr &&
      bound_(tenant.node, ServerAt(place)->host().identity().incarnation);
  if (tenant.refused && !came_first) {
    world_.Violate(absl::StrCat("admission: node ", tenant.node.value(),
                                " started at ", world_.name(machine(node)),
                                " with a token that is not valid, or on the "
                                "directory of another node"));
  }
  places_.OnCreated(place);
}

void Cluster::CheckStart(NodeId node, const raft::Host& host) {
  // A replica that is not there may have been given up.
  if (places_.change()) return;
  for (const GroupMembers& shard : groups()) {
    if (!shard.Has(node)) continue;
    // Another replica is to take the place of a damaged one.
    if (host.condition(shard.group) == raft::Host::Condition::kNotHeld &&
        dropped_.contains({node, shard.group})) {
      continue;
    }
    if (host.condition(shard.group) == raft::Host::Condition::kFenced) {
      wrong_states_.OnFencedAtStart(node, shard.group);
    } else if (host.core(shard.group) != nullptr &&
               wrong_states_.OnWorks(node, shard.group)) {
      Lose(node);
    }
    replica_checker_.OnReplicaNotStarted(node, shard.group,
                                         host.group_status(shard.group),
                                         MayNotWork(node, shard.group));
  }
}

}  // namespace quorate::sim
