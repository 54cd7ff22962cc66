// sim/schedule/fault_context.h: the context that the parts of a schedule share.
// It has the world, the phase of the run, the list of what was done, and the
// faults that several parts cause.
#ifndef QUORATE_SIM_SCHEDULE_FAULT_CONTEXT_H_
#define QUORATE_SIM_SCHEDULE_FAULT_CONTEXT_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "sim/schedule/schedule_options.h"
#include "sim/world/world.h"

namespace quorate::sim {

class FaultContext {
 public:
  // Links by sender and receiver.
  using Links = std::vector<std::pair<MachineId, MachineId>>;

  FaultContext(World* world, ScheduleOptions options);
  FaultContext(const FaultContext&) = delete;
  FaultContext& operator=(const FaultContext&) = delete;

  World& world() const { return *world_; }
  Choices& choices() const { return world_->choices(); }
  const std::vector<MachineId>& nodes() const { return options_.nodes; }
  ScheduleOptions& options() { return options_; }
  // The budget of a group with so many members.
  size_t NodesDownMax(size_t members) const {
    return options_.budget.nodes_down.value_or((members - 1) / 2);
  }
  size_t DisksFailingMax(size_t members) const {
    return options_.budget.disks_failing.value_or((members - 1) / 2);
  }
  std::string Name(MachineId node) const { return world_->name(node); }

  // The leader of a group that `draw` selects, or zero.
  MachineId Leader(uint64_t draw) const {
    return options_.leader == nullptr ? MachineId() : options_.leader(draw);
  }
  // Adds to the story of the run that the schedule did something; Plan: that it
  // planned something whose effect is an event of its own.
  void Note(std::string what, MachineId node = MachineId());
  void Plan(std::string what, MachineId node = MachineId());

  // ---- The phase of the run.
  // True from the end of the safety phase on.
  bool liveness() const { return liveness_; }
  void BeginLiveness(absl::btree_set<MachineId> healed);
  // The nodes that are healed until the end of the run. Empty in the safety
  // phase.
  const absl::btree_set<MachineId>& healed() const { return healed_; }
  // Adds one more healed node. False: it was healed already.
  bool AddHealed(MachineId node) { return healed_.insert(node).second; }
  // Whether the node keeps its faults: it is not among the healed ones of the
  // liveness phase.
  bool KeepsFaults(MachineId node) const {
    return liveness_ && !healed_.contains(node);
  }

  // ---- Faults.
  // Undoes a fault of `node` after `length`, unless the node then keeps its
  // faults.
  void After(Duration length, MachineId node, absl::AnyInvocable<void()> undo);
  // Adds the link to `links` if it joins two different nodes.
  static void AddLink(MachineId from, MachineId to, Links* links);
  // Blocks the links for `length`. `kind` describes the partition.
  void Partition(Duration length, const char* kind, Links links);
  // Ends all partitions now. False: there was none.
  bool EndPartitions();
  // Disarms crashes that were planned for the node, and starts it if it is
  // down.
  void RestartIfDown(MachineId node);
  // In half of the draws one file of the node, else none, which stands for all.
  // `draw(which, bound)` draws a number below `bound`.
  std::string FileToStall(
      MachineId node,
      absl::FunctionRef<uint64_t(uint64_t which, uint64_t bound)> draw) const;
  // Kills the node if it runs, then starts it: a supervisor does so with a
  // process that stopped working.
  void KillAndRestart(MachineId node);
  // Links and streams, or the disk and the loop of a node, get back the options
  // that they had before the first fault.
  void RestoreNetwork();
  void RestoreMachine(MachineId node);
  // Asks the node's program to stop, once. Requires: options().stop.
  void Stop(MachineId node);
  // Whether the node's program was asked to stop and still runs.
  bool IsStopping(MachineId node) const;

 private:
  void EndPartition(uint64_t number, const Links& links);
  void TellEndOfPartition(uint64_t number);

  struct Machine {
    DiskOptions disk;
    LoopOptions loop;
  };

  World* const world_;
  ScheduleOptions options_;
  // Links, streams and machines before the first fault.
  const NetworkOptions network_;
  const StreamOptions streams_;
  absl::btree_map<MachineId, Machine> machines_;
  // The partitions that have not ended, by number.
  absl::btree_map<uint64_t, Links> partitions_;
  uint64_t partitions_begun_ = 0;
  bool liveness_ = false;
  absl::btree_set<MachineId> healed_;
  // The last incarnation of each node that was asked to stop.
  absl::btree_map<MachineId, uint64_t> stopping_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_SCHEDULE_FAULT_CONTEXT_H_
