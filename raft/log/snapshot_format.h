// raft/log/snapshot_format.h: names and bytes of snapshot files
// (docs/reference/formats/snapshot.md). Pure.
//
// A file is the state machine's bytes, then a trailer, then a footer of fixed
// size that says where the trailer begins. The trailer has a checksum for each
// block of those bytes, then the descriptor.
#ifndef QUORATE_RAFT_LOG_SNAPSHOT_FORMAT_H_
#define QUORATE_RAFT_LOG_SNAPSHOT_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

inline constexpr uint32_t kSnapshotFormatVersion = 1;
// Each block of the state machine's bytes has its own checksum. The last block
// may be shorter.
inline constexpr size_t kSnapshotBlockBytes = 64 << 10;
inline constexpr size_t kSnapshotFooterBytes = 48;

// "snap-GGGGGGGG-IIIIIIIIIIIIIIII-TTTTTTTTTTTTTTTT-XXXXXXXXXXXXXXXX": group,
// replica, term and index, in hexadecimal.
std::string SnapshotName(GroupKey group, LogPosition position);
inline constexpr std::string_view kSnapshotPrefix = "snap-";

struct SnapshotFileName {
  GroupKey group;
  LogPosition position;
  bool staging = false;  // A suffix follows the name.
  // The suffix is ".rN" or ".rN.p": N, or zero.
  uint64_t received = 0;
};
std::optional<SnapshotFileName> ParseSnapshotName(std::string_view name);
// The name of the file about the progress of a staging file.
std::string SnapshotProgressName(std::string_view staging_name);
// Of a received staging file the name of its progress file, and the other way
// round. Empty for other files.
std::string PartnerOfReceived(std::string_view name);

// Computes the checksums of the state machine's bytes, added in pieces of any
// size.
class SnapshotChecksums {
 public:
  SnapshotChecksums(GroupKey group, LogPosition position)
      : group_(group), position_(position) {}
  void Add(std::string_view bytes);
  uint64_t size_bytes() const { return size_bytes_; }
  uint32_t crc32c() const { return crc32c_; }
  // Checksum of every block. The last block may be incomplete.
  const std::vector<uint32_t>& blocks() const { return blocks_; }

 private:
  GroupKey group_;
  LogPosition position_;
  uint64_t size_bytes_ = 0;
  uint32_t crc32c_ = 0;
  std::vector<uint32_t> blocks_;
};

// Returns the checksum of block `number`, which contains `bytes`.
uint32_t SnapshotBlockCrc(GroupKey group, LogPosition position, uint64_t number,
                          std::string_view bytes);

struct SnapshotTrailer {
  GroupKey group;
  SnapshotDescriptor descriptor;
  std::vector<uint32_t> blocks;
};

struct SnapshotFooter {
  ClusterId cluster;
  StoreIncarnation store;
  uint64_t data_bytes = 0;
  uint32_t trailer_bytes = 0;
  uint32_t trailer_crc = 0;
};

// Encodes trailer and footer: everything that follows the state machine's
// bytes.
std::string EncodeSnapshotEnd(ClusterId cluster, StoreIncarnation store,
                              const SnapshotTrailer& trailer);
// `bytes`: the last kSnapshotFooterBytes of a file of `file_bytes` bytes.
// kDataLoss: damaged; kFailedPrecondition: another version.
absl::StatusOr<SnapshotFooter> DecodeSnapshotFooter(std::string_view bytes,
                                                    uint64_t file_bytes);
absl::StatusOr<SnapshotTrailer> DecodeSnapshotTrailer(
    std::string_view bytes, const SnapshotFooter& footer);

// ---- The progress of a received snapshot

// A file beside a received staging file says how much of it is durable. Its
// header names the snapshot. Each record covers the bytes that one sync made
// durable, with their checksum. So a later run verifies them, and continues.
inline constexpr uint32_t kSnapshotProgressVersion = 1;
inline constexpr size_t kSnapshotProgressRecordBytes = 16;

struct SnapshotProgressHeader {
  ClusterId cluster;
  StoreIncarnation store;
  GroupKey group;
  SnapshotDescriptor descriptor;
};

// The bytes from the end of the record before, or from 0, to `end`.
struct SyncedPiece {
  uint64_t end = 0;
  uint32_t crc32c = 0;
};

std::string EncodeSnapshotProgressHeader(const SnapshotProgressHeader& header);
// A record behind the encoded header `header`.
std::string EncodeSyncedPiece(std::string_view header,
                              const SyncedPiece& piece);

struct SnapshotProgress {
  SnapshotProgressHeader header;
  std::string header_bytes;         // As encoded.
  std::vector<SyncedPiece> pieces;  // Their ends rise.
};
// Records end at the first one that does not verify. kDataLoss: the header does
// not, or it has another version.
absl::StatusOr<SnapshotProgress> DecodeSnapshotProgress(std::string_view bytes);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_SNAPSHOT_FORMAT_H_
