#include "kv/command/move_command.h"

#include <algorithm>
#include <type_traits>

#include "env/check.h"

namespace quorate::kv {
namespace {

// The first byte of a step.
enum class StepKind : uint8_t {
  kPrepare = 1,
  kTrack = 2,
  kStage = 3,
  kFreeze = 4,
  kSeal = 5,
  kActivate = 6,
  kRelease = 7,
  kAbort = 8,
};

void AppendKind(std::string* out, StepKind kind) {
  AppendFixed(out, static_cast<uint8_t>(kind));
}

void AppendSeal(std::string* out, const MoveSeal& seal) {
  AppendFixed(out, seal.changes.value());
  AppendFixed(out, seal.digest);
  AppendFixed(out, seal.log_time.ns());
}

MoveSeal TakeSeal(FixedReader* reader) {
  MoveSeal seal;
  seal.changes = ChangeNumber(reader->Take<uint64_t>());
  seal.digest = reader->Take<uint64_t>();
  seal.log_time = WallTime(reader->Take<int64_t>());
  return seal;
}

struct Encoder {
  std::string operator()(const PrepareStep& step) const {
    std::string out = WithPlan(StepKind::kPrepare, step.plan);
    AppendFixed(&out, step.bytes);
    return out;
  }
  std::string operator()(const TrackStep& step) const {
    std::string out = WithPlan(StepKind::kTrack, step.plan);
    AppendFixed(&out, step.acknowledged.value());
    return out;
  }
  std::string operator()(const StageStep& step) const {
    std::string out = WithId(StepKind::kStage, step.move);
    AppendStream(&out, step.piece.stream);
    AppendFixed(&out, step.piece.offset);
    AppendFixed(&out, static_cast<uint8_t>(step.piece.ends));
    out.append(step.piece.bytes);
    return out;
  }
  std::string operator()(const FreezeStep& step) const {
    return WithId(StepKind::kFreeze, step.move);
  }
  std::string operator()(const SealStep& step) const {
    std::string out = WithId(StepKind::kSeal, step.move);
    AppendSeal(&out, step.seal);
    return out;
  }
  std::string operator()(const ActivateStep& step) const {
    return WithPlan(StepKind::kActivate, step.plan);
  }
  std::string operator()(const ReleaseStep& step) const {
    std::string out = WithPlan(StepKind::kRelease, step.plan);
    AppendFixed(&out, step.slots_max);
    return out;
  }
  std::string operator()(const AbortStep& step) const {
    std::string out = WithPlan(StepKind::kAbort, step.plan);
    AppendFixed(&out, step.slots_max);
    return out;
  }

