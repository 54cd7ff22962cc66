// sim/run/strange_peer.h: a program that begins the handshake of nodes as a
// node with a bug or of another version does.
//
// Nodes that it dials must refuse it, or close the connection when it breaks
// the protocol. A node that dials it must give the connection up. All nodes go
// on.
#ifndef QUORATE_SIM_RUN_STRANGE_PEER_H_
#define QUORATE_SIM_RUN_STRANGE_PEER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "env/env.h"
#include "raft/host/service.h"
#include "raft/transport/handshake.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {

struct StrangePeerOptions {
  std::string listen_address;
  // The addresses of nodes for their peers.
  std::vector<std::string> addresses;
  // The handshake that some node of the cluster would send to the node at an
  // address. False: there is none now.
  std::function<bool(size_t address, raft::Hello*)> hello;
  std::function<void(std::string)> violate;
};

class StrangePeer final : Dialogue {
 public:
  StrangePeer(env::Env& env, StrangePeerOptions options);
  ~StrangePeer();

  // Ends all connections, in a turn of its own.
  using Dialogue::Stop;
  // How many handshakes it sent and answered.
  uint64_t sent() const { return sent_; }
  uint64_t answered() const { return answered_; }

 private:
  // A connection of a node that dialled.
  class Visitor;

  // The strange part of a handshake that this program sends.
  enum class Manner : uint8_t;

  // Dialogue, with the node that this program dialled.
  void OnBegin() override;
  void OnOpen() override;
  void OnBytes(std::string_view bytes) override;
  void OnOver(const absl::Status&) override { Leave(); }

  // Closes the connection, and plans the next one.
  void Leave();
  std::string DrawAnswer(const raft::Hello& hello);
  static std::string Sealed(raft::Service service, const raft::Hello& hello,
                            const std::string& body);
  std::string DrawFounding(const raft::Hello& hello) const;
  std::string DrawNodeMessage(const raft::Hello& hello) const;
  // An envelope that no node makes, with the right checksum. A node can take no
  // message from it.
  std::string DrawEnvelope(const raft::Hello& hello) const;
  uint64_t Draw(Site site, uint64_t bound) const {
    return env_.random.Below(bound, site, dialled_, answered_);
  }

  env::Env& env_;
  const StrangePeerOptions options_;
  uint64_t dialled_ = 0;
  uint64_t sent_ = 0;
  uint64_t answered_ = 0;
  size_t address_ = 0;  // The node that was dialled last.
  Manner manner_;
  std::string reply_;  // The bytes that this node sent.
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Visitor>> visitors_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_STRANGE_PEER_H_
