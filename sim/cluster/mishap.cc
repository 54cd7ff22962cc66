#include "sim/cluster/mishap.h"

#include <algorithm>
#include <utility>

#include "absl/functional/function_ref.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "raft/host/bootstrap_record.h"
#include "raft/log/end_mark.h"
#include "raft/log/identity_format.h"
#include "raft/log/record.h"
#include "raft/log/scan.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/partition.h"

namespace quorate::sim {
namespace {

using Outcome = Mishap::Outcome;

constexpr std::string_view kIdentity = "identity";
constexpr std::string_view kLogs = "log-";
constexpr std::string_view kSnapshots = "snap-";
// A value that no field of a real file has.
constexpr uint32_t kUnknown = 77;

template <typename T>
void Set(std::string* bytes, size_t offset, T value) {
  StoreFixed<T>(bytes->data() + offset, value);
}

// Renews the checksum in the last four of the bytes from `begin` to `end`.
void Seal(std::string* bytes, size_t begin, size_t end) {
  const auto covered =
      std::string_view(*bytes).substr(begin, end - begin - sizeof(uint32_t));
  Set(bytes, end - sizeof(uint32_t), Crc32c(0, covered));
}

void FlipSomeBit(MishandledDirectory* directory, std::string* bytes,
                 size_t begin, size_t end) {
  char& byte = (*bytes)[begin + directory->Below(end - begin)];
  byte = static_cast<char>(byte ^ (1 << directory->Below(8)));
}

// ---- The identity. Its bootstrap record begins behind the fixed fields.
constexpr size_t kIdentityVersionAt = 8;
constexpr size_t kRecordSizeAt = 40;
constexpr size_t kRecordAt = 44;
constexpr size_t kStoresAt = kRecordAt + 32;

using EditBytes = absl::FunctionRef<void(std::string*)>;

bool EditIdentity(MishandledDirectory* directory, EditBytes edit) {
  std::string bytes = directory->Read(kIdentity);
  if (!raft::DecodeIdentity(bytes).ok()) return false;
  edit(&bytes);
  Seal(&bytes, 0, bytes.size());
  directory->Write(kIdentity, bytes);
  return true;
}

bool SetInIdentity(MishandledDirectory* directory, size_t offset,
                   uint32_t value) {
  return EditIdentity(directory, [&](std::string* bytes) {
    Set<uint32_t>(bytes, offset, value);
  });
}

using EditRecord = absl::FunctionRef<void(raft::BootstrapRecord*)>;

bool EditBootstrapRecord(MishandledDirectory* directory, EditRecord edit) {
  auto identity = raft::DecodeIdentity(directory->Read(kIdentity));
  if (!identity.ok()) return false;
  auto record = raft::DecodeBootstrapRecord(identity->bootstrap_record);
  if (!record.ok()) return false;
  edit(&*record);
  identity->bootstrap_record = EncodeBootstrapRecord(*record);
  directory->Write(kIdentity, EncodeIdentity(*identity));
  return true;
}

constexpr size_t kPartitionerAt = sizeof(uint32_t);

bool SetPartitioner(MishandledDirectory* directory, uint32_t partitioner) {
  return EditBootstrapRecord(directory, [&](raft::BootstrapRecord* record) {
    Buffer& parameters = record->plan.groups[0].parameters;
    std::string bytes(parameters.view());
    StoreFixed(bytes.data() + kPartitionerAt, partitioner);
    parameters = Buffer::Copy(bytes);
  });
}

// Takes hash slots for last characters, or the other way round. Parameters of
// key ranges have a form of their own.
bool SwapPartitioners(MishandledDirectory* directory) {
  const auto identity = raft::DecodeIdentity(directory->Read(kIdentity));
  if (!identity.ok()) return false;
  const auto record = raft::DecodeBootstrapRecord(identity->bootstrap_record);
  if (!record.ok()) return false;
  const auto partitioner = static_cast<Partitioner>(LoadFixed<uint32_t>(
      record->plan.groups[0].parameters.view(), kPartitionerAt));
  if (partitioner == Partitioner::kKeyRanges) return false;
  const Partitioner other = partitioner == Partitioner::kHashSlots
                                ? Partitioner::kLastCharacter
                                : Partitioner::kHashSlots;
  return SetPartitioner(directory, static_cast<uint32_t>(other));
}

// ---- The log.
constexpr size_t kSegmentVersionAt = 8;
constexpr size_t kSegmentStoreAt = 24;

// Edits the header of some segment that was written and not yet recycled.
bool EditSegmentHeader(MishandledDirectory* directory, EditBytes edit) {
  const std::string name = directory->Some(kLogs);
  std::string bytes = directory->Read(name);
  if (!raft::DecodeSegmentHeader(bytes).ok()) return false;
  edit(&bytes);
  Seal(&bytes, 0, raft::kSegmentHeaderBytes);
  directory->Write(name, bytes);
  return true;
}

// A segment, with the records that recovery surely reads.
struct Segment {
  std::string name;
  std::string bytes;
  uint32_t seed = 0;
  std::vector<raft::ScannedRecord> records;
};

// The newest segment whose opening is complete.
bool ReadLastSegment(MishandledDirectory* directory, Segment* last) {
  const std::vector<std::string> names = directory->Names(kLogs);
  for (auto name = names.rbegin(); name != names.rend(); ++name) {
    last->name = *name;
    last->bytes = directory->Read(*name);
    const auto header = raft::DecodeSegmentHeader(last->bytes);
    const uint64_t number = raft::ParseSegmentName(*name);
    if (!header.ok() || header->number != number) continue;
    last->seed = raft::SegmentSeed(header->cluster, header->store, number);
    raft::Scan scan = raft::ScanSegment(last->bytes, number, last->seed);
    if (scan.opened == 0) continue;
    last->records = std::move(scan.records);
    const auto bad = std::find_if(
        last->records.begin(), last->records.end(), [](const auto& record) {
          return record.kind != raft::ScannedRecord::Kind::kGood;
        });
    last->records.erase(bad, last->records.end());
    return true;
  }
  return false;
}

constexpr size_t kTypeAt = 4;
constexpr size_t kVersionAt = 5;
constexpr size_t kBodyCrcAt = 12;
// In the body of a state record.
constexpr size_t kStateFlagsAt = 56;

// Renews the checksums of a record.
void SealRecord(const raft::ScannedRecord& record, Segment* segment) {
  char offset[sizeof(uint64_t)];
  StoreFixed<uint64_t>(offset, record.offset);
  const uint32_t seed =
      Crc32c(segment->seed, std::string_view(offset, sizeof(offset)));
  const auto all = std::string_view(segment->bytes);
  const size_t body = record.offset + raft::kRecordHeaderBytes;
  const size_t body_bytes =
      raft::RecordBytes(record.header.body_bytes) - raft::kRecordHeaderBytes;
  Set(&segment->bytes, record.offset + kBodyCrcAt,
      Crc32c(seed, all.substr(body, body_bytes)));
  const size_t covered = raft::kRecordHeaderBytes - sizeof(uint32_t);
  Set(&segment->bytes, record.offset + covered,
      Crc32c(seed, all.substr(record.offset, covered)));
}

// A record as a newer program may write it. Segments of every program end their
// opening with a record of the same type.
bool RenumberRecord(MishandledDirectory* directory, size_t at) {
  Segment last;
  if (!ReadLastSegment(directory, &last)) return false;
  const auto& record = last.records[directory->Below(last.records.size())];
  if (record.header.type == raft::RecordType::kOpened) return false;
  last.bytes[record.offset + at] = static_cast<char>(kUnknown);
  SealRecord(record, &last);
  directory->Write(last.name, last.bytes);
  return true;
}

// A record whose body has another count of entries than it says, or an unknown
// state.
bool SpoilRecord(MishandledDirectory* directory) {
  Segment last;
  if (!ReadLastSegment(directory, &last)) return false;
  const auto& record = last.records[directory->Below(last.records.size())];
  const bool entries = record.header.type == raft::RecordType::kAppend ||
                       record.header.type == raft::RecordType::kRewrite;
  size_t at = record.offset + raft::kRecordHeaderBytes;
  if (entries) {
    const uint16_t flags = record.header.flags;
    at += (flags & raft::kFlagHardState) != 0 ? 16 : 0;
    at += (flags & raft::kFlagCommit) != 0 ? 8 : 0;
    Set<uint32_t>(&last.bytes, at, directory->Below(2) == 0 ? 0 : ~0u);
  } else if (record.header.type == raft::RecordType::kState) {
    Set<uint32_t>(&last.bytes, at + kStateFlagsAt, kUnknown);
  } else {
    return false;
  }
  SealRecord(record, &last);
  directory->Write(last.name, last.bytes);
  return true;
}

// Fields of the header of an entry in the body of a record.
constexpr size_t kCountBytes = 8;
constexpr size_t kEntryVersionAt = 41;
constexpr size_t kEntryChecksumAt = 44;

// An entry as a newer program may have written it: the first one of a record.
bool RenumberEntry(MishandledDirectory* directory) {
  Segment last;
  if (!ReadLastSegment(directory, &last)) return false;
  const auto& record = last.records[directory->Below(last.records.size())];
  const uint16_t flags = record.header.flags;
  if (record.header.type != raft::RecordType::kAppend) return false;
  auto body = raft::DecodeEntriesBody(flags, record.body);
  if (!body.ok() || body->entries.empty()) return false;
  raft::Entry& entry = body->entries.front();
  entry.version = kUnknown;
  size_t at = record.offset + raft::kRecordHeaderBytes + kCountBytes;
  at += (flags & raft::kFlagHardState) != 0 ? 16 : 0;
  at += (flags & raft::kFlagCommit) != 0 ? 8 : 0;
  Set<uint8_t>(&last.bytes, at + kEntryVersionAt, entry.version);
  Set<uint32_t>(&last.bytes, at + kEntryChecksumAt, raft::EntryChecksum(entry));
  SealRecord(record, &last);
  directory->Write(last.name, last.bytes);
  return true;
}

// Lets `edit` take away the end of the last segment: some bytes from `from` on,
// where the end mark shows the loss.
bool LoseEnd(MishandledDirectory* directory,
             absl::FunctionRef<void(std::string* bytes, uint64_t from)> edit) {
  const auto identity = raft::DecodeIdentity(directory->Read(kIdentity));
  Segment last;
  if (!identity.ok() || !ReadLastSegment(directory, &last)) return false;
  const auto mark = raft::DecodeEndMark(identity->cluster, identity->store,
                                        directory->Read(raft::kEndMarkName));
  if (!mark.ok() || mark->segment != raft::ParseSegmentName(last.name)) {
    return false;
  }
  const auto opened = std::find_if(
      last.records.begin(), last.records.end(), [](const auto& record) {
        return record.header.type == raft::RecordType::kOpened;
      });
  if (opened == last.records.end() || opened->end >= mark->offset) return false;
  // The last bytes may be padding.
  const uint64_t before = mark->offset - raft::kRecordAlignment;
  const uint64_t from =
      opened->end + directory->Below(before - opened->end + 1);
  // Zeros that are gone are read as zeros, and what is lost behind the mark
  // looks like a torn tail.
  const auto begin = last.bytes.begin() + static_cast<ptrdiff_t>(from);
  const auto end = last.bytes.begin() + static_cast<ptrdiff_t>(mark->offset);
  if (std::all_of(begin, end, [](char byte) { return byte == 0; })) {
    return false;
  }
  edit(&last.bytes, from);
  directory->Write(last.name, last.bytes);
  return true;
}

// A segment before the last one; empty if there is none.
std::string EarlierSegment(MishandledDirectory* directory) {
  Segment last;
  if (!ReadLastSegment(directory, &last)) return "";
  std::vector<std::string> names = directory->Names(kLogs);
  names.erase(std::find(names.begin(), names.end(), last.name), names.end());
  return names.empty() ? "" : names[directory->Below(names.size())];
}

// ---- Snapshots: the bytes of the state machine, the trailer and the footer.
constexpr size_t kFooterVersionAt = 8;
constexpr size_t kTrailerBytesAt = 12;
constexpr size_t kFooterStoreAt = 32;
constexpr size_t kTrailerCrcAt = 40;

bool EditSnapshot(MishandledDirectory* directory,
                  absl::FunctionRef<void(SnapshotOnDisk*)> edit) {
  SnapshotOnDisk file;
  if (!ReadSomeSnapshot(directory, &file)) return false;
  edit(&file);
  directory->Write(file.name, file.bytes);
  return true;
}

void SealSnapshot(SnapshotOnDisk* file) {
  const auto trailer_bytes =
      static_cast<uint32_t>(file->footer_at() - file->footer.data_bytes);
  const size_t at = file->footer_at();
  Set(&file->bytes, at + kTrailerBytesAt, trailer_bytes);
  Set(&file->bytes, at + kTrailerCrcAt,
      Crc32c(0, std::string_view(file->bytes)
                    .substr(file->footer.data_bytes, trailer_bytes)));
  Seal(&file->bytes, at, file->bytes.size());
}

// The bytes of a state machine that another program made.
void ReplaceState(SnapshotOnDisk* file, const std::string& state) {
  raft::SnapshotChecksums checksums(file->trailer.group,
                                    file->trailer.descriptor.position);
  checksums.Add(state);
  file->trailer.descriptor.size_bytes = checksums.size_bytes();
  file->trailer.descriptor.crc32c = checksums.crc32c();
  file->trailer.blocks = checksums.blocks();
  file->bytes =
      state + raft::EncodeSnapshotEnd(file->footer.cluster, file->footer.store,
                                      file->trailer);
}

// ---- Configurations, at the end of the trailer of a snapshot.
struct WrongMember {
  uint32_t node = 0;
  uint64_t store = 0;
};
using WrongMembers = std::vector<WrongMember>;

// The fields of a configuration that breaks a rule.
struct WrongConfiguration {
  uint8_t version = 1;
  // Voters, outgoing voters, learners, next learners.
  WrongMembers members[4];
  int64_t lease_ns = 0;
  // How often each list of members stands in a row, as one list.
  uint32_t repeats = 1;
};

std::string Encode(const WrongConfiguration& wrong) {
  std::string out(1, static_cast<char>(wrong.version));
  for (const WrongMembers& members : wrong.members) {
    AppendFixed(&out, static_cast<uint32_t>(members.size()) * wrong.repeats);
    for (uint32_t i = 0; i < wrong.repeats; ++i) {
      for (const WrongMember& member : members) {
        AppendFixed(&out, member.node);
        AppendFixed(&out, member.store);
      }
    }
  }
  AppendFixed(&out, wrong.lease_ns);
  AppendFixed(&out, uint64_t{1});  // The hash key.
  return out;
}

std::vector<WrongConfiguration> WrongConfigurations() {
  return {
      {.version = 0, .members = {{{1}}}},
      {},                                      // No voter.
      {.members = {{{2}, {1}}}},               // Not sorted.
      {.members = {{{1}}, {}, {{1}}}},         // Voter and learner.
      {.members = {{{1}}, {}, {}, {{1}}}},     // No outgoing voter.
      {.members = {{{1, 5}}, {{1, 6}}}},       // Two stores of one node.
      {.members = {{{1}}, {{1}}, {}, {{1}}}},  // A voter is next learner.
      {.members = {{{1}}}, .lease_ns = -1},
      {.members = {{{1}}}, .repeats = 100'000},
  };
}

bool ReplaceConfiguration(MishandledDirectory* directory,
                          const WrongConfiguration& wrong) {
  return EditSnapshot(directory, [&](SnapshotOnDisk* file) {
    // Behind the checksums of the blocks and fields of 60 bytes.
    const size_t size_at = file->footer.data_bytes +
                           file->trailer.blocks.size() * sizeof(uint32_t) + 60;
    const std::string configuration = Encode(wrong);
    const std::string footer = file->bytes.substr(file->footer_at());
    file->bytes.resize(size_at);
    AppendFixed(&file->bytes, static_cast<uint32_t>(configuration.size()));
    file->bytes += configuration + footer;
    SealSnapshot(file);
  });
}

constexpr Mishap kMishaps[] = {
    {"identity removed", Outcome::kRefused, "holds files but no identity file",
     [](MishandledDirectory* d) { return d->Remove(kIdentity), true; }},
    {"identity damaged", Outcome::kRefused, "'identity' is damaged",
     [](MishandledDirectory* d) {
       std::string bytes = d->Read(kIdentity);
       // Another version would be refused as such.
       FlipSomeBit(d, &bytes, kIdentityVersionAt + 4, bytes.size());
       return d->Write(kIdentity, bytes), true;
     }},
    {"identity of a newer program", Outcome::kRefused,
     "this program knows version",
     [](MishandledDirectory* d) {
       return SetInIdentity(d, kIdentityVersionAt, kUnknown);
     }},
    {"record of a newer program", Outcome::kRefused,
     "the bootstrap record of the data directory has version",
     [](MishandledDirectory* d) {
       return SetInIdentity(d, kRecordAt, kUnknown);
     }},
    {"record with too many stores", Outcome::kRefused, "cannot be read",
     [](MishandledDirectory* d) { return SetInIdentity(d, kStoresAt, ~0u); }},
    {"record with an unknown partitioner", Outcome::kRefused, "cannot be read",
     [](MishandledDirectory* d) { return SetPartitioner(d, kUnknown); }},
    {"record that is too short", Outcome::kRefused, "cannot be read",
     [](MishandledDirectory* d) {
       return EditIdentity(d, [](std::string* bytes) {
         bytes->pop_back();
         const auto size = LoadFixed<uint32_t>(*bytes, kRecordSizeAt);
         Set<uint32_t>(bytes, kRecordSizeAt, size - 1);
       });
     }},
    {"record with another partitioner", Outcome::kRefused,
     "'founding.partitioner'",
     [](MishandledDirectory* d) { return SwapPartitioners(d); }},
    // The log says what holds.
    {"record with another hash key",
     Outcome::kHarmless,
     {},
     [](MishandledDirectory* d) {
       return EditBootstrapRecord(
           d, [](raft::BootstrapRecord* record) { record->hash_key ^= 1; });
     }},
    {"all segments removed", Outcome::kRefused, "(log-*) are missing",
     [](MishandledDirectory* d) {
       for (const std::string& name : d->Names(kLogs)) d->Remove(name);
       return true;
     }},
    {"all segments emptied", Outcome::kRefused, "none of its segments",
     [](MishandledDirectory* d) {
       for (const std::string& name : d->Names(kLogs)) {
         d->Write(name, std::string(d->Below(4096), '\0'));
       }
       return true;
     }},
    {"segment of another store", Outcome::kRefused, "belongs to store",
     [](MishandledDirectory* d) {
       return EditSegmentHeader(d, [](std::string* bytes) {
         Set<uint64_t>(bytes, kSegmentStoreAt, kUnknown);
       });
     }},
    {"segment of a newer program", Outcome::kRefused, "log format version",
     [](MishandledDirectory* d) {
       return EditSegmentHeader(d, [](std::string* bytes) {
         Set<uint32_t>(bytes, kSegmentVersionAt, kUnknown);
       });
     }},
    {"type of record of a newer program", Outcome::kRefused,
     "which this program does not know",
     [](MishandledDirectory* d) { return RenumberRecord(d, kTypeAt); }},
    {"version of record of a newer program", Outcome::kRefused,
     "which this program does not know",
     [](MishandledDirectory* d) { return RenumberRecord(d, kVersionAt); }},
    {"record that does not parse", Outcome::kContained, {}, SpoilRecord},
    {"entry of a newer program", Outcome::kHalted, {}, RenumberEntry, true},
    {"segment removed",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       const std::string name = EarlierSegment(d);
       if (!name.empty()) d->Remove(name);
       return !name.empty();
     }},
    {"segment cut",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       const std::string name = EarlierSegment(d);
       if (name.empty()) return false;
       std::string bytes = d->Read(name);
       bytes.resize(d->Below(bytes.size() + 1));
       return d->Write(name, bytes), true;
     }},
    {"last segment cut",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return LoseEnd(
           d, [](std::string* bytes, uint64_t from) { bytes->resize(from); });
     }},
    {"end of the last segment overwritten with zeros",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return LoseEnd(d, [](std::string* bytes, uint64_t from) {
         std::fill(bytes->begin() + static_cast<ptrdiff_t>(from), bytes->end(),
                   '\0');
       });
     }},
    {"snapshot removed",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       const std::string name = d->Some(kSnapshots);
       if (!name.empty()) d->Remove(name);
       return !name.empty();
     }},
    {"snapshot cut",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         const uint64_t bound =
             d->Below(2) == 0 ? raft::kSnapshotFooterBytes : file->bytes.size();
         file->bytes.resize(d->Below(bound));
       });
     }},
    {"beginning of a snapshot lost",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(
           d, [&](SnapshotOnDisk* file) { file->bytes.erase(0, 1); });
     }},
    {"footer of a snapshot damaged",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         FlipSomeBit(d, &file->bytes, file->footer_at(), file->bytes.size());
       });
     }},
    {"trailer of a snapshot damaged",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         FlipSomeBit(d, &file->bytes, file->footer.data_bytes,
                     file->footer_at());
       });
     }},
    {"trailer of a snapshot too short",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         const size_t most = file->footer_at() - file->footer.data_bytes;
         file->bytes.erase(file->footer.data_bytes, 1 + d->Below(most));
         SealSnapshot(file);
       });
     }},
    {"snapshot under another name",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         d->Remove(file->name);
         raft::LogPosition position = file->trailer.descriptor.position;
         position.index = position.index + 1;
         file->name = raft::SnapshotName(file->trailer.group, position);
       });
     }},
    {"copy of a snapshot",
     Outcome::kHarmless,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [d](SnapshotOnDisk* file) {
         if (d->Below(2) == 0) file->name.resize(kSnapshots.size());
         file->name += "-old";
       });
     }},
    {"snapshot of another store", Outcome::kRefused, "belongs to store",
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [](SnapshotOnDisk* file) {
         Set<uint64_t>(&file->bytes, file->footer_at() + kFooterStoreAt,
                       kUnknown);
         SealSnapshot(file);
       });
     }},
    {"snapshot of a newer program",
     Outcome::kHalted,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [](SnapshotOnDisk* file) {
         Set<uint32_t>(&file->bytes, file->footer_at() + kFooterVersionAt,
                       kUnknown);
         SealSnapshot(file);
       });
     }},
    {"configuration of a newer program",
     Outcome::kHalted,
     {},
     [](MishandledDirectory* d) {
       return ReplaceConfiguration(d,
                                   {.version = kUnknown, .members = {{{1}}}});
     }},
    {"configuration that breaks a rule",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       const auto wrong = WrongConfigurations();
       return ReplaceConfiguration(d, wrong[d->Below(wrong.size())]);
     }},
    // The state of the controller has no checksum of its own.
    {"state that no program wrote",
     Outcome::kContained,
     {},
     [](MishandledDirectory* d) {
       return EditSnapshot(d, [&](SnapshotOnDisk* file) {
         if (file->trailer.group.group == shardctrl::kControllerGroup) return;
         std::string state = file->bytes.substr(0, file->footer.data_bytes);
         FlipSomeBit(d, &state, 0, state.size());
         ReplaceState(file, state);
       });
     }},
};

}  // namespace

