// kv/store/change_log.h: the places that changed in slots that move, in an
// order in which they can be read.
//
// A change names a place (a key, a row of a session, …), not a value: the
// present state has the value. So a place that changes again needs no second
// note, unless its first one may have been read: then it moves to the end. The
// log is bounded by the places that exist, however often they change.
#ifndef QUORATE_KV_STORE_CHANGE_LOG_H_
#define QUORATE_KV_STORE_CHANGE_LOG_H_

#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "kv/command/move_command.h"
#include "kv/store/paged_map.h"
#include "kv/store/slot_array.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// Stored: never renumber.
enum class ChangeKind : uint8_t {
  kKey = 1,      // All keys of one hash.
  kRow = 2,      // The row of a client's session.
  kCleared = 3,  // All keys of the slot were removed at once.
  kRemoval = 4,  // The slot's last removal.
};

struct Change {
  ChangeKind kind = ChangeKind::kKey;
  Slot slot = {};
  uint64_t id = 0;  // The hash or the client; else 0.
  friend auto operator<=>(const Change&, const Change&) = default;
  template <typename H>
  friend H AbslHashValue(H hash, const Change& change) {
    return H::combine(std::move(hash), change.kind, change.slot, change.id);
  }
};

class ChangeLog {
 public:
  // Changes by number. A copy shares pages.
  using Numbered = PagedMap<ChangeNumber, Change>;

  // `hash_key` is that of the digest. Numbers follow `last`. Requires: settled
  // <= last.
  explicit ChangeLog(uint64_t hash_key, ChangeNumber last = {},
                     ChangeNumber settled = {})
      : hash_key_(hash_key), last_(last), settled_(settled) {}
  ChangeLog(const ChangeLog&) = delete;
  ChangeLog& operator=(const ChangeLog&) = delete;

  // Gives the change the next number, unless it has one that is not settled.
  // It loses a settled one. A removal of all keys of a slot settles itself and
  // all before it: what changes later is read behind it.
  void Note(const Change& change);
  // Changes up to last() may be read from now on.
  void Settle() { settled_ = last_; }
  // Each change is settled at once from now on. Keys of frozen slots expire,
  // and a step that settles would be an entry behind which more of them do.
  void SettleAlways() {
    settles_always_ = true;
    Settle();
  }
  // Adds a change of another log with its number. Returns false if the number
  // is above last(), or if the change or the number is here already.
  bool Restore(ChangeNumber number, const Change& change);
  // Removes up to `count_max` changes with numbers up to `through`. Returns how
  // many were removed.
  size_t Forget(ChangeNumber through, size_t count_max);

  // The greatest number so far; 0: none.
  ChangeNumber last() const { return last_; }
  // Changes up to this number may be read: what changes again has a later one.
  ChangeNumber settled() const { return settled_; }
  const Numbered& numbered() const { return numbered_; }
  size_t size() const { return numbered_.size(); }
  // Counted for each change in every budget.
  static constexpr size_t kChangeBytes = 96;
  uint64_t size_bytes() const { return size() * kChangeBytes; }
  // Depends on all changes and their numbers.
  uint64_t digest() const;

  // Frees up to `count_max` changes of an object that is no longer used.
  // Returns true if there are more.
  bool Reclaim(size_t count_max);

 private:
  using Numbers = absl::flat_hash_map<Change, ChangeNumber>;
  // Small tables grow without a long pause.
  static constexpr size_t kTables = 256;

  uint64_t DigestOf(ChangeNumber number, const Change& change) const;
  Numbers& NumbersWith(const Change& change) {
    return numbers_[(change.id ^ change.slot.value()) % kTables];
  }

  const uint64_t hash_key_;
  ChangeNumber last_;
  ChangeNumber settled_;
  bool settles_always_ = false;
  // Inverses of each other.
  Numbered numbered_;
  std::vector<Numbers> numbers_ = std::vector<Numbers>(kTables);
  uint64_t digest_ = 0;  // Sum of DigestOf, modulo 2^64.
};

// Which slots have a log.
class ChangeTracking {
 public:
  explicit ChangeTracking(uint32_t slot_count) : logs_(slot_count) {}

  // `log` outlives the tracking; null ends it.
  void Set(Slot slot, ChangeLog* log) { logs_[slot] = log; }
  void Note(const Change& change) {
    ChangeLog* const* const log = logs_.Find(change.slot);
    if (log != nullptr && *log != nullptr) (*log)->Note(change);
  }

 private:
  SlotArray<ChangeLog*> logs_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_CHANGE_LOG_H_
