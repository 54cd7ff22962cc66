// sim/cluster/wrong_file.h: mistakes of an operator who edits the configuration
// file of a node, and mistakes in the shard map that is made of files.
//
// A node must refuse the files that are wrong with a message that names the
// mistake. The file is then mended, and the node starts. The map has the same
// rules and checks them by itself, because files are not its only source.
#ifndef QUORATE_SIM_CLUSTER_WRONG_FILE_H_
#define QUORATE_SIM_CLUSTER_WRONG_FILE_H_

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "node/config/config.h"
#include "shardctrl/map.h"

namespace quorate::sim {

struct WrongFile {
  // The message must contain it.
  std::string_view says;
  // Makes the mistake in a configuration before CompleteConfig. Sets `sharding`
  // if the file has [sharding]. False: this configuration cannot have it.
  bool (*edit)(node::Config* config, node::EvenSharding* sharding);
};

// Files that break a rule: CompleteConfig refuses them.
absl::Span<const WrongFile> InvalidFiles();
// Files that contradict the store of a node that was bootstrapped before. Its
// start fails.
absl::Span<const WrongFile> ContradictoryFiles();

// Files that a bootstrapped cluster has outgrown, or that a new cluster would
// be made of. The node starts and serves as with the right file. `says` is the
// key that differs.
absl::Span<const WrongFile> OutdatedFiles();

struct WrongMap {
  // The message must contain it.
  std::string_view says;
  // Makes the mistake in the parts of a right map.
  void (*edit)(shardctrl::ShardMap::Parts* parts);
};

// Maps that break a rule: ShardMap::Create refuses them.
absl::Span<const WrongMap> WrongMaps();

// The violation if `status` is not the refusal of the mistake that `says`
// names, with this code. Otherwise an empty string. `what` has the mistake.
std::string NotRefused(std::string_view what, std::string_view says,
                       absl::StatusCode code, const absl::Status& status);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_WRONG_FILE_H_
