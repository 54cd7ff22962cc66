#include "raft/host/bytes_state_machine.h"

#include <algorithm>
#include <utility>

#include "env/siphash.h"

namespace quorate::raft {
namespace {

// Not secret: replicas of all nodes compare the digests.
constexpr SipKey kDigestKey = {.first = 0x71756F72617465, .second = 1};

}  // namespace

Buffer BytesSnapshot::Next(size_t size_bytes_max) {
  Buffer piece = rest_.Slice(0, std::min(size_bytes_max, rest_.size()));
  rest_ = rest_.Suffix(piece.size());
  return piece;
}

absl::Status BytesWriter::Add(std::string_view bytes) {
  state_.append(bytes);
  return absl::OkStatus();
}

std::unique_ptr<SnapshotReader> BytesStateMachine::TakeSnapshot() {
  return std::make_unique<BytesSnapshot>(Save());
}

std::unique_ptr<SnapshotWriter> BytesStateMachine::BeginRestore(
    const SnapshotDescriptor&) {
  return std::make_unique<BytesWriter>(
      [this](std::string_view state) { return Restore(state); });
}

uint64_t BytesStateMachine::Digest() const {
  return SipHash(kDigestKey, Save().view());
}

}  // namespace quorate::raft
