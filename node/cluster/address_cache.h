// node/cluster/address_cache.h: keeps the addresses that nodes reported in a
// file, for the next start (docs/reference/formats/addresses.md).
//
// The file is a hint. A damaged one is as good as none, and no error matters. A
// node may know of the others from there alone, so it survives a loss of power.
#ifndef QUORATE_NODE_CLUSTER_ADDRESS_CACHE_H_
#define QUORATE_NODE_CLUSTER_ADDRESS_CACHE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "node/cluster/cluster_map.h"
#include "node/cluster/node_addresses.h"

namespace quorate::node {

// The file. Rows ascend by node.
std::string EncodeAddressCache(ClusterId cluster,
                               const std::vector<NodeAddresses>& rows);
// Empty for bytes of another cluster, or of a damaged file. Bytes behind the
// rows, of an earlier and longer file, are ignored.
std::vector<NodeAddresses> DecodeAddressCache(ClusterId cluster,
                                              std::string_view bytes);

class AddressCache {
 public:
  // A change is written after this time, with those that follow it.
  static constexpr Duration kDelay = Seconds(1);

  // All outlive the object.
  AddressCache(env::Env& env, ClusterId cluster, ClusterMap& map)
      : env_(env), cluster_(cluster), map_(map) {}
  AddressCache(const AddressCache&) = delete;
  AddressCache& operator=(const AddressCache&) = delete;

  // Reads the file and tells the map. Call once the directory is locked.
  void Start();
  // Reports that a node reported its addresses.
  void OnClusterChanged();

 private:
  void OnRead(std::string_view bytes);
  void Write();
  void OnWritten(const absl::Status& status);

  env::Env& env_;
  const ClusterId cluster_;
  ClusterMap& map_;
  std::unique_ptr<env::File> file_;  // Open during an operation.
  bool read_ = false;  // The file was read, and no operation on it failed.
  bool writing_ = false;
  std::string written_;
  env::Pending operation_;
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLUSTER_ADDRESS_CACHE_H_
