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
#include "env/byte_streams.h"
#include "env/ids.h"
#include "env/transport.h"

namespace quorate::raft {

// Sizes on the wire, without the tags of earlier starts. All versions have the
// form of a Hello and of a refusal. So nodes of two versions can refuse each
// other with the reason.
inline constexpr size_t kHelloBytes = 66;
inline constexpr size_t kHelloReplyBytes = 66;
inline constexpr size_t kHelloRefusalBytes = 40;
inline constexpr size_t kHelloReplyBytesMax =
    kHelloReplyBytes + 4 * env::kEarlierStartsMax;
inline constexpr size_t kFrameHeaderBytes = 4;

struct Hello {
  env::TransportIdentity from;
  // The node that the dialling node wants to reach.
  NodeId to;
  env::Lane lane = env::Lane::kControl;
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
  env::StoreStart start;
  // As in TransportIdentity.
  env::EarlierStarts earlier;
  uint32_t founding_checksum = 0;
  // The number of the start that the answering node has seen of the dialling
  // store; with kEarlierStart only.
  uint64_t seen_number = 0;
};

std::string EncodeHello(const Hello& hello);
// A refusal carries nothing but its reason. Those for kEarlierStart and
// kOwnStore carry all: their Hello named the cluster and the store.
std::string EncodeHelloReply(const HelloReply& reply);
// Return the size of the message that begins with `bytes`. It is larger than
// theirs if some are missing.
size_t HelloSize(std::string_view bytes);
size_t HelloReplySize(std::string_view bytes);
// kInvalidArgument if no node of this project sends such bytes. Require a whole
// message.
absl::StatusOr<Hello> DecodeHello(std::string_view bytes);
absl::StatusOr<HelloReply> DecodeHelloReply(std::string_view bytes);

// The name in the certificate of a node.
std::string NameOfNode(ClusterId cluster, NodeId node);
// Whether the program at the other end of a stream may speak as this node. A
// stream without TLS proves nothing, and its network is trusted: net/ admits
// none where TLS is required.
bool MaySpeakAs(const env::StreamIdentity& identity, ClusterId cluster,
                NodeId node);
// Why the node `self` does not go on after this reply to its dial of `peer`;
// kNone: it does.
HandshakeRefusal CheckReply(const env::TransportIdentity& self, NodeId peer,
                            const env::StreamIdentity& identity,
                            const HelloReply& reply);

// A store that is in no cluster asks for admission. Its Hello names no cluster.
bool AsksForAdmission(const Hello& hello);
// Whether a directory with this start can have had the start `seen` before it,
// or is still in it. False proves that it lacks that start. A start with number
// 0 proves nothing, and neither does one that is older than `earlier` reaches.
bool Continues(const env::StoreStart& seen, const env::StoreStart& start,
               const env::EarlierStarts& earlier);

// Returns the reply of node `self` to a Hello. `knows`: its configuration names
// hello.from.node as a peer. The reply to a store that asks for admission says
// nothing of `self`.
HelloReply MakeHelloReply(const env::TransportIdentity& self,
                          const Hello& hello, bool knows);

// Returns the reason as a sentence, such as "node 2 is of cluster 17, node 1 of
// cluster 4".
std::string DescribeRefusal(const env::TransportIdentity& self,
                            const Hello& hello, const HelloReply& reply);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_HANDSHAKE_H_
