// sim/run/shape.h: the shape of a run: how many nodes, groups, voters and
// clients it has, and the configuration of each node.
//
// Every part is a choice of the world, so a tape keeps it and a deleted line is
// the default. RunOptions may fix the parts that have flags.
#ifndef QUORATE_SIM_RUN_SHAPE_H_
#define QUORATE_SIM_RUN_SHAPE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/types/span.h"
#include "env/time.h"
#include "kv/command/rules.h"
#include "node/config/config.h"
#include "raft/transport/transport.h"
#include "shardctrl/partition.h"
#include "sim/choices/choices.h"
#include "sim/state/options.h"
#include "sim/workload/client_habits.h"

namespace quorate::sim {

// Parts that are fixed instead of drawn.
struct FixedShape {
  std::optional<uint32_t> nodes;
  std::optional<uint32_t> groups;
  std::optional<uint32_t> clients;
  // Requests of all clients together.
  std::optional<uint32_t> operations_per_second;
  // Keys of each kind that are in use at a time.
  std::optional<uint32_t> keys;
  // Parts without a value have their defaults, instead of being drawn.
  bool defaults = false;
  // Members come and go, and slots move, whatever the seed says.
  bool members = false;
  // They stay, unless `members` is true: operators crash nodes and lose disks.
  bool members_stay = false;
};

struct Shape {
  // The machines of nodes.
  uint32_t places() const { return nodes + read_only_nodes + spares + reserve; }
  // Wrong files, tables of slots, and some clients need them.
  bool has_hash_slots() const {
    return division.partitioner == Partitioner::kHashSlots;
  }
  // The most by which a clock without a stated error is wrong, at most `most`.
  // An Idempotency-Key protects a retry for the lifetime of sessions by log
  // time, which leaps if a leader follows one whose clock was behind.
  Duration WrongClockMax(Duration most) const {
    const bool keys = http_clients > 0 && http_idempotency_keys;
    return keys ? std::min(most, rules.sessions.lifetime / 4) : most;
  }

  uint32_t nodes = 5;            // Nodes with a vote.
  uint32_t read_only_nodes = 0;  // Nodes without a vote.
  uint32_t groups = 3;
  uint32_t voters = 3;  // Of each group; at most `nodes`.
  uint32_t clients = 10;
  uint32_t operations_per_second = 100;
  uint32_t keys = 6;  // Of each kind, in use at a time.
  uint32_t tags = 0;  // Hash tags of keys. 0: keys have none.
  bool hot_keys = false;
  // Clients that need hash slots, or hash tags, are in no run with another one.
  KeyDivision division;
  // A node that loses its disk begins again with an empty store.
  bool bootstrap_left_on = false;
  // Nodes are started again with other addresses.
  bool changed_addresses = false;
  // Nodes are started again with other settings.
  bool changed_settings = false;
  // Faults may take the majority from the controller's group, for good.
  bool controller_may_fail = false;
  // Nodes come and go, and slots move between groups that do so, too. Operators
  // ask for all that (sim/members).
  bool members = false;
  uint32_t spares = 0;   // Places for nodes that come.
  uint32_t reserve = 0;  // Others for nodes that must come back.
  // Replicas compare their states at multiples of this index.
  uint64_t digest_interval = 4096;
  // The level that the programs of all nodes know after their first restart. Of
  // a made-up newer program, which has the same rules, it is the next one.
  uint32_t program_level = kv::kRulesVersion;
  size_t value_bytes_max = 200;
  bool peer_streams = false;  // Nodes send to each other over byte streams.
  // The least election_timeout_min that a node may have. Each node draws its
  // timings so that it neither sends nor waits too seldom for such a node.
  Duration election_timeout_min = raft::CoreOptions().election_timeout_min;
  size_t large_value_bytes = 6'000;  // One value in sixteen has this size.
  // bounds.value_bytes of all nodes. Only the client of the whole surface has
  // longer values.
  size_t value_limit_bytes = node::BoundsConfig().value_bytes;
  kv::Rules rules;
  // Clients of other kinds (sim/workload).
  uint32_t http_clients = 0;
  bool http_idempotency_keys = true;
  uint32_t library_clients = 0;
  bool library_sessions = true;
  bool library_bounds_small = false;
  // An address of these clients belongs to a server that is no node.
  bool library_impostor = false;
  uint32_t multi_key_clients = 0;
  uint32_t watch_clients = 0;
  // The least latency of every link.
  Duration link_latency = NetworkOptions().latency_min;
  // The larger ones take all that a node sends in one turn.
  size_t stream_buffer_bytes = StreamOptions().buffer_bytes;
  // Of each direction of each link. 0: no bound.
  int64_t bytes_per_second = 0;
};

// Draws the shapes and settings of runs, and lists what it drew.
class ShapeDraw {
 public:
  explicit ShapeDraw(Choices* choices, const FixedShape& fixed = {})
      : choices_(choices), fixed_(fixed) {}

