// raft/host/pulses.h: which nodes work, and whether they agree on who follows
// whom. For all groups of a node at once.
//
// A tie is a leader on one node, its term, and a replica on another node that
// follows it. Each envelope between two nodes has a hash of the ties that the
// sender's leaders have with the receiver. If the receiver's followers have the
// same ties, the envelope counts as a heartbeat of each of these leaders. The
// next envelope in the other direction says so, and counts as the reply of each
// follower. So an idle group sends nothing.
//
// Hashes differ while a message is under way that changes ties. If they differ
// for two intervals, a leader has ended without a word, or something was lost.
// Then the followers trust no pulse before the next message of their leaders,
// and the other node is told to send one in each group. Pure.
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
#include "env/random.h"
#include "env/time.h"
#include "raft/core/core.h"
#include "raft/core/core_digest.h"
#include "raft/host/envelope.h"

namespace quorate::raft {

// Ties are equal for certain if the sums of their hashes are.
struct PulseTie {
  GroupId group;
  ReplicaId leader;
  Term term;
  ReplicaId follower;
  uint64_t Hash() const {
    return Mix64(
        Mix64(Mix64(Mix64(group.value()) ^ leader.value()) ^ term.value()) ^
        follower.value());
  }
};

// The ties with one other node that are of one side.
struct LinkTies {
  size_t ties = 0;
  uint64_t hash = 0;            // The sum over them.
  MonoTime last = MonoTime(0);  // When a pulse last counted.
  bool late = false;            // Pulses::TakeLate has told it.
};

class Pulses {
 public:
  static constexpr Duration kAskPauseMax = Seconds(10);

  // A tie is that of a leader on this node, or of a follower.
  enum class Side : uint8_t { kLeads, kFollows };

  Pulses(Duration heartbeat_interval, Duration election_timeout_min)
      : heartbeat_interval_(heartbeat_interval),
        late_after_(election_timeout_min),
        // A host refuses other intervals when it starts.
        beats_(heartbeat_interval <= Duration(0)
                   ? 1
                   : std::max<int64_t>(1, election_timeout_min.ns() / 4 /
                                              heartbeat_interval.ns())) {}

  // ---- Ties of this node's replicas.
  void Add(NodeId node, Side side, uint64_t hash) {
    LinkTies& half = links_[node].side(side);
    ++half.ties;
    half.hash += hash;
    Watch(half);
  }
  void Remove(NodeId node, Side side, uint64_t hash) {
    LinkTies& half = links_[node].side(side);
    CHECK_GT(half.ties, 0u);
    --half.ties;
    half.hash -= hash;
  }

  // ---- Pulses to other nodes.
  // When SendDue may have a pulse to send; Max() if no node needed any.
  MonoTime next_at() const { return next_at_; }
  // To be called after Add. A time that has come stays.
  void Schedule(MonoTime now) {
    next_at_ = std::min(next_at_, AtBeat(BeatOf(now) + 1));
  }
  // Calls `send` with each node with ties to which nothing was sent for too
  // long. `last_sent` gives the time of the last envelope to a node. No effect
  // before next_at().
  template <typename LastSent, typename Send>
  void SendDue(MonoTime now, const LastSent& last_sent, const Send& send) {
    if (now < next_at_) return;
    next_at_ = MonoTime::Max();
    for (const auto& [node, link] : links_) {
      if (!link.tied()) continue;
      const MonoTime last = last_sent(node);
      const bool due =
          last == MonoTime::Min() || BeatOf(now) - BeatOf(last) >= beats_;
      if (due) send(node);
      next_at_ = std::min(next_at_, AtBeat(BeatOf(due ? now : last) + beats_));
    }
  }
  // The part of the next envelope to `node`.
  EnvelopePulse Take(NodeId node, WallTime wall, int64_t clock_differs_ppm) {
    Link& link = links_[node];
    return {.wall = wall,
            .ties = link.side(Side::kLeads).hash,
            .answers = link.answers,
            .answered_wall = link.leader.wall,
            .clock_differs_ppm = clock_differs_ppm,
            .asks = std::exchange(link.asks, false)};
  }

