// sim/world/branches.h: the ways in which a world may go on, for a search of
// all of them (sim/explore).
//
// In a world that branches the next event is a choice (site "explore.next").
// The default is the earliest event. The others are deviations: another event
// comes first, a message is lost or arrives twice, a network splits, a machine
// crashes. Each kind has a budget.
//
// Only the order of events at one instant is free, so such a world should have
// no latencies (WithoutLatencies). All that follows from an event then happens
// at its instant, and timers alone advance the time. That makes equal histories
// equal states, whatever the order of events on different machines was. Where a
// subject has digests of its programs, states with different histories merge.
#ifndef QUORATE_SIM_WORLD_BRANCHES_H_
#define QUORATE_SIM_WORLD_BRANCHES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/time.h"
#include "sim/choices/sim_time.h"
#include "sim/state/queue.h"

namespace quorate::sim {

class Network;
class SimState;
class StreamNet;
struct WorldOptions;

// Sets all latencies and the costs of turns to zero.
void WithoutLatencies(WorldOptions* options);

struct BranchOptions {
  static constexpr uint32_t kUnlimited = UINT32_MAX;
  // How often an event comes before earlier ones of its instant.
  uint32_t delays = 0;
  // How often a timer fires before those that are due earlier, since machines
  // are slow. Messages of an earlier instant have arrived.
  uint32_t timeouts = 0;
  uint32_t losses = 0;      // Of messages between nodes.
  uint32_t duplicates = 0;  // Of messages; the copy arrives at any time.
  // How often the network splits in two parts, or heals. It happens just before
  // the first message of which it decides the fate.
  uint32_t cuts = 0;
  uint32_t crashes = 0;
  Duration down{};  // From a crash to the next start.
  // A disk completes its work before any other event. Machines still crash
  // before that.
  bool prompt_disks = false;
  // The machines that crash, and that lie in parts of the network.
  std::vector<MachineId> nodes{};
};

// A moment before an event.
struct BranchPoint {
  // Those with several ways count from 0. Of another one it is the number of
  // the next.
  uint64_t number = 0;
  uint32_t ways = 1;
};
// Called at each such moment. `state` returns a hash: equal states go on alike.
// False: the world stops here.
using BranchHook = absl::AnyInvocable<bool(
    const BranchPoint&, absl::FunctionRef<uint64_t()> state)>;
// A digest of the program on a machine: programs with equal ones go on alike.
// Empty: there is none now, and the history of the machine is its state. For
// machine 0: a digest of all that checkers know.
using DigestOfMachine =
    absl::AnyInvocable<std::optional<uint64_t>(MachineId) const>;

// One way to go on.
struct BranchWay {
  enum class Kind : uint8_t { kRun, kLose, kDuplicate, kCut, kCrash };
  Kind kind = Kind::kRun;
  EventQueue::Pending event;  // It runs, or what happens hits it.
  MachineId crashes;          // For kCrash.
  uint64_t parts = 0;         // For kCut, see Branches::parts_.
  // The budget that it uses. Null: none.
  uint32_t BranchOptions::*budget = nullptr;
};

// Lists the ways and keeps the budgets. The world takes one way.
class Branches {
 public:
  // All outlive the object.
  Branches(const BranchOptions& options, SimState* state, Network* network,
           StreamNet* streams);

  // Lists the ways from here on. Empty: there is no event until `end`.
  // `running`: the machines that may crash.
  const std::vector<BranchWay>& List(
      SimTime end, absl::AnyInvocable<bool(MachineId) const>& running);
  // A hash of the present state. Requires: List was called.
  uint64_t State(const DigestOfMachine& digest_of) const;
  // Uses the budget of the way, and does what it does to messages. True: the
  // event is to be run then.
  bool Take(const BranchWay& way);
  Duration down() const { return options_.down; }

 private:
  // Events of one actor keep their order.
  using Actor = std::pair<uint64_t, uint64_t>;
  static bool HasTurn(const EventQueue::Pending& pending);
  bool IsPrompt(const EventQueue::Pending& pending) const;
  Actor ActorOf(const QueuedEvent& event) const;
  MachineId MachineOf(const QueuedEvent& event) const;
  std::optional<size_t> PlaceOf(MachineId machine) const;
  // Whether the parts of the network separate the ends of the message.
  bool Separates(uint64_t parts, const QueuedEvent& event) const;
  void RemoveDead();
  void AddFates(const EventQueue::Pending& first);
  void AddCrash(const EventQueue::Pending& first,
                absl::AnyInvocable<bool(MachineId) const>& running);
  void AddOthers(const EventQueue::Pending& first);

  BranchOptions options_;  // With what is left of the budgets.
  SimState& state_;
  Network& network_;
  StreamNet& streams_;
  // A bit for each node: the part in which it is. 0: the network is whole.
  uint64_t parts_ = 0;
  std::set<uint64_t> copies_;  // Messages that arrive twice keep no order.
  std::vector<EventQueue::Pending> pending_;
  std::vector<BranchWay> ways_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_WORLD_BRANCHES_H_
