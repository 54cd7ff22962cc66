// raft/core/testing/core_cluster.h: replicas of one group in memory, driven by
// a test.
//
// Every link is a queue of messages, and every disk a queue of writes that are
// not durable yet. Time moves only on request. The state machine appends
// payloads to a string, which is also the content of snapshots.
// ClusterInvariants checks every step, and every read is compared with what was
// committed when it was requested.
#ifndef QUORATE_RAFT_CORE_TESTING_CORE_CLUSTER_H_
#define QUORATE_RAFT_CORE_TESTING_CORE_CLUSTER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "raft/core/core.h"
#include "raft/core/testing/invariants.h"

namespace quorate::raft {

class CoreCluster {
 public:
  using Link = std::pair<ReplicaId, ReplicaId>;  // From, to.

  struct Options {
    uint32_t voters = 3;
    uint32_t learners = 0;  // Numbered after the voters.
    uint64_t seed = 1;
    CoreOptions core;
    // Unbounded wall clock unless set; then exact.
    bool wall_clock = false;
    // Nodes give each other pulses, so that the group may be quiet.
    bool pulses = false;
    Duration lease_length;
  };
  struct ReadResult {
    bool done = false;
    bool ok = false;
    Index index;
    Index floor;  // Highest committed index when it was requested.
  };
  // One replica with its disk, which outlives it.
  struct Node {
    std::unique_ptr<Core> core;  // Null: down.
    MonoTime started;
    uint32_t clock_disruptions = 0;
    // Durable.
    HardState hard_state;
    Index commit;
    LogStart log_start;
    std::vector<Entry> entries;  // After `log_start`.
    SnapshotDescriptor snapshot;
    std::string snapshot_bytes;
    // Requested and not done.
    std::deque<Write> writes;
    std::deque<SnapshotWork> works;
    // The part of a snapshot received so far; survives crashes.
    SnapshotDescriptor staging;
    std::string staged;
    // The state machine: payloads of commands applied, in brackets.
    std::string state;
    Index applied;
    std::map<Index, std::string> states;  // State after each index.
  };

  explicit CoreCluster(const Options& options);

  uint32_t size() const { return static_cast<uint32_t>(nodes_.size()); }
  // The voters at the beginning are replicas 1 to voters().
  uint32_t voters() const { return options_.voters; }
  static Member MemberOf(uint32_t id) {
    return {ReplicaId(id), NodeId(id), StoreIncarnation(100 + id)};
  }
  Node& node(uint32_t id) { return nodes_[id - 1]; }
  const Node& node(uint32_t id) const { return nodes_[id - 1]; }
  bool up(uint32_t id) const { return node(id).core != nullptr; }
  Core& core(uint32_t id) { return *node(id).core; }
  std::deque<Message>& link(uint32_t from, uint32_t to) {
    return links_[{ReplicaId(from), ReplicaId(to)}];
  }
  MonoTime now() const { return now_; }

  // Steps a replica and takes its output. Does nothing if the replica is down.
  void Step(uint32_t id, Input input);
  void Propose(uint32_t id, const std::string& payload);
  void Read(uint32_t id, uint64_t tag);
  // Takes a snapshot of the applied state and keeps the last `keep` entries.
  void Compact(uint32_t id, uint64_t keep);

  // The oldest write becomes durable, or the oldest snapshot work is done.
  bool FinishWrite(uint32_t id);
  bool FinishWork(uint32_t id);
  // Delivers the message at `position` of a link; false if there is none.
  bool Deliver(uint32_t from, uint32_t to, size_t position = 0);

  // Stops a replica. Its writes in flight are lost, but for the `written`
  // oldest ones, which are on disk though the replica was not informed.
  void Crash(uint32_t id, size_t written = 0);
  void Restart(uint32_t id);
  // Stops a replica, but not its node: pulses go on.
  void Fence(uint32_t id) {
    Crash(id);
    fenced_.insert(ReplicaId(id));
  }
  // Begins or ends the loss of messages that are sent on this link.
  void Cut(uint32_t from, uint32_t to) {
    cut_.insert({ReplicaId(from), ReplicaId(to)});
  }
  void Heal(uint32_t from, uint32_t to) {
    cut_.erase({ReplicaId(from), ReplicaId(to)});
  }

  // Moves time without firing anything.
  void Advance(Duration duration) { MoveTo(now_ + duration); }
  // Steps TimerFired on one replica.
  void FireTimeout(uint32_t id) { Step(id, TimerFired()); }
  // Completes all writes and delivers all messages without advancing time.
  // False if the cluster keeps sending.
  bool Stabilize();
  // Advances time by `duration`. Timers fire when due; writes and messages
  // complete at once.
  void Run(Duration duration);

  const std::map<uint64_t, ReadResult>& reads() const { return reads_; }
  const std::vector<Refused>& refused() const { return refused_; }
  // The messages of a type that were sent.
  size_t sent(MessageType type) const {
    const auto found = sent_.find(type);
    return found == sent_.end() ? 0 : found->second;
  }
  const std::vector<Proposed>& proposed() const { return proposed_; }
  // The first violation of any rule, or empty.
  const std::string& violation() const { return violation_; }
  // Lines that Step has added since the last call.
  std::vector<std::string> TakeTrace() { return std::exchange(trace_, {}); }

 private:
  // The pulses that one node gets.
  struct PulseGate final : HostGate {
    MonoTime LastPulse(ReplicaId replica, MonoTime since) override;
    bool MaySend(ReplicaId, Load) override { return true; }
    CoreCluster* cluster = nullptr;
    ReplicaId id;
  };

  Now ReadClock(uint32_t id) const;
  void MoveTo(MonoTime time);
  MonoTime PulsesLateAt(uint32_t id);
  void Report(const std::string& violation);
  void CheckDisks(uint32_t id);
  void Absorb(uint32_t id);
  void Apply(uint32_t id, const Entry& entry);
  void AnswerRead(uint32_t id, const ReadReady& ready);
  void Enqueue(const Message& message);
  void CheckEncoding(const Message& message);
  void MakeDurable(Node& node, const Write& write);
  void Install(uint32_t id, const SnapshotDescriptor& snapshot);
  void TraceEvent(uint32_t id, const Event& event);

  Options options_;
  uint64_t starts_ = 0;  // Each start has draws of its own.
  Configuration configuration_;
  std::vector<Node> nodes_;
  std::map<Link, std::deque<Message>> links_;
  std::set<Link> cut_;
  std::map<ReplicaId, PulseGate> gates_;
  std::map<Link, MonoTime> pulses_;  // The last one on each link.
  std::set<ReplicaId> fenced_;
  std::map<MessageType, size_t> sent_;
  MonoTime now_{1'000'000'000};
  Output output_;
  ClusterInvariants invariants_;
  std::map<uint64_t, ReadResult> reads_;
  std::vector<Refused> refused_;
  std::vector<Proposed> proposed_;
  std::string violation_;
  std::vector<std::string> trace_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_CORE_CLUSTER_H_
