#include "sim/schedule/fault_context.h"

#include <utility>

#include "env/check.h"

namespace quorate::sim {

FaultContext::FaultContext(World* world, ScheduleOptions options)
    : world_(world),
      options_(std::move(options)),
      network_(world->network_options()),
      streams_(world->stream_options()) {
  CHECK(!options_.nodes.empty());
  for (const MachineId node : options_.nodes) {
    machines_[node] = {world->disk_options(node), world->loop_options(node)};
  }
}

void FaultContext::RestoreNetwork() {
  world_->network_options() = network_;
  world_->stream_options() = streams_;
}

void FaultContext::RestoreMachine(MachineId node) {
  const Machine& before = machines_.at(node);
  world_->disk_options(node) = before.disk;
  world_->loop_options(node) = before.loop;
}

void FaultContext::Note(std::string what, MachineId node) {
  world_->AddToStory(node, TraceKind::kDeed, 0, std::move(what));
}

void FaultContext::Plan(std::string what, MachineId node) {
  world_->AddToStory(node, TraceKind::kPlan, 0, std::move(what));
}

void FaultContext::BeginLiveness(absl::btree_set<MachineId> healed) {
  CHECK(!liveness_);
  liveness_ = true;
  healed_ = std::move(healed);
  // The links of the healed nodes are unblocked from now on.
  for (const auto& [number, links] : partitions_) TellEndOfPartition(number);
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
  const uint64_t number = partitions_begun_++;
  world_->AddToStory(MachineId(), TraceKind::kPartitionBegins, number,
                     std::move(what));
  partitions_.emplace(number, std::move(links));
  world_->At(world_->now() + length, [this, number] {
    const auto partition = partitions_.find(number);
    // The liveness phase has unblocked the links of the healed nodes already.
    if (liveness_ || partition == partitions_.end()) return;
    EndPartition(number, partition->second);
    partitions_.erase(partition);
  });
}

void FaultContext::EndPartition(uint64_t number, const Links& links) {
  for (const auto& [from, to] : links) world_->UnblockLink(from, to);
  TellEndOfPartition(number);
}

void FaultContext::TellEndOfPartition(uint64_t number) {
  world_->AddToStory(MachineId(), TraceKind::kPartitionEnds, number,
                     "partition ends");
}

bool FaultContext::EndPartitions() {
  const absl::btree_map<uint64_t, Links> partitions =
      std::exchange(partitions_, {});
  for (const auto& [number, links] : partitions) EndPartition(number, links);
  return !partitions.empty();
}

void FaultContext::RestartIfDown(MachineId node) {
  world_->CrashAfterCalls(node, 0, CrashKind::kProcess);
  world_->CrashAtDiskOperation(node, 0, CrashKind::kProcess);
  if (world_->running(node)) return;
  world_->Restart(node);
  Plan("restart " + Name(node), node);
}

void FaultContext::Stop(MachineId node) {
  if (!world_->running(node) || IsStopping(node)) return;
  stopping_[node] = world_->incarnation(node);
  options_.stop(node);
}

bool FaultContext::IsStopping(MachineId node) const {
  const auto stopping = stopping_.find(node);
  return stopping != stopping_.end() && world_->running(node) &&
         world_->incarnation(node) == stopping->second;
}

std::string FaultContext::FileToStall(
    MachineId node,
    absl::FunctionRef<uint64_t(uint64_t which, uint64_t bound)> draw) const {
  const std::vector<std::string> files = world_->DiskFiles(node);
  if (files.empty() || draw(0, 2) == 0) return "";
  return files[draw(1, files.size())];
}

void FaultContext::KillAndRestart(MachineId node) {
  if (world_->running(node)) world_->Crash(node, CrashKind::kProcess);
  RestartIfDown(node);
}

}  // namespace quorate::sim
