// kv/store/store.h: the replicated key-value state of one group: a
// raft::StateMachine.
//
// Single-threaded and deterministic: only Apply and Advance change the state,
// and its only time is the entry's log time. A read between two entries returns
// the state after the last one; the caller makes sure that this is fresh enough
// (raft::Host::Read). Each entry frees a bounded amount of memory, so that no
// entry blocks the loop, however large a slot is.
#ifndef QUORATE_KV_STORE_STORE_H_
#define QUORATE_KV_STORE_STORE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/buffer.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/key_reads.h"
#include "kv/command/result.h"
#include "kv/command/rules.h"
#include "kv/command/store_totals.h"
#include "kv/command/version.h"
#include "kv/slots/slot_scan.h"
#include "kv/store/long_read.h"
#include "kv/store/moves.h"
#include "kv/store/ownership.h"
#include "kv/store/page_bounds.h"
#include "kv/store/read.h"
#include "kv/store/record_pool.h"
#include "kv/store/slot_items.h"
#include "raft/host/state_machine.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

struct StoreOptions {
  GroupId group = {};
  // raft::Configuration::hash_key: the key of table order and of every digest,
  // equal on all replicas.
  uint64_t hash_key = 0;
  uint32_t slot_count = kHashSlotCount;
  Rules rules = {};
  // Slots of the group and their epochs at its founding. Moves change them.
  std::vector<SlotRun> owned = {};
  // The newest rules that the program of this store knows.
  raft::Level known_level{kRulesVersion};
  // Memory of records, shared by the stores of a node. Null: a pool of its own.
  std::shared_ptr<RecordPool> pool = nullptr;
  // Counts the keys of reads whose results this node needs. Outlives the store.
  // Null: they are not counted.
  KeyReads* key_reads = nullptr;
  // The destructor of the store adds its counts. Outlives the store. Null: they
  // end with it.
  StoreTotals* ended = nullptr;
  PageBounds pages = {};
};

class Store final : public raft::StateMachine {
 public:
  // Counters since construction, for metrics and marks; not replicated.
  struct Counters {
    uint64_t commands = 0;
    uint64_t refused_not_owner = 0;
    uint64_t refused_malformed = 0;
    uint64_t duplicates_answered = 0;
    uint64_t sessions_expired_refused = 0;
    uint64_t sequences_reused_refused = 0;
    // Refused for stale sequences, full rows and full slots.
    uint64_t sessions_refused_otherwise = 0;
    uint64_t sessions_made = 0;
    uint64_t sessions_expired = 0;
    uint64_t keys_expired = 0;
    // Copied on write, because a snapshot shares the page.
    uint64_t pages_copied = 0;
    uint64_t pages_split = 0;
    uint64_t snapshots_taken = 0;
    uint64_t snapshots_restored = 0;
  };

  explicit Store(StoreOptions options);
  ~Store() override;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // raft::StateMachine.
  Buffer Apply(const raft::Entry& entry, bool wants_result) override;
  // The level is the rules version of batches.
  raft::Level known_level() const override;
  raft::Level LevelOf(const Buffer& payload) const override;
  uint64_t WorkOf(const Buffer& payload) const override;
  void Advance(const raft::Entry& entry) override;
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override;
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor& snapshot) override;
  uint64_t Digest() const override;

  // The state after the last entry.
  raft::Index applied_index() const;
  WallTime log_time() const;
  // Whether the slot has a row of this client's session.
  bool HasSession(Slot slot, ClientId client) const;

  // Ownership: a part of the replicated state. A slot beyond the slot count is
  // not owned, and neither is one that is frozen.
  bool Owns(Slot slot) const;
  // kNotOwner if the group lacks a slot of the command (SlotsOf, SlotKey),
  // kMalformed if there are no such slots, else kOk.
  ResultStatus RefusalOfSlots(const CommandSpec& command) const;
  ResultStatus RefusalOfSlots(const CommandView& command) const;
  std::vector<SlotRange> owned() const;  // Sorted, merged.
  // With epochs and states, those included that are frozen, or have left.
  const std::vector<SlotRun>& slot_runs() const;

  // Moves of slots in which the group takes part (kv/store/moves.h). A driver
  // reads the next step here, and the contents of pieces. `from`: the last
  // change that the destination has. `through`: the last one to be read.
  std::vector<MoveStatus> moves() const;
  std::optional<MoveSeal> SealOf(MoveId move) const;
  std::unique_ptr<PieceReader> ReadSlot(MoveId move, Slot slot) const;
  std::unique_ptr<PieceReader> ReadChanges(MoveId move, ChangeNumber from,
                                           ChangeNumber through,
                                           size_t bytes_max) const;

  // Reads one key at log_time(), for a read with the read point `point`.
  // Requires: Owns(slot).
  Lookup Get(Slot slot, std::string_view key, const PointTime& point) const;
  // The size of the value of a key, due or not; 0 if the key is absent. The
  // slot need not be owned.
  uint64_t ValueBytes(Slot slot, std::string_view key) const;
  // Calls `done` with the result that the command would have in an entry that
  // is applied next, and returns true. Returns false without a call if a key is
  // due by `point` but not by log time. Requires: IsRead(op), and that
  // RefusalOfSlots is kOk.
  using ReadDone = absl::FunctionRef<void(const ResultView&)>;
  bool Read(const CommandSpec& command, const PointTime& point,
            ReadDone done) const;
  bool Read(const CommandView& command, const PointTime& point,
            ReadDone done) const;

  // Begins a read in pieces of the present state. The bytes of `arguments`
  // outlive it, not the store. Requires: LongRead::Takes(op), and that
  // RefusalOfSlots is kOk.
  std::unique_ptr<LongRead> BeginLongRead(
      Op op, Slot slot, std::vector<std::string_view> arguments,
      const PointTime& point) const;

  // Brings keys that are read soon into the processor's cache, all at once. At
  // most kPrefetchMax; their slots need not be owned.
  static constexpr size_t kPrefetchMax = 16;
  void Prefetch(absl::Span<const SlotKey> keys) const;

  // Numbers of keys, and logical bytes: keys, values and a fixed amount for
  // each key. Due keys count until they are removed. Keys that are staged, or
  // left to be removed after a move, count in bytes only.
  uint64_t key_count(const SlotRange& slots) const;
  uint64_t key_count() const;
  uint64_t expiring_key_count() const;
  uint64_t size_bytes(const SlotRange& slots) const;
  uint64_t size_bytes() const;
  uint64_t session_count() const;
  // size_bytes(), and the logical bytes of all sessions and moves.
  uint64_t memory_bytes() const;

  // The digest of the whole store, computed from scratch in linear time; for
  // tests and checkers.
  uint64_t RecomputeDigest() const;

  // The time at which the first key or row of a session is due, in milliseconds
  // of log time; nullopt if none expires. Each entry removes a few of them;
  // kExpire removes more.
  std::optional<int64_t> first_due_ms() const;

  // Frees about `pages_max` pages of removed or replaced data. Returns false
  // when nothing is left. Every entry frees a little; an idle turn may free
  // more.
  bool Reclaim(size_t pages_max);
  bool FreePart() override;
  // True if Reclaim has something to free.
  bool reclaimable() const;
  // True while a snapshot under way shares pages. Its end may make them
  // reclaimable without an entry.
  bool shares_pages() const;

  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_STORE_H_
