#include "sim/checks/move_checker.h"

#include <algorithm>
#include <optional>
#include <variant>

#include "absl/strings/str_cat.h"

namespace quorate::sim {
namespace {

// The first slot of the plan for which `is` returns true.
template <typename Is>
std::optional<Slot> FirstSlot(const kv::MovePlan& plan, Is is) {
  for (const SlotRange& range : plan.slots) {
    for (uint32_t i = 0; i < range.size(); ++i) {
      const Slot slot(static_cast<uint16_t>(range.first.value() + i));
      if (is(slot)) return slot;
    }
  }
  return std::nullopt;
}

template <typename Visit>
void ForEachSlot(const kv::MovePlan& plan, Visit visit) {
  FirstSlot(plan, [&](Slot slot) {
    visit(slot);
    return false;
  });
}

}  // namespace

MoveChecker::Holder MoveChecker::HolderOf(Slot slot) {
  const auto found = holders_.find(slot);
  if (found != holders_.end()) return found->second;
  return {.group = founder_of_(slot), .epoch = SlotEpoch()};
}

bool MoveChecker::Accepts(GroupId group, Slot slot) {
  if (!founder_of_) return true;
  const Holder holder = HolderOf(slot);
  return holder.group == group && holder.frozen_by == MoveId();
}

std::optional<MoveChecker::Activation> MoveChecker::OnStep(
    GroupId group, const kv::MoveStep& step) {
  if (!founder_of_) return std::nullopt;
  ++steps_;
  if (const auto* const track = std::get_if<kv::TrackStep>(&step)) {
    Track(group, *track);
  } else if (const auto* const freeze = std::get_if<kv::FreezeStep>(&step)) {
    Freeze(group, freeze->move);
  } else if (const auto* const stage = std::get_if<kv::StageStep>(&step)) {
    const auto sealed = seals_.find(stage->move);
    if (sealed != seals_.end()) sealed->second.doubted = true;
  } else if (const auto* const seal = std::get_if<kv::SealStep>(&step)) {
    const auto [sealed, first] = seals_.try_emplace(seal->move);
    if (first || sealed->second.doubted) {
      sealed->second = {.log_time = seal->seal.log_time};
    }
  } else if (const auto* const last = std::get_if<kv::ActivateStep>(&step)) {
    return Activate(group, last->plan);
  } else if (const auto* const release = std::get_if<kv::ReleaseStep>(&step)) {
    Release(group, release->plan);
  } else if (const auto* const abort = std::get_if<kv::AbortStep>(&step)) {
    Abort(group, abort->plan);
  }
  return std::nullopt;
}

// The group refuses it unless it accepts all slots, in an older epoch, and none
// of them takes part in another move.
void MoveChecker::Track(GroupId group, const kv::TrackStep& step) {
  const kv::MovePlan& plan = step.plan;
  if (plan.from != group || step.acknowledged != kv::ChangeNumber()) return;
  if (sources_.contains({group, plan.id})) return;
  const auto refused = FirstSlot(plan, [&](Slot slot) {
    return !Accepts(group, slot) || HolderOf(slot).epoch >= plan.epoch;
  });
  if (refused.has_value()) return;
  for (const auto& [key, source] : sources_) {
    if (key.first != group) continue;
    if (FirstSlot(plan, [&, &other = source.plan](Slot slot) {
          return kv::Contains(other, slot);
        }).has_value()) {
      return;
    }
  }
  sources_[{group, plan.id}].plan = plan;
}

void MoveChecker::Freeze(GroupId group, MoveId move) {
  const auto found = sources_.find({group, move});
  if (found == sources_.end() || found->second.frozen) return;
  found->second.frozen = true;
  if (calm_clock_) found->second.frozen_at = calm_clock_();
  if (log_time_of_) found->second.log_time = log_time_of_(group);
  ForEachSlot(found->second.plan, [&](Slot slot) {
    Holder holder = HolderOf(slot);
    holder.frozen_by = move;
    holders_[slot] = holder;
  });
}

std::optional<MoveChecker::Activation> MoveChecker::Activate(
    GroupId group, const kv::MovePlan& plan) {
  if (plan.to != group) return std::nullopt;
  // It was activated before, or even a later one was.
  const auto newer = FirstSlot(
      plan, [&](Slot slot) { return HolderOf(slot).epoch < plan.epoch; });
  if (!newer.has_value()) return std::nullopt;
  const auto wrong = FirstSlot(plan, [&](Slot slot) {
    const Holder holder = HolderOf(slot);
    return holder.epoch >= plan.epoch || holder.group != plan.from ||
           holder.frozen_by != plan.id;
  });
  if (wrong.has_value()) {
    const Holder holder = HolderOf(*wrong);
    Violate(
        group, "activates", plan,
        absl::StrCat("slot ", wrong->value(), " is owned by group ",
                     holder.group.value(), " in epoch ", holder.epoch.value(),
                     ", frozen by move ", holder.frozen_by.value()));
    return std::nullopt;
  }
  ForEachSlot(plan, [&](Slot slot) {
    holders_[slot] = {.group = group, .epoch = plan.epoch};
  });
  const auto source = sources_.find({plan.from, plan.id});
  if (source != sources_.end()) {
    CheckFrozen(source->second);
    CheckSeal(group, source->second, seals_[plan.id]);
  }
  ++activated_;
  return Activation{plan, seals_[plan.id].log_time};
}

void MoveChecker::Release(GroupId group, const kv::MovePlan& plan) {
  const auto found = sources_.find({group, plan.id});
  if (found == sources_.end() || found->second.plan != plan) return;
  const auto kept = FirstSlot(
      plan, [&](Slot slot) { return HolderOf(slot).epoch < plan.epoch; });
  if (kept.has_value()) {
    Violate(group, "releases", plan,
            absl::StrCat("no other group owns slot ", kept->value()));
    return;
  }
  // Its data go step by step. It knows the move until then, without effect.
  sources_.erase(found);
}

void MoveChecker::Abort(GroupId group, const kv::MovePlan& plan) {
  const auto found = sources_.find({group, plan.id});
  if (found == sources_.end() || found->second.plan != plan) return;
  const auto moved = FirstSlot(
      plan, [&](Slot slot) { return HolderOf(slot).epoch >= plan.epoch; });
  if (moved.has_value()) {
    Violate(group, "aborts", plan,
            absl::StrCat("another group owns slot ", moved->value()));
    return;
  }
  if (found->second.frozen) {
    CheckFrozen(found->second);
    ++thawed_;
    ForEachSlot(plan, [&](Slot slot) { holders_[slot].frozen_by = MoveId(); });
  }
  sources_.erase(found);
}

// The leader of the source reads the time behind the entry that froze it, or
// behind a later one. The ExpiryChecker knows how late it may be.
void MoveChecker::CheckSeal(GroupId group, const Source& source,
                            const Seal& seal) {
  if (seal.log_time >= source.log_time) return;
  violate_(absl::StrCat("log time: group ", group.value(), " activates move ",
                        source.plan.id.value(), " with a seal of ",
                        seal.log_time.ms(), " ms, but its source was at ",
                        source.log_time.ms(), " ms when it froze"));
}

void MoveChecker::CheckFrozen(const Source& source) {
  if (!source.frozen_at.has_value()) return;
  const Duration frozen = calm_clock_() - *source.frozen_at;
  frozen_longest_ = std::max(frozen_longest_, frozen);
  if (frozen <= frozen_max_) return;
  violate_(absl::StrCat("pauses: the slots of move ", source.plan.id.value(),
                        " had no owner for ", frozen.ms(),
                        " ms though no fault was left, at most ",
                        frozen_max_.ms()));
}

void MoveChecker::Violate(GroupId group, const char* step,
                          const kv::MovePlan& plan, const std::string& what) {
  violate_(absl::StrCat("slots: group ", group.value(), " ", step, " move ",
                        plan.id.value(), " of epoch ", plan.epoch.value(),
                        ", but ", what));
}

}  // namespace quorate::sim
