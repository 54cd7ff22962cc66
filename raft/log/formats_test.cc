// The stored forms: golden files, round trips, and decoders that survive any
// bytes.
//
//   bazel run //raft/log:formats_test -- --rewrite
//
// Rewrite the golden files only after a deliberate change of a format, and read
// the diff.
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "gtest/gtest.h"
#include "raft/log/files/starts.h"
#include "raft/log/identity_format.h"
#include "raft/log/record.h"
#include "raft/log/replay.h"
#include "raft/log/scan.h"
#include "raft/log/segment_opener.h"
#include "raft/log/snapshot_format.h"
#include "raft/log/testing/log_harness.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

constexpr ClusterId kCluster{0x0102030405060708};
constexpr StoreIncarnation kStore{0x1112131415161718};
constexpr GroupKey kKey{GroupId(0x21222324), ReplicaId(0x3132333435363738)};
bool rewrite = false;

std::string Joined(const std::vector<Buffer>& pieces) {
  std::string bytes;
  for (const Buffer& piece : pieces) bytes += piece.view();
  return bytes;
}

// Sixteen bytes per line, so that a diff shows which bytes changed.
std::string HexLines(const std::string& bytes) {
  std::string text;
  for (size_t i = 0; i < bytes.size(); i += 16) {
    text += absl::BytesToHexString(bytes.substr(i, 16)) + "\n";
  }
  return text;
}

std::string FromHexLines(const std::string& text) {
  std::string hex;
  for (char c : text) {
    if (c != '\n') hex += c;
  }
  return absl::HexStringToBytes(hex);
}

// Compares with (or writes) raft/log/testdata/NAME; returns the contents of the
// file.
std::string Golden(const std::string& name, const std::string& bytes) {
  const std::string path = "raft/log/testdata/" + name;
  if (rewrite) {
    const char* workspace = std::getenv("BUILD_WORKSPACE_DIRECTORY");
    CHECK(workspace != nullptr) << "--rewrite works under `bazel run`";
    std::ofstream(std::string(workspace) + "/" + path) << HexLines(bytes);
    return bytes;
  }
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  EXPECT_EQ(HexLines(bytes), text.str())
      << "the stored form changed: raise its version, or see the top of "
         "this file";
  return FromHexLines(text.str());
}

// A segment with one record of every type but a witness. `commit` stands beside
// each hard state.
std::string SampleSegment(Index commit = Index()) {
  SegmentOpening opening;
  opening.header = {kCluster, kStore, 7, {6, 0x4142}};
  opening.write_number = 51;
  StateBody state;
  state.hard_state = {Term(9), ReplicaId(0x6162636465666768)};
  state.commit = commit == Index() ? Index() : commit - 1;
  state.log_start = TestLogStart({Term(8), Index(100)});
  state.last = Index(104);
  opening.states = {{kKey, state}};
  opening.copies = {{RecordType::kLogStart, kFlagDiscardSuffix, kKey,
                     EncodeLogStartBody(TestLogStart({Term(9), Index(110)}))}};
  std::string bytes = Joined(EncodeOpening(opening, 1 << 20).at(0));
  BatchWriter writer;
  const SegmentOffset place{7, bytes.size()};
  writer.Start(SegmentSeed(kCluster, kStore, 7), place, place, 52);
  const HardState hard_state{Term(10), ReplicaId(2)};
  const std::vector<Entry> entries = {
      TestEntry(9, 111, "hello"), TestEntry(10, 112, std::string(600, 'w'))};
  writer.AddEntries(RecordType::kAppend, kKey, &hard_state, commit, entries);
  writer.AddEntries(RecordType::kRewrite, kKey, nullptr, Index(), {entries[0]});
  writer.Add(RecordType::kLogStart, 0, kKey,
             EncodeLogStartBody(TestLogStart({Term(9), Index(111)})));
  writer.Add(RecordType::kDrop, 0, {GroupId(5), ReplicaId(6)}, "");
  return bytes + Joined(writer.Take());
}

// A segment that ends with a witness.
std::string SampleWithWitness() {
  std::string bytes = SampleSegment();
  BatchWriter writer;
  const SegmentOffset place{7, bytes.size()};
  writer.Start(SegmentSeed(kCluster, kStore, 7), place, place, 53);
  writer.Add(RecordType::kWitness, 0, GroupKey{}, "");
  return bytes + Joined(writer.Take());
}

