// node/config/config.h: every knob of a node, with its default, unit and limits, and
// the parser of the TOML file that sets them.
//
// Pure: the text comes in, a value or one error comes out; reading files is the
// caller's. The reference for people is docs/reference/configuration.md, which
// a test compares with ConfigKeys().
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

namespace quorate::node {

// One row of the table of nodes. Addresses are "host:port" as clients and peers
// reach them.
struct NodeConfig {
  NodeId id;
  std::string resp;          // For plain clients.
  std::string resp_cluster;  // For cluster clients.
  std::string http;
  std::string peer;
  // Holds every group without a vote, serves stale reads on resp_cluster and
  // refuses writes.
  bool read_only = false;
};

// One Raft group and the slots it begins with.
struct ShardConfig {
  GroupId group;
  std::string name;
  // Inclusive ranges of slots, ascending.
  std::vector<std::pair<uint16_t, uint16_t>> slots;
  // Voting replicas, the preferred first leader in front. Read-only nodes are
  // not listed.
  std::vector<NodeId> replicas;
};

struct ListenConfig {
  std::string resp;
  std::string resp_cluster;
  std::string http;
  std::string peer;
  // Unless true, every listen address must be loopback.
  bool allow_non_loopback = false;
};

struct LimitsConfig {
  size_t key_bytes = 16 << 10;
  // Bounded by what one log entry holds.
  size_t value_bytes = 448 << 10;
  // Of each protocol, RESP and HTTP; further ones get an error and are closed.
  size_t connections = 10'000;
  // Replies of one connection that its peer has not taken: beyond it the node
  // stops reading from that connection. One reply may exceed it.
  size_t output_buffer_bytes = 16 << 20;
  // The same of all connections: beyond it the node stops reading from those
  // that have not taken their earlier replies.
  size_t output_total_bytes = 256 << 20;
  // Bytes of one connection that were read but are not yet whole requests:
  // beyond it the connection is closed.
  size_t query_buffer_bytes = 4 << 20;
  // Requests of one connection without a reply: beyond it the node stops
  // reading from it.
  size_t pipeline = 1'024;
  // Arguments of one RESP request.
  size_t arguments = 1 << 20;
  // Requests of one group that wait for a leader: beyond it they are refused at
  // once.
  size_t held_requests = 16'384;
  size_t http_header_bytes = 16 << 10;
  // Commands and bytes that one log entry carries.
  size_t batch_commands = 4'096;
  size_t batch_bytes = 384 << 10;
  // Keys that one SCAN, or one step of KEYS, looks at.
  size_t scan_keys = 10'000;
};

struct TimeoutsConfig {
  // A request waits so long for its group to have a leader, then CLUSTERDOWN.
  Duration leader_wait = Milliseconds(2'000);
  // A connection without a request is closed after this; 0: never.
  Duration idle = Milliseconds(0);
  // A connection is closed whose output, or half-sent request, made no progress
  // for so long.
  Duration stall = Milliseconds(60'000);
  // A connection without traffic is probed after this; see net/streams/sockets.h.
  Duration keep_alive = Seconds(300);
  // A proxied request gets its reply from the leader within this or is answered
  // as unknown.
  Duration proxy = Milliseconds(5'000);
  // Stop() waits so long for requests in flight.
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
  // A group whose entries since its last snapshot exceed this takes a new one;
  // 0: never, the log is kept whole.
  uint64_t threshold_bytes = 64 << 20;
  // Entries kept behind a snapshot for followers that are a little late.
  uint64_t trailing_bytes = 8 << 20;
  size_t chunk_bytes = 64 << 10;
};

struct LogConfig {
  uint64_t segment_bytes = 64 << 20;
  size_t batch_bytes = 4 << 20;
  size_t group_bytes = 1 << 20;
};

struct ClockConfig {
  // The wall clock is never taken to be better known than this, either way.
  Duration uncertainty_floor = Milliseconds(1);
};

// How slots are divided when no [[shards]] table says so.
struct EvenSharding {
  uint32_t groups = 1;
  // Voting replicas of each group; 0: every voting node.
  uint32_t replicas = 0;
};

struct Config {
  ClusterId cluster;
  NodeId node;
  std::string data_dir;
  // Founds a new store in an empty data_dir. False: an empty directory is
  // refused.
  bool bootstrap = false;
  ListenConfig listen;
  std::vector<NodeConfig> nodes;  // Ascending by id.
  std::vector<ShardConfig>
      shards;  // Ascending by group; together all 16384 slots.
  // Set by CompleteConfig if it has divided the slots, since there were no
  // [[shards]].
  std::optional<EvenSharding> even;
  // GET /set?key=K&value=V writes. Off: 403.
  bool http_get_writes = false;
  LimitsConfig limits;
  TimeoutsConfig timeouts;
  RaftConfig raft;
  SnapshotConfig snapshot;
  LogConfig log;
  ClockConfig clock;

  // The row of `id`, or null.
  const NodeConfig* FindNode(NodeId id) const;
  // This node's own row. Requires: the configuration came from ParseConfig or
  // passed CompleteConfig.
  const NodeConfig& self() const { return *FindNode(node); }
};

// A node's port for cluster clients is its port for plain clients plus this
// where a configuration names only the latter.
inline constexpr int64_t kClusterPortOffset = 100;

// Reads the text of a configuration file. Errors are kInvalidArgument with
// "file:line:column: key 'x.y': expected …, found …"; an unknown key is an
// error that names the nearest known one.
absl::StatusOr<Config> ParseConfig(std::string_view toml_text,
                                   std::string_view file_name);

// The rules across keys that ParseConfig ends with, for configurations built in
// code. Fills what is derived: addresses for cluster clients from those for
// plain clients, listen addresses from the node's own row, and shards if there
// are none. kInvalidArgument with "key 'x.y': expected …, found
// …".
absl::Status CompleteConfig(Config* config, const EvenSharding& sharding);

// Divides all slots as evenly as possible, each group one range; its replicas
// are voting nodes, rotated so that preferred leaders are spread.
std::vector<ShardConfig> EvenShards(const std::vector<NodeConfig>& nodes,
                                    const EvenSharding& sharding);

// One knob, for the reference page and for CONFIG GET.
struct ConfigKey {
  std::string name;      // "limits.key_bytes"; rows of tables as "nodes[].id".
  std::string expected;  // "an integer from 1 to 65536 (bytes)".
  std::string default_value;  // As TOML; empty: required or derived.
};
// In the order of the reference page.
std::vector<ConfigKey> ConfigKeys();

// The value of a knob outside the tables as text ("2000", "true"); empty if
// there is no such knob.
std::string ConfigValue(const Config& config, std::string_view name);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_CONFIG_H_
