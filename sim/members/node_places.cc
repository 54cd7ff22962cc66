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
constexpr uint16_t kMovesMax = 90;
constexpr ChoiceSite kOtherAddresses("operator.other_addresses");
constexpr ChoiceSite kKeepsCommand("operator.keeps_the_command");

}  // namespace

// The process of a tenant.
class NodePlaces::Program final : public ReplicaObserver {
 public:
  Program(env::Env& env, NodePlaces* places, size_t place)
      : ReplicaObserver(&places->world_, places->machines_[place],
                        NodeId(place + 1), &places->checker_),
        places_(places),
        place_(place),
        env_(env, raft::TransportOptions(),
             env.random.Fork("sim.peer_streams", place + 1)) {
    places_->places_[place_].program = this;
    places_->TryOtherAddresses(place_);
    server_ = node::MakeServer(env_.env(), places_->FileOf(place_), this);
    server_->Start([this](const absl::Status& status) {
      started_ = status.ok();
      places_->OnStarted(place_, status);
      if (started_) CheckRecovered(server_->host());
    });
  }
  ~Program() {
    Place& place = places_->places_[place_];
    if (place.program == this) place.program = nullptr;
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
    : world_(*world),
      checker_(*checker),
      hooks_(std::move(hooks)),
      options_(options),
      supervisor_(world, kSupervisorDelay) {
  CHECK_EQ(world_.machine_count(), 0u);
  const uint32_t count = options_.founders + options_.spares + options_.reserve;
  for (uint32_t i = 0; i < count; ++i) {
    machines_.push_back(world_.AddMachine({.name = absl::StrCat("p", i + 1)}));
    Place& place = places_.emplace_back();
    if (i < options_.founders)
      place.tenant = PlaceTenant{.node = NodeId(i + 1)};
  }
  shards_ = FileOf(0).shards;
  shelf_ = world_.AddMachine({.name = "shelf", .client = true});
}

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
  for (const MachineId machine : machines_) {
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  }
}

void NodePlaces::Start() {
  for (size_t i = 0; i < machines_.size(); ++i) {
    world_.Start(machines_[i],
                 [this, i](env::Env& env) -> std::shared_ptr<void> {
                   if (!places_[i].tenant.has_value()) return nullptr;
                   return std::make_shared<Program>(env, this, i);
                 });
  }
}

void NodePlaces::AfterTurn(MachineId machine) {
  if (machine.value() > places_.size()) return;
  Program* const program = places_[machine.value() - 1].program;
  if (program != nullptr) program->AfterTurn();
}

void NodePlaces::HashCores() {
  for (const Place& place : places_) {
    if (place.program != nullptr) place.program->HashCores();
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
  const Program* const program = places_[place].program;
  return program == nullptr ? nullptr : program->server();
}

size_t NodePlaces::PlaceOf(NodeId node) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    const std::optional<PlaceTenant>& tenant = places_[i].tenant;
    if (tenant.has_value() && tenant->node == node && !tenant->refused) {
      return i;
    }
  }
  return places_.size();
}

size_t NodePlaces::FreePlace(uint64_t draw) const {
  const size_t count = places_.size() - options_.reserve;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = (draw + i) % count;
    if (!places_[place].tenant.has_value()) return place;
  }
  return places_.size();
}

size_t NodePlaces::ReservedPlace() const {
  size_t place = places_.size() - options_.reserve;
  while (place < places_.size() && places_[place].tenant.has_value()) ++place;
  return place;
}

bool NodePlaces::AllFoundersStarted() const {
  return std::all_of(places_.begin(), places_.begin() + options_.founders,
                     [](const Place& place) {
                       return !place.tenant.has_value() ||
                              place.tenant->join.has_value() ||
                              place.tenant->created;
                     });
}

// ---- Files.

std::string NodePlaces::FirstAddress(size_t place, uint16_t port) const {
  return absl::StrCat("p", place + 1, ":", port);
}

std::string NodePlaces::Address(size_t place, uint16_t port) const {
  return FirstAddress(place,
                      static_cast<uint16_t>(port + places_[place].moves));
}

std::vector<std::string> NodePlaces::Seeds(size_t place) const {
  std::vector<std::string> seeds;
  for (size_t i = 0; i < places_.size(); ++i) {
    if (i != place && places_[i].tenant.has_value()) {
      seeds.push_back(Address(i, kPeerPort));
    }
  }
  return seeds;
}

