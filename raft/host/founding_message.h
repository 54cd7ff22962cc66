// raft/host/founding_message.h: the messages by which the stores of a new
// cluster agree on its bootstrap record. Layout:
// docs/reference/formats/founding.md.
#ifndef QUORATE_RAFT_HOST_FOUNDING_MESSAGE_H_
#define QUORATE_RAFT_HOST_FOUNDING_MESSAGE_H_

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/host/service.h"

namespace quorate::raft {

// The version of the format, behind the checksum of every message.
inline constexpr uint8_t kFoundingVersion = 1;

struct FoundingMessage {
  enum class Kind : uint8_t {
    // The sender's store has no record. Does the receiver know one?
    kAsk = 1,
    // The answers. The sender has no record either.
    kUnfounded = 2,
    // The sender has a record that gives the asker its part.
    kRecord = 3,
    // The sender has a record of which the asker's store is no part.
    kNoPart = 4,
  };
  Kind kind = Kind::kAsk;
  // The store that asked. An answer to an earlier store of the node does not
  // count. Zero in kAsk.
  StoreIncarnation asker;
  Buffer record;  // EncodeBootstrapRecord; kRecord only.
};

// Requires: the record fits into one message.
Buffer EncodeFounding(const MessageLink& link, const FoundingMessage& message);
// kDataLoss: a wrong checksum; kInvalidArgument: other malformed bytes, and
// versions and kinds that this program does not know.
absl::StatusOr<FoundingMessage> DecodeFounding(const MessageLink& link,
                                               const Buffer& bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_FOUNDING_MESSAGE_H_
