// raft/host/send_room.h: the groups that wait until a link to a peer has room.
//
// Appends and chunks of all groups share one lane of each link. A full lane
// would drop whole messages, so groups ask before they send, and continue in
// the order in which they began to wait.
#ifndef QUORATE_RAFT_HOST_SEND_ROOM_H_
#define QUORATE_RAFT_HOST_SEND_ROOM_H_

#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "env/ids.h"
#include "env/transport.h"

namespace quorate::raft {

class SendRoom {
 public:
  // `transport` outlives the object.
  explicit SendRoom(const env::Transport& transport) : transport_(transport) {}

  // Whether the group may send entries or a chunk to `to` now. If not, it
  // waits.
  bool MaySend(GroupId group, NodeId to) {
    if (!transport_.Congested(to, env::Lane::kBulk)) return true;
    Waiting& waiting = waiting_[to];
    if (waiting.known.insert(group).second) waiting.in_order.push_back(group);
    return false;
  }
  // The groups that wait for this link. They no longer do.
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

  const env::Transport& transport_;
  absl::btree_map<NodeId, Waiting> waiting_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_SEND_ROOM_H_
