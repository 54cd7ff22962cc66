// raft/log/record.h: the bytes of the write-ahead log. Pure encoding and
// decoding; the tables are in docs/reference/formats/log.md.
//
// A segment is a header of 64 bytes, then records. A record is a header of 48
// bytes, a body, and zeros up to the next multiple of eight. The checksums of a
// record are seeded with cluster, store, segment and offset. So bytes of
// another store, another segment or another offset never verify as a record.
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
#include "env/buffer.h"
#include "env/ids.h"
#include "raft/core/types.h"
#include "raft/log/log.h"

namespace quorate::raft {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr uint8_t kRecordVersion = 1;
inline constexpr size_t kSegmentHeaderBytes = 64;
inline constexpr size_t kRecordHeaderBytes = 48;
inline constexpr size_t kEntryHeaderBytes = 52;
inline constexpr size_t kRecordAlignment = 8;
// A larger length is damage, so decoders never allocate more.
inline constexpr size_t kRecordBodyBytesMax = 2 << 20;

enum class RecordType : uint8_t {
  kState = 1,  // State of a group at the beginning of a segment.
  // Hard state, entries, or both. Entries replace all entries of the group from
  // the first one's index on.
  kAppend = 2,
  // Live entries copied from an old segment. Each replaces only the entry with
  // its own index.
  kRewrite = 3,
  kLogStart = 4,  // Log::SetLogStart.
  kDrop = 5,      // Log::Drop.
  // Last record of the opening of a segment. Without it the opening does not
  // count.
  kOpened = 6,
  // Shows that the records before it are durable. It has no body, and changes
  // no group.
  kWitness = 7,
};
// Flags of a record header.
// kAppend: the body begins with a hard state; with a commit index, behind the
// hard state.
inline constexpr uint16_t kFlagHardState = 1;
inline constexpr uint16_t kFlagCommit = 2;
inline constexpr uint16_t kFlagDiscardSuffix = 1;  // kLogStart.

// Position of a byte in the log.
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
  // The stream up to `previous` comes before this segment. Bytes of that
  // segment from there on do not count.
  SegmentOffset previous;
};
std::string EncodeSegmentHeader(const SegmentHeader& header);
// kDataLoss: damaged or never written; kFailedPrecondition: a newer program
// wrote it.
absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes);

// "log-" and 16 hexadecimal digits.
std::string SegmentName(uint64_t number);
// Returns zero if `name` is not the name of a segment.
uint64_t ParseSegmentName(std::string_view name);

// The part of the seed that all records of a segment share.
uint32_t SegmentSeed(ClusterId cluster, StoreIncarnation store,
                     uint64_t segment);

struct RecordHeader {
  uint32_t body_bytes = 0;
  RecordType type = RecordType::kState;
  uint8_t version = kRecordVersion;
  uint16_t flags = 0;
  GroupKey key;
  uint32_t body_crc = 0;
  uint64_t write_number = 0;  // Number of the durable write; it rises by one.
  // Everything before this offset was known to be durable when the record was
  // written.
  SegmentOffset synced;
};

// Size of a record with this body, from its header to its padding.
constexpr size_t RecordBytes(size_t body_bytes) {
  return kRecordHeaderBytes + (body_bytes + kRecordAlignment - 1) /
                                  kRecordAlignment * kRecordAlignment;
}

struct RecordView {
  RecordHeader header;
  std::string_view body;
};
enum class RecordCheck : uint8_t { kGood, kBadHeader, kBadBody };
// Checks the record at `offset` of `segment`. `view->header` is valid unless
// kBadHeader; `view->body` is valid if kGood. The bytes begin at offset `base`
// of the segment; `offset` counts from there.
RecordCheck CheckRecord(std::string_view segment, uint64_t offset,
                        uint32_t segment_seed, RecordView* view,
                        uint64_t base = 0);

// ---- Bodies. Decoders return kDataLoss for bytes that make no sense, and
// kFailedPrecondition for those of a newer program.

// The format has room for the group's generation, its kind of state machine and
// its levels, which are zero for now.
struct StateBody {
  HardState hard_state;
  Index commit;  // RecoveredGroup::commit.
  bool fenced = false;
  LogStart log_start;
  Index last;  // Index of the last entry; log_start.index if there is none.
};
std::string EncodeStateBody(const StateBody& state);
absl::StatusOr<StateBody> DecodeStateBody(std::string_view body);

struct EntriesBody {
  std::optional<HardState> hard_state;
  Index commit;                // Zero: the record says nothing of it.
  std::vector<Entry> entries;  // Payloads do not point into the decoded bytes.
  // The first entry that does not match its checksum; zero: all match.
  Index mismatch = {};
};
absl::StatusOr<EntriesBody> DecodeEntriesBody(uint16_t flags,
                                              std::string_view body);
// The flags of a kAppend with `hard_state`, unless null, and then with
// `commit`, unless zero.
uint16_t AppendFlags(const HardState* hard_state, Index commit);
size_t EntriesBodyBytes(uint16_t flags, const EntryList& entries);

std::string EncodeLogStartBody(const LogStart& log_start);
absl::StatusOr<LogStart> DecodeLogStartBody(std::string_view body);

// `states`: the number of kState records in this opening. Recovery needs no
// count: where a record was lost, the bytes do not verify.
std::string EncodeOpenedBody(uint64_t states);
absl::Status CheckOpenedBody(std::string_view body);

// ---- Writing

// Encodes consecutive records as the pieces of one File::Write. Large payloads
// are not copied.
class BatchWriter {
 public:
  // Starts a new batch whose first record is at `start`.
  void Start(uint32_t segment_seed, SegmentOffset start, SegmentOffset synced,
             uint64_t write_number);
  // Requires: the batch starts at offset 0 and has no record yet.
  void AddSegmentHeader(const SegmentHeader& header);
  void Add(RecordType type, uint16_t flags, GroupKey key,
           std::string_view body);
  // `type` is kAppend or kRewrite. Without a hard state `commit` is not
  // written.
  void AddEntries(RecordType type, GroupKey key, const HardState* hard_state,
                  Index commit, const EntryList& entries);
  size_t size_bytes() const { return size_bytes_; }
  // Returns the pieces in order. Call Start before the next record.
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
  // State of the record that is being written.
  uint32_t record_seed_ = 0;
  uint32_t body_crc_ = 0;
  size_t body_bytes_ = 0;
  size_t header_at_ = 0;  // Offset in scratch_.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_RECORD_H_
