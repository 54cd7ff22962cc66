#include "raft/log/record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/kept_memory.h"
#include "env/little_endian.h"
#include "env/parse_integer.h"

namespace quorate::raft {
namespace {

constexpr std::string_view kSegmentMagic = "quoratWL";
constexpr std::string_view kSegmentPrefix = "log-";
constexpr size_t kStateBodyBytes = 96;
// Generation 8, kind of state machine 4, level of raft 4, level 8.
constexpr size_t kReservedStateBytes = 24;
constexpr size_t kStateCommitAt = 88;
constexpr size_t kHardStateBytes = 16;
constexpr size_t kCommitBytes = 8;
constexpr size_t kLogStartBytes = 32;
constexpr size_t kEntriesFixedBytes = 8;
// A payload up to this size is copied, since that is cheaper than a piece of
// its own.
constexpr size_t kCopiedPayloadBytesMax = 512;

uint32_t RecordSeed(uint32_t segment_seed, uint64_t offset) {
  char bytes[8];
  StoreFixed(bytes, offset);
  return Crc32c(segment_seed, std::string_view(bytes, sizeof(bytes)));
}

// Writes the header of a record, with its checksum.
void EncodeHeader(const RecordHeader& header, uint32_t record_seed,
                  char* record) {
  StoreFixed<uint32_t>(record, header.body_bytes);
  StoreFixed<uint8_t>(record + 4, static_cast<uint8_t>(header.type));
  StoreFixed<uint8_t>(record + 5, header.version);
  StoreFixed<uint16_t>(record + 6, header.flags);
  StoreFixed<uint32_t>(record + 8, header.key.group.value());
  StoreFixed<uint32_t>(record + 12, header.body_crc);
  StoreFixed<uint64_t>(record + 16, header.key.replica.value());
  StoreFixed<uint64_t>(record + 24, header.write_number);
  StoreFixed<uint64_t>(record + 32, header.synced.segment);
  StoreFixed<uint32_t>(record + 40,
                       static_cast<uint32_t>(header.synced.offset));
  const std::string_view covered(record, kRecordHeaderBytes - 4);
  StoreFixed<uint32_t>(record + kRecordHeaderBytes - 4,
                       Crc32c(record_seed, covered));
}

// The checksum is right, so these bytes are no damage.
absl::Status OfANewerProgram(const char* what) {
  return absl::FailedPreconditionError(absl::StrCat(
      what, " that this program does not know: a newer one wrote it"));
}

absl::Status BadBody(const char* what, size_t size) {
  return absl::DataLossError(
      absl::StrCat(what, ": body of ", size, " bytes does not parse"));
}

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out(kSegmentMagic);
  AppendFixed<uint32_t>(&out, kLogFormatVersion);
  AppendFixed<uint32_t>(&out, 0);
  AppendFixed<uint64_t>(&out, header.cluster.value());
  AppendFixed<uint64_t>(&out, header.store.value());
  AppendFixed<uint64_t>(&out, header.number);
  AppendFixed<uint64_t>(&out, header.previous.segment);
  AppendFixed<uint64_t>(&out, header.previous.offset);
  AppendFixed<uint32_t>(&out, 0);
  AppendFixed<uint32_t>(&out, Crc32c(0, out));
  CHECK_EQ(out.size(), kSegmentHeaderBytes);
  return out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderBytes) {
    return absl::DataLossError("the segment ends within its header");
  }
  bytes = bytes.substr(0, kSegmentHeaderBytes);
  const uint32_t crc = LoadFixed<uint32_t>(bytes, kSegmentHeaderBytes - 4);
  if (bytes.substr(0, kSegmentMagic.size()) != kSegmentMagic ||
      crc != Crc32c(0, bytes.substr(0, kSegmentHeaderBytes - 4))) {
    return absl::DataLossError("the segment's header does not verify");
  }
  const uint32_t version = LoadFixed<uint32_t>(bytes, 8);
  if (version != kLogFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("log format version ", version, ", this program knows ",
                     kLogFormatVersion));
  }
  if (LoadFixed<uint32_t>(bytes, 12) != 0 ||
      LoadFixed<uint32_t>(bytes, 56) != 0) {
    return OfANewerProgram("a field of the segment's header");
  }
  SegmentHeader header;
  header.cluster = ClusterId(LoadFixed<uint64_t>(bytes, 16));
  header.store = StoreIncarnation(LoadFixed<uint64_t>(bytes, 24));
  header.number = LoadFixed<uint64_t>(bytes, 32);
  header.previous.segment = LoadFixed<uint64_t>(bytes, 40);
  header.previous.offset = LoadFixed<uint64_t>(bytes, 48);
  return header;
}