 private:
  static std::string WithPlan(StepKind kind, const MovePlan& plan) {
    std::string out;
    AppendKind(&out, kind);
    AppendPlan(&out, plan);
    return out;
  }
  static std::string WithId(StepKind kind, MoveId move) {
    std::string out;
    AppendKind(&out, kind);
    AppendFixed(&out, move.value());
    return out;
  }
};

StageStep TakeStage(FixedReader* reader) {
  StageStep step{.move = MoveId(reader->Take<uint64_t>())};
  step.piece.stream = TakeStream(reader);
  step.piece.offset = reader->Take<uint64_t>();
  const auto ends = reader->Take<uint8_t>();
  step.piece.ends = ends != 0;
  step.piece.bytes = reader->TakeBytes(reader->rest().size());
  if (ends > 1 || step.piece.bytes.size() > kPieceBytesMax) reader->Fail();
  return step;
}

std::optional<MoveStep> TakeStep(FixedReader* reader) {
  switch (static_cast<StepKind>(reader->Take<uint8_t>())) {
    case StepKind::kPrepare: {
      PrepareStep step{.plan = TakePlan(reader)};
      step.bytes = reader->Take<uint64_t>();
      return step;
    }
    case StepKind::kTrack: {
      TrackStep step{.plan = TakePlan(reader)};
      step.acknowledged = ChangeNumber(reader->Take<uint64_t>());
      return step;
    }
    case StepKind::kStage:
      return TakeStage(reader);
    case StepKind::kFreeze:
      return FreezeStep{MoveId(reader->Take<uint64_t>())};
    case StepKind::kSeal: {
      SealStep step{.move = MoveId(reader->Take<uint64_t>())};
      step.seal = TakeSeal(reader);
      return step;
    }
    case StepKind::kActivate:
      return ActivateStep{TakePlan(reader)};
    case StepKind::kRelease: {
      ReleaseStep step{.plan = TakePlan(reader)};
      step.slots_max = reader->Take<uint32_t>();
      return step;
    }
    case StepKind::kAbort: {
      AbortStep step{.plan = TakePlan(reader)};
      step.slots_max = reader->Take<uint32_t>();
      return step;
    }
  }
  return std::nullopt;
}

}  // namespace

bool IsValid(const MovePlan& plan, uint32_t slot_count) {
  if (plan.id == MoveId{} || plan.from == plan.to ||
      plan.epoch == SlotEpoch{} || plan.slots.empty() ||
      plan.slots.size() > kMoveRangesMax) {
    return false;
  }
  uint32_t least = 0;
  for (const SlotRange& range : plan.slots) {
    if (range.first.value() < least || range.last < range.first) return false;
    least = range.last.value() + 2u;
  }
  return plan.slots.back().last.value() < slot_count;
}

bool Contains(const MovePlan& plan, Slot slot) {
  const auto range = std::partition_point(
      plan.slots.begin(), plan.slots.end(),
      [&](const SlotRange& one) { return one.last < slot; });
  return range != plan.slots.end() && range->Contains(slot);
}

uint32_t SlotCountOf(const MovePlan& plan) {
  uint32_t count = 0;
  for (const SlotRange& range : plan.slots) count += range.size();
  return count;
}

Slot SlotAt(const MovePlan& plan, uint32_t place) {
  for (const SlotRange& range : plan.slots) {
    if (place < range.size()) {
      return Slot(static_cast<uint16_t>(range.first.value() + place));
    }
    place -= range.size();
  }
  CHECK(false) << "a place behind the last slot: " << place;
  return {};
}

std::optional<uint32_t> PlaceOf(const MovePlan& plan, Slot slot) {
  uint32_t before = 0;
  for (const SlotRange& range : plan.slots) {
    if (range.Contains(slot)) {
      return before + slot.value() - range.first.value();
    }
    before += range.size();
  }
  return std::nullopt;
}

void AppendPlan(std::string* out, const MovePlan& plan) {
  AppendFixed(out, plan.id.value());
  AppendFixed(out, plan.from.value());
  AppendFixed(out, plan.to.value());
  AppendFixed(out, plan.epoch.value());
  AppendFixed(out, static_cast<uint32_t>(plan.slots.size()));
  for (const SlotRange& range : plan.slots) {
    AppendFixed(out, range.first.value());
    AppendFixed(out, range.last.value());
  }
}

MovePlan TakePlan(FixedReader* reader) {
  MovePlan plan;
  plan.id = MoveId(reader->Take<uint64_t>());
  plan.from = GroupId(reader->Take<uint32_t>());
  plan.to = GroupId(reader->Take<uint32_t>());
  plan.epoch = SlotEpoch(reader->Take<uint64_t>());
  const auto count = reader->Take<uint32_t>();
  if (count > kMoveRangesMax) reader->Fail();
  for (uint32_t i = 0; i < count && reader->ok(); ++i) {
    SlotRange range;
    range.first = Slot(reader->Take<uint16_t>());
    range.last = Slot(reader->Take<uint16_t>());
    plan.slots.push_back(range);
  }
  if (!IsValid(plan, kHashSlotCount)) reader->Fail();
  return plan;
}

void AppendStream(std::string* out, const PieceStream& stream) {
  AppendFixed(out, static_cast<uint8_t>(stream.changes));
  AppendFixed(out, stream.slot.value());
  AppendFixed(out, stream.from.value());
  AppendFixed(out, stream.to.value());
  AppendFixed(out, stream.changes ? stream.last.value() : stream.view.value());
}

PieceStream TakeStream(FixedReader* reader) {
  PieceStream stream;
  const auto changes = reader->Take<uint8_t>();
  stream.changes = changes != 0;
  stream.slot = Slot(reader->Take<uint16_t>());
  stream.from = ChangeNumber(reader->Take<uint64_t>());
  stream.to = ChangeNumber(reader->Take<uint64_t>());
  const auto state = reader->Take<uint64_t>();
  if (stream.changes) {
    stream.last = ChangeNumber(state);
  } else {
    stream.view = raft::Index(state);
  }
  const bool other_fields = stream.changes ? stream.slot != Slot{}
                                           : stream.from != ChangeNumber{} ||
                                                 stream.to != ChangeNumber{};
  if (changes > 1 || other_fields) reader->Fail();
  return stream;
}

std::string EncodeMoveStep(const MoveStep& step) {
  return std::visit(Encoder(), step);
}

std::optional<MoveStep> DecodeMoveStep(std::string_view bytes) {
  FixedReader reader(bytes);
  std::optional<MoveStep> step = TakeStep(&reader);
  if (!reader.ok() || !reader.rest().empty()) return std::nullopt;
  return step;
}

uint32_t SlotsMaxOf(const MoveStep& step) {
  if (const auto* release = std::get_if<ReleaseStep>(&step)) {
    return release->slots_max;
  }
  const auto* abort = std::get_if<AbortStep>(&step);
  return abort == nullptr ? 0 : abort->slots_max;
}

CommandSpec MoveCommand(const MoveStep& step,
                        absl::Span<const std::string_view> argument) {
  CHECK_EQ(argument.size(), 1u);
  return {
      .op = Op::kMove, .numbers = {SlotsMaxOf(step), 0}, .arguments = argument};
}

bool IsStageStep(std::string_view bytes) {
  return !bytes.empty() && static_cast<uint8_t>(bytes.front()) ==
                               static_cast<uint8_t>(StepKind::kStage);
}

uint64_t PreparedBytes(std::string_view bytes) {
  if (bytes.empty() || static_cast<uint8_t>(bytes.front()) !=
                           static_cast<uint8_t>(StepKind::kPrepare)) {
    return 0;
  }
  const std::optional<MoveStep> step = DecodeMoveStep(bytes);
  return step.has_value() ? std::get<PrepareStep>(*step).bytes : 0;
}

std::string_view MoveVerdictText(MoveVerdict verdict) {
  switch (verdict) {
    case MoveVerdict::kDone:
      return "done";
    case MoveVerdict::kAlready:
      return "already so";
    case MoveVerdict::kUnknownMove:
      return "the group does not know the move";
    case MoveVerdict::kOtherGroup:
      return "the step is for another group";
    case MoveVerdict::kOtherPlan:
      return "the move has another plan in this group";
    case MoveVerdict::kSlotsBusy:
      return "a slot is part of another move";
    case MoveVerdict::kNotOwned:
      return "the group does not own all slots";
    case MoveVerdict::kOwned:
      return "the group owns a slot already";
    case MoveVerdict::kOldEpoch:
      return "a slot has had this epoch or a later one";
    case MoveVerdict::kWrongPhase:
      return "the phase of the move does not allow the step";
    case MoveVerdict::kOutOfPlace:
      return "another piece is the next one";
    case MoveVerdict::kBadPiece:
      return "the bytes of the piece cannot be read";
    case MoveVerdict::kOtherDigest:
      return "the slots differ from those of the source";
  }
  return "invalid";
}

std::string EncodeMoveAnswer(const MoveAnswer& answer) {
  std::string out;
  AppendFixed(&out, static_cast<uint8_t>(answer.verdict));
  AppendFixed(&out, static_cast<uint8_t>(answer.phase));
  AppendFixed(&out, answer.place.slots);
  AppendFixed(&out, answer.place.changes.value());
  AppendStream(&out, answer.place.stream);
  AppendFixed(&out, answer.place.offset);
  AppendFixed(&out, answer.changes.value());
  AppendFixed(&out, answer.slots_left);
  return out;
}

std::optional<MoveAnswer> DecodeMoveAnswer(std::string_view bytes) {
  FixedReader reader(bytes);
  MoveAnswer answer;
  answer.verdict = static_cast<MoveVerdict>(reader.Take<uint8_t>());
  answer.phase = static_cast<MovePhase>(reader.Take<uint8_t>());
  answer.place.slots = reader.Take<uint32_t>();
  answer.place.changes = ChangeNumber(reader.Take<uint64_t>());
  answer.place.stream = TakeStream(&reader);
  answer.place.offset = reader.Take<uint64_t>();
  answer.changes = ChangeNumber(reader.Take<uint64_t>());
  answer.slots_left = reader.Take<uint32_t>();
  const bool known =
      MoveVerdictText(answer.verdict) != "invalid" && IsMovePhase(answer.phase);
  if (!reader.ok() || !reader.rest().empty() || !known) return std::nullopt;
  return answer;
}

}  // namespace quorate::kv
