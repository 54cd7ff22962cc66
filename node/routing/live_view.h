// node/routing/live_view.h: the present state of the cluster as this node knows
// it: nodes that answer, replicas that work, leaders.
//
// Facts about this node come from its host. The view asks every other node for
// its own facts once per election timeout, in messages between peers. One
// exchange serves both nodes: the one with the lower id asks. A node sends its
// facts again only after a change. Newer facts replace older ones:
// leaders are ordered by their terms, the reports of one node by its questions.
// Reports also carry addresses, which the view gives to the ClusterMap.
// The transport knows which nodes refuse this one, or are refused by it. No
// replicated decision reads the view.
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
#include "node/cluster/cluster_map.h"
#include "node/config/config.h"
#include "node/peers/node_report.h"
#include "node/peers/peer_links.h"
#include "raft/host/host.h"
#include "shardctrl/map.h"

namespace quorate::node {

// Returns "unknown", "ok", "fenced", "stopped", "refused" or "halted".
std::string_view ReplicaStateName(ReplicaState state);
constexpr bool Unfit(ReplicaState state) {
  return state != ReplicaState::kUnknown && state != ReplicaState::kFine;
}

class LiveView final : public StatusObserver {
 public:
  // The latest known leader of a group; node zero: none so far.
  struct Leader {
    raft::Term term;
    NodeId node;
    // The node reported later that it leads no longer.
    bool lapsed = false;
  };

  // All outlive the view.
  LiveView(env::Env& env, const raft::Host& host, const Config& config,
           ClusterMap& cluster, PeerLinks& links);
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;

  // `observer` is called for each report of a newer map than this node has.
  void SetMapObserver(absl::AnyInvocable<void()> observer) {
    map_observer_ = std::move(observer);
  }
  // Begins to ask the other nodes. Requires: the host has started.
  void Start();
  // `observer` is called in step 2 of each turn with changes.
  void SetObserver(absl::AnyInvocable<void()> observer) {
    observer_ = std::move(observer);
  }

  // Reports that the map has other nodes or groups.
  void OnMapChanged();
  // Tells each node whose last report has an older map than this node's that
  // there is a newer one. It then asks for it.
  void TellMap();
  // Tells each node whether this one gives its leaderships away.
  void TellGivesAway(bool gives_away) { links_.TellGivesAway(gives_away); }
  // Reports that addresses of nodes changed.
  void OnAddressesChanged();

  // False if the last kMissesMax intervals passed without an answer of `node`.
  // True for this node.
  bool alive(NodeId node) const;
  // False if `node` is not alive. It is false, too, after kMissesMax intervals
  // in which the handshake was refused, or in which the node reported that all
  // its replicas are stopped. True for this node.
  bool works(NodeId node) const;
  // There are other nodes, and none of them is connected.
  bool alone() const;
  // `node` said that it gives its leaderships away, and takes no others: it
  // stops, or its disk has no room. Its next process does not say so yet.
  bool gives_away(NodeId node) const { return links_.GivesAway(node); }
  // kStopped also if `node` holds no replica of the group.
  ReplicaState replica(GroupId group, NodeId node) const;
  // The groups of which `node` holds a replica, ascending, by its own report.
  // Until it has reported they are those of the map.
  std::vector<GroupId> GroupsOn(NodeId node) const;
  bool Holds(NodeId node, GroupId group) const;
  // The reason for which `node` is refused, in words about "it". Empty if
  // `node` is this node, or is not refused. Reasons:
  // - Its identity is no peer's.
  // - Another node answers at its address, and it does not answer itself.
  // - Its store is not the one that belongs to a group.
  // - It reports that its peers refuse it.
  std::string refusal(NodeId node) const;
  // Not OK if this node's replica of `group` is halted, fenced, stopped, or
  // refused by the other replicas; the message says why.
  absl::Status OwnStatus(GroupId group) const;
  // Not OK if no leader of `group` can be a peer of this node. In this case too
  // many of the group's voters have an identity that differs, and the message
  // names them.
  absl::Status CutOff(GroupId group) const;
  Leader leader(GroupId group) const;
  // The leader if requests can be sent to it, else zero. Such a leader is
  // another node, it answers, its replica works, and it has not reported that
  // it leads no longer.
  NodeId ReachableLeader(GroupId group) const;
  // The node that reported the newest map, of those that answer, and its
  // version. Node zero: none of them has a newer one than this node.
  struct NewestMap {
    NodeId node;
    shardctrl::MapVersion version;
  };
  NewestMap newest_map() const;
  // Some node that answers has a newer map than this node.
  bool knows_newer_map() const {
    return newest_reported_ > cluster_.shards().version();
  }
  // The highest level of the group that another node has reported; zero: none.
  // The leader knows better: it refuses what needs more than the level.
  raft::Level level(GroupId group) const;
  // Rises with every change.
  uint64_t version() const { return version_; }

