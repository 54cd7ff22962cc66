// kv/store/parameters.h: what the stores of a group are founded with.
//
// raft::Configuration::parameters holds their encoding
// (docs/reference/formats/parameters.md), so they are equal on every replica
// for good, whatever the configuration files say. Pure.
#ifndef QUORATE_KV_STORE_PARAMETERS_H_
#define QUORATE_KV_STORE_PARAMETERS_H_

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "kv/command/rules.h"
#include "kv/store/ownership.h"
#include "kv/store/store.h"
#include "raft/core/configuration.h"
#include "raft/core/types.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// That of every slot when its group is founded.
inline constexpr SlotEpoch kFoundingEpoch{1};
// The bytes of parameters without their runs and split keys, and those of each
// run.
inline constexpr size_t kParametersFrameBytes = 56;
inline constexpr size_t kRunBytes = 12;
// So many runs always fit into the parameters of a group.
inline constexpr size_t kOwnedRunsMax =
    (raft::kParametersBytesMax - kParametersFrameBytes) / kRunBytes;
// raft::Configuration::machine_kind of groups of a key-value store: "QKVS".
inline constexpr uint32_t kStoreKind = 0x53564b51;

struct Parameters {
  KeyDivision division = {};
  Rules rules = {};
  // Sorted; neighbours are merged if they have one epoch. No epoch is zero.
  std::vector<SlotRun> owned = {};
  friend bool operator==(const Parameters&, const Parameters&) = default;
};

Buffer EncodeParameters(const Parameters& parameters);
// Accepts exactly the output of the encoder. kFailedPrecondition: another
// version; kDataLoss: other bytes.
absl::StatusOr<Parameters> DecodeParameters(std::string_view bytes);

// The empty store of a group with this configuration. The errors are those of
// DecodeParameters, and kFailedPrecondition for another kind of group.
absl::StatusOr<StoreOptions> StoreOptionsOf(
    GroupId group, const raft::Configuration& configuration);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_PARAMETERS_H_
