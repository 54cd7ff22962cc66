#include "net/import/founding_plan.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "env/json_string.h"

namespace quorate::net {
namespace {

using node::NodeConfig;
using node::ShardConfig;

constexpr int kPortMax = 65'535;

bool IsLoopback(const std::string& host) {
  return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// One name for each machine.
std::string MachineOf(const std::string& host) {
  return host == "localhost" ? "127.0.0.1" : host;
}

std::string HostOf(const NodeConfig& node) {
  return MachineOf(ParseHostPort(node.http)->host);
}

// JSON escapes what TOML escapes, except one control character.
std::string Quoted(const std::string& text) {
  std::string quoted;
  for (const char c : JsonString(text)) {
    if (c == '\x7f') {
      quoted += "\\u007F";
    } else {
      quoted += c;
    }
  }
  return quoted;
}

// Sets the ports of all nodes. An empty text: none is missing, and none has two
// uses on its machine. Otherwise the text says which one.
std::string DerivePorts(const PortDistances& distances, FoundingPlan* plan) {
  std::map<std::pair<std::string, int>, std::string> uses;
  plan->admin.assign(plan->nodes.size(), "");
  plan->ports = distances;
  for (size_t i = 0; i < plan->nodes.size(); ++i) {
    NodeConfig& node = plan->nodes[i];
    const HostPort http = *ParseHostPort(node.http);
    const std::string admin_host =
        IsLoopback(http.host) ? http.host : "127.0.0.1";
    std::string own_http;
    for (const auto& [purpose, distance, host, address] :
         {std::tuple("http", 0, http.host, &own_http),
          std::tuple("resp", distances.resp, http.host, &node.resp),
          std::tuple("resp_cluster", distances.resp_cluster, http.host,
                     &node.resp_cluster),
          std::tuple("peer", distances.peer, http.host, &node.peer),
          std::tuple("admin", distances.admin, admin_host, &plan->admin[i])}) {
      const int port = http.port + distance;
      const std::string use = absl::StrCat(purpose, " of ", node.http);
      if (port < 1 || port > kPortMax) {
        return absl::StrCat(use, " would be port ", port);
      }
      const auto [other, is_new] =
          uses.emplace(std::pair(MachineOf(http.host), port), use);
      if (!is_new) {
        return absl::StrCat(use, " and ", other->second, " would both be port ",
                            port);
      }
      *address = FormatHostPort(host, static_cast<uint16_t>(port));
    }
  }
  return "";
}

// Fills the voters of a group up from all nodes: of other machines first, then
// those with the fewest replicas, then the next ones.
void AddVoters(const FoundingPlan& plan, std::vector<size_t>* replicas,
               ShardConfig* group) {
  const size_t wanted =
      std::min(plan.nodes.size(),
               std::max(kImportedVotersMin, group->replicas.size() | 1));
  while (group->replicas.size() < wanted) {
    std::set<std::string> machines;
    std::set<NodeId> voters;
    for (const NodeId voter : group->replicas) {
      voters.insert(voter);
      machines.insert(HostOf(plan.nodes[voter.value() - 1]));
    }
    std::tuple<bool, size_t, size_t> least(true, SIZE_MAX, SIZE_MAX);
    const size_t count = plan.nodes.size();
    const size_t first = group->replicas.front().value() - 1;
    for (size_t step = 1; step < count; ++step) {
      const size_t at = (first + step) % count;
      if (voters.contains(plan.nodes[at].id)) continue;
      least =
          std::min(least, std::tuple(machines.contains(HostOf(plan.nodes[at])),
                                     (*replicas)[at], step));
    }
    const size_t at = (first + std::get<2>(least)) % count;
    group->replicas.push_back(plan.nodes[at].id);
    ++(*replicas)[at];
  }
}

std::string Row(const NodeConfig& node) {
  return absl::StrCat(
      "\n[[nodes]]\nid = ", node.id.value(), "\nresp = ", Quoted(node.resp),
      "\nresp_cluster = ", Quoted(node.resp_cluster),
      "\nhttp = ", Quoted(node.http), "\npeer = ", Quoted(node.peer), "\n");
}

std::string Distance(int distance) {
  return absl::StrCat(distance < 0 ? -distance : distance,
                      distance < 0 ? " lower" : " higher");
}

std::string Counted(size_t count, const std::string& word) {
  return absl::StrCat(count, " ", word, count == 1 ? "" : "s");
}

}  // namespace

absl::StatusOr<FoundingPlan> PlanFounding(const ShardingFile& file,
                                          const ImportOptions& options) {
  FoundingPlan plan;
  std::vector<size_t> replicas;
  for (const ForeignShard& shard : file.shards) {
    if (shard.addresses.size() > kImportedVotersMax) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the shard ", Quoted(shard.name), " has ", shard.addresses.size(),
          " servers, and a group has at most ", kImportedVotersMax,
          " voters; leave some of its read replicas out"));
    }
    ShardConfig group{.group = GroupId(static_cast<uint32_t>(shard.idx) + 1),
                      .name = shard.name};
    for (const std::string& address : shard.addresses) {
      if (!options.allow_non_loopback &&
          !IsLoopback(ParseHostPort(address)->host)) {
        return absl::InvalidArgumentError(absl::StrCat(
            "the address ", address,
            " is outside loopback, and nothing authenticates clients or peers "
            "yet; give --allow-non-loopback only if every host of the network "
            "is trusted"));
      }
      const NodeId id(static_cast<uint32_t>(plan.nodes.size() + 1));
      plan.nodes.push_back({.id = id, .http = address});
      group.replicas.push_back(id);
      replicas.push_back(1);
    }
    plan.groups.push_back(std::move(group));
  }
  for (ShardConfig& group : plan.groups) AddVoters(plan, &replicas, &group);
  const std::string near = DerivePorts(kNearPorts, &plan);
  if (near.empty()) return plan;
  const std::string far = DerivePorts(kFarPorts, &plan);
  if (far.empty()) return plan;
  return absl::InvalidArgumentError(absl::StrCat(
      "the other ports of the nodes cannot be derived from their addresses: ",
      near, ", and ", far,
      "; change the ports in a copy of the file, or write [[nodes]] by hand"));
}

