#include "node/routing/upkeep.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "env/kept_memory.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "node/routing/group_leadership.h"
#include "node/routing/hosted_store.h"

namespace quorate::node {
namespace {

// How many keys and rows the entry removed; 0 if it was not executed.
int64_t RemovedBy(const raft::ProposeResult& result) {
  if (result.outcome != Outcome::kDone) return 0;
  kv::ResultReader reader(result.result.view());
  if (!reader.ok() || !reader.batch_accepted() || reader.done()) return 0;
  return reader.Next().integer;
}

}  // namespace

void Upkeep::OnChanged(GroupId id) {
  if (changed_.empty()) {
    deferred_ = loop_.Defer([this] { SweepChanged(); });
  } else if (changed_.back() == id) {
    return;  // As for each entry of a step but the first.
  }
  changed_.push_back(id);
}

// A busy group is idle here in nearly all turns, so it is not added to the
// groups just to be removed again.
void Upkeep::SweepChanged() {
  for (const GroupId id : changed_) {
    Group added;
    const auto known = groups_.find(id);
    Group& group = known == groups_.end() ? added : known->second;
    ArmSweep(id, group);
    ArmReclaim(id, group);
    if (known == groups_.end()) {
      if (!IsIdle(group)) groups_.emplace(id, std::move(added));
    } else if (IsIdle(group)) {
      groups_.erase(known);
    }
  }
  ClearAndTrim(&changed_);
}

// A sweep that may begin now, or might have begun before, need not be kept.
bool Upkeep::IsIdle(const Group& group) const {
  return !group.proposing && !group.reclaiming &&
         group.sweep_at == MonoTime::Max() &&
         group.sweep_from <= loop_.ReadClock().mono;
}

const kv::Store* Upkeep::LedStore(GroupId id) const {
  const raft::Core* core = host_.core(id);
  if (core == nullptr || core->role() != raft::RoleKind::kLeader ||
      !host_.group_status(id).ok()) {
    return nullptr;
  }
  return HostedStore(std::as_const(host_), id);
}

int64_t Upkeep::NextEntryMs(GroupId id) const {
  return host_.core(id)->NextLogTime(loop_.ReadClock()).ms();
}

void Upkeep::ArmSweep(GroupId id, Group& group) {
  const kv::Store* store = LedStore(id);
  const std::optional<int64_t> due_ms =
      store == nullptr ? std::nullopt : store->first_due_ms();
  if (!due_ms.has_value() || group.proposing) {
    group.sweep.Cancel();
    group.sweep_at = MonoTime::Max();
    return;
  }
  const MonoTime now = loop_.ReadClock().mono;
  // Long waits are cut short, because log time and the clock may diverge.
  const int64_t wait_ms =
      std::clamp<int64_t>(*due_ms - NextEntryMs(id), 0, 60'000);
  const MonoTime at = std::max(now + Milliseconds(wait_ms), group.sweep_from);
  // A timer that fires too early is set again.
  if (group.sweep_at <= at) return;
  group.sweep_at = at;
  group.sweep = loop_.At(at, [this, id] { Sweep(id); });
}

void Upkeep::Sweep(GroupId id) {
  Group& group = groups_[id];
  group.sweep_at = MonoTime::Max();
  group.sweep_from = loop_.ReadClock().mono + kSweepInterval;
  const kv::Store* store = LedStore(id);
  const std::optional<int64_t> due_ms =
      store == nullptr ? std::nullopt : store->first_due_ms();
  if (!due_ms.has_value() || *due_ms > NextEntryMs(id)) {
    ArmSweep(id, group);
    return;
  }
  kv::BatchBuilder batch;
  batch.SetRules(
      static_cast<uint32_t>(host_.core(id)->configuration().level.value()));
  batch.Add(
      {.op = kv::Op::kExpire, .numbers = {bounds_.due_keys_per_entry, 0}});
  group.proposing = true;
  host_.Propose(id, batch.Finish(),
                [this, id](const raft::ProposeResult& result) {
                  Group& done = groups_[id];
                  done.proposing = false;
                  if (RemovedBy(result) >= bounds_.due_keys_per_entry) {
                    done.sweep_from = loop_.ReadClock().mono + kEntryPause;
                  }
                  ArmSweep(id, done);
                });
}

void Upkeep::ArmReclaim(GroupId id, Group& group) {
  const kv::Store* const store = HostedStore(std::as_const(host_), id);
  if (group.reclaiming || store == nullptr) return;
  const bool reclaimable = store->reclaimable();
  if (!reclaimable && !store->shares_pages()) return;
  group.reclaiming = true;
  const Duration pause = reclaimable ? kReclaimPause : kSnapshotCheckInterval;
  group.reclaim = loop_.At(loop_.ReadClock().mono + pause, [this, id] {
    Group& due = groups_[id];
    due.reclaiming = false;
    if (kv::Store* const here = HostedStore(host_, id)) {
      here->Reclaim(bounds_.reclaimed_pages);
    }
    ArmReclaim(id, due);
  });
}

}  // namespace quorate::node
