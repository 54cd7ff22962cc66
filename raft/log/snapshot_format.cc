#include "raft/log/snapshot_format.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/disk.h"
#include "env/little_endian.h"
#include "env/parse_integer.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

constexpr std::string_view kFooterMagic = "quoratSN";
constexpr size_t kNameBytes = 64;
constexpr std::string_view kReceivedSuffix = ".r";
constexpr std::string_view kProgressSuffix = ".p";

absl::Status Damaged(const char* what) {
  return absl::DataLossError(
      absl::StrCat("the snapshot's ", what, " does not verify"));
}

uint32_t BlockSeed(GroupKey group, LogPosition position, uint64_t number) {
  return Crc32cSeed(group.group.value(), position.index.value(), number);
}

// Removes `digits` hexadecimal digits from `name` and parses them.
bool TakeHex(std::string_view* name, size_t digits, uint64_t* value) {
  if (name->size() < digits) return false;
  if (!ParsePaddedHex(name->substr(0, digits), value)) return false;
  name->remove_prefix(digits);
  return true;
}

bool TakeDash(std::string_view* name) {
  if (name->empty() || name->front() != '-') return false;
  name->remove_prefix(1);
  return true;
}

constexpr std::string_view kProgressMagic = "quoratSP";
constexpr size_t kProgressPrefixBytes = 16;

uint32_t RecordCrc(std::string_view header, std::string_view record) {
  return Crc32c(Crc32c(0, header), record);
}

}  // namespace

std::string SnapshotName(GroupKey group, LogPosition position) {
  const std::string name = absl::StrFormat(
      "snap-%08x-%016x-%016x-%016x", group.group.value(), group.replica.value(),
      position.term.value(), position.index.value());
  CHECK_EQ(name.size(), kNameBytes);
  return name;
}

std::optional<SnapshotFileName> ParseSnapshotName(std::string_view name) {
  if (name.substr(0, kSnapshotPrefix.size()) != kSnapshotPrefix) {
    return std::nullopt;
  }
  name.remove_prefix(kSnapshotPrefix.size());
  uint64_t group = 0;
  uint64_t replica = 0;
  uint64_t term = 0;
  uint64_t index = 0;
  if (!TakeHex(&name, 8, &group) || !TakeDash(&name) ||
      !TakeHex(&name, 16, &replica) || !TakeDash(&name) ||
      !TakeHex(&name, 16, &term) || !TakeDash(&name) ||
      !TakeHex(&name, 16, &index)) {
    return std::nullopt;
  }
  if (!name.empty() && name.front() != '.') return std::nullopt;
  SnapshotFileName result;
  result.group = {GroupId(static_cast<uint32_t>(group)), ReplicaId(replica)};
  result.position = {Term(term), Index(index)};
  result.staging = !name.empty();
  if (name.starts_with(kReceivedSuffix)) {
    name.remove_prefix(kReceivedSuffix.size());
    if (name.ends_with(kProgressSuffix)) {
      name.remove_suffix(kProgressSuffix.size());
    }
    if (!ParseInteger(name, &result.received)) result.received = 0;
  }
  return result;
}

std::string SnapshotProgressName(std::string_view staging_name) {
  return std::string(staging_name) + std::string(kProgressSuffix);
}

std::string PartnerOfReceived(std::string_view name) {
  const auto parsed = ParseSnapshotName(name);
  if (!parsed.has_value() || parsed->received == 0) return "";
  if (!name.ends_with(kProgressSuffix)) return SnapshotProgressName(name);
  name.remove_suffix(kProgressSuffix.size());
  return std::string(name);
}

uint32_t SnapshotBlockCrc(GroupKey group, LogPosition position, uint64_t number,
                          std::string_view bytes) {
  return Crc32c(BlockSeed(group, position, number), bytes);
}

void SnapshotChecksums::Add(std::string_view bytes) {
  crc32c_ = Crc32c(crc32c_, bytes);
  while (!bytes.empty()) {
    const size_t used = size_bytes_ % kSnapshotBlockBytes;
    if (used == 0) {
      blocks_.push_back(BlockSeed(group_, position_, blocks_.size()));
    }
    const std::string_view part = bytes.substr(0, kSnapshotBlockBytes - used);
    blocks_.back() = Crc32c(blocks_.back(), part);
    size_bytes_ += part.size();
    bytes.remove_prefix(part.size());
  }
}

