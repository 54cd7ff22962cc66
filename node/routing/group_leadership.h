// node/routing/group_leadership.h: where the commands of one group can go: the
// replica here, its leader elsewhere, or nowhere for now.
//
// It knows the host and the live view, but no requests.
#ifndef QUORATE_NODE_ROUTING_GROUP_LEADERSHIP_H_
#define QUORATE_NODE_ROUTING_GROUP_LEADERSHIP_H_

#include <cstdint>
#include <limits>

#include "absl/status/status.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/store/store.h"
#include "node/config/config.h"
#include "node/routing/live_view.h"
#include "node/routing/queue_parts.h"
#include "node/routing/request_sink.h"
#include "raft/host/host.h"

namespace quorate::node {

struct Leadership {
  enum class Kind : uint8_t { kUnknown, kSelf, kRemote } kind = Kind::kUnknown;
  NodeId leader;    // Zero if unknown.
  raft::Term term;  // That of this leader.
  friend bool operator==(const Leadership&, const Leadership&) = default;
};

// So long after a node learned that slots moved, or who leads their group, it
// forwards commands on them, also for clients that want MOVED. Otherwise such a
// client could be sent to a node that has not learned it yet, and back.
inline constexpr Duration kForwardNew = Seconds(1);

// No bound of how stale a read may be.
inline constexpr Duration kAnyStaleness =
    Nanoseconds(std::numeric_limits<int64_t>::max());
// The greatest bound: one day.
inline constexpr int64_t kStalenessMaxMs = int64_t{24} * 3600 * 1000;

// Invariant: known() changes only in Refresh, and each change is reported.
class GroupLeadership {
 public:
  // `parts` outlives the object.
  GroupLeadership(const QueueParts& parts, GroupId group);

  // Updates known() and hosted() from the host and the live view.
  void Refresh();

  GroupId group() const { return group_; }
  const Leadership& known() const { return known_; }
  Leadership::Kind kind() const { return known_.kind; }
  MonoTime known_since() const { return known_since_; }
  // True if this node does not lead, and has yet to learn who does or learned
  // it within kForwardNew.
  bool is_new() const {
    return kind() != Leadership::Kind::kSelf &&
           (kind() == Leadership::Kind::kUnknown ||
            MonoNow() - known_since_ < kForwardNew);
  }
  // True if this node holds a replica, working or not.
  bool placed() const { return placed_; }
  // True if a working replica is here that takes part in the group. If not, the
  // live view decides who leads.
  bool hosted() const { return hosted_; }
  // When Refresh is due though nothing else happens; Max(): never.
  MonoTime look_at() const {
    return left_behind_ || unheard_since_ == MonoTime::Max()
               ? MonoTime::Max()
               : unheard_since_ + Patience();
  }
  // Null if no working replica is here.
  const kv::Store* store() const;
  // The time by which a read finds keys due: the leader's log time at the
  // newest read point here. Min(): no replica is here.
  kv::PointTime ReadTime() const;
  // The replica here has reached a read point that was asked for at `asked`.
  void NoteReadPoint(MonoTime asked);
  // True if the state here lacks no write that was confirmed more than
  // `staleness_max` ago. kAnyStaleness: a leader has confirmed it since the
  // replica's start.
  bool MayReadStale(Duration staleness_max) const;
  // True if the replica here may answer a read of the slot that may be so
  // stale: it does not lead, and owns the slot.
  bool MayAnswerStale(Slot slot, Duration staleness_max) const;
  // The replica of this node. Zero: there is none.
  ReplicaId replica() const;
  // True if the replica here, since its start, has applied an entry of a leader
  // that it heard of. A replica that starts has applied its snapshot only.
  bool applied_of_leader() const { return applied_of_leader_; }
  // Whether the map leaves the group out. Unservable() says so then.
  void SetEnded(bool ended) { ended_ = ended; }
  bool ended() const { return ended_; }
  // Not OK: no node can execute commands of the group for this one, and why.
  absl::Status Unservable() const;
  // The rules version of batches for the group: its level, as far as this
  // program knows it. Without a replica here the level is that of the founding,
  // or a higher one that others report.
  uint32_t rules() const;
  RequestFailure MakeFailure(RequestFailure::Kind kind, Slot slot,
                             const absl::Status& why) const;

  // ---- The pause after a refusal or a failed read point. It ends early when
  // known() changes.
  void Pause() { retry_at_ = MonoNow() + kRetryDelay; }
  bool pausing() const { return MonoNow() < retry_at_; }
  MonoTime retry_at() const { return retry_at_; }

 private:
  static constexpr Duration kRetryDelay = Milliseconds(10);

  static bool TakesPart(const raft::Core& core);
  // True if the group has a leader that the working replica here has not heard
  // for a long time: it may have been left out. Stays true until the replica
  // hears a leader.
  bool LeftBehind(const raft::Core& core);
  // A leader that died answers the live view for a shorter time.
  Duration Patience() const {
    return parts_.config.host.core.election_timeout_max *
           (LiveView::kMissesMax + 1);
  }
  // This node's replica is the group's only one.
  bool Alone() const;
  // Where the cluster has removed this node: another one that led the group, or
  // that may lead it. Zero: none is known.
  NodeId AnotherNode() const;
  MonoTime MonoNow() const { return parts_.loop.ReadClock().mono; }

  const QueueParts& parts_;
  const GroupId group_;
  bool placed_ = false;
  bool hosted_ = false;
  bool ended_ = false;
  bool applied_of_leader_ = false;
  bool left_behind_ = false;
  // Since then the live view has reached a leader that the replica here does
  // not hear. Max(): it does not.
  MonoTime unheard_since_ = MonoTime::Max();
  // When the newest read point that was reached here was asked for, and the
  // replica that reached it.
  MonoTime read_point_asked_ = MonoTime::Min();
  ReplicaId read_point_of_;
  Leadership known_;
  MonoTime known_since_ = MonoTime::Min();
  MonoTime retry_at_ = MonoTime::Min();
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_GROUP_LEADERSHIP_H_
