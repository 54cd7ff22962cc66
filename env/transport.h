// env/transport.h: opaque messages between the nodes of a cluster.
//
// Messages may be lost, duplicated and reordered, but never torn. Encoding and
// checksums of messages are above this interface, so that the simulator tests
// them. Before the first message both ends compare their TransportIdentity.
// They refuse the connection, and log the reason, if cluster, node id or
// plan of the cluster differ or if they have no common version.
#ifndef QUORATE_ENV_TRANSPORT_H_
#define QUORATE_ENV_TRANSPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/pending.h"

namespace quorate::env {

// Size of the largest message, in bytes; Send checks it.
inline constexpr size_t kMessageBytesMax = 1 << 20;
// Size of the largest request for admission, and of the largest answer.
inline constexpr size_t kAdmissionBytesMax = 4096;
inline constexpr size_t kAdmissionAnswerBytesMax = 1 << 20;

// Each peer has a queue for each lane. So no heartbeat, entry or request waits
// for a snapshot, and no heartbeat waits for entries or requests.
enum class Lane : uint8_t {
  kControl,   // Small messages of consensus.
  kBulk,      // Snapshots.
  kRequests,  // Entries; requests that nodes forward, and their answers.
};
inline constexpr size_t kLanes = 3;

// The version of the peer protocol: handshake and messages. Nodes of different
// versions refuse each other. The rules by which replicas apply entries have
// levels instead (raft::Configuration::level).
inline constexpr uint32_t kPeerProtocolVersion = 1;

// One start of the program of a store.
struct StoreStart {
  // Greater than those of all earlier starts of the store. 0: the store was in
  // no cluster yet.
  uint64_t number = 0;
  // Random bits, at most kTagMax. The starts of a copied directory have the
  // numbers of those of its original, and other tags.
  static constexpr uint32_t kTagMax = (1 << 24) - 1;
  uint32_t tag = 0;

  friend bool operator==(const StoreStart&, const StoreStart&) = default;
};

// The tags of the starts before one of them, with consecutive numbers, the
// oldest first. Null: none is remembered.
using EarlierStarts = std::shared_ptr<const std::vector<uint32_t>>;
// Starts that a directory remembers. Older ones are forgotten.
inline constexpr size_t kEarlierStartsMax = 512;

struct TransportIdentity {
  ClusterId cluster;
  NodeId node;
  StoreIncarnation incarnation;
  StoreStart start;
  EarlierStarts earlier;
  // Versions of the peer protocol that this node speaks, inclusive.
  uint32_t version_min = kPeerProtocolVersion;
  uint32_t version_max = kPeerProtocolVersion;
  // CRC-32C of the plan of the cluster; equal on all its nodes, from before it
  // is founded.
  uint32_t bootstrap_checksum = 0;
  // A checksum of what the founding of the cluster drew at random; equal on all
  // its nodes. 0: the store is in no founded cluster yet.
  uint32_t founding_checksum = 0;
};

// Why one of two nodes refused the handshake of the other.
enum class HandshakeRefusal : uint32_t {
  kNone = 0,
  kOtherCluster = 1,
  // The answering node is not the intended one.
  kOtherNode = 2,
  kNoCommonVersion = 3,
  // The configuration of the answering node does not name the dialling one.
  kUnknownNode = 4,
  // The two nodes have different plans of the cluster.
  kOtherBootstrap = 5,
  // The cluster has given up the store of one of the two nodes. Or another
  // store with the id of the dialling node is connected and alive.
  kOtherStore = 6,
  // The answering node has seen a start of the store that the directory of the
  // dialling one lacks. That directory is a copy, or an older state.
  kEarlierStart = 7,
  // The answering program runs on a copy of the dialling one's directory.
  kOwnStore = 8,
  // Both name one cluster id, and were founded apart. Or one of them is being
  // founded, and has no part in the cluster of the other one.
  kOtherFounding = 9,
  // One of the two programs shows a certificate that does not name its node.
  kOtherCertificate = 10,
};

// The latest handshake with a peer, on the control lane to it.
struct LinkState {
  bool open = false;  // Messages can be sent now.
  // Agreed by both nodes; 0: none. Zero unless `open`.
  uint32_t version = 0;
  // The peer's. Zero unless `open`.
  StoreIncarnation store;
  // Stays until a later dial ends in another way.
  HandshakeRefusal refusal = HandshakeRefusal::kNone;

  friend bool operator==(const LinkState&, const LinkState&) = default;
};

// The latest start of a node's store that this node has admitted.
struct SeenStart {
  StoreIncarnation store;  // Zero: none was seen.
  StoreStart start;

