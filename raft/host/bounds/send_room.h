// raft/host/bounds/send_room.h: the groups that wait until a peer has room for
// entries.
//
// The appends of all groups share one lane of each link, and their chunks
// another. A full lane would drop whole messages. The entries that a peer has
// not acknowledged have one window for all groups: a peer with a slow disk has
// them in memory. Groups ask before they send, and continue in the order in
// which they began to wait.
#ifndef QUORATE_RAFT_HOST_BOUNDS_SEND_ROOM_H_
#define QUORATE_RAFT_HOST_BOUNDS_SEND_ROOM_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/ids.h"
#include "env/quota.h"
#include "env/transport.h"

namespace quorate::raft {

class SendRoom {
 public:
  // `transport` outlives the object. `on_room` is called when groups that wait
  // for the window of a peer should be asked again, and must not ask them
  // during the call.
  SendRoom(const env::Transport& transport, uint64_t window_bytes,
           absl::AnyInvocable<void(NodeId)> on_room)
      : transport_(transport),
        window_bytes_(window_bytes),
        on_room_(std::move(on_room)) {}

  // Whether the group may send entries or a chunk to `to` now, in this lane. If
  // not, it waits.
  bool MaySend(GroupId group, NodeId to, env::Lane lane) {
    const auto window = windows_.find(to);
    const bool closed = window != windows_.end() && window->second.closed();
    if (!closed && !transport_.Congested(to, lane)) return true;
    Waiting& waiting = waiting_[to];
    if (waiting.known.insert(group).second) waiting.in_order.push_back(group);
    return false;
  }
  // For a group's entries that `to` has not acknowledged. A full window closes
  // for all groups until half of it is free. Otherwise a group that always has
  // some in flight could keep others waiting.
  Quota& WindowOf(NodeId to) {
    return windows_.try_emplace(to, *this, to).first->second;
  }
  uint64_t in_flight_bytes(NodeId to) const {
    const auto window = windows_.find(to);
    return window == windows_.end() ? 0 : window->second.bytes();
  }
  // Calls `visit` with each peer whose window is closed, and its bytes.
  void ForEachClosed(absl::FunctionRef<void(NodeId, uint64_t)> visit) const {
    for (const auto& [to, window] : windows_) {
      if (window.closed()) visit(to, window.bytes());
    }
  }
  uint64_t window_bytes() const { return window_bytes_; }
  // The groups that wait for a lane of this link, or for its window. They no
  // longer do.
  std::vector<GroupId> TakeWaiting(NodeId to) {
    const auto found = waiting_.find(to);
    if (found == waiting_.end()) return {};
    std::vector<GroupId> groups = std::move(found->second.in_order);
    waiting_.erase(found);
    return groups;
  }

 private:
  struct Waiting {
    std::vector<GroupId> in_order;
    absl::flat_hash_set<GroupId> known;
  };

  class Window final : public Quota {
   public:
    Window(SendRoom& room, NodeId to) : room_(room), to_(to) {}
    bool closed() const { return closed_; }

   private:
    void OnChange(uint64_t) override {
      if (bytes() >= room_.window_bytes_) {
        closed_ = true;
      } else if (closed_ && bytes() <= room_.window_bytes_ / 2) {
        closed_ = false;
        if (room_.waiting_.contains(to_)) room_.on_room_(to_);
      }
    }

    SendRoom& room_;
    const NodeId to_;
    bool closed_ = false;
  };

  const env::Transport& transport_;
  const uint64_t window_bytes_;
  absl::AnyInvocable<void(NodeId)> on_room_;
  absl::btree_map<NodeId, Waiting> waiting_;
  std::map<NodeId, Window> windows_;  // Shares refer to its elements.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_BOUNDS_SEND_ROOM_H_