std::vector<std::string> MishandledDirectory::Names(
    std::string_view prefix) const {
  std::vector<std::string> names = world_->DiskFiles(machine_);
  std::erase_if(names, [prefix](const std::string& name) {
    return name.substr(0, prefix.size()) != prefix;
  });
  return names;
}

std::string MishandledDirectory::Some(std::string_view prefix) {
  const std::vector<std::string> names = Names(prefix);
  return names.empty() ? "" : names[Below(names.size())];
}

bool ReadSomeSnapshot(MishandledDirectory* directory, SnapshotOnDisk* file) {
  file->name = directory->Some(kSnapshots);
  const auto name = raft::ParseSnapshotName(file->name);
  if (!name.has_value() || name->staging) return false;
  file->bytes = directory->Read(file->name);
  if (file->bytes.size() < raft::kSnapshotFooterBytes) return false;
  const std::string_view bytes = file->bytes;
  const auto footer =
      raft::DecodeSnapshotFooter(bytes.substr(file->footer_at()), bytes.size());
  if (!footer.ok()) return false;
  file->footer = *footer;
  auto trailer = raft::DecodeSnapshotTrailer(
      bytes.substr(footer->data_bytes, footer->trailer_bytes), *footer);
  if (!trailer.ok()) return false;
  file->trailer = *std::move(trailer);
  return true;
}

absl::Span<const Mishap> Mishaps() { return kMishaps; }

}  // namespace quorate::sim
