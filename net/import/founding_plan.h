// net/import/founding_plan.h: the cluster that is founded in place of the
// servers of a sharding file, and the configuration files of its nodes.
//
// Values only. docs/operate/import.md explains the choices.
#ifndef QUORATE_NET_IMPORT_FOUNDING_PLAN_H_
#define QUORATE_NET_IMPORT_FOUNDING_PLAN_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "net/import/sharding_file.h"
#include "node/config/config.h"

namespace quorate::net {

struct ImportOptions {
  ClusterId cluster;
  // Each node has the directory of its number below this one.
  std::string data_dir = "/var/lib/quorate";
  // Whether the nodes may listen on addresses outside loopback.
  bool allow_non_loopback = false;
};

// Distances of a node's other ports from that of HTTP.
struct PortDistances {
  int resp = 0;
  int resp_cluster = 0;
  int peer = 0;
  int admin = 0;
};
// The distances of a configuration without [[nodes]].
inline constexpr PortDistances kNearPorts = {-1'000, -900, 1'000, 100};
// For addresses that the first ones do not suit.
inline constexpr PortDistances kFarPorts = {5'000, 10'000, 15'000, 20'000};

// A group has an odd number of voters, at least this many, if there are enough
// nodes.
inline constexpr size_t kImportedVotersMin = 3;
// As many as an operator can give a group.
inline constexpr size_t kImportedVotersMax = 9;

struct FoundingPlan {
  std::vector<node::NodeConfig> nodes;  // Ids 1, 2, 3, …
  std::vector<std::string> admin;       // The operators' address of each node.
  // The group of each shard. The first voter is the shard's own server.
  std::vector<node::ShardConfig> groups;
  PortDistances ports;
};

// kInvalidArgument names the reason:
//   - an address is outside loopback, and may not be;
//   - a shard has more servers than a group can have voters;
//   - the nodes' ports cannot be derived from their addresses.
absl::StatusOr<FoundingPlan> PlanFounding(const ShardingFile& file,
                                          const ImportOptions& options);

// The configuration file of the node. The files of all nodes differ in node.id
// and node.data_dir, and in listen.admin with far ports.
std::string FoundingToml(const FoundingPlan& plan, const ImportOptions& options,
                         NodeId node);

// The choices that were made, and the parts of the file without a counterpart:
// lines for people.
std::string FoundingNotes(const FoundingPlan& plan, const ShardingFile& file);

}  // namespace quorate::net

#endif  // QUORATE_NET_IMPORT_FOUNDING_PLAN_H_
