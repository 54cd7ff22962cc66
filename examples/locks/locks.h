// examples/locks/locks.h: named locks with leases, as a replicated state
// machine.
//
// A lease ends by log time, so it ends for all replicas at one place in the
// log. Its token is the index of the entry that granted it: a later holder has
// a greater one. A service that remembers the greatest token it saw refuses
// holders whose lease is over.
#ifndef QUORATE_EXAMPLES_LOCKS_LOCKS_H_
#define QUORATE_EXAMPLES_LOCKS_LOCKS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "examples/locks/protocol.h"
#include "raft/host/bytes_state_machine.h"

namespace quorate::examples {

class Locks : public raft::BytesStateMachine {
 public:
  static constexpr size_t kLeasesMax = 10'000;

  Buffer Apply(const raft::Entry& entry, bool wants_result) override;
  Buffer Save() const override;
  absl::Status Restore(std::string_view state) override;

  // The last lease of the lock, which may be over. Null: there is none.
  const Lease* Find(const std::string& lock) const;

 private:
  bool Change(const LockCommand& command, uint64_t index, int64_t now);

  std::map<std::string, Lease> leases_;
};

}  // namespace quorate::examples

#endif  // QUORATE_EXAMPLES_LOCKS_LOCKS_H_
