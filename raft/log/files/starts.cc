#include "raft/log/files/starts.h"

#include <utility>

#include "absl/types/span.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"

namespace quorate::raft {
namespace {

constexpr char kFileName[] = "starts";
constexpr char kStagingName[] = "starts.new";
constexpr uint32_t kMagic = 0x54535251;  // "QRST".
constexpr uint32_t kVersion = 1;
constexpr size_t kFileBytesMax = 4 << 20;

void AppendAddress(std::string* out, const std::string& address) {
  CHECK_LE(address.size(), kStartAddressBytesMax);
  AppendFixed(out, static_cast<uint16_t>(address.size()));
  *out += address;
}

// False: it is too long.
bool TakeAddress(FixedReader* in, std::string* address) {
  const auto size = in->Take<uint16_t>();
  *address = std::string(in->TakeBytes(size));
  return size <= kStartAddressBytesMax;
}

}  // namespace

std::string EncodeStarts(StoreIncarnation store, const Starts& starts) {
  CHECK_LE(starts.tags.size(), env::kEarlierStartsMax);
  CHECK_LE(starts.others.size(), kStartOthersMax);
  CHECK_LE(starts.seen.size(), kSeenStartsMax);
  std::string body;
  AppendFixed(&body, starts.number);
  AppendFixed(&body, static_cast<uint32_t>(starts.tags.size()));
  for (const uint32_t tag : starts.tags) AppendFixed(&body, tag);
  AppendAddress(&body, starts.address);
  AppendFixed(&body, static_cast<uint32_t>(starts.others.size()));
  for (const std::string& other : starts.others) AppendAddress(&body, other);
  AppendFixed(&body, static_cast<uint8_t>(starts.gave_way ? 1 : 0));
  AppendFixed(&body, static_cast<uint32_t>(starts.seen.size()));
  for (const auto& [node, seen] : starts.seen) {
    AppendFixed(&body, node.value());
    AppendFixed(&body, seen.store.value());
    AppendFixed(&body, seen.start.number);
    AppendFixed(&body, seen.start.tag);
  }
  std::string bytes;
  AppendFixed(&bytes, kMagic);
  AppendFixed(&bytes, kVersion);
  AppendFixed(&bytes, store.value());
  AppendFixed(&bytes, static_cast<uint32_t>(body.size()));
  bytes += body;
  AppendFixed(&bytes, Crc32c(0, bytes));
  return bytes;
}

absl::StatusOr<Starts> DecodeStarts(StoreIncarnation store,
                                    std::string_view bytes) {
  const absl::Status damaged =
      absl::DataLossError("the file 'starts' is damaged");
  FixedReader file(bytes);
  const bool known = file.Take<uint32_t>() == kMagic &&
                     file.Take<uint32_t>() == kVersion &&
                     file.Take<uint64_t>() == store.value();
  FixedReader in(file.TakeBytes(file.Take<uint32_t>()));
  const size_t size = bytes.size() - file.rest().size();
  const auto checksum = file.Take<uint32_t>();
  if (!known || !file.ok() || Crc32c(0, bytes.substr(0, size)) != checksum) {
    return damaged;
  }
  Starts starts;
  starts.number = in.Take<uint64_t>();
  const auto tags = in.Take<uint32_t>();
  if (tags > env::kEarlierStartsMax) return damaged;
  for (uint32_t i = 0; i < tags; ++i)
    starts.tags.push_back(in.Take<uint32_t>());
  if (!TakeAddress(&in, &starts.address)) return damaged;
  const auto others = in.Take<uint32_t>();
  if (others > kStartOthersMax) return damaged;
  for (uint32_t i = 0; i < others && in.ok(); ++i) {
    if (!TakeAddress(&in, &starts.others.emplace_back())) return damaged;
  }
  const auto gave_way = in.Take<uint8_t>();
  if (gave_way > 1) return damaged;
  starts.gave_way = gave_way == 1;
  const auto count = in.Take<uint32_t>();
  if (count > kSeenStartsMax) return damaged;
  for (uint32_t i = 0; i < count && in.ok(); ++i) {
    const NodeId node(in.Take<uint32_t>());
    env::SeenStart& seen = starts.seen[node];
    seen.store = StoreIncarnation(in.Take<uint64_t>());
    seen.start.number = in.Take<uint64_t>();
    seen.start.tag = in.Take<uint32_t>();
  }
  if (!in.ok() || !in.rest().empty()) return damaged;
  return starts;
}

void StartsFile::Read(ReadDone done) {
  read_done_ = std::move(done);
  using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
  pending_ = disk_.Open(
      kFileName, env::Disk::OpenMode::kExisting, [this](Opened file) {
        if (!file.ok()) return FinishRead(file.status());
        file_ = *std::move(file);
        pending_ =
            file_->Read(0, kFileBytesMax, [this](absl::StatusOr<Buffer> bytes) {
              if (!bytes.ok()) return FinishRead(bytes.status());
              FinishRead(DecodeStarts(store_, bytes->view()));
            });
      });
}

// A crash may have left a longer staging file, whose end then follows the new
// bytes.
void StartsFile::Write(const Starts& starts, WriteDone done) {
  write_done_ = std::move(done);
  bytes_ = Buffer::Copy(EncodeStarts(store_, starts));
  using Opened = absl::StatusOr<std::unique_ptr<env::File>>;
  pending_ = disk_.Open(
      kStagingName, env::Disk::OpenMode::kCreateIfAbsent, [this](Opened file) {
        if (!file.ok()) return FinishWrite(file.status());
        file_ = *std::move(file);
        pending_ = file_->Write(0, absl::MakeConstSpan(&bytes_, 1),
                                env::Durability::kDurable,
                                [this](absl::Status status) {
                                  if (!status.ok()) return FinishWrite(status);
                                  Commit();
                                });
      });
}

void StartsFile::Commit() {
  pending_ = disk_.Rename(kStagingName, kFileName, [this](absl::Status status) {
    if (!status.ok()) return FinishWrite(status);
    pending_ = disk_.SyncDirectory(
        [this](absl::Status synced) { FinishWrite(synced); });
  });
}

void StartsFile::FinishRead(absl::StatusOr<Starts> result) {
  file_.reset();
  ReadDone done = std::move(read_done_);
  done(std::move(result));
}

void StartsFile::FinishWrite(const absl::Status& status) {
  file_.reset();
  WriteDone done = std::move(write_done_);
  done(status);
}

}  // namespace quorate::raft
