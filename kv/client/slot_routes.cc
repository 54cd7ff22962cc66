#include "kv/client/slot_routes.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "env/check.h"
#include "env/host_port.h"
#include "env/parse_integer.h"

namespace quorate::kv {
namespace {

// Returns an address to dial, with the host of `from` if the host is empty or
// unknown.
std::string Address(std::string_view host, uint16_t port,
                    std::string_view from) {
  if (host.empty() || host == "?") {
    const absl::StatusOr<HostPort> replied = ParseBareHostPort(from);
    if (replied.ok()) return FormatHostPort(replied->host, port);
  }
  return FormatHostPort(host, port);
}

}  // namespace

SlotRoutes::SlotRoutes(std::vector<std::string> seeds)
    : addresses_(std::move(seeds)), of_slot_(kHashSlotCount, kUnknownNode) {
  CHECK(!addresses_.empty());
  CHECK_LE(addresses_.size(), kRouteAddressesMax);
}

const std::string* SlotRoutes::Find(Slot slot) const {
  CHECK_LT(slot.value(), of_slot_.size());
  const uint16_t index = of_slot_[slot.value()];
  return index == kUnknownNode ? nullptr : &addresses_[index];
}

const std::string& SlotRoutes::Any(uint64_t turn) const {
  return addresses_[turn % addresses_.size()];
}

uint16_t SlotRoutes::IndexOf(const std::string& address) {
  const auto found = std::find(addresses_.begin(), addresses_.end(), address);
  if (found == addresses_.end()) {
    if (addresses_.size() >= kRouteAddressesMax) return kUnknownNode;
    addresses_.push_back(address);
    return static_cast<uint16_t>(addresses_.size() - 1);
  }
  return static_cast<uint16_t>(found - addresses_.begin());
}

bool SlotRoutes::Update(const RespValue& cluster_slots, std::string_view from) {
  if (cluster_slots.kind != RespValue::Kind::kArray) return false;
  std::vector<uint16_t> of_slot(kHashSlotCount, kUnknownNode);
  for (const RespValue& range : cluster_slots.elements) {
    if (range.elements.size() < 3) return false;
    const int64_t first = range.elements[0].integer;
    const int64_t last = range.elements[1].integer;
    const std::vector<RespValue>& owner = range.elements[2].elements;
    if (first < 0 || last < first || last >= int64_t{kHashSlotCount} ||
        owner.size() < 2 || owner[1].integer <= 0 || owner[1].integer > 65535) {
      return false;
    }
    const uint16_t index = IndexOf(
        Address(owner[0].text, static_cast<uint16_t>(owner[1].integer), from));
    std::fill(of_slot.begin() + first, of_slot.begin() + last + 1, index);
  }
  of_slot_ = std::move(of_slot);
  return true;
}

bool SlotRoutes::Moved(std::string_view error, std::string_view from) {
  constexpr std::string_view kWord = "MOVED ";
  if (error.substr(0, kWord.size()) != kWord) return false;
  error.remove_prefix(kWord.size());
  const size_t space = error.find(' ');
  uint16_t slot = 0;
  if (space == std::string_view::npos ||
      !ParseInteger(error.substr(0, space), &slot) || slot >= kHashSlotCount) {
    return false;
  }
  const absl::StatusOr<HostPort> node =
      ParseBareHostPort(error.substr(space + 1));
  if (!node.ok() || node->port == 0) return false;
  of_slot_[slot] = IndexOf(Address(node->host, node->port, from));
  return true;
}

void SlotRoutes::Forget(Slot slot) {
  CHECK_LT(slot.value(), of_slot_.size());
  of_slot_[slot.value()] = kUnknownNode;
}

}  // namespace quorate::kv
