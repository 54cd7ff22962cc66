// node/cluster/node_addresses.h: the addresses of a node, as it reported them
// itself.
//
// They are hints: the handshake proves who answers at an address.
#ifndef QUORATE_NODE_CLUSTER_NODE_ADDRESSES_H_
#define QUORATE_NODE_CLUSTER_NODE_ADDRESSES_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <tuple>

#include "env/ids.h"
#include "env/little_endian.h"

namespace quorate::node {

// Limit of the size of one address, in bytes: a host name and a port.
inline constexpr size_t kAddressBytesMax = 300;

// A node has one set of addresses for each start of its program. Node zero:
// none.
struct NodeAddresses {
  NodeId node;
  StoreIncarnation store;
  // env::StoreStart::number of that start. It orders the sets of one store.
  uint64_t start = 0;
  // In the form "host:port".
  std::string peer;
  std::string resp;
  std::string resp_cluster;
  std::string http;

  friend bool operator==(const NodeAddresses&, const NodeAddresses&) = default;
};

// Whether `a` replaces `b` when neither came from the node itself. Stores have
// no order, but every node prefers the same one.
inline bool IsNewer(const NodeAddresses& a, const NodeAddresses& b) {
  return std::tuple(a.start, a.store) > std::tuple(b.start, b.store);
}

// Node, store, start, and the sizes of four addresses.
inline constexpr size_t kAddressesFixedBytes = 4 + 8 + 8 + 4 * 2;
size_t EncodedSize(const NodeAddresses& addresses);
// Requires: addresses of at most kAddressBytesMax.
void AppendAddresses(std::string* out, const NodeAddresses& addresses);
// The reader fails for bytes that AppendAddresses does not append.
NodeAddresses TakeAddresses(FixedReader* reader);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_NODE_ADDRESSES_H_
