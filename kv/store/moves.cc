#include "kv/store/moves.h"

#include <algorithm>
#include <type_traits>
#include <variant>

#include "env/check.h"
#include "kv/slots/keyed_hash.h"

namespace quorate::kv {
namespace {

// Changes whose state one call of ReadChanges looks up, at most.
constexpr size_t kChangesReadMax = 4096;

// The first byte of a head in a snapshot. Stored: never renumber.
enum class Role : uint8_t { kSource = 1, kTarget = 2 };

bool Overlap(const MovePlan& a, const MovePlan& b) {
  for (const SlotRange& one : a.slots) {
    for (const SlotRange& other : b.slots) {
      if (one.first <= other.last && other.first <= one.last) return true;
    }
  }
  return false;
}

template <typename Visit>
void ForEachSlot(const MovePlan& plan, Visit visit) {
  for (const SlotRange& range : plan.slots) {
    for (uint32_t slot = range.first.value(); slot <= range.last.value();
         ++slot) {
      visit(Slot(static_cast<uint16_t>(slot)));
    }
  }
}

// Whether the group knows of each slot of the plan that it has come to the
// epoch of the plan, or beyond.
bool IsOver(const MovePlan& plan, const Ownership& ownership) {
  bool over = true;
  ForEachSlot(plan, [&](Slot slot) {
    const SlotRun* const run = ownership.RunOf(slot);
    over = over && run != nullptr && run->epoch >= plan.epoch;
  });
  return over;
}

// Removes all that a slot has.
void RemoveSlot(Slot slot, const Moves::State& state) {
  state.keyspace.DropSlot(slot, Version{});
  state.keyspace.ForgetRemoval(slot);
  state.sessions.DropSlot(slot);
}

// Why a destination takes no piece and no seal in this phase; kDone: it does.
MoveVerdict StagingVerdict(MovePhase phase) {
  if (phase == MovePhase::kStaging) return MoveVerdict::kDone;
  return phase == MovePhase::kSealed ? MoveVerdict::kAlready
                                     : MoveVerdict::kWrongPhase;
}

// The answer of a group that does not know the move.
MoveAnswer Unknown(MoveVerdict verdict) { return {.verdict = verdict}; }

}  // namespace

Moves::Moves(GroupId group, uint64_t hash_key, uint32_t slot_count,
             const SessionRules& rules)
    : group_(group),
      hash_key_(hash_key),
      slot_count_(slot_count),
      rules_(rules),
      tracking_(slot_count) {}

void Moves::Attach(const State& state) {
  state.keyspace.SetTracking(&tracking_);
  state.sessions.SetTracking(&tracking_);
  for (const auto& [id, source] : sources_) {
    if (source.phase == MovePhase::kReleasing) continue;
    ForEachSlot(source.plan,
                [&](Slot slot) { tracking_.Set(slot, source.changes.get()); });
  }
  for (const auto& [id, target] : targets_) {
    uint32_t place = 0;
    ForEachSlot(target.plan, [&](Slot slot) {
      if (place++ < target.removed) return;
      state.keyspace.Hold(slot);
      state.sessions.Hold(slot);
    });
  }
}

MoveAnswer Moves::Apply(const MoveStep& step, const State& state) {
  return std::visit(
      [&](const auto& one) -> MoveAnswer {
        using Step = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<Step, PrepareStep>) {
          return Prepare(one.plan, state);
        } else if constexpr (std::is_same_v<Step, TrackStep>) {
          return Track(one, state);
        } else if constexpr (std::is_same_v<Step, StageStep>) {
          return Stage(one, state);
        } else if constexpr (std::is_same_v<Step, FreezeStep>) {
          return Freeze(one.move, state);
        } else if constexpr (std::is_same_v<Step, SealStep>) {
          return Seal(one, state);
        } else if constexpr (std::is_same_v<Step, ActivateStep>) {
          return Activate(one.plan, state);
        } else if constexpr (std::is_same_v<Step, ReleaseStep>) {
          return Release(one, state);
        } else {
          return Abort(one, state);
        }
      },
      step);
}

