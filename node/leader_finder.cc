#include "node/leader_finder.h"

#include <algorithm>
#include <utility>

#include "env/check.h"

namespace quorate::node {

void LeaderFinder::Add(GroupQueue& queue) {
  CHECK(!queue.hosted()) << "group " << queue.group();
  searches_.push_back({.queue = &queue});
  if (searches_.size() == 1) {
    timer_ = loop_.At(loop_.ReadClock().mono, [this] { AskAll(); });
  }
}

void LeaderFinder::AskAll() {
  for (size_t i = 0; i < searches_.size(); ++i) {
    // No answer since the last time.
    if (searches_[i].waiting) {
      OnAnswer(i, searches_[i].queue->leader_hint(), NodeId());
    }
    Ask(i);
  }
  // An election takes about so long.
  timer_ = loop_.At(loop_.ReadClock().mono + config_.raft.election_timeout_max,
                    [this] { AskAll(); });
}

void LeaderFinder::Ask(size_t index) {
  Search& search = searches_[index];
  const NodeId asked = search.queue->leader_hint();
  search.waiting = true;
  links_.To(config_.FindNode(asked)->resp)
      .AskLeader(
          search.queue->group(),
          [this, index, asked, number = ++search.asked](PeerResult result) {
            if (searches_[index].asked != number) return;
            OnAnswer(index, asked, result.leader);
          });
}

void LeaderFinder::OnAnswer(size_t index, NodeId asked, NodeId leader) {
  Search& search = searches_[index];
  search.waiting = false;
  // Meanwhile another one was named, by the answer to something passed on.
  if (leader == asked || search.queue->leader_hint() != asked) return;
  const auto shard = std::find_if(
      config_.shards.begin(), config_.shards.end(),
      [&](const ShardConfig& s) { return s.group == search.queue->group(); });
  CHECK(shard != config_.shards.end());
  const auto& replicas = shard->replicas;
  auto next = std::find(replicas.begin(), replicas.end(), leader);
  if (next == replicas.end()) {
    next = std::find(replicas.begin(), replicas.end(), asked);
    if (next == replicas.end() || ++next == replicas.end()) {
      next = replicas.begin();
    }
  }
  search.queue->SetLeaderHint(*next);
}

}  // namespace quorate::node