Scan ScanSample(std::string_view bytes) {
  return ScanSegment(bytes, 7, SegmentSeed(kCluster, kStore, 7));
}

SnapshotTrailer SampleTrailer(const std::string& data) {
  SnapshotTrailer trailer;
  trailer.group = kKey;
  trailer.descriptor.position = {Term(9), Index(110)};
  trailer.descriptor.log_time = WallTime(12345);
  trailer.descriptor.latest = WallTime(12399);
  trailer.descriptor.configuration.voters = {
      {ReplicaId(101), NodeId(1), StoreIncarnation(11)},
      {ReplicaId(102), NodeId(2), StoreIncarnation(12)}};
  trailer.descriptor.configuration.learners = {
      {ReplicaId(104), NodeId(4), StoreIncarnation(14)}};
  trailer.descriptor.configuration.voters[1].priority = 3;
  trailer.descriptor.configuration.voters[1].note = Buffer::Copy("rack 4");
  trailer.descriptor.configuration.generation = 97;
  trailer.descriptor.configuration.machine_kind = 98;
  trailer.descriptor.configuration.hash_key = 99;
  trailer.descriptor.configuration.parameters = Buffer::Copy("parameters");
  SnapshotChecksums checksums(kKey, trailer.descriptor.position);
  checksums.Add(data);
  trailer.descriptor.size_bytes = checksums.size_bytes();
  trailer.descriptor.crc32c = checksums.crc32c();
  trailer.blocks = checksums.blocks();
  return trailer;
}

TEST(FormatGolden, Identity_IsAsEver) {
  const StoreIdentity identity{kCluster, NodeId(0x51525354), kStore,
                               "founding record"};
  const std::string bytes = Golden("identity_v1.hex", EncodeIdentity(identity));
  const auto decoded = DecodeIdentity(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, identity);
}

TEST(FormatGolden, RestoredIdentity_IsAsEver) {
  const StoreIdentity identity{kCluster, NodeId(0x51525354), kStore,
                               "founding record", ClusterId(0x71727374)};
  const std::string bytes =
      Golden("identity_v1_restored.hex", EncodeIdentity(identity));
  const auto decoded = DecodeIdentity(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, identity);
  EXPECT_EQ(decoded->files_cluster(), ClusterId(0x71727374));
}

Starts SampleStarts() {
  return {.number = 0x4142,
          .tags = {0x515253, 0x616263},
          .address = "host:7001",
          .others = {"host:7002", "x:1"},
          .gave_way = true,
          .seen = {{NodeId(2), {kStore, {0x7172, 0x818283}}}}};
}

TEST(FormatGolden, Starts_AreAsEver) {
  const std::string bytes =
      Golden("starts_v1.hex", EncodeStarts(kStore, SampleStarts()));
  const auto decoded = DecodeStarts(kStore, bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(*decoded, SampleStarts());
  // A longer file was written over.
  EXPECT_EQ(*DecodeStarts(kStore, bytes + "rest"), SampleStarts());
  EXPECT_FALSE(DecodeStarts(StoreIncarnation(1), bytes).ok());
}

TEST(FormatGolden, Segment_IsAsEver) {
  const std::string bytes = Golden("segment_v1.hex", SampleSegment());
  const auto header = DecodeSegmentHeader(bytes);
  ASSERT_TRUE(header.ok());
  EXPECT_EQ(header->previous, (SegmentOffset{6, 0x4142}));
  const Scan scan = ScanSample(bytes);
  ASSERT_EQ(scan.records.size(), 7u);
  Replay replay;
  ASSERT_TRUE(replay.AddLast(7, scan, scan.synced, true).ok());
  const Replay::Result result = replay.Finish();
  const RecoveredGroup& group = result.groups.at(kKey);
  EXPECT_TRUE(group.fenced.ok()) << group.fenced;
  EXPECT_EQ(group.log_start, TestLogStart({Term(9), Index(111)}));
  EXPECT_EQ(group.entries,
            std::vector<Entry>{TestEntry(10, 112, std::string(600, 'w'))});
  EXPECT_EQ(group.hard_state, (HardState{Term(10), ReplicaId(2)}));
  EXPECT_EQ(group.commit, Index());
}

TEST(FormatGolden, SegmentWithCommit_IsAsEver) {
  const std::string bytes =
      Golden("segment_with_commit_v1.hex", SampleSegment(Index(0x1111)));
  EXPECT_EQ(bytes.size(), SampleSegment().size() + 8);
  const Scan scan = ScanSample(bytes);
  ASSERT_EQ(scan.records.size(), 7u);
  const auto state = DecodeStateBody(scan.records[0].body);
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->commit, Index(0x1110));
  Replay replay;
  ASSERT_TRUE(replay.AddLast(7, scan, scan.synced, true).ok());
  const Replay::Result result = replay.Finish();
  const RecoveredGroup& group = result.groups.at(kKey);
  EXPECT_EQ(group.hard_state, (HardState{Term(10), ReplicaId(2)}));
  EXPECT_EQ(group.commit, Index(0x1111));
  ASSERT_EQ(group.entries.size(), 1u);
  EXPECT_EQ(group.entries.back().index, Index(112));
}

