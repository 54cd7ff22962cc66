#include "node/server.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "env/check.h"
#include "kv/store/parameters.h"
#include "kv/store/record_pool.h"
#include "kv/store/store.h"
#include "node/admin/admin_api.h"
#include "node/admin/admin_session.h"
#include "node/base/disk_watch.h"
#include "node/base/memory_budget.h"
#include "node/base/output_budget.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/cluster/address_cache.h"
#include "node/cluster/cluster_map.h"
#include "node/cluster/peer_dialer.h"
#include "node/config/bootstrap_plan.h"
#include "node/config/host_options.h"
#include "node/connections/clients.h"
#include "node/connections/context.h"
#include "node/controller/controller_agent.h"
#include "node/controller/move_steps.h"
#include "node/controller/slot_mover.h"
#include "node/controller/wish_reports.h"
#include "node/controller/writer_pauses.h"
#include "node/debug_page.h"
#include "node/http/http_session.h"
#include "node/pages/metrics_page.h"
#include "node/resources.h"
#include "node/resp/resp_session.h"
#include "node/routing/hosted_store.h"
#include "node/routing/leader_balance.h"
#include "node/routing/upkeep.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

static_assert(Server::kDialPatience == PeerDialer::kPatienceMax);

// The error to a client above limits.connections.
constexpr std::string_view kTooManyClients =
    "ERR max number of clients reached";

constexpr std::string_view kHttpRefusal =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n"
    "Connection: close\r\n\r\n";
// Where operators read on when the host of a node does not start.
constexpr std::string_view kFailuresPage = "see docs/operate/failures.md";

absl::Status WithFailuresPage(const absl::Status& why) {
  if (why.ok() || absl::IsInvalidArgument(why) ||
      Message(why).find(kFailuresPage) != std::string::npos) {
    return why;
  }
  return absl::Status(why.code(), Concat(Message(why), ", ", kFailuresPage));
}

// Interval at which Stop checks whether every request is answered.
constexpr Duration kStopPoll = Milliseconds(10);
// Time that Stop waits for the disk at its end.
constexpr Duration kWitnessWithin = Seconds(1);
// Time that Stop waits for clients to end their side of a connection.
constexpr Duration kEndWithin = Milliseconds(100);

class ServerImpl final : public Server, public raft::Host::Observer {
 public:
  ServerImpl(env::Env& env, Config config, raft::Host::Observer* observer)
      : env_(env),
        config_(std::move(config)),
        cluster_(config_),
        observer_(observer),
        output_budget_(config_.limits.output_total_bytes),
        input_budget_(env.loop, config_.limits.query_total_bytes),
        memory_budget_(config_.limits.memory_bytes),
        host_(
            env, HostOptionsOf(),
            [this](GroupId group, const raft::Configuration& configuration) {
              return MakeStateMachine(group, configuration);
            },
            this),
        turn_work_(env.loop, config_.bounds.turn_work),
        dialer_(env, host_, config_, cluster_),
        cache_(env, config_.cluster, cluster_),
        router_(env, host_, config_, cluster_, output_budget_, memory_budget_,
                turn_work_,
                [this](std::string_view key) {
                  return cluster_.slots().SlotOf(key);
                }),
        balance_(env, config_, cluster_, host_, router_),
        disk_(
            env, [this] { return host_.stats().snapshots_without_room; },
            [this] { OnDiskChanged(); }),
        upkeep_(env.loop, config_.bounds, host_),
        topology_(config_, cluster_, router_),
        resp_clients_(env, config_, metrics_, output_budget_, input_budget_,
                      turn_work_),
        http_clients_(env, config_, metrics_, output_budget_, input_budget_,
                      turn_work_),
        context_(ContextOf()),
        make_resp_([this](ClientConnection& client) {
          return std::make_unique<RespSession>(context_, client,
                                               RespAddress::kPlain);
        }),
        make_resp_cluster_([this](ClientConnection& client) {
          return std::make_unique<RespSession>(context_, client,
                                               RespAddress::kCluster);
        }),
        make_http_([this](ClientConnection& client) {
          return std::make_unique<HttpSession>(context_, client);
        }),
        agent_(env, host_, config_, cluster_, router_.view(), router_.links(),
               MeasuresOf()),
        move_steps_(env.loop, router_),
        mover_(env, host_.bulk_pace(), agent_, GroupsOfMover()),
        admin_(agent_),
        make_admin_([this](ClientConnection& client) {
          return std::make_unique<AdminSession>(
              admin_,
              [this](std::string_view path) {
                return DebugPage(path, context_, mover_);
              },
              client, config_.listen.admin);
        }) {
    router_.SetControlHandler([this](Buffer question, PeerDone done) {
      agent_.Answer(std::move(question), std::move(done));
    });
    agent_.SetStateObserver([this] {
      FollowMoves(agent_.state(), router_);
      mover_.Work();
    });
    cluster_.SetObserver(
        [this](ClusterMap::Change change) { OnClusterChanged(change); });
  }

