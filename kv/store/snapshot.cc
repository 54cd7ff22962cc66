#include "kv/store/snapshot.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "kv/command/command.h"
#include "kv/store/slot_items.h"

namespace quorate::kv {
namespace {

constexpr uint32_t kMagic = 0x53564b51;  // "QKVS".

// Kinds of items. Stored: never renumber.
constexpr uint8_t kSlotItem = 1;
constexpr uint8_t kRecordItem = 2;
constexpr uint8_t kRowItem = 3;
constexpr uint8_t kSlotEndItem = 4;
constexpr uint8_t kEndItem = 5;
constexpr uint8_t kMoveItem = 6;
constexpr uint8_t kChangeItem = 7;

}  // namespace

StoreSnapshotReader::StoreSnapshotReader(
    SnapshotHeader header, std::vector<std::pair<Slot, TableView>> tables,
    Sessions::View sessions, Moves::View moves)
    : header_(std::move(header)),
      tables_(std::move(tables)),
      sessions_(std::move(sessions)),
      moves_(std::move(moves)),
      next_sessions_(sessions_.begin()) {}

Buffer StoreSnapshotReader::Next(size_t size_bytes_max) {
  CHECK_GT(size_bytes_max, 0u);
  if (taken_ > 0) {
    pending_.erase(0, taken_);
    taken_ = 0;
  }
  while (pending_.size() < size_bytes_max) {
    const size_t before = pending_.size();
    if (!AppendItem()) break;
    // The checksum of the end item does not cover itself, and is the last
    // field.
    crc_ = Crc32c(crc_, std::string_view(pending_).substr(before));
  }
  taken_ = std::min(pending_.size(), size_bytes_max);
  return Buffer::Copy(std::string_view(pending_).substr(0, taken_));
}

bool StoreSnapshotReader::AppendItem() {
  switch (stage_) {
    case Stage::kHeader:
      AppendHeader();
      stage_ = Stage::kMoves;
      return true;
    case Stage::kMoves:
      if (AppendMoveItem()) return true;
      stage_ = Stage::kSlot;
      return AppendItem();
    case Stage::kSlot:
      if (!NextSlot()) {
        AppendEnd();
        stage_ = Stage::kDone;
        return true;
      }
      AppendFixed<uint8_t>(&pending_, kSlotItem);
      AppendFixed<uint16_t>(&pending_, slot_.value());
      stage_ = Stage::kRecords;
      return true;
    case Stage::kRecords:
      while (next_record_ == page_.size()) {
        if (LoadPage()) continue;
        if (table_ != nullptr) *table_ = TableView();
        stage_ = Stage::kSessions;
        return AppendItem();
      }
      {
        const auto [hash, record] = page_[next_record_++];
        AppendFixed<uint8_t>(&pending_, kRecordItem);
        AppendRecord(&pending_, *record);
        ++slot_keys_;
        slot_digest_ += Table::RecordDigest(header_.hash_key, hash, *record);
      }
      return true;
    case Stage::kSessions:
      if (!next_row_.done()) {
        AppendFixed<uint8_t>(&pending_, kRowItem);
        AppendRow(&pending_, *next_row_.value());
        next_row_.Next();
        ++rows_written_;
        return true;
      }
      AppendSlotEnd();
      stage_ = Stage::kSlot;
      return true;
    case Stage::kDone:
      return false;
  }
  return false;
}

void StoreSnapshotReader::AppendHeader() {
  AppendFixed<uint32_t>(&pending_, kMagic);
  AppendFixed<uint32_t>(&pending_, kSnapshotVersion);
  AppendFixed<uint32_t>(&pending_, header_.group.value());
  AppendFixed<uint32_t>(&pending_, header_.slot_count);
  AppendFixed<uint64_t>(&pending_, header_.hash_key);
  AppendFixed<uint64_t>(&pending_, header_.index.value());
  AppendFixed<int64_t>(&pending_, header_.log_time.ns());
  AppendFixed<uint32_t>(&pending_, static_cast<uint32_t>(header_.slots.size()));
  for (const SlotRun& run : header_.slots) {
    AppendFixed<uint16_t>(&pending_, run.first.value());
    AppendFixed<uint16_t>(&pending_, run.last.value());
    AppendFields<uint32_t, uint64_t>(
        &pending_, static_cast<uint32_t>(run.state), run.epoch.value());
  }
  AppendFixed<uint32_t>(&pending_,
                        static_cast<uint32_t>(header_.removals.size()));
  for (const auto& [slot, by] : header_.removals) {
    AppendFixed<uint16_t>(&pending_, slot.value());
    AppendVersion(&pending_, by);
  }
}

bool StoreSnapshotReader::AppendMoveItem() {
  if (!next_change_.done()) {
    const Change& change = next_change_.value();
    AppendFields<uint8_t, uint64_t, uint64_t, uint8_t, uint16_t, uint64_t>(
        &pending_, kChangeItem, moves_.moves[next_move_ - 1].id.value(),
        next_change_.key().value(), static_cast<uint8_t>(change.kind),
        change.slot.value(), change.id);
    next_change_.Next();
    return true;
  }
  if (next_move_ == moves_.moves.size()) return false;
  const Moves::View::One& move = moves_.moves[next_move_++];
  AppendFields<uint8_t, uint32_t>(&pending_, kMoveItem,
                                  static_cast<uint32_t>(move.head.size()));
  pending_.append(move.head);
  next_change_ = ChangeLog::Numbered::Cursor(move.changes);
  return true;
}

// Advances to the least slot with a table or rows that is not written yet.
bool StoreSnapshotReader::NextSlot() {
  const bool table_left = next_table_ < tables_.size();
  const bool rows_left = next_sessions_ != sessions_.end();
  if (!table_left && !rows_left) return false;
  if (!rows_left) {
    slot_ = tables_[next_table_].first;
  } else if (!table_left) {
    slot_ = next_sessions_->first;
  } else {
    slot_ = std::min(tables_[next_table_].first, next_sessions_->first);
  }
  table_ = nullptr;
  rows_ = nullptr;
  next_row_ = SessionRows::Cursor();
  if (table_left && tables_[next_table_].first == slot_) {
    table_ = &tables_[next_table_++].second;
  }
  if (rows_left && next_sessions_->first == slot_) {
    rows_ = (next_sessions_++)->second.get();
    next_row_ = SessionRows::Cursor(rows_->rows);
  }
  pages_left_ = table_ != nullptr;
  next_hash_ = 0;
  page_.clear();
  next_record_ = 0;
  slot_keys_ = 0;
  slot_digest_ = rows_ == nullptr ? 0 : rows_->digest;
  return true;
}

bool StoreSnapshotReader::LoadPage() {
  if (!pages_left_) return false;
  page_.clear();
  next_record_ = 0;
  pages_left_ = table_->ScanPages(
      next_hash_, /*records_min=*/1,
      [this](uint64_t hash, const Record& record) {
        page_.emplace_back(hash, &record);
      },
      &next_hash_);
  return true;
}

void StoreSnapshotReader::AppendSlotEnd() {
  AppendFixed<uint8_t>(&pending_, kSlotEndItem);
  AppendFixed<uint64_t>(&pending_, slot_keys_);
  AppendFixed<uint64_t>(&pending_, slot_digest_);
  keys_ += slot_keys_;
  digest_ += slot_digest_;
}

void StoreSnapshotReader::AppendEnd() {
  const size_t begin = pending_.size();
  AppendFixed<uint8_t>(&pending_, kEndItem);
  AppendFixed<uint64_t>(&pending_, keys_);
  AppendFixed<uint64_t>(&pending_, rows_written_);
  AppendFixed<uint64_t>(&pending_, digest_);
  const uint32_t crc = Crc32c(crc_, std::string_view(pending_).substr(begin));
  AppendFixed<uint32_t>(&pending_, crc);
}

absl::Status SnapshotParser::Add(std::string_view bytes) {
  if (!status_.ok()) return status_;
  if (ended_ && !bytes.empty()) {
    Fail(absl::StrCat(bytes.size(), " bytes behind the end"));
  }
  pending_.erase(0, parsed_);
  parsed_ = 0;
  pending_.append(bytes);
  while (status_.ok() && ParseItem()) {
  }
  return status_;
}

absl::Status SnapshotParser::Finish(State* state) {
  if (status_.ok() && !ended_) Fail("the snapshot ends before its last item");
  if (!status_.ok()) return status_;
  status_ =
      absl::FailedPreconditionError("kv snapshot: Finish was called twice");
  *state = std::move(state_);
  return absl::OkStatus();
}

bool SnapshotParser::Fail(std::string_view what) {
  status_ = absl::DataLossError(
      absl::StrCat("kv snapshot: at byte ", offset_, ": ",
                   absl::string_view(what.data(), what.size())));
  return false;
}

bool SnapshotParser::FailAsNewer(std::string_view what) {
  Fail(what);
  status_ = absl::FailedPreconditionError(absl::StrCat(
      status_.message(), ": a newer program wrote it, start that program"));
  return false;
}

bool SnapshotParser::ParseItem() {
  const std::string_view bytes = std::string_view(pending_).substr(parsed_);
  if (bytes.empty()) return false;
  if (ended_) return Fail("bytes behind the end");
  size_t used = 0;
  bool parsed = false;
  if (!have_header_) {
    parsed = ParseHeader(bytes, &used);
  } else {
    switch (static_cast<uint8_t>(bytes.front())) {
      case kMoveItem:
        parsed = ParseMove(bytes, &used);
        break;
      case kChangeItem:
        parsed = ParseChange(bytes, &used);
        break;
      case kSlotItem:
        parsed = ParseSlot(bytes, &used);
        break;
      case kRecordItem:
        parsed = ParseRecord(bytes, &used);
        break;
      case kRowItem:
        parsed = ParseRow(bytes, &used);
        break;
      case kSlotEndItem:
        parsed = ParseSlotEnd(bytes, &used);
        break;
      case kEndItem:
        parsed = ParseEnd(bytes, &used);
        break;
      default:
        return FailAsNewer(
            absl::StrCat("an item of the unknown kind ",
                         static_cast<int>(static_cast<uint8_t>(bytes[0]))));
    }
  }
  if (!parsed) return false;
  crc_ = Crc32c(crc_, bytes.substr(0, used));
  parsed_ += used;
  offset_ += used;
  return true;
}

bool SnapshotParser::ParseHeader(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes);
  const auto magic = reader.Take<uint32_t>();
  const auto version = reader.Take<uint32_t>();
  SnapshotHeader& header = state_.header;
  header.group = GroupId(reader.Take<uint32_t>());
  header.slot_count = reader.Take<uint32_t>();
  header.hash_key = reader.Take<uint64_t>();
  header.index = raft::Index(reader.Take<uint64_t>());
  header.log_time = WallTime(reader.Take<int64_t>());
  const auto ranges = reader.Take<uint32_t>();
  if (!reader.ok()) return false;
  if (magic != kMagic) return Fail("not a snapshot of a key-value store");
  if (version != kSnapshotVersion) {
    return FailAsNewer(
        absl::StrCat("version ", version, ", expected ", kSnapshotVersion));
  }
  if (header.slot_count == 0 || header.slot_count > kHashSlotCount ||
      ranges > header.slot_count) {
    return Fail(absl::StrCat(header.slot_count, " slots and ", ranges,
                             " ranges of them; at most ", kHashSlotCount,
                             " slots exist"));
  }
  if (!ParseSlotRuns(ranges, &reader)) return false;
  state_.keyspace = std::make_unique<Keyspace>(
      header.hash_key, header.slot_count, pool_, pages_.keys);
  state_.sessions =
      std::make_unique<Sessions>(header.hash_key, rules_, pages_.rows);
  if (!ParseRemovals(&reader)) return false;
  have_header_ = true;
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseSlotRuns(uint32_t count, FixedReader* reader) {
  SnapshotHeader& header = state_.header;
  header.slots.clear();
  for (uint32_t i = 0; i < count; ++i) {
    SlotRun run;
    run.first = Slot(reader->Take<uint16_t>());
    run.last = Slot(reader->Take<uint16_t>());
    if (!ParseSlotState(reader, &run)) return false;
    if (!reader->ok()) return false;
    const bool in_order =
        header.slots.empty() || header.slots.back().last < run.first;
    if (!in_order || run.last < run.first ||
        run.last.value() >= header.slot_count) {
      return Fail(absl::StrCat("slots ", run.first.value(), " to ",
                               run.last.value(), " of ", header.slot_count,
                               " are no range, or out of order"));
    }
    header.slots.push_back(run);
  }
  return true;
}

bool SnapshotParser::ParseSlotState(FixedReader* reader, SlotRun* run) {
  const auto state = reader->Take<uint32_t>();
  run->epoch = SlotEpoch(reader->Take<uint64_t>());
  if (!reader->ok()) return false;
  if (state < static_cast<uint32_t>(SlotState::kOwned) ||
      state > static_cast<uint32_t>(SlotState::kLeft)) {
    return FailAsNewer(
        absl::StrCat("slot ", run->first.value(), " has state ", state));
  }
  run->state = static_cast<SlotState>(state);
  return true;
}

bool SnapshotParser::ParseMove(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const auto size = reader.Take<uint32_t>();
  if (!reader.ok()) return false;
  if (any_slot_ || size > Moves::kHeadBytesMax) {
    return Fail(absl::StrCat("a move of ", size, " bytes, or out of order"));
  }
  const std::string_view head = reader.TakeBytes(size);
  if (!reader.ok()) return false;
  if (state_.moves == nullptr) {
    const SnapshotHeader& header = state_.header;
    state_.moves = std::make_unique<Moves>(header.group, header.hash_key,
                                           header.slot_count, rules_);
  }
  if (!state_.moves->RestoreHead(head)) return Fail("a move with other fields");
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseChange(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const MoveId move(reader.Take<uint64_t>());
  const ChangeNumber number(reader.Take<uint64_t>());
  Change change;
  change.kind = static_cast<ChangeKind>(reader.Take<uint8_t>());
  change.slot = Slot(reader.Take<uint16_t>());
  change.id = reader.Take<uint64_t>();
  if (!reader.ok()) return false;
  if (any_slot_ || state_.moves == nullptr ||
      !state_.moves->RestoreChange(move, number, change)) {
    return Fail(absl::StrCat("change ", number.value(), " of move ",
                             move.value(), ", which has none like it"));
  }
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseRemovals(FixedReader* reader) {
  SnapshotHeader& header = state_.header;
  const auto count = reader->Take<uint32_t>();
  if (!reader->ok()) return false;
  if (count > header.slot_count) {
    return Fail(absl::StrCat("removals from ", count, " of ", header.slot_count,
                             " slots"));
  }
  header.removals.clear();
  for (uint32_t i = 0; i < count; ++i) {
    const Slot slot(reader->Take<uint16_t>());
    const Version by = TakeVersion(reader);
    if (!reader->ok()) return false;
    const bool in_order =
        header.removals.empty() || header.removals.back().first < slot;
    if (!in_order || slot.value() >= header.slot_count || by.none()) {
      return Fail(absl::StrCat(
          "a removal from slot ", slot.value(), " of ", header.slot_count,
          by.none() ? " without a version" : " out of order"));
    }
    header.removals.emplace_back(slot, by);
    state_.keyspace->RestoreRemoval(slot, by);
  }
  return true;
}

bool SnapshotParser::ParseSlot(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const Slot slot(reader.Take<uint16_t>());
  if (!reader.ok()) return false;
  if (in_slot_ || slot.value() >= state_.header.slot_count ||
      (any_slot_ && slot <= slot_)) {
    return Fail(absl::StrCat(
        "slot ", slot.value(), " of ", state_.header.slot_count,
        in_slot_ ? " within another slot"
                 : " does not exist or is not above the slot before"));
  }
  slot_ = slot;
  in_slot_ = true;
  any_slot_ = true;
  slot_keys_ = 0;
  any_row_ = false;
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseRecord(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const RecordHead head = TakeRecordHead(&reader);
  if (!reader.ok()) return false;
  if (!in_slot_ || any_row_) return Fail("a key outside of a slot");
  const std::string fault = FaultOf(head);
  if (!fault.empty()) {
    return static_cast<ValueType>(head.type) == ValueType::kString
               ? Fail(fault)
               : FailAsNewer(fault);
  }
  const std::string_view key_bytes = reader.TakeBytes(head.key_size);
  const std::string_view value = reader.TakeBytes(head.value_size);
  if (!reader.ok()) return false;
  const Keyspace::Key key = state_.keyspace->MakeKey(slot_, key_bytes);
  if (slot_keys_ > 0 &&
      std::pair(key.hash, key_bytes) <=
          std::pair(last_hash_, std::string_view(last_key_))) {
    return Fail(absl::StrCat("key ", slot_keys_ + 1, " of slot ", slot_.value(),
                             " is not in the order of the hashes"));
  }
  state_.keyspace->Put(key, {.head = value}, head.version, head.expire_at_ms);
  last_hash_ = key.hash;
  last_key_.assign(key_bytes);
  ++slot_keys_;
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseRow(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  SessionRow row;
  const bool sensible = TakeRow(&reader, rules_, &row);
  if (!sensible) {
    return Fail("a session with results over a limit or out of order");
  }
  if (!reader.ok()) return false;
  if (!in_slot_) return Fail("a session outside of a slot");
  if (any_row_ && row.token.client <= last_client_) {
    return Fail(absl::StrCat("session ", row.token.client.value(),
                             " after session ", last_client_.value(),
                             " in slot ", slot_.value()));
  }
  last_client_ = row.token.client;
  any_row_ = true;
  state_.sessions->Restore(slot_, std::move(row));
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseSlotEnd(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const auto keys = reader.Take<uint64_t>();
  const auto digest = reader.Take<uint64_t>();
  if (!reader.ok()) return false;
  if (!in_slot_) return Fail("a slot ends that did not begin");
  const Table* table = state_.keyspace->table(slot_);
  const uint64_t found = (table == nullptr ? 0 : table->digest()) +
                         state_.sessions->SlotDigest(slot_);
  if (keys != slot_keys_ || digest != found) {
    return Fail(absl::StrCat("slot ", slot_.value(), " was written with ", keys,
                             " keys and digest ", digest, ", but has ",
                             slot_keys_, " and ", found));
  }
  in_slot_ = false;
  *used = bytes.size() - reader.rest().size();
  return true;
}

bool SnapshotParser::ParseEnd(std::string_view bytes, size_t* used) {
  FixedReader reader(bytes.substr(1));
  const auto keys = reader.Take<uint64_t>();
  const auto rows = reader.Take<uint64_t>();
  const auto digest = reader.Take<uint64_t>();
  const size_t covered = bytes.size() - reader.rest().size();
  const auto crc = reader.Take<uint32_t>();
  if (!reader.ok()) return false;
  if (in_slot_) {
    return Fail(absl::StrCat("it ends inside slot ", slot_.value()));
  }
  if (keys != state_.keyspace->key_count() ||
      rows != state_.sessions->row_count() ||
      digest != state_.keyspace->digest() + state_.sessions->digest()) {
    return Fail(absl::StrCat(
        "the snapshot was written with ", keys, " keys and ", rows,
        " sessions, but has ", state_.keyspace->key_count(), " and ",
        state_.sessions->row_count(), ", or another digest"));
  }
  if (crc != Crc32c(crc_, bytes.substr(0, covered))) {
    return Fail("the checksum does not match");
  }
  ended_ = true;
  *used = bytes.size() - reader.rest().size();
  return true;
}

}  // namespace quorate::kv
