// raft/log/files/zero_fill.h: fills a part of a file with zeros, durably
// and piece by piece, so that no other sync waits for all of it.
#ifndef QUORATE_RAFT_LOG_FILES_ZERO_FILL_H_
#define QUORATE_RAFT_LOG_FILES_ZERO_FILL_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/disk.h"
#include "env/pending.h"

namespace quorate::raft {

// Returns `size` zeros in pieces that share one block of memory.
std::vector<Buffer> ZeroPieces(size_t size);

// Destroying the object cancels it.
class ZeroFill {
 public:
  // The first error, or OK; and the end of the zeros that are durable.
  using Done = absl::AnyInvocable<void(absl::Status, uint64_t end)>;

  // Writes from `begin` to `end`, and syncs after each piece. A piece that
  // begins at `limit` or behind it waits. Requires: begin < end. `file`
  // outlives the object. `done` may destroy the object.
  ZeroFill(env::File& file, uint64_t begin, uint64_t end, size_t piece_bytes,
           uint64_t limit, Done done);
  // A smaller limit than before has no effect.
  void RaiseLimit(uint64_t limit);

 private:
  void WriteNext();
  void Finish(absl::Status status);

  env::File& file_;
  uint64_t at_;
  const uint64_t end_;
  const size_t piece_bytes_;
  uint64_t limit_;
  bool waits_ = false;  // For the limit.
  Done done_;
  env::Pending pending_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_FILES_ZERO_FILL_H_