  void Start(Done started) override {
    started_ = std::move(started);
    host_.SetReceiver(&router_.receiver());
    host_.Start([this](absl::Status status) {
      // The turns of the recovery held no request up.
      env_.process.ResetTurnTimes();
      status = status.ok() ? Listen() : WithFailuresPage(status);
      if (status.ok()) {
        router_.SetLeadershipObserver(
            [this] { balance_.OnLeadershipChanged(); });
        router_.links().SetOwnAddresses(OwnAddresses());
        router_.Start();
        dialer_.Start();
        cache_.Start();
        disk_.Start();
        agent_.Start(OwnReport());
      }
      started_(status);
    });
  }

  void Stop(Done stopped) override {
    stopped_ = std::move(stopped);
    agent_.Stop();
    mover_.Stop();
    disk_.Stop();
    const MonoTime now = env_.loop.ReadClock().mono;
    // A target that does not lead by then never will: it stops as well, or is
    // dead.
    lead_until_ = now + config_.host.core.election_timeout_max;
    stop_deadline_ = std::max(now + config_.timeouts.stop, lead_until_);
    router_.view().TellGivesAway(true);
    PollStop();
  }

  absl::Status status() const override { return host_.status(); }
  raft::Host& host() override { return host_; }
  const raft::Host& host() const override { return host_; }
  const kv::Store* store(GroupId group) const override {
    return HostedStore(host_, group);
  }
  NodeId LeaderOf(GroupId group) const override {
    return router_.LeaderOf(group);
  }
  const Metrics& metrics() const override { return metrics_; }
  std::string MetricsText() const override {
    MetricsPage page(context_);
    while (page.WriteNext()) {
    }
    return page.text();
  }
  ResourceUse resources() const override { return ResourcesOf(context_); }
  bool HasOpenWork() const override { return node::HasOpenWork(context_); }
  std::string resp_address() const override {
    return resp_listener_ == nullptr ? "" : resp_listener_->address();
  }
  std::string resp_cluster_address() const override {
    return resp_cluster_listener_ == nullptr
               ? ""
               : resp_cluster_listener_->address();
  }
  std::string http_address() const override {
    return http_listener_ == nullptr ? "" : http_listener_->address();
  }
  std::string admin_address() const override {
    return admin_listener_ == nullptr ? "" : admin_listener_->address();
  }
  size_t open_connections() const override {
    return resp_clients_.count() + http_clients_.count();
  }
  void CheckInvariants() const override {
    resp_clients_.CheckInvariants();
    http_clients_.CheckInvariants();
    for (const GroupId group : host_.groups()) {
      const raft::Core* const core = host_.core(group);
      if (core != nullptr) core->CheckInvariants();
    }
  }

