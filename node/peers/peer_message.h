// node/peers/peer_message.h: the bytes of requests between nodes and of their
// answers, in messages of the transport between peers
// (docs/reference/formats/forwarding.md).
//
// A request is one message. An answer is cut into pieces, one message each.
// Queries of the state of a node and their answers share messages: each has a
// query, and may have an answer. The bytes come from another node, so every
// field is checked.
#ifndef QUORATE_NODE_PEERS_PEER_MESSAGE_H_
#define QUORATE_NODE_PEERS_PEER_MESSAGE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "node/peers/forward_channel.h"
#include "node/peers/node_report.h"
#include "raft/core/types.h"
#include "raft/host/host.h"
#include "raft/host/service.h"

namespace quorate::node {

inline constexpr uint8_t kPeerMessageVersion = 1;
// Every piece of an answer but the last one has this size.
inline constexpr size_t kAnswerPieceBytes = 256 << 10;
// Above it, the outcome of the request is unknown to the asking node. More than
// any results of an entry.
inline constexpr size_t kAnswerBytesMax = 256 << 20;
// A longer text of an answer is cut.
inline constexpr size_t kAnswerTextBytesMax = 1024;
// Bytes of a request without its payload.
inline constexpr size_t kRequestHeaderBytes = 67;

struct PeerRequest {
  enum class Kind : uint8_t {
    kOpen = 1,     // Opens a channel, in place of the one of `stamp`.
    kApply = 2,    // Proposes a batch in the channel of `stamp`.
    kRead = 3,     // Evaluates a batch of reads at a read point.
    kControl = 7,  // Asks the controller (node/controller/controller_link.h).
  };
  Kind kind = Kind::kOpen;
  GroupId group;
  ForwardStamp stamp;
  Buffer payload;
};

// The answer of another node to a request.
struct PeerResult {
  raft::ProposeResult result;
  // With kNotExecuted: the latest leader that the other node knows, and the
  // leader's term; zero if it knows none.
  NodeId leader;
  raft::Term term;
  // Set by an opened channel, with kDone.
  ForwardStamp channel;
};

using PeerDone = absl::AnyInvocable<void(PeerResult)>;

// Names a request for as long as either node remembers it.
struct PeerRequestId {
  // A random number of the asking process.
  uint64_t asker = 0;
  // Counts the requests to one node, from 1.
  uint64_t number = 0;

  friend bool operator==(const PeerRequestId&, const PeerRequestId&) = default;
};

struct PeerRequestMessage {
  PeerRequestId id;
  // The asking node waits for no answer to requests with lower numbers.
  uint64_t settled = 0;
  PeerRequest request;
};

struct PeerAnswerPiece {
  PeerRequestId id;
  uint32_t size = 0;  // The size of the whole answer.
  uint32_t offset = 0;
  Buffer bytes;
};

// Asks a node for its report, without rows if these are the newest.
struct StatusQuery {
  PeerRequestId id;
  uint64_t start = 0;
  uint64_t changes = 0;
};

struct StatusAnswer {
  PeerRequestId id;  // That of the query.
  NodeReport report;
};

// A query of the sender, and its answer to a query of the receiver.
struct StatusMessage {
  enum class Kind : uint8_t {
    kAsks = 5,     // The receiver answers at once.
    kAnswers = 6,  // The receiver need not answer at once. Has an answer.
  };
  Kind kind = Kind::kAsks;
  StatusQuery query;
  // The addresses of the sender. The receiver may not be able to ask for them.
  NodeAddresses own;
  // The sender gives its leaderships away, and takes no others: it stops, or
  // its disk has no room.
  bool gives_away = false;
  std::optional<StatusAnswer> answer;
};

using PeerMessage =
    std::variant<PeerRequestMessage, PeerAnswerPiece, StatusMessage>;

// The bytes of an answer before they are cut. The results are not copied.
struct PeerAnswer {
  Buffer head;
  Buffer results;

  size_t size() const { return head.size() + results.size(); }
};

// Requires: a payload of at most raft::kEntryPayloadBytesMax.
std::vector<Buffer> EncodePeerRequest(const raft::MessageLink& link,
                                      const PeerRequestMessage& message);
// The bytes of an answer; that of an unknown outcome if it is too long.
PeerAnswer EncodePeerResult(const PeerResult& result);
// The piece that begins at `offset`, a multiple of kAnswerPieceBytes below the
// size of the answer.
std::vector<Buffer> EncodePeerAnswerPiece(const raft::MessageLink& link,
                                          const PeerRequestId& id,
                                          const PeerAnswer& answer,
                                          size_t offset);

// Requires: at most kReportRowsMax rows and as many refused groups.
std::vector<Buffer> EncodeStatus(const raft::MessageLink& link,
                                 const StatusMessage& message);

// kDataLoss: a wrong checksum; kInvalidArgument: other malformed bytes, and
// versions and kinds that this program does not know. Bytes that are accepted
// are those that the encoder returns for the decoded message.
absl::StatusOr<PeerMessage> DecodePeerMessage(const raft::MessageLink& link,
                                              const Buffer& bytes);
// The whole answer to a request of this kind. kInvalidArgument: malformed
// bytes. The results stay opaque.
absl::StatusOr<PeerResult> DecodePeerResult(PeerRequest::Kind kind,
                                            const Buffer& answer);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_PEER_MESSAGE_H_