MoveAnswer Moves::Prepare(const MovePlan& plan, const State& state) {
  const auto found = targets_.find(plan.id);
  if (found != targets_.end()) {
    return AnswerOf(found->second, found->second.plan == plan
                                       ? MoveVerdict::kAlready
                                       : MoveVerdict::kOtherPlan);
  }
  if (plan.to != group_ || plan.slots.back().last.value() >= slot_count_) {
    return Unknown(MoveVerdict::kOtherGroup);
  }
  if (IsBusy(plan)) return Unknown(MoveVerdict::kSlotsBusy);
  MoveVerdict verdict = MoveVerdict::kDone;
  ForEachSlot(plan, [&](Slot slot) {
    const SlotRun* const run = state.ownership.RunOf(slot);
    if (run == nullptr) return;
    if (run->epoch >= plan.epoch) {
      verdict = MoveVerdict::kOldEpoch;
    } else if (run->state != SlotState::kLeft &&
               verdict == MoveVerdict::kDone) {
      verdict = MoveVerdict::kOwned;
    }
  });
  if (IsRefusal(verdict)) return Unknown(verdict);
  ForEachSlot(plan, [&](Slot slot) {
    state.keyspace.Hold(slot);
    state.sessions.Hold(slot);
  });
  Target& target = targets_[plan.id];
  target.plan = plan;
  UpdateDigest(&target);
  return AnswerOf(target, verdict);
}

MoveAnswer Moves::Track(const TrackStep& step, const State& state) {
  const MovePlan& plan = step.plan;
  const auto found = sources_.find(plan.id);
  if (found != sources_.end()) {
    Source& source = found->second;
    if (source.plan != plan) return AnswerOf(source, MoveVerdict::kOtherPlan);
    if (step.acknowledged > source.changes->last()) {
      return AnswerOf(source, MoveVerdict::kOutOfPlace);
    }
    const bool fresh =
        source.changes->Forget(step.acknowledged, kForgottenMax) > 0 ||
        source.changes->settled() < source.changes->last();
    source.changes->Settle();
    return AnswerOf(source, fresh ? MoveVerdict::kDone : MoveVerdict::kAlready);
  }
  if (IsOver(plan, state.ownership)) return Unknown(MoveVerdict::kAlready);
  if (plan.from != group_) return Unknown(MoveVerdict::kOtherGroup);
  // The destination has changes of a log that is gone.
  if (step.acknowledged != ChangeNumber{}) {
    return Unknown(MoveVerdict::kUnknownMove);
  }
  if (IsBusy(plan)) return Unknown(MoveVerdict::kSlotsBusy);
  MoveVerdict verdict = MoveVerdict::kDone;
  ForEachSlot(plan, [&](Slot slot) {
    const SlotRun* const run = state.ownership.RunOf(slot);
    if (run == nullptr || run->state != SlotState::kOwned) {
      verdict = MoveVerdict::kNotOwned;
    } else if (run->epoch >= plan.epoch && verdict == MoveVerdict::kDone) {
      verdict = MoveVerdict::kOldEpoch;
    }
  });
  if (IsRefusal(verdict)) return Unknown(verdict);
  Source& source = sources_[plan.id];
  source.plan = plan;
  source.changes = std::make_unique<ChangeLog>(hash_key_);
  ForEachSlot(plan,
              [&](Slot slot) { tracking_.Set(slot, source.changes.get()); });
  return AnswerOf(source, verdict);
}