 private:
  raft::HostOptions HostOptionsOf() {
    raft::HostOptions options = MakeHostOptions(config_, cluster_.shards());
    options.accept_plan =
        [this, today = options.plan](const raft::BootstrapPlan& founded) {
          return TakeFoundedPlan(today, founded);
        };
    options.accept_welcome = [this](std::string_view welcome) {
      return TakeWelcome(welcome);
    };
    options.admit = [this](const raft::JoinRequest& request) {
      return agent_.Admit(request);
    };
    options.welcome = [this] { return agent_.Welcome(); };
    options.before_serving = [this] { return CheckAddresses(); };
    return options;
  }

  // The first map of a store that joined is the one at its admission.
  absl::Status TakeWelcome(std::string_view welcome) {
    const auto state = shardctrl::DecodeState(welcome);
    if (!state.ok()) return state.status();
    const auto parameters =
        kv::DecodeParameters(state->created_groups.parameters);
    if (!parameters.ok()) return parameters.status();
    auto map = shardctrl::ShardMap::Create(shardctrl::MapOf(*state));
    if (!map.ok()) return map.status();
    const KeyDivision& division = parameters->division;
    if (map->partitioner() != division.partitioner ||
        map->slot_count() != division.slot_count) {
      return absl::DataLossError(
          "the controller's state has another partitioner than its groups");
    }
    founded_rules_ = parameters->rules;
    cluster_.SetFirstMap(*std::move(map), division);
    return absl::OkStatus();
  }

  // The first map is that of the founded cluster. The file says what it was
  // like when the file was written.
  absl::Status TakeFoundedPlan(const raft::BootstrapPlan& today,
                               const raft::BootstrapPlan& founded) {
    absl::Status same = CheckAgainstBootstrap(today, founded);
    if (!same.ok()) return same;
    founded_rules_ = FoundedRules(founded);
    const std::string difference =
        DifferenceFromBootstrap(config_, today, founded);
    if (difference.empty()) return same;
    env_.tracer.Log(
        env::Severity::kInfo,
        Concat("the configuration file is not that of the founding, and the "
               "founded cluster stays as it is: ",
               difference));
    auto map = shardctrl::ShardMap::Create(FoundedParts(config_, founded));
    if (!map.ok()) return map.status();
    cluster_.SetFirstMap(*std::move(map), config_.division);
    return same;
  }

  Context ContextOf() {
    return {.env = env_,
            .config = config_,
            .rules = founded_rules_,
            .cluster = cluster_,
            .host = host_,
            .router = router_,
            .topology = topology_,
            .metrics = metrics_,
            .resp_clients = resp_clients_,
            .http_clients = http_clients_,
            .output_budget = output_budget_,
            .input_budget = input_budget_,
            .memory_budget = memory_budget_,
            .work = turn_work_,
            .disk = disk_,
            .parameters = parameters_,
            .cluster_parameters = cluster_parameters_,
            .stuck_wishes = [this] { return StuckWishesOf(agent_.state()); },
            .moves = [this] { return MovesOf(agent_.state()); },
            .removed = [this] { return agent_.removed(); },
            .started = env_.loop.ReadClock().mono};
  }

  ControllerAgent::Measures MeasuresOf() {
    return {.stored_bytes = [this] { return StoredBytes(); },
            .memory_left = [this] { return memory_budget_.left_bytes(); },
            .disk = [this] { return disk_.room(); },
            .lacks_disk = [this] { return disk_.lacks_room(); },
            .held =
                [this](const shardctrl::SlotMove& move) {
                  const RefusedCommands::Pauses pauses =
                      router_.refused().PausesIn(move.slots);
                  return HeldCommands{.move = move.id,
                                      .commands = pauses.commands,
                                      .longest_pause = pauses.longest};
                }};
  }

