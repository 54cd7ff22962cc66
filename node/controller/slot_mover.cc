#include "node/controller/slot_mover.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "kv/command/result.h"
#include "node/base/text.h"
#include "node/controller/move_room.h"
#include "node/controller/windows.h"
#include "node/routing/group_queue.h"
#include "node/routing/hosted_store.h"
#include "shardctrl/controller/slot_moves.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;
using shardctrl::CopyPhase;
using shardctrl::MoveState;
using shardctrl::SlotMove;

namespace {

constexpr Duration kStepDeadline = Seconds(5);
// The bytes of a stream of changes.
constexpr size_t kChangesBytes = size_t{256} << 10;
// So few changes are one stream, unless they are large.
constexpr uint64_t kFewChanges = 4096;
// A move with a rate sends so many pieces in a second, unless they would be
// smaller than this.
constexpr uint64_t kPiecesInASecond = 16;
constexpr uint64_t kPieceBytesMin = 1 << 10;
constexpr size_t kPiecesInAWindow = 4;

kv::MovePlan PlanOf(const SlotMove& move) {
  return {.id = move.id,
          .from = move.from,
          .to = move.to,
          .epoch = move.epoch(),
          .slots = move.slots};
}

std::string ProblemOf(const RequestFailure& failure) {
  const std::string group = Concat("group ", failure.group);
  switch (failure.kind) {
    case RequestFailure::Kind::kNoLeader:
      return group + " has no leader that this node reaches";
    case RequestFailure::Kind::kAboveLevel:
      return group +
             " has a member whose program does not know moves; update its node";
    case RequestFailure::Kind::kOverloaded:
      return group + " has no memory or room for more";
    default:
      return group + " did not answer";
  }
}

// A slow move has small pieces, so that neither it nor clients wait long for
// one.
size_t PieceBytesMax(const SlotMove& move, const CopyWindow& window) {
  const size_t most =
      std::min(window.bytes() / kPiecesInAWindow, kv::kPieceBytesMax);
  if (move.rate_max == 0) return most;
  return static_cast<size_t>(std::clamp<uint64_t>(
      move.rate_max / kPiecesInASecond, kPieceBytesMin, most));
}

// The bytes of the keys that the destination needs room for.
uint64_t BytesOf(const kv::MovePlan& plan, const kv::Store& store) {
  uint64_t bytes = 0;
  for (const SlotRange& range : plan.slots) bytes += store.size_bytes(range);
  return bytes;
}

}  // namespace

SlotMover::SlotMover(env::Env& env, raft::Host& host, Router& router,
                     NodeId self, Controller controller)
    : env_(env),
      host_(host),
      router_(router),
      self_(self),
      controller_(std::move(controller)) {}

void SlotMover::Stop() {
  working_ = false;
  timer_ = env::Pending();
}

const kv::Store* SlotMover::StoreOf(GroupId group) const {
  const raft::Core* const core = host_.core(group);
  return core != nullptr && core->role() == raft::RoleKind::kLeader
             ? HostedStore(std::as_const(host_), group)
             : nullptr;
}

raft::Term SlotMover::TermOf(GroupId group) const {
  const raft::Core* const core = host_.core(group);
  return core == nullptr ? raft::Term() : core->term();
}

void SlotMover::DriveSoon(Duration after) {
  const MonoTime at = MonoNow() + after;
  if (!working_ || at >= due_) return;
  due_ = at;
  timer_ = env_.loop.At(at, [this] {
    due_ = MonoTime::Max();
    DriveAll();
  });
}

// A leader of another term knows nothing of what an earlier one sent.
SlotMover::Task& SlotMover::TaskOf(MoveId move, GroupId group) {
  Task& task = tasks_[{move, group}];
  const raft::Term term = TermOf(group);
  if (task.term != term && task.outstanding == 0) {
    task = Task();
    task.term = term;
  }
  return task;
}