TEST(FormatGolden, SegmentWithWitness_IsAsEver) {
  const std::string bytes =
      Golden("segment_with_witness_v1.hex", SampleWithWitness());
  const std::string without = SampleSegment();
  EXPECT_EQ(bytes.substr(0, without.size()), without);
  EXPECT_EQ(bytes.size(), without.size() + kRecordHeaderBytes);
  const Scan scan = ScanSample(bytes);
  EXPECT_EQ(scan.synced, without.size());
  ASSERT_EQ(scan.records.size(), 8u);
  EXPECT_EQ(scan.records.back().header.type, RecordType::kWitness);
  Replay replay;
  ASSERT_TRUE(replay.AddLast(7, scan, scan.synced, true).ok());
  const Replay::Result result = replay.Finish();
  EXPECT_TRUE(result.unconfirmed.empty());
  EXPECT_FALSE(result.torn_tail_cut);
  EXPECT_FALSE(result.groups.contains(GroupKey{}));
  EXPECT_EQ(result.groups.at(kKey).entries,
            std::vector<Entry>{TestEntry(10, 112, std::string(600, 'w'))});
}

TEST(FormatGolden, Snapshot_IsAsEver) {
  const std::string data(70000, 's');
  const SnapshotTrailer trailer = SampleTrailer(data);
  const std::string end = Golden("snapshot_end_v1.hex",
                                 EncodeSnapshotEnd(kCluster, kStore, trailer));
  ASSERT_GE(end.size(), kSnapshotFooterBytes);
  const auto footer = DecodeSnapshotFooter(
      std::string_view(end).substr(end.size() - kSnapshotFooterBytes),
      data.size() + end.size());
  ASSERT_TRUE(footer.ok()) << footer.status();
  EXPECT_EQ(footer->data_bytes, data.size());
  const auto decoded = DecodeSnapshotTrailer(
      std::string_view(end).substr(0, footer->trailer_bytes), *footer);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->descriptor, trailer.descriptor);
  EXPECT_EQ(decoded->blocks, trailer.blocks);
  EXPECT_EQ(decoded->group, kKey);
}

