#include "node/config/config.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "env/check.h"
#include "env/host_port.h"
#include "kv/command/command.h"
#include "node/base/text.h"
#include "shardctrl/planner.h"

namespace quorate::node {
namespace {

// A violation of a rule across keys, and the key at fault.
struct Problem {
  std::string key;
  std::string text;  // "expected …, found …".
};
using MaybeProblem = std::optional<Problem>;

bool IsLoopback(std::string_view host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// An address for one kind of client or peer, and the key that set it.
struct ListenAddress {
  std::string key;
  std::string_view address;
};

MaybeProblem CheckListen(const ListenAddress& listen, bool non_loopback) {
  const absl::StatusOr<HostPort> address = ParseHostPort(listen.address);
  if (!address.ok()) {
    return Problem{listen.key,
                   Concat("expected an address \"host:port\", found \"",
                          listen.address, "\"")};
  }
  if (!non_loopback && !IsLoopback(address->host)) {
    return Problem{
        listen.key,
        Concat("expected a loopback address, found \"", listen.address,
               "\"; nothing here authenticates clients or peers yet, so set "
               "listen.allow_non_loopback = true only on a network where "
               "every host is trusted")};
  }
  return std::nullopt;
}

// A loopback host, whatever the HTTP address is. Empty if no port is left.
std::string AdminAddressOf(std::string_view http) {
  const absl::StatusOr<HostPort> own = ParseHostPort(http);
  if (!own.ok() || own->port > 65'535 - kAdminPortOffset) return {};
  const std::string host = IsLoopback(own->host) ? own->host : "127.0.0.1";
  // The system chooses both.
  if (own->port == 0) return FormatHostPort(host, 0);
  return FormatHostPort(host,
                        static_cast<uint16_t>(own->port + kAdminPortOffset));
}

// Sets listen addresses that [listen] omits from the node's own row, and checks
// all of them.
MaybeProblem CompleteListen(Config* config) {
  size_t row = 0;
  while (config->nodes[row].id != config->node) ++row;
  const NodeConfig& self = config->nodes[row];
  ListenConfig& listen = config->listen;
  const std::tuple<std::string_view, std::string*, const std::string*> rows[] =
      {{"resp", &listen.resp, &self.resp},
       {"resp_cluster", &listen.resp_cluster, &self.resp_cluster},
       {"http", &listen.http, &self.http},
       {"peer", &listen.peer, &self.peer}};
  for (const auto& [name, address, own] : rows) {
    const bool derived = address->empty();
    if (derived) *address = *own;
    const std::string key =
        derived ? Concat("nodes[", row, "].", name) : Concat("listen.", name);
    if (auto problem =
            CheckListen({key, *address}, listen.allow_non_loopback)) {
      return problem;
    }
  }
  if (listen.admin.empty()) listen.admin = AdminAddressOf(listen.http);
  if (listen.admin.empty()) {
    return Problem{"listen.admin",
                   Concat("expected an address where http has a port above ",
                          65'535 - kAdminPortOffset, ", found nothing")};
  }
  if (auto problem = CheckListen({"listen.admin", listen.admin},
                                 listen.allow_non_loopback)) {
    return problem;
  }
  // It may follow from the port of http, and meet another address there.
  for (const auto& [name, address, own] : rows) {
    if (*address == listen.admin && ParseHostPort(listen.admin)->port != 0) {
      return Problem{
          "listen.admin",
          Concat("expected an address of its own, found \"", listen.admin,
                 "\", which is listen.", name, ", too")};
    }
  }
  return std::nullopt;
}

// Returns "host:7101" for "host:7001"; empty if that port would be too large.
std::string ClusterAddressOf(const HostPort& resp) {
  if (resp.port > 65'535 - kClusterPortOffset) return {};
  return FormatHostPort(resp.host,
                        static_cast<uint16_t>(resp.port + kClusterPortOffset));
}

// Derives the addresses for cluster clients that no row names.
MaybeProblem CompleteNodes(Config* config) {
  for (size_t row = 0; row < config->nodes.size(); ++row) {
    NodeConfig& node = config->nodes[row];
    const absl::StatusOr<HostPort> resp = ParseHostPort(node.resp);
    if (!node.resp_cluster.empty() || !resp.ok()) continue;
    node.resp_cluster = ClusterAddressOf(*resp);
    if (node.resp_cluster.empty()) {
      return Problem{
          Concat("nodes[", row, "].resp"),
          Concat("expected a port up to ", 65'535 - kClusterPortOffset,
                 " where no resp_cluster is given, found \"", node.resp, "\"")};
    }
  }
  return std::nullopt;
}

// Checks the rows in the order of the file, because error messages name their
// positions.
MaybeProblem CheckNodes(const Config& config) {
  const auto& nodes = config.nodes;
  if (nodes.empty()) {
    return Problem{
        "nodes",
        "expected at least one [[nodes]] row, or [[shards]], found none"};
  }
  std::vector<NodeId> ids;
  std::vector<std::string_view> addresses;
  bool any_voter = false;
  for (size_t row = 0; row < nodes.size(); ++row) {
    const NodeConfig& node = nodes[row];
    if (std::find(ids.begin(), ids.end(), node.id) != ids.end()) {
      return Problem{
          Concat("nodes[", row, "].id"),
          Concat("expected each id once, found ", node.id, " twice")};
    }
    ids.push_back(node.id);
    const std::pair<std::string_view, const std::string*> columns[] = {
        {"resp", &node.resp},
        {"resp_cluster", &node.resp_cluster},
        {"http", &node.http},
        {"peer", &node.peer}};
    for (const auto& [name, address] : columns) {
      const auto key = [&, name = name] {
        return Concat("nodes[", row, "].", name);
      };
      if (!ParseHostPort(*address).ok()) {
        return Problem{key(),
                       Concat("expected an address \"host:port\", found \"",
                              *address, "\"")};
      }
      if (std::find(addresses.begin(), addresses.end(), *address) !=
          addresses.end()) {
        return Problem{key(), Concat("expected each address once, found \"",
                                     *address, "\" twice")};
      }
      addresses.push_back(*address);
    }
    if (!node.read_only) any_voter = true;
  }
  if (!any_voter) {
    return Problem{"nodes[].read_only",
                   "expected at least one voting node, found none"};
  }
  if (config.FindNode(config.node) == nullptr) {
    return Problem{
        "node.id",
        Concat("expected the id of a [[nodes]] row, found ", config.node)};
  }
  return std::nullopt;
}

MaybeProblem CheckDivision(const KeyDivision& division) {
  const bool ranges = division.partitioner == Partitioner::kKeyRanges;
  absl::Status status =
      CheckSlotCount(division.partitioner, division.slot_count);
  if (!status.ok()) {
    return Problem{ranges ? "founding.split_keys" : "founding.slots",
                   std::string(Message(status))};
  }
  status = CheckSplitKeys(division);
  if (!status.ok()) {
    return Problem{"founding.split_keys", std::string(Message(status))};
  }
  return std::nullopt;
}

MaybeProblem CheckShards(const Config& config) {
  const uint32_t slot_count = config.division.slot_count;
  // The last slot of each range so far, by its first slot.
  std::map<uint32_t, uint32_t> taken;
  for (const ShardConfig& shard : config.shards) {
    if (shard.replicas.empty()) {
      return Problem{"shards[].replicas",
                     Concat("expected at least one replica for shard '",
                            shard.name, "', found none")};
    }
    for (size_t i = 0; i < shard.replicas.size(); ++i) {
      const NodeConfig* node = config.FindNode(shard.replicas[i]);
      if (node == nullptr || node->read_only) {
        return Problem{"shards[].replicas",
                       Concat("expected voting nodes for shard '", shard.name,
                              "', found node ", shard.replicas[i])};
      }
      for (size_t j = 0; j < i; ++j) {
        if (shard.replicas[j] == shard.replicas[i]) {
          return Problem{
              "shards[].replicas",
              Concat("expected each node once in shard '", shard.name,
                     "', found node ", shard.replicas[i], " twice")};
        }
      }
    }
    for (const auto& [first, last] : shard.slots) {
      if (first > last || last >= slot_count) {
        return Problem{"shards[].slots",
                       Concat("expected slots from 0 to ", slot_count - 1,
                              ", found ", first, '-', last)};
      }
      const auto behind = taken.upper_bound(first);
      std::optional<uint32_t> twice;
      if (behind != taken.begin() && std::prev(behind)->second >= first) {
        twice = first;
      } else if (behind != taken.end() && behind->first <= last) {
        twice = behind->first;
      }
      if (twice.has_value()) {
        return Problem{"shards[].slots",
                       Concat("expected each slot in one shard, found slot ",
                              *twice, " in two")};
      }
      taken[first] = last;
    }
  }
  uint32_t next = 0;  // The lowest slot that is in no shard.
  for (const auto& [first, last] : taken) {
    if (first == next) next = last + 1;
  }
  if (next != slot_count) {
    return Problem{"shards[].slots",
                   Concat("expected all ", slot_count,
                          " slots in shards, found none with slot ", next)};
  }
  return std::nullopt;
}

MaybeProblem CheckTls(const Config& config) {
  const TlsConfig& tls = config.tls;
  const ListenConfig& listen = config.listen;
  const std::tuple<std::string_view, env::TlsMode, std::string_view> rows[] = {
      {"tls.resp", tls.resp, listen.resp},
      {"tls.cluster", tls.resp_cluster, listen.resp_cluster},
      {"tls.http", tls.http, listen.http},
      {"tls.peers", tls.peer, listen.peer},
      {"tls.admin", tls.admin, listen.admin}};
  bool any = false;
  for (const auto& [key, mode, address] : rows) {
    if (mode == env::TlsMode::kOff) continue;
    any = true;
    // net/ finds the mode by the address.
    if (ParseHostPort(address)->port != 0) continue;
    return Problem{std::string(key),
                   Concat("expected off where the system chooses the port, "
                          "found TLS at \"",
                          address, "\"")};
  }
  const env::CertificateFiles& files = tls.files;
  any = any || files != env::CertificateFiles();
  for (const auto& [key, file] : {std::pair<std::string_view, std::string_view>(
                                      "tls.certificate", files.certificate),
                                  {"tls.key", files.key},
                                  {"tls.ca", files.ca}}) {
    if (!any || !file.empty()) continue;
    return Problem{std::string(key),
                   "expected a PEM file where [tls] has other keys, found "
                   "nothing"};
  }
  return std::nullopt;
}

MaybeProblem CheckSeeds(const Config& config) {
  for (const std::string& seed : config.seeds) {
    if (ParseHostPort(seed).ok()) continue;
    return Problem{
        "node.seeds",
        Concat("expected addresses \"host:port\", found \"", seed, "\"")};
  }
  return std::nullopt;
}

MaybeProblem Complete(Config* config, const EvenSharding& sharding) {
  if (auto problem = CompleteNodes(config)) return problem;
  if (auto problem = CheckNodes(*config)) return problem;
  if (auto problem = CompleteListen(config)) return problem;
  if (auto problem = CheckTls(*config)) return problem;
  if (auto problem = CheckSeeds(*config)) return problem;
  std::stable_sort(
      config->nodes.begin(), config->nodes.end(),
      [](const NodeConfig& a, const NodeConfig& b) { return a.id < b.id; });
  if (auto problem = CheckDivision(config->division)) return problem;
  if (config->shards.empty()) {
    const uint32_t slot_count = config->division.slot_count;
    if (sharding.groups == 0 || sharding.groups > slot_count) {
      return Problem{
          "sharding.groups",
          Concat("expected from 1 to ", slot_count,
                 ", which is the number of slots, found ", sharding.groups)};
    }
    const auto voters = static_cast<uint64_t>(
        std::count_if(config->nodes.begin(), config->nodes.end(),
                      [](const NodeConfig& node) { return !node.read_only; }));
    if (sharding.replicas > voters) {
      return Problem{"sharding.replicas",
                     Concat("expected at most the number of voting nodes (",
                            voters, "), found ", sharding.replicas)};
    }
    config->shards = EvenShards(config->nodes, sharding, slot_count);
    config->even = sharding;
  }
  std::stable_sort(config->shards.begin(), config->shards.end(),
                   [](const ShardConfig& a, const ShardConfig& b) {
                     return a.group < b.group;
                   });
  return CheckShards(*config);
}

}  // namespace

raft::Level Config::known_level() const {
  return raft::Level(level_max == 0 ? program_level
                                    : std::min(level_max, program_level));
}

const NodeConfig* Config::FindNode(NodeId id) const {
  for (const NodeConfig& node : nodes) {
    if (node.id == id) return &node;
  }
  return nullptr;
}

std::vector<ShardConfig> EvenShards(const std::vector<NodeConfig>& nodes,
                                    const EvenSharding& sharding,
                                    uint32_t slot_count) {
  if (sharding.groups == 0) return {};
  std::vector<NodeId> voters;
  for (const NodeConfig& node : nodes) {
    if (!node.read_only) voters.push_back(node.id);
  }
  const size_t replicas =
      sharding.replicas == 0 ? voters.size() : sharding.replicas;
  std::vector<GroupId> groups;
  for (uint32_t i = 0; i < sharding.groups; ++i) {
    groups.push_back(GroupId(i + 1));
  }
  const std::vector<shardctrl::Assignment> even =
      shardctrl::AssignEvenly(slot_count, groups);
  std::vector<ShardConfig> shards(sharding.groups);
  for (uint32_t i = 0; i < sharding.groups; ++i) {
    ShardConfig& shard = shards[i];
    shard.group = groups[i];
    shard.name = Concat("g", i + 1);
    shard.slots.emplace_back(even[i].slots.first.value(),
                             even[i].slots.last.value());
    for (size_t r = 0; r < replicas; ++r) {
      shard.replicas.push_back(voters[(i + r) % voters.size()]);
    }
  }
  return shards;
}

absl::Status CompleteConfig(Config* config, const EvenSharding& sharding) {
  const MaybeProblem problem = Complete(config, sharding);
  if (!problem.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      Concat("key '", problem->key, "': ", problem->text));
}

}  // namespace quorate::node
