// sim/network/network.h: the links between machines, which messages take and streams
// share, and their faults.
#ifndef QUORATE_SIM_NETWORK_NETWORK_H_
#define QUORATE_SIM_NETWORK_NETWORK_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/transport.h"
#include "sim/state/sim_state.h"
#include "sim/state/slot_pool.h"

namespace quorate::sim {

class NodeTransport;

// Who listens where. One address space for the whole world, "host:port"; hosts
// have no meaning.
class AddressBook {
 public:
  struct Owner {
    MachineId machine;
    NodeTransport* transport = nullptr;  // Or
    uint64_t listener = 0;
    bool bound = false;  // False: `machine` was the last to listen there.
  };
  // Checks "host:port" and takes the address; a port of 0 is replaced by a free
  // one where `any_port`.
  absl::Status Bind(std::string* address, bool any_port, const Owner& owner);
  void Unbind(const std::string& address);
  // Null: nobody ever listened there.
  const Owner* Find(const std::string& address) const;
  // Grows with each change: lets users keep what they found.
  uint64_t version() const { return version_; }

 private:
  absl::btree_map<std::string, Owner> owners_;
  uint64_t version_ = 1;
  uint32_t next_port_ = 40000;
};

// One direction between two machines.
struct NetworkLink {
  int blocks = 0;  // Partitions that cut it.
  SimTime clogged_until = SimTime::Min();
  Duration extra_latency;
  // Of messages:
  struct Lane {
    uint64_t count = 0;
    SimTime last_arrival = SimTime::Min();
    size_t bytes = 0;  // On their way.
  };
  std::array<Lane, 2> lanes;
  std::vector<uint64_t> old;  // Ids of remembered messages, newest last.
  // How often a keyed message was seen. Looked up only.
  absl::flat_hash_map<uint64_t, uint64_t> seen;
  uint64_t refused_version =
      0;  // The address book's when a refusal was last traced.
};

struct NetworkMessage {
  MachineId from;
  MachineId to;
  env::Lane lane = env::Lane::kControl;
  env::TransportIdentity sender;
  NodeId wanted;  // Whom the sender expects at the address.
  SimTime departs;
  size_t charged = 0;       // Bytes counted on the lane.
  bool arrived = false;     // Waits for a turn of the receiver.
  bool remembered = false;  // A copy kept for replay, never delivered itself.
  Buffer bytes;
};

class Network {
 public:
  explicit Network(SimState* state) : state_(state) {}

  void AddMachine(NodeTransport* transport);
  AddressBook& addresses() { return addresses_; }
  NetworkLink& link(MachineId from, MachineId to) {
    return links_[from.value()][to.value()];
  }
  bool blocked(MachineId from, MachineId to) {
    return link(from, to).blocks > 0;
  }
  void Heal(NetworkLink* link);
  void HealAll();

  void set_message_key(uint64_t (*key)(std::string_view)) {
    message_key_ = key;
  }

  // Sends a message from a transport that checked everything local.
  void Send(NetworkMessage message);
  void MessageEvent(uint64_t id);  // kEventMessage.
  // The message for a turn of its receiver; it leaves the network.
  NetworkMessage Take(uint64_t id) { return messages_.Take(id); }
  // A machine died: what it was to send later never left, what it had received
  // is gone.
  void MachineDied(MachineId machine, SimTime death);

 private:
  enum class Fate : uint64_t {
    kDeliver,
    kLose,
    kDuplicate,
    kReorder,
    kReplay,
    kCorrupt,
  };
  struct Key {
    uint64_t entity;
    uint64_t counter;
  };

  Key NextKey(const NetworkMessage& message, NetworkLink* link);
  Fate ChooseFate(const Key& key);
  void Schedule(NetworkMessage message, SimTime arrives);
  void Remember(const NetworkMessage& message, NetworkLink* link);
  void Replay(const NetworkMessage& message, NetworkLink* link, const Key& key);
  void Corrupt(NetworkMessage* message, const Key& key);
  bool Admits(NodeTransport* to, const NetworkMessage& message,
              NetworkLink* link);

  SimState* const state_;
  AddressBook addresses_;
  std::vector<NodeTransport*> transports_{nullptr};  // By machine.
  std::vector<std::vector<NetworkLink>> links_;
  SlotPool<NetworkMessage> messages_;
  uint64_t (*message_key_)(std::string_view) = nullptr;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_NETWORK_H_