void NodePlaces::SetAddresses(size_t place, node::Config* file) const {
  file->listen = {.resp = Address(place, kRespPort),
                  .resp_cluster = Address(place, kRespClusterPort),
                  .http = Address(place, kHttpPort),
                  .peer = Address(place, kPeerPort),
                  .admin = Address(place, kAdminPort),
                  .allow_non_loopback = true};
  for (node::NodeConfig& node : file->nodes) {
    if (node.id != file->node) continue;
    node.resp = file->listen.resp;
    node.resp_cluster = file->listen.resp_cluster;
    node.http = file->listen.http;
    node.peer = file->listen.peer;
  }
}

// It was written again for this start. A founder that is gone is somewhere.
node::Config NodePlaces::FounderFile(size_t place) const {
  node::Config file;
  file.bootstrap = !places_[place].tenant->created;
  for (uint32_t id = 1; id <= options_.founders; ++id) {
    const size_t at = PlaceOf(NodeId(id));
    const auto address = [&](uint16_t port) {
      return at == size() ? absl::StrCat("gone", id, ":", port)
                          : Address(at, port);
    };
    file.nodes.push_back({.id = NodeId(id),
                          .resp = address(kRespPort),
                          .resp_cluster = address(kRespClusterPort),
                          .http = address(kHttpPort),
                          .peer = address(kPeerPort)});
  }
  file.division = options_.division;
  file.shards = DividedShards(
      file.nodes, {.groups = options_.groups, .replicas = options_.replicas},
      options_.division);
  return file;
}

// The node knows itself alone.
node::Config NodePlaces::JoinerFile(size_t place) const {
  const PlaceTenant& tenant = *places_[place].tenant;
  node::Config file;
  file.nodes.push_back({.id = tenant.node});
  if (tenant.join->token.empty()) return file;  // It comes with a directory.
  const ChoiceKey start{place + 1, world_.incarnation(machines_[place])};
  if (!tenant.created ||
      world_.choices().Chance(kKeepsCommand, start, {1, 2})) {
    file.join = tenant.join;
  }
  return file;
}

node::Config NodePlaces::FileOf(size_t place) const {
  const PlaceTenant& tenant = *places_[place].tenant;
  node::Config file =
      tenant.join.has_value() ? JoinerFile(place) : FounderFile(place);
  file.cluster = kCluster;
  file.node = tenant.node;
  file.data_dir = "simulated";
  file.seeds = Seeds(place);
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
  const ChoiceKey start{place + 1, world_.incarnation(machines_[place])};
  Place& moved = places_[place];
  if (moved.moves == kMovesMax ||
      !world_.choices().Chance(kOtherAddresses, start, {1, 3})) {
    return;
  }
  ++moved.moves;
  for (const uint16_t port :
       {kRespPort, kRespClusterPort, kHttpPort, kAdminPort}) {
    world_.SetName(FirstAddress(place, port), Address(place, port));
  }
  world_.CountMark(machines_[place], "node.started_with_other_addresses");
}

// ---- Events.

void NodePlaces::OnStarted(size_t place, const absl::Status& status) {
  PlaceTenant& tenant = *places_[place].tenant;
  if (!status.ok()) return OnStopped(place, status);
  // A store that had not begun may still begin: its token is good.
  if (tenant.erased && tenant.created) {
    world_.Violate(absl::StrCat("identity: node ", tenant.node.value(),
                                " started though its disk is gone"));
  }
  if (tenant.refused) {
    world_.Violate(absl::StrCat("admission: node ", tenant.node.value(),
                                " started at ", world_.name(machines_[place]),
                                " with a token that is not valid, or on the "
                                "directory of another node"));
  }
  tenant.created = true;
  tenant.erased = false;
  if (tenant.join.has_value()) RefuseOthers(place, tenant.join->token);
}

void NodePlaces::OnStopped(size_t place, const absl::Status& why) {
  const MachineId machine = machines_[place];
  const std::optional<PlaceTenant>& tenant = places_[place].tenant;
  // Calls of a program that dies in this turn fail, too.
  const bool excused = !tenant.has_value() || !tenant->created ||
                       tenant->erased || world_.disk_failures(machine) > 0 ||
                       !world_.running(machine);
  checker_.OnNodeStopped(NodeId(place + 1), why, excused);
  supervisor_.OnStopped(machine, why);
}