void SlotMover::Work() {
  if (!working_) return;
  std::vector<SlotRange> moving;
  std::vector<SlowWriters::Slowed> slowed;
  for (const SlotMove& move : controller_.state().moves) {
    moving.insert(moving.end(), move.slots.begin(), move.slots.end());
    const Duration pause = move.progress.write_pause;
    if (pause == Duration() || move.paused ||
        move.decision != MoveState::kOpen) {
      continue;
    }
    for (SlotRange range : move.slots) slowed.push_back({range, pause});
  }
  router_.refused().KeepPauses(moving);
  std::ranges::sort(slowed, {},
                    [](const auto& one) { return one.slots.first; });
  router_.slow_writers().Set(std::move(slowed));
  DriveAll();
}

void SlotMover::DriveAll() {
  if (!working_) return;
  const ClusterState& state = controller_.state();
  AbortUnknown(state);
  const std::vector<MoveId> running = shardctrl::RunningMoves(state);
  absl::btree_set<Key> present;
  // The task if this node leads the group, and it may take a step.
  const auto task_of = [&](const SlotMove& move, GroupId group) -> Task* {
    if (StoreOf(group) == nullptr) return nullptr;
    present.insert({move.id, group});
    Task& task = TaskOf(move.id, group);
    return task.not_before <= MonoNow() ? &task : nullptr;
  };
  for (const SlotMove& move : state.moves) {
    const bool open = move.decision == MoveState::kOpen;
    if (Task* const source = task_of(move, move.from); source != nullptr) {
      if (open) {
        Drive(move, std::ranges::binary_search(running, move.id), *source);
      } else {
        End(move, move.from, *source);
      }
    }
    if (open) continue;
    if (Task* const target = task_of(move, move.to); target != nullptr) {
      End(move, move.to, *target);
    }
  }
  absl::erase_if(tasks_, [&](const auto& entry) {
    return entry.second.outstanding == 0 && !present.contains(entry.first);
  });
  if (!tasks_.empty()) DriveSoon(kRetryAfter);
  if (calls_.empty()) routing().ForgetIdle();
}

// Steps of an earlier leader may come late, and begin a move again that has
// ended.
void SlotMover::AbortUnknown(const ClusterState& state) {
  for (const GroupId group : host_.groups()) {
    const kv::Store* const store = StoreOf(group);
    if (store == nullptr) continue;
    for (const kv::MoveStatus& status : store->moves()) {
      if (status.plan.id >= state.next_move ||
          state.FindMove(status.plan.id) != nullptr) {
        continue;
      }
      Task& task = TaskOf(status.plan.id, group);
      if (task.outstanding > 0 || task.not_before > MonoNow()) continue;
      Send({status.plan.id, group}, group,
           kv::AbortStep{.plan = status.plan, .slots_max = kRemovedMax},
           [](Task&, const kv::MoveAnswer*) {});
    }
  }
}

void SlotMover::Fail(Task& task, std::string problem) {
  task.problem = std::move(problem);
  task.not_before = MonoNow() + kRetryAfter;
}

bool SlotMover::Accepted(Task& task, const kv::MoveAnswer* answer,
                         std::string_view refusal) {
  if (answer == nullptr) return false;
  if (!kv::IsRefusal(answer->verdict)) return true;
  Fail(task, Concat(refusal, MoveVerdictText(answer->verdict)));
  return false;
}

// ---- Questions.

void SlotMover::Send(Key task, GroupId group, const kv::MoveStep& step,
                     OnAnswer on_answer) {
  const std::string bytes = kv::EncodeMoveStep(step);
  const std::string_view argument[] = {bytes};
  const uint64_t token = ++tokens_;
  ++tasks_[task].outstanding;
  calls_.emplace(token, Call{task, group, std::move(on_answer)});
  GroupQueue* const queue = router_.FindQueue(group);
  if (queue == nullptr) {
    return Answer(token, nullptr,
                  Concat("this node does not know group ", group, " yet"));
  }
  const RoutedRequest request = {
      .sink = this, .token = token, .deadline = MonoNow() + kStepDeadline};
  if (queue->Add(request, kv::MoveCommand(step, argument)) ==
      Admission::kBlocked) {
    queue->ForgetBlocked(this);
    Answer(token, nullptr, Concat("group ", group, " is busy"));
  }
}

