#include "node/cluster/address_cache.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::node {
namespace {

constexpr char kFileName[] = "addresses";
constexpr uint32_t kMagic = 0x52444151;  // "QADR".
constexpr uint32_t kVersion = 1;
constexpr size_t kFileBytesMax = 8 << 20;

}  // namespace

std::string EncodeAddressCache(ClusterId cluster,
                               const std::vector<NodeAddresses>& rows) {
  std::string body;
  AppendFixed(&body, cluster.value());
  AppendFixed(&body, static_cast<uint32_t>(rows.size()));
  for (const NodeAddresses& row : rows) AppendAddresses(&body, row);
  std::string bytes;
  AppendFixed(&bytes, kMagic);
  AppendFixed(&bytes, kVersion);
  AppendFixed(&bytes, static_cast<uint32_t>(body.size()));
  AppendFixed(&bytes, Crc32c(0, body));
  return bytes + body;
}

std::vector<NodeAddresses> DecodeAddressCache(ClusterId cluster,
                                              std::string_view bytes) {
  FixedReader file(bytes);
  if (file.Take<uint32_t>() != kMagic || file.Take<uint32_t>() != kVersion) {
    return {};
  }
  const auto size = file.Take<uint32_t>();
  const auto checksum = file.Take<uint32_t>();
  const std::string_view body = file.TakeBytes(size);
  if (!file.ok() || Crc32c(0, body) != checksum) return {};
  FixedReader reader(body);
  if (reader.Take<uint64_t>() != cluster.value()) return {};
  const auto count = reader.Take<uint32_t>();
  std::vector<NodeAddresses> rows;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    rows.push_back(TakeAddresses(&reader));
  }
  if (!reader.ok() || !reader.rest().empty()) return {};
  return rows;
}

void AddressCache::Start() {
  using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
  operation_ = env_.disk.Open(
      kFileName, env::Disk::OpenMode::kExisting, [this](Opened file) {
        if (absl::IsNotFound(file.status())) return OnRead("");
        if (!file.ok()) return;
        file_ = *std::move(file);
        operation_ =
            file_->Read(0, kFileBytesMax, [this](absl::StatusOr<Buffer> bytes) {
              file_.reset();
              if (bytes.ok()) OnRead(bytes->view());
            });
      });
}

void AddressCache::OnRead(std::string_view bytes) {
  read_ = true;
  for (const NodeAddresses& row : DecodeAddressCache(cluster_, bytes)) {
    map_.LearnFromOther(row);
  }
  OnClusterChanged();
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
  if (rows.empty() || bytes == written_ || bytes.size() > kFileBytesMax) {
    writing_ = false;
    return;
  }
  written_ = std::move(bytes);
  using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
  operation_ = env_.disk.Open(
      kFileName, env::Disk::OpenMode::kCreateIfAbsent, [this](Opened file) {
        if (!file.ok()) return OnWritten(file.status());
        file_ = *std::move(file);
        const Buffer buffer = Buffer::Copy(written_);
        operation_ = file_->Write(
            0, absl::MakeConstSpan(&buffer, 1), env::Durability::kDurable,
            [this](absl::Status status) { OnWritten(status); });
      });
}

// A file with an error is left alone.
void AddressCache::OnWritten(const absl::Status& status) {
  file_.reset();
  writing_ = false;
  read_ = status.ok();
  OnClusterChanged();
}

}  // namespace quorate::node
