// node/routing/node_identity.h: the identity that nodes present with
// QUORATE.STATUS, as text, and what keeps two of them apart.
//
// The identity is the one of the handshake between peers (env/transport.h). A
// node whose identity differs shares no group with this one, whatever the
// addresses in the configuration say.
#ifndef QUORATE_NODE_ROUTING_NODE_IDENTITY_H_
#define QUORATE_NODE_ROUTING_NODE_IDENTITY_H_

#include <string>
#include <string_view>

#include "env/ids.h"
#include "env/transport.h"

namespace quorate::node {

// "cluster node store version_min version_max bootstrap_checksum", in decimal
// digits.
std::string FormatIdentity(const env::TransportIdentity& identity);
// False if `text` is none.
bool ParseIdentity(std::string_view text, env::TransportIdentity* identity);

// Why `other`, which answered at the address of node `expected`, is no peer of
// `self`, in words about "it". Empty: it is a peer. Stores are not compared:
// which one belongs to a group is a fact of the group.
std::string IdentityDifference(const env::TransportIdentity& self,
                               NodeId expected,
                               const env::TransportIdentity& other);

}  // namespace quorate::node

#endif  // QUORATE_NODE_ROUTING_NODE_IDENTITY_H_