TEST(FormatGolden, SnapshotProgress_IsAsEver) {
  const SnapshotDescriptor descriptor =
      SampleTrailer(std::string(70000, 's')).descriptor;
  const std::string header =
      EncodeSnapshotProgressHeader({kCluster, kStore, kKey, descriptor});
  const std::string bytes =
      Golden("snapshot_progress_v1.hex",
             header + EncodeSyncedPiece(header, {40000, 0x11}) +
                 EncodeSyncedPiece(header, {70000, 0x12}));
  const auto decoded = DecodeSnapshotProgress(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(decoded->header.cluster, kCluster);
  EXPECT_EQ(decoded->header.store, kStore);
  EXPECT_EQ(decoded->header.group, kKey);
  EXPECT_EQ(decoded->header.descriptor, descriptor);
  EXPECT_EQ(decoded->header_bytes, header);
  ASSERT_EQ(decoded->pieces.size(), 2u);
  EXPECT_EQ(decoded->pieces[1].end, 70000u);
  EXPECT_EQ(decoded->pieces[1].crc32c, 0x12u);
}

TEST(FormatGolden, NamesOfFiles_AreAsEver) {
  EXPECT_EQ(SegmentName(0x1234abcd), "log-000000001234abcd");
}

// Gives the record at `offset` of a segment version 2. The encoder cannot write
// another version, so the byte and the checksum are set by hand.
std::string NewerRecord(std::string record, uint32_t segment_seed,
                        uint64_t offset) {
  record[5] = 2;
  char place[8] = {};
  std::memcpy(place, &offset, 8);
  const uint32_t seed = Crc32c(segment_seed, std::string_view(place, 8));
  const uint32_t crc = Crc32c(seed, std::string_view(record).substr(0, 44));
  std::memcpy(record.data() + 44, &crc, 4);
  return record;
}

TEST(FormatVersion, NewerOnes_AreRefusedAndNamed) {
  std::string identity = EncodeIdentity({kCluster, NodeId(1), kStore, "f"});
  identity[8] = 2;
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeIdentity(identity).status()));

  // A record of an unknown type, and one of an unknown version; both have valid
  // checksums.
  for (const bool type : {true, false}) {
    std::string bytes = Joined(EncodeOpening(
        {.header = {kCluster, kStore, 7, {}}, .write_number = 1}, 1 << 20)[0]);
    BatchWriter writer;
    writer.Start(SegmentSeed(kCluster, kStore, 7), {7, bytes.size()}, {}, 2);
    writer.Add(type ? static_cast<RecordType>(99) : RecordType::kDrop, 0, kKey,
               "");
    std::string record = Joined(writer.Take());
    if (!type) {
      record =
          NewerRecord(record, SegmentSeed(kCluster, kStore, 7), bytes.size());
    }
    bytes += record;
    const Scan scan = ScanSample(bytes);
    Replay replay;
    EXPECT_TRUE(
        absl::IsFailedPrecondition(replay.AddLast(7, scan, scan.synced, true)));
  }
}

// The record verifies, so it is no damage: a newer program wrote what this one
// does not know.
TEST(FormatVersion, UnknownFlagsAndReservedBytes_AreOfANewerProgram) {
  const auto replayed = [](RecordType type, uint16_t flags,
                           const std::string& body) {
    std::string bytes = Joined(EncodeOpening(
        {.header = {kCluster, kStore, 7, {}}, .write_number = 1}, 1 << 20)[0]);
    BatchWriter writer;
    writer.Start(SegmentSeed(kCluster, kStore, 7), {7, bytes.size()}, {}, 2);
    writer.Add(type, flags, kKey, body);
    bytes += Joined(writer.Take());
    const Scan scan = ScanSample(bytes);
    Replay replay;
    const absl::Status status = replay.AddLast(7, scan, scan.synced, true);
    EXPECT_TRUE(status.ok() || absl::StrContains(status.message(), "log-"));
    return status;
  };
  const std::string start = EncodeLogStartBody({});
  const std::string state = EncodeStateBody({});
  const std::string entries(8, '\0');
  EXPECT_TRUE(replayed(RecordType::kDrop, 0, "").ok());
  EXPECT_TRUE(replayed(RecordType::kLogStart, 1, start).ok());
  EXPECT_TRUE(replayed(RecordType::kState, 0, state).ok());
  EXPECT_TRUE(replayed(RecordType::kAppend, 0, entries).ok());
  const auto newer = [&](RecordType type, uint16_t flags,
                         const std::string& body) {
    return absl::IsFailedPrecondition(replayed(type, flags, body));
  };
  EXPECT_TRUE(newer(RecordType::kDrop, 1, ""));
  EXPECT_TRUE(newer(RecordType::kLogStart, 2, start));
  EXPECT_TRUE(newer(RecordType::kState, 1, state));
  EXPECT_TRUE(newer(RecordType::kAppend, 4, entries));
  EXPECT_TRUE(newer(RecordType::kRewrite, 2, std::string(16, '\0')));
  EXPECT_TRUE(newer(RecordType::kRewrite, 1, std::string(24, '\0')));
  EXPECT_TRUE(newer(RecordType::kWitness, 0x8000, ""));
  for (const RecordType type : {RecordType::kAppend, RecordType::kRewrite}) {
    EXPECT_TRUE(newer(type, 0, std::string("\0\0\0\0\1\0\0\0", 8)));
  }
  // Flags, generation, kind of state machine, both levels, and the rest.
  for (const size_t at : {57, 63, 64, 72, 76, 80, 87}) {
    std::string changed = state;
    changed[at] = 1;
    EXPECT_TRUE(newer(RecordType::kState, 0, changed)) << at;
  }
  std::string flags = state;
  flags[56] = 2;
  EXPECT_TRUE(newer(RecordType::kState, 0, flags));
}

