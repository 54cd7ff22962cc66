// kv/command/move_command.h: the steps of moving slots from one group to
// another, and their answers (docs/slot-moves.md).
//
// A step is the argument of an Op::kMove, an answer the payload of its result.
// Each step is idempotent by the move and its phase. A refusal changes nothing.
//
//   std::string step = EncodeMoveStep(FreezeStep{.move = id});
//   std::string_view arguments[] = {step};
//   batch.Add(MoveCommand(step, arguments));
#ifndef QUORATE_KV_COMMAND_MOVE_COMMAND_H_
#define QUORATE_KV_COMMAND_MOVE_COMMAND_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/types/span.h"
#include "env/ids.h"
#include "env/little_endian.h"
#include "env/strong_types.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "raft/core/types.h"
#include "shardctrl/move.h"
#include "shardctrl/partition.h"

namespace quorate::kv {

// The most bytes of a piece: with its step and batch it fits into an entry.
inline constexpr size_t kPieceBytesMax = 448 << 10;

// The numbers of all enumerations are stored: never renumber them.

// Numbers the changes of the slots of a move at the source, from 1 on.
using ChangeNumber = StrongOrdinal<struct ChangeNumberTag>;

// A move, as the controller decided it.
struct MovePlan {
  MoveId id = {};
  GroupId from = {};
  GroupId to = {};
  // The epoch of the slots at their new owner: above all that they have had.
  SlotEpoch epoch = {};
  std::vector<SlotRange> slots = {};  // Sorted; two of them never touch.
  friend bool operator==(const MovePlan&, const MovePlan&) = default;
};
// Whether a plan keeps to the rules above.
bool IsValid(const MovePlan& plan, uint32_t slot_count);
bool Contains(const MovePlan& plan, Slot slot);
uint32_t SlotCountOf(const MovePlan& plan);
// The slot at a place of the plan. Requires: place < SlotCountOf(plan).
Slot SlotAt(const MovePlan& plan, uint32_t place);
// The place of a slot; nullopt if the plan lacks it.
std::optional<uint32_t> PlaceOf(const MovePlan& plan, Slot slot);
void AppendPlan(std::string* out, const MovePlan& plan);
// The reader is not ok afterwards if the bytes are no plan.
MovePlan TakePlan(FixedReader* reader);

// A stream of items (kv/store/slot_items.h) that the source makes of its state.
// It is cut anywhere into pieces. Equal names mean equal bytes.
struct PieceStream {
  // The items that changed, or all items of one slot.
  bool changes = false;
  Slot slot = {};  // Not for changes.
  // For changes: those behind `from`, up to `to`. `last` is the number of the
  // source's last change: a place that changes again has a later number.
  ChangeNumber from = {};
  ChangeNumber to = {};
  ChangeNumber last = {};
  // For a slot: the last entry of the source's state.
  raft::Index view = {};
  friend bool operator==(const PieceStream&, const PieceStream&) = default;
};
void AppendStream(std::string* out, const PieceStream& stream);
PieceStream TakeStream(FixedReader* reader);

struct SlotPiece {
  PieceStream stream = {};
  uint64_t offset = 0;  // Bytes of the stream before the piece.
  bool ends = false;    // The stream ends with it.
  std::string_view bytes = {};
};

// The state of the frozen slots at the source that the destination must have.
struct MoveSeal {
  ChangeNumber changes = {};  // The number of the last change.
  uint64_t digest = 0;        // That of all slots.
  WallTime log_time{0};
  friend bool operator==(const MoveSeal&, const MoveSeal&) = default;
};

// ---- Steps.

// Destination: takes copies of the slots from now on. The leader there refuses
// it if its node has no memory for `bytes` more.
struct PrepareStep {
  MovePlan plan;
  uint64_t bytes = 0;
};
// Source: numbers the changes of the slots from now on. Changes up to
// `acknowledged` are at the destination, and are forgotten. The others may be
// sent: what changes again has a new number.
struct TrackStep {
  MovePlan plan;
  ChangeNumber acknowledged = {};
};
// Destination: adds a piece. First the slots in the order of the plan, then the
// changes.
struct StageStep {
  MoveId move;
  SlotPiece piece;
};
// Source: refuses commands on the slots from now on.
struct FreezeStep {
  MoveId move;
};
// Destination: accepts no further pieces, if it has the state of the source.
struct SealStep {
  MoveId move;
  MoveSeal seal;
};
// Destination: owns the slots from now on. Only the controller decides this.
struct ActivateStep {
  MovePlan plan;
};
// Source: gives the slots up after ActivateStep, and removes the data of at
// most `slots_max` of them.
struct ReleaseStep {
  MovePlan plan;
  uint32_t slots_max = 0;
};
// Source: owns the slots as before. Destination: removes what it got, the data
// of at most `slots_max` slots. Only the controller decides this.
struct AbortStep {
  MovePlan plan;
  uint32_t slots_max = 0;
};
using MoveStep = std::variant<PrepareStep, TrackStep, StageStep, FreezeStep,
                              SealStep, ActivateStep, ReleaseStep, AbortStep>;

std::string EncodeMoveStep(const MoveStep& step);
// Pieces are views into `bytes`. Nullopt: not the output of the encoder.
std::optional<MoveStep> DecodeMoveStep(std::string_view bytes);
// The most slots whose data the step removes.
uint32_t SlotsMaxOf(const MoveStep& step);
// The command of a step. `argument` has EncodeMoveStep(step), and outlives the
// use of the result.
CommandSpec MoveCommand(const MoveStep& step,
                        absl::Span<const std::string_view> argument);
// True if `bytes` are a StageStep, which needs memory.
bool IsStageStep(std::string_view bytes);
// PrepareStep::bytes; 0 if `bytes` are no PrepareStep.
uint64_t PreparedBytes(std::string_view bytes);

// ---- Answers.

enum class MoveVerdict : uint8_t {
  kDone = 0,
  kAlready = 1,  // An earlier step had this effect, or a later one followed it.
  // Refusals.
  kUnknownMove = 16,
  kOtherGroup = 17,   // The step is for another group than this one.
  kOtherPlan = 18,    // A move of this id has another plan here.
  kSlotsBusy = 19,    // A slot of the plan is part of another move here.
  kNotOwned = 20,     // The source does not own all slots.
  kOwned = 21,        // The destination owns a slot.
  kOldEpoch = 22,     // A slot has had this epoch or a later one here.
  kWrongPhase = 23,   // The phase does not allow the step.
  kOutOfPlace = 24,   // Not the next piece, or not all pieces are here.
  kBadPiece = 25,     // The bytes cannot be read, or are of other slots.
  kOtherDigest = 26,  // The slots differ from those of the source.
};
std::string_view MoveVerdictText(MoveVerdict verdict);
constexpr bool IsRefusal(MoveVerdict verdict) {
  return verdict >= MoveVerdict::kUnknownMove;
}

// How far the destination is. The next piece follows from it.
struct StagePlace {
  uint32_t slots = 0;         // Places of the plan that are copied.
  ChangeNumber changes = {};  // The last change that it has.
  // The stream that has begun, and the bytes of it so far. None: offset 0.
  PieceStream stream = {};
  uint64_t offset = 0;
  friend bool operator==(const StagePlace&, const StagePlace&) = default;
};

struct MoveAnswer {
  MoveVerdict verdict = MoveVerdict::kDone;
  // After the step; kNone once the move is over here.
  MovePhase phase = MovePhase::kNone;
  StagePlace place = {};      // Destination.
  ChangeNumber changes = {};  // Source: the number of the last change.
  uint32_t slots_left = 0;    // Slots whose data are left to be removed.
  friend bool operator==(const MoveAnswer&, const MoveAnswer&) = default;
};
std::string EncodeMoveAnswer(const MoveAnswer& answer);
std::optional<MoveAnswer> DecodeMoveAnswer(std::string_view bytes);

}  // namespace quorate::kv

#endif  // QUORATE_KV_COMMAND_MOVE_COMMAND_H_