  friend bool operator==(const SeenStart&, const SeenStart&) = default;
};

struct PeerAddress {
  NodeId node;
  std::string address;  // "host:port".
  // As an earlier program of this node saw it.
  SeenStart seen = {};
  // Stores that were those of the node. Their handshakes are refused.
  std::vector<StoreIncarnation> given_up = {};
};

class Transport {
 public:
  class Receiver {
   public:
    // `incarnation` is the sender's, from the handshake. The receiver must
    // refuse a sender with an unexpected incarnation.
    virtual void OnMessage(NodeId from, StoreIncarnation incarnation,
                           Buffer message) = 0;
    // A store that is in no cluster asks for admission, as that of node `from`.
    // Nothing verifies who it is. Returns the answer; empty: there is none.
    // Not every transport has such calls.
    virtual Buffer OnAdmissionRequest(NodeId from, StoreIncarnation incarnation,
                                      const Buffer& request) {
      (void)from;
      (void)incarnation;
      (void)request;
      return Buffer();
    }
    // The lane has room again, after Congested returned true. Called in a later
    // turn.
    virtual void OnLaneHasRoom(NodeId to, Lane lane) {
      (void)to;
      (void)lane;
    }
    // The lane has a new connection. Messages that were sent over an older one
    // may be lost. Not every transport has connections.
    virtual void OnLaneOpened(NodeId to, Lane lane) {
      (void)to;
      (void)lane;
    }
    // The lane has lost its connection. Messages that were sent over it may be
    // lost. May be called during Send and SetPeers. Not every transport has
    // connections.
    virtual void OnLaneClosed(NodeId to, Lane lane) {
      (void)to;
      (void)lane;
    }
    // A start of the peer's store was admitted for the first time.
    virtual void OnStartSeen(NodeId node, const SeenStart& seen) {
      (void)node;
      (void)seen;
    }
    // A handshake with a node that is to be believed proved that this program
    // runs beside another one that takes its place: kEarlierStart or
    // kOtherFounding. `story` says what both are.
    virtual void OnConflict(HandshakeRefusal reason, const std::string& story) {
      (void)reason;
      (void)story;
    }

   protected:
    ~Receiver() = default;
  };

  // Starts listening on `listen_address` and connecting to `peers`. At most
  // once per Transport. `receiver` must stay alive until the Transport is
  // destroyed or stopped. kUnavailable or kInvalidArgument if the address
  // cannot be used.
  virtual absl::Status Start(const TransportIdentity& identity,
                             const std::string& listen_address,
                             std::vector<PeerAddress> peers,
                             Receiver* receiver) = 0;
  virtual void Stop() = 0;
  // Replaces what later handshakes say of this store: its cluster has been
  // founded. Connections are replaced, so that the others learn it. Requires:
  // Start succeeded; cluster, node and incarnation are as they were. No effect
  // after Stop, and none where there are no handshakes.
  virtual void SetIdentity(const TransportIdentity& identity) {
    (void)identity;
  }

  // Replaces the list of peers: new ones are connected. Those that are not
  // named any more lose their connections and what waits for them, and no
  // further message of theirs is received. A peer with another address loses
  // the connections to the earlier one, and a store that is given up loses all
  // of its own. The receiver may call it, too.
  // Requires: Start succeeded, and the nodes differ. No effect after Stop.
  virtual void SetPeers(std::vector<PeerAddress> peers) = 0;

  // Sends the concatenation of `pieces`, at most kMessageBytesMax in all, or
  // loses it. Messages to a node that is no peer are lost.
  virtual void Send(NodeId to, Lane lane, absl::Span<const Buffer> pieces) = 0;

  // True while the lane has no connection, or so long a queue that callers
  // should wait for one of the two calls. Messages sent in spite of it may be
  // lost.
  virtual bool Congested(NodeId to, Lane lane) const = 0;

  // Sends a request for admission to the node at `address`
  // (Receiver::OnAdmissionRequest). `self` has no cluster. `answered` is called
  // once, in a later turn, unless the Pending is destroyed. kUnavailable: no
  // answer came; kFailedPrecondition: the node refuses the handshake. May be
  // called before Start. A transport without byte streams never answers.
  using AdmissionAnswered = absl::AnyInvocable<void(absl::StatusOr<Buffer>)>;
  virtual Pending AskForAdmission(const TransportIdentity& self,
                                  const std::string& address, Buffer request,
                                  AdmissionAnswered answered) {
    (void)self, (void)address, (void)request, (void)answered;
    return Pending();
  }

  // Asks the program at `address`, as a dial of node `to` does, whether `self`
  // may run. `answered` is called once, in a later turn, unless the Pending is
  // destroyed:
  // - kFailedPrecondition: the program there takes the place of `self`
  //   (kOwnStore, kOtherFounding), and the text says so;
  // - OK: there is another answer, or none within a bounded time.
  // May be called before Start. Null: the transport has no byte streams.
  using ProbeAnswered = absl::AnyInvocable<void(absl::Status)>;
  virtual std::optional<Pending> Probe(const TransportIdentity& self, NodeId to,
                                       const std::string& address,
                                       ProbeAnswered answered) {
    (void)self, (void)to, (void)address, (void)answered;
    return std::nullopt;
  }

  // Without TLS the identity of a node is verified by the handshake alone, and
  // the network of the peers must be trusted. With TLS the certificate of a
  // node names it.
  virtual LinkState link(NodeId peer) const = 0;

 protected:
  ~Transport() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_TRANSPORT_H_