TEST(FormatVersion, ReservedBytesOfASegmentHeader_AreOfANewerProgram) {
  for (const size_t at : {12, 15, 56, 59}) {
    std::string header = EncodeSegmentHeader({kCluster, kStore, 7, {}});
    header[at] = 1;
    const uint32_t crc = Crc32c(0, std::string_view(header).substr(0, 60));
    std::memcpy(header.data() + 60, &crc, 4);
    EXPECT_TRUE(
        absl::IsFailedPrecondition(DecodeSegmentHeader(header).status()))
        << at;
  }
}

// The start ends once, although it reads the next segment meanwhile.
TEST(FormatVersion, NewerRecordInAnySegment_EndsTheStart) {
  LogHarness h;
  h.Start();
  const GroupKey key = TestGroup(1);
  for (uint64_t index = 1; index <= 40; ++index) {
    const Entry entry = TestEntry(1, index, std::string(9000, 'x'));
    ASSERT_TRUE(h.Append(key, {entry}).ok());
  }
  h.Crash(sim::CrashKind::kMachine);
  size_t refused = 0;
  for (const std::string& file : h.world().DiskFiles(h.test().machine())) {
    const uint64_t number = ParseSegmentName(file);
    const uint32_t seed =
        SegmentSeed(h.options().cluster, h.options().store, number);
    const std::string bytes = h.ReadFile(file);
    const Scan scan = ScanSegment(bytes, number, seed);
    if (number == 0 || scan.opened == 0) continue;
    const ScannedRecord& first = scan.records.front();
    const std::string record = bytes.substr(first.offset, kRecordHeaderBytes);
    ASSERT_TRUE(
        h.world().OverwriteDisk(h.test().machine(), file, first.offset,
                                NewerRecord(record, seed, first.offset)));
    std::map<std::string, std::string> before;
    for (const std::string& name : h.world().DiskFiles(h.test().machine())) {
      before[name] = h.ReadFile(name);
    }
    const absl::Status opened = h.Open();
    EXPECT_TRUE(absl::IsFailedPrecondition(opened)) << opened;
    EXPECT_NE(opened.message().find(file), std::string::npos) << opened;
    // Nothing changed on the disk.
    for (const std::string& name : h.world().DiskFiles(h.test().machine())) {
      ASSERT_TRUE(before.contains(name)) << name;
      EXPECT_EQ(before.extract(name).mapped(), h.ReadFile(name)) << name;
    }
    EXPECT_TRUE(before.empty());
    h.Crash(sim::CrashKind::kMachine);
    ASSERT_TRUE(h.world().OverwriteDisk(h.test().machine(), file, first.offset,
                                        record));
    ++refused;
  }
  EXPECT_GT(refused, 4u);
  EXPECT_TRUE(h.Open().ok());
}

TEST(FormatPlace, RecordsElsewhere_AreNotRecords) {
  const std::string bytes = SampleSegment();
  const uint32_t seed = SegmentSeed(kCluster, kStore, 7);
  ASSERT_GT(ScanSegment(bytes, 7, seed).opened, 0u);
  // The same bytes in another segment, store or cluster, or at another offset.
  for (const uint32_t other : {SegmentSeed(kCluster, kStore, 8),
                               SegmentSeed(kCluster, StoreIncarnation(1), 7),
                               SegmentSeed(ClusterId(1), kStore, 7)}) {
    EXPECT_EQ(ScanSegment(bytes, 7, other).opened, 0u);
    EXPECT_EQ(ScanSegment(bytes, 7, other).records.size(), 1u);
  }
  const std::string moved =
      bytes.substr(0, 64) + std::string(8, '\0') + bytes.substr(64);
  EXPECT_EQ(ScanSegment(moved, 7, seed).records.size(), 1u);
}

// ---- Random values.

rc::Gen<std::string> Bytes(size_t max) {
  return rc::gen::mapcat(rc::gen::inRange<size_t>(0, max), [](size_t size) {
    return rc::gen::container<std::string>(size, rc::gen::arbitrary<char>());
  });
}

