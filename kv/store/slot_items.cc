#include "kv/store/slot_items.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "kv/command/command.h"

namespace quorate::kv {
namespace {

void AppendHead(std::string* out, SlotItemKind kind, Slot slot) {
  AppendFields(out, static_cast<uint8_t>(kind), slot.value());
}

void AppendRecordItem(std::string* out, Slot slot, const Record& record) {
  AppendHead(out, SlotItemKind::kRecord, slot);
  AppendRecord(out, record);
}

void AppendRowItem(std::string* out, Slot slot, const SessionRow& row) {
  AppendHead(out, SlotItemKind::kRow, slot);
  AppendRow(out, row);
}

void AppendRemovalItem(std::string* out, Slot slot, const Version& removal) {
  AppendHead(out, SlotItemKind::kRemoval, slot);
  AppendVersion(out, removal);
}

struct SlotItem {
  SlotItemKind kind = SlotItemKind::kRecord;
  Slot slot = {};
  RecordHead head = {};  // kRecord, with key and value.
  std::string_view key = {};
  std::string_view value = {};
  SessionRow row = {};   // kRow.
  uint64_t id = 0;       // kNoKey: the hash. kNoRow: the client.
  Version removal = {};  // kRemoval.
};

enum class Parsed : uint8_t { kWhole, kCut, kBad };

Parsed ParseRecordItem(FixedReader* reader, SlotItem* item) {
  item->head = TakeRecordHead(reader);
  if (!reader->ok()) return Parsed::kCut;
  if (!FaultOf(item->head).empty()) return Parsed::kBad;
  item->key = reader->TakeBytes(item->head.key_size);
  item->value = reader->TakeBytes(item->head.value_size);
  return reader->ok() ? Parsed::kWhole : Parsed::kCut;
}

// Parses the first item.
Parsed ParseItem(std::string_view bytes, const SessionRules& rules,
                 SlotItem* item, size_t* size) {
  FixedReader reader(bytes);
  item->kind = static_cast<SlotItemKind>(reader.Take<uint8_t>());
  item->slot = Slot(reader.Take<uint16_t>());
  if (!reader.ok()) return Parsed::kCut;
  Parsed parsed = Parsed::kWhole;
  switch (item->kind) {
    case SlotItemKind::kRecord:
      parsed = ParseRecordItem(&reader, item);
      break;
    case SlotItemKind::kRow:
      item->row = SessionRow();
      if (!TakeRow(&reader, rules, &item->row)) return Parsed::kBad;
      break;
    case SlotItemKind::kNoKey:
    case SlotItemKind::kNoRow:
      item->id = reader.Take<uint64_t>();
      break;
    case SlotItemKind::kCleared:
      break;
    case SlotItemKind::kRemoval:
      item->removal = TakeVersion(&reader);
      if (reader.ok() && item->removal.none()) return Parsed::kBad;
      break;
    default:
      return Parsed::kBad;
  }
  if (parsed == Parsed::kWhole && !reader.ok()) parsed = Parsed::kCut;
  *size = bytes.size() - reader.rest().size();
  return parsed;
}

void Apply(SlotItem* item, Keyspace* keyspace, Sessions* sessions) {
  switch (item->kind) {
    case SlotItemKind::kRecord:
      keyspace->Put(keyspace->MakeKey(item->slot, item->key),
                    {.head = item->value}, item->head.version,
                    item->head.expire_at_ms);
      return;
    case SlotItemKind::kRow:
      sessions->Forget(item->slot, item->row.token.client);
      sessions->Restore(item->slot, std::move(item->row));
      return;
    case SlotItemKind::kNoKey:
      keyspace->EraseHash(item->slot, item->id);
      return;
    case SlotItemKind::kNoRow:
      sessions->Forget(item->slot, ClientId(item->id));
      return;
    case SlotItemKind::kCleared:
      keyspace->DropSlot(item->slot, Version{});
      return;
    case SlotItemKind::kRemoval:
      keyspace->RestoreRemoval(item->slot, item->removal);
      return;
  }
}

}  // namespace

void AppendVersion(std::string* out, const Version& version) {
  AppendFields<uint32_t, uint32_t, uint64_t>(
      out, version.group.value(), version.position, version.index.value());
}

Version TakeVersion(FixedReader* reader) {
  Version version;
  version.group = GroupId(reader->Take<uint32_t>());
  version.position = reader->Take<uint32_t>();
  version.index = raft::Index(reader->Take<uint64_t>());
  return version;
}

void AppendRecord(std::string* out, const Record& record) {
  AppendFixed<uint8_t>(out, static_cast<uint8_t>(record.type()));
  AppendFields<uint32_t, uint32_t, int64_t>(
      out, static_cast<uint32_t>(record.key().size()),
      static_cast<uint32_t>(record.value().size()), record.expire_at_ms());
  AppendVersion(out, record.version());
  out->append(record.key());
  out->append(record.value());
}

RecordHead TakeRecordHead(FixedReader* reader) {
  RecordHead head;
  head.type = reader->Take<uint8_t>();
  head.key_size = reader->Take<uint32_t>();
  head.value_size = reader->Take<uint32_t>();
  head.expire_at_ms = reader->Take<int64_t>();
  head.version = TakeVersion(reader);
  return head;
}

std::string FaultOf(const RecordHead& head) {
  if (head.key_size > kKeyBytesMax || head.value_size > kValueBytesMax) {
    return absl::StrCat("a key of ", head.key_size, " bytes with a value of ",
                        head.value_size, " bytes; the limits are ",
                        kKeyBytesMax, " and ", kValueBytesMax);
  }
  if (head.version.none()) return "a key without a version";
  if (!Record::CanStore(head.version)) {
    return absl::StrCat("a key with the version ", FormatVersion(head.version),
                        ", which no entry can have");
  }
  if (head.expire_at_ms < 0) {
    return absl::StrCat("a key that expires at ", head.expire_at_ms, " ms");
  }
  return static_cast<ValueType>(head.type) == ValueType::kString
             ? std::string()
             : absl::StrCat("a key of the unknown type ", +head.type);
}

void AppendRow(std::string* out, const SessionRow& row) {
  AppendFields<uint64_t, int64_t, int64_t, uint64_t, uint32_t>(
      out, row.token.client.value(), row.token.open_until_ms, row.expire_at_ms,
      row.floor.value(), static_cast<uint32_t>(row.results.size()));
  for (const StoredResult& result : row.results) {
    AppendFields<uint64_t, uint64_t, uint8_t, uint8_t, uint8_t, uint8_t,
                 uint32_t>(
        out, result.sequence.value(), result.request_hash,
        static_cast<uint8_t>(result.status), static_cast<uint8_t>(result.kind),
        result.wrote ? 1 : 0, 0, static_cast<uint32_t>(result.payload.size()));
    AppendVersion(out, result.version);
    out->append(result.payload.view());
  }
}

bool TakeRow(FixedReader* reader, const SessionRules& rules, SessionRow* row) {
  row->token.client = ClientId(reader->Take<uint64_t>());
  row->token.open_until_ms = reader->Take<int64_t>();
  row->expire_at_ms = reader->Take<int64_t>();
  row->floor = Sequence(reader->Take<uint64_t>());
  const auto count = reader->Take<uint32_t>();
  if (count > kSessionOutstandingMax) return false;
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    StoredResult result;
    result.sequence = Sequence(reader->Take<uint64_t>());
    result.request_hash = reader->Take<uint64_t>();
    result.status = static_cast<ResultStatus>(reader->Take<uint8_t>());
    result.kind = static_cast<PayloadKind>(reader->Take<uint8_t>());
    result.wrote = reader->Take<uint8_t>() != 0;
    reader->Take<uint8_t>();
    const auto size = reader->Take<uint32_t>();
    result.version = TakeVersion(reader);
    if (!reader->ok()) return true;
    if (size > rules.result_bytes_max || result.sequence < row->floor ||
        (i > 0 && result.sequence <= row->results.back().sequence)) {
      return false;
    }
    result.payload = Buffer::Copy(reader->TakeBytes(size));
    row->results.push_back(std::move(result));
  }
  return true;
}

