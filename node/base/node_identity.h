// node/base/node_identity.h: the identity that nodes present with
// QUORATE.STATUS, as text, and the comparison of two identities.
//
// The identity is that of the handshake between peers (env/transport.h). Nodes
// whose identities differ share no group, even if their configurations name
// each other's addresses.
#ifndef QUORATE_NODE_BASE_NODE_IDENTITY_H_
#define QUORATE_NODE_BASE_NODE_IDENTITY_H_

#include <string>
#include <string_view>

#include "env/ids.h"
#include "env/transport.h"

namespace quorate::node {

// Returns "cluster node store version_min version_max bootstrap_checksum", in
// decimal digits.
std::string FormatIdentity(const env::TransportIdentity& identity);
// Returns false if `text` is no identity.
bool ParseIdentity(std::string_view text, env::TransportIdentity* identity);

// Returns the reason why `other`, which answered at the address of node
// `expected`, is no peer of `self`, in words about "it". Empty: it is a peer.
// Stores are not compared: each group knows the store that belongs to it.
std::string IdentityDifference(const env::TransportIdentity& self,
                               NodeId expected,
                               const env::TransportIdentity& other);

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_NODE_IDENTITY_H_