MoveVerdict Moves::VerdictOn(const Target& target,
                             const SlotPiece& piece) const {
  const PieceStream& stream = piece.stream;
  const StagePlace& place = target.place;
  const uint32_t slots = SlotCountOf(target.plan);
  if (stream.changes) {
    if (stream.to <= stream.from) return MoveVerdict::kBadPiece;
    if (place.slots < slots) return MoveVerdict::kOutOfPlace;
    if (stream.from < place.changes) return MoveVerdict::kAlready;
    if (stream.from > place.changes) return MoveVerdict::kOutOfPlace;
  } else {
    const std::optional<uint32_t> at = PlaceOf(target.plan, stream.slot);
    if (!at.has_value()) return MoveVerdict::kBadPiece;
    if (*at < place.slots) return MoveVerdict::kAlready;
    if (*at > place.slots) return MoveVerdict::kOutOfPlace;
  }
  if (place.offset > 0 && stream == place.stream) {
    if (piece.offset == place.offset) return MoveVerdict::kDone;
    return piece.offset < place.offset ? MoveVerdict::kAlready
                                       : MoveVerdict::kOutOfPlace;
  }
  // A stream of an older state would only repeat work.
  return piece.offset == 0 && stream.view >= place.stream.view &&
                 stream.last >= place.stream.last
             ? MoveVerdict::kDone
             : MoveVerdict::kOutOfPlace;
}

MoveAnswer Moves::Stage(const StageStep& step, const State& state) {
  const auto found = targets_.find(step.move);
  if (found == targets_.end()) return Unknown(MoveVerdict::kUnknownMove);
  Target& target = found->second;
  if (const MoveVerdict no = StagingVerdict(target.phase);
      no != MoveVerdict::kDone) {
    return AnswerOf(target, no);
  }
  const SlotPiece& piece = step.piece;
  const PieceStream& stream = piece.stream;
  const MoveVerdict verdict = VerdictOn(target, piece);
  if (verdict != MoveVerdict::kDone) return AnswerOf(target, verdict);
  std::string joined;
  std::string_view bytes = piece.bytes;
  if (piece.offset > 0 && !target.rest.empty()) {
    joined = target.rest;
    joined.append(bytes);
    bytes = joined;
  }
  const auto takes = [&](Slot slot) {
    return stream.changes ? Contains(target.plan, slot) : slot == stream.slot;
  };
  const std::optional<size_t> whole = WholeItems(bytes, rules_, takes);
  if (!whole.has_value() || (piece.ends && *whole < bytes.size())) {
    return AnswerOf(target, MoveVerdict::kBadPiece);
  }
  if (piece.offset == 0 && !stream.changes) RemoveSlot(stream.slot, state);
  ApplyItems(bytes.substr(0, *whole), rules_, &state.keyspace, &state.sessions);
  if (piece.ends) {
    if (stream.changes) {
      target.place.changes = stream.to;
    } else {
      ++target.place.slots;
    }
    target.place.stream = PieceStream();
    target.place.offset = 0;
    target.rest.clear();
  } else {
    target.place.stream = stream;
    target.place.offset = piece.offset + piece.bytes.size();
    target.rest = bytes.substr(*whole);
  }
  UpdateDigest(&target);
  return AnswerOf(target, verdict);
}

MoveAnswer Moves::Freeze(MoveId move, const State& state) {
  const auto found = sources_.find(move);
  if (found == sources_.end()) return Unknown(MoveVerdict::kUnknownMove);
  Source& source = found->second;
  if (source.phase != MovePhase::kTracking) {
    return AnswerOf(source, MoveVerdict::kAlready);
  }
  state.ownership.SetState(source.plan.slots, SlotState::kFrozen);
  source.phase = MovePhase::kFrozen;
  source.changes->SettleAlways();
  return AnswerOf(source, MoveVerdict::kDone);
}

MoveAnswer Moves::Seal(const SealStep& step, const State& state) {
  const auto found = targets_.find(step.move);
  if (found == targets_.end()) return Unknown(MoveVerdict::kUnknownMove);
  Target& target = found->second;
  if (const MoveVerdict no = StagingVerdict(target.phase);
      no != MoveVerdict::kDone) {
    return AnswerOf(target, no);
  }
  if (target.place.slots < SlotCountOf(target.plan) ||
      target.place.offset > 0 || target.place.changes != step.seal.changes) {
    return AnswerOf(target, MoveVerdict::kOutOfPlace);
  }
  if (SlotsDigest(target.plan, state.keyspace, state.sessions) !=
      step.seal.digest) {
    return AnswerOf(target, MoveVerdict::kOtherDigest);
  }
  target.phase = MovePhase::kSealed;
  target.seal = step.seal;
  UpdateDigest(&target);
  return AnswerOf(target, MoveVerdict::kDone);
}

