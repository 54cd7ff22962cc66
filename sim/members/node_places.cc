#include "sim/members/node_places.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "raft/transport/transport.h"
#include "sim/choices/choices.h"
#include "sim/harness/program_env.h"
#include "sim/harness/replica_observer.h"
#include "sim/keys/key_division.h"

namespace quorate::sim {
namespace {

constexpr ClusterId kCluster(0x51);
constexpr Duration kSupervisorDelay = Seconds(2);
constexpr ChoiceSite kOtherAddresses("operator.other_addresses");
constexpr ChoiceSite kKeepsCommand("operator.keeps_the_command");

}  // namespace

// The process of a tenant.
class NodePlaces::Program final : public ReplicaObserver {
 public:
  Program(env::Env& env, NodePlaces* places, size_t place)
      : ReplicaObserver(&places->world_, places->machines()[place],
                        NodeId(place + 1), &places->checker_),
        places_(places),
        place_(place),
        env_(env, raft::TransportOptions(),
             env.random.Fork("sim.peer_streams", place + 1)) {
    places_->programs_[place_] = this;
    places_->TryOtherAddresses(place_);
    server_ = node::MakeServer(env_.env(), places_->FileOf(place_), this);
    server_->Start([this](const absl::Status& status) {
      started_ = status.ok();
      places_->OnStarted(place_, status);
      if (started_) CheckRecovered(server_->host());
    });
  }
  ~Program() {
    Program*& registered = places_->programs_[place_];
    if (registered == this) registered = nullptr;
  }

  node::Server* server() const { return started_ ? server_.get() : nullptr; }
  void AfterTurn() {
    if (started_) CheckChanged(server_->host());
  }
  void HashCores() {
    if (started_) ReplicaObserver::HashCores(server_->host());
  }

  void OnCommitted(GroupId group, const raft::Entry& entry) override {
    if (places_->hooks_.committed) places_->hooks_.committed(group, entry);
  }
  void OnStep(GroupId group, const raft::Core& core,
              const raft::Output& output) override {
    ReplicaObserver::OnStep(group, core, output);
    if (places_->hooks_.step) places_->hooks_.step(place_, group, core);
  }
  void OnStopped(const absl::Status& why) override {
    places_->OnStopped(place_, why);
  }
  // An operator starts the node again.
  void OnFenced(GroupId, const absl::Status& why) override { OnStopped(why); }