std::string SegmentName(uint64_t number) {
  return absl::StrFormat("log-%016x", number);
}

uint64_t ParseSegmentName(std::string_view name) {
  if (name.size() != kSegmentPrefix.size() + 16 ||
      name.substr(0, kSegmentPrefix.size()) != kSegmentPrefix) {
    return 0;
  }
  uint64_t number = 0;
  const bool valid =
      ParsePaddedHex(name.substr(kSegmentPrefix.size()), &number);
  return valid ? number : 0;
}

uint32_t SegmentSeed(ClusterId cluster, StoreIncarnation store,
                     uint64_t segment) {
  return Crc32cSeed(cluster.value(), store.value(), segment);
}

RecordCheck CheckRecord(std::string_view segment, uint64_t offset,
                        uint32_t segment_seed, RecordView* view,
                        uint64_t base) {
  if (offset > segment.size() || segment.size() - offset < kRecordHeaderBytes) {
    return RecordCheck::kBadHeader;
  }
  const std::string_view bytes = segment.substr(offset);
  RecordHeader& header = view->header;
  header.body_bytes = LoadFixed<uint32_t>(bytes, 0);
  header.type = static_cast<RecordType>(LoadFixed<uint8_t>(bytes, 4));
  // Cheap checks first: in an unreadable stretch recovery calls this function
  // at every eighth byte.
  if (header.type == RecordType{0} || header.body_bytes > kRecordBodyBytesMax) {
    return RecordCheck::kBadHeader;
  }
  const uint32_t record_seed = RecordSeed(segment_seed, base + offset);
  if (LoadFixed<uint32_t>(bytes, kRecordHeaderBytes - 4) !=
      Crc32c(record_seed, bytes.substr(0, kRecordHeaderBytes - 4))) {
    return RecordCheck::kBadHeader;
  }
  header.version = LoadFixed<uint8_t>(bytes, 5);
  header.flags = LoadFixed<uint16_t>(bytes, 6);
  header.key.group = GroupId(LoadFixed<uint32_t>(bytes, 8));
  header.body_crc = LoadFixed<uint32_t>(bytes, 12);
  header.key.replica = ReplicaId(LoadFixed<uint64_t>(bytes, 16));
  header.write_number = LoadFixed<uint64_t>(bytes, 24);
  header.synced.segment = LoadFixed<uint64_t>(bytes, 32);
  header.synced.offset = LoadFixed<uint32_t>(bytes, 40);
  const size_t padded = RecordBytes(header.body_bytes) - kRecordHeaderBytes;
  const std::string_view rest = bytes.substr(kRecordHeaderBytes);
  if (rest.size() < padded ||
      Crc32c(record_seed, rest.substr(0, padded)) != header.body_crc) {
    return RecordCheck::kBadBody;
  }
  view->body = rest.substr(0, header.body_bytes);
  return RecordCheck::kGood;
}

std::string EncodeStateBody(const StateBody& state) {
  std::string out;
  AppendFixed<uint64_t>(&out, state.hard_state.term.value());
  AppendFixed<uint64_t>(&out, state.hard_state.voted_for.value());
  out += EncodeLogStartBody(state.log_start);
  AppendFixed<uint64_t>(&out, state.last.value());
  AppendFixed<uint64_t>(&out, state.fenced ? 1 : 0);
  out.append(kReservedStateBytes, '\0');
  AppendFixed<uint64_t>(&out, state.commit.value());
  CHECK_EQ(out.size(), kStateBodyBytes);
  return out;
}

absl::StatusOr<StateBody> DecodeStateBody(std::string_view body) {
  if (body.size() != kStateBodyBytes) return BadBody("state", body.size());
  StateBody state;
  state.hard_state.term = Term(LoadFixed<uint64_t>(body, 0));
  state.hard_state.voted_for = ReplicaId(LoadFixed<uint64_t>(body, 8));
  state.log_start =
      *DecodeLogStartBody(body.substr(kHardStateBytes, kLogStartBytes));
  state.last = Index(LoadFixed<uint64_t>(body, 48));
  const uint64_t flags = LoadFixed<uint64_t>(body, 56);
  if (flags > 1) return OfANewerProgram("a flag of a state");
  state.fenced = flags != 0;
  if (body.substr(kStateCommitAt - kReservedStateBytes, kReservedStateBytes)
          .find_first_not_of('\0') != std::string_view::npos) {
    return OfANewerProgram("a field of a state");
  }
  state.commit = Index(LoadFixed<uint64_t>(body, kStateCommitAt));
  return state;
}

uint16_t AppendFlags(const HardState* hard_state, Index commit) {
  if (hard_state == nullptr) return 0;
  return commit == Index() ? kFlagHardState : kFlagHardState | kFlagCommit;
}