void SlotMover::Answer(uint64_t token, const kv::MoveAnswer* answer,
                       std::string problem) {
  auto call = calls_.extract(token);
  if (call.empty()) return;
  const auto found = tasks_.find(call.mapped().task);
  if (found == tasks_.end()) return;
  Task& task = found->second;
  --task.outstanding;
  if (answer == nullptr) {
    Fail(task, std::move(problem));
  } else {
    task.problem.clear();
  }
  call.mapped().on_answer(task, answer);
  DriveSoon(answer == nullptr ? kRetryAfter : Duration());
}

void SlotMover::OnResult(uint64_t token, const kv::ResultView& result) {
  if (result.status == kv::ResultStatus::kOutOfMemory) {
    return AnswerNoRoom(token);
  }
  const std::optional<kv::MoveAnswer> answer =
      kv::DecodeMoveAnswer(result.bytes);
  if (result.status != kv::ResultStatus::kOk) {
    return Answer(
        token, nullptr,
        Concat("the step was refused: ",
               answer.has_value() ? kv::MoveVerdictText(answer->verdict)
                                  : kv::ResultStatusName(result.status)));
  }
  Answer(token, answer.has_value() ? &*answer : nullptr,
         "the answer to a step cannot be read");
}

void SlotMover::AnswerNoRoom(uint64_t token) {
  const auto call = calls_.find(token);
  if (call == calls_.end()) return;
  const auto found = tasks_.find(call->second.task);
  std::string why = Concat(
      "group ", call->second.group,
      " has no memory for the slots: delete keys, raise limits.memory_bytes on "
      "the nodes of the group, or cancel the move");
  if (found != tasks_.end()) found->second.lacks_room = why;
  Answer(token, nullptr, std::move(why));
  if (found == tasks_.end()) return;
  found->second.one_at_a_time = true;
  found->second.not_before = MonoNow() + kRoomRetryAfter;
}

void SlotMover::OnFailure(uint64_t token, const RequestFailure& failure) {
  Answer(token, nullptr, ProblemOf(failure));
}

void SlotMover::Execute(
    Key key, ControllerCommand::Body body,
    absl::AnyInvocable<void(Task&, const ControllerAnswer*)> on_answer) {
  ++tasks_[key].outstanding;
  controller_.execute(
      std::move(body),
      [this, key, on_answer = std::move(on_answer)](
          const absl::StatusOr<ControllerAnswer>& answer) mutable {
        const auto found = tasks_.find(key);
        if (found == tasks_.end()) return;
        --found->second.outstanding;
        if (!answer.ok())
          Fail(found->second, std::string(Message(answer.status())));
        on_answer(found->second, answer.ok() ? &*answer : nullptr);
        DriveSoon(answer.ok() ? Duration() : kRetryAfter);
      });
}

// ---- The source of an open move.

void SlotMover::Drive(const SlotMove& move, bool runs, Task& task) {
  const kv::Store& store = *StoreOf(move.from);
  const kv::MovePlan plan = PlanOf(move);
  std::optional<kv::MoveStatus> status;
  for (kv::MoveStatus& one : store.moves()) {
    if (one.plan.id == move.id) status = std::move(one);
  }
  const bool frozen =
      status.has_value() && status->at.phase == kv::MovePhase::kFrozen;
  if (!frozen && !runs) return;
  if (frozen && (!task.held_asked.has_value() ||
                 MonoNow() - *task.held_asked >= kReportInterval)) {
    AskHeld({move.id, move.from}, /*awaited=*/false, task);
  }
  if (task.lost && task.outstanding == 0) {
    task.lost = false;
    task.kept.reset();
    task.place.reset();
  }
  if (!task.reported.has_value()) task.progress = move.progress;
  const CopyPhase phase = task.progress.phase;
  if (!task.problem.empty()) Report(move, phase, task);
  if (task.lost || (task.outstanding > 0 && !task.place.has_value())) return;
  const Key key = {move.id, move.from};
  if (!task.place.has_value()) {
    const uint64_t bytes = BytesOf(plan, store);
    if (task.progress.bytes_total == 0) task.progress.bytes_total = bytes;
    Report(move,
           frozen ? CopyPhase::kFreeze : std::max(phase, CopyPhase::kPrepare),
           task);
    // A source that tracks has a destination that was prepared.
    const bool first = !status.has_value();
    if (first && !Confirmed(key, task)) return;
    if (first && !task.nodes_have_room) return AskRoom(move, bytes, task);
    const kv::PrepareStep prepare{plan, first ? bytes : 0};
    return Send(key, move.to, prepare,
                [this, first](Task& task, const kv::MoveAnswer* answer) {
                  if (!Accepted(task, answer, "the destination refuses: ")) {
                    return;
                  }
                  if (first) task.lacks_room.clear();
                  task.place = answer->place;
                  task.sealed = answer->phase == kv::MovePhase::kSealed;
                  task.reader.reset();
                  task.next_slot = answer->place.slots;
                  task.progress.slots_done = answer->place.slots;
                  task.slot_stream_bytes = 0;
                  task.slots_bytes = 0;
                  task.slots_counted = 0;
                  task.next_change = answer->place.changes;
                });
  }
  if (!status.has_value()) {
    if (task.outstanding > 0) return;
    return Send(key, move.from, kv::TrackStep{plan, {}},
                [this](Task& task, const kv::MoveAnswer* answer) {
                  Accepted(task, answer, "the source refuses: ");
                });
  }
  if (task.sealed) return Decide(move, plan, task);
  Copy(move, plan, *status, store, task);
}

