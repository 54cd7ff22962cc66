// kv/store/slot_items.h: keys and sessions of a slot as bytes, in snapshots and
// in the pieces of a move (docs/reference/formats/moves.md).
//
// A stream of items is cut into pieces anywhere, since a value may be longer
// than an entry. Equal states give equal streams.
#ifndef QUORATE_KV_STORE_SLOT_ITEMS_H_
#define QUORATE_KV_STORE_SLOT_ITEMS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "env/little_endian.h"
#include "kv/command/move_command.h"
#include "kv/command/rules.h"
#include "kv/store/change_log.h"
#include "kv/store/keyspace.h"
#include "kv/store/record.h"
#include "kv/store/sessions.h"
#include "kv/store/table.h"

namespace quorate::kv {

// Appends integers one behind the other, in one change of the text.
template <typename... Fields>
void AppendFields(std::string* out, Fields... fields) {
  char bytes[(sizeof(Fields) + ...)];
  char* at = bytes;
  ((StoreFixed(at, fields), at += sizeof(fields)), ...);
  out->append(bytes, sizeof(bytes));
}

void AppendVersion(std::string* out, const Version& version);
Version TakeVersion(FixedReader* reader);

// A record without its key and value.
struct RecordHead {
  uint8_t type = 0;
  uint32_t key_size = 0;
  uint32_t value_size = 0;
  int64_t expire_at_ms = 0;
  Version version = {};
};
void AppendRecord(std::string* out, const Record& record);
// Key and value follow. If the bytes are cut off, `reader` is not ok.
RecordHead TakeRecordHead(FixedReader* reader);
// Says why no store of this program has such a record; empty: one may.
std::string FaultOf(const RecordHead& head);

void AppendRow(std::string* out, const SessionRow& row);
// Reads a row. If the bytes are cut off, `reader` is not ok. Returns false if
// the row is invalid.
bool TakeRow(FixedReader* reader, const SessionRules& rules, SessionRow* row);

// Stored: never renumber.
enum class SlotItemKind : uint8_t {
  kRecord = 1,
  kRow = 2,
  kNoKey = 3,    // No key has this hash, but for those of the next items.
  kNoRow = 4,    // The client has no row.
  kCleared = 5,  // There are no keys.
  kRemoval = 6,  // The slot's last removal.
};

// Reads the streams of a move at its source, piece by piece.
class PieceReader {
 public:
  // All keys and sessions of a slot in the state at the entry `view`. `rows`
  // may be null.
  PieceReader(Slot slot, raft::Index view, TableView table,
              std::shared_ptr<const Sessions::SlotRows> rows,
              const Version& removal);
  // A stream of these bytes.
  PieceReader(const PieceStream& stream, std::string bytes);

  const PieceStream& stream() const { return stream_; }
  bool done() const { return done_; }
  // The next piece, of at most `bytes_max` bytes. It ends with a whole item of
  // a slot, if one fits. Its bytes are valid until the next call. Requires:
  // !done().
  SlotPiece Next(size_t bytes_max = kPieceBytesMax);
  // The next piece begins so far in the stream: the destination has what is
  // before it. Requires: no piece was read, and the stream is longer.
  void SkipTo(uint64_t offset);

 private:
  bool AppendItem();

  PieceStream stream_;
  TableView table_;
  std::shared_ptr<const Sessions::SlotRows> rows_;
  SessionRows::Cursor next_row_;
  Version removal_;
  // Of the table: whether pages are left, and the hash to go on from.
  bool pages_left_ = false;
  uint64_t next_hash_ = 0;
  // Records of the current page, which the view keeps alive.
  std::vector<const Record*> page_;
  size_t next_record_ = 0;
  std::string pending_;
  size_t taken_ = 0;  // Bytes of pending_ that were returned.
  uint64_t offset_ = 0;
  bool done_ = false;
};

// Appends the items that tell the present state of a change's place.
void AppendChange(std::string* out, const Change& change,
                  const Keyspace& keyspace, const Sessions& sessions);

// The bytes of the whole items at the beginning of `bytes`. Nullopt if the
// bytes are no items, or are of a slot for which `takes` returns false.
std::optional<size_t> WholeItems(std::string_view bytes,
                                 const SessionRules& rules,
                                 absl::FunctionRef<bool(Slot)> takes);
// Applies whole items.
void ApplyItems(std::string_view items, const SessionRules& rules,
                Keyspace* keyspace, Sessions* sessions);

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SLOT_ITEMS_H_
