// node/controller/slot_mover.h: drives the moves of slots in which groups take
// part that this node leads (docs/slot-moves.md).
//
// The leader of the source copies and freezes, the leader of the destination
// takes over or forgets. The next step follows from the controller's state and
// from the states of both groups. So each leader goes on where another one
// stopped, and a step may be sent twice.
#ifndef QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_
#define QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/pending.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "kv/store/slot_items.h"
#include "kv/store/store.h"
#include "node/admin/controller_access.h"
#include "node/controller/copy_window.h"
#include "node/routing/request_sink.h"
#include "node/routing/router.h"
#include "raft/host/host.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/state.h"

namespace quorate::node {

class SlotMover final : private RequestSink {
 public:
  // A failed step is tried again after this time, and after the second one if
  // the group had no room.
  static constexpr Duration kRetryAfter = Milliseconds(50);
  static constexpr Duration kRoomRetryAfter = Seconds(1);
  // The progress of a move is reported this often, and with each phase.
  static constexpr Duration kReportInterval = Seconds(1);
  // Pieces under way to a destination. CopyWindow bounds their bytes.
  static constexpr size_t kPiecesMax = 128;
  // A round of changes takes so long. If clients changed more than half as much
  // as was copied, the window may shrink less. Once it is the largest, clients
  // write more slowly: each connection pauses twice as long between writes to
  // the slots, up to the longest pause.
  static constexpr Duration kRound = Milliseconds(250);
  static constexpr Duration kWritePauseMin = Milliseconds(1);
  static constexpr Duration kWritePauseMax = Milliseconds(32);
  // A move begins, and freezes its slots, by a state of the controller that was
  // the newest one so long ago at most.
  static constexpr Duration kConfirmedFor = Milliseconds(250);
  // Slots whose data one step removes.
  static constexpr uint32_t kRemovedMax = 64;

  using Answered =
      absl::AnyInvocable<void(absl::StatusOr<shardctrl::ControllerAnswer>)>;
  struct Controller {
    std::function<const shardctrl::ClusterState&()> state;
    std::function<void(shardctrl::ControllerCommand::Body, Answered)> execute;
    std::function<void(absl::AnyInvocable<void(absl::Status)>)> refresh;
    std::function<void(absl::AnyInvocable<void(ClusterUsage)>)> usage;
  };

  // All outlive the object, and it outlives the answers of the router.
  SlotMover(env::Env& env, raft::Host& host, Router& router, NodeId self,
            Controller controller);
  SlotMover(const SlotMover&) = delete;
  SlotMover& operator=(const SlotMover&) = delete;

  // Takes the next steps, and ends moves that the controller does not know.
  // Call it after changes of the controller's state and of leaders. Until all
  // moves have ended the object goes on by itself.
  void Work();
  // Takes no further step.
  void Stop();

 private:
  // A group that this node leads, in one move.
  using Key = std::pair<MoveId, GroupId>;
  struct Task {
    // Steps and commands that are under way.
    size_t outstanding = 0;
    MonoTime not_before;
    std::string problem;  // Why the last step failed, or empty.
    // Why the destination had no room for the slots or for a piece. Empty once
    // it takes them.
    std::string lacks_room;
    bool ended = false;  // Its end was reported.

    // ---- For the source, while the move is open.
    // The nodes of the destination have room for the slots.
    bool nodes_have_room = false;
    // The place of the destination. Nullopt: it is asked first.
    std::optional<kv::StagePlace> place;
    bool sealing = false;  // A SealStep is under way.
    bool sealed = false;
    // A piece was refused or lost: all that is under way ends first.
    bool lost = false;
    std::unique_ptr<kv::PieceReader> reader;
    // The destination lacked room: each piece is kept until its answer, which
    // the next one awaits. Other pieces that are refused begin the slot again.
    bool one_at_a_time = false;
    struct Kept {
      kv::SlotPiece piece;  // Without its bytes.
      std::string bytes;
    };
    std::optional<Kept> kept;
    // The beginning of the next stream.
    uint32_t next_slot = 0;
    kv::ChangeNumber next_change = {};
    size_t bytes_outstanding = 0;
    // Bytes that the destination took: of all pieces, of those of its present
    // slot, and of the keys of so many whole slots.
    uint64_t stream_bytes = 0;
    uint64_t slot_stream_bytes = 0;
    uint64_t slots_bytes = 0;
    uint32_t slots_counted = 0;
    CopyWindow window;
    std::optional<MonoTime> confirmed;  // By the controller's leader.
    bool decided = false;
    // When the present round of changes began, and the last change then, at the
    // source and read from it.
    std::optional<MonoTime> round_began;
    kv::ChangeNumber round_last = {};
    kv::ChangeNumber round_read = {};
    // The nodes were asked how long commands waited. Nullopt: not yet.
    std::optional<MonoTime> held_asked;
    bool held_known = false;  // They answered, after the last command waited.
    MonoTime next_piece;      // Not before, for the rate.