MoveAnswer Moves::Activate(const MovePlan& plan, const State& state) {
  const auto found = targets_.find(plan.id);
  if (found == targets_.end()) {
    return Unknown(IsOver(plan, state.ownership) ? MoveVerdict::kAlready
                                                 : MoveVerdict::kUnknownMove);
  }
  Target& target = found->second;
  if (target.plan != plan) return AnswerOf(target, MoveVerdict::kOtherPlan);
  if (target.phase != MovePhase::kSealed) {
    return AnswerOf(target, MoveVerdict::kWrongPhase);
  }
  state.ownership.Put(plan.slots, plan.epoch, SlotState::kOwned);
  // A key that was due at the source is due here as well.
  state.log_time = std::max(state.log_time, target.seal.log_time);
  ForEachSlot(plan, [&](Slot slot) {
    state.keyspace.Unhold(slot);
    state.sessions.Unhold(slot);
  });
  targets_.erase(found);
  return Unknown(MoveVerdict::kDone);
}

MoveAnswer Moves::Release(const ReleaseStep& step, const State& state) {
  const auto found = sources_.find(step.plan.id);
  if (found == sources_.end()) {
    return Unknown(IsOver(step.plan, state.ownership)
                       ? MoveVerdict::kAlready
                       : MoveVerdict::kUnknownMove);
  }
  Source& source = found->second;
  if (source.plan != step.plan) {
    return AnswerOf(source, MoveVerdict::kOtherPlan);
  }
  if (source.phase == MovePhase::kTracking) {
    return AnswerOf(source, MoveVerdict::kWrongPhase);
  }
  if (source.phase == MovePhase::kFrozen) {
    state.ownership.Put(source.plan.slots, source.plan.epoch, SlotState::kLeft);
    source.phase = MovePhase::kReleasing;
    StopTracking(&source);
  }
  if (!RemoveSlots(source.plan, step.slots_max, &source.removed, state)) {
    return AnswerOf(source, MoveVerdict::kDone);
  }
  sources_.erase(found);
  return Unknown(MoveVerdict::kDone);
}

MoveAnswer Moves::Abort(const AbortStep& step, const State& state) {
  const MoveId id = step.plan.id;
  const auto target = targets_.find(id);
  if (target != targets_.end()) {
    if (target->second.plan != step.plan) {
      return AnswerOf(target->second, MoveVerdict::kOtherPlan);
    }
    const MoveAnswer answer =
        AbortTarget(&target->second, step.slots_max, state);
    if (answer.phase == MovePhase::kNone) targets_.erase(target);
    return answer;
  }
  const auto found = sources_.find(id);
  if (found == sources_.end()) {
    const bool over = IsOver(step.plan, state.ownership);
    return Unknown(over ? MoveVerdict::kWrongPhase : MoveVerdict::kAlready);
  }
  Source& source = found->second;
  if (source.plan != step.plan) {
    return AnswerOf(source, MoveVerdict::kOtherPlan);
  }
  if (source.phase == MovePhase::kReleasing) {
    return AnswerOf(source, MoveVerdict::kWrongPhase);
  }
  state.ownership.SetState(source.plan.slots, SlotState::kOwned);
  StopTracking(&source);
  sources_.erase(found);
  return Unknown(MoveVerdict::kDone);
}

MoveAnswer Moves::AbortTarget(Target* target, uint32_t slots_max,
                              const State& state) {
  target->phase = MovePhase::kDropping;
  target->place = StagePlace();
  target->rest.clear();
  target->seal = MoveSeal();
  if (RemoveSlots(target->plan, slots_max, &target->removed, state)) {
    return Unknown(MoveVerdict::kDone);
  }
  UpdateDigest(target);
  return AnswerOf(*target, MoveVerdict::kDone);
}

