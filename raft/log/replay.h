// raft/log/replay.h: computes the state of each group from the records of all
// segments, in physical order. Pure.
//
// Call AddClosed for each segment of the chain but the last, then AddLast for
// the last one, then Finish.
#ifndef QUORATE_RAFT_LOG_REPLAY_H_
#define QUORATE_RAFT_LOG_REPLAY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "raft/log/log.h"
#include "raft/log/record.h"
#include "raft/log/scan.h"

namespace quorate::raft {

// A record that no later record proves to be durable. Recovery writes it again.
struct UnconfirmedRecord {
  RecordType type;
  uint16_t flags;
  GroupKey key;
  std::string body;
};

class Replay {
 public:
  // The place of a record with entries. Segment 0: it is unconfirmed, and
  // `begin` is its place in Result::unconfirmed.
  struct Place {
    uint64_t segment = 0;
    uint64_t begin = 0;
    uint64_t end = 0;
  };
  struct Result {
    std::map<GroupKey, RecoveredGroup> groups;
    std::set<GroupKey> dropped;  // Log::dropped.
    // The place in `places` of the record of each entry of
    // RecoveredGroup::entries.
    std::map<GroupKey, std::vector<size_t>> place_of;
    std::vector<Place> places;
    // Contents of the opening of the new segment: every group as it was before
    // the unconfirmed records, then those records.
    std::vector<std::pair<GroupKey, StateBody>> states;
    std::vector<UnconfirmedRecord> unconfirmed;
    bool torn_tail_cut = false;
    bool newly_fenced = false;
  };

  // Adds a segment that is known to have been durable as a whole: an unreadable
  // record in it is damage. `header_ok`: the header of the segment verified.
  // kFailedPrecondition: a newer program wrote a record.
  absl::Status AddClosed(uint64_t number, const Scan& scan, bool header_ok);
  // Adds the last segment. `unconfirmed_from`: the first offset that no record
  // proves to be durable. A bad record from there on is a torn tail.
  absl::Status AddLast(uint64_t number, const Scan& scan,
                       uint64_t unconfirmed_from, bool header_ok);
  // Fences every group. Called before Finish.
  void FenceAll(const std::string& why);
  Result Finish();

 private:
  struct Slot {
    Entry entry;
    size_t place;
  };
  // Entries by index; some may be missing. Most calls add the next entry, which
  // is cheap.
  class Entries {
   public:
    // Replaces an entry of the same index.
    void Put(Slot slot);
    void EraseFrom(Index index);
    void EraseTo(Index index);  // Inclusive.
    // Calls `visit` with each slot, ascending, until it returns false.
    template <typename Visit>
    void ForEach(const Visit& visit) {
      for (auto& [index, slot] : older_) {
        if (!visit(slot)) return;
      }
      for (Slot& slot : newest_) {
        if (!visit(slot)) return;
      }
    }

   private:
    // The entries without a gap that end with the last one.
    std::deque<Slot> newest_;
    absl::btree_map<Index, Slot> older_;  // Before all of newest_.
  };
  struct Group {
    HardState hard_state;
    Index commit;
    LogStart log_start;
    Index last;  // Last index according to the records, readable or not.
    Entries entries;
    absl::Status fenced;
  };

  // `place.segment` is 0 if the record is unconfirmed. Errors: those of the
  // decoders of bodies.
  absl::Status Apply(const ScannedRecord& record, uint64_t segment,
                     const Place& place);
  absl::Status ApplyState(GroupKey key, const StateBody& state);
  absl::Status ApplyEntries(RecordType type, GroupKey key, EntriesBody body,
                            const Place& place);
  void ApplyLogStart(GroupKey key, const LogStart& log_start,
                     bool discard_suffix);
  std::vector<std::pair<GroupKey, StateBody>> States() const;
  void OnCorruptRecord(const ScannedRecord& record, uint64_t segment);
  void Fence(GroupKey key, const std::string& why);

  bool first_ = true;
  std::vector<Place> places_;
  std::map<GroupKey, Group> groups_;
  std::set<GroupKey> dropped_;  // Those of all drops.
  // If not empty, the reason to fence every group with state in the segment
  // being read.
  std::string fence_all_;
  // States before the records of unconfirmed_.
  std::vector<std::pair<GroupKey, StateBody>> states_;
  std::vector<UnconfirmedRecord> unconfirmed_;
  bool torn_tail_cut_ = false;
  bool newly_fenced_ = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_LOG_REPLAY_H_
