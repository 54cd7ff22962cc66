// raft/transport/handshake.h: the handshake of a connection between two nodes.
//
// The dialling node sends a Hello, the accepting node answers with a
// HelloReply. Then messages flow from the dialling to the accepting node, each
// after its length. Format: docs/reference/formats/transport.md. Pure bytes, no
// sockets.
#ifndef QUORATE_RAFT_TRANSPORT_HANDSHAKE_H_
#define QUORATE_RAFT_TRANSPORT_HANDSHAKE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/transport.h"

namespace quorate::raft {

// Sizes on the wire.
inline constexpr size_t kHelloBytes = 48;
inline constexpr size_t kHelloReplyBytes = 40;
inline constexpr size_t kFrameHeaderBytes = 4;

// Random bits that differ from one start of a node's program to the next; at
// most kStartTagMax. Connections to an earlier start are dead, also if nothing
// was sent on them since.
using StartTag = uint32_t;
inline constexpr StartTag kStartTagMax = (1 << 24) - 1;

struct Hello {
  env::TransportIdentity from;
  // The node that the dialling node wants to reach.
  NodeId to;
  env::Lane lane = env::Lane::kControl;
  StartTag start = 0;
};

using env::HandshakeRefusal;

struct HelloReply {
  HandshakeRefusal refusal = HandshakeRefusal::kNone;
  ClusterId cluster;
  NodeId node;
  StoreIncarnation incarnation;
  // The version that both nodes use; zero if refused.
  uint32_t version = 0;
  // TransportIdentity::bootstrap_checksum of the answering node.
  uint32_t bootstrap_checksum = 0;
  StartTag start = 0;

  friend bool operator==(const HelloReply&, const HelloReply&) = default;
};

std::string EncodeHello(const Hello& hello);
// A refusal carries nothing but its reason.
std::string EncodeHelloReply(const HelloReply& reply);
// kInvalidArgument if no node of this project sends such bytes. Require exactly
// kHelloBytes or kHelloReplyBytes.
absl::StatusOr<Hello> DecodeHello(std::string_view bytes);
absl::StatusOr<HelloReply> DecodeHelloReply(std::string_view bytes);

// Returns the reply of node `self` to a Hello. `knows`: its configuration names
// hello.from.node as a peer. The caller adds the start.
HelloReply MakeHelloReply(const env::TransportIdentity& self,
                          const Hello& hello, bool knows);

// Returns the reason as a sentence, such as "node 2 is of cluster 17, node 1 of
// cluster 4".
std::string DescribeRefusal(const env::TransportIdentity& self,
                            const Hello& hello, const HelloReply& reply);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_HANDSHAKE_H_