  SlotMover::Groups GroupsOfMover() {
    return {.hosted = [this] { return host_.groups(); },
            .led = [this](GroupId group) -> const kv::Store* {
              const raft::Core* const core = host_.core(group);
              return core != nullptr && core->role() == raft::RoleKind::kLeader
                         ? HostedStore(std::as_const(host_), group)
                         : nullptr;
            },
            .term =
                [this](GroupId group) {
                  const raft::Core* const core = host_.core(group);
                  return core == nullptr ? raft::Term() : core->term();
                },
            .next_log_time =
                [this](GroupId group) {
                  return host_.core(group)->NextLogTime(env_.loop.ReadClock());
                },
            .send =
                [this](GroupId group, const kv::MoveStep& step, StepDone done) {
                  move_steps_.Send(group, step, std::move(done));
                },
            .forget_idle = [this] { move_steps_.ForgetIdle(); }};
  }

  uint64_t StoredBytes() const {
    uint64_t bytes = 0;
    for (const GroupId group : host_.groups()) {
      const kv::Store* const store = this->store(group);
      if (store != nullptr) bytes += store->size_bytes();
    }
    return bytes;
  }

  NodeAddresses OwnAddresses() const {
    const NodeConfig& self = config_.self();
    return {.node = config_.node,
            .store = host_.identity().incarnation,
            .start = host_.identity().start.number,
            .peer = self.peer,
            .resp = self.resp,
            .resp_cluster = self.resp_cluster,
            .http = self.http};
  }

  // The same for the controller.
  shardctrl::ReportedAddresses OwnReport() const {
    const NodeConfig& self = config_.self();
    return {.peer = self.peer,
            .resp = self.resp,
            .resp_cluster = self.resp_cluster,
            .http = self.http,
            .admin = admin_listener_->address()};
  }

  // The readers learn of a change in the order in which they use each other.
  // Links and view come before the queues, and these before the topology.
  void OnClusterChanged(ClusterMap::Change change) {
    if (change == ClusterMap::Change::kAddresses) {
      router_.view().OnAddressesChanged();
    } else {
      router_.links().OnMapChanged();
      router_.view().OnMapChanged();
    }
    if (change == ClusterMap::Change::kMap) {
      router_.OnMapChanged();
      balance_.OnMapChanged();
    }
    topology_.OnClusterChanged();
    dialer_.OnClusterChanged();
    cache_.OnClusterChanged();
  }

  // A leader writes most. Other nodes learn that this one takes no leadership.
  void OnDiskChanged() {
    const bool lacks_room = disk_.lacks_room();
    if (env_.tracer.Logs(env::Severity::kWarning)) {
      env_.tracer.Log(
          env::Severity::kWarning,
          lacks_room
              ? Concat("the disk has no room for snapshots (",
                       SizeText(disk_.room().free_bytes), " of ",
                       SizeText(disk_.room().size_bytes),
                       " are free): this node gives its leaderships away until "
                       "there is room. Free space, see "
                       "docs/operate/failures.md")
              : "the disk has room for snapshots again");
    }
    env_.tracer.Sometimes("node.disk_lacks_room");
    balance_.SetGivesAway(lacks_room);
    router_.view().TellGivesAway(lacks_room);
  }

  // Another kind of group has its case here. Its readers find its state machine
  // as HostedStore finds a store. Null: this program does not know the kind, so
  // the replica is halted.
  std::unique_ptr<raft::StateMachine> MakeStateMachine(
      GroupId group, const raft::Configuration& configuration) {
    if (IsStore(configuration)) return MakeStore(group, configuration);
    if (configuration.machine_kind != shardctrl::kControllerKind)
      return nullptr;
    auto machine = shardctrl::ControllerMachine::Create(
        configuration.parameters.view(), config_.known_level());
    return machine.ok() ? *std::move(machine) : nullptr;
  }

