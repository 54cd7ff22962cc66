// node/routing/hosted_store.h: the store of a group that this node hosts.
//
// A host has state machines of several kinds. The kind is a part of the group's
// configuration, and never changes.
#ifndef QUORATE_NODE_ROUTING_HOSTED_STORE_H_
#define QUORATE_NODE_ROUTING_HOSTED_STORE_H_

#include "env/ids.h"
#include "kv/store/parameters.h"
#include "kv/store/store.h"
#include "raft/host/host.h"

namespace quorate::node {

// Whether the configuration makes the group a store.
inline bool IsStore(const raft::Configuration& configuration) {
  return configuration.machine_kind == kv::kStoreKind;
}

// Null if the host holds no replica of the group, or one of another kind. Also
// null while the replica knows no configuration.
inline kv::Store* HostedStore(raft::Host& host, GroupId group) {
  const raft::Core* const core = host.core(group);
  return core == nullptr || !IsStore(core->configuration())
             ? nullptr
             : static_cast<kv::Store*>(host.state_machine(group));
}
inline const kv::Store* HostedStore(const raft::Host& host, GroupId group) {
  // The result is const, so the host changes as little as its state machines.
  return HostedStore(const_cast<raft::Host&>(host), group);
}

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_HOSTED_STORE_H_
