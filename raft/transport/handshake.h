// raft/transport/handshake.h: what two nodes tell each other before messages pass.
//
// The dialling node sends a Hello, the accepting one answers with a Welcome;
// then messages flow one way, each behind its length. Format:
// docs/reference/formats/transport.md. Pure bytes: no sockets here.
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

// Bytes on the wire.
inline constexpr size_t kHelloBytes = 48;
inline constexpr size_t kWelcomeBytes = 40;
inline constexpr size_t kFrameHeaderBytes = 4;

struct Hello {
  env::TransportIdentity from;
  // Whom the dialling node believes to have reached.
  NodeId to;
  env::Lane lane = env::Lane::kControl;

  friend bool operator==(const Hello& a, const Hello& b);
};

enum class Refusal : uint32_t {
  kNone = 0,
  kOtherCluster = 1,
  // The node that answers is not the one that was meant.
  kOtherNode = 2,
  kNoCommonVersion = 3,
  // The configuration of the answering node does not name the dialling one.
  kUnknownNode = 4,
  // The two nodes were bootstrapped with different configurations.
  kOtherBootstrap = 5,
};

struct Welcome {
  Refusal refusal = Refusal::kNone;
  ClusterId cluster;
  NodeId node;
  StoreIncarnation incarnation;
  // The version both speak; zero when refused.
  uint32_t version = 0;
  // TransportIdentity::bootstrap_checksum of the answering node.
  uint32_t bootstrap_checksum = 0;

  friend bool operator==(const Welcome&, const Welcome&) = default;
};

std::string EncodeHello(const Hello& hello);
std::string EncodeWelcome(const Welcome& welcome);
// kInvalidArgument for bytes that no node of this project sends; require
// exactly kHelloBytes or kWelcomeBytes.
absl::StatusOr<Hello> DecodeHello(std::string_view bytes);
absl::StatusOr<Welcome> DecodeWelcome(std::string_view bytes);

// The answer of a node to a Hello. `knows` tells whether its configuration
// names hello.from.node as a peer.
Welcome Answer(const env::TransportIdentity& self, const Hello& hello,
               bool knows);

// Why, for people: "it belongs to cluster 17, this node to cluster 4".
std::string DescribeRefusal(const env::TransportIdentity& self,
                            const Hello& hello, const Welcome& welcome);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_HANDSHAKE_H_