  // Records that `leader` was elected in `term`. An older term changes nothing.
  void LearnLeader(GroupId group, raft::Term term, NodeId leader);
  // Records that this node's replicas, or their members, changed.
  void OnOwnChange();
  // Asks the nodes of the other replicas of `group` at once for their facts,
  // unless that happened a moment ago. Returns when the next call may ask.
  MonoTime QuerySoon(GroupId group);
  const NodeReport& Known(NodeId node) override;
  NodeReport Report(NodeId asker, StoreIncarnation store,
                    const StatusQuery& query) override;

  // A node counts as dead after this many intervals in a row without an answer.
  // An interval is an election timeout.
  static constexpr int kMissesMax = 3;

 private:
  struct Peer {
    NodeId node;
    bool alive = true;
    bool answered = true;  // It answered since the last interval began.
    int misses = 0;        // Intervals in a row without an answer.
    int faults = 0;        // Intervals in a row in which it was no use.
    MonoTime asked = MonoTime::Min();  // The time of the last question.
    shardctrl::MapVersion map = {};    // That of its latest report.
    // The version of its rows as last received, without them.
    NodeReport known;
    // The reason of the latest refused handshake; empty: it was not refused.
    std::string difference;
    // Another node answers where this one dials it.
    bool another_answers = false;
    // Groups whose replicas there refuse this node's store.
    std::vector<GroupId> refuses;
    // Groups whose replicas here refuse its store.
    std::vector<GroupId> refused;
    // The states that it reports. Until then those of the map's replicas,
    // unknown.
    absl::btree_map<GroupId, ReplicaState> replicas;
  };

  void OnReport(NodeId node, StoreIncarnation store,
                const NodeReport& report) override;
  void OnLinkOpened(NodeId node) override;
  void Tick();
  // Makes peers_ of the nodes of the map, and keeps what is known of them.
  void MakePeers();
  // Begins an interval.
  void TickPeer(Peer& peer);
  void Query(Peer& peer);
  // Takes the result of the latest handshake. A refusal is an answer.
  void TakeHandshake(Peer& peer);
  void NoteAnswer(Peer& peer);
  // Returns true if refusals changed.
  bool TakeRefusals(Peer& peer, StoreIncarnation store,
                    const NodeReport& report);
  // Returns true if the report has rows that are not older than the known ones.
  bool TakeRows(Peer& peer, const NodeReport& report);
  void TakeRow(Peer& peer, const ReplicaReport& row);
  // Takes the addresses of other nodes that the report has.
  void TakeAddresses(const NodeReport& report);
  // The addresses that a report has room for.
  std::vector<NodeAddresses> AddressesToReport() const;
  // The nodes with a voter of the group: by Raft's configuration if a replica
  // is here, otherwise by the map.
  std::vector<NodeId> VotersOf(const shardctrl::Group& group) const;
  // The groups whose replicas here refuse the store `store` of `node`.
  std::vector<GroupId> GroupsRefusing(NodeId node,
                                      StoreIncarnation store) const;
  static ReplicaState StateOf(const Peer& peer, GroupId group);
  static bool AllStopped(const Peer& peer);
  // Recomputes cut_off_ and store_refused_ from the peers' identities and
  // reports.
  void RefreshCutOff();
  const Peer* FindPeer(NodeId node) const;
  Peer* FindPeer(NodeId node) {
    return const_cast<Peer*>(std::as_const(*this).FindPeer(node));
  }
  void Change();
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }

  env::Env& env_;
  const raft::Host& host_;
  const Config& config_;
  ClusterMap& cluster_;
  PeerLinks& links_;
  std::vector<Peer> peers_;  // Ascending by node, without this node.
  absl::btree_map<GroupId, Leader> leaders_;
  absl::btree_map<GroupId, raft::Level> levels_;
  // The groups for which CutOff is not OK.
  absl::btree_map<GroupId, absl::Status> cut_off_;
  // This node's groups in which other voters refuse this node's store.
  absl::btree_map<GroupId, absl::Status> store_refused_;
  uint64_t version_ = 1;
  shardctrl::MapVersion newest_reported_;
  // The version of rows_: a random number of this start of the node, and the
  // number of changes since.
  const uint64_t start_;
  uint64_t reported_ = 0;
  std::vector<ReplicaReport> rows_;
  std::vector<NodeAddresses> addresses_;
  const NodeReport none_;  // That of a node that is no peer.
  bool started_ = false;
  absl::AnyInvocable<void()> observer_;
  absl::AnyInvocable<void()> map_observer_;
  bool change_pending_ = false;  // observer_call_ will call it.
  env::Pending observer_call_;
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_LIVE_VIEW_H_