size_t EntriesBodyBytes(uint16_t flags, const EntryList& entries) {
  size_t bytes = kEntriesFixedBytes;
  if ((flags & kFlagHardState) != 0) bytes += kHardStateBytes;
  if ((flags & kFlagCommit) != 0) bytes += kCommitBytes;
  for (const Entry& entry : entries) {
    bytes += kEntryHeaderBytes + entry.payload.size();
  }
  return bytes;
}

absl::StatusOr<EntriesBody> DecodeEntriesBody(uint16_t flags,
                                              std::string_view body) {
  EntriesBody result;
  FixedReader reader(body);
  if ((flags & kFlagHardState) != 0) {
    HardState hard_state;
    hard_state.term = Term(reader.Take<uint64_t>());
    hard_state.voted_for = ReplicaId(reader.Take<uint64_t>());
    result.hard_state = hard_state;
  }
  if ((flags & kFlagCommit) != 0) {
    result.commit = Index(reader.Take<uint64_t>());
  }
  const uint32_t count = reader.Take<uint32_t>();
  if (reader.Take<uint32_t>() != 0)
    return OfANewerProgram("a field of entries");
  if (!reader.ok() || count > reader.rest().size() / kEntryHeaderBytes) {
    return BadBody("entries", body.size());
  }
  const std::string_view headers = reader.rest();
  std::string_view payloads = headers.substr(size_t{count} * kEntryHeaderBytes);
  result.entries.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    const std::string_view header = headers.substr(i * kEntryHeaderBytes);
    Entry entry;
    entry.term = Term(LoadFixed<uint64_t>(header, 0));
    entry.index = Index(LoadFixed<uint64_t>(header, 8));
    entry.log_time = WallTime(LoadFixed<int64_t>(header, 16));
    entry.leader_wall.earliest = WallTime(LoadFixed<int64_t>(header, 24));
    entry.leader_wall.latest = WallTime(LoadFixed<int64_t>(header, 32));
    entry.kind = static_cast<EntryKind>(LoadFixed<uint8_t>(header, 40));
    entry.version = LoadFixed<uint8_t>(header, 41);
    entry.flags = LoadFixed<uint16_t>(header, 42);
    entry.checksum = LoadFixed<uint32_t>(header, 44);
    const uint32_t size = LoadFixed<uint32_t>(header, 48);
    if (size > payloads.size()) return BadBody("entries", body.size());
    entry.payload = Buffer::Copy(payloads.substr(0, size));
    payloads.remove_prefix(size);
    if (result.mismatch == Index() && entry.checksum != EntryChecksum(entry)) {
      result.mismatch = entry.index;
    }
    if (i > 0 && entry.index != result.entries.back().index + 1) {
      return BadBody("entries with a gap", body.size());
    }
    result.entries.push_back(std::move(entry));
  }
  if (!payloads.empty()) return BadBody("entries", body.size());
  return result;
}

std::string EncodeLogStartBody(const LogStart& log_start) {
  std::string out;
  AppendFixed<uint64_t>(&out, log_start.position.term.value());
  AppendFixed<uint64_t>(&out, log_start.position.index.value());
  AppendFixed<int64_t>(&out, log_start.log_time.ns());
  AppendFixed<int64_t>(&out, log_start.latest.ns());
  return out;
}

absl::StatusOr<LogStart> DecodeLogStartBody(std::string_view body) {
  if (body.size() != kLogStartBytes) return BadBody("log start", body.size());
  LogStart log_start;
  log_start.position.term = Term(LoadFixed<uint64_t>(body, 0));
  log_start.position.index = Index(LoadFixed<uint64_t>(body, 8));
  log_start.log_time = WallTime(LoadFixed<int64_t>(body, 16));
  log_start.latest = WallTime(LoadFixed<int64_t>(body, 24));
  return log_start;
}

std::string EncodeOpenedBody(uint64_t states) {
  std::string out;
  AppendFixed<uint64_t>(&out, states);
  return out;
}

absl::Status CheckOpenedBody(std::string_view body) {
  if (body.size() != 8) return BadBody("opening", body.size());
  return absl::OkStatus();
}

void BatchWriter::Start(uint32_t segment_seed, SegmentOffset start,
                        SegmentOffset synced, uint64_t write_number) {
  CHECK_EQ(start.offset % kRecordAlignment, 0u);
  segment_seed_ = segment_seed;
  start_ = start;
  synced_ = synced;
  write_number_ = write_number;
  size_bytes_ = 0;
  scratch_.clear();
  pieces_.clear();
}

void BatchWriter::AddSegmentHeader(const SegmentHeader& header) {
  CHECK_EQ(size_bytes_, 0u);
  CHECK_EQ(start_.offset, 0u);
  scratch_ += EncodeSegmentHeader(header);
  size_bytes_ += kSegmentHeaderBytes;
}