RC_GTEST_PROP(FormatRoundTrip, Entries_ComeBackAsTheyWere,
              (uint64_t term, uint64_t index, bool with_hard_state,
               uint64_t commit)) {
  const auto payloads =
      *rc::gen::container<std::vector<std::string>>(Bytes(900));
  index %= uint64_t{1} << 60;
  std::vector<Entry> entries;
  for (const std::string& payload : payloads) {
    Entry entry = TestEntry(term, index + entries.size(), payload);
    entry.kind = static_cast<EntryKind>(*rc::gen::arbitrary<uint8_t>());
    entry.version = *rc::gen::arbitrary<uint8_t>();
    entry.flags = *rc::gen::arbitrary<uint16_t>();
    entry.log_time = WallTime(*rc::gen::arbitrary<int64_t>());
    entry.checksum = EntryChecksum(entry);
    entries.push_back(entry);
  }
  const HardState hard_state{Term(term), ReplicaId(7)};
  BatchWriter writer;
  const uint32_t seed = SegmentSeed(kCluster, kStore, 3);
  writer.Start(seed, {3, 64}, {3, 64}, 9);
  const HardState* const written = with_hard_state ? &hard_state : nullptr;
  writer.AddEntries(RecordType::kAppend, kKey, written, Index(commit), entries);
  RC_ASSERT(writer.size_bytes() ==
            RecordBytes(EntriesBodyBytes(AppendFlags(written, Index(commit)),
                                         entries)));
  const std::string bytes = std::string(64, 'h') + Joined(writer.Take());
  RecordView view;
  RC_ASSERT(CheckRecord(bytes, 64, seed, &view) == RecordCheck::kGood);
  RC_ASSERT(view.header.write_number == 9u);
  const auto decoded = DecodeEntriesBody(view.header.flags, view.body);
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded->entries == entries);
  RC_ASSERT(decoded->mismatch == Index());
  RC_ASSERT(decoded->hard_state.has_value() == with_hard_state);
  RC_ASSERT(decoded->commit == (with_hard_state ? Index(commit) : Index()));
}

RC_GTEST_PROP(FormatRoundTrip, State_ComesBackAsItWas,
              (uint64_t term, uint64_t voted_for, uint64_t commit,
               uint64_t last, bool fenced)) {
  StateBody state;
  state.hard_state = {Term(term), ReplicaId(voted_for)};
  state.commit = Index(commit);
  state.fenced = fenced;
  state.log_start = TestLogStart({Term(term), Index(last / 2)});
  state.last = Index(last);
  const auto decoded = DecodeStateBody(EncodeStateBody(state));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(decoded->hard_state == state.hard_state);
  RC_ASSERT(decoded->commit == state.commit);
  RC_ASSERT(decoded->fenced == state.fenced);
  RC_ASSERT(decoded->log_start == state.log_start);
  RC_ASSERT(decoded->last == state.last);
}

