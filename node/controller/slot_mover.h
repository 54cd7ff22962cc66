// node/controller/slot_mover.h: drives the moves of slots in which groups take
// part that this node leads (docs/slot-moves.md).
//
// The leader of the source copies and freezes, the leader of the destination
// takes over or forgets. kv::NextStep says what comes next. So each leader goes
// on where another one stopped, and a step may be sent twice.
#ifndef QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_
#define QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "env/bulk/bulk_pace.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "kv/moves/next_step.h"
#include "kv/store/store.h"
#include "node/admin/controller_access.h"
#include "node/controller/copy_pace.h"
#include "node/controller/copy_report.h"
#include "node/controller/copy_stream.h"
#include "node/controller/move_steps.h"
#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/move.h"

namespace quorate::node {

// A leader knows this of a move beside the states of both groups. All of it may
// be lost at any time.
namespace slot_mover {

// The destination is to say where it is.
struct Asking {
  bool nodes_have_room = false;
};
struct Copying {
  CopyStream stream;
  bool sealing = false;  // A SealStep is under way.
};
struct Sealed {
  bool decided = false;
};
// The source of a move.
struct Source {
  CopyReport report;
  CopyPace pace;
  // The destination lacks room: the next piece is kept until its answer, and
  // no further one is sent. Other pieces that are refused begin the slot again.
  bool one_at_a_time = false;
  std::optional<MonoTime> confirmed = {};  // By the controller's leader.
  // The nodes were asked how long commands waited.
  std::optional<MonoTime> held_asked = {};
  std::variant<Asking, Copying, Sealed> work = {};
};
// A move that is decided.
struct Ending {
  std::optional<MovePhase> phase;  // By the last answer of the group.
  bool held_known = false;         // The nodes answered after the last command.
};
struct MoveTask {
  raft::Term term = {};  // That in which this node leads.
  // Steps and commands that are under way.
  size_t outstanding = 0;
  MonoTime not_before;
  std::string problem;  // Why the last step failed, or empty.
  // Why the destination had no room for the slots or for a piece. Empty once
  // it takes them.
  std::string lacks_room;
  std::optional<Source> source;
  Ending ending;
};

}  // namespace slot_mover

class SlotMover {
 public:
  // A failed step is tried again after this time, and after the second one if
  // the group had no room.
  static constexpr Duration kRetryAfter = Milliseconds(50);
  static constexpr Duration kRoomRetryAfter = Seconds(1);
  // A move begins, and freezes its slots, by a state of the controller that was
  // the newest one so long ago at most.
  static constexpr Duration kConfirmedFor = Milliseconds(250);
  // Slots whose data one step removes.
  static constexpr uint32_t kRemovedMax = 64;

  struct Groups {
    std::function<std::vector<GroupId>()> hosted;
    // Null unless this node leads the group.
    std::function<const kv::Store*(GroupId)> led;
    std::function<raft::Term(GroupId)> term;
    // The least log time of the next entry of a group that this node leads.
    std::function<WallTime(GroupId)> next_log_time;
    // As MoveSteps.
    std::function<void(GroupId, const kv::MoveStep&, StepDone)> send;
    std::function<void()> forget_idle;
  };

  // The references outlive the object, and it outlives the answers.
  SlotMover(env::Env& env, env::BulkPace& bulk, ControllerAccess& controller,
            Groups groups)
      : env_(env),
        bulk_(bulk),
        controller_(controller),
        groups_(std::move(groups)) {}
  SlotMover(const SlotMover&) = delete;
  SlotMover& operator=(const SlotMover&) = delete;

  // Takes the next steps, and ends moves that the controller does not know.
  // Call it after changes of the controller's state and of leaders. Until all
  // moves have ended the object goes on by itself.
  void Work();
  // Takes no further step.
  void Stop();

  // ---- For those who look into a running node.
  void ForEachTask(
      absl::FunctionRef<void(MoveId, GroupId, const slot_mover::MoveTask&)>
          call) const {
    for (const auto& [key, task] : tasks_) call(key.first, key.second, task);
  }
  // When the object goes on by itself; Max(): it does not.
  MonoTime due() const { return due_; }

 private:
  // A group that this node leads, in one move.
  using Key = std::pair<MoveId, GroupId>;
  using Task = slot_mover::MoveTask;
  using Source = slot_mover::Source;
  using Asking = slot_mover::Asking;
  using Copying = slot_mover::Copying;
  using Sealed = slot_mover::Sealed;
  using OnAnswer = absl::AnyInvocable<void(Task&, const kv::MoveAnswer*)>;

  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }
  void DriveSoon(Duration after);
  Task& TaskOf(MoveId move, GroupId group);
  // Null if it is gone. Else what was outstanding has come.
  Task* Come(Key key);
  void AbortUnknown(const shardctrl::ClusterState& state);
  // Sends a step to the leader of `group`. `on_answer` gets null if there is no
  // answer; the task's problem says why. It is not called if the task is gone.
  void Send(Key key, GroupId group, const kv::MoveStep& step,
            OnAnswer on_answer);
  void OnStepDone(Task& task, const StepAnswer& answer, OnAnswer& on_answer);
  void Execute(
      Key key, shardctrl::ControllerCommand::Body body,
      absl::AnyInvocable<void(Task&, const shardctrl::ControllerAnswer*)>
          on_answer);
  void Fail(Task& task, std::string problem);
  // True if the step took effect, now or earlier. Else the task waits, and its
  // problem is `refusal` and the verdict.
  bool Accepted(Task& task, const kv::MoveAnswer* answer,
                std::string_view refusal);

  // ---- The source of an open move. `runs`: RunningMoves has the move.
  struct OpenSource {
    const shardctrl::SlotMove& move;
    kv::MovePlan plan;
    kv::MoveStatus status;  // Phase kNone: the store does not know the move.
    const kv::Store& store;
    MovePhase phase() const { return status.at.phase; }
    bool frozen() const { return phase() == MovePhase::kFrozen; }
    Key key() const { return {plan.id, plan.from}; }
  };
  void Drive(const shardctrl::SlotMove& move, bool runs, Task& task);
  // Sends the pieces that may be sent now, and says what comes next.
  kv::MoveAction NextAction(const OpenSource& open, Task& task);
  void Prepare(const OpenSource& open, Task& task);
  // Asks whether the disks of the destination have room for so many bytes.
  void AskRoom(Key key, uint64_t bytes, Task& task);
  // True if it was confirmed lately that the move is open. Else this begins to
  // ask. In an old state an ended move is open. If it began again, its slots
  // would stay frozen for as long as the controller has no leader.
  bool Confirmed(Key key, Task& task);
  void Track(const OpenSource& open, Task& task);
  // Returns whether a piece may be left.
  bool Copy(const OpenSource& open, Task& task);
  void SendPiece(const OpenSource& open, Task& task);
  void Freeze(const OpenSource& open, Task& task);
  void Seal(const OpenSource& open, Task& task);
  void Decide(const OpenSource& open, Task& task);

  // ---- A move that is decided.
  void End(const shardctrl::SlotMove& move, GroupId group, Task& task);
  // Asks all nodes how many commands wait for the move, and how long. If the
  // answers are awaited, they count as outstanding.
  void AskHeld(Key key, bool awaited, Task& task);
  void Report(const shardctrl::SlotMove& move, Task& task);

  env::Env& env_;
  env::BulkPace& bulk_;
  ControllerAccess& controller_;
  const Groups groups_;
  bool working_ = true;
  absl::btree_map<Key, Task> tasks_;
  MonoTime due_ = MonoTime::Max();
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_