PieceReader::PieceReader(Slot slot, raft::Index view, TableView table,
                         std::shared_ptr<const Sessions::SlotRows> rows,
                         const Version& removal)
    : stream_{.slot = slot, .view = view},
      table_(std::move(table)),
      rows_(std::move(rows)),
      removal_(removal),
      pages_left_(true) {
  if (rows_ != nullptr) next_row_ = SessionRows::Cursor(rows_->rows);
}

PieceReader::PieceReader(const PieceStream& stream, std::string bytes)
    : stream_(stream), pending_(std::move(bytes)) {}

SlotPiece PieceReader::Next(size_t bytes_max) {
  CHECK(!done_);
  pending_.erase(0, taken_);
  size_t whole = 0;
  while (pending_.size() <= bytes_max) {
    whole = pending_.size();
    if (!AppendItem()) break;
  }
  taken_ = whole > 0 ? whole : std::min(pending_.size(), bytes_max);
  done_ = taken_ == pending_.size();
  const SlotPiece piece = {
      .stream = stream_,
      .offset = offset_,
      .ends = done_,
      .bytes = std::string_view(pending_).substr(0, taken_)};
  offset_ += taken_;
  return piece;
}

void PieceReader::SkipTo(uint64_t offset) {
  CHECK_EQ(offset_, 0u);
  while (offset_ < offset) {
    Next(std::min<uint64_t>(kPieceBytesMax, offset - offset_));
  }
}

