// raft/host/envelope.h: the encoding of group messages between two nodes.
//
// Layout (docs/reference/formats/envelope.md), little-endian: u32 CRC-32C of
// all that follows, seeded with (cluster, from, to); u32 size of the protobuf
// Envelope; the Envelope; then the payloads of entries and chunks, concatenated
// in the order of the messages. So a flipped bit, or a message that reached the
// wrong node, is refused here.
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

// Bytes that `message` takes in an envelope, at most.
size_t EnvelopeBytesBound(const GroupMessage& message);

// Encodes `messages` as pieces for Transport::Send; payloads are shared, not
// copied. Requires: the sum of EnvelopeBytesBound is at most
// env::kMessageBytesMax - 16.
std::vector<Buffer> EncodeEnvelope(const EnvelopeLink& link,
                                   const std::vector<GroupMessage>& messages);

// The inverse. Payloads are slices of `bytes`. kDataLoss: checksum;
// kInvalidArgument: well summed but malformed.
absl::StatusOr<std::vector<GroupMessage>> DecodeEnvelope(
    const EnvelopeLink& link, const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ENVELOPE_H_
