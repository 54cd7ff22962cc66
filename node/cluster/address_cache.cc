#include "node/cluster/address_cache.h"

#include <utility>

#include "env/little_endian.h"

namespace quorate::node {
namespace {

constexpr uint32_t kMagic = 0x52444151;  // "QADR".

}  // namespace

std::string EncodeAddressCache(ClusterId cluster,
                               const std::vector<NodeAddresses>& rows) {
  std::string body;
  AppendFixed(&body, static_cast<uint32_t>(rows.size()));
  for (const NodeAddresses& row : rows) AppendAddresses(&body, row);
  return FrameCache(kMagic, cluster, body);
}

std::vector<NodeAddresses> DecodeAddressCache(ClusterId cluster,
                                              std::string_view bytes) {
  FixedReader reader(BodyOfCache(kMagic, cluster, bytes));
  const auto count = reader.Take<uint32_t>();
  std::vector<NodeAddresses> rows;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    rows.push_back(TakeAddresses(&reader));
  }
  if (!reader.ok() || !reader.rest().empty()) return {};
  return rows;
}

void AddressCache::Start() {
  file_.Read([this](std::string_view bytes) {
    for (const NodeAddresses& row : DecodeAddressCache(cluster_, bytes)) {
      map_.LearnFromOther(row);
    }
    read_ = true;
    OnClusterChanged();
  });
}

void AddressCache::OnClusterChanged() {
  if (!read_ || writing_) return;
  writing_ = true;
  timer_ =
      env_.loop.At(env_.loop.ReadClock().mono + kDelay, [this] { Write(); });
}

void AddressCache::Write() {
  std::vector<NodeAddresses> rows;
  for (const auto& [node, report] : map_.reports()) rows.push_back(report);
  std::string bytes = EncodeAddressCache(cluster_, rows);
  if (rows.empty() || bytes == written_) {
    writing_ = false;
    return;
  }
  written_ = bytes;
  file_.Write(std::move(bytes), [this] {
    writing_ = false;
    OnClusterChanged();
  });
}

}  // namespace quorate::node
