// raft/host/pulses.h: which nodes work, for groups that are quiet.
//
// A node that leads quiet groups sends the nodes of their followers an envelope
// at each heartbeat interval, however many groups there are. It is empty if
// there is nothing else to send: a pulse. So they learn of its end as early as
// by the heartbeats of a group. In the other direction pulses tell the leader
// that it reaches a majority. They are twice in the least election timeout.
// Pure.
#ifndef QUORATE_RAFT_HOST_PULSES_H_
#define QUORATE_RAFT_HOST_PULSES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/container/btree_map.h"
#include "env/check.h"
#include "env/ids.h"
#include "env/time.h"

namespace quorate::raft {

class Pulses {
 public:
  Pulses(Duration heartbeat_interval, Duration election_timeout_min)
      : leading_interval_(heartbeat_interval),
        following_interval_(
            std::max(heartbeat_interval, election_timeout_min / 2)) {}

  // ---- Nodes that need pulses of this one.
  // A quiet group begins or ends to need them. `leads`: this node leads it.
  void Add(NodeId node, bool leads) {
    ++needs_[node].groups;
    if (leads) ++needs_[node].led;
  }
  void Remove(NodeId node, bool leads) {
    const auto found = needs_.find(node);
    CHECK(found != needs_.end());
    if (leads) --found->second.led;
    if (--found->second.groups == 0) needs_.erase(found);
  }
  // When SendDue may have a pulse to send; Max() if no node needed any.
  MonoTime next_at() const { return next_at_; }
  // To be called after Add. A time that has come stays.
  void Schedule(MonoTime now) { next_at_ = std::min(next_at_, NextAfter(now)); }
  // Calls `send` with each node to which nothing was sent for too long.
  // `last_sent` gives the time of the last envelope to a node. No effect before
  // next_at().
  template <typename LastSent, typename Send>
  void SendDue(MonoTime now, const LastSent& last_sent, const Send& send) {
    if (now < next_at_) return;
    for (const auto& [node, need] : needs_) {
      const Duration interval =
          need.led > 0 ? leading_interval_ : following_interval_;
      if (now - last_sent(node) >= interval) send(node);
    }
    next_at_ = NextAfter(now);
  }

  // ---- Signs of other nodes.
  // An envelope of the process `process` on `node` arrived.
  void Heard(NodeId node, uint64_t process, MonoTime now) {
    Signs& signs = signs_[node];
    if (signs.process != process || signs.last == MonoTime::Min()) {
      signs.process = process;
      signs.first = now;
    }
    signs.last = now;
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
  // The times are those of heartbeats, so that both share the envelopes.
  MonoTime NextAfter(MonoTime now) const {
    if (needs_.empty()) return MonoTime::Max();
    const int64_t interval = leading_interval_.ns();
    return MonoTime(0) + Nanoseconds((now.ns() / interval + 1) * interval);
  }

  struct Signs {
    uint64_t process = 0;
    MonoTime first;
    MonoTime last = MonoTime::Min();
  };
  struct Need {
    size_t groups = 0;  // That are quiet.
    size_t led = 0;     // By this node, of these.
  };
  const Duration leading_interval_;
  const Duration following_interval_;
  absl::btree_map<NodeId, Need> needs_;
  MonoTime next_at_ = MonoTime::Max();
  absl::btree_map<NodeId, Signs> signs_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_PULSES_H_
