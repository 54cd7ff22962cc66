#include "sim/cluster/node_files.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "node/config/map_parts.h"
#include "shardctrl/map.h"
#include "sim/keys/key_division.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kInvalidFile("operator.invalid_file");
constexpr ChoiceSite kWhichInvalidFile("operator.which_invalid_file");
constexpr ChoiceSite kWrongMap("operator.wrong_map");
constexpr ChoiceSite kWhichWrongMap("operator.which_wrong_map");
constexpr ChoiceSite kContradictoryFile("operator.contradictory_file");
constexpr ChoiceSite kWhichContradictoryFile(
    "operator.which_contradictory_file");
constexpr ChoiceSite kOutdatedFile("operator.outdated_file");
constexpr ChoiceSite kWhichOutdatedFile("operator.which_outdated_file");
constexpr ChoiceSite kOtherAddresses("operator.other_addresses");
constexpr ChoiceSite kOtherSettings("operator.other_settings");
constexpr ChoiceSite kWhichSettings("operator.which_settings");
constexpr ChoiceSite kKeepsCommand("operator.keeps_the_command");

std::vector<node::ShardConfig> Founded(const Places& places,
                                       const NodeFilesOptions& options,
                                       const KeyDivision& division) {
  std::vector<node::NodeConfig> founders = places.nodes();
  founders.resize(places.founders());
  const auto voting = static_cast<uint32_t>(
      std::ranges::count(founders, false, &node::NodeConfig::read_only));
  return DividedShards(founders,
                       {.groups = options.groups,
                        .replicas = std::min(options.replicas, voting)},
                       division);
}

// Operators start new nodes with the newest program. They replace that of the
// others at the first restart, or no longer hold it to the older level.
void SetProgram(const Tenant& tenant, node::Config* config) {
  if (tenant.created || tenant.join.has_value()) {
    config->level_max = 0;
  } else if (config->level_max == 0) {
    config->program_level = kv::kRulesVersion;
  }
}

}  // namespace

NodeFiles::NodeFiles(World* world, Places* places,
                     const NodeFilesOptions& options,
                     std::vector<node::Config> settings)
    : world_(*world),
      places_(*places),
      options_(options),
      drawn_(std::move(settings)),
      settings_(drawn_),
      shards_(Founded(*places, options, settings_.front().division)) {}

node::Config NodeFiles::FileOf(size_t place) const {
  const Tenant& tenant = *places_.tenant(place);
  node::Config config = settings_[place];
  config.cluster = ClusterId(0x51);
  config.node = tenant.node;
  config.data_dir = "simulated";
  places_.FillIn(place, &config);
  config.listen.allow_non_loopback = true;
  SetProgram(tenant, &config);
  if (!tenant.join.has_value()) {
    config.shards = shards_;
    config.bootstrap = !tenant.created || options_.bootstrap_left_on;
  } else if (!tenant.join->token.empty() &&
             (!tenant.created ||
              world_.choices().Chance(kKeepsCommand, Start(place), {1, 2}))) {
    config.join = tenant.join;  // Else it comes with a directory.
  }
  return config;
}

node::Config NodeFiles::ConfigOf(size_t place) const {
  node::Config config = FileOf(place);
  const absl::Status status = node::CompleteConfig(&config, {});
  CHECK(status.ok()) << status.ToString();
  return config;
}

std::optional<node::Config> NodeFiles::WrongConfigOf(
    size_t place, const WrongFile& wrong) const {
  node::Config config = FileOf(place);
  node::EvenSharding sharding;
  if (!wrong.edit(&config, &sharding)) return std::nullopt;
  const absl::Status status = node::CompleteConfig(&config, sharding);
  CHECK(status.ok()) << status.ToString();
  return config;
}

node::Config NodeFiles::ConfigWith(size_t place,
                                   const WrongFile& mistake) const {
  return *WrongConfigOf(place, mistake);
}

// A file of a node that joined founds nothing, so it has no part that could
// contradict the founding.
bool NodeFiles::MayBeWrong(size_t place) const {
  const std::optional<Tenant>& tenant = places_.tenant(place);
  return options_.wrong_files && !mended_ && tenant.has_value() &&
         !tenant->join.has_value();
}

