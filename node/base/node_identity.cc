#include "node/base/node_identity.h"

#include <cstdint>

#include "env/parse_integer.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

// Removes the number before the next space, or the rest, from `text`.
template <typename T>
bool TakeNumber(std::string_view* text, T* number) {
  const size_t end = text->find(' ');
  const bool ok = ParseInteger(text->substr(0, end), number);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return ok;
}

}  // namespace

std::string FormatIdentity(const env::TransportIdentity& identity) {
  return Concat(identity.cluster, ' ', identity.node, ' ', identity.incarnation,
                ' ', identity.version_min, ' ', identity.version_max, ' ',
                identity.bootstrap_checksum);
}

bool ParseIdentity(std::string_view text, env::TransportIdentity* identity) {
  uint64_t cluster;
  uint32_t node;
  uint64_t store;
  if (!TakeNumber(&text, &cluster) || !TakeNumber(&text, &node) ||
      !TakeNumber(&text, &store) ||
      !TakeNumber(&text, &identity->version_min) ||
      !TakeNumber(&text, &identity->version_max) ||
      !TakeNumber(&text, &identity->bootstrap_checksum) || !text.empty()) {
    return false;
  }
  identity->cluster = ClusterId(cluster);
  identity->node = NodeId(node);
  identity->incarnation = StoreIncarnation(store);
  return true;
}

std::string IdentityDifference(const env::TransportIdentity& self,
                               NodeId expected,
                               const env::TransportIdentity& other) {
  if (other.cluster != self.cluster) {
    return Concat("it belongs to cluster ", other.cluster,
                  ", this node to cluster ", self.cluster);
  }
  if (other.node != expected) {
    return Concat("node ", other.node, " answers at its address");
  }
  if (other.version_max < self.version_min ||
      self.version_max < other.version_min) {
    return Concat("it speaks version ", other.version_max,
                  " of the peer protocol, this node version ",
                  self.version_max);
  }
  if (other.bootstrap_checksum != self.bootstrap_checksum) {
    return "it was bootstrapped with other groups, replicas, read-only nodes "
           "or slots than this node";
  }
  return {};
}

}  // namespace quorate::node
