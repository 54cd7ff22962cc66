#include "sim/workload/client_router.h"

#include "kv/slots/slot.h"

namespace quorate::sim {
namespace {
constexpr Duration kAvoidTime = Seconds(3);
}  // namespace

uint32_t ClientRouter::Route(const ClientOperation& operation, uint64_t attempt,
                             MonoTime now) {
  if (attempt == 1 && operation.first_node) return *operation.first_node;
  uint32_t any = preferred_;
  if (!stays_with_node_) {
    any = static_cast<uint32_t>(
        operation.random.Below(nodes_, "client.node", 0, attempt));
  }
  for (uint32_t i = 0; i < nodes_ && Avoids(any, operation, now); ++i) {
    any = (any + 1) % nodes_;
  }
  if (stays_with_node_) preferred_ = any;
  if (operation.stale || operation.opens_session) return any;
  const auto it = node_of_slot_.find(kv::HashSlot(operation.call.key).value());
  return it == node_of_slot_.end() || FailedRecently(it->second, now)
             ? any
             : it->second;
}

void ClientRouter::Forget(const std::string& key) {
  node_of_slot_.erase(kv::HashSlot(key).value());
}

void ClientRouter::OnFailed(uint32_t node, MonoTime now) {
  avoided_until_[node] = now + kAvoidTime;
  // Another node may begin at its address.
  read_only_.erase(node);
}

bool ClientRouter::FailedRecently(uint32_t node, MonoTime now) const {
  const auto it = avoided_until_.find(node);
  return it != avoided_until_.end() && it->second > now;
}

bool ClientRouter::Avoids(uint32_t node, const ClientOperation& operation,
                          MonoTime now) const {
  if (FailedRecently(node, now)) return true;
  return !operation.is_read() && !operation.opens_session &&
         read_only_.contains(node);
}

void ClientRouter::ChangePreferred(uint32_t node) {
  if (node == preferred_) preferred_ = (preferred_ + 1) % nodes_;
}

}  // namespace quorate::sim