// Returns false at the end.
bool PieceReader::AppendItem() {
  while (next_record_ == page_.size() && pages_left_) {
    page_.clear();
    next_record_ = 0;
    pages_left_ = table_.ScanPages(
        next_hash_, /*records_min=*/1,
        [this](uint64_t, const Record& record) { page_.push_back(&record); },
        &next_hash_);
  }
  if (next_record_ < page_.size()) {
    AppendRecordItem(&pending_, stream_.slot, *page_[next_record_++]);
    return true;
  }
  if (!next_row_.done()) {
    AppendRowItem(&pending_, stream_.slot, *next_row_.value());
    next_row_.Next();
    return true;
  }
  if (removal_.none()) return false;
  AppendRemovalItem(&pending_, stream_.slot, removal_);
  removal_ = Version{};
  return true;
}

void AppendChange(std::string* out, const Change& change,
                  const Keyspace& keyspace, const Sessions& sessions) {
  switch (change.kind) {
    case ChangeKind::kKey: {
      AppendHead(out, SlotItemKind::kNoKey, change.slot);
      AppendFixed(out, change.id);
      const Table* const table = keyspace.table(change.slot);
      if (table == nullptr) return;
      table->ForEachOfHash(change.id, [&](const Record& record) {
        AppendRecordItem(out, change.slot, record);
      });
      return;
    }
    case ChangeKind::kRow: {
      const SessionRow* const row =
          sessions.Find(change.slot, ClientId(change.id));
      if (row != nullptr) return AppendRowItem(out, change.slot, *row);
      AppendHead(out, SlotItemKind::kNoRow, change.slot);
      AppendFixed(out, change.id);
      return;
    }
    case ChangeKind::kCleared:
      AppendHead(out, SlotItemKind::kCleared, change.slot);
      return;
    case ChangeKind::kRemoval:
      AppendRemovalItem(out, change.slot, keyspace.last_removal(change.slot));
      return;
  }
}

std::optional<size_t> WholeItems(std::string_view bytes,
                                 const SessionRules& rules,
                                 absl::FunctionRef<bool(Slot)> takes) {
  SlotItem item;
  size_t end = 0;
  while (true) {
    size_t size = 0;
    switch (ParseItem(bytes.substr(end), rules, &item, &size)) {
      case Parsed::kCut:
        return end;
      case Parsed::kBad:
        return std::nullopt;
      case Parsed::kWhole:
        if (!takes(item.slot)) return std::nullopt;
        end += size;
    }
  }
}

void ApplyItems(std::string_view items, const SessionRules& rules,
                Keyspace* keyspace, Sessions* sessions) {
  SlotItem item;
  while (!items.empty()) {
    size_t size = 0;
    CHECK(ParseItem(items, rules, &item, &size) == Parsed::kWhole);
    Apply(&item, keyspace, sessions);
    items.remove_prefix(size);
  }
}

}  // namespace quorate::kv
