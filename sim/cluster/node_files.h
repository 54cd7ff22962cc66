// sim/cluster/node_files.h: the configuration files of the nodes of a cluster,
// and the mistakes that operators make in them.
#ifndef QUORATE_SIM_CLUSTER_NODE_FILES_H_
#define QUORATE_SIM_CLUSTER_NODE_FILES_H_

#include <cstddef>
#include <optional>
#include <set>
#include <vector>

#include "absl/types/span.h"
#include "node/config/config.h"
#include "shardctrl/partition.h"
#include "sim/choices/choices.h"
#include "sim/cluster/places.h"
#include "sim/cluster/wrong_file.h"
#include "sim/world/world.h"

namespace quorate::sim {

struct NodeFilesOptions {
  uint32_t groups = 3;
  uint32_t replicas = 3;  // Voters of each group; at most the voting founders.
  // See ClusterOptions.
  bool bootstrap_left_on = false;
  bool wrong_files = false;
  bool changed_addresses = false;
  bool changed_settings = false;
};

class NodeFiles {
 public:
  // `settings` are the drawn ones of each place. All outlive the object.
  NodeFiles(World* world, Places* places, const NodeFilesOptions& options,
            std::vector<node::Config> settings);

  // The present ones, by place.
  const std::vector<node::Config>& settings() const { return settings_; }
  // The groups of stores with which the cluster is founded.
  const std::vector<node::ShardConfig>& shards() const { return shards_; }
  const KeyDivision& division() const { return settings_.front().division; }
  // The file with which the place starts. It has a tenant.
  node::Config ConfigOf(size_t place) const;
  bool changes_addresses() const { return options_.changed_addresses; }
  // From now on operators make no mistakes, and addresses stay.
  void Mend() { mended_ = true; }

  // ---- Before a start of the place.
  // Checks that a file which breaks a rule is refused.
  void TryInvalidFile(size_t place);
  // Checks that a shard map which breaks a rule is refused.
  void TryWrongMap(size_t place);
  // The mistake of this start, which the store contradicts. Null: none.
  const WrongFile* DrawContradictoryFile(size_t place) const;
  // The outdated file of this start. Null: it has the right one.
  const WrongFile* DrawOutdatedFile(size_t place) const;
  // The file with that mistake. Requires: one of those that were drawn.
  node::Config ConfigWith(size_t place, const WrongFile& mistake) const;
  // The node has refused a contradictory file: the next one is right.
  void OnRefused(size_t place) { refused_.insert(place); }
  // Gives the place other addresses, at times.
  void TryOtherAddresses(size_t place);
  // Gives the place the settings that some place was drawn, at times.
  void TryOtherSettings(size_t place);

 private:
  // The configuration as the file says it, before CompleteConfig.
  node::Config FileOf(size_t place) const;
  // None if this configuration cannot have the mistake.
  std::optional<node::Config> WrongConfigOf(size_t place,
                                            const WrongFile& wrong) const;
  bool MayBeWrong(size_t place) const;
  // One of these files; null if this configuration cannot have its mistake.
  const WrongFile* DrawFile(size_t place, absl::Span<const WrongFile> files,
                            ChoiceSite which) const;
  ChoiceKey Start(size_t place) const {
    return {place + 1, world_.incarnation(places_.machines()[place])};
  }

  World& world_;
  Places& places_;
  const NodeFilesOptions options_;
  const std::vector<node::Config> drawn_;
  std::vector<node::Config> settings_;
  const std::vector<node::ShardConfig> shards_;
  std::set<size_t> refused_;
  bool mended_ = false;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CLUSTER_NODE_FILES_H_
