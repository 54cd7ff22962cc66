#include "sim/keys/key_division.h"

#include <string>

#include "env/check.h"
#include "sim/protocol/key_prefixes.h"

namespace quorate::sim {
namespace {

// The last digits of names are in all ten slots.
constexpr uint32_t kLastCharacterSlots = 2 * kDividedGroupsMax;

// Ranges of the names of keys that clients use. Keys that expire ("t…") are in
// odd slots, and all others in even ones, between which the odd ones are empty.
std::vector<std::string> SplitKeys() {
  std::vector<std::string> keys;
  const auto split = [&keys](const std::string& behind) {
    keys.push_back(behind + "~");
    keys.push_back(behind + "~~");
  };
  const auto split_by_digit = [&split](const std::string& name) {
    for (char digit = '0'; digit < '9'; ++digit) split(name + digit);
  };
  split_by_digit(std::string(kCalmKeyPrefix));
  split(std::string(kCalmKeyPrefix));
  split("l2");
  split("m");
  // Counters are in all groups.
  split_by_digit("n.of_group");
  split_by_digit("n");
  split("r0");
  split("r2");
  keys.push_back("t");
  split("t1");
  keys.push_back("u");
  return keys;
}

}  // namespace

KeyDivision DivisionOfRun(Partitioner partitioner) {
  KeyDivision division{.partitioner = partitioner};
  if (partitioner == Partitioner::kLastCharacter) {
    division.slot_count = kLastCharacterSlots;
  } else if (partitioner == Partitioner::kKeyRanges) {
    division.split_keys = SplitKeys();
    division.slot_count = static_cast<uint32_t>(division.split_keys.size() + 1);
  }
  return division;
}

std::vector<node::ShardConfig> DividedShards(
    const std::vector<node::NodeConfig>& nodes,
    const node::EvenSharding& sharding, const KeyDivision& division) {
  std::vector<node::ShardConfig> shards =
      node::EvenShards(nodes, sharding, division.slot_count);
  if (division.partitioner == Partitioner::kHashSlots) return shards;
  CHECK_LE(shards.size(), kDividedGroupsMax);
  for (node::ShardConfig& shard : shards) shard.slots.clear();
  for (uint32_t slot = 0; slot < division.slot_count; ++slot) {
    const auto number = static_cast<uint16_t>(slot);
    auto& ranges = shards[slot / 2 % shards.size()].slots;
    if (ranges.empty() || ranges.back().second + 1 != number) {
      ranges.emplace_back(number, number);
    }
    ranges.back().second = number;
  }
  return shards;
}

}  // namespace quorate::sim
