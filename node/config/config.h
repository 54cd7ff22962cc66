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
#include "env/byte_streams.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/rules.h"
#include "raft/host/host_types.h"
#include "shardctrl/partition.h"

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
  // As the controller says. Empty: unknown.
  std::string zone = {};
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
  // For operators: it changes the cluster.
  std::string admin;
  // If false, every listen address must be loopback.
  bool allow_non_loopback = false;
};

// TLS at the addresses of this node, which others connect to.
struct TlsConfig {
  // Empty names: no address has TLS.
  env::CertificateFiles files;
  env::TlsMode resp = env::TlsMode::kOff;
  env::TlsMode resp_cluster = env::TlsMode::kOff;
  env::TlsMode http = env::TlsMode::kOff;
  // It counts for the connections that this node dials, too. Both ends show
  // certificates.
  env::TlsMode peer = env::TlsMode::kOff;
  // Operators show certificates, too.
  env::TlsMode admin = env::TlsMode::kOff;
};

struct LimitsConfig {
  // Number of connections of each protocol, RESP and HTTP. Further ones receive
  // an error and are closed.
  size_t connections = 10'000;
  // Bytes of replies of all connections that their peers have not taken. At
  // this limit the node stops reading from connections that have not taken
  // their earlier replies.
  size_t output_total_bytes = 256 << 20;
  // Bytes of requests of all connections that are not handled yet: incomplete
  // ones, ones that wait, and commands that wait for EXEC. Beyond this limit
  // connections are closed (node/connections/input_budget.h).
  size_t query_total_bytes = 256 << 20;
  // The memory of this node's stores: keys, values, sessions and overhead, in
  // logical bytes; 0: no limit. At the limit, groups that the node leads refuse
  // writes that may grow. CONFIG SET maxmemory changes it until the next start.
  size_t memory_bytes = 0;
  // Bytes of values that the commands of one transaction may copy: those that
  // they return, and a part of those that they change. The leader
  // refuses larger transactions, which would hold the loop of each replica for
  // longer than a few milliseconds.
  size_t transaction_bytes = 2 << 20;
  // Whether plain clients may name keys of several slots in one MGET, MSET,
  // DEL, UNLINK, EXISTS or TOUCH.
  bool cross_slot = true;
};

