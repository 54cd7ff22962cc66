// sim/cluster/places.h: the machines of a cluster, and the nodes that live on
// them.
//
// A machine is a place: it has addresses of its own. A node is a tenant of a
// place: it has an id, a file, and the store on the disk of the place. The
// first tenants found the cluster. Others come with a token, move with their
// disk, and go, if the cluster has places for them.
//
// Places start their tenants with other addresses at times. Clients that know
// the first addresses of a place find it under them, as by a name. Other nodes
// do not: they have to learn the new ones.
#ifndef QUORATE_SIM_CLUSTER_PLACES_H_
#define QUORATE_SIM_CLUSTER_PLACES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "env/ids.h"
#include "env/time.h"
#include "node/config/config.h"
#include "sim/world/world.h"

namespace quorate::sim {

// A node, wherever it runs.
struct Tenant {
  NodeId node;
  // None: it was founded with the cluster.
  std::optional<node::JoinConfig> join = {};
  bool created = false;  // It has started once, and its store is on the disk.
  bool erased = false;   // The disk is gone: it must not start.
  // Its token is one that must be refused, or its directory.
  bool refused = false;
  // The files of the disk that were damaged.
  absl::btree_set<std::string> damaged = {};
};

struct PlacesOptions {
  uint32_t founders = 3;   // Those that vote.
  uint32_t read_only = 0;  // Further founders, without a vote.
  uint32_t spares = 0;     // Places without a tenant at first.
  // Further places, for nodes that must come back when all others are taken.
  uint32_t reserve = 0;
  // The reading of the monotonic clock of a place when the run begins. Null:
  // zero.
  std::function<Duration(NodeId number)> clock_start = {};
};

class Places {
 public:
  static constexpr uint16_t kRespPort = 7001;
  static constexpr uint16_t kRespClusterPort = 7101;
  static constexpr uint16_t kHttpPort = 8001;
  static constexpr uint16_t kAdminPort = 8101;
  static constexpr uint16_t kPeerPort = 9001;

  // Adds the machines to `world`, which has none yet. It outlives the
  // object.
  Places(World* world, const PlacesOptions& options);
  Places(const Places&) = delete;
  Places& operator=(const Places&) = delete;

  // Checkers know a machine by the number of its place, from 1 on. In a cluster
  // whose nodes stay that is the id of its node.
  static NodeId NumberOf(size_t place) {
    return NodeId(static_cast<uint32_t>(place + 1));
  }
  static size_t PlaceWith(NodeId number) { return number.value() - 1; }

  size_t size() const { return places_.size(); }
  size_t founders() const { return first_nodes_; }
  // Tenants come and go.
  bool change() const { return size() > founders(); }
  const std::vector<MachineId>& machines() const { return machines_; }
  // None: the place is free.
  const std::optional<Tenant>& tenant(size_t place) const {
    return places_[place].tenant;
  }
  // The place where the node has a store, or is to have one; size(): none.
  size_t PlaceOf(NodeId node) const;
  // The node of the place has a store on its disk. False for size().
  bool HasStore(size_t place) const {
    return place < size() && places_[place].tenant.has_value() &&
           places_[place].tenant->created && !places_[place].tenant->erased;
  }
  // It has no tenant, or one whose disk is gone.
  bool IsErased(size_t place) const {
    return !places_[place].tenant.has_value() || places_[place].tenant->erased;
  }
  // Bytes of its disk were damaged.
  bool IsDamaged(size_t place) const {
    return places_[place].tenant.has_value() &&
           !places_[place].tenant->damaged.empty();
  }
  // The node that left the place last, and when; none: none did.
  struct Former {
    NodeId node;
    SimTime left;
  };
  const std::optional<Former>& former(size_t place) const {
    return places_[place].former;
  }
  // A place without tenant, from `draw` on; size(): none.
  size_t FreePlace(uint64_t draw) const;
  // The same for the reserve.
  size_t ReservedPlace() const;
  // Each founder that is still there has started.
  bool AllFoundersStarted() const;
  // When a disk was lost last.
  std::optional<SimTime> lost() const { return lost_; }
  // The node of the place has started.
  void OnCreated(size_t place);
  // Bytes of the file are wrong from now on. The place has a store.
  void OnDamaged(size_t place, const std::string& file) {
    places_[place].tenant->damaged.insert(file);
  }

  // ---- Addresses.
  // Of each place its number, and its present addresses.
  const std::vector<node::NodeConfig>& nodes() const { return now_; }
  // The present address for operators.
  std::string AdminAddress(size_t place) const {
    return FirstAddress(
        place, static_cast<uint16_t>(kAdminPort + places_[place].moves));
  }
  // The address by which clients and operators know the place.
  std::string FirstAddress(size_t place, uint16_t port) const;
  // Gives the place other addresses before its next start. False: it has had
  // all that there are.
  bool Move(size_t place);
  // Writes the rows and addresses of the file of the tenant, for this start. If
  // nodes stay at their places, founders have the first addresses of the others
  // and the present ones of those that moved as seeds. Else they have the
  // present ones, and nodes that joined know themselves alone.
  void FillIn(size_t place, node::Config* file) const;

  // ---- Deeds of operators. They take effect at once: call them from
  // World::At.
  // The tenant comes to the place, which is free, with an empty disk.
  void MoveIn(size_t place, Tenant tenant);
  // The machine crashes and has an empty disk. The tenant stays, and its
  // process starts again and again.
  void Erase(size_t place);
  // The tenant of the erased place starts again, with a token.
  void Rejoin(size_t place, node::JoinConfig join);
  // The tenant is gone, and its disk with it.
  void MoveOut(size_t place);
  // The disk moves to another place, which is free.
  void MoveDisk(size_t from, size_t to);
  // The disks change places. Both places have a store.
  void SwapDisks(size_t a, size_t b);
  // A copy of the disk comes to another place, which is free, with its tenant.
  void CopyDisk(size_t from, size_t to, Tenant tenant);
  void Restart(size_t place);
  // The process ends, and starts again after this time.
  void GoAway(size_t place, Duration time);

 private:
  struct Place {
    std::optional<Tenant> tenant;
    std::optional<Former> former;
    uint16_t moves = 0;  // How often it had other addresses.
  };

  std::string Name(size_t place) const { return world_.name(machines_[place]); }
  node::NodeConfig AddressesAfter(size_t place, uint16_t moves) const;
  // The addresses of a founder, for the file of another one.
  node::NodeConfig RowOf(NodeId founder) const;
  void RefuseOthers(size_t place, const std::string& token);
  void Kill(size_t place);
  // The tenant of the place is there no more.
  std::optional<Tenant> Leave(size_t place);
  void Copy(MachineId from, MachineId to);
  void Tell(size_t place, const std::string& text);

  World& world_;
  const size_t first_nodes_;
  const size_t reserve_;
  std::vector<MachineId> machines_;
  std::vector<Place> places_;
  std::vector<node::NodeConfig> first_;  // Of each place, at first.
  std::vector<node::NodeConfig> now_;
  MachineId shelf_;  // Disks lie here for a moment. Zero: nodes stay.
  std::optional<SimTime> lost_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_PLACES_H_
