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

// An upper bound of the bytes that `message` takes in an envelope.
size_t EnvelopeBytesBound(const GroupMessage& message);

// Encodes `messages` as pieces for Transport::Send, without copying payloads.
// Requires: the sum of EnvelopeBytesBound is at most env::kMessageBytesMax -
// 16.
std::vector<Buffer> EncodeEnvelope(const EnvelopeLink& link,
                                   const std::vector<GroupMessage>& messages);

// Decodes what EncodeEnvelope returned. Payloads are slices of `bytes`.
// kDataLoss if the checksum is wrong; kInvalidArgument if the bytes are
// malformed in spite of a correct checksum.
absl::StatusOr<std::vector<GroupMessage>> DecodeEnvelope(
    const EnvelopeLink& link, const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ENVELOPE_H_
