// net/cluster_view.h: who leads which group, as seen from outside by asking the
// nodes over RESP.
#ifndef QUORATE_NET_CLUSTER_VIEW_H_
#define QUORATE_NET_CLUSTER_VIEW_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "net/resp_client.h"

namespace quorate::net {

// One row of CLUSTER SLOTS: an inclusive range and the address of its master.
struct SlotRange {
  uint16_t first = 0;
  uint16_t last = 0;
  std::string master;
  friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

// kDataLoss for what is no answer to CLUSTER SLOTS.
absl::StatusOr<std::vector<SlotRange>> ParseClusterSlots(
    const RespValue& reply);

// The master of `slot`; none when no row covers it.
std::optional<std::string> MasterOf(const std::vector<SlotRange>& ranges,
                                    uint16_t slot);

}  // namespace quorate::net

#endif  // QUORATE_NET_CLUSTER_VIEW_H_
