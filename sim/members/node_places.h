// sim/members/node_places.h: the machines of a cluster whose members change,
// and the nodes that run on them.
//
// A machine is a place: it has addresses of its own. A node is a tenant of a
// place: it has an id, a file, and the store on the disk of the place. Tenants
// come with a token, move with their disk, and go. The first ones found the
// cluster.
//
// These are its rules, beside those of ReplicaChecker:
//   identity: a node without its disk does not start, unless it has a new
//   token.
//   admission: a store whose token is not valid does not start, and neither
//   does a second one with the same token.
//   directory: a node does not start on the directory of another one.
#ifndef QUORATE_SIM_MEMBERS_NODE_PLACES_H_
#define QUORATE_SIM_MEMBERS_NODE_PLACES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "kv/slots/slot.h"
#include "node/config/config.h"
#include "node/server.h"
#include "raft/host/host.h"
#include "shardctrl/partition.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/places.h"
#include "sim/harness/supervisor.h"
#include "sim/members/member_rules.h"
#include "sim/world/world.h"

namespace quorate::sim {

// Reports of the process of a place, for checkers. Null functions: none asks.
struct PlaceHooks {
  // The first replica applied the entry.
  std::function<void(GroupId, const raft::Entry&)> committed;
  std::function<void(size_t place, GroupId, const raft::Core&)> step;
};

struct NodePlacesOptions {
  uint32_t founders = 3;
  uint32_t spares = 2;  // Places without a tenant at first.
  // Further places, for nodes that must come back when all others are taken.
  uint32_t reserve = 2;
  uint32_t groups = 2;
  uint32_t replicas = 3;
  KeyDivision division = {};
  bool changed_addresses = false;  // At some starts.
  uint64_t snapshot_threshold_bytes = 20'000;
  uint64_t snapshot_trailing_bytes = 8 << 20;
  uint64_t digest_interval = 64;
};

class NodePlaces : public Places {
 public:
  // All outlive the object. Adds the machines to `world`, which has none yet.
  // The step hook of the world must call AfterTurn.
  NodePlaces(World* world, ReplicaChecker* checker, PlaceHooks hooks,
             const NodePlacesOptions& options);
  ~NodePlaces();
  NodePlaces(const NodePlaces&) = delete;
  NodePlaces& operator=(const NodePlaces&) = delete;

  // Boots every machine.
  void Start();
  void AfterTurn(MachineId machine);
  // Asks the server to stop, and ends its program when it has.
  void Stop(MachineId machine);
  void HashCores();
  // Addresses stay from now on.
  void Settle() { settled_ = true; }

  // Null while the machine is down or the server has not started.
  node::Server* server(size_t place) const;
  // A disk was lost so lately that leaders may not know of it.
  bool LostLately() const {
    return lost().has_value() &&
           world_.now() - *lost() < MemberRules::kKnownToWork;
  }
  // An operator asks for a replacement of the node, so its store may be given
  // up at any time.
  bool IsBeingReplaced(NodeId node) const { return replacing_.contains(node); }
  void BeginReplacing(NodeId node) { replacing_.insert(node); }
  void EndReplacing(NodeId node) { replacing_.erase(replacing_.find(node)); }
  // A store that is given up before the controller knows of a group on it takes
  // the group along. So operators do not create groups meanwhile, nor replace
  // nodes while they create groups.
  bool replacing() const { return !replacing_.empty(); }
  bool creating() const { return creating_ > 0; }
  void BeginCreating() { ++creating_; }
  void EndCreating() { --creating_; }
  // False: another operator does it.
  bool BeginRecoveringController() {
    return !std::exchange(recovering_controller_, true);
  }
  void EndRecoveringController() { recovering_controller_ = false; }
  // An operator asks for another number of replicas, or did so lately.
  bool ShrunkLately() const { return WasLately(shrinks_); }
  void BeginShrinking() { ++shrinks_.open; }
  void EndShrinking() { End(shrinks_); }
  // The same for a drain, after which the controller may have fewer replicas.
  bool DrainedLately() const { return WasLately(drains_); }
  void BeginDraining() { ++drains_.open; }
  void EndDraining() { End(drains_); }
  // The configuration with which the place starts. It has a tenant.
  node::Config FileOf(size_t place) const;
  // The group of the founding that owns the slot.
  GroupId GroupOf(Slot slot) const;
  const KeyDivision& division() const { return options_.division; }

 private:
  class Program;
  // Requests of operators that may take replicas away.
  struct Wishes {
    size_t open = 0;
    std::optional<SimTime> ended;  // The time when the last one ended.
  };
  bool WasLately(const Wishes& wishes) const {
    return wishes.open > 0 ||
           (wishes.ended.has_value() &&
            world_.now() - *wishes.ended < MemberRules::kKnownToWork);
  }
  void End(Wishes& wishes) {
    --wishes.open;
    wishes.ended = world_.now();
  }
  node::Config FounderFile(size_t place) const;
  node::Config JoinerFile(size_t place) const;
  void SetAddresses(size_t place, node::Config* file) const;
  std::vector<std::string> Seeds(size_t place) const;
  void TryOtherAddresses(size_t place);
  void OnStarted(size_t place, const absl::Status& status);
  void OnStopped(size_t place, const absl::Status& why);

  World& world_;
  ReplicaChecker& checker_;
  const PlaceHooks hooks_;
  const NodePlacesOptions options_;
  Supervisor supervisor_;
  std::multiset<NodeId> replacing_;
  int creating_ = 0;
  bool recovering_controller_ = false;
  Wishes shrinks_;
  Wishes drains_;
  // The program of each place. Null: the machine is down, or free.
  std::vector<Program*> programs_;
  std::vector<node::ShardConfig> shards_;
  bool settled_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_NODE_PLACES_H_
