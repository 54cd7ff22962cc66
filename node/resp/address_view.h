// node/resp/address_view.h: the node as clients of one of its RESP addresses
// see it.
//
// A value of two words, passed by value. It knows no connection.
#ifndef QUORATE_NODE_RESP_ADDRESS_VIEW_H_
#define QUORATE_NODE_RESP_ADDRESS_VIEW_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

class AddressView {
 public:
  // `context` outlives the view.
  AddressView(const Context& context, RespAddress address)
      : context_(&context), address_(address) {}

  RespAddress address() const { return address_; }
  // True for cluster clients, false for plain clients.
  bool cluster() const { return address_ == RespAddress::kCluster; }
  // True if the node reports itself as a master. A plain client sees a master
  // wherever it may write.
  bool IsMaster() const {
    return cluster() ? context_->topology.self().master == NodeId()
                     : !context_->cluster.self().read_only;
  }
  // The address of `node` for this kind of client.
  const std::string& AddressOf(const NodeConfig& node) const {
    return cluster() ? node.resp_cluster : node.resp;
  }
  // The address at which this node listens for this kind of client.
  const std::string& listen_address() const {
    const ListenConfig& listen = context_->config.listen;
    return cluster() ? listen.resp_cluster : listen.resp;
  }

 private:
  const Context* context_;
  RespAddress address_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESP_ADDRESS_VIEW_H_