bool Moves::IsBusy(const MovePlan& plan) const {
  const auto overlaps = [&](const auto& move) {
    return Overlap(move.second.plan, plan);
  };
  return std::any_of(sources_.begin(), sources_.end(), overlaps) ||
         std::any_of(targets_.begin(), targets_.end(), overlaps);
}

void Moves::StopTracking(Source* source) {
  ForEachSlot(source->plan, [&](Slot slot) { tracking_.Set(slot, nullptr); });
  dropped_.push_back(std::move(source->changes));
  source->changes = std::make_unique<ChangeLog>(hash_key_);
}

bool Moves::RemoveSlots(const MovePlan& plan, uint32_t slots_max,
                        uint32_t* removed, const State& state) {
  const uint32_t all = SlotCountOf(plan);
  const uint32_t end =
      *removed + std::min(std::max(slots_max, 1u), all - *removed);
  for (; *removed < end; ++*removed) {
    const Slot slot = SlotAt(plan, *removed);
    RemoveSlot(slot, state);
    state.keyspace.Unhold(slot);
    state.sessions.Unhold(slot);
  }
  return end == all;
}

uint64_t Moves::SlotsDigest(const MovePlan& plan, const Keyspace& keyspace,
                            const Sessions& sessions) const {
  uint64_t digest = HashWord(hash_key_ + 5, plan.id.value());
  ForEachSlot(plan, [&](Slot slot) {
    const Table* const table = keyspace.table(slot);
    const Version removal = keyspace.last_removal(slot);
    digest = HashWord(digest, slot.value());
    digest = HashWord(digest, table == nullptr ? 0 : table->digest());
    digest = HashWord(digest, table == nullptr ? 0 : table->key_count());
    digest = HashWord(digest, sessions.SlotDigest(slot));
    digest = HashWord(digest, uint64_t{removal.group.value()} << 32 |
                                  uint64_t{removal.position});
    digest = HashWord(digest, removal.index.value());
  });
  return digest;
}

const Moves::Source* Moves::FindTracked(MoveId move) const {
  const auto found = sources_.find(move);
  if (found == sources_.end()) return nullptr;
  return found->second.phase == MovePhase::kReleasing ? nullptr
                                                      : &found->second;
}

std::optional<MoveSeal> Moves::SealOf(MoveId move, const Tables& tables) const {
  const Source* const source = FindTracked(move);
  if (source == nullptr || source->phase != MovePhase::kFrozen) {
    return std::nullopt;
  }
  return MoveSeal{
      .changes = source->changes->last(),
      .digest = SlotsDigest(source->plan, tables.keyspace, tables.sessions),
      .log_time = tables.log_time};
}

std::unique_ptr<PieceReader> Moves::ReadSlot(MoveId move, Slot slot,
                                             const Tables& tables) const {
  const Source* const source = FindTracked(move);
  if (source == nullptr || !Contains(source->plan, slot)) {
    return nullptr;
  }
  return std::make_unique<PieceReader>(
      slot, tables.index, tables.keyspace.TakeView(slot),
      tables.sessions.TakeView(slot), tables.keyspace.last_removal(slot));
}

std::unique_ptr<PieceReader> Moves::ReadChanges(MoveId move, ChangeNumber from,
                                                ChangeNumber through,
                                                size_t bytes_max,
                                                const Tables& tables) const {
  const Source* const source = FindTracked(move);
  if (source == nullptr) return nullptr;
  // Entries that change none of the places leave the name as it is. While
  // slots are frozen, those of refused commands are many.
  PieceStream stream = {.changes = true,
                        .from = from,
                        .to = from,
                        .last = source->changes->last()};
  std::string bytes;
  ChangeLog::Numbered::Cursor change(source->changes->numbered(), from + 1);
  const auto done = [&] { return change.done() || change.key() > through; };
  for (size_t count = 0; count < kChangesReadMax && !done() &&
                         (count == 0 || bytes.size() < bytes_max);
       ++count, change.Next()) {
    AppendChange(&bytes, change.value(), tables.keyspace, tables.sessions);
    stream.to = change.key();
  }
  if (stream.to == from) return nullptr;
  if (done()) stream.to = through;
  return std::make_unique<PieceReader>(stream, std::move(bytes));
}