void SlotMover::AskRoom(const SlotMove& move, uint64_t bytes, Task& task) {
  ++task.outstanding;
  controller_.usage(
      [this, key = Key{move.id, move.from}, bytes](const ClusterUsage& usage) {
        const auto found = tasks_.find(key);
        if (found == tasks_.end()) return;
        Task& task = found->second;
        --task.outstanding;
        const ClusterState& state = controller_.state();
        const SlotMove* const move = state.FindMove(key.first);
        task.lacks_room =
            move == nullptr ? "" : LackOfRoom(state, *move, bytes, usage);
        task.nodes_have_room = task.lacks_room.empty();
        if (task.nodes_have_room) return DriveSoon(Duration());
        task.problem = task.lacks_room;
        task.not_before = MonoNow() + kRoomRetryAfter;
        DriveSoon(kRoomRetryAfter);
      });
}

bool SlotMover::OpenReader(const kv::MovePlan& plan,
                           const kv::MoveStatus& status, const kv::Store& store,
                           Task& task) {
  if (task.reader != nullptr) return true;
  if (task.next_slot < kv::SlotCountOf(plan)) {
    task.reader = store.ReadSlot(plan.id, kv::SlotAt(plan, task.next_slot));
  } else if (status.changes_settled > task.next_change) {
    task.reader = store.ReadChanges(plan.id, task.next_change,
                                    status.changes_settled, kChangesBytes);
  }
  if (task.reader == nullptr) return false;
  // Pieces that were read before may have ended elsewhere.
  if (task.reader->stream() == task.place->stream) {
    task.reader->SkipTo(task.place->offset);
  }
  return true;
}

void SlotMover::Copy(const SlotMove& move, const kv::MovePlan& plan,
                     const kv::MoveStatus& status, const kv::Store& store,
                     Task& task) {
  const bool copies = task.next_slot < kv::SlotCountOf(plan);
  const bool frozen = status.at.phase == kv::MovePhase::kFrozen;
  CountBytes(plan, store, task);
  Report(move,
         frozen   ? CopyPhase::kFreeze
         : copies ? CopyPhase::kCopy
                  : CopyPhase::kDelta,
         task);
  if (!copies && !frozen) EndRound(status, task);
  const size_t pieces_max = task.one_at_a_time ? 1 : kPiecesMax;
  // Clients wait for a frozen slot.
  const size_t bytes_max = frozen ? CopyWindow::kMax : task.window.bytes();
  while (task.outstanding < pieces_max && !task.lost &&
         task.bytes_outstanding < bytes_max &&
         (frozen || task.next_piece <= MonoNow()) &&
         (task.kept.has_value() || OpenReader(plan, status, store, task))) {
    SendPiece(move, task);
  }
  if (task.lost) return;
  // The seal follows the last piece at once: a log has both in this order.
  const bool all_sent = !copies && !task.kept.has_value() &&
                        task.reader == nullptr &&
                        task.next_change == status.at.changes;
  if (frozen && all_sent) return Seal(move, store, task);
  if (task.outstanding > 0) return;
  if (task.next_piece > MonoNow() && !frozen) {
    return DriveSoon(task.next_piece - MonoNow());
  }
  if (frozen || task.next_slot < kv::SlotCountOf(plan) ||
      task.reader != nullptr) {
    return;
  }
  // The destination has all that was settled.
  if (IsOneStream(plan, status, store, task) &&
      !env_.buggify.Fire("node.another_round_of_changes")) {
    return Freeze(move, task);
  }
  Send({move.id, move.from}, move.from,
       kv::TrackStep{plan, task.place->changes},
       [this](Task& task, const kv::MoveAnswer* answer) {
         Accepted(task, answer, "the source refuses: ");
       });
}

