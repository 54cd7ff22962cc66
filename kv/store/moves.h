// kv/store/moves.h: the moves of slots in which a group takes part, as part of
// the state of its store (docs/slot-moves.md).
//
// A slot that is not owned may have keys and sessions: those that are staged,
// and those that are left to be removed. They are in the same tables as all
// others, so that a slot changes hands without a copy. Only commands on slots
// that the group owns reach the tables. Slots that are staged do not expire.
#ifndef QUORATE_KV_STORE_MOVES_H_
#define QUORATE_KV_STORE_MOVES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "kv/command/rules.h"
#include "kv/store/change_log.h"
#include "kv/store/keyspace.h"
#include "kv/store/ownership.h"
#include "kv/store/sessions.h"
#include "kv/store/slot_items.h"

namespace quorate::kv {

// A move as a driver sees it.
struct MoveStatus {
  MovePlan plan = {};
  // The answer to a step that changes nothing.
  MoveAnswer at = {};
  // Source: changes that are not acknowledged.
  uint64_t changes_kept = 0;
  // Source: changes up to this number may be sent (ChangeLog::settled).
  ChangeNumber changes_settled = {};
};

class Moves {
 public:
  // The other parts of the store.
  struct State {
    Ownership& ownership;
    Keyspace& keyspace;
    Sessions& sessions;
    WallTime& log_time;
  };
  // Those that a driver reads, as they are after the entry `index`.
  struct Tables {
    const Keyspace& keyspace;
    const Sessions& sessions;
    WallTime log_time;
    raft::Index index;
  };

  // Changes that one TrackStep forgets, at most. Part of the replicated rules.
  static constexpr size_t kForgottenMax = 4096;

  Moves(GroupId group, uint64_t hash_key, uint32_t slot_count,
        const SessionRules& rules);
  Moves(const Moves&) = delete;
  Moves& operator=(const Moves&) = delete;

  // Connects a new object, or a restored one, with the tables. They notify it
  // of changes from then on, so it outlives their use.
  void Attach(const State& state);

  MoveAnswer Apply(const MoveStep& step, const State& state);

  bool empty() const { return sources_.empty() && targets_.empty(); }
  std::vector<MoveStatus> Statuses() const;
  // The state of the frozen slots, for SealStep. Nullopt unless this group is
  // the source of the move, which is frozen.
  std::optional<MoveSeal> SealOf(MoveId move, const Tables& tables) const;
  // Streams for StageStep. Null unless this group is the source of the move,
  // which is tracking or frozen. ReadChanges: null as well if there is no
  // change behind `from`, up to `through`. Its stream has at most about
  // `bytes_max` bytes, and at least one change. It may be sent if `through` is
  // settled.
  std::unique_ptr<PieceReader> ReadSlot(MoveId move, Slot slot,
                                        const Tables& tables) const;
  std::unique_ptr<PieceReader> ReadChanges(MoveId move, ChangeNumber from,
                                           ChangeNumber through,
                                           size_t bytes_max,
                                           const Tables& tables) const;

  // Keys that no command reaches: of slots that are staged, or left to be
  // removed. `expiring`: only those with an expiry.
  uint64_t HiddenKeys(const Keyspace& keyspace, bool expiring) const;
  // Logical bytes beside those of the tables.
  uint64_t size_bytes() const;
  // Of everything but the tables. 0 if there is no move.
  uint64_t digest() const;

  // Ends all moves. Afterwards only Reclaim and the destructor may be called.
  void DropAll();
  // Frees up to `count_max` changes. Returns true if there are more.
  bool Reclaim(size_t count_max);
  bool reclaimable() const { return !dropped_.empty(); }

  // ---- Snapshots: a head for each move, and its changes.

  struct View {
    struct One {
      MoveId id = {};
      std::string head = {};
      ChangeLog::Numbered changes = ChangeLog::Numbered();
    };
    std::vector<One> moves = {};
  };
  View TakeView() const;
  // Both return false if the bytes are no such thing, or do not fit to those
  // before.
  bool RestoreHead(std::string_view head);
  bool RestoreChange(MoveId move, ChangeNumber number, const Change& change);
  static constexpr size_t kHeadBytesMax = 4 << 20;

 private:
  struct Source {
    MovePlan plan;
    MovePhase phase = MovePhase::kTracking;
    uint32_t removed = 0;  // Slots whose data were removed. kReleasing.
    std::unique_ptr<ChangeLog> changes;
  };
  struct Target {
    MovePlan plan;
    MovePhase phase = MovePhase::kStaging;
    uint32_t removed = 0;  // kDropping.
    StagePlace place;
    std::string rest;  // The bytes of the last item, which is cut off.
    MoveSeal seal;     // kSealed.
    uint64_t digest = 0;
  };

  MoveAnswer Prepare(const MovePlan& plan, const State& state);
  MoveAnswer Track(const TrackStep& step, const State& state);
  MoveAnswer Stage(const StageStep& step, const State& state);
  MoveAnswer Freeze(MoveId move, const State& state);
  MoveAnswer Seal(const SealStep& step, const State& state);
  MoveAnswer Activate(const MovePlan& plan, const State& state);
  MoveAnswer Release(const ReleaseStep& step, const State& state);
  MoveAnswer Abort(const AbortStep& step, const State& state);
  MoveAnswer AbortTarget(Target* target, uint32_t slots_max,
                         const State& state);

  // Whether a slot of the plan is part of a move here.
  bool IsBusy(const MovePlan& plan) const;
  // Whether a move of a snapshot fits to those before.
  bool MayRestore(const MovePlan& plan, uint32_t removed) const;
  // kDone if the piece is the next one.
  MoveVerdict VerdictOn(const Target& target, const SlotPiece& piece) const;
  void StopTracking(Source* source);
  // Removes the data of at most `slots_max` further slots. Returns true once
  // none is left.
  static bool RemoveSlots(const MovePlan& plan, uint32_t slots_max,
                          uint32_t* removed, const State& state);
  uint64_t SlotsDigest(const MovePlan& plan, const Keyspace& keyspace,
                       const Sessions& sessions) const;
  const Source* FindTracked(MoveId move) const;
  static MoveAnswer AnswerOf(const Source& source, MoveVerdict verdict);
  static MoveAnswer AnswerOf(const Target& target, MoveVerdict verdict);
  static std::string HeadOf(const Source& source);
  static std::string HeadOf(const Target& target);
  // After a change of the target.
  void UpdateDigest(Target* target) const;

  const GroupId group_;
  const uint64_t hash_key_;
  const uint32_t slot_count_;
  const SessionRules rules_;
  ChangeTracking tracking_;
  absl::btree_map<MoveId, Source> sources_;
  absl::btree_map<MoveId, Target> targets_;
  // Logs of moves that are over. They are freed step by step.
  std::vector<std::unique_ptr<ChangeLog>> dropped_;
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_MOVES_H_
