// raft/host/envelope.h: the encoding of group messages between two nodes.
//
// The checksum is seeded with cluster, sender and receiver, so that the decoder
// refuses a message that reached the wrong node. Layout:
// docs/reference/formats/envelope.md.
#ifndef QUORATE_RAFT_HOST_ENVELOPE_H_
#define QUORATE_RAFT_HOST_ENVELOPE_H_

#include <vector>

#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

struct GroupMessage {
  GroupKey group;
  Message message;
};

struct EnvelopeLink {
  ClusterId cluster;
  NodeId from;
  NodeId to;
};

// The bytes of an envelope without messages.
inline constexpr size_t kEnvelopePrefixBytes = 12;
// The bytes that `message` adds to an envelope, its payloads included.
size_t EnvelopeBytes(const GroupMessage& message);

// Encodes `messages` as pieces for Transport::Send, without copying payloads.
// Leaves out fields that the type of a message does not have.
// Requires: kEnvelopePrefixBytes and the EnvelopeBytes of all messages are at
// most env::kMessageBytesMax.
std::vector<Buffer> EncodeEnvelope(const EnvelopeLink& link,
                                   const std::vector<GroupMessage>& messages);

// Decodes what EncodeEnvelope returned. Payloads are slices of `bytes`.
// A wrong checksum is kDataLoss. Other malformed bytes are kInvalidArgument,
// and so is a version, message type or flag that this program does not know.
absl::StatusOr<std::vector<GroupMessage>> DecodeEnvelope(
    const EnvelopeLink& link, const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ENVELOPE_H_