  std::unique_ptr<raft::StateMachine> MakeStore(
      GroupId group, const raft::Configuration& configuration) {
    auto options = kv::StoreOptionsOf(group, configuration);
    if (!options.ok()) return nullptr;
    options->pool = record_pool_;
    options->known_level = config_.known_level();
    options->key_reads = &metrics_.key_reads;
    options->ended = &metrics_.ended_stores[group];
    options->pages = {.keys = config_.bounds.page_keys,
                      .rows = config_.bounds.page_rows};
    return std::make_unique<kv::Store>(*std::move(options));
  }

  // A start that cannot listen must not count: no other node has learned of it.
  absl::Status CheckAddresses() {
    for (const std::string* address :
         {&config_.listen.resp, &config_.listen.resp_cluster,
          &config_.listen.http, &config_.listen.admin}) {
      const auto listener = env_.streams.Listen(
          *address, [](std::unique_ptr<env::Connection>) {});
      if (!listener.ok()) return listener.status();
    }
    return absl::OkStatus();
  }

  absl::Status Listen() {
    auto resp = env_.streams.Listen(
        config_.listen.resp, [this](std::unique_ptr<env::Connection> stream) {
          resp_clients_.Accept(std::move(stream), make_resp_,
                               Concat("-", kTooManyClients, "\r\n"));
        });
    if (!resp.ok()) return resp.status();
    auto resp_cluster = env_.streams.Listen(
        config_.listen.resp_cluster,
        [this](std::unique_ptr<env::Connection> stream) {
          resp_clients_.Accept(std::move(stream), make_resp_cluster_,
                               Concat("-", kTooManyClients, "\r\n"));
        });
    if (!resp_cluster.ok()) return resp_cluster.status();
    auto http = env_.streams.Listen(
        config_.listen.http, [this](std::unique_ptr<env::Connection> stream) {
          http_clients_.Accept(std::move(stream), make_http_, kHttpRefusal);
        });
    if (!http.ok()) return http.status();
    auto admin = env_.streams.Listen(
        config_.listen.admin, [this](std::unique_ptr<env::Connection> stream) {
          http_clients_.Accept(std::move(stream), make_admin_, kHttpRefusal);
        });
    if (!admin.ok()) return admin.status();
    resp_listener_ = *std::move(resp);
    resp_cluster_listener_ = *std::move(resp_cluster);
    http_listener_ = *std::move(http);
    admin_listener_ = *std::move(admin);
    return absl::OkStatus();
  }

  // While another node takes over, this one takes requests, also those of other
  // nodes: a leader that refused them would keep them waiting. Other nodes that
  // do not know of the stop may give leaderships to this one.
  void PollStop() {
    const MonoTime now = env_.loop.ReadClock().mono;
    const bool leads = LeadsAnyOrCampaigns();
    if (leads && takes_no_requests_ && !std::exchange(led_again_, true)) {
      lead_until_ = now + config_.host.core.heartbeat_interval;
    }
    const bool hands_over = leads && now < lead_until_;
    if (hands_over) {
      balance_.TransferAllLeaderships();
    } else if (!takes_no_requests_) {
      TakeNoRequests();
    }
    // Requests that a node sends to this one until it learns of the next leader
    // are answered, too. The last answers need less than a heartbeat interval.
    const uint64_t asked = router_.peer_requests();
    if (hands_over || asked != std::exchange(peer_requests_, asked) ||
        !router_.idle()) {
      idle_since_ = now;
    }
    if (now >= stop_deadline_ ||
        now - idle_since_ >= config_.host.core.heartbeat_interval) {
      return StopHost();
    }
    stop_timer_ = env_.loop.At(now + kStopPoll, [this] { PollStop(); });
  }

  void TakeNoRequests() {
    takes_no_requests_ = true;
    resp_listener_.reset();
    resp_cluster_listener_.reset();
    http_listener_.reset();
    admin_listener_.reset();
    resp_clients_.StopServing();
    http_clients_.StopServing();
    router_.BeginStop();
  }

