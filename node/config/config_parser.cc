// Parses the TOML text. A table of settings says what each key expects and
// which field it sets; no other code depends on key names.
#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <variant>

#include "env/host_port.h"
#include "node/base/text.h"
#include "node/config/config.h"
#include "node/config/founding_keys.h"
#include "node/config/key_names.h"
#include "node/config/toml.h"
#include "raft/host/host_types.h"
#include "shardctrl/map.h"

namespace quorate::node {
namespace {

struct RawShard {
  std::string name;
  int64_t idx = -1;
  std::string slots;
  std::string address;
  std::vector<std::string> replicas;
};

// The parsed keys, before the rules across keys are checked.
struct Target {
  Config config;
  EvenSharding sharding;
  std::vector<RawShard> shards;
  FoundingKeys founding;
};

using ValuePointer =
    std::variant<bool*, uint64_t*, uint32_t*, int64_t*, Duration*, std::string*,
                 std::vector<std::string>*, NodeId*, ClusterId*, env::TlsMode*>;

struct Setting {
  std::string_view name;
  // Returns the field to set; `row` is the index in an array of tables.
  ValuePointer (*place)(Target& target, size_t row);
  int64_t min = 0;
  int64_t max = 0;
  std::string_view unit = "";  // In messages.
  bool required = false;
  std::string_view derived = "";  // Default in words, if it is not a constant.
};

constexpr int64_t kKi = 1 << 10;
constexpr int64_t kMi = 1 << 20;
constexpr int64_t kGi = 1 << 30;
constexpr int64_t kIntegerMax = std::numeric_limits<int64_t>::max();
constexpr int64_t kHourMs = 3'600'000;
// Distance from a node's HTTP port down to its Redis port and up to its peer
// port, if only the HTTP port is given.
constexpr int64_t kPortDistance = 1'000;

#define PLACE(member)                                          \
  [](Target& t, [[maybe_unused]] size_t row) -> ValuePointer { \
    return &t.member;                                          \
  }

constexpr Setting kSettings[] = {
    {"cluster.id", PLACE(config.cluster), 1, kIntegerMax, "", true},
    {"founding.partitioner", PLACE(founding.partitioner), 0, 0,
     "hash_slots, last_character or key_ranges"},
    {"founding.slots", PLACE(founding.slots), 1, kFewSlotsMax, "", false,
     "16384 with hash_slots"},
    {"founding.split_keys", PLACE(founding.split_keys), 0, 0, "keys", false,
     "none"},
    {"node.id", PLACE(config.node), 1, 65535, "", true},
    {"node.data_dir", PLACE(config.data_dir), 0, 0, "a directory", true},
    {"node.seeds", PLACE(config.seeds), 0, 0, "\"host:port\" of peers", false,
     "none"},
    {"listen.resp", PLACE(config.listen.resp), 0, 0, "\"host:port\"", false,
     "the node's own row"},
    {"listen.resp_cluster", PLACE(config.listen.resp_cluster), 0, 0,
     "\"host:port\"", false, "the node's own row"},
    {"listen.http", PLACE(config.listen.http), 0, 0, "\"host:port\"", false,
     "the node's own row"},
    {"listen.peer", PLACE(config.listen.peer), 0, 0, "\"host:port\"", false,
     "the node's own row"},
    {"listen.admin", PLACE(config.listen.admin), 0, 0, "\"host:port\"", false,
     "a loopback address with http's port + 100"},
    {"listen.allow_non_loopback", PLACE(config.listen.allow_non_loopback)},
    {"tls.certificate", PLACE(config.tls.files.certificate), 0, 0, "a PEM file",
     false, "none"},
    {"tls.key", PLACE(config.tls.files.key), 0, 0, "a PEM file", false, "none"},
    {"tls.ca", PLACE(config.tls.files.ca), 0, 0, "a PEM file", false, "none"},
    {"tls.resp", PLACE(config.tls.resp)},
    {"tls.cluster", PLACE(config.tls.resp_cluster)},
    {"tls.http", PLACE(config.tls.http)},
    {"tls.peers", PLACE(config.tls.peer)},
    {"tls.admin", PLACE(config.tls.admin)},
    {"nodes[].id", PLACE(config.nodes[row].id), 1, 65535, "", true},
    {"nodes[].resp", PLACE(config.nodes[row].resp), 0, 0, "\"host:port\"",
     true},
    {"nodes[].resp_cluster", PLACE(config.nodes[row].resp_cluster), 0, 0,
     "\"host:port\"", false, "resp's port + 100"},
    {"nodes[].http", PLACE(config.nodes[row].http), 0, 0, "\"host:port\"",
     true},
    {"nodes[].peer", PLACE(config.nodes[row].peer), 0, 0, "\"host:port\"",
     true},
    {"nodes[].read_only", PLACE(config.nodes[row].read_only)},
    {"sharding.groups", PLACE(sharding.groups), 1, 1024, ""},
    {"sharding.replicas", PLACE(sharding.replicas), 0, 15,
     "0: every voting node"},
    {"shards[].name", PLACE(shards[row].name), 0, 0, "a name", false,
     "\"g\" and idx + 1"},
    {"shards[].idx", PLACE(shards[row].idx), 0, 1023, "", false,
     "the row's position"},
    {"shards[].slots", PLACE(shards[row].slots), 0, 0,
     "ranges such as \"0-5460,6000\"", false, "an even share"},
    {"shards[].address", PLACE(shards[row].address), 0, 0,
     "\"host:port\" of a node", true},
    {"shards[].replicas", PLACE(shards[row].replicas), 0, 0,
     "\"host:port\" of nodes", false, "none besides address"},
    {"clients.http_get_writes", PLACE(config.http_get_writes)},
    {"limits.connections", PLACE(config.limits.connections), 1, 1'000'000, ""},
    {"limits.output_total_bytes", PLACE(config.limits.output_total_bytes), kMi,
     1024 * kGi, "bytes"},
    {"limits.query_total_bytes", PLACE(config.limits.query_total_bytes), kMi,
     1024 * kGi, "bytes"},
    {"limits.memory_bytes", PLACE(config.limits.memory_bytes), 0, 1024 * kGi,
     "bytes; 0: no limit"},
    {"limits.transaction_bytes", PLACE(config.limits.transaction_bytes),
     2 * kMi, 64 * kMi, "bytes"},
    {"limits.cross_slot", PLACE(config.limits.cross_slot)},
    {"timeouts.leader_wait_ms", PLACE(config.timeouts.leader_wait), 0, kHourMs,
     "ms"},
    {"timeouts.idle_ms", PLACE(config.timeouts.idle), 0, 24 * kHourMs,
     "ms; 0: never"},
    {"timeouts.keep_alive_ms", PLACE(config.timeouts.keep_alive), 0,
     24 * kHourMs, "ms; 0: never"},
    {"timeouts.proxy_ms", PLACE(config.timeouts.proxy), 10, kHourMs, "ms"},
    {"timeouts.stop_ms", PLACE(config.timeouts.stop), 0, kHourMs, "ms"},
    {"raft.election_timeout_ms", PLACE(config.host.core.election_timeout_min),
     20, 300'000, "ms"},
    {"raft.lease_reads", PLACE(config.host.core.lease_reads)},
    {"raft.level_max", PLACE(config.level_max), 0, 1'000'000, "0: no limit"},
    {"snapshot.threshold_bytes", PLACE(config.host.snapshot_threshold_bytes), 0,
     1024 * kGi, "bytes; 0: no snapshots"},
    {"limits.bulk_bytes_per_second", PLACE(config.host.bulk.ceiling), 64 << 10,
     1024 * kGi, "bytes per second"},
    {"snapshot.log_memory_bytes", PLACE(config.host.log_memory_bytes_max), 0,
     1024 * kGi, "bytes; 0: no limit"},
    {"snapshot.log_bytes", PLACE(config.host.log_bytes_max), 0, 1024 * kGi,
     "bytes; 0: no limit"},
    {"log.ballast_bytes", PLACE(config.host.log.ballast_bytes), 0, 4 * kGi,
     "bytes; 0: none"},
    {"clock.error_unsynchronised_ms", PLACE(config.clock.error_unsynchronised),
     0, 60'000, "ms"},
};

#undef PLACE

// All timings of elections follow from the least timeout, in the proportions of
// the defaults. A group is quiet for no shorter time than by default.
void SetTimings(raft::CoreOptions* core) {
  const Duration timeout = core->election_timeout_min;
  core->election_timeout_max = timeout * 2;
  core->heartbeat_interval = timeout / 4;
  core->retry_interval = timeout / 2;
  core->quiet_interval =
      std::max(core->quiet_interval, core->heartbeat_interval * 8);
}

// The same of the sizes of snapshots.
void SetSnapshots(raft::HostLimits* host) {
  const uint64_t threshold = host->snapshot_threshold_bytes;
  host->snapshot_threshold_bytes_max = threshold * 4;
  host->snapshot_trailing_bytes = threshold / 8;
}

struct TlsModeName {
  std::string_view name;
  env::TlsMode mode;
};
constexpr TlsModeName kTlsModes[] = {{"off", env::TlsMode::kOff},
                                     {"optional", env::TlsMode::kOptional},
                                     {"required", env::TlsMode::kRequired}};

bool IsInteger(const ValuePointer& place) {
  return !std::holds_alternative<bool*>(place) &&
         !std::holds_alternative<env::TlsMode*>(place) &&
         !std::holds_alternative<std::string*>(place) &&
         !std::holds_alternative<std::vector<std::string>*>(place);
}

std::string Expected(const Setting& setting, const ValuePointer& place) {
  if (std::holds_alternative<bool*>(place)) return "true or false";
  if (std::holds_alternative<env::TlsMode*>(place)) {
    return "a string (off, optional or required)";
  }
  if (std::holds_alternative<std::string*>(place)) {
    return Concat("a string (", setting.unit, ")");
  }
  if (std::holds_alternative<std::vector<std::string>*>(place)) {
    return Concat("an array of strings (", setting.unit, ")");
  }
  std::string text =
      Concat("an integer from ", setting.min, " to ", setting.max);
  if (!setting.unit.empty()) Append(&text, " (", setting.unit, ")");
  return text;
}

std::string Found(const toml::node& node) {
  if (const auto* string = node.as_string()) {
    return Concat("the string \"", std::string_view(string->get()), "\"");
  }
  if (const auto* integer = node.as_integer()) {
    return Concat("the integer ", integer->get());
  }
  if (const auto* boolean = node.as_boolean()) {
    return boolean->get() ? "true" : "false";
  }
  if (node.is_floating_point()) return "a floating-point number";
  if (node.is_table()) return "a table";
  if (node.is_array()) return "an array";
  return "a date or time";
}

struct StoreInteger {
  int64_t value;
  void operator()(uint64_t* p) const { *p = static_cast<uint64_t>(value); }
  void operator()(uint32_t* p) const { *p = static_cast<uint32_t>(value); }
  void operator()(int64_t* p) const { *p = value; }
  void operator()(Duration* p) const { *p = Milliseconds(value); }
  void operator()(NodeId* p) const {
    *p = NodeId(static_cast<uint32_t>(value));
  }
  void operator()(ClusterId* p) const {
    *p = ClusterId(static_cast<uint64_t>(value));
  }
  void operator()(bool*) const {}
  void operator()(env::TlsMode*) const {}
  void operator()(std::string*) const {}
  void operator()(std::vector<std::string>*) const {}
};

// Stores the value. False if the TOML node does not have the expected type and
// range.
bool Store(const Setting& setting, const ValuePointer& place,
           const toml::node& node) {
  if (IsInteger(place)) {
    const auto* integer = node.as_integer();
    if (integer == nullptr || integer->get() < setting.min ||
        integer->get() > setting.max) {
      return false;
    }
    std::visit(StoreInteger{integer->get()}, place);
    return true;
  }
  if (bool* const* flag = std::get_if<bool*>(&place)) {
    if (!node.is_boolean()) return false;
    **flag = node.as_boolean()->get();
    return true;
  }
  if (auto* const* strings = std::get_if<std::vector<std::string>*>(&place)) {
    const auto* array = node.as_array();
    if (array == nullptr) return false;
    for (const auto& element : *array) {
      if (!element.is_string()) return false;
      (*strings)->push_back(element.as_string()->get());
    }
    return true;
  }
  if (!node.is_string()) return false;
  const std::string& text = node.as_string()->get();
  if (env::TlsMode* const* mode = std::get_if<env::TlsMode*>(&place)) {
    const auto* const named =
        std::ranges::find(kTlsModes, text, &TlsModeName::name);
    if (named == std::end(kTlsModes)) return false;
    **mode = named->mode;
    return true;
  }
  if (text.empty()) return false;
  *std::get<std::string*>(place) = text;
  return true;
}

struct Position {
  uint32_t line = 1;
  uint32_t column = 1;
};

// One key of the text with its value.
struct Leaf {
  std::string name;     // "nodes[].id".
  std::string display;  // "nodes[0].id".
  size_t row = 0;
  const toml::node* node = nullptr;
  Position position;
};

Position PositionOf(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

std::vector<std::string_view> KeyNames() {
  std::vector<std::string_view> names;
  for (const Setting& setting : kSettings) names.push_back(setting.name);
  return names;
}

void Flatten(const toml::table& table, const std::string& name,
             const std::string& display, size_t row,
             std::vector<Leaf>* leaves) {
  for (const auto& [key, value] : table) {
    const std::string dot = name.empty() ? "" : ".";
    const std::string child = Concat(name, dot, key.str());
    const std::string child_display = Concat(display, dot, key.str());
    const toml::table* inner = value.as_table();
    // An empty table that is not known is a leaf, which is found wrong later.
    if (inner != nullptr && (!inner->empty() || IsTable(child, KeyNames()))) {
      Flatten(*inner, child, child_display, row, leaves);
      continue;
    }
    const toml::array* array = value.as_array();
    if (array != nullptr && name.empty() &&
        array->is_homogeneous(toml::node_type::table) && !array->empty()) {
      for (size_t i = 0; i < array->size(); ++i) {
        Flatten(*(*array)[i].as_table(), Concat(child, "[]"),
                Concat(child_display, "[", i, "]"), i, leaves);
      }
      continue;
    }
    leaves->push_back(
        {child, child_display, row, &value, PositionOf(key.source())});
  }
}

const Setting* FindSetting(std::string_view name) {
  for (const Setting& setting : kSettings) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

class Parser {
 public:
  Parser(std::string_view file, std::optional<JoinConfig> join)
      : file_(file), join_(std::move(join)) {
    if (join_.has_value()) {
      target_.config.cluster = join_->cluster;
      target_.config.node = join_->node;
    }
  }

  absl::StatusOr<Config> Parse(std::string_view text) {
    const toml::parse_result result = toml::parse(text, file_);
    if (result.failed()) {
      const toml::parse_error& error = result.error();
      return absl::InvalidArgumentError(
          Concat(file_, ":", error.source().begin.line, ":",
                 error.source().begin.column, ": ", error.description()));
    }
    Flatten(result.table(), "", "", 0, &leaves_);
    std::stable_sort(leaves_.begin(), leaves_.end(),
                     [](const Leaf& a, const Leaf& b) {
                       return std::pair(a.position.line, a.position.column) <
                              std::pair(b.position.line, b.position.column);
                     });
    for (const Leaf& leaf : leaves_) {
      if (absl::Status status = Take(leaf); !status.ok()) return status;
    }
    if (absl::Status status = CheckRequired(); !status.ok()) return status;
    SetTimings(&target_.config.host.core);
    SetSnapshots(&target_.config.host);
    if (join_.has_value()) {
      if (absl::Status status = TakeJoin(); !status.ok()) return status;
    }
    if (target_.config.nodes.empty()) {
      if (absl::Status status = DeriveNodes(); !status.ok()) return status;
    }
    auto division = DivisionOf(target_.founding);
    if (!division.ok()) return AtKey(Message(division.status()));
    target_.config.division = *std::move(division);
    if (absl::Status status = TakeShards(); !status.ok()) return status;
    const absl::Status status =
        CompleteConfig(&target_.config, target_.sharding);
    if (!status.ok()) return AtKey(Message(status));
    return std::move(target_.config);
  }

 private:
  absl::Status Fail(Position position, std::string_view key,
                    std::string_view text) const {
    return absl::InvalidArgumentError(Concat(file_, ":", position.line, ":",
                                             position.column, ": key '", key,
                                             "': ", text));
  }

  // Puts the position of the key in the file before "key 'x.y': …".
  absl::Status AtKey(std::string_view message) const {
    const size_t begin = message.find('\'') + 1;
    const size_t end = message.find('\'', begin);
    const std::string_view key = message.substr(begin, end - begin);
    Position position;
    for (const Leaf& leaf : leaves_) {
      if (leaf.display == key || leaf.name == key ||
          leaf.name.starts_with(Concat(key, "["))) {
        position = leaf.position;
        break;
      }
    }
    return absl::InvalidArgumentError(
        Concat(file_, ":", position.line, ":", position.column, ": ", message));
  }

  absl::Status Take(const Leaf& leaf) {
    const Setting* setting = FindSetting(leaf.name);
    if (leaf.name == "clients.redirect") {
      return Fail(leaf.position, leaf.display,
                  "expected no such key (on nodes[].resp a node forwards "
                  "every command, on nodes[].resp_cluster it answers MOVED), "
                  "found it");
    }
    if (setting == nullptr) {
      return Fail(
          leaf.position, leaf.display,
          Concat("expected a known key, such as '",
                 NearestKey(leaf.name, KeyNames()), "', found an unknown one; ",
                 KeysBeside(leaf.name, KeyNames())));
    }
    if (leaf.name.starts_with("nodes[]")) {
      auto& nodes = target_.config.nodes;
      nodes.resize(std::max(nodes.size(), leaf.row + 1));
    } else if (leaf.name.starts_with("shards[]")) {
      target_.shards.resize(std::max(target_.shards.size(), leaf.row + 1));
    }
    const auto place = setting->place(target_, leaf.row);
    if (!Store(*setting, place, *leaf.node)) {
      return Fail(PositionOf(leaf.node->source()), leaf.display,
                  Concat("expected ", Expected(*setting, place), ", found ",
                         Found(*leaf.node)));
    }
    return absl::OkStatus();
  }

  absl::Status CheckRequired() {
    for (const Setting& setting : kSettings) {
      if (!setting.required || (join_.has_value() && OfToken(setting.name))) {
        continue;
      }
      const size_t bracket = setting.name.find("[]");
      size_t rows = 1;
      if (setting.name.starts_with("nodes[]")) {
        rows = target_.config.nodes.size();
      } else if (setting.name.starts_with("shards[]")) {
        rows = target_.shards.size();
      }
      for (size_t row = 0; row < rows; ++row) {
        const bool given =
            std::any_of(leaves_.begin(), leaves_.end(), [&](const Leaf& leaf) {
              return leaf.name == setting.name && leaf.row == row;
            });
        if (given) continue;
        Position position;
        std::string display(setting.name);
        if (bracket != std::string_view::npos) {
          const std::string_view table = setting.name.substr(0, bracket + 2);
          for (const Leaf& leaf : leaves_) {
            if (leaf.name.starts_with(table) && leaf.row == row) {
              position = leaf.position;
              break;
            }
          }
          display = Concat(setting.name.substr(0, bracket), "[", row, "]",
                           setting.name.substr(bracket + 2));
        }
        return Fail(
            position, display,
            Concat("expected ", Expected(setting, setting.place(target_, row)),
                   ", found nothing"));
      }
    }
    return absl::OkStatus();
  }

  static bool OfToken(std::string_view name) {
    return name == "cluster.id" || name == "node.id";
  }

  // The node has its own row alone, and waits for the slots of the cluster.
  absl::Status TakeJoin() {
    Config& config = target_.config;
    if (config.cluster != join_->cluster) {
      return AtKey(Concat("key 'cluster.id': expected that of the token, ",
                          join_->cluster, ", found ", config.cluster));
    }
    if (config.node != join_->node) {
      return AtKey(Concat("key 'node.id': expected that of the token, ",
                          join_->node, ", found ", config.node));
    }
    std::erase_if(config.nodes, [&](const NodeConfig& node) {
      return node.id != config.node;
    });
    const ListenConfig& listen = config.listen;
    if (config.nodes.empty()) {
      const std::pair<std::string_view, const std::string*> needed[] = {
          {"resp", &listen.resp},
          {"http", &listen.http},
          {"peer", &listen.peer}};
      for (const auto& [name, address] : needed) {
        if (!address->empty()) continue;
        return AtKey(Concat("key 'listen.", name,
                            "': expected an address \"host:port\" of this "
                            "node, found nothing"));
      }
      config.nodes.push_back({.id = config.node,
                              .resp = listen.resp,
                              .resp_cluster = listen.resp_cluster,
                              .http = listen.http,
                              .peer = listen.peer});
    }
    config.nodes.front().read_only = false;
    config.bootstrap = false;
    config.seeds.insert(config.seeds.end(), join_->seeds.begin(),
                        join_->seeds.end());
    config.join = join_;
    target_.shards.clear();
    target_.sharding = {};
    target_.founding = {};
    return absl::OkStatus();
  }

  // The node that has `address` in its row, for any purpose.
  NodeId NodeAt(std::string_view address) const {
    for (const NodeConfig& node : target_.config.nodes) {
      if (node.resp == address || node.resp_cluster == address ||
          node.http == address || node.peer == address) {
        return node.id;
      }
    }
    return NodeId();
  }

  Position PositionOfRow(std::string_view name, size_t row) const {
    for (const Leaf& leaf : leaves_) {
      if (leaf.name == name && leaf.row == row) return leaf.position;
    }
    return {};
  }

  // Without [[nodes]] the addresses in [[shards]] are HTTP addresses, and the
  // other ports are derived. Nodes are numbered in the order of their first
  // address.
  absl::Status DeriveNodes() {
    for (size_t row = 0; row < target_.shards.size(); ++row) {
      const RawShard& raw = target_.shards[row];
      for (size_t i = 0; i <= raw.replicas.size(); ++i) {
        const std::string& address = i == 0 ? raw.address : raw.replicas[i - 1];
        const auto& nodes = target_.config.nodes;
        if (std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
              return node.http == address;
            })) {
          continue;
        }
        const absl::StatusOr<HostPort> http = ParseHostPort(address);
        if (!http.ok() || http->port <= kPortDistance ||
            http->port > 65'535 - kPortDistance) {
          const std::string_view key = i == 0 ? "address" : "replicas";
          return Fail(
              PositionOfRow(Concat("shards[].", key), row),
              Concat("shards[", row, "].", key),
              Concat("expected \"host:port\" with a port from ",
                     kPortDistance + 1, " to ", 65'535 - kPortDistance,
                     " (there are no [[nodes]]), found \"", address, "\""));
        }
        const auto at_distance = [&](int64_t distance) {
          return FormatHostPort(http->host,
                                static_cast<uint16_t>(http->port + distance));
        };
        const auto id = static_cast<uint32_t>(target_.config.nodes.size() + 1);
        target_.config.nodes.push_back({.id = NodeId(id),
                                        .resp = at_distance(-kPortDistance),
                                        .http = address,
                                        .peer = at_distance(kPortDistance)});
      }
    }
    return absl::OkStatus();
  }

  absl::Status TakeShards() {
    const bool any_slots =
        std::any_of(target_.shards.begin(), target_.shards.end(),
                    [](const RawShard& raw) { return !raw.slots.empty(); });
    const uint32_t slot_count = target_.config.division.slot_count;
    if (target_.shards.size() > slot_count) {
      return AtKey(Concat("key 'shards': expected at most ", slot_count,
                          " rows, which is the number of slots, found ",
                          target_.shards.size()));
    }
    const std::vector<ShardConfig> even = EvenShards(
        {{.id = NodeId(1)}}, {static_cast<uint32_t>(target_.shards.size()), 1},
        slot_count);
    for (size_t row = 0; row < target_.shards.size(); ++row) {
      const RawShard& raw = target_.shards[row];
      const auto idx = static_cast<uint32_t>(
          raw.idx < 0 ? static_cast<int64_t>(row) : raw.idx);
      ShardConfig shard;
      shard.group = GroupId(idx + 1);
      shard.name = raw.name.empty() ? Concat("g", idx + 1) : raw.name;
      for (const ShardConfig& other : target_.config.shards) {
        if (other.group == shard.group) {
          return Fail(PositionOfRow("shards[].idx", row),
                      Concat("shards[", row, "].idx"),
                      Concat("expected each idx once, found ", idx, " twice"));
        }
      }
      std::vector<std::string> addresses = {raw.address};
      addresses.insert(addresses.end(), raw.replicas.begin(),
                       raw.replicas.end());
      for (size_t i = 0; i < addresses.size(); ++i) {
        const NodeId node = NodeAt(addresses[i]);
        const std::string_view key = i == 0 ? "address" : "replicas";
        if (node == NodeId()) {
          return Fail(PositionOfRow(Concat("shards[].", key), row),
                      Concat("shards[", row, "].", key),
                      Concat("expected an address of a [[nodes]] row, found \"",
                             addresses[i], "\""));
        }
        shard.replicas.push_back(node);
      }
      if (!any_slots) {
        shard.slots = even[std::min<size_t>(idx, even.size() - 1)].slots;
      } else if (const auto ranges = shardctrl::ParseSlotRanges(raw.slots);
                 ranges.has_value()) {
        for (SlotRange range : *ranges) {
          shard.slots.emplace_back(range.first.value(), range.last.value());
        }
      } else {
        return Fail(
            PositionOfRow(
                raw.slots.empty() ? "shards[].address" : "shards[].slots", row),
            Concat("shards[", row, "].slots"),
            Concat("expected ranges such as \"0-5460,6000\", found \"",
                   raw.slots, "\""));
      }
      std::sort(shard.slots.begin(), shard.slots.end());
      target_.config.shards.push_back(std::move(shard));
    }
    return absl::OkStatus();
  }

  const std::string file_;
  const std::optional<JoinConfig> join_;
  std::vector<Leaf> leaves_;
  Target target_;
};

struct ShowDefault {
  std::string operator()(const bool* p) const { return *p ? "true" : "false"; }
  std::string operator()(const env::TlsMode* p) const {
    return std::string(
        std::ranges::find(kTlsModes, *p, &TlsModeName::mode)->name);
  }
  std::string operator()(const uint64_t* p) const { return Concat(*p); }
  std::string operator()(const uint32_t* p) const { return Concat(*p); }
  std::string operator()(const int64_t* p) const { return Concat(*p); }
  std::string operator()(const Duration* p) const { return Concat(p->ms()); }
  std::string operator()(const std::string* p) const { return *p; }
  std::string operator()(const std::vector<std::string>*) const { return ""; }
  std::string operator()(const NodeId*) const { return ""; }
  std::string operator()(const ClusterId*) const { return ""; }
};

// The cluster may be another one than the file says.
bool DividesKeys(std::string_view name) {
  return name.starts_with("founding.");
}

}  // namespace

absl::StatusOr<Config> ParseConfig(std::string_view toml_text,
                                   std::string_view file_name,
                                   std::optional<JoinConfig> join) {
  return Parser(file_name, std::move(join)).Parse(toml_text);
}

std::vector<ConfigKey> ConfigKeys() {
  Target defaults;
  defaults.config.nodes.resize(1);
  defaults.shards.resize(1);
  std::vector<ConfigKey> keys;
  for (const Setting& setting : kSettings) {
    const ValuePointer place = setting.place(defaults, 0);
    ConfigKey key{std::string(setting.name), Expected(setting, place), ""};
    if (setting.required) {
      key.default_value = "required";
    } else if (!setting.derived.empty()) {
      key.default_value = std::string(setting.derived);
    } else {
      key.default_value = std::visit(ShowDefault{}, place);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

std::vector<ConfigSetting> ConfigSettings(const Config& config) {
  Target target{.config = config};
  std::vector<ConfigSetting> settings;
  for (const Setting& setting : kSettings) {
    if (setting.name.find('[') != std::string_view::npos ||
        setting.name.starts_with("sharding.") || DividesKeys(setting.name)) {
      continue;
    }
    std::string value = std::visit(ShowDefault{}, setting.place(target, 0));
    if (setting.name == "node.id") value = Concat(config.node);
    if (setting.name == "cluster.id") value = Concat(config.cluster);
    settings.push_back({std::string(setting.name), std::move(value)});
  }
  return settings;
}

}  // namespace quorate::node
