// kv/store/snapshot.h: the state of a store as bytes
// (docs/reference/formats/kv-snapshot.md).
//
// Equal states give equal bytes, whatever the history of their pages. The
// reader writes an unchanging view, a few keys at a time. The parser builds a
// separate state and verifies sizes, order, digests and checksum.
#ifndef QUORATE_KV_STORE_SNAPSHOT_H_
#define QUORATE_KV_STORE_SNAPSHOT_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/little_endian.h"
#include "env/time.h"
#include "kv/command/rules.h"
#include "kv/store/change_log.h"
#include "kv/store/keyspace.h"
#include "kv/store/moves.h"
#include "kv/store/ownership.h"
#include "kv/store/page_bounds.h"
#include "kv/store/record_pool.h"
#include "kv/store/session_rows.h"
#include "kv/store/sessions.h"
#include "raft/core/types.h"
#include "raft/host/state_machine.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// A newer program writes this version until the level of the group has risen.
// So the older program can be started again.
inline constexpr uint32_t kSnapshotVersion = 1;

// The first item of a snapshot.
struct SnapshotHeader {
  GroupId group = {};
  uint64_t hash_key = 0;
  uint32_t slot_count = 0;
  raft::Index index = {};
  WallTime log_time{0};
  std::vector<SlotRun> slots = {};
  // The last removal of each slot that has one, by slot.
  std::vector<std::pair<Slot, Version>> removals = {};
};

// Turns a view of tables and sessions, both by slot, into bytes.
class StoreSnapshotReader final : public raft::SnapshotReader {
 public:
  StoreSnapshotReader(SnapshotHeader header,
                      std::vector<std::pair<Slot, TableView>> tables,
                      Sessions::View sessions, Moves::View moves);
  // Returns exactly `size_bytes_max` bytes; the last piece may be shorter.
  Buffer Next(size_t size_bytes_max) override;

 private:
  // Appends the next item. Returns false at the end.
  bool AppendItem();
  void AppendHeader();
  // Appends the head of a move, or a change of it. Returns false if none is
  // left.
  bool AppendMoveItem();
  void AppendSlotEnd();
  void AppendEnd();
  // Loads the next page of the current slot. Returns false if there is none.
  bool LoadPage();
  bool NextSlot();

  enum class Stage : uint8_t {
    kHeader,
    kMoves,
    kSlot,
    kRecords,
    kSessions,
    kDone
  };

  const SnapshotHeader header_;
  // The view of a slot ends when it was written: later writes to the slot copy
  // nothing.
  std::vector<std::pair<Slot, TableView>> tables_;
  Sessions::View sessions_;
  const Moves::View moves_;

  Stage stage_ = Stage::kHeader;
  size_t next_move_ = 0;
  ChangeLog::Numbered::Cursor next_change_;  // That of the move before.
  size_t next_table_ = 0;
  Sessions::View::const_iterator next_sessions_;
  // The slot being written; its table or its rows may be null.
  Slot slot_ = {};
  TableView* table_ = nullptr;
  const Sessions::SlotRows* rows_ = nullptr;
  SessionRows::Cursor next_row_;
  bool pages_left_ = false;
  uint64_t next_hash_ = 0;
  // Records of the current page, which the view keeps alive.
  std::vector<std::pair<uint64_t, const Record*>> page_;
  size_t next_record_ = 0;

  uint64_t slot_keys_ = 0;
  uint64_t slot_digest_ = 0;
  uint64_t keys_ = 0;
  uint64_t rows_written_ = 0;
  uint64_t digest_ = 0;

  uint32_t crc_ = 0;
  std::string pending_;
  size_t taken_ = 0;  // Bytes of pending_ that were returned.
};

// Builds a state from bytes that arrive in pieces of any size.
class SnapshotParser {
 public:
  struct State {
    SnapshotHeader header;
    std::unique_ptr<Keyspace> keyspace;
    std::unique_ptr<Sessions> sessions;
    std::unique_ptr<Moves> moves;  // Null: there is none.
  };

  // `pool` has the memory of records. Null: a pool of its own.
  explicit SnapshotParser(const SessionRules& rules,
                          std::shared_ptr<RecordPool> pool = nullptr,
                          const PageBounds& pages = {})
      : rules_(rules), pool_(std::move(pool)), pages_(pages) {}

  // Returns the first error again on every later call. kFailedPrecondition: a
  // newer program wrote the snapshot.
  absl::Status Add(std::string_view bytes);
  // Returns the state, once. kDataLoss if the end is missing.
  absl::Status Finish(State* state);

 private:
  // Parses one item of pending_. Returns false if more bytes are needed, or if
  // status_ is an error.
  bool ParseItem();
  bool ParseHeader(std::string_view bytes, size_t* used);
  // Parses `count` runs of slots of the header. Returns false as ParseItem
  // does.
  bool ParseSlotRuns(uint32_t count, FixedReader* reader);
  // Parses epoch and state of a run. Returns false as ParseItem does.
  bool ParseSlotState(FixedReader* reader, SlotRun* run);
  // Parses the header's removals into the new keyspace. Returns false as
  // ParseItem does.
  bool ParseRemovals(FixedReader* reader);
  bool ParseMove(std::string_view bytes, size_t* used);
  bool ParseChange(std::string_view bytes, size_t* used);
  bool ParseSlot(std::string_view bytes, size_t* used);
  bool ParseRecord(std::string_view bytes, size_t* used);
  bool ParseRow(std::string_view bytes, size_t* used);
  bool ParseSlotEnd(std::string_view bytes, size_t* used);
  bool ParseEnd(std::string_view bytes, size_t* used);
  bool Fail(std::string_view what);
  bool FailAsNewer(std::string_view what);

  const SessionRules rules_;
  const std::shared_ptr<RecordPool> pool_;
  const PageBounds pages_;
  absl::Status status_;
  State state_;
  std::string pending_;
  size_t parsed_ = 0;  // Bytes of pending_ that were parsed.
  // Offset of pending_[parsed_] in the snapshot, for messages.
  uint64_t offset_ = 0;
  uint32_t crc_ = 0;
  bool have_header_ = false;
  bool ended_ = false;

  bool in_slot_ = false;
  bool any_slot_ = false;
  Slot slot_ = {};
  uint64_t slot_keys_ = 0;
  uint64_t last_hash_ = 0;
  std::string last_key_;
  bool any_row_ = false;
  ClientId last_client_ = {};
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_SNAPSHOT_H_
