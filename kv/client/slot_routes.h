// kv/client/slot_routes.h: what a client knows of who serves which slot: from CLUSTER SLOTS and from MOVED.
//
// A guess that any answer may correct: it decides where a request is tried first, never whether it is right.
#ifndef QUORATE_KV_CLIENT_SLOT_ROUTES_H_
#define QUORATE_KV_CLIENT_SLOT_ROUTES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kv/client/resp_reply.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Distinct addresses a client remembers.
inline constexpr size_t kRouteAddressesMax = 1024;

class SlotRoutes {
 public:
  // `seeds` are tried where nothing better is known. Requires: not empty.
  explicit SlotRoutes(std::vector<std::string> seeds);

  // Who serves the slot, or null.
  const std::string* Find(Slot slot) const;
  // Some known address, another for each `turn`.
  const std::string& Any(uint64_t turn) const;

  // Takes the reply of CLUSTER SLOTS from `from`, whose host stands for empty ones. False if it cannot be read: nothing
  // changes.
  bool Update(const RespValue& cluster_slots, std::string_view from);
  // Takes "MOVED slot host:port" likewise. False if it cannot be read.
  bool Moved(std::string_view error, std::string_view from);
  // The slot's owner did not answer: ask anyone next time.
  void Forget(Slot slot);

 private:
  static constexpr uint16_t kNobody = 0xffff;

  uint16_t IndexOf(const std::string& address);

  // Seeds first.
  std::vector<std::string> addresses_;
  std::vector<uint16_t> of_slot_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_CLIENT_SLOT_ROUTES_H_
