// node/routing/live_view.h: what this node knows of the cluster at this moment: which nodes answer, which replicas work, who leads.
//
// Facts about this node come from its host. Every other node is asked for its own facts once per election timeout, over a link of its
// own, and sends them again only after a change. Newer facts replace older ones: a leader by its term, a node's words by the number
// of the question. No replicated decision reads the view.
#ifndef QUORATE_NODE_ROUTING_LIVE_VIEW_H_
#define QUORATE_NODE_ROUTING_LIVE_VIEW_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "env/env.h"
#include "node/config/config.h"
#include "node/routing/peer_link.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"

namespace quorate::node {

// The state of one replica, as its own node reports it.
enum class ReplicaState : uint8_t {
  kUnknown,  // Its node has not answered yet.
  kFine,
  kFenced,   // Its log or snapshot is damaged: it stays silent.
  kStopped,  // The disk of its node failed.
  kRefused,  // The other replicas refuse it: see LiveView::refusal.
};
// "unknown", "ok", "fenced", "stopped", "refused".
std::string_view ReplicaStateName(ReplicaState state);
constexpr bool Unfit(ReplicaState state) {
  return state == ReplicaState::kFenced || state == ReplicaState::kStopped ||
         state == ReplicaState::kRefused;
}

class LiveView {
 public:
  // The latest leader known of a group; node zero: none so far.
  struct Leader {
    raft::Term term;
    NodeId node;
    // The node itself said later that it leads no longer.
    bool lapsed = false;
  };

  // All outlive the view. `map` is the configuration's.
  LiveView(env::Env& env, const raft::Host& host, const Config& config,
           const shardctrl::ShardMap& map);
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  // Begins to ask the other nodes. Requires: the host has started.
  void Start();
  // `observer` is called after every change; it must not call back.
  void SetObserver(absl::AnyInvocable<void()> observer) {
    observer_ = std::move(observer);
  }

  // False once `node` left kMissesMax questions in a row without an answer; true before. True for this node.
  bool alive(NodeId node) const;
  // Requires: `node` holds a replica of `group` by the configuration.
  ReplicaState replica(GroupId group, NodeId node) const;
  // Why `node` is refused, in words about "it": its identity is no peer's, its store is not the one that belongs to a group,
  // or it reports that its peers refuse it. Empty if it is not. For this node: empty.
  std::string refusal(NodeId node) const;
  // OK, or why this node's replica of `group` is fenced, stopped or refused by the others.
  absl::Status OwnStatus(GroupId group) const;
  // OK, or why no leader of `group` can be a peer of this node: too many of the group's voting nodes have an identity that
  // refuses this one's.
  absl::Status CutOff(GroupId group) const;
  Leader leader(GroupId group) const;
  // The leader if requests can be sent to it: another node that answers, whose replica works and which has not resigned. Else zero.
  NodeId ReachableLeader(GroupId group) const;
  // Rises with every change.
  uint64_t version() const { return version_; }

  // Notes that `leader` was elected in `term`; older news changes nothing.
  void LearnLeader(GroupId group, raft::Term term, NodeId leader);
  // Notes that this node's replicas changed their state.
  void OnOwnChange() { Change(); }
  // Asks the other replicas of `group` at once who leads, unless that happened a moment ago.
  void AskSoon(GroupId group);
  // This node's facts for `asker`; their rows are left out if `known` is their version.
  NodeReport Report(const NodeReport& known,
                    const env::TransportIdentity& asker);

  // An unanswered question per interval; so many in a row make a node count as dead.
  static constexpr int kMissesMax = 3;

 private:
  struct Peer {
    const NodeConfig* config = nullptr;
    bool alive = true;
    bool asking = false;   // A question is under way.
    bool answered = true;  // Since the last interval began.
    int misses = 0;
    MonoTime asked = MonoTime::Min();
    // The version of its rows as last received.
    NodeReport known;
    // Why its identity is no peer's; empty: it is one.
    std::string difference;
    // Groups whose replicas there refuse this node's store.
    std::vector<GroupId> refuses;
    // Groups whose replicas here refuse its store.
    std::vector<GroupId> refused;
    // As it reports them.
    absl::btree_map<GroupId, ReplicaState> replicas;
  };

  void Tick();
  void Ask(size_t index);
  void OnAnswer(size_t index, const PeerResult& answer);
  // Whether anything changed. Of TakeRows: whether there were any.
  bool TakeIdentity(Peer& peer, const PeerResult& answer);
  bool TakeRows(Peer& peer, const NodeReport& report);
  // False if the row cannot be read.
  bool TakeRow(Peer& peer, std::string_view row);
  // The groups whose replicas here refuse that store.
  std::vector<GroupId> GroupsRefusing(
      const env::TransportIdentity& identity) const;
  static ReplicaState StateOf(const Peer& peer, GroupId group);
  // What the identities and words of the peers mean for this node.
  void RefreshCutOff();
  const Peer* FindPeer(NodeId node) const;
  void Change();
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  const raft::Host& host_;
  const Config& config_;
  const shardctrl::ShardMap& map_;
  const std::vector<GroupId> own_groups_;
  PeerLinks links_;
  std::vector<Peer> peers_;  // Ascending by node; without this one.
  absl::btree_map<GroupId, Leader> leaders_;
  // The groups for which CutOff is not OK.
  absl::btree_map<GroupId, absl::Status> cut_off_;
  // Those of this node's groups whose other voters refuse this node's store.
  absl::btree_map<GroupId, absl::Status> store_refused_;
  uint64_t version_ = 1;
  // What Report says: which start of this node, and how often the rows changed since.
  const uint64_t start_;
  uint64_t reported_ = 0;
  std::string rows_;
  absl::AnyInvocable<void()> observer_;
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_LIVE_VIEW_H_