// Whether one stream has the changes that are left.
bool SlotMover::IsOneStream(const kv::MovePlan& plan,
                            const kv::MoveStatus& status,
                            const kv::Store& store, const Task& task) const {
  const uint64_t left = status.at.changes.value() - task.next_change.value();
  if (left > kFewChanges) return false;
  const auto rest = store.ReadChanges(plan.id, task.next_change,
                                      status.at.changes, kChangesBytes);
  return rest == nullptr || rest->stream().to == status.at.changes;
}

// Keys count as they are at the source now. So the sum is that of all slots in
// the end, also if several leaders copied them.
void SlotMover::CountBytes(const kv::MovePlan& plan, const kv::Store& store,
                           Task& task) const {
  const auto size_of = [&](uint32_t index) {
    const Slot slot = kv::SlotAt(plan, index);
    return store.size_bytes(SlotRange{slot, slot});
  };
  shardctrl::MoveProgress& progress = task.progress;
  for (; task.slots_counted < progress.slots_done; ++task.slots_counted) {
    task.slots_bytes += size_of(task.slots_counted);
  }
  progress.bytes_done = task.slots_bytes;
  if (task.slots_counted == kv::SlotCountOf(plan)) {
    progress.bytes_total = task.slots_bytes;
  } else {
    progress.bytes_done +=
        std::min(task.slot_stream_bytes, size_of(task.slots_counted));
    // Clients may add keys.
    if (ReportIsDue(task)) progress.bytes_total = BytesOf(plan, store);
    progress.bytes_total = std::max(progress.bytes_total, progress.bytes_done);
  }
}

void SlotMover::EndRound(const kv::MoveStatus& status, Task& task) {
  const MonoTime now = MonoNow();
  if (task.round_began.has_value() && now - *task.round_began < kRound) return;
  const uint64_t written = status.at.changes.value() - task.round_last.value();
  const uint64_t copied = task.next_change.value() - task.round_read.value();
  Duration& pause = task.progress.write_pause;
  // Few clients write faster than the largest window copies.
  if (env_.buggify.Fire("node.writers_too_fast") ||
      (task.round_began.has_value() && written > copied / 2 &&
       !task.window.Raise())) {
    pause = std::clamp(pause + pause, kWritePauseMin, kWritePauseMax);
  }
  task.round_began = now;
  task.round_last = status.at.changes;
  task.round_read = task.next_change;
}

void SlotMover::SendPiece(const SlotMove& move, Task& task) {
  const kv::SlotPiece piece = NextPiece(move, task);
  const size_t bytes = piece.bytes.size();
  task.bytes_outstanding += bytes;
  if (move.rate_max > 0) {
    task.next_piece = std::max(task.next_piece, MonoNow()) +
                      Nanoseconds(static_cast<int64_t>(bytes * 1'000'000'000 /
                                                       move.rate_max));
  }
  Send({move.id, move.from}, move.to, kv::StageStep{move.id, piece},
       [this, bytes, sent = MonoNow()](Task& task,
                                       const kv::MoveAnswer* answer) {
         task.bytes_outstanding -= bytes;
         task.window.OnAnswer(MonoNow(), MonoNow() - sent, bytes);
         // The piece that is kept is sent again.
         if (answer == nullptr && task.kept.has_value()) return;
         task.kept.reset();
         if (answer == nullptr || kv::IsRefusal(answer->verdict)) {
           // The destination says where it is.
           task.lost = true;
           if (answer != nullptr &&
               answer->verdict != kv::MoveVerdict::kOutOfPlace) {
             task.problem = Concat("the destination refuses a piece: ",
                                   MoveVerdictText(answer->verdict));
           }
           return;
         }
         task.place = answer->place;
         task.lacks_room.clear();
         task.stream_bytes += bytes;
         task.slot_stream_bytes =
             answer->place.slots == task.progress.slots_done
                 ? task.slot_stream_bytes + bytes
                 : 0;
         task.progress.slots_done = answer->place.slots;
       });
  if (task.reader != nullptr && task.reader->done()) task.reader.reset();
}

