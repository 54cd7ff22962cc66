#include "sim/schedule/fault_context.h"

#include "env/check.h"

namespace quorate::sim {

FaultContext::FaultContext(World* world, ScheduleOptions options)
    : world_(world), options_(std::move(options)) {
  CHECK(!options_.nodes.empty());
}

void FaultContext::Note(const std::string& what) {
  entries_.push_back({world_->now(), what});
}

void FaultContext::BeginLiveness(absl::btree_set<MachineId> healed) {
  CHECK(!liveness_);
  liveness_ = true;
  healed_ = std::move(healed);
}

void FaultContext::After(Duration length, MachineId node,
                         absl::AnyInvocable<void()> undo) {
  world_->At(world_->now() + length,
             [this, node, undo = std::move(undo)]() mutable {
               if (!KeepsFaults(node)) undo();
             });
}

void FaultContext::AddLink(MachineId from, MachineId to, Links* links) {
  if (from != to) links->emplace_back(from, to);
}

void FaultContext::Partition(Duration length, const char* kind, Links links) {
  std::string what = std::string("partition ") + kind + ":";
  for (const auto& [from, to] : links) {
    world_->BlockLink(from, to);
    what += " " + Name(from) + ">" + Name(to);
  }
  Note(what);
  world_->At(world_->now() + length, [this, links = std::move(links)] {
    // The liveness phase has unblocked the links of the healed nodes already.
    if (liveness_) return;
    for (const auto& [from, to] : links) world_->UnblockLink(from, to);
    Note("partition ends");
  });
}

void FaultContext::RestartIfDown(MachineId node) {
  world_->CrashAfterCalls(node, 0, CrashKind::kProcess);
  world_->CrashAtDiskOperation(node, 0, CrashKind::kProcess);
  if (world_->running(node)) return;
  world_->Restart(node);
  Note("restart " + Name(node));
}

void FaultContext::KillAndRestart(MachineId node) {
  if (world_->running(node)) world_->Crash(node, CrashKind::kProcess);
  RestartIfDown(node);
}

}  // namespace quorate::sim