    shardctrl::MoveProgress progress;
    raft::Term term = {};  // That in which this node leads.
    std::optional<MonoTime> reported;
    uint64_t reported_stream_bytes = 0;
    // The longest pauses of requests and of writers, as reported.
    std::pair<Duration, Duration> reported_pauses;
  };
  using OnAnswer = absl::AnyInvocable<void(Task&, const kv::MoveAnswer*)>;

  const kv::Store* StoreOf(GroupId group) const;
  raft::Term TermOf(GroupId group) const;
  MonoTime MonoNow() const { return env_.loop.ReadClock().mono; }
  void DriveAll();
  void DriveSoon(Duration after);
  Task& TaskOf(MoveId move, GroupId group);
  void AbortUnknown(const shardctrl::ClusterState& state);
  // Sends a step to the leader of `group`. `on_answer` gets null if there is no
  // answer; the task's problem says why. It is not called if the task is gone.
  void Send(Key task, GroupId group, const kv::MoveStep& step,
            OnAnswer on_answer);
  void Execute(
      Key task, shardctrl::ControllerCommand::Body body,
      absl::AnyInvocable<void(Task&, const shardctrl::ControllerAnswer*)>
          on_answer);
  void Fail(Task& task, std::string problem);
  // True if the step took effect, now or earlier. Else the task waits, and its
  // problem is `refusal` and the verdict.
  bool Accepted(Task& task, const kv::MoveAnswer* answer,
                std::string_view refusal);
  // `runs`: RunningMoves has the move.
  void Drive(const shardctrl::SlotMove& move, bool runs, Task& task);
  // Asks whether the disks of the destination have room for so many bytes.
  void AskRoom(const shardctrl::SlotMove& move, uint64_t bytes, Task& task);
  void Copy(const shardctrl::SlotMove& move, const kv::MovePlan& plan,
            const kv::MoveStatus& status, const kv::Store& store, Task& task);
  bool OpenReader(const kv::MovePlan& plan, const kv::MoveStatus& status,
                  const kv::Store& store, Task& task);
  void SendPiece(const shardctrl::SlotMove& move, Task& task);
  kv::SlotPiece NextPiece(const shardctrl::SlotMove& move, Task& task);
  void CountBytes(const kv::MovePlan& plan, const kv::Store& store,
                  Task& task) const;
  // Copies faster, or slows the writers of the slots, if a round shows the
  // need.
  void EndRound(const kv::MoveStatus& status, Task& task);
  bool IsOneStream(const kv::MovePlan& plan, const kv::MoveStatus& status,
                   const kv::Store& store, const Task& task) const;
  void Freeze(const shardctrl::SlotMove& move, Task& task);
  // True if it was confirmed lately that the move is open. Else this begins to
  // ask. In an old state an ended move is open. If it began again, its slots
  // would stay frozen for as long as the controller has no leader.
  bool Confirmed(Key key, Task& task);
  void Seal(const shardctrl::SlotMove& move, const kv::Store& store,
            Task& task);
  void Decide(const shardctrl::SlotMove& move, const kv::MovePlan& plan,
              Task& task);
  void End(const shardctrl::SlotMove& move, GroupId group, Task& task);
  // Asks all nodes how many commands wait for the move, and how long. If the
  // answers are awaited, they count as outstanding.
  void AskHeld(Key key, bool awaited, Task& task);
  bool ReportIsDue(const Task& task) const {
    return !task.reported.has_value() ||
           MonoNow() - *task.reported >= kReportInterval;
  }
  void Report(const shardctrl::SlotMove& move, shardctrl::CopyPhase phase,
              Task& task);

  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override {}
  bool RoomFor(uint64_t, size_t) override { return true; }
  bool RoomForNext(size_t) override { return true; }
  void Answer(uint64_t token, const kv::MoveAnswer* answer,
              std::string problem);
  void AnswerNoRoom(uint64_t token);

  env::Env& env_;
  raft::Host& host_;
  Router& router_;
  const NodeId self_;
  const Controller controller_;
  bool working_ = true;
  struct Call {
    Key task;
    GroupId group;  // That the step is for.
    OnAnswer on_answer;
  };
  absl::btree_map<Key, Task> tasks_;
  absl::btree_map<uint64_t, Call> calls_;
  uint64_t tokens_ = 0;
  MonoTime due_ = MonoTime::Max();
  env::Pending timer_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_SLOT_MOVER_H_
