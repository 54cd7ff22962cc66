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
std::string AddressOf(std::string_view host, uint16_t port,
                      std::string_view from) {
  if (host.empty() || host == "?") {
    const absl::StatusOr<HostPort> replied = ParseBareHostPort(from);
    if (replied.ok()) return FormatHostPort(replied->host, port);
  }
  return FormatHostPort(host, port);
}

}  // namespace

SlotRoutes::SlotRoutes(std::vector<std::string> seeds, std::string zone)
    : seeds_(seeds.size()),
      zone_(std::move(zone)),
      of_slot_(kHashSlotCount, kUnknownNode) {
  CHECK(!seeds.empty());
  CHECK_LE(seeds.size(), kRouteAddressesMax);
  for (std::string& seed : seeds) addresses_.push_back({std::move(seed)});
}

const std::string* SlotRoutes::Find(Slot slot) const {
  CHECK_LT(slot.value(), of_slot_.size());
  const uint16_t index = of_slot_[slot.value()];
  return index == kUnknownNode ? nullptr : &addresses_[index].text;
}

const std::string* SlotRoutes::FindReplica(Slot slot, uint64_t turn) const {
  const auto row = std::ranges::upper_bound(
      holders_, slot, {},
      [](const Holders& holders) { return holders.slots.first; });
  if (row == holders_.begin() || std::prev(row)->slots.last < slot) {
    return nullptr;
  }
  const std::vector<uint16_t>& nodes = std::prev(row)->nodes;
  const auto is_near = [this](uint16_t node) { return addresses_[node].near; };
  const auto near = std::ranges::count_if(nodes, is_near);
  if (near == 0) return &addresses_[nodes[turn % nodes.size()]].text;
  uint64_t left = turn % static_cast<uint64_t>(near);
  const auto found = std::ranges::find_if(
      nodes, [&](uint16_t node) { return is_near(node) && left-- == 0; });
  return &addresses_[*found].text;
}

const std::string& SlotRoutes::Any(uint64_t turn) const {
  // Every other turn, so that a client whose near nodes are gone finds others.
  const size_t count = addresses_.size();
  for (size_t i = 0; turn % 2 == 0 && i < count; ++i) {
    const Address& address = addresses_[(turn / 2 + i) % count];
    if (address.near) return address.text;
  }
  return addresses_[turn % count].text;
}

bool SlotRoutes::Knows(std::string_view address) const {
  return std::ranges::find(addresses_, address, &Address::text) !=
         addresses_.end();
}

uint16_t SlotRoutes::IndexOf(const std::string& address) {
  const auto found = std::ranges::find(addresses_, address, &Address::text);
  if (found == addresses_.end()) {
    if (addresses_.size() >= kRouteAddressesMax) return kUnknownNode;
    addresses_.push_back({.text = address, .named = replies_});
    return static_cast<uint16_t>(addresses_.size() - 1);
  }
  found->named = replies_;
  return static_cast<uint16_t>(found - addresses_.begin());
}

void SlotRoutes::ForgetUnnamed() {
  const auto learned = addresses_.begin() + static_cast<ptrdiff_t>(seeds_);
  addresses_.erase(
      std::remove_if(learned, addresses_.end(),
                     [this](const Address& address) {
                       return address.named + kRepliesUntilForgotten < replies_;
                     }),
      addresses_.end());
}

bool SlotRoutes::Update(const RespValue& cluster_slots, std::string_view from) {
  if (cluster_slots.kind != RespValue::Kind::kArray) return false;
  struct Named {
    std::string address;
    bool near = false;
  };
  struct Row {
    int64_t first;
    int64_t last;
    std::vector<Named> nodes;
  };
  std::vector<Row> rows;
  for (const RespValue& range : cluster_slots.elements) {
    if (range.elements.size() < 3) return false;
    Row& row = rows.emplace_back();
    row.first = range.elements[0].integer;
    row.last = range.elements[1].integer;
    if (row.first < 0 || row.last < row.first ||
        row.last >= int64_t{kHashSlotCount}) {
      return false;
    }
    for (size_t i = 2; i < range.elements.size(); ++i) {
      const std::vector<RespValue>& node = range.elements[i].elements;
      if (node.size() < 2 || node[1].integer <= 0 || node[1].integer > 65535) {
        return false;
      }
      row.nodes.push_back(
          {.address = AddressOf(node[0].text,
                                static_cast<uint16_t>(node[1].integer), from),
           .near = node.size() > 3 && IsNear(node[3].elements)});
    }
  }
  ++replies_;
  ForgetUnnamed();
  std::ranges::fill(of_slot_, kUnknownNode);
  holders_.clear();
  for (const Row& row : rows) {
    Holders holders{{Slot(static_cast<uint16_t>(row.first)),
                     Slot(static_cast<uint16_t>(row.last))},
                    {}};
    for (const Named& node : row.nodes) {
      const uint16_t index = IndexOf(node.address);
      if (index == kUnknownNode) continue;
      addresses_[index].near = node.near;
      holders.nodes.push_back(index);
    }
    if (holders.nodes.empty()) continue;
    std::fill(of_slot_.begin() + row.first, of_slot_.begin() + row.last + 1,
              holders.nodes.front());
    holders_.push_back(std::move(holders));
  }
  std::ranges::sort(holders_, {},
                    [](const Holders& holders) { return holders.slots.first; });
  return true;
}

// `metadata`: names and values by turns.
bool SlotRoutes::IsNear(const std::vector<RespValue>& metadata) const {
  for (size_t i = 0; !zone_.empty() && i + 1 < metadata.size(); i += 2) {
    if (metadata[i].text == "availability-zone") {
      return metadata[i + 1].text == zone_;
    }
  }
  return false;
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
  of_slot_[slot] = IndexOf(AddressOf(node->host, node->port, from));
  return true;
}

void SlotRoutes::Forget(Slot slot) {
  CHECK_LT(slot.value(), of_slot_.size());
  of_slot_[slot.value()] = kUnknownNode;
}

}  // namespace quorate::kv
