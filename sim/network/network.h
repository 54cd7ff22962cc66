// sim/network/network.h: the links between machines, for messages and streams,
// and their faults.
#ifndef QUORATE_SIM_NETWORK_NETWORK_H_
#define QUORATE_SIM_NETWORK_NETWORK_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/slot_pool.h"
#include "env/transport.h"
#include "sim/state/sim_state.h"

namespace quorate::sim {

class NodeTransport;

// The listeners of the world by address, "host:port". Host names have no
// meaning.
class AddressBook {
 public:
  struct Owner {
    MachineId machine;
    // The transport that listens there; null if `listener` does, the id of a
    // listener for streams of that machine.
    NodeTransport* transport = nullptr;
    uint64_t listener = 0;
    // Whether `machine` listens there now. False: it was the last one that did.
    bool bound = false;
  };
  // Checks "host:port" and binds the address. With `any_port` a port of 0
  // becomes a free port.
  absl::Status Bind(std::string* address, bool any_port, const Owner& owner);
  void Unbind(const std::string& address);
  // From now on `name` stands for `address`, as a name service has it.
  void SetName(const std::string& name, const std::string& address) {
    names_[name] = address;
    ++version_;
  }
  // Null: no machine has ever listened there.
  const Owner* Find(const std::string& address) const;
  // Grows with each change, so that users may cache results.
  uint64_t version() const { return version_; }

 private:
  absl::btree_map<std::string, Owner> owners_;
  absl::btree_map<std::string, std::string> names_;
  uint64_t version_ = 1;
  uint16_t next_port_ = 40000;
};

struct NetworkMessage;

// One direction between two machines.
struct NetworkLink {
  int blocks = 0;  // The number of partitions that block it.
  SimTime clogged_until = SimTime::Min();
  Duration extra_latency;
  // Part of the shape of the world: no healing changes it.
  Duration distance;
  // When the last byte that was sent has left. For links of bounded bandwidth.
  SimTime free_at = SimTime::Min();
  // When bytes that are sent at `departs` have left. 0: no bound.
  SimTime Transmit(SimTime departs, size_t bytes, int64_t bytes_per_second) {
    if (bytes_per_second == 0) return departs;
    free_at = std::max(free_at, departs) +
              Nanoseconds(static_cast<int64_t>(bytes) * 1'000'000'000 /
                          bytes_per_second);
    return free_at;
  }
  // For messages:
  struct Lane {
    SimTime last_arrival = SimTime::Min();
    size_t bytes = 0;  // Bytes in flight.
    // The sender was told so, and waits until three quarters are free.
    bool congested = false;
  };
  std::array<Lane, env::kLanes> lanes;
  // Copies of the last messages, for replay. Full, it is a ring.
  std::vector<NetworkMessage> old;
  size_t oldest = 0;  // The place of the first of them.
  // The handshake of the latest message to each node that arrived. A machine
  // may be asked for a node that it is not.
  absl::btree_map<NodeId, env::LinkState> handshakes;
  // The version of the address book at the last traced refusal.
  uint64_t refused_version = 0;
};

struct NetworkMessage {
  MachineId from;
  MachineId to;
  env::Lane lane = env::Lane::kControl;
  env::TransportIdentity sender;
  NodeId wanted;  // The node that the sender expects at the address.
  SimTime departs;
  size_t charged = 0;    // Bytes counted on the lane.
  bool arrived = false;  // It waits for a turn of the receiver.
  bool again = false;    // An old message that arrives again.
  Buffer bytes;
};

class Network {
 public:
  explicit Network(SimState* state) : state_(state) {}

  void AddMachine(NodeTransport* transport);
  // Whether the machine's transport listens somewhere.
  bool Listens(MachineId machine) const;
  AddressBook& addresses() { return addresses_; }
  NetworkLink& link(MachineId from, MachineId to) {
    return links_[from.value()][to.value()];
  }
  bool blocked(MachineId from, MachineId to) {
    return link(from, to).blocks > 0;
  }
  void Heal(NetworkLink* link);
  void HealAll();

  void set_message_text(std::string (*text)(std::string_view)) {
    message_text_ = text;
  }
  // The message in words, for records of a run.
  std::string Describe(std::string_view message) const {
    return message_text_ == nullptr ? "" : message_text_(message);
  }
  void set_message_key(uint64_t (*key)(std::string_view)) {
    message_key_ = key;
  }

  // Sends a message. The transport has checked it already.
  void Send(NetworkMessage&& message);
  void MessageEvent(uint64_t id);  // Handles kEventMessage.
  // Null: the message was never sent, or has arrived.
  const NetworkMessage* Find(uint64_t id) { return messages_.Find(id); }
  // Loses a message that is under way.
  void Lose(uint64_t id, Fault fault);
  // A second copy of a message that is under way arrives now. Returns its id.
  uint64_t Duplicate(uint64_t id);

  // Removes the message from the network, for a turn of its receiver.
  NetworkMessage Take(uint64_t id) { return messages_.Take(id); }
  // A machine died. Messages that it was to send later are not sent, and
  // messages that it had received are lost.
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

  ChoiceKey KeyOf(const NetworkMessage& message);
  Fate ChooseFate(const ChoiceKey& key);
  uint64_t Schedule(NetworkMessage&& message, SimTime arrives);
  void Remember(const NetworkMessage& message, NetworkLink* link);
  void Replay(const NetworkMessage& message, NetworkLink* link,
              const ChoiceKey& key);
  void Corrupt(NetworkMessage* message, const ChoiceKey& key);
  bool Admits(NodeTransport* to, const NetworkMessage& message,
              NetworkLink* link);
  // The message has left its lane. Tells the sender if that makes enough room.
  void LeaveLane(const NetworkMessage& message);

  SimState* const state_;
  AddressBook addresses_;
  std::vector<NodeTransport*> transports_{nullptr};  // By machine.
  std::vector<std::vector<NetworkLink>> links_;
  SlotPool<NetworkMessage> messages_;
  uint64_t (*message_key_)(std::string_view) = nullptr;
  std::string (*message_text_)(std::string_view) = nullptr;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_NETWORK_H_
