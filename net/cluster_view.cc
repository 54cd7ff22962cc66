#include "net/cluster_view.h"

#include "absl/status/status.h"
#include "net/address.h"

namespace quorate::net {

using Kind = RespValue::Kind;

absl::StatusOr<std::vector<SlotRange>> ParseClusterSlots(
    const RespValue& reply) {
  const absl::Status nonsense =
      absl::DataLossError("not an answer to CLUSTER SLOTS");
  if (!reply.is(Kind::kArray)) return nonsense;
  std::vector<SlotRange> ranges;
  for (const RespValue& row : reply.items) {
    if (row.items.size() < 3 || !row.items[0].is(Kind::kInteger) ||
        !row.items[1].is(Kind::kInteger) || row.items[2].items.size() < 2 ||
        !row.items[2].items[1].is(Kind::kInteger)) {
      return nonsense;
    }
    const RespValue& master = row.items[2];
    ranges.push_back({.first = static_cast<uint16_t>(row.items[0].integer),
                      .last = static_cast<uint16_t>(row.items[1].integer),
                      .master = FormatHostPort(
                          master.items[0].text,
                          static_cast<uint16_t>(master.items[1].integer))});
  }
  return ranges;
}

std::optional<std::string> MasterOf(const std::vector<SlotRange>& ranges,
                                    uint16_t slot) {
  for (const SlotRange& range : ranges) {
    if (range.first <= slot && slot <= range.last) return range.master;
  }
  return std::nullopt;
}

}  // namespace quorate::net