  // Without links this node is no target of a transfer.
  void StopHost() {
    env_.transport.Stop();
    // A disk that hangs must not keep the process from ending.
    witness_by_ = env_.loop.ReadClock().mono + kWitnessWithin;
    host_.Stop([this](const absl::Status&) {
      witness_by_ = MonoTime::Min();
      AwaitClients();
    });
    AwaitClients();
  }

  // They get their last replies, at most until the deadline.
  void AwaitClients() {
    const MonoTime now = env_.loop.ReadClock().mono;
    const bool idle = resp_clients_.idle() && http_clients_.idle();
    if (now >= witness_by_ && (idle || now >= stop_deadline_)) {
      resp_clients_.CloseAll();
      http_clients_.CloseAll();
      end_by_ = now + kEndWithin;
      return AwaitEnds();
    }
    stop_timer_ = env_.loop.At(now + kStopPoll, [this] { AwaitClients(); });
  }

  // A connection whose client has not ended it, too, would be reset by a
  // request that is under way.
  void AwaitEnds() {
    const MonoTime now = env_.loop.ReadClock().mono;
    if ((resp_clients_.empty() && http_clients_.empty()) || now >= end_by_) {
      return EndStop();
    }
    stop_timer_ = env_.loop.At(now + kStopPoll, [this] { AwaitEnds(); });
  }

  void EndStop() {
    if (stopped_ != nullptr) std::exchange(stopped_, nullptr)(absl::OkStatus());
  }

  // A node that did not know of the stop may have given a group to this one,
  // whose voters have voted for it already.
  bool LeadsAnyOrCampaigns() const {
    for (const GroupId group : host_.groups()) {
      const raft::Core* core = host_.core(group);
      // A group with one voter has no transfer target.
      if (core == nullptr) continue;
      const raft::RoleKind role = core->role();
      if ((role == raft::RoleKind::kLeader ||
           role == raft::RoleKind::kCandidate) &&
          router_.view().OwnStatus(group).ok() &&
          core->configuration().voters.size() > 1) {
        return true;
      }
    }
    return false;
  }

  // raft::Host::Observer.
  void OnEvent(GroupId group, const raft::Event& event) override {
    upkeep_.OnChanged(group);
    switch (event.kind) {
      case raft::Event::Kind::kRoleChanged:
        if (event.role == raft::RoleKind::kCandidate) ++metrics_.elections;
        router_.OnLeadershipEvent(group);
        break;
      case raft::Event::Kind::kLeaderKnown:
        ++metrics_.leader_changes;
        router_.OnLeadershipEvent(group);
        agent_.OnChanged(group);
        break;
      case raft::Event::Kind::kTermChanged:
        router_.OnLeadershipEvent(group);
        break;
      case raft::Event::Kind::kHalted:
      case raft::Event::Kind::kConfigurationChanged:
        router_.OnReplicasChanged();
        agent_.OnChanged(group);
        break;
      case raft::Event::Kind::kSuffixTruncated:
        ++metrics_.suffixes_truncated;
        break;
      default:
        break;
    }
    if (observer_ != nullptr) observer_->OnEvent(group, event);
  }
  void OnApplied(GroupId group, const raft::Entry& entry) override {
    upkeep_.OnChanged(group);
    router_.OnApplied(group);
    if (group == shardctrl::kControllerGroup) agent_.OnChanged(group);
    // Slots have come with a later log time. Else that of the store would stand
    // still until entries have it.
    const kv::Store* const store = HostedStore(host_, group);
    if (store != nullptr && store->log_time() > entry.log_time) {
      host_.RaiseLogTime(group, store->log_time());
    }
    if (observer_ != nullptr) observer_->OnApplied(group, entry);
  }
  void OnRestored(GroupId group,
                  const raft::SnapshotDescriptor& snapshot) override {
    ++metrics_.snapshots_installed;
    upkeep_.OnChanged(group);
    router_.OnApplied(group);
    if (observer_ != nullptr) observer_->OnRestored(group, snapshot);
  }
  void OnStopped(const absl::Status& why) override {
    env_.tracer.Log(env::Severity::kError,
                    Concat("node ", config_.node, " stopped acknowledging: ",
                           Message(why), ", ", kFailuresPage));
    router_.OnReplicasChanged();
    if (observer_ != nullptr) observer_->OnStopped(why);
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    router_.OnReplicasChanged();
    agent_.OnChanged(group);
    if (observer_ != nullptr) observer_->OnRecovered(group, core);
  }
  void OnDropped(GroupId group) override {
    router_.OnReplicasChanged();
    agent_.OnChanged(group);
    if (observer_ != nullptr) observer_->OnDropped(group);
  }
  void OnStatesDiffer(GroupId group, raft::Index index) override {
    ++metrics_.state_differences;
    if (observer_ != nullptr) observer_->OnStatesDiffer(group, index);
  }
  void OnFenced(GroupId group, const absl::Status& why) override {
    env_.tracer.Log(env::Severity::kError,
                    Concat("group ", group, " does not serve on node ",
                           config_.node, ", ", kFailuresPage));
    router_.OnReplicasChanged();
    agent_.OnChanged(group);
    if (observer_ != nullptr) observer_->OnFenced(group, why);
  }
  void OnWritten(GroupId group, const raft::WriteToken& token) override {
    if (observer_ != nullptr) observer_->OnWritten(group, token);
  }
  void OnStep(GroupId group, const raft::Core& core,
              const raft::Output& output) override {
    metrics_.lease_reads += output.lease_reads.size();
    if (observer_ != nullptr) observer_->OnStep(group, core, output);
  }