struct TimeoutsConfig {
  // Time that a request waits for a leader of its group before it is answered
  // with CLUSTERDOWN.
  Duration leader_wait = Milliseconds(2'000);
  // A connection without a request is closed after this time; 0: never.
  Duration idle = Milliseconds(0);
  // A connection without traffic is probed after this time; see
  // net/streams/sockets.h.
  Duration keep_alive = Seconds(300);
  // Time that a forwarded or proposed request waits for its outcome before the
  // outcome is reported as unknown.
  Duration proxy = Milliseconds(5'000);
  // Time that Stop() waits for outstanding requests.
  Duration stop = Milliseconds(3'000);
};

struct ClockConfig {
  // The error of the wall clock where no time daemon disciplines it, in each
  // direction, as the operator states it. Zero: unknown.
  Duration error_unsynchronised;
};

// Bounds within a node. No key of the file sets them: these values suit every
// cluster, and simulated runs try others.
struct BoundsConfig {
  size_t key_bytes = 16 << 10;
  // The longest value that a request sets or makes. Equal on all nodes: APPEND
  // and its kin carry it into the log. One log entry has room for it.
  size_t value_bytes = 448 << 10;
  // Bytes of replies of one connection that its peer has not taken. At this
  // bound the node stops reading from the connection. One reply may exceed it.
  size_t output_buffer_bytes = 16 << 20;
  // Bytes read from one connection that are not yet complete requests. Beyond
  // this bound the connection is closed. A batch that another node forwards
  // arrives as one request.
  size_t query_buffer_bytes = 4 << 20;
  // A connection is closed if its output or an incomplete request makes no
  // progress for this time.
  Duration stall = Seconds(60);
  // Requests of one connection without a reply. At this bound the node stops
  // reading from the connection.
  size_t pipeline = 1'024;
  // Arguments of one RESP request.
  size_t arguments = 1 << 20;
  // Request line and headers of one HTTP request, without the key.
  size_t http_header_bytes = 16 << 10;
  // Requests of one group that wait for a leader or for room, and their bytes.
  // At either bound further requests are refused at once if the group has no
  // leader; if it has one, their connections wait.
  size_t held_requests = 16'384;
  size_t held_bytes = 16 << 20;
  // The bytes of such requests of all groups. Beyond it a group takes none
  // while it has a batch.
  size_t held_total_bytes = 256 << 20;
  // Requests to one other node that wait to be sent, and requests of one other
  // node with their answers until these are sent, in bytes. At the bound
  // forwarded requests wait at their node.
  size_t peer_bytes = 16 << 20;
  // Maximum of commands and of bytes in one log entry. A single larger command
  // travels alone.
  size_t batch_commands = 4'096;
  size_t batch_bytes = 384 << 10;
  // Keys that one SCAN, or one step of KEYS, examines.
  size_t scan_keys = 10'000;
  // The most entries between proposing and applying. Well below the number that
  // the core refuses.
  size_t entries_in_flight = 256;
  // Upper bound of the result bytes of all entries in flight, which may all be
  // built in one turn. A single command may return more
  // (kv::kReturnedBytesMax).
  size_t results_in_flight_bytes = 16 << 20;
  // Upper bound of the result bytes that the commands of one entry may have. A
  // single command may return more.
  size_t entry_result_bytes = 8 << 20;
  // The work of the commands of one entry, in bytes of commands that take least
  // (kv/store/work.h). A single command may take more.
  size_t entry_work = 64 << 10;
  // Channels of one group's leader to nodes that forward. Above this number the
  // oldest channel is closed; its sender opens another.
  size_t forward_channels = 1024;
  // The due keys that one entry removes; takes a few milliseconds of every
  // replica's turn.
  int64_t due_keys_per_entry = 1'000;
  // The pages that one turn frees.
  size_t reclaimed_pages = 128;
  // Work of all connections in one step of a turn, in units of about 100 ns
  // (node/base/turn_work.h): about a thousand small requests.
  uint64_t turn_work = 6'000;
  // Keys that one step of KEYS, SCAN and CLUSTER GETKEYSINSLOT visits.
  uint64_t scan_step_keys = 2'000;
  // A read of more keys is answered in pieces (node/routing/read_queue.h), and
  // so is one that copies more than four pieces of bytes.
  size_t read_piece_keys = 512;
  size_t read_piece_bytes = 64 << 10;
  // Replies that one connection may make before others get their turn.
  size_t turn_reply_bytes = 1 << 20;
  // Replies that all connections may make in one turn: other work of the loop
  // waits meanwhile. Beyond this each connection may make only as much as
  // without budget, and large replies wait for the next turn.
  size_t turn_total_bytes = 4 << 20;
  // Without budget, a connection whose earlier replies have all been sent may
  // make this many bytes in a turn, and one reply more.
  size_t fresh_reply_bytes = 64 << 10;
  // The initial window. The window is the number of unsent bytes that a
  // connection may hold. It is the number of bytes that the peer has proven to
  // read, between this value and output_buffer_bytes. The window returns
  // to this value when the peer reads less than 1 MiB a second while output
  // waits for it.
  size_t first_window_bytes = 1 << 20;
  // Connections of one protocol above limits.connections that receive their
  // error. Above this number the oldest of them is closed at once.
  size_t refused_connections = 32;
  // For kv::StoreOptions: keys, and rows of sessions, of one page of a store.
  uint32_t page_keys = 62;
  uint32_t page_rows = 256;
};

// Division of slots if there are no [[shards]] tables.
struct EvenSharding {
  uint32_t groups = 1;
  // Voting replicas of each group; 0: every voting node.
  uint32_t replicas = 0;
};

// The start of a node that the cluster has registered. It founds nothing.
struct JoinConfig {
  ClusterId cluster;
  NodeId node;
  std::vector<std::string> seeds;  // Peer addresses of nodes of the cluster.
  std::string token;
};

struct Config {
  ClusterId cluster;
  NodeId node;
  // An empty data_dir becomes the store of a node that joins.
  std::optional<JoinConfig> join;
  std::string data_dir;
  // If true, creates a new store in an empty data_dir. If false, an empty
  // directory is refused.
  bool bootstrap = false;
  // False: a file with one row founds no cluster. It may be the file of a node
  // that joined one.
  bool founds_alone = true;
  // raft::HostOptions::restore_as_new_cluster.
  bool restore_as_new_cluster = false;
  // raft::HostOptions::moved.
  bool moved = false;
  // How the founded cluster divides its keys into slots.
  KeyDivision division;
  ListenConfig listen;
  TlsConfig tls;
  // Addresses at which any node of the cluster may answer its peers. They are
  // tried for a node that no other known address finds.
  std::vector<std::string> seeds;
  std::vector<NodeConfig> nodes;  // Ascending by id.
  // Ascending by group; together all slots.
  std::vector<ShardConfig> shards;
  // Set by CompleteConfig if it divided the slots because there were no
  // [[shards]].
  std::optional<EvenSharding> even;
  // If true, GET /set?key=K&value=V writes; otherwise it is answered with 403.
  bool http_get_writes = false;
  LimitsConfig limits;
  TimeoutsConfig timeouts;
  // The settings of [raft], [snapshot] and [log].
  raft::HostLimits host;
  // The highest level of groups that the program of this node knows. No key of
  // the file sets it.
  uint32_t program_level = kv::kRulesVersion;
  // The highest level of groups that this node announces, as if its program
  // were an older one; 0: what its program knows.
  uint32_t level_max = 0;
  ClockConfig clock;
  BoundsConfig bounds;
  // The rules of the cluster that this node bootstraps. No key of the file sets
  // them: from the bootstrap on, the stored record has them.
  kv::Rules rules;

  // The highest level of groups that this node announces.
  raft::Level known_level() const;
  // The row of `id`, or null if there is none.
  const NodeConfig* FindNode(NodeId id) const;
  // This node's own row. Requires: the configuration came from ParseConfig or
  // passed CompleteConfig.
  const NodeConfig& self() const { return *FindNode(node); }
};

// Distance from a node's port for plain clients to the one for cluster clients,
// if the configuration names only the former.
inline constexpr int64_t kClusterPortOffset = 100;
// Distance from a node's HTTP port to its port for operators, if the
// configuration does not name the latter.
inline constexpr int64_t kAdminPortOffset = 100;

// Parses the text of a configuration file. Errors are kInvalidArgument with
// "file:line:column: key 'x.y': expected …, found …". The error for an unknown
// key names the most similar known one.
//
// With `join`, the ids come from there, and the file may leave them out. The
// node has the addresses of [listen] if it has no row of its own. Rows of other
// nodes and the division of slots are those of a founding, and are ignored.
absl::StatusOr<Config> ParseConfig(std::string_view toml_text,
                                   std::string_view file_name,
                                   std::optional<JoinConfig> join = {});

// Checks the rules across keys and sets derived values, for configurations that
// are built in code; ParseConfig ends with these steps. Addresses for cluster
// clients are derived from those for plain clients, and listen addresses from
// the node's own row. Shards are derived if there are none. A broken rule is
// kInvalidArgument with "key 'x.y': expected …, found …".
absl::Status CompleteConfig(Config* config, const EvenSharding& sharding);

// Divides all slots as evenly as possible into one range per group. Replicas
// are voting nodes, rotated so that each node is the preferred leader of an
// equal share. Requires: at most as many groups as slots.
std::vector<ShardConfig> EvenShards(const std::vector<NodeConfig>& nodes,
                                    const EvenSharding& sharding,
                                    uint32_t slot_count = kHashSlotCount);

// One setting, for the reference page.
struct ConfigKey {
  std::string name;  // "limits.connections"; rows of tables as "nodes[].id".
  std::string expected;       // "an integer from 1 to 65536 (bytes)".
  std::string default_value;  // In TOML; empty if required or derived.
};
// In the order of the reference page.
std::vector<ConfigKey> ConfigKeys();

struct ConfigSetting {
  std::string name;
  std::string value;  // As text: "2000", "true".
};
// The settings outside the tables, in the order of the reference page.
std::vector<ConfigSetting> ConfigSettings(const Config& config);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_CONFIG_H_