kv::SlotPiece SlotMover::NextPiece(const SlotMove& move, Task& task) {
  if (task.kept.has_value()) {
    kv::SlotPiece piece = task.kept->piece;
    piece.bytes = task.kept->bytes;
    return piece;
  }
  kv::SlotPiece piece = task.reader->Next(PieceBytesMax(move, task.window));
  if (task.one_at_a_time) {
    task.kept = {.piece = piece, .bytes = std::string(piece.bytes)};
    task.kept->piece.bytes = {};
    piece.bytes = task.kept->bytes;
  }
  if (piece.ends) {
    if (piece.stream.changes) {
      task.next_change = piece.stream.to;
    } else {
      ++task.next_slot;
    }
  }
  return piece;
}

// Nothing is under way, and the destination has all that was read.
void SlotMover::Freeze(const SlotMove& move, Task& task) {
  const Key key = {move.id, move.from};
  if (!Confirmed(key, task)) return;
  Send(key, move.from, kv::FreezeStep{move.id},
       [this](Task& task, const kv::MoveAnswer* answer) {
         Accepted(task, answer, "the source does not freeze: ");
       });
}

bool SlotMover::Confirmed(Key key, Task& task) {
  if (task.confirmed.has_value() &&
      MonoNow() - *task.confirmed <= kConfirmedFor) {
    return true;
  }
  ++task.outstanding;
  controller_.refresh([this, key](const absl::Status& status) {
    const auto found = tasks_.find(key);
    if (found == tasks_.end()) return;
    Task& task = found->second;
    --task.outstanding;
    if (status.ok()) {
      task.confirmed = MonoNow();
    } else {
      Fail(task, std::string(Message(status)));
    }
    DriveSoon(status.ok() ? Duration() : kRetryAfter);
  });
  return false;
}

void SlotMover::Seal(const SlotMove& move, const kv::Store& store, Task& task) {
  if (task.sealing) return;
  const Key key = {move.id, move.from};
  std::optional<kv::MoveSeal> seal = store.SealOf(move.id);
  if (!seal.has_value()) return;
  // A reply may have shown a later time than the last entry has.
  seal->log_time =
      std::max(seal->log_time,
               host_.core(move.from)->NextLogTime(env_.loop.ReadClock()));
  task.sealing = true;
  env_.tracer.Sometimes("window.move.seal");
  Send(key, move.to, kv::SealStep{move.id, *seal},
       [this, key](Task& task, const kv::MoveAnswer* answer) {
         task.sealing = false;
         if (answer == nullptr) return;
         if (answer->verdict == kv::MoveVerdict::kOtherDigest) {
           return Execute(
               key,
               ControllerCommand::DecideMove{
                   .move = key.first,
                   .give_up = "the copies differ from the slots of the source"},
               [](Task&, const ControllerAnswer*) {});
         }
         if (Accepted(task, answer, "the destination does not seal: ")) {
           task.sealed = true;
         } else {
           task.lost = true;
         }
       });
}

void SlotMover::Decide(const SlotMove& move, const kv::MovePlan& plan,
                       Task& task) {
  if (task.outstanding > 0 || task.decided) return;
  const Key key = {move.id, move.from};
  env_.tracer.Sometimes("window.move.decide");
  Execute(key, ControllerCommand::DecideMove{.move = move.id},
          [this, key, plan](Task& task, const ControllerAnswer* answer) {
            if (answer == nullptr ||
                answer->outcome == ControllerAnswer::Outcome::kRefused) {
              return;
            }
            task.decided = true;
            // The leader of the destination does it, too, once it knows.
            Send(key, plan.to, kv::ActivateStep{plan},
                 [](Task&, const kv::MoveAnswer*) {});
          });
}