  env::Env& env_;
  const Config config_;
  ClusterMap cluster_;
  raft::Host::Observer* const observer_;
  kv::Rules founded_rules_;
  Metrics metrics_;
  // Of all groups' stores, which host_ owns.
  const std::shared_ptr<kv::RecordPool> record_pool_ =
      std::make_shared<kv::RecordPool>();
  OutputBudget output_budget_;
  InputBudget input_budget_;
  MemoryBudget memory_budget_;
  raft::Host host_;
  TurnWork turn_work_;
  const ConfigParameters parameters_ =
      ConfigParameters(config_, /*cluster=*/false);
  const ConfigParameters cluster_parameters_ =
      ConfigParameters(config_, /*cluster=*/true);
  PeerDialer dialer_;
  AddressCache cache_;
  Router router_;
  LeaderBalance balance_;
  DiskWatch disk_;
  Upkeep upkeep_;
  Topology topology_;
  Clients resp_clients_;
  Clients http_clients_;
  mutable Context context_;
  Clients::MakeProtocol make_resp_;
  Clients::MakeProtocol make_resp_cluster_;
  Clients::MakeProtocol make_http_;
  ControllerAgent agent_;
  MoveSteps move_steps_;
  SlotMover mover_;
  AdminApi admin_;
  Clients::MakeProtocol make_admin_;
  std::unique_ptr<env::Listener> resp_listener_;
  std::unique_ptr<env::Listener> resp_cluster_listener_;
  std::unique_ptr<env::Listener> http_listener_;
  std::unique_ptr<env::Listener> admin_listener_;
  Done started_;
  Done stopped_;
  env::Pending stop_timer_;
  MonoTime stop_deadline_;
  MonoTime lead_until_;
  bool led_again_ = false;
  uint64_t peer_requests_ = 0;
  MonoTime idle_since_;
  MonoTime witness_by_;
  MonoTime end_by_;
  bool takes_no_requests_ = false;
};

}  // namespace

std::unique_ptr<Server> MakeServer(env::Env& env, Config config,
                                   raft::Host::Observer* observer) {
  return std::make_unique<ServerImpl>(env, std::move(config), observer);
}

}  // namespace quorate::node