std::string EncodeSnapshotEnd(ClusterId cluster, StoreIncarnation store,
                              const SnapshotTrailer& trailer) {
  const SnapshotDescriptor& descriptor = trailer.descriptor;
  std::string out;
  for (uint32_t block : trailer.blocks) AppendFixed<uint32_t>(&out, block);
  AppendFixed<uint32_t>(&out, trailer.group.group.value());
  AppendFixed<uint32_t>(&out, kSnapshotBlockBytes);
  AppendFixed<uint64_t>(&out, trailer.group.replica.value());
  AppendFixed<uint64_t>(&out, descriptor.position.term.value());
  AppendFixed<uint64_t>(&out, descriptor.position.index.value());
  AppendFixed<int64_t>(&out, descriptor.log_time.ns());
  AppendFixed<int64_t>(&out, descriptor.latest.ns());
  AppendFixed<uint64_t>(&out, descriptor.size_bytes);
  AppendFixed<uint32_t>(&out, descriptor.crc32c);
  const Buffer configuration = EncodeConfiguration(descriptor.configuration);
  AppendFixed<uint32_t>(&out, static_cast<uint32_t>(configuration.size()));
  out += configuration.view();

  const auto trailer_bytes = static_cast<uint32_t>(out.size());
  const uint32_t trailer_crc = Crc32c(0, out);
  std::string footer(kFooterMagic);
  AppendFixed<uint32_t>(&footer, kSnapshotFormatVersion);
  AppendFixed<uint32_t>(&footer, trailer_bytes);
  AppendFixed<uint64_t>(&footer, descriptor.size_bytes);
  AppendFixed<uint64_t>(&footer, cluster.value());
  AppendFixed<uint64_t>(&footer, store.value());
  AppendFixed<uint32_t>(&footer, trailer_crc);
  AppendFixed<uint32_t>(&footer, Crc32c(0, footer));
  CHECK_EQ(footer.size(), kSnapshotFooterBytes);
  return out + footer;
}

absl::StatusOr<SnapshotFooter> DecodeSnapshotFooter(std::string_view bytes,
                                                    uint64_t file_bytes) {
  if (bytes.size() != kSnapshotFooterBytes ||
      bytes.substr(0, kFooterMagic.size()) != kFooterMagic ||
      LoadFixed<uint32_t>(bytes, kSnapshotFooterBytes - 4) !=
          Crc32c(0, bytes.substr(0, kSnapshotFooterBytes - 4))) {
    return Damaged("footer");
  }
  const uint32_t version = LoadFixed<uint32_t>(bytes, 8);
  if (version != kSnapshotFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "snapshot format version ", version, ", this program knows ",
        kSnapshotFormatVersion, ": start the program that wrote it"));
  }
  SnapshotFooter footer;
  footer.trailer_bytes = LoadFixed<uint32_t>(bytes, 12);
  footer.data_bytes = LoadFixed<uint64_t>(bytes, 16);
  footer.cluster = ClusterId(LoadFixed<uint64_t>(bytes, 24));
  footer.store = StoreIncarnation(LoadFixed<uint64_t>(bytes, 32));
  footer.trailer_crc = LoadFixed<uint32_t>(bytes, 40);
  const uint64_t end = kSnapshotFooterBytes + uint64_t{footer.trailer_bytes};
  if (footer.trailer_bytes > env::kDiskOperationBytesMax || file_bytes < end ||
      footer.data_bytes != file_bytes - end) {
    return Damaged("length");
  }
  return footer;
}

absl::StatusOr<SnapshotTrailer> DecodeSnapshotTrailer(
    std::string_view bytes, const SnapshotFooter& footer) {
  if (bytes.size() != footer.trailer_bytes ||
      Crc32c(0, bytes) != footer.trailer_crc) {
    return Damaged("trailer");
  }
  const uint64_t blocks =
      (footer.data_bytes + kSnapshotBlockBytes - 1) / kSnapshotBlockBytes;
  if (blocks > bytes.size() / sizeof(uint32_t)) return Damaged("trailer");
  SnapshotTrailer trailer;
  FixedReader reader(bytes);
  trailer.blocks.reserve(blocks);
  for (uint64_t i = 0; i < blocks; ++i) {
    trailer.blocks.push_back(reader.Take<uint32_t>());
  }
  trailer.group.group = GroupId(reader.Take<uint32_t>());
  const uint32_t block_bytes = reader.Take<uint32_t>();
  trailer.group.replica = ReplicaId(reader.Take<uint64_t>());
  SnapshotDescriptor& descriptor = trailer.descriptor;
  descriptor.position.term = Term(reader.Take<uint64_t>());
  descriptor.position.index = Index(reader.Take<uint64_t>());
  descriptor.log_time = WallTime(reader.Take<int64_t>());
  descriptor.latest = WallTime(reader.Take<int64_t>());
  descriptor.size_bytes = reader.Take<uint64_t>();
  descriptor.crc32c = reader.Take<uint32_t>();
  const uint32_t configuration_bytes = reader.Take<uint32_t>();
  if (!reader.ok() || block_bytes != kSnapshotBlockBytes ||
      descriptor.size_bytes != footer.data_bytes ||
      reader.rest().size() != configuration_bytes) {
    return Damaged("trailer");
  }
  auto configuration = DecodeConfiguration(reader.rest());
  if (absl::IsUnimplemented(configuration.status())) {
    return absl::FailedPreconditionError(
        "a newer program wrote the snapshot's configuration: start that "
        "program");
  }
  if (!configuration.ok()) return Damaged("configuration");
  descriptor.configuration = *std::move(configuration);
  return trailer;
}