// ---- A move that is decided.

void SlotMover::End(const SlotMove& move, GroupId group, Task& task) {
  if (task.outstanding > 0) return;
  const bool source = group == move.from;
  if (source ? move.source_ended : move.destination_ended) return;
  const Key key = {move.id, group};
  if (task.ended && source && !task.held_known) {
    task.held_known = true;
    return AskHeld(key, /*awaited=*/true, task);
  }
  if (source) Report(move, CopyPhase::kFreeze, task);
  const bool activated = move.decision == MoveState::kActivated;
  // The source keeps the slots until the destination serves them.
  if (source && activated && !move.destination_ended) return;
  if (task.ended) {
    return Execute(key, ControllerCommand::ReportMoveEnd{move.id, group},
                   [](Task&, const ControllerAnswer*) {});
  }
  task.reader.reset();
  const kv::MovePlan plan = PlanOf(move);
  kv::MoveStep step = kv::AbortStep{plan, kRemovedMax};
  if (activated) {
    if (source) {
      step = kv::ReleaseStep{plan, kRemovedMax};
    } else {
      step = kv::ActivateStep{plan};
    }
  }
  env_.tracer.Sometimes(!activated ? "window.move.abort"
                        : source   ? "window.move.release"
                                   : "window.move.activate");
  Send(key, group, step, [this](Task& task, const kv::MoveAnswer* answer) {
    const bool unknown =
        answer != nullptr && answer->verdict == kv::MoveVerdict::kUnknownMove;
    if (unknown ||
        Accepted(task, answer, "the group refuses the end of the move: ")) {
      task.ended = answer->phase == kv::MovePhase::kNone;
    }
  });
}

void SlotMover::AskHeld(Key key, bool awaited, Task& task) {
  task.held_asked = MonoNow();
  if (awaited) ++task.outstanding;
  controller_.usage([this, key, awaited](const ClusterUsage& usage) {
    const auto found = tasks_.find(key);
    if (found == tasks_.end()) return;
    if (awaited) --found->second.outstanding;
    shardctrl::MoveProgress& progress = found->second.progress;
    uint64_t commands = 0;
    for (const auto& [node, its] : usage) {
      for (const HeldCommands& held : its.held) {
        if (held.move != key.first) continue;
        commands += held.commands;
        progress.longest_pause =
            std::max(progress.longest_pause, held.longest_pause);
      }
    }
    progress.held_requests = std::max(progress.held_requests, commands);
    DriveSoon(Duration());
  });
}

void SlotMover::Report(const SlotMove& move, CopyPhase phase, Task& task) {
  shardctrl::MoveProgress& progress = task.progress;
  const bool new_phase = progress.phase != phase;
  const MonoTime now = MonoNow();
  const auto pauses = std::pair(progress.longest_pause, progress.write_pause);
  const bool new_pause = pauses != task.reported_pauses;
  if (!new_phase && !new_pause && !ReportIsDue(task)) return;
  if (task.reported.has_value() && now > *task.reported) {
    const uint64_t fresh = task.stream_bytes - task.reported_stream_bytes;
    const int64_t ms = std::max<int64_t>((now - *task.reported).ms(), 1);
    progress.bytes_per_second = fresh * 1000 / static_cast<uint64_t>(ms);
  }
  progress.phase = phase;
  if (new_phase) env_.tracer.Sometimes(WindowOf(phase));
  progress.driver = self_;
  progress.term = task.term;
  ++progress.report;
  progress.problem = task.lacks_room.empty() ? task.problem : task.lacks_room;
  task.reported = now;
  task.reported_stream_bytes = task.stream_bytes;
  task.reported_pauses = pauses;
  // The report is no part of the move: nothing waits for it.
  controller_.execute(ControllerCommand::ReportMove{move.id, progress},
                      [](const absl::StatusOr<ControllerAnswer>&) {});
}

}  // namespace quorate::node
