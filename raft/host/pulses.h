// raft/host/pulses.h: which nodes work, for groups that are quiet.
//
// In quiet groups, the nodes of leader and follower send each other an envelope
// twice in the least election timeout, however many groups there are. It is
// empty if there is nothing else to send: a pulse. Pulses of the leader's node
// spare its followers an election. Pulses of the followers' nodes tell the
// leader that it reaches a majority. Pure.
#ifndef QUORATE_RAFT_HOST_PULSES_H_
#define QUORATE_RAFT_HOST_PULSES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/check.h"
#include "env/ids.h"
#include "env/time.h"

namespace quorate::raft {

class Pulses {
 public:
  Pulses(Duration heartbeat_interval, Duration election_timeout_min)
      : heartbeat_interval_(heartbeat_interval),
        late_after_(election_timeout_min),
        // A host refuses other intervals when it starts.
        beats_(heartbeat_interval <= Duration(0)
                   ? 1
                   : std::max<int64_t>(1, election_timeout_min.ns() / 2 /
                                              heartbeat_interval.ns())) {}

  // ---- Nodes that need pulses of this one.
  // A quiet group begins or ends to need them.
  void Add(NodeId node) {
    ++needs_[node];
    const auto found = signs_.find(node);
    if (found != signs_.end()) Watch(found->second);
  }
  void Remove(NodeId node) {
    const auto found = needs_.find(node);
    CHECK(found != needs_.end());
    if (--found->second == 0) needs_.erase(found);
  }
  // When SendDue may have a pulse to send; Max() if no node needed any.
  MonoTime next_at() const { return next_at_; }
  // To be called after Add. A time that has come stays.
  void Schedule(MonoTime now) {
    if (!needs_.empty()) next_at_ = std::min(next_at_, AtBeat(BeatOf(now) + 1));
  }
  // Calls `send` with each node to which nothing was sent for too long.
  // `last_sent` gives the time of the last envelope to a node. No effect before
  // next_at().
  template <typename LastSent, typename Send>
  void SendDue(MonoTime now, const LastSent& last_sent, const Send& send) {
    if (now < next_at_) return;
    next_at_ = MonoTime::Max();
    for (const auto& [node, groups] : needs_) {
      const MonoTime last = last_sent(node);
      const bool due =
          last == MonoTime::Min() || BeatOf(now) - BeatOf(last) >= beats_;
      if (due) send(node);
      next_at_ = std::min(next_at_, AtBeat(BeatOf(due ? now : last) + beats_));
    }
  }

  // ---- Signs of other nodes.
  // An envelope of the process `process` on `node` arrived. True: the signs of
  // an earlier process ended, and quiet replicas must know.
  bool Heard(NodeId node, uint64_t process, MonoTime now) {
    const auto [found, is_first] = signs_.try_emplace(node);
    Signs& signs = found->second;
    const bool is_other = is_first || signs.process != process;
    if (is_other) {
      signs.process = process;
      signs.first = now;
    }
    signs.last = now;
    if (std::exchange(signs.late, false)) Watch(signs);
    return is_other && !is_first;
  }
  // When TakeLate may have a node; Max() if none is watched.
  MonoTime look_at() const { return look_at_; }
  // The nodes whose last sign is older than the least election timeout, each
  // once until it gives another sign. Empty before look_at(). Only nodes that
  // need pulses are watched.
  std::vector<NodeId> TakeLate(MonoTime now) {
    std::vector<NodeId> late;
    if (now < look_at_) return late;
    look_at_ = MonoTime::Max();
    for (const auto& [node, groups] : needs_) {
      const auto found = signs_.find(node);
      if (found == signs_.end() || found->second.late) continue;
      found->second.late = now - found->second.last >= late_after_;
      if (found->second.late) late.push_back(node);
      Watch(found->second);
    }
    return late;
  }
  // When the last sign of `node` arrived. Min(): there is none, or its process
  // began to give them after `since`.
  MonoTime Last(NodeId node, MonoTime since) const {
    const auto found = signs_.find(node);
    if (found == signs_.end() || found->second.first > since) {
      return MonoTime::Min();
    }
    return found->second.last;
  }

 private:
  // Pulses are sent at the times of heartbeats, so that both share the
  // envelopes: at multiples of the interval, which are beats with a number.
  // Turns are a little late, so whole beats count, and not the time since the
  // last envelope.
  int64_t BeatOf(MonoTime time) const {
    return time.ns() / heartbeat_interval_.ns();
  }
  MonoTime AtBeat(int64_t beat) const {
    return MonoTime(0) + heartbeat_interval_ * beat;
  }

  struct Signs {
    uint64_t process = 0;
    MonoTime first;
    MonoTime last = MonoTime::Min();
    bool late = false;  // TakeLate has told it.
  };
  void Watch(const Signs& signs) {
    if (!signs.late) look_at_ = std::min(look_at_, signs.last + late_after_);
  }

  const Duration heartbeat_interval_;
  const Duration late_after_;
  const int64_t beats_;  // Between two pulses.
  // How many quiet groups need pulses to a node.
  absl::btree_map<NodeId, size_t> needs_;
  MonoTime next_at_ = MonoTime::Max();
  MonoTime look_at_ = MonoTime::Max();
  absl::btree_map<NodeId, Signs> signs_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_PULSES_H_
