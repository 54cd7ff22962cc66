// node/leader_finder.h: finds out who leads the groups of which this node holds no replica.
//
// Asks, again and again, the replica that its queue takes for the leader; whom that one names is asked next, and when it names
// nobody or does not answer, the next replica is. So MOVED and CLUSTER SLOTS name the leader although nothing was passed on to it.
#ifndef QUORATE_NODE_LEADER_FINDER_H_
#define QUORATE_NODE_LEADER_FINDER_H_

#include <cstdint>
#include <vector>

#include "env/env.h"
#include "node/config.h"
#include "node/group_queue.h"
#include "node/peer_link.h"

namespace quorate::node {

class LeaderFinder {
 public:
  // All outlive it.
  LeaderFinder(env::Loop& loop, const Config& config, PeerLinks& links)
      : loop_(loop), config_(config), links_(links) {}
  LeaderFinder(const LeaderFinder&) = delete;
  LeaderFinder& operator=(const LeaderFinder&) = delete;

  // From now on for this queue too. Requires: !queue.hosted(); it outlives the finder.
  void Add(GroupQueue& queue);

 private:
  struct Search {
    GroupQueue* queue;
    // So many questions were asked; the answer to the last one counts.
    uint64_t asked = 0;
    bool waiting = false;
  };

  void AskAll();
  void Ask(size_t index);
  void OnAnswer(size_t index, NodeId asked, NodeId leader);

  env::Loop& loop_;
  const Config& config_;
  PeerLinks& links_;
  std::vector<Search> searches_;
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_LEADER_FINDER_H_