// ---- The progress of a received snapshot

std::string EncodeSnapshotProgressHeader(const SnapshotProgressHeader& header) {
  const SnapshotDescriptor& descriptor = header.descriptor;
  std::string body;
  AppendFixed<uint64_t>(&body, header.cluster.value());
  AppendFixed<uint64_t>(&body, header.store.value());
  AppendFixed<uint32_t>(&body, header.group.group.value());
  AppendFixed<uint64_t>(&body, header.group.replica.value());
  AppendFixed<uint64_t>(&body, descriptor.position.term.value());
  AppendFixed<uint64_t>(&body, descriptor.position.index.value());
  AppendFixed<int64_t>(&body, descriptor.log_time.ns());
  AppendFixed<int64_t>(&body, descriptor.latest.ns());
  AppendFixed<uint64_t>(&body, descriptor.size_bytes);
  AppendFixed<uint32_t>(&body, descriptor.crc32c);
  body += EncodeConfiguration(descriptor.configuration).view();

  std::string out(kProgressMagic);
  AppendFixed<uint32_t>(&out, kSnapshotProgressVersion);
  AppendFixed<uint32_t>(&out, static_cast<uint32_t>(body.size()));
  CHECK_EQ(out.size(), kProgressPrefixBytes);
  out += body;
  AppendFixed<uint32_t>(&out, Crc32c(0, out));
  return out;
}

std::string EncodeSyncedPiece(std::string_view header,
                              const SyncedPiece& piece) {
  std::string out;
  AppendFixed<uint64_t>(&out, piece.end);
  AppendFixed<uint32_t>(&out, piece.crc32c);
  AppendFixed<uint32_t>(&out, RecordCrc(header, out));
  CHECK_EQ(out.size(), kSnapshotProgressRecordBytes);
  return out;
}

absl::StatusOr<SnapshotProgress> DecodeSnapshotProgress(
    std::string_view bytes) {
  if (bytes.size() < kProgressPrefixBytes ||
      !bytes.starts_with(kProgressMagic) ||
      LoadFixed<uint32_t>(bytes, 8) != kSnapshotProgressVersion) {
    return Damaged("progress");
  }
  const uint64_t body_end =
      kProgressPrefixBytes + LoadFixed<uint32_t>(bytes, 12);
  if (bytes.size() < body_end + sizeof(uint32_t) ||
      LoadFixed<uint32_t>(bytes, body_end) !=
          Crc32c(0, bytes.substr(0, body_end))) {
    return Damaged("progress");
  }
  SnapshotProgress progress;
  progress.header_bytes = bytes.substr(0, body_end + sizeof(uint32_t));
  FixedReader reader(
      bytes.substr(kProgressPrefixBytes, body_end - kProgressPrefixBytes));
  SnapshotProgressHeader& header = progress.header;
  header.cluster = ClusterId(reader.Take<uint64_t>());
  header.store = StoreIncarnation(reader.Take<uint64_t>());
  header.group.group = GroupId(reader.Take<uint32_t>());
  header.group.replica = ReplicaId(reader.Take<uint64_t>());
  SnapshotDescriptor& descriptor = header.descriptor;
  descriptor.position.term = Term(reader.Take<uint64_t>());
  descriptor.position.index = Index(reader.Take<uint64_t>());
  descriptor.log_time = WallTime(reader.Take<int64_t>());
  descriptor.latest = WallTime(reader.Take<int64_t>());
  descriptor.size_bytes = reader.Take<uint64_t>();
  descriptor.crc32c = reader.Take<uint32_t>();
  if (!reader.ok()) return Damaged("progress");
  auto configuration = DecodeConfiguration(reader.rest());
  if (!configuration.ok()) return Damaged("progress");
  descriptor.configuration = *std::move(configuration);

  bytes.remove_prefix(progress.header_bytes.size());
  uint64_t end = 0;
  for (; bytes.size() >= kSnapshotProgressRecordBytes;
       bytes.remove_prefix(kSnapshotProgressRecordBytes)) {
    const SyncedPiece piece = {LoadFixed<uint64_t>(bytes, 0),
                               LoadFixed<uint32_t>(bytes, 8)};
    if (LoadFixed<uint32_t>(bytes, 12) !=
            RecordCrc(progress.header_bytes, bytes.substr(0, 12)) ||
        piece.end <= end || piece.end > descriptor.size_bytes) {
      break;
    }
    end = piece.end;
    progress.pieces.push_back(piece);
  }
  return progress;
}

}  // namespace quorate::raft