MoveAnswer Moves::AnswerOf(const Source& source, MoveVerdict verdict) {
  MoveAnswer answer = {.verdict = verdict, .phase = source.phase};
  answer.changes = source.changes->last();
  if (source.phase == MovePhase::kReleasing) {
    answer.slots_left = SlotCountOf(source.plan) - source.removed;
  }
  return answer;
}

MoveAnswer Moves::AnswerOf(const Target& target, MoveVerdict verdict) {
  MoveAnswer answer = {
      .verdict = verdict, .phase = target.phase, .place = target.place};
  if (target.phase == MovePhase::kDropping) {
    answer.slots_left = SlotCountOf(target.plan) - target.removed;
  }
  return answer;
}

std::vector<MoveStatus> Moves::Statuses() const {
  std::vector<MoveStatus> statuses;
  for (const auto& [id, source] : sources_) {
    statuses.push_back({.plan = source.plan,
                        .at = AnswerOf(source, MoveVerdict::kAlready),
                        .changes_kept = source.changes->size(),
                        .changes_settled = source.changes->settled()});
  }
  for (const auto& [id, target] : targets_) {
    statuses.push_back(
        {.plan = target.plan, .at = AnswerOf(target, MoveVerdict::kAlready)});
  }
  return statuses;
}

uint64_t Moves::HiddenKeys(const Keyspace& keyspace, bool expiring) const {
  uint64_t keys = 0;
  const auto add = [&](const MovePlan& plan) {
    if (!expiring) {
      for (const SlotRange& range : plan.slots)
        keys += keyspace.KeyCount(range);
      return;
    }
    ForEachSlot(plan,
                [&](Slot slot) { keys += keyspace.expiring_key_count(slot); });
  };
  for (const auto& [id, target] : targets_) add(target.plan);
  for (const auto& [id, source] : sources_) {
    if (source.phase == MovePhase::kReleasing) add(source.plan);
  }
  return keys;
}

uint64_t Moves::size_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [id, source] : sources_) {
    bytes += source.changes->size_bytes();
  }
  for (const auto& [id, target] : targets_) bytes += target.rest.size();
  return bytes;
}

uint64_t Moves::digest() const {
  if (empty()) return 0;
  uint64_t digest = 0;
  for (const auto& [id, source] : sources_) {
    digest = HashWord(digest, KeyedHash(hash_key_ + 5, HeadOf(source)));
    digest = HashWord(digest, source.changes->digest());
  }
  for (const auto& [id, target] : targets_) {
    digest = HashWord(digest, target.digest);
  }
  return digest;
}

void Moves::UpdateDigest(Target* target) const {
  target->digest = KeyedHash(hash_key_ + 5, HeadOf(*target));
}

void Moves::DropAll() {
  for (auto& [id, source] : sources_) {
    dropped_.push_back(std::move(source.changes));
  }
  sources_.clear();
  targets_.clear();
}

bool Moves::Reclaim(size_t count_max) {
  if (dropped_.empty()) return false;
  if (!dropped_.back()->Reclaim(count_max)) dropped_.pop_back();
  return !dropped_.empty();
}

// The numbers of changes are part of it: the changes that are left do not tell
// them.
std::string Moves::HeadOf(const Source& source) {
  std::string head;
  AppendFields<uint8_t, uint8_t, uint32_t, uint64_t, uint64_t>(
      &head, static_cast<uint8_t>(Role::kSource),
      static_cast<uint8_t>(source.phase), source.removed,
      source.changes->last().value(), source.changes->settled().value());
  AppendPlan(&head, source.plan);
  return head;
}

