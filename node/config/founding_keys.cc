#include "node/config/founding_keys.h"

#include <algorithm>

#include "node/base/text.h"

namespace quorate::node {

absl::StatusOr<KeyDivision> DivisionOf(const FoundingKeys& keys) {
  constexpr Partitioner kKnown[] = {Partitioner::kHashSlots,
                                    Partitioner::kLastCharacter,
                                    Partitioner::kKeyRanges};
  const auto* const named =
      std::ranges::find(kKnown, keys.partitioner, PartitionerName);
  if (named == std::end(kKnown)) {
    return absl::InvalidArgumentError(
        Concat("key 'founding.partitioner': expected hash_slots, "
               "last_character or key_ranges, found \"",
               keys.partitioner, "\""));
  }
  KeyDivision division{.partitioner = *named};
  const bool counts = *named == Partitioner::kLastCharacter;
  if (counts != (keys.slots != 0)) {
    return absl::InvalidArgumentError(Concat(
        "key 'founding.slots': expected ",
        counts ? "a number of slots" : "no such key", " with the partitioner ",
        keys.partitioner, ", found ", counts ? "nothing" : "it"));
  }
  const bool ranges = *named == Partitioner::kKeyRanges;
  if (ranges == keys.split_keys.empty()) {
    return absl::InvalidArgumentError(Concat(
        "key 'founding.split_keys': expected ",
        ranges ? "at least one key" : "no such key", " with the partitioner ",
        keys.partitioner, ", found ", ranges ? "none" : "it"));
  }
  if (counts) division.slot_count = keys.slots;
  if (ranges) {
    division.slot_count = static_cast<uint32_t>(keys.split_keys.size() + 1);
    division.split_keys = keys.split_keys;
  }
  return division;
}

}  // namespace quorate::node
