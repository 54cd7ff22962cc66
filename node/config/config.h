// node/config/config.h: every setting of a node, with default, unit and limits,
// and the parser of the TOML file.
//
// The parser is pure: it takes text and returns a configuration or one error.
// The caller reads the file. The reference for users is
// docs/reference/configuration.md; a test compares it with ConfigKeys().
#ifndef QUORATE_NODE_CONFIG_CONFIG_H_
#define QUORATE_NODE_CONFIG_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/session_stamp.h"

namespace quorate::node {

// One row of the table of nodes. Clients and peers connect to these "host:port"
// addresses.
struct NodeConfig {
  NodeId id;
  std::string resp;          // For plain clients.
  std::string resp_cluster;  // For cluster clients.
  std::string http;
  std::string peer;
  // Such a node has a non-voting replica of every group. It serves stale reads
  // on resp_cluster and refuses writes.
  bool read_only = false;
};

// One Raft group and its initial slots.
struct ShardConfig {
  GroupId group;
  std::string name;
  // Inclusive ranges of slots, ascending.
  std::vector<std::pair<uint16_t, uint16_t>> slots;
  // Voting replicas; the first is the preferred leader. Read-only nodes are not
  // listed.
  std::vector<NodeId> replicas;
};

struct ListenConfig {
  std::string resp;
  std::string resp_cluster;
  std::string http;
  std::string peer;
  // If false, every listen address must be loopback.
  bool allow_non_loopback = false;
};

struct LimitsConfig {
  size_t key_bytes = 16 << 10;
  // Limited by the size of one log entry.
  size_t value_bytes = 448 << 10;
  // Number of connections of each protocol, RESP and HTTP. Further ones receive
  // an error and are closed.
  size_t connections = 10'000;
  // Bytes of replies of one connection that its peer has not taken. At this
  // limit the node stops reading from the connection. One reply may exceed it.
  size_t output_buffer_bytes = 16 << 20;
  // Bytes of replies of all connections that their peers have not taken. At
  // this limit the node stops reading from connections that have not taken
  // their earlier replies.
  size_t output_total_bytes = 256 << 20;
  // Bytes read from one connection that are not yet complete requests. Beyond
  // this limit the connection is closed.
  size_t query_buffer_bytes = 4 << 20;
  // Requests of one connection without a reply. At this limit the node stops
  // reading from the connection.
  size_t pipeline = 1'024;
  // Arguments of one RESP request.
  size_t arguments = 1 << 20;
  // Requests of one group that wait for a leader or for room, and their bytes.
  // At either bound further requests are refused at once if the group has no
  // leader; if it has one, their connections wait.
  size_t held_requests = 16'384;
  size_t held_bytes = 16 << 20;
  size_t http_header_bytes = 16 << 10;
  // Maximum of commands and of bytes in one log entry.
  size_t batch_commands = 4'096;
  size_t batch_bytes = 384 << 10;
  // Keys that one SCAN, or one step of KEYS, examines.
  size_t scan_keys = 10'000;
};

struct TimeoutsConfig {
  // Time that a request waits for a leader of its group before it is answered
  // with CLUSTERDOWN.
  Duration leader_wait = Milliseconds(2'000);
  // A connection without a request is closed after this time; 0: never.
  Duration idle = Milliseconds(0);
  // A connection is closed if its output or an incomplete request makes no
  // progress for this time.
  Duration stall = Milliseconds(60'000);
  // A connection without traffic is probed after this time; see
  // net/streams/sockets.h.
  Duration keep_alive = Seconds(300);
  // Time that a forwarded request waits for the leader's reply before its
  // outcome is reported as unknown.
  Duration proxy = Milliseconds(5'000);
  // Time that Stop() waits for outstanding requests.
  Duration stop = Milliseconds(3'000);
};

struct RaftConfig {
  Duration election_timeout_min = Milliseconds(300);
  Duration election_timeout_max = Milliseconds(600);
  Duration heartbeat_interval = Milliseconds(75);
  Duration retry_interval = Milliseconds(150);
  size_t append_bytes = 256 << 10;
  uint32_t inflight_messages = 64;
  size_t inflight_bytes = 8 << 20;
  size_t uncommitted_bytes = 16 << 20;
  uint32_t log_time_slew_ppm = 1'000;
};

struct SnapshotConfig {
  // A group takes a snapshot when its entries since the last one exceed this
  // size; 0: never, so the whole log is kept.
  uint64_t threshold_bytes = 64 << 20;
  // Size of entries kept before a snapshot's index, for followers that are
  // slightly behind.
  uint64_t trailing_bytes = 8 << 20;
  size_t chunk_bytes = 64 << 10;
};

struct LogConfig {
  uint64_t segment_bytes = 64 << 20;
  size_t batch_bytes = 4 << 20;
  size_t group_bytes = 1 << 20;
};

struct ClockConfig {
  // Minimum uncertainty of the wall clock, in each direction.
  Duration uncertainty_floor = Milliseconds(1);
  // The error of the wall clock where no time daemon disciplines it, in each
  // direction, as the operator states it. Zero: unknown.
  Duration error_unsynchronised;
};

// Division of slots if there are no [[shards]] tables.
struct EvenSharding {
  uint32_t groups = 1;
  // Voting replicas of each group; 0: every voting node.
  uint32_t replicas = 0;
};

struct Config {
  ClusterId cluster;
  NodeId node;
  std::string data_dir;
  // If true, creates a new store in an empty data_dir. If false, an empty
  // directory is refused.
  bool bootstrap = false;
  ListenConfig listen;
  std::vector<NodeConfig> nodes;  // Ascending by id.
  // Ascending by group; together all 16384 slots.
  std::vector<ShardConfig> shards;
  // Set by CompleteConfig if it divided the slots because there were no
  // [[shards]].
  std::optional<EvenSharding> even;
  // If true, GET /set?key=K&value=V writes; otherwise it is answered with 403.
  bool http_get_writes = false;
  LimitsConfig limits;
  TimeoutsConfig timeouts;
  RaftConfig raft;
  SnapshotConfig snapshot;
  LogConfig log;
  ClockConfig clock;
  // How long the node's answers to QUORATE.SESSION can be used in slots where
  // the session is new. Only `open_window` counts here, and no key of the file
  // sets it: `lifetime` is a replicated rule of the store.
  kv::SessionLifetimes sessions;

  // The row of `id`, or null if there is none.
  const NodeConfig* FindNode(NodeId id) const;
  // This node's own row. Requires: the configuration came from ParseConfig or
  // passed CompleteConfig.
  const NodeConfig& self() const { return *FindNode(node); }
};

// Distance from a node's port for plain clients to the one for cluster clients,
// if the configuration names only the former.
inline constexpr int64_t kClusterPortOffset = 100;

// Parses the text of a configuration file. Errors are kInvalidArgument with
// "file:line:column: key 'x.y': expected …, found …". The error for an unknown
// key names the most similar known one.
absl::StatusOr<Config> ParseConfig(std::string_view toml_text,
                                   std::string_view file_name);

// Checks the rules across keys and sets derived values, for configurations that
// are built in code; ParseConfig ends with these steps. Addresses for cluster
// clients are derived from those for plain clients, and listen addresses from
// the node's own row. Shards are derived if there are none. A broken rule is
// kInvalidArgument with "key 'x.y': expected …, found …".
absl::Status CompleteConfig(Config* config, const EvenSharding& sharding);

// Divides all slots as evenly as possible into one range per group. Replicas
// are voting nodes, rotated so that each node is the preferred leader of an
// equal share.
std::vector<ShardConfig> EvenShards(const std::vector<NodeConfig>& nodes,
                                    const EvenSharding& sharding);

// One setting, for the reference page and for CONFIG GET.
struct ConfigKey {
  std::string name;      // "limits.key_bytes"; rows of tables as "nodes[].id".
  std::string expected;  // "an integer from 1 to 65536 (bytes)".
  std::string default_value;  // In TOML; empty if required or derived.
};
// In the order of the reference page.
std::vector<ConfigKey> ConfigKeys();

// The value of a setting outside the tables as text ("2000", "true"); empty if
// there is no such setting.
std::string ConfigValue(const Config& config, std::string_view name);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_CONFIG_H_
