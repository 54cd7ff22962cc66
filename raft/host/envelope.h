// raft/host/envelope.h: the encoding of group messages between two nodes.
//
// Layout: docs/reference/formats/envelope.md.
#ifndef QUORATE_RAFT_HOST_ENVELOPE_H_
#define QUORATE_RAFT_HOST_ENVELOPE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/host/service.h"

namespace quorate::raft {

// The version of the format, behind the checksum of every envelope.
inline constexpr uint16_t kEnvelopeVersion = 1;

struct GroupMessage {
  GroupId group;
  Message message;
};

// The process that sent an envelope, and when.
struct EnvelopeStamp {
  uint64_t process = 0;  // A random number.
  MonoTime sent;         // By the clock of the sender.
};

// Encodes messages to one node as the pieces of one Transport::Send. Reusable.
//
//   EnvelopeBuilder builder;
//   if (!builder.Add(group, message)) …  // Full: send it, then add again.
//   transport.Send(to, lane, builder.Take(link, stamp));
class EnvelopeBuilder {
 public:
  // Adds a message, or returns false if the envelope would exceed
  // env::kMessageBytesMax. Leaves out fields that the type of the message does
  // not have. Payloads are shared, not copied.
  // Requires: the message fits into an envelope of its own.
  bool Add(GroupId group, const Message& message);
  // Whether no message was added.
  bool empty() const { return count_ == 0; }
  // Returns the pieces, and begins another envelope. One without messages is a
  // pulse.
  std::vector<Buffer> Take(const MessageLink& link, const EnvelopeStamp& stamp);
  // Forgets the messages.
  void Clear();

 private:
  std::string headers_;
  std::vector<Buffer> payloads_;
  size_t payload_bytes_ = 0;
  uint16_t count_ = 0;
};

struct Envelope {
  EnvelopeStamp stamp;
  std::vector<GroupMessage> messages;
  // Not OK if messages were left out: an entry does not match its checksum, or
  // a configuration makes no sense. Names the first one.
  absl::Status damage;
};

// Decodes what EnvelopeBuilder::Take returned. Payloads are slices of `bytes`.
// A message that was wrong before its envelope was made is left out alone.
// A wrong checksum is kDataLoss. Other malformed bytes are kInvalidArgument,
// and so is a version, message type or flag that this program does not know.
absl::StatusOr<Envelope> DecodeEnvelope(const MessageLink& link,
                                        const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_ENVELOPE_H_
