#include "node/cluster/cache_file.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::node {
namespace {

constexpr uint32_t kFrameVersion = 1;

using OpenedFile = absl::StatusOr<std::unique_ptr<env::File>>;

}  // namespace

std::string FrameCache(uint32_t magic, ClusterId cluster,
                       std::string_view body) {
  std::string rest;
  AppendFixed(&rest, cluster.value());
  rest += body;
  std::string bytes;
  AppendFixed(&bytes, magic);
  AppendFixed(&bytes, kFrameVersion);
  AppendFixed(&bytes, static_cast<uint32_t>(rest.size()));
  AppendFixed(&bytes, Crc32c(0, rest));
  return bytes + rest;
}

std::string_view BodyOfCache(uint32_t magic, ClusterId cluster,
                             std::string_view bytes) {
  FixedReader file(bytes);
  if (file.Take<uint32_t>() != magic ||
      file.Take<uint32_t>() != kFrameVersion) {
    return {};
  }
  const auto size = file.Take<uint32_t>();
  const auto checksum = file.Take<uint32_t>();
  const std::string_view rest = file.TakeBytes(size);
  if (!file.ok() || Crc32c(0, rest) != checksum) return {};
  FixedReader reader(rest);
  if (reader.Take<uint64_t>() != cluster.value() || !reader.ok()) return {};
  return reader.rest();
}

void CacheFile::Read(absl::AnyInvocable<void(std::string_view bytes)> done) {
  on_read_ = std::move(done);
  operation_ = env_.disk.Open(
      name_, env::Disk::OpenMode::kExisting, [this](OpenedFile file) {
        if (!file.ok()) {
          usable_ = absl::IsNotFound(file.status());
          return std::exchange(on_read_, nullptr)("");
        }
        file_ = *std::move(file);
        operation_ = file_->Read(
            0, size_bytes_max_, [this](absl::StatusOr<Buffer> bytes) {
              file_.reset();
              usable_ = bytes.ok();
              std::exchange(on_read_, nullptr)(usable_ ? bytes->view() : "");
            });
      });
}

void CacheFile::Write(std::string bytes, absl::AnyInvocable<void()> done) {
  if (!usable_ || bytes == written_ || bytes.size() > size_bytes_max_) {
    return done();
  }
  written_ = std::move(bytes);
  on_written_ = std::move(done);
  operation_ = env_.disk.Open(
      name_, env::Disk::OpenMode::kCreateIfAbsent, [this](OpenedFile file) {
        if (!file.ok()) return OnWritten(file.status());
        file_ = *std::move(file);
        const Buffer buffer = Buffer::Copy(written_);
        operation_ = file_->Write(
            0, absl::MakeConstSpan(&buffer, 1), env::Durability::kDurable,
            [this](absl::Status status) { OnWritten(status); });
      });
}

void CacheFile::OnWritten(const absl::Status& status) {
  file_.reset();
  usable_ = status.ok();
  std::exchange(on_written_, nullptr)();
}

}  // namespace quorate::node