void NodeFiles::TryInvalidFile(size_t place) {
  const ChoiceKey start = Start(place);
  if (!MayBeWrong(place) ||
      !world_.choices().Chance(kInvalidFile, start, {1, 4})) {
    return;
  }
  const auto files = InvalidFiles();
  const WrongFile& wrong =
      files[world_.choices().Below(kWhichInvalidFile, start, files.size())];
  node::Config config = FileOf(place);
  node::EvenSharding sharding;
  if (!wrong.edit(&config, &sharding)) return;
  const absl::Status status = node::CompleteConfig(&config, sharding);
  std::string violation =
      NotRefused(absl::StrCat("the file of node ", config.node.value()),
                 wrong.says, absl::StatusCode::kInvalidArgument, status);
  if (!violation.empty()) return world_.Violate(std::move(violation));
  world_.CountMark(places_.machines()[place], "node.invalid_file_refused");
}

void NodeFiles::TryWrongMap(size_t place) {
  const ChoiceKey start = Start(place);
  if (!MayBeWrong(place) ||
      !world_.choices().Chance(kWrongMap, start, {1, 4})) {
    return;
  }
  const auto maps = WrongMaps();
  const WrongMap& wrong =
      maps[world_.choices().Below(kWhichWrongMap, start, maps.size())];
  shardctrl::ShardMap::Parts parts = node::MapParts(ConfigOf(place));
  wrong.edit(&parts);
  const absl::Status status =
      shardctrl::ShardMap::Create(std::move(parts)).status();
  std::string violation =
      NotRefused(absl::StrCat("a shard map of node ", place + 1), wrong.says,
                 absl::StatusCode::kInvalidArgument, status);
  if (!violation.empty()) return world_.Violate(std::move(violation));
  world_.CountMark(places_.machines()[place], "shardctrl.wrong_map_refused");
}

const WrongFile* NodeFiles::DrawContradictoryFile(size_t place) const {
  if (!MayBeWrong(place) || refused_.contains(place)) {
    return nullptr;
  }
  if (!world_.choices().Chance(kContradictoryFile, Start(place), {1, 16})) {
    return nullptr;
  }
  return DrawFile(place, ContradictoryFiles(), kWhichContradictoryFile);
}

const WrongFile* NodeFiles::DrawFile(size_t place,
                                     absl::Span<const WrongFile> files,
                                     ChoiceSite which) const {
  const WrongFile& file =
      files[world_.choices().Below(which, Start(place), files.size())];
  return WrongConfigOf(place, file).has_value() ? &file : nullptr;
}

const WrongFile* NodeFiles::DrawOutdatedFile(size_t place) const {
  if (!MayBeWrong(place) ||
      !world_.choices().Chance(kOutdatedFile, Start(place), {1, 8})) {
    return nullptr;
  }
  world_.CountMark(places_.machines()[place], "node.outdated_file");
  return DrawFile(place, OutdatedFiles(), kWhichOutdatedFile);
}

void NodeFiles::TryOtherAddresses(size_t place) {
  // The founding needs every node where its file says.
  if (!options_.changed_addresses || mended_ || !places_.AllFoundersStarted()) {
    return;
  }
  if (!world_.choices().Chance(kOtherAddresses, Start(place), {1, 3})) return;
  if (!places_.Move(place)) return;
  world_.CountMark(places_.machines()[place],
                   "node.started_with_other_addresses");
}

// Settings of one run fit together.
void NodeFiles::TryOtherSettings(size_t place) {
  const ChoiceKey start = Start(place);
  if (!options_.changed_settings || mended_ ||
      !world_.choices().Chance(kOtherSettings, start, {1, 4})) {
    return;
  }
  const uint32_t level_max = settings_[place].level_max;  // Its program stays.
  settings_[place] =
      drawn_[world_.choices().Below(kWhichSettings, start, drawn_.size())];
  settings_[place].level_max = level_max;
  world_.CountMark(places_.machines()[place],
                   "node.started_with_other_settings");
}

}  // namespace quorate::sim
