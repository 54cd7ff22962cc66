// sim/network/node_transport.h: env::Transport of a simulated machine. It
// checks peers, sizes and addresses; Network moves the messages and applies
// faults.
#ifndef QUORATE_SIM_NETWORK_NODE_TRANSPORT_H_
#define QUORATE_SIM_NETWORK_NODE_TRANSPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "env/tracer.h"
#include "env/transport.h"
#include "sim/network/network.h"
#include "sim/state/turn_scheduler.h"

namespace quorate::sim {

class NodeTransport final : public env::Transport {
 public:
  NodeTransport(TurnScheduler* scheduler, Network* network,
                env::Tracer* tracer);

  // env::Transport. It does not choose free ports, because other nodes could
  // not learn them.
  absl::Status Start(const env::TransportIdentity& identity,
                     const std::string& listen_address,
                     std::vector<env::PeerAddress> peers,
                     Receiver* receiver) override;
  void Stop() override;
  void SetIdentity(const env::TransportIdentity& identity) override {
    identity_ = identity;
  }
  void SetPeers(std::vector<env::PeerAddress> peers) override;
  void Send(NodeId to, env::Lane lane,
            absl::Span<const Buffer> pieces) override;
  bool Congested(NodeId to, env::Lane lane) const override;
  // By the latest message that arrived there: without connections, a handshake
  // precedes each message.
  env::LinkState link(NodeId peer) const override;

  // ---- Called by the machine and the network.
  void RunInput(uint64_t id);
  void RunLaneReady(uint64_t id);
  // Whether the node is a peer.
  bool Knows(NodeId node) const;
  void Die();
  TurnScheduler& scheduler() { return *scheduler_; }
  bool started() const { return receiver_ != nullptr; }
  const env::TransportIdentity& identity() const { return identity_; }
  void Log(const std::string& message) {
    tracer_->Log(env::Severity::kWarning, message);
  }

 private:
  void Detach();
  void TakePeers(std::vector<env::PeerAddress> peers);
  struct Peer {
    NodeId node;
    std::string address;
    MachineId machine;     // The machine last known to listen there, or zero.
    uint64_t version = 0;  // The version of the address book at that time.
  };
  // The peer with its current machine. Null if it is no peer.
  Peer* FindPeer(NodeId node) const;

  TurnScheduler* const scheduler_;
  Network* const network_;
  env::Tracer* const tracer_;
  env::TransportIdentity identity_;
  std::string address_;
  mutable std::vector<Peer> peers_;  // Sorted by node.
  Receiver* receiver_ = nullptr;
  bool stopped_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_NODE_TRANSPORT_H_