RC_GTEST_PROP(FormatRoundTrip, SnapshotChecksums_DoNotDependOnThePieces, ()) {
  const auto sizes = *rc::gen::container<std::vector<uint32_t>>(
      rc::gen::inRange<uint32_t>(0, 150'000));
  std::string data;
  SnapshotChecksums pieces(kKey, {Term(1), Index(2)});
  for (uint32_t size : sizes) {
    const std::string piece(size, static_cast<char>(size));
    data += piece;
    pieces.Add(piece);
  }
  SnapshotChecksums whole(kKey, {Term(1), Index(2)});
  whole.Add(data);
  RC_ASSERT(pieces.blocks() == whole.blocks());
  RC_ASSERT(pieces.crc32c() == whole.crc32c());
  for (size_t i = 0; i < whole.blocks().size(); ++i) {
    RC_ASSERT(
        whole.blocks()[i] ==
        SnapshotBlockCrc(kKey, {Term(1), Index(2)}, i,
                         std::string_view(data).substr(i * kSnapshotBlockBytes,
                                                       kSnapshotBlockBytes)));
  }
}

// ---- Arbitrary bytes: decoders return a Status or a value, never crash, and
// use little memory.

void DecodeEverything(const std::string& bytes) {
  (void)DecodeIdentity(bytes);
  (void)DecodeStarts(kStore, bytes);
  (void)DecodeSegmentHeader(bytes);
  (void)DecodeStateBody(bytes);
  for (uint16_t flags = 0; flags < 4; ++flags) {
    const auto entries = DecodeEntriesBody(flags, bytes);
    if (entries.ok()) {
      size_t size = 0;
      for (const Entry& entry : entries->entries) size += entry.payload.size();
      CHECK_LE(size, bytes.size());
    }
  }
  (void)DecodeLogStartBody(bytes);
  (void)CheckOpenedBody(bytes);
  (void)DecodeSnapshotFooter(bytes, bytes.size());
  SnapshotFooter footer;
  footer.data_bytes = ~uint64_t{0} / 2;
  footer.trailer_bytes = static_cast<uint32_t>(bytes.size());
  footer.trailer_crc = Crc32c(0, bytes);
  (void)DecodeSnapshotTrailer(bytes, footer);
  footer.data_bytes = bytes.size() * 1000;
  (void)DecodeSnapshotTrailer(bytes, footer);
  (void)DecodeSnapshotProgress(bytes);
  (void)ParseSnapshotName(bytes);
  (void)PartnerOfReceived(bytes);
  (void)ParseSegmentName(bytes);
  const Scan scan = ScanSample(bytes);
  uint64_t at = kSegmentHeaderBytes;
  for (const ScannedRecord& record : scan.records) {
    CHECK_EQ(record.offset, at);
    at = record.end;
  }
  for (const uint64_t unconfirmed_from : {uint64_t{0}, scan.synced}) {
    Replay replay;
    (void)replay.AddClosed(6, scan, false);
    (void)replay.AddLast(7, scan, unconfirmed_from, true);
    (void)replay.Finish();
  }
}

RC_GTEST_PROP(FormatFuzz, RandomBytes_AreSurvived, ()) {
  DecodeEverything(*Bytes(3000));
}

RC_GTEST_PROP(FormatFuzz, MutatedFiles_AreSurvived, ()) {
  const std::string data(70000, 's');
  std::vector<std::string> files = {
      EncodeIdentity({kCluster, NodeId(1), kStore}),
      EncodeIdentity({kCluster, NodeId(1), kStore, "", kCluster}),
      EncodeStarts(kStore, SampleStarts()),
      SampleWithWitness(),
      EncodeSnapshotEnd(kCluster, kStore, SampleTrailer(data)),
      EncodeStateBody({}),
      EncodeLogStartBody({}),
      EncodeOpenedBody(0),
      SnapshotName(kKey, {}),
      SegmentName(5)};
  std::string bytes = *rc::gen::elementOf(files);
  const int mutations = *rc::gen::inRange(1, 6);
  for (int i = 0; i < mutations && !bytes.empty(); ++i) {
    const size_t at = *rc::gen::inRange<size_t>(0, bytes.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        bytes[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        bytes.resize(at);
        break;
      case 2:
        bytes.insert(at, *Bytes(40));
        break;
      default:
        bytes.replace(at, 4, "\xff\xff\xff\xff");
    }
  }
  DecodeEverything(bytes);
}

// Mutations made before the checksums are computed: bodies as a buggy or
// hostile writer would make them.
RC_GTEST_PROP(FormatFuzz, VerifiedNonsense_IsFencedOrRefused, ()) {
  const auto type = static_cast<RecordType>(*rc::gen::inRange(1, 8));
  std::string body = *Bytes(400);
  if (*rc::gen::arbitrary<bool>()) {
    body = *rc::gen::element(EncodeStateBody({}), EncodeLogStartBody({}),
                             EncodeOpenedBody(0));
    if (!body.empty()) body[body.size() / 2] ^= 0x5a;
  }
  std::string bytes = Joined(EncodeOpening(
      {.header = {kCluster, kStore, 7, {}}, .write_number = 1}, 1 << 20)[0]);
  BatchWriter writer;
  writer.Start(SegmentSeed(kCluster, kStore, 7), {7, bytes.size()},
               {7, bytes.size()}, 2);
  writer.Add(type, *rc::gen::arbitrary<uint16_t>(), kKey, body);
  bytes += Joined(writer.Take());
  DecodeEverything(bytes);
}

}  // namespace
}  // namespace quorate::raft

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    if (std::string(argv[i]) == "--rewrite") quorate::raft::rewrite = true;
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
