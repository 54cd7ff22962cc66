// kv/client/slot_routes.h: a client's map from slots to nodes, from
// QUORATE.SLOTS or CLUSTER SLOTS, and MOVED.
//
// The map is a hint: it decides which node is tried first. Every answer may
// correct it. An address that several replies in a row do not name is
// forgotten, since nodes leave or change their addresses. Addresses have the
// form of env/host_port.h, also where the replies have IPv6 literals without
// brackets.
#ifndef QUORATE_KV_CLIENT_SLOT_ROUTES_H_
#define QUORATE_KV_CLIENT_SLOT_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/client/resp_reply.h"
#include "kv/slots/slot.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// The most addresses that a client remembers.
inline constexpr size_t kRouteAddressesMax = 1024;

class SlotRoutes {
 public:
  // `seeds`, "host:port" or "[::1]:port", are tried for slots without a known
  // node. Requires: not empty.
  // Nodes of `zone` come first, if there are some. Empty: all are alike.
  explicit SlotRoutes(std::vector<std::string> seeds, std::string zone = "");

  // The address of the slot's node, or null.
  const std::string* Find(Slot slot) const;
  // The address of a node with a replica of the slot, a different one for each
  // `turn`. Null: none is known.
  const std::string* FindReplica(Slot slot, uint64_t turn) const;
  // A known address, a different one for each `turn`.
  const std::string& Any(uint64_t turn) const;
  // Whether the address is a seed, or was named and not forgotten.
  bool Knows(std::string_view address) const;

  // Reads the reply of QUORATE.SLOTS from node `from`, whose host replaces
  // empty hosts. A slot belongs to the first node of its row; the others have
  // replicas. A node may name its zone ("availability-zone"). Returns false,
  // without a change, if the reply is invalid.
  bool Update(const RespValue& cluster_slots, std::string_view from);
  // Reads "MOVED slot host:port"; `from` replaces an empty host. Returns false
  // if the text is invalid.
  bool Moved(std::string_view error, std::string_view from);
  // Forgets the slot's node, which did not answer. The next request goes to any
  // node.
  void Forget(Slot slot);

 private:
  static constexpr uint16_t kUnknownNode = 0xffff;
  // A reply may come from a node that knows the cluster of a while ago.
  static constexpr uint64_t kRepliesUntilForgotten = 3;

  struct Address {
    std::string text;
    uint64_t named = 0;  // The number of the last reply that named it.
    bool near = false;   // It is in the zone of the client.
  };
  struct Holders {
    SlotRange slots;
    std::vector<uint16_t> nodes;
  };

  bool IsNear(const std::vector<RespValue>& metadata) const;
  // Forgets addresses that the last replies did not name. The caller assigns
  // all slots afterwards.
  void ForgetUnnamed();
  // Marks the address as named, and adds it if there is room.
  uint16_t IndexOf(const std::string& address);

  const size_t seeds_;
  const std::string zone_;
  uint64_t replies_ = 0;
  // The seeds, then addresses from replies.
  std::vector<Address> addresses_;
  std::vector<uint16_t> of_slot_;
  std::vector<Holders> holders_;  // By slots.
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_SLOT_ROUTES_H_
