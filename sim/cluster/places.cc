#include "sim/cluster/places.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/host_port.h"

namespace quorate::sim {
namespace {

// Ports of one kind stay apart from those of another.
constexpr uint16_t kMovesMax = 90;

}  // namespace

Places::Places(World* world, const PlacesOptions& options)
    : world_(*world),
      first_nodes_(options.founders + options.read_only),
      reserve_(options.reserve) {
  const size_t count = first_nodes_ + options.spares + options.reserve;
  for (size_t i = 0; i < count; ++i) {
    const NodeId number = NumberOf(i);
    MachineOptions machine_options{.name = absl::StrCat("n", number.value())};
    if (options.clock_start) {
      machine_options.clock.mono_offset = options.clock_start(number);
    }
    const MachineId machine = world_.AddMachine(machine_options);
    CHECK_EQ(machine.value(), number.value());
    machines_.push_back(machine);
    Place& place = places_.emplace_back();
    if (i < first_nodes_) place.tenant = Tenant{.node = number};
    first_.push_back(AddressesAfter(i, 0));
    first_.back().read_only = i >= options.founders && i < first_nodes_;
  }
  now_ = first_;
  if (change()) {
    shelf_ = world_.AddMachine({.name = "shelf", .client = true});
  }
}

size_t Places::PlaceOf(NodeId node) const {
  for (size_t i = 0; i < places_.size(); ++i) {
    const std::optional<Tenant>& tenant = places_[i].tenant;
    if (tenant.has_value() && tenant->node == node && !tenant->refused) {
      return i;
    }
  }
  return places_.size();
}

size_t Places::FreePlace(uint64_t draw) const {
  const size_t count = places_.size() - reserve_;
  for (size_t i = 0; i < count; ++i) {
    const size_t place = (draw + i) % count;
    if (!places_[place].tenant.has_value()) return place;
  }
  return places_.size();
}

size_t Places::ReservedPlace() const {
  size_t place = places_.size() - reserve_;
  while (place < places_.size() && places_[place].tenant.has_value()) ++place;
  return place;
}

bool Places::AllFoundersStarted() const {
  return std::all_of(
      places_.begin(), places_.begin() + first_nodes_, [](const Place& place) {
        return !place.tenant.has_value() || place.tenant->join.has_value() ||
               place.tenant->created;
      });
}

void Places::OnCreated(size_t place) {
  Tenant& tenant = *places_[place].tenant;
  tenant.created = true;
  tenant.erased = false;
  if (tenant.join.has_value()) RefuseOthers(place, tenant.join->token);
}

// Stores that come with a token that has done its work, or is not the newest.
void Places::RefuseOthers(size_t place, const std::string& token) {
  for (size_t i = 0; i < places_.size(); ++i) {
    std::optional<Tenant>& other = places_[i].tenant;
    if (i != place && other.has_value() && !other->created &&
        other->node == places_[place].tenant->node && other->join.has_value() &&
        other->join->token == token) {
      other->refused = true;
    }
  }
}

// ---- Addresses.

std::string Places::FirstAddress(size_t place, uint16_t port) const {
  return FormatHostPort(Name(place), port);
}

node::NodeConfig Places::AddressesAfter(size_t place, uint16_t moves) const {
  const auto address = [&](uint16_t port) {
    return FirstAddress(place, static_cast<uint16_t>(port + moves));
  };
  return {.id = NumberOf(place),
          .resp = address(kRespPort),
          .resp_cluster = address(kRespClusterPort),
          .http = address(kHttpPort),
          .peer = address(kPeerPort)};
}

bool Places::Move(size_t place) {
  uint16_t& moves = places_[place].moves;
  if (moves == kMovesMax) return false;
  ++moves;
  const bool read_only = now_[place].read_only;
  now_[place] = AddressesAfter(place, moves);
  now_[place].read_only = read_only;
  for (const uint16_t port :
       {kRespPort, kRespClusterPort, kHttpPort, kAdminPort}) {
    world_.SetName(FirstAddress(place, port),
                   FirstAddress(place, static_cast<uint16_t>(port + moves)));
  }
  return true;
}

// A founder that is gone was somewhere.
node::NodeConfig Places::RowOf(NodeId founder) const {
  const size_t place = PlaceOf(founder);
  if (!change()) return first_[place];
  node::NodeConfig row;
  if (place < size()) {
    row = now_[place];
  } else {
    const auto gone = [founder](uint16_t port) {
      return FormatHostPort(absl::StrCat("gone", founder.value()), port);
    };
    row = {.resp = gone(kRespPort),
           .resp_cluster = gone(kRespClusterPort),
           .http = gone(kHttpPort),
           .peer = gone(kPeerPort)};
  }
  row.id = founder;
  return row;
}

void Places::FillIn(size_t place, node::Config* file) const {
  const Tenant& tenant = *places_[place].tenant;
  if (!tenant.join.has_value()) {
    for (size_t i = 0; i < first_nodes_; ++i) {
      file->nodes.push_back(RowOf(NumberOf(i)));
    }
  } else {
    file->nodes.push_back({.id = tenant.node});
  }
  for (node::NodeConfig& row : file->nodes) {
    if (row.id != tenant.node) continue;
    row = now_[place];
    row.id = tenant.node;
  }
  file->listen.admin = AdminAddress(place);
  for (size_t i = 0; i < size(); ++i) {
    const bool known =
        places_[i].tenant.has_value() && (change() || places_[i].moves > 0);
    if (i != place && known) file->seeds.push_back(now_[i].peer);
  }
  // Where nodes change places, their operators say so.
  file->moved = change() || !file->seeds.empty();
}

// ---- Deeds.

void Places::Tell(size_t place, const std::string& text) {
  world_.AddToStory(machines_[place], TraceKind::kDeed, 0, text);
}

void Places::Kill(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
}

void Places::Restart(size_t place) {
  Kill(place);
  world_.Restart(machines_[place]);
}

void Places::GoAway(size_t place, Duration time) {
  const MachineId machine = machines_[place];
  Kill(place);
  world_.At(world_.now() + time, [this, machine] {
    if (!world_.running(machine)) world_.Restart(machine);
  });
}

void Places::MoveIn(size_t place, Tenant tenant) {
  CHECK(!places_[place].tenant.has_value());
  Tell(place,
       absl::StrCat("node ", tenant.node.value(), " comes to ", Name(place)));
  places_[place].tenant = std::move(tenant);
  Restart(place);
}

void Places::Erase(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
  world_.EraseDisk(machine);
  Tenant& tenant = *places_[place].tenant;
  tenant.erased = true;
  tenant.damaged.clear();
  lost_ = world_.now();
  Tell(place,
       absl::StrCat("the disk of node ", tenant.node.value(), " is gone"));
  world_.Restart(machine);
}

void Places::Rejoin(size_t place, node::JoinConfig join) {
  const MachineId machine = machines_[place];
  Kill(place);
  world_.EraseDisk(machine);
  Tenant& tenant = *places_[place].tenant;
  RefuseOthers(place, tenant.join.has_value() ? tenant.join->token : "");
  tenant = {.node = tenant.node, .join = std::move(join)};
  Tell(place, absl::StrCat("node ", tenant.node.value(), " joins again"));
  world_.Restart(machine);
}

void Places::MoveOut(size_t place) {
  const MachineId machine = machines_[place];
  if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
  world_.EraseDisk(machine);
  Tell(place,
       absl::StrCat("node ", places_[place].tenant->node.value(), " is gone"));
  if (HasStore(place)) lost_ = world_.now();
  Leave(place);
  world_.Restart(machine);
}

std::optional<Tenant> Places::Leave(size_t place) {
  Place& left = places_[place];
  left.former = {.node = left.tenant->node, .left = world_.now()};
  return std::exchange(left.tenant, std::nullopt);
}

void Places::Copy(MachineId from, MachineId to) {
  world_.EraseDisk(to);
  world_.CopyDisk(to, world_, from, CrashKind::kProcess);
}

void Places::MoveDisk(size_t from, size_t to) {
  CHECK(!places_[to].tenant.has_value());
  for (const size_t place : {from, to}) Kill(place);
  Copy(machines_[from], machines_[to]);
  world_.EraseDisk(machines_[from]);
  places_[to].tenant = Leave(from);
  Tell(to, absl::StrCat("the disk of node ", places_[to].tenant->node.value(),
                        " moves to ", Name(to)));
  for (const size_t place : {from, to}) world_.Restart(machines_[place]);
}

void Places::SwapDisks(size_t a, size_t b) {
  for (const size_t place : {a, b}) Kill(place);
  Copy(machines_[a], shelf_);
  Copy(machines_[b], machines_[a]);
  Copy(shelf_, machines_[b]);
  world_.EraseDisk(shelf_);
  std::optional<Tenant> of_a = Leave(a);
  places_[a].tenant = Leave(b);
  places_[b].tenant = std::move(of_a);
  Tell(a, absl::StrCat("its disk changes places with that of ", Name(b)));
  for (const size_t place : {a, b}) world_.Restart(machines_[place]);
}

void Places::CopyDisk(size_t from, size_t to, Tenant tenant) {
  CHECK(!places_[to].tenant.has_value());
  Kill(to);
  Copy(machines_[from], machines_[to]);
  Tell(to, absl::StrCat("node ", tenant.node.value(),
                        " comes with a copy of the disk of ", Name(from)));
  places_[to].tenant = std::move(tenant);
  world_.Restart(machines_[to]);
}

}  // namespace quorate::sim