  // ---- Pulses of other nodes.
  // An envelope of the process `process` on `node` arrived; call this before
  // its messages are taken. True: the pulses of an earlier process ended, and
  // the replicas must know.
  bool IsOtherProcess(NodeId node, uint64_t process, MonoTime now) {
    Link& link = links_[node];
    if (link.process == process) return false;
    const bool is_first = std::exchange(link.process, process) == 0;
    link.trusted_from = now;
    link.differ_since = MonoTime::Max();
    link.answers = MonoTime::Min();
    link.leader = LeaderPulse();
    link.member = MemberPulse();
    return !is_first;
  }
  // To be called after its messages were taken. True: this node's followers
  // must not trust pulses any more, and a pulse must leave for `node`.
  bool Heard(NodeId node, const EnvelopeStamp& stamp, MonoTime now) {
    Link& link = links_[node];
    const EnvelopePulse& pulse = stamp.pulse;
    // Nothing is answered that was not sent.
    if (pulse.answers > link.member.sent && pulse.answers <= now) {
      link.member = {.heard = now,
                     .sent = pulse.answers,
                     .wall = pulse.answered_wall,
                     .clock_differs_ppm = pulse.clock_differs_ppm};
      Sign(link.side(Side::kLeads), now);
    }
    LinkTies& follows = link.side(Side::kFollows);
    if (pulse.ties == follows.hash) {
      link.differ_since = MonoTime::Max();
      link.ask_pause = Duration();
      link.leader.heard = now;
      if (stamp.sent > link.answers) {
        link.answers = stamp.sent;
        link.leader.sent = stamp.sent;
        link.leader.wall = pulse.wall;
      }
      Sign(follows, now);
      return false;
    }
    link.differ_since = std::min(link.differ_since, now);
    if (now - link.differ_since < heartbeat_interval_ * 2 ||
        now < link.ask_at) {
      return false;
    }
    link.ask_pause = std::clamp(link.ask_pause * 2, late_after_,
                                std::max(late_after_, kAskPauseMax));
    link.ask_at = now + link.ask_pause;
    link.asks = true;
    link.trusted_from = now;
    link.differ_since = MonoTime::Max();
    return true;
  }
  // The state of the links that replicas do not see.
  void AddTo(CoreDigest* digest) const {
    for (const auto& [node, link] : links_) {
      digest->Add(node);
      digest->Add(link.differ_since);
      digest->Add(std::max(link.ask_at, link.differ_since));
      digest->Add(uint64_t{link.asks});
      for (const LinkTies& side : link.sides) digest->Add(uint64_t{side.late});
    }
  }
  // See HostGate::PulseOfLeader and PulseOfMember.
  LeaderPulse OfLeader(NodeId node, MonoTime since) const {
    const auto found = links_.find(node);
    if (found == links_.end()) return {};
    const Link& link = found->second;
    if (link.trusted_from > since) return {.ended = true};
    return link.leader.heard < since ? LeaderPulse() : link.leader;
  }
  MemberPulse OfMember(NodeId node, MonoTime since) const {
    const auto found = links_.find(node);
    if (found == links_.end() || found->second.member.sent <= since) return {};
    return found->second.member;
  }
  // When TakeLate may have a node; Max() if none is watched.
  MonoTime look_at() const { return look_at_; }
  // The nodes with ties whose last pulse is older than the least election
  // timeout, each once until another pulse comes. Empty before look_at().
  std::vector<NodeId> TakeLate(MonoTime now) {
    std::vector<NodeId> late;
    if (now < look_at_) return late;
    look_at_ = MonoTime::Max();
    for (auto& [node, link] : links_) {
      bool is_late = false;
      for (LinkTies& half : link.sides) {
        if (half.ties == 0 || half.late) continue;
        half.late = now - half.last >= late_after_;
        is_late |= half.late;
        Watch(half);
      }
      if (is_late) late.push_back(node);
    }
    return late;
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

  struct Link {
    LinkTies& side(Side which) { return sides[static_cast<size_t>(which)]; }
    bool tied() const { return sides[0].ties > 0 || sides[1].ties > 0; }

    LinkTies sides[2];
    uint64_t process = 0;  // Zero: nothing was heard.
    // Followers that were tied before trust no pulse.
    MonoTime trusted_from;
    // Since when the other node's ties differ; Max(): they do not.
    MonoTime differ_since = MonoTime::Max();
    // Not earlier again. The pause doubles until ties are equal, since answers
    // in thousands of groups take long and change ties, too.
    MonoTime ask_at = MonoTime::Min();
    Duration ask_pause;
    bool asks = false;
    // The newest envelope with equal ties, by the other node's clock.
    MonoTime answers = MonoTime::Min();
    LeaderPulse leader;
    MemberPulse member;
  };
  void Sign(LinkTies& half, MonoTime now) {
    half.last = now;
    if (std::exchange(half.late, false)) Watch(half);
  }
  void Watch(const LinkTies& half) {
    if (!half.late) look_at_ = std::min(look_at_, half.last + late_after_);
  }

  const Duration heartbeat_interval_;
  const Duration late_after_;
  const int64_t beats_;  // Between two pulses.
  MonoTime next_at_ = MonoTime::Max();
  MonoTime look_at_ = MonoTime::Max();
  absl::btree_map<NodeId, Link> links_;
};

// The ties of one replica, as Pulses knows them.
class ReplicaTies {
 public:
  // To be called after each step of the core. Null: the replica has stopped.
  // `node_of` returns the node of a ReplicaId. True: there are other ties than
  // before. Nearly every step changes nothing, so it compares first.
  template <typename NodeOf>
  bool Report(const GroupKey& key, const Core* core, const NodeOf& node_of,
              Pulses* pulses) {
    const uint64_t digest = core == nullptr ? 0 : core->pulse_partners_digest();
    if (std::exchange(digest_, digest) == digest) return false;
    for (const Tie& tie : ties_) pulses->Remove(tie.node, side_, tie.hash);
    ties_.clear();
    if (digest == 0) return false;
    const bool leads = core->role() == RoleKind::kLeader;
    side_ = leads ? Pulses::Side::kLeads : Pulses::Side::kFollows;
    std::vector<ReplicaId> partners;
    core->GetPulsePartners(&partners);
    ties_.reserve(partners.size());
    for (const ReplicaId partner : partners) {
      const PulseTie tie = {.group = key.group,
                            .leader = leads ? key.replica : partner,
                            .term = core->term(),
                            .follower = leads ? partner : key.replica};
      ties_.push_back({node_of(partner), tie.Hash()});
      pulses->Add(ties_.back().node, side_, ties_.back().hash);
    }
    return true;
  }
  bool Has(NodeId node) const {
    return std::any_of(ties_.begin(), ties_.end(),
                       [node](const Tie& tie) { return tie.node == node; });
  }

 private:
  struct Tie {
    NodeId node;
    uint64_t hash;
  };
  uint64_t digest_ = 0;  // Core::pulse_partners_digest.
  Pulses::Side side_ = Pulses::Side::kFollows;
  std::vector<Tie> ties_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_PULSES_H_