  Shape DrawShape();
  // The configuration of one node of a run with `shape`. Settings that
  // replicas must agree on are the same for all nodes.
  node::Config DrawConfig(NodeId node, const Shape& shape);
  // Those of all nodes, in the order of their ids.
  std::vector<node::Config> DrawConfigs(const Shape& shape);
  // The settings of one node's transport of byte streams.
  raft::TransportOptions DrawPeerStreams(NodeId node);
  // The least latencies of one node's disk.
  void DrawDisk(NodeId node, DiskOptions* disk);
  // The cost of one node's turns.
  void DrawLoop(NodeId node, LoopOptions* loop);
  // By how much one node is farther away from all others.
  Duration DrawDistance(NodeId node);

  // The habits of one client, which is numbered from 1.
  ClientHabits DrawClient(uint32_t client);

  // How many times each value was drawn, by "site=value". The other values of
  // each site have 0.
  const std::map<std::string, uint64_t>& drawn() const { return drawn_; }

 private:
  kv::Rules DrawRules();
  void DrawMembers(Shape* shape);
  void DrawOtherClients(Shape* shape);
  void DrawPartitioner(Shape* shape);
  node::TimeoutsConfig DrawTimeouts(NodeId node, const Shape& shape);
  void DrawTimings(NodeId node, const Shape& shape, raft::CoreOptions* core);
  void DrawRaft(NodeId node, const Shape& shape, raft::HostLimits* host);
  void DrawLimits(NodeId node, const Shape& shape, node::Config* config);
  void DrawSnapshots(NodeId node, const Shape& shape, raft::HostLimits* host);
  void DrawLog(NodeId node, raft::LogOptions* log);
  void DrawBounds(NodeId node, node::BoundsConfig* bounds);
  // The options that no key of the file sets.
  void DrawHostBounds(NodeId node, raft::HostLimits* host);
  template <typename T, size_t N>
  T Pick(const char* site, uint64_t entity, const T (&values)[N]);
  // Draws one of `fitting`, which are those of `values` that this run may have.
  // Not empty.
  template <typename T>
  T PickFitting(const char* site, uint64_t entity, absl::Span<const T> values,
                absl::Span<const T> fitting);
  uint32_t DrawVoters(uint32_t nodes);
  // `fixed`, or one of `values` where it is empty.
  template <size_t N>
  uint32_t FixedOr(std::optional<uint32_t> fixed, const char* site,
                   const uint32_t (&values)[N]);
  template <typename T, size_t N>
  void Draw(const char* site, NodeId node, T* setting,
            const std::type_identity_t<T> (&values)[N]) {
    *setting = Pick<T>(site, node.value(), values);
  }
  // `values` are in milliseconds.
  template <size_t N>
  void DrawMs(const char* site, NodeId node, Duration* setting,
              const int64_t (&values)[N]) {
    *setting = Milliseconds(Pick<int64_t>(site, node.value(), values));
  }
  // Leaves the bound as it is, or makes it small in a third of the draws.
  template <typename T>
  void DrawBound(const char* site, NodeId node, T* bound,
                 std::type_identity_t<T> small) {
    Draw(site, node, bound, {*bound, *bound, small});
  }

  Choices* const choices_;
  const FixedShape fixed_;
  std::map<std::string, uint64_t> drawn_;
  std::set<std::string_view> sites_;  // Those that were asked.
};

// For a run without faults, in which no outcome is unknown. No node closes a
// connection that is idle or whose client reads late, since a request may be
// under way to the node. Leaders with slow disks have the default time to
// answer.
void KeepOutcomesKnown(std::vector<node::Config>* configs);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_RUN_SHAPE_H_