std::string Moves::HeadOf(const Target& target) {
  std::string head;
  AppendFields<uint8_t, uint8_t, uint32_t>(
      &head, static_cast<uint8_t>(Role::kTarget),
      static_cast<uint8_t>(target.phase), target.removed);
  AppendPlan(&head, target.plan);
  AppendFields<uint32_t, uint64_t>(&head, target.place.slots,
                                   target.place.changes.value());
  AppendStream(&head, target.place.stream);
  AppendFields<uint64_t, uint64_t, uint64_t, int64_t>(
      &head, target.place.offset, target.seal.changes.value(),
      target.seal.digest, target.seal.log_time.ns());
  head.append(target.rest);
  return head;
}

Moves::View Moves::TakeView() const {
  View view;
  for (const auto& [id, source] : sources_) {
    view.moves.push_back({.id = id,
                          .head = HeadOf(source),
                          .changes = source.changes->numbered()});
  }
  for (const auto& [id, target] : targets_) {
    view.moves.push_back({.id = id, .head = HeadOf(target)});
  }
  return view;
}

bool Moves::MayRestore(const MovePlan& plan, uint32_t removed) const {
  return plan.slots.back().last.value() < slot_count_ &&
         removed <= SlotCountOf(plan) && !IsBusy(plan);
}

bool Moves::RestoreHead(std::string_view head) {
  FixedReader reader(head);
  const auto role = static_cast<Role>(reader.Take<uint8_t>());
  const auto phase = static_cast<MovePhase>(reader.Take<uint8_t>());
  const auto removed = reader.Take<uint32_t>();
  if (role == Role::kSource) {
    const ChangeNumber last(reader.Take<uint64_t>());
    const ChangeNumber settled(reader.Take<uint64_t>());
    Source source = {
        .plan = TakePlan(&reader), .phase = phase, .removed = removed};
    const bool fits = phase == MovePhase::kTracking ||
                      phase == MovePhase::kFrozen ||
                      phase == MovePhase::kReleasing;
    if (!reader.ok() || !reader.rest().empty() || !fits || settled > last ||
        (phase == MovePhase::kFrozen && settled < last) ||
        !MayRestore(source.plan, removed)) {
      return false;
    }
    source.changes = std::make_unique<ChangeLog>(hash_key_, last, settled);
    if (phase == MovePhase::kFrozen) source.changes->SettleAlways();
    const MoveId id = source.plan.id;
    return sources_.emplace(id, std::move(source)).second;
  }
  if (role != Role::kTarget) return false;
  Target target = {
      .plan = TakePlan(&reader), .phase = phase, .removed = removed};
  target.place.slots = reader.Take<uint32_t>();
  target.place.changes = ChangeNumber(reader.Take<uint64_t>());
  target.place.stream = TakeStream(&reader);
  target.place.offset = reader.Take<uint64_t>();
  target.seal.changes = ChangeNumber(reader.Take<uint64_t>());
  target.seal.digest = reader.Take<uint64_t>();
  target.seal.log_time = WallTime(reader.Take<int64_t>());
  const bool fits = phase == MovePhase::kStaging ||
                    phase == MovePhase::kSealed ||
                    phase == MovePhase::kDropping;
  if (!reader.ok() || !fits || !MayRestore(target.plan, removed) ||
      target.place.slots > SlotCountOf(target.plan)) {
    return false;
  }
  target.rest = reader.rest();
  UpdateDigest(&target);
  const MoveId id = target.plan.id;
  return targets_.emplace(id, std::move(target)).second;
}

bool Moves::RestoreChange(MoveId move, ChangeNumber number,
                          const Change& change) {
  const auto found = sources_.find(move);
  if (found == sources_.end() || change.kind < ChangeKind::kKey ||
      change.kind > ChangeKind::kRemoval ||
      !Contains(found->second.plan, change.slot)) {
    return false;
  }
  return found->second.changes->Restore(number, change);
}

}  // namespace quorate::kv
