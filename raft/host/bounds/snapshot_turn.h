// raft/host/bounds/snapshot_turn.h: lets one replica of a node write a snapshot
// at a time.
//
// Snapshots of many groups may become due together. Each holds the state as it
// was, and all share one disk. The others wait in the order in which they
// asked. Used only by the host.
#ifndef QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_TURN_H_
#define QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_TURN_H_

#include <deque>
#include <optional>
#include <utility>

#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "env/check.h"
#include "raft/core/types.h"

namespace quorate::raft {

class SnapshotTurn {
 public:
  // `on_free` is called when the turn is free. It must not take it during the
  // call.
  explicit SnapshotTurn(absl::AnyInvocable<void()> on_free)
      : on_free_(std::move(on_free)) {}

  bool taken() const { return writing_.has_value(); }
  // True: the replica may write a snapshot until End. False: it waits, because
  // another one writes, or others wait and it was not called.
  bool Take(const GroupKey& key) {
    CHECK(writing_ != key) << "group " << key.group << " has the turn";
    if (!taken() && (known_.empty() || called_ == key)) {
      writing_ = key;
      called_.reset();
      if (known_.erase(key) > 0) std::erase(waiting_, key);
      return true;
    }
    if (known_.insert(key).second) waiting_.push_back(key);
    return false;
  }
  // The replica writes no snapshot and waits for none.
  void End(const GroupKey& key) {
    if (known_.erase(key) > 0) std::erase(waiting_, key);
    if (writing_ != key) return;
    writing_.reset();
    on_free_();
  }
  // The replica may take the turn before those that wait. Replaces the last
  // call.
  void Call(const GroupKey& key) { called_ = key; }
  // Calls the replica that waited longest, which waits no more. It may want no
  // snapshot by now. Null if none waits.
  std::optional<GroupKey> CallNext() {
    called_.reset();
    if (!waiting_.empty()) {
      called_ = waiting_.front();
      waiting_.pop_front();
      known_.erase(*called_);
    }
    return called_;
  }

 private:
  absl::AnyInvocable<void()> on_free_;
  std::optional<GroupKey> writing_;
  std::optional<GroupKey> called_;
  std::deque<GroupKey> waiting_;
  absl::btree_set<GroupKey> known_;  // The keys of waiting_.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOUNDS_SNAPSHOT_TURN_H_
