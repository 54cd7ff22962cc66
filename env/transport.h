// env/transport.h: opaque messages between the nodes of a cluster.
//
// Messages may be lost, duplicated and reordered, never torn. Encoding, checksums and fragmentation live above, so that the
// simulator tests them. Before any message passes, both ends compare their TransportIdentity: another cluster, a wrong node
// id, no common version or another bootstrap record refuses the link, and says so through the tracer.
#ifndef QUORATE_ENV_TRANSPORT_H_
#define QUORATE_ENV_TRANSPORT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"

namespace quorate::env {

// Size of the largest message, in bytes; Send checks it.
inline constexpr size_t kMessageBytesMax = 1 << 20;

// Two queues for each peer, so that a heartbeat never waits behind a snapshot.
enum class Lane : uint8_t { kControl, kBulk };

// The version of the peer protocol: handshake, messages and what replicas do with entries. Nodes of different versions refuse
// each other.
inline constexpr uint32_t kPeerProtocolVersion = 3;

struct TransportIdentity {
  ClusterId cluster;
  NodeId node;
  StoreIncarnation incarnation;
  // Versions of the peer protocol that this node speaks, inclusive.
  uint32_t version_min = kPeerProtocolVersion;
  uint32_t version_max = kPeerProtocolVersion;
  // Digest of what was decided when the cluster was bootstrapped; equal on all nodes.
  uint32_t bootstrap_checksum = 0;
};

struct PeerAddress {
  NodeId node;
  std::string address;  // "host:port".
};

class Transport {
 public:
  class Receiver {
   public:
    // `incarnation` is that of the handshake; the receiver refuses senders that are not who they should be.
    virtual void OnMessage(NodeId from, StoreIncarnation incarnation,
                           Buffer message) = 0;

   protected:
    ~Receiver() = default;
  };

  // Begins to listen on `listen_address` and to connect to `peers`. Once per Transport. `receiver` must stay alive until the
  // Transport is destroyed or Stop was called. kUnavailable or kInvalidArgument when the address cannot be used.
  virtual absl::Status Start(const TransportIdentity& identity,
                             const std::string& listen_address,
                             std::vector<PeerAddress> peers,
                             Receiver* receiver) = 0;
  virtual void Stop() = 0;

  // Sends the concatenation of `pieces` (at most kMessageBytesMax in all) or loses it. A peer that was not named in Start
  // loses everything.
  virtual void Send(NodeId to, Lane lane, absl::Span<const Buffer> pieces) = 0;

  // True while that lane's queue is so long that more should wait; sending all the same is allowed and may lose.
  virtual bool Congested(NodeId to, Lane lane) const = 0;

 protected:
  ~Transport() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TRANSPORT_H_
