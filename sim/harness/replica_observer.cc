#include "sim/harness/replica_observer.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/little_endian.h"

namespace quorate::sim {

void ReplicaObserver::OnEvent(GroupId group, const raft::Event& event) {
  Note(group);
  if (event.kind == raft::Event::Kind::kRoleChanged &&
      event.role == raft::RoleKind::kLeader) {
    ChangedOf(group).led = event.term;
    CheckerOf(group).OnLeader(node_, group, event.term);
  }
}

void ReplicaObserver::OnApplied(GroupId group, const raft::Entry& entry) {
  Note(group);
  if (world_.observes()) {
    ReplicaSight::OnApplied(
        &world_, machine_, group, entry,
        [&](const raft::Entry& one) { return WordsOf(group, one); });
  }
  if (CheckerOf(group).OnApplied(node_, group, entry))
    OnCommitted(group, entry);
}

void ReplicaObserver::OnRestored(GroupId group,
                                 const raft::SnapshotDescriptor& snapshot) {
  Note(group);
  if (world_.observes()) {
    world_.Observe(Observation::Kind::kEntry, machine_,
                   absl::StrCat("group ", group.value(), ", index ",
                                snapshot.position.index.value()),
                   "restored from a snapshot",
                   "the state after this index takes the place of the old one");
  }
  CheckerOf(group).OnRestored(node_, group, snapshot.position);
}

void ReplicaObserver::Observe(GroupId group, const raft::Core& core,
                              const raft::Output& output) {
  for (const raft::Event& event : output.events) {
    if (event.kind != raft::Event::Kind::kSuffixTruncated) continue;
    world_.Observe(
        Observation::Kind::kEntry, machine_,
        absl::StrCat("group ", group.value(), ", index ", event.index.value()),
        "cut off with all behind it", "the leader has other entries there");
  }
  if (output.write.has_value()) {
    ReplicaSight::OnAppended(
        &world_, machine_, group, output.write->entries,
        [&](const raft::Entry& one) { return WordsOf(group, one); });
  }
  ChangedOf(group).sight.Look(&world_, machine_, group, core);
}

void ReplicaObserver::OnRecovered(GroupId group, const raft::Core& core) {
  if (world_.observes()) {
    ChangedOf(group).sight.Look(&world_, machine_, group, core);
  }
  CheckerOf(group).OnStart(node_, group, core);
}

void ReplicaObserver::OnWritten(GroupId group, const raft::WriteToken& token) {
  CheckerOf(group).OnWritten(node_, group, token);
}

void ReplicaObserver::OnStopped(const absl::Status& why) {
  if (!world_.observes()) return;
  world_.Observe(Observation::Kind::kReplica, machine_, "node", "stopped",
                 why.ToString());
}

void ReplicaObserver::OnFenced(GroupId group, const absl::Status& why) {
  ChangedOf(group).sight.OnEnd(&world_, machine_, group, "fenced or halted",
                               why.ToString());
}

void ReplicaObserver::OnDropped(GroupId group) {
  ChangedOf(group).sight.OnEnd(&world_, machine_, group, "dropped", "");
  ChangedOf(group) = {};
  CheckerOf(group).OnDropped(node_, group);
}

void ReplicaObserver::OnStep(GroupId group, const raft::Core& core,
                             const raft::Output& output) {
  CheckerOf(group).OnStep(node_, group, core, output);
  if (world_.observes()) Observe(group, core, output);
  const raft::Index durable = core.durable_index();
  raft::LogPosition& known = ChangedOf(group).holds;
  // Only these replace an entry.
  if (durable == known.index && !output.write.has_value() &&
      output.events.empty()) {
    return;
  }
  const raft::LogPosition holds{core.TermAt(durable), durable};
  if (holds == known) return;
  known = holds;
  CheckerOf(group).OnHolds(node_, group, holds);
}

void ReplicaObserver::CheckRecovered(const raft::Host& host) {
  for (const GroupId group : host.groups()) {
    Note(group);
    const raft::Core* core = host.core(group);
    if (core != nullptr)
      CheckerOf(group).OnRecovered(node_, group, core->last());
  }
}

void ReplicaObserver::CheckChanged(const raft::Host& host) {
  if (!std::exchange(any_changed_, false)) return;
  for (auto& [group, changed] : changed_) {
    if (!std::exchange(changed.any, false)) continue;
    Check(host, group, &changed);
  }
}

void ReplicaObserver::HashCores(const raft::Host& host) {
  for (const GroupId group : host.groups()) {
    const MonoTime now = world_.clock(machine_).Mono(world_.now());
    std::string note;
    AppendFixed(&note, host.core(group)->Digest(now));
    world_.HashNote(machine_, note, [&] {
      return absl::StrCat("group ", group.value(), " ends with this state");
    });
  }
}

void ReplicaObserver::Check(const raft::Host& host, GroupId group,
                            Changed* changed) {
  const raft::Core* core = host.core(group);
  const raft::StateMachine* state = host.state_machine(group);
  if (core == nullptr || state == nullptr) return;
  const raft::Term led = std::exchange(changed->led, {});
  if (led != raft::Term{} && core->term() == led) {
    CheckerOf(group).OnLeaderLog(
        node_, group, led, core->log_start().index,
        [core](raft::Index index) { return core->TermAt(index); });
  }
  OnChanged(group);
  const uint64_t digest = state->Digest();
  std::string note;
  AppendFixed(&note, digest);
  world_.HashNote(machine_, note, [&] {
    return absl::StrCat("group ", group.value(), " is ",
                        std::string(raft::RoleName(core->role())), " of term ",
                        core->term().value(), ", applied ",
                        core->applied_index().value());
  });
  CheckerOf(group).OnDigest(node_, group, core->applied_index(), digest);
}

}  // namespace quorate::sim
