// raft/log/record.h: how the write-ahead log looks on disk. Pure encoding and decoding; docs/reference/formats/log.md has the tables.
//
// A segment is a header of 64 bytes, then records. A record is a header of 48 bytes, a body, and zeros up to the next multiple
// of eight. All checksums of records are seeded with cluster, store, segment and offset: what another store, another segment or
// another place in this one once held is never taken for a record.
#ifndef QUORATE_RAFT_LOG_RECORD_H_
#define QUORATE_RAFT_LOG_RECORD_H_

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr uint8_t kRecordVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 48;
inline constexpr size_t kEntryHeaderBytes = 48;
inline constexpr size_t kRecordAlignment = 8;
// A larger length is damage: decoders never allocate more.
inline constexpr size_t kRecordBodyBytesMax = 2 << 20;

enum class RecordType : uint8_t {
  kState = 1,  // A group as of the beginning of a segment.
  kAppend =
      2,  // Hard state, entries, or both; entries replace what was there from the first one on.
  kRewrite =
      3,  // Entries still needed, brought forward from an old segment; they replace themselves alone.
  kLogStart = 4,  // Log::SetLogStart.
  kDrop = 5,      // Log::Drop.
  kOpened =
      6,  // Ends the opening of a segment, which counts only if this is there.
};
// Flags of a record header.
inline constexpr uint16_t kFlagHardState =
    1;  // kAppend: the body begins with one.
inline constexpr uint16_t kFlagDiscardSuffix = 1;  // kLogStart.

// A byte of the log.
struct SegmentOffset {
  uint64_t segment = 0;  // Numbered from 1; 0: no segment.
  uint64_t offset = 0;
  friend constexpr auto operator<=>(const SegmentOffset&,
                                    const SegmentOffset&) = default;
};

// The first 64 bytes of a segment.
struct SegmentHeader {
  ClusterId cluster;
  StoreIncarnation store;
  uint64_t number = 0;
  // The stream up to `previous` comes before this segment; what that segment holds from there on does not count.
  SegmentOffset previous;
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
// kDataLoss: damaged or never written; kFailedPrecondition: a format version that this program does not know.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

// "log-" and 16 hexadecimal digits.
std::string SegmentName(uint64_t number);
// Zero if `name` is not one.
uint64_t ParseSegmentName(std::string_view name);

// The part of every record's seed that is the same throughout a segment.
uint32_t SegmentSeed(ClusterId cluster, StoreIncarnation store,
                     uint64_t segment);

struct RecordHeader {
  uint32_t body_bytes = 0;
  RecordType type = RecordType::kState;
  uint8_t version = kRecordVersion;
  uint16_t flags = 0;
  GroupKey key;
  uint32_t body_crc = 0;
  uint64_t write_number = 0;  // Number of the durable write, rising by one.
  SegmentOffset
      synced;  // Everything before it was known to be durable when this was written.
};

// The record with this body, from its header to its padding.
constexpr size_t RecordBytes(size_t body_bytes) {
  return kRecordHeaderBytes + (body_bytes + kRecordAlignment - 1) /
                                  kRecordAlignment * kRecordAlignment;
}

struct RecordView {
  RecordHeader header;
  std::string_view body;
};
enum class RecordCheck : uint8_t { kGood, kBadHeader, kBadBody };
// Looks at what stands at `offset` of `segment`. `view->header` is valid unless kBadHeader, `view->body` if kGood.
RecordCheck CheckRecord(std::string_view segment, uint64_t offset,
                        uint32_t segment_seed, RecordView* view);

// ---- Bodies -------------------------------------------------------------------------------------------------------------

struct StateBody {
  HardState hard_state;
  bool fenced = false;
  bool dropped = false;
  LogPosition log_start;
  Index last;  // Of the last entry, or log_start.index.
};
std::string EncodeStateBody(const StateBody& state);
absl::StatusOr<StateBody> DecodeStateBody(std::string_view body);

struct EntriesBody {
  std::optional<HardState> hard_state;
  std::vector<Entry> entries;  // Payloads are copies of their own.
};
absl::StatusOr<EntriesBody> DecodeEntriesBody(uint16_t flags,
                                              std::string_view body);
size_t EntriesBodyBytes(bool hard_state, absl::Span<const Entry> entries);

std::string EncodeLogStartBody(LogPosition log_start);
absl::StatusOr<LogPosition> DecodeLogStartBody(std::string_view body);

struct OpenedBody {
  uint64_t states = 0;                 // kState records in this opening.
  bool unknown_groups_fenced = false;  // Log::unknown_groups_fenced.
};
std::string EncodeOpenedBody(const OpenedBody& opened);
absl::StatusOr<OpenedBody> DecodeOpenedBody(std::string_view body);

// ---- Writing ------------------------------------------------------------------------------------------------------------

// Lays records one after another into the pieces of one File::Write. Large payloads stay where they are.
class BatchWriter {
 public:
  // Begins anew: the next record stands at `start`.
  void Start(uint32_t segment_seed, SegmentOffset start, SegmentOffset synced,
             uint64_t write_number);
  // Before any record of a batch that starts at offset 0.
  void AddSegmentHeader(const SegmentHeader& header);
  void Add(RecordType type, uint16_t flags, GroupKey key,
           std::string_view body);
  // kAppend or kRewrite.
  void AddEntries(RecordType type, GroupKey key, const HardState* hard_state,
                  absl::Span<const Entry> entries);
  size_t size_bytes() const { return size_bytes_; }
  // The pieces, in order. The writer has to be started again afterwards.
  std::vector<Buffer> Take();

 private:
  // Bytes of `scratch_` up to `scratch_end`, then `payload`.
  struct Piece {
    size_t scratch_end;
    Buffer payload;
  };

  void Begin();
  void Bytes(std::string_view bytes);
  void Payload(const Buffer& payload);
  void End(RecordType type, uint16_t flags, GroupKey key);

  uint32_t segment_seed_ = 0;
  SegmentOffset start_;
  SegmentOffset synced_;
  uint64_t write_number_ = 0;
  size_t size_bytes_ = 0;
  std::string scratch_;
  std::vector<Piece> pieces_;
  // Of the record being written.
  uint32_t record_seed_ = 0;
  uint32_t body_crc_ = 0;
  size_t body_bytes_ = 0;
  size_t header_at_ = 0;  // In scratch_.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_RECORD_H_