std::string FoundingToml(const FoundingPlan& plan, const ImportOptions& options,
                         NodeId node) {
  const bool far = plan.ports.admin == kFarPorts.admin;
  std::string text = absl::StrCat(
      "# Written by quoratectl import-config; see docs/operate/import.md.\n"
      "# Each node has its own node.id and node.data_dir",
      far ? ", and its own listen.admin" : "",
      ".\n# All other lines are equal in the files of all nodes.\n\n",
      "[cluster]\nid = ", options.cluster.value(),
      "\n\n[node]\nid = ", node.value(), "  # At ",
      plan.nodes[node.value() - 1].http, ".\ndata_dir = ",
      Quoted(absl::StrCat(options.data_dir, "/", node.value())), "\n");
  if (far || options.allow_non_loopback) absl::StrAppend(&text, "\n[listen]\n");
  if (far) {
    absl::StrAppend(&text, "admin = ", Quoted(plan.admin[node.value() - 1]),
                    "\n");
  }
  if (options.allow_non_loopback) {
    absl::StrAppend(&text, "# Every host of the network is trusted.\n",
                    "allow_non_loopback = true\n");
  }
  for (const NodeConfig& row : plan.nodes) absl::StrAppend(&text, Row(row));
  for (const ShardConfig& group : plan.groups) {
    absl::StrAppend(&text, "\n[[shards]]\nname = ", Quoted(group.name),
                    "\nidx = ", group.group.value() - 1, "\naddress = ",
                    Quoted(plan.nodes[group.replicas[0].value() - 1].http));
    std::string list;
    for (size_t i = 1; i < group.replicas.size(); ++i) {
      absl::StrAppend(&list, list.empty() ? "" : ", ",
                      Quoted(plan.nodes[group.replicas[i].value() - 1].http));
    }
    absl::StrAppend(&text, "\nreplicas = [", list, "]\n");
  }
  return text;
}

std::string FoundingNotes(const FoundingPlan& plan, const ShardingFile& file) {
  const PortDistances& ports = plan.ports;
  size_t fewest = SIZE_MAX;
  for (const ShardConfig& group : plan.groups) {
    fewest = std::min(fewest, group.replicas.size());
  }
  std::string text = absl::StrCat(
      Counted(plan.nodes.size(), "node"), ", one for each address, and ",
      Counted(plan.groups.size(), "group"), ", one for each shard.\n",
      "An address of the file is the node's address for HTTP. Its other ports "
      "follow from it: resp ",
      Distance(ports.resp), ", resp_cluster ", Distance(ports.resp_cluster),
      ", peer ", Distance(ports.peer), ", admin ", Distance(ports.admin),
      ".\nA shard's own server and its read replicas vote in its group. Other "
      "nodes vote, too, up to an odd number of at least ",
      kImportedVotersMin, ". The controller spreads the leaders.\n");
  if (fewest < kImportedVotersMin) {
    absl::StrAppend(&text, "Warning: a group has ", Counted(fewest, "voter"),
                    ", so it stops with the first node that fails. Add nodes "
                    "with quoratectl node add.\n");
  }
  absl::StrAppend(
      &text,
      "No counterpart: the hash of keys. A key has one of 16384 slots, and "
      "each "
      "group an equal share of them. No keys are copied: write them again "
      "through a node.\n"
      "No counterpart: servers that refuse writes. Every node takes reads and "
      "writes of every key.\n");
  for (const std::string& key : file.unknown_keys) {
    absl::StrAppend(&text, "No counterpart: ", key, ". It is ignored.\n");
  }
  return text;
}

}  // namespace quorate::net
