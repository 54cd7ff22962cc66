// kv/store/store.h: the replicated key-value state of one group: a
// raft::StateMachine.
//
// Single-threaded, deterministic: driven by Apply and Advance alone, whose only
// time is the entry's log time. Reads between two entries see the state after
// the last one; whether that is fresh enough is the caller's business
// (raft::Host::Read). Memory of removed things is given back a bounded amount
// per entry, so no entry stalls the loop, however large a slot is.
#ifndef QUORATE_KV_STORE_STORE_H_
#define QUORATE_KV_STORE_STORE_H_

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
#include "kv/command/version.h"
#include "kv/slots/slot_scan.h"
#include "raft/host/state_machine.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

struct StoreOptions {
  GroupId group = {};
  // Configuration::hash_key: keys the order of tables and every digest; the
  // same on all replicas.
  uint64_t hash_key = 0;
  uint32_t slot_count = kHashSlotCount;
  // Slots of the group, decided at bootstrap. A snapshot with other slots is
  // refused.
  std::vector<SlotRange> owned = {};
};

// What a read found.
struct Lookup {
  enum class State : uint8_t {
    kFound,
    kMissing,
    // There by log time, but due by `due_by`: log time alone decides, so have
    // the read evaluated in an entry, which carries log time forward.
    kNeedsTime,
  };
  State state = State::kMissing;
  // Valid until the next Apply. Set when kFound.
  std::string_view value = {};
  // Where a large value lives, so that a reply can share it; null for small
  // ones.
  const Buffer* shared = nullptr;
  Version version = {};
  int64_t expire_at_ms = 0;  // 0: never.
  bool found() const { return state == State::kFound; }
};

class Store final : public raft::StateMachine {
 public:
  // Rising counts since construction, for metrics and marks; not replicated.
  struct Counters {
    uint64_t commands = 0;
    uint64_t refused_not_owner = 0;
    uint64_t refused_malformed = 0;
    uint64_t duplicates_answered = 0;
    uint64_t sessions_expired_refused = 0;
    uint64_t sequences_reused_refused = 0;
    // Stale sequences, full rows and full slots.
    uint64_t sessions_refused_otherwise = 0;
    uint64_t sessions_made = 0;
    uint64_t sessions_expired = 0;
    uint64_t keys_expired = 0;
    uint64_t pages_copied =
        0;  // On write, because a snapshot holds the old one.
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
  void Advance(const raft::Entry& entry) override;
  std::unique_ptr<raft::SnapshotReader> TakeSnapshot() override;
  std::unique_ptr<raft::SnapshotWriter> BeginRestore(
      const raft::SnapshotDescriptor& snapshot) override;
  uint64_t Digest() const override;

  // What the last entry left.
  GroupId group() const;
  raft::Index applied_index() const;
  WallTime log_time() const;

  // Ownership. `slot` may be any; beyond the count it is not owned.
  bool Owns(Slot slot) const;
  std::vector<SlotRange> owned() const;  // Sorted, merged.

  // Reads one key at log_time(). `due_by` is the time by which keys count as
  // due for this read: the leader's clock for linearizable reads,
  // WallTime::Min() where log time alone decides. Requires: Owns(slot) is the
  // caller's check.
  Lookup Get(Slot slot, std::string_view key, WallTime due_by) const;

  // Visits about `count_max` keys of one slot from `from` in hash order, at
  // least one page's worth of progress each call. Keys due by log time or
  // `due_by` are skipped.
  using Visit = absl::FunctionRef<void(std::string_view key, const Lookup&)>;
  ScanStep Scan(Slot slot, ScanPosition from, size_t count_max, WallTime due_by,
                Visit visit) const;

  // Counts and logical bytes (keys, values and a fixed amount for each key).
  // Due keys count until they are removed.
  uint64_t key_count(Slot slot) const;
  uint64_t key_count(const SlotRange& slots) const;
  uint64_t key_count() const;
  uint64_t expiring_key_count() const;
  uint64_t size_bytes(Slot slot) const;
  uint64_t size_bytes() const;
  uint64_t session_count() const;

  // Keys with values, expiries and versions, and sessions, of one slot.
  uint64_t SlotDigest(Slot slot) const;
  // The same computed from scratch; for tests and judges. Linear.
  uint64_t RecomputeDigest() const;

  // When the first key is due, in milliseconds of log time; nothing if no key
  // has an expiry. Entries remove due keys: a few each, kExpire more.
  std::optional<int64_t> first_due_ms() const;

  // Frees up to about so many pages of what was removed or replaced. False when
  // nothing is left. Every entry does a little; an idle turn may do more.
  bool Reclaim(size_t pages_max);
  // Reclaim has something to free.
  bool reclaimable() const;

  Counters counters() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_STORE_H_