// Stores that come with a token that has done its work, or is not the newest.
void NodePlaces::RefuseOthers(size_t place, const std::string& token) {
  for (size_t i = 0; i < places_.size(); ++i) {
    std::optional<PlaceTenant>& other = places_[i].tenant;
    if (i != place && other.has_value() && !other->created &&
        other->node == places_[place].tenant->node && other->join.has_value() &&
        other->join->token == token) {
      other->refused = true;
    }
  }
}

// ---- Deeds.

void NodePlaces::Restart(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  world_.Restart(machine);
}

void NodePlaces::GoAway(size_t place, Duration time) {
  const MachineId machine = machines_[place];
  Kill(place);
  world_.At(world_.now() + time, [this, machine] {
    if (!world_.running(machine)) world_.Restart(machine);
  });
}

void NodePlaces::MoveIn(size_t place, PlaceTenant tenant) {
  CHECK(!places_[place].tenant.has_value());
  world_.AddToStory(machines_[place], TraceKind::kDeed, 0,
                    absl::StrCat("node ", tenant.node.value(), " comes to ",
                                 world_.name(machines_[place])));
  places_[place].tenant = std::move(tenant);
  Restart(place);
}

void NodePlaces::Erase(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
  world_.EraseDisk(machine);
  PlaceTenant& tenant = *places_[place].tenant;
  tenant.erased = true;
  lost_ = world_.now();
  world_.AddToStory(
      machine, TraceKind::kDeed, 0,
      absl::StrCat("the disk of node ", tenant.node.value(), " is gone"));
  world_.Restart(machine);
}

void NodePlaces::Rejoin(size_t place, node::JoinConfig join) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  world_.EraseDisk(machine);
  PlaceTenant& tenant = *places_[place].tenant;
  RefuseOthers(place, tenant.join.has_value() ? tenant.join->token : "");
  tenant = {.node = tenant.node, .join = std::move(join)};
  world_.AddToStory(machine, TraceKind::kDeed, 0,
                    absl::StrCat("node ", tenant.node.value(), " joins again"));
  world_.Restart(machine);
}

void NodePlaces::MoveOut(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
  world_.EraseDisk(machine);
  world_.AddToStory(
      machine, TraceKind::kDeed, 0,
      absl::StrCat("node ", places_[place].tenant->node.value(), " is gone"));
  if (HasStore(place)) lost_ = world_.now();
  places_[place].tenant.reset();
  world_.Restart(machine);
}

void NodePlaces::Kill(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
}

void NodePlaces::Copy(MachineId from, MachineId to) {
  world_.EraseDisk(to);
  world_.CopyDisk(to, world_, from, CrashKind::kProcess);
}

void NodePlaces::MoveDisk(size_t from, size_t to) {
  CHECK(!places_[to].tenant.has_value());
  for (const size_t place : {from, to}) Kill(place);
  Copy(machines_[from], machines_[to]);
  world_.EraseDisk(machines_[from]);
  places_[to].tenant = std::exchange(places_[from].tenant, std::nullopt);
  world_.AddToStory(
      machines_[to], TraceKind::kDeed, 0,
      absl::StrCat("the disk of node ", places_[to].tenant->node.value(),
                   " moves to ", world_.name(machines_[to])));
  for (const size_t place : {from, to}) world_.Restart(machines_[place]);
}

void NodePlaces::SwapDisks(size_t a, size_t b) {
  for (const size_t place : {a, b}) Kill(place);
  Copy(machines_[a], shelf_);
  Copy(machines_[b], machines_[a]);
  Copy(shelf_, machines_[b]);
  world_.EraseDisk(shelf_);
  std::swap(places_[a].tenant, places_[b].tenant);
  world_.AddToStory(machines_[a], TraceKind::kDeed, 0,
                    absl::StrCat("its disk changes places with that of ",
                                 world_.name(machines_[b])));
  for (const size_t place : {a, b}) world_.Restart(machines_[place]);
}

void NodePlaces::CopyDisk(size_t from, size_t to, PlaceTenant tenant) {
  CHECK(!places_[to].tenant.has_value());
  Kill(to);
  Copy(machines_[from], machines_[to]);
  world_.AddToStory(machines_[to], TraceKind::kDeed, 0,
                    absl::StrCat("node ", tenant.node.value(),
                                 " comes with a copy of the disk of ",
                                 world_.name(machines_[from])));
  places_[to].tenant = std::move(tenant);
  world_.Restart(machines_[to]);
}

}  // namespace quorate::sim