 private:
  NodePlaces* const places_;
  const size_t place_;
  ProgramEnv env_;
  std::unique_ptr<node::Server> server_;
  bool started_ = false;
};

NodePlaces::NodePlaces(World* world, ReplicaChecker* checker, PlaceHooks hooks,
                       const NodePlacesOptions& options)
    : Places(world, {.name = "p",
                     .founders = options.founders,
                     .spares = options.spares,
                     .reserve = options.reserve}),
      world_(*world),
      checker_(*checker),
      hooks_(std::move(hooks)),
      options_(options),
      supervisor_(world, kSupervisorDelay),
      programs_(size()),
      shards_(FileOf(0).shards) {}

GroupId NodePlaces::GroupOf(Slot slot) const {
  for (const node::ShardConfig& shard : shards_) {
    for (const auto& [first, last] : shard.slots) {
      if (first <= slot.value() && slot.value() <= last) return shard.group;
    }
  }
  return GroupId();
}

NodePlaces::~NodePlaces() {
  // The programs refer to this object, and the world outlives it.
  for (const MachineId machine : machines()) {
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  }
}

void NodePlaces::Start() {
  for (size_t i = 0; i < size(); ++i) {
    world_.Start(machines()[i],
                 [this, i](env::Env& env) -> std::shared_ptr<void> {
                   if (!tenant(i).has_value()) return nullptr;
                   return std::make_shared<Program>(env, this, i);
                 });
  }
}

void NodePlaces::AfterTurn(MachineId machine) {
  if (machine.value() > size()) return;
  Program* const program = programs_[machine.value() - 1];
  if (program != nullptr) program->AfterTurn();
}

void NodePlaces::HashCores() {
  for (Program* const program : programs_) {
    if (program != nullptr) program->HashCores();
  }
}

void NodePlaces::Stop(MachineId machine) {
  node::Server* const server = this->server(machine.value() - 1);
  const uint64_t incarnation = world_.incarnation(machine);
  if (server == nullptr) return;
  server->Stop([this, machine, incarnation](const absl::Status&) {
    // The program ends after the turn that calls this.
    world_.At(world_.now(), [this, machine, incarnation] {
      if (!world_.running(machine) ||
          world_.incarnation(machine) != incarnation) {
        return;
      }
      world_.Crash(machine, CrashKind::kProcess);
    });
  });
}

node::Server* NodePlaces::server(size_t place) const {
  const Program* const program = programs_[place];
  return program == nullptr ? nullptr : program->server();
}

// ---- Files.

std::vector<std::string> NodePlaces::Seeds(size_t place) const {
  std::vector<std::string> seeds;
  for (size_t i = 0; i < size(); ++i) {
    if (i != place && tenant(i).has_value()) seeds.push_back(nodes()[i].peer);
  }
  return seeds;
}

void NodePlaces::SetAddresses(size_t place, node::Config* file) const {
  const node::NodeConfig& now = nodes()[place];
  file->listen = {.resp = now.resp,
                  .resp_cluster = now.resp_cluster,
                  .http = now.http,
                  .peer = now.peer,
                  .admin = AdminAddress(place),
                  .allow_non_loopback = true};
  for (node::NodeConfig& node : file->nodes) {
    if (node.id != file->node) continue;
    node = now;
    node.id = file->node;
  }
}

// It was written again for this start. A founder that is gone is somewhere.
node::Config NodePlaces::FounderFile(size_t place) const {
  node::Config file;
  file.bootstrap = !tenant(place)->created;
  for (uint32_t id = 1; id <= options_.founders; ++id) {
    const size_t at = PlaceOf(NodeId(id));
    const auto gone = [id](uint16_t port) {
      return absl::StrCat("gone", id, ":", port);
    };
    file.nodes.push_back(
        at == size() ? node::NodeConfig{.resp = gone(kRespPort),
                                        .resp_cluster = gone(kRespClusterPort),
                                        .http = gone(kHttpPort),
                                        .peer = gone(kPeerPort)}
                     : nodes()[at]);
    file.nodes.back().id = NodeId(id);
  }
  file.division = options_.division;
  file.shards = DividedShards(
      file.nodes, {.groups = options_.groups, .replicas = options_.replicas},
      options_.division);
  return file;
}

// The node knows itself alone.
node::Config NodePlaces::JoinerFile(size_t place) const {
  const Tenant& tenant = *this->tenant(place);
  node::Config file;
  file.nodes.push_back({.id = tenant.node});
  if (tenant.join->token.empty()) return file;  // It comes with a directory.
  const ChoiceKey start{place + 1, world_.incarnation(machines()[place])};
  if (!tenant.created ||
      world_.choices().Chance(kKeepsCommand, start, {1, 2})) {
    file.join = tenant.join;
  }
  return file;
}

node::Config NodePlaces::FileOf(size_t place) const {
  const Tenant& tenant = *this->tenant(place);
  node::Config file =
      tenant.join.has_value() ? JoinerFile(place) : FounderFile(place);
  file.cluster = kCluster;
  file.node = tenant.node;
  file.data_dir = "simulated";
  file.seeds = Seeds(place);
  file.moved = true;
  file.host.snapshot_threshold_bytes = options_.snapshot_threshold_bytes;
  file.host.snapshot_trailing_bytes = options_.snapshot_trailing_bytes;
  file.host.digest_interval = options_.digest_interval;
  SetAddresses(place, &file);
  const absl::Status status = node::CompleteConfig(&file, {});
  CHECK(status.ok()) << status.ToString();
  return file;
}

void NodePlaces::TryOtherAddresses(size_t place) {
  // The founding needs every node where its file says.
  if (!options_.changed_addresses || settled_ || !AllFoundersStarted()) return;
  const ChoiceKey start{place + 1, world_.incarnation(machines()[place])};
  if (!world_.choices().Chance(kOtherAddresses, start, {1, 3})) return;
  if (!Move(place)) return;
  world_.CountMark(machines()[place], "node.started_with_other_addresses");
}

// ---- Events.

void NodePlaces::OnStarted(size_t place, const absl::Status& status) {
  const Tenant& tenant = *this->tenant(place);
  if (!status.ok()) return OnStopped(place, status);
  // A store that had not begun may still begin: its token is good.
  if (tenant.erased && tenant.created) {
    world_.Violate(absl::StrCat("identity: node ", tenant.node.value(),
                                " started though its disk is gone"));
  }
  if (tenant.refused) {
    world_.Violate(absl::StrCat("admission: node ", tenant.node.value(),
                                " started at ", world_.name(machines()[place]),
                                " with a token that is not valid, or on the "
                                "directory of another node"));
  }
  OnCreated(place);
}

void NodePlaces::OnStopped(size_t place, const absl::Status& why) {
  const MachineId machine = machines()[place];
  const std::optional<Tenant>& tenant = this->tenant(place);
  // Calls of a program that dies in this turn fail, too.
  const bool excused = !tenant.has_value() || !tenant->created ||
                       tenant->erased || world_.disk_failures(machine) > 0 ||
                       !world_.running(machine);
  checker_.OnNodeStopped(NodeId(place + 1), why, excused);
  supervisor_.OnStopped(machine, why);
}

}  // namespace quorate::sim
