#include "shardctrl/partition.h"

#include "absl/strings/str_cat.h"

namespace quorate {

absl::Status CheckSlotCount(Partitioner partitioner, uint32_t slot_count) {
  switch (partitioner) {
    case Partitioner::kHashSlots:
      if (slot_count == kHashSlotCount) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat(
          "hash_slots needs ", kHashSlotCount, " slots, not ", slot_count));
    case Partitioner::kLastCharacter:
    case Partitioner::kKeyRanges:
      if (slot_count >= 1 && slot_count <= kFewSlotsMax) {
        return absl::OkStatus();
      }
      return absl::InvalidArgumentError(absl::StrCat(
          std::string(PartitionerName(partitioner)), " needs 1 to ",
          kFewSlotsMax, " slots, not ", slot_count));
  }
  return absl::InvalidArgumentError(
      absl::StrCat("an unknown partitioner, ", static_cast<int>(partitioner)));
}

absl::Status CheckSplitKeys(const KeyDivision& division) {
  const std::vector<std::string>& keys = division.split_keys;
  if (division.partitioner != Partitioner::kKeyRanges) {
    if (keys.empty()) return absl::OkStatus();
    return absl::InvalidArgumentError(
        absl::StrCat("only key_ranges has split keys, not ",
                     std::string(PartitionerName(division.partitioner))));
  }
  if (keys.size() + 1 != division.slot_count) {
    return absl::InvalidArgumentError(absl::StrCat(
        division.slot_count, " slots need ", division.slot_count - 1,
        " split keys, not ", keys.size()));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (keys[i].empty() || keys[i].size() > kSplitKeyBytesMax) {
      return absl::InvalidArgumentError(
          absl::StrCat("a split key has from 1 to ", kSplitKeyBytesMax,
                       " bytes, not ", keys[i].size()));
    }
    if (i > 0 && keys[i] <= keys[i - 1]) {
      return absl::InvalidArgumentError(
          absl::StrCat("split keys ascend, but number ", i + 1,
                       " is not greater than number ", i));
    }
  }
  return absl::OkStatus();
}

}  // namespace quorate
