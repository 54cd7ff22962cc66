#include "node/cluster/node_addresses.h"

#include <string_view>

#include "env/check.h"

namespace quorate::node {
namespace {

using Text = std::string NodeAddresses::*;
constexpr Text kTexts[] = {&NodeAddresses::peer, &NodeAddresses::resp,
                           &NodeAddresses::resp_cluster, &NodeAddresses::http};

}  // namespace

size_t EncodedSize(const NodeAddresses& addresses) {
  size_t size = kAddressesFixedBytes;
  for (const Text text : kTexts) size += (addresses.*text).size();
  return size;
}

void AppendAddresses(std::string* out, const NodeAddresses& addresses) {
  AppendFixed(out, addresses.node.value());
  AppendFixed(out, addresses.store.value());
  AppendFixed(out, addresses.start);
  for (const Text text : kTexts) {
    const std::string& address = addresses.*text;
    CHECK_LE(address.size(), kAddressBytesMax);
    AppendFixed(out, static_cast<uint16_t>(address.size()));
    out->append(address);
  }
}

NodeAddresses TakeAddresses(FixedReader* reader) {
  NodeAddresses addresses;
  addresses.node = NodeId(reader->Take<uint32_t>());
  addresses.store = StoreIncarnation(reader->Take<uint64_t>());
  addresses.start = reader->Take<uint64_t>();
  for (const Text text : kTexts) {
    const auto size = reader->Take<uint16_t>();
    if (size > kAddressBytesMax) reader->Fail();
    addresses.*text = std::string(reader->TakeBytes(size));
  }
  return addresses;
}

}  // namespace quorate::node