void BatchWriter::Begin() {
  record_seed_ = RecordSeed(segment_seed_, start_.offset + size_bytes_);
  body_crc_ = record_seed_;
  body_bytes_ = 0;
  header_at_ = scratch_.size();
  scratch_.append(kRecordHeaderBytes, '\0');
}

void BatchWriter::Bytes(std::string_view bytes) {
  scratch_ += bytes;
  body_crc_ = Crc32c(body_crc_, bytes);
  body_bytes_ += bytes.size();
}

void BatchWriter::Payload(const Buffer& payload) {
  if (payload.size() <= kCopiedPayloadBytesMax) {
    Bytes(payload.view());
    return;
  }
  body_crc_ = Crc32c(body_crc_, payload.view());
  body_bytes_ += payload.size();
  pieces_.push_back({scratch_.size(), payload});
}

void BatchWriter::End(RecordType type, uint16_t flags, GroupKey key) {
  CHECK_LE(body_bytes_, kRecordBodyBytesMax);
  RecordHeader header;
  header.body_bytes = static_cast<uint32_t>(body_bytes_);
  const size_t record_bytes = RecordBytes(body_bytes_);
  const std::string_view zeros("\0\0\0\0\0\0\0", 7);
  Bytes(zeros.substr(0, record_bytes - kRecordHeaderBytes - body_bytes_));
  header.type = type;
  header.flags = flags;
  header.key = key;
  header.body_crc = body_crc_;
  header.write_number = write_number_;
  header.synced = synced_;
  EncodeHeader(header, record_seed_, scratch_.data() + header_at_);
  size_bytes_ += record_bytes;
}

void BatchWriter::Add(RecordType type, uint16_t flags, GroupKey key,
                      std::string_view body) {
  Begin();
  Bytes(body);
  End(type, flags, key);
}

void BatchWriter::AddEntries(RecordType type, GroupKey key,
                             const HardState* hard_state, Index commit,
                             const EntryList& entries) {
  Begin();
  const uint16_t flags = AppendFlags(hard_state, commit);
  const size_t fixed_at = scratch_.size();
  if (hard_state != nullptr) {
    AppendFixed<uint64_t>(&scratch_, hard_state->term.value());
    AppendFixed<uint64_t>(&scratch_, hard_state->voted_for.value());
  }
  if ((flags & kFlagCommit) != 0) {
    AppendFixed<uint64_t>(&scratch_, commit.value());
  }
  AppendFixed<uint32_t>(&scratch_, static_cast<uint32_t>(entries.size()));
  AppendFixed<uint32_t>(&scratch_, 0);
  for (const Entry& entry : entries) {
    AppendFixed<uint64_t>(&scratch_, entry.term.value());
    AppendFixed<uint64_t>(&scratch_, entry.index.value());
    AppendFixed<int64_t>(&scratch_, entry.log_time.ns());
    AppendFixed<int64_t>(&scratch_, entry.leader_wall.earliest.ns());
    AppendFixed<int64_t>(&scratch_, entry.leader_wall.latest.ns());
    AppendFixed<uint8_t>(&scratch_, static_cast<uint8_t>(entry.kind));
    AppendFixed<uint8_t>(&scratch_, entry.version);
    AppendFixed<uint16_t>(&scratch_, entry.flags);
    AppendFixed<uint32_t>(&scratch_, entry.checksum);
    AppendFixed<uint32_t>(&scratch_,
                          static_cast<uint32_t>(entry.payload.size()));
  }
  const std::string_view fixed = std::string_view(scratch_).substr(fixed_at);
  body_crc_ = Crc32c(body_crc_, fixed);
  body_bytes_ += fixed.size();
  for (const Entry& entry : entries) Payload(entry.payload);
  End(type, flags, key);
}

std::vector<Buffer> BatchWriter::Take() {
  const Buffer scratch = Buffer::Copy(scratch_);
  std::vector<Buffer> result;
  result.reserve(2 * pieces_.size() + 1);
  size_t begin = 0;
  for (Piece& piece : pieces_) {
    if (piece.scratch_end > begin) {
      result.push_back(scratch.Slice(begin, piece.scratch_end - begin));
      begin = piece.scratch_end;
    }
    result.push_back(std::move(piece.payload));
  }
  if (scratch.size() > begin) result.push_back(scratch.Suffix(begin));
  ClearAndTrim(&pieces_);
  // A busy node writes large batches one after another, so the memory may be
  // four times what this batch needed.
  ClearAndTrim(&scratch_, std::max(kKeptBytesMax, 4 * scratch_.size()));
  return result;
}

}  // namespace quorate::raft
