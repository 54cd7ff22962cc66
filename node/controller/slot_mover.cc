#include "node/controller/slot_mover.h"

#include <algorithm>

#include "absl/container/btree_set.h"
#include "kv/moves/copy_reader.h"
#include "node/base/text.h"
#include "node/controller/move_room.h"
#include "node/controller/windows.h"
#include "shardctrl/controller/slot_moves.h"

namespace quorate::node {

using kv::MoveAction;
using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;
using shardctrl::MoveState;
using shardctrl::SlotMove;

namespace {

kv::MovePlan PlanOf(const SlotMove& move) {
  return {.id = move.id,
          .from = move.from,
          .to = move.to,
          .epoch = move.epoch(),
          .slots = move.slots};
}

}  // namespace

void SlotMover::Stop() {
  working_ = false;
  timer_ = env::Pending();
}

void SlotMover::DriveSoon(Duration after) {
  const MonoTime at = MonoNow() + after;
  if (!working_ || at >= due_) return;
  due_ = at;
  timer_ = env_.loop.At(at, [this] {
    due_ = MonoTime::Max();
    Work();
  });
}

// A leader of another term knows nothing of what an earlier one sent.
SlotMover::Task& SlotMover::TaskOf(MoveId move, GroupId group) {
  Task& task = tasks_[{move, group}];
  const raft::Term term = groups_.term(group);
  if (task.term != term && task.outstanding == 0) {
    task = Task();
    task.term = term;
  }
  return task;
}

void SlotMover::Work() {
  if (!working_) return;
  const ClusterState& state = controller_.state();
  AbortUnknown(state);
  const std::vector<MoveId> running = shardctrl::RunningMoves(state);
  absl::btree_set<Key> present;
  // The task if this node leads the group, and it may take a step.
  const auto task_of = [&](const SlotMove& move, GroupId group) -> Task* {
    if (groups_.led(group) == nullptr) return nullptr;
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
  groups_.forget_idle();
}

// Steps of an earlier leader may come late, and begin a move again that has
// ended.
void SlotMover::AbortUnknown(const ClusterState& state) {
  for (const GroupId group : groups_.hosted()) {
    const kv::Store* const store = groups_.led(group);
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

// ---- Questions.

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

SlotMover::Task* SlotMover::Come(Key key) {
  const auto found = tasks_.find(key);
  if (found == tasks_.end()) return nullptr;
  --found->second.outstanding;
  return &found->second;
}

void SlotMover::Send(Key key, GroupId group, const kv::MoveStep& step,
                     OnAnswer on_answer) {
  ++tasks_[key].outstanding;
  groups_.send(group, step,
               [this, key, on_answer = std::move(on_answer)](
                   const StepAnswer& answer) mutable {
                 Task* const task = Come(key);
                 if (task != nullptr) OnStepDone(*task, answer, on_answer);
               });
}

void SlotMover::OnStepDone(Task& task, const StepAnswer& answer,
                           OnAnswer& on_answer) {
  const bool answered = answer.move.has_value();
  if (answered) {
    task.problem.clear();
  } else {
    Fail(task, answer.problem);
  }
  if (answer.no_room) task.lacks_room = answer.problem;
  on_answer(task, answered ? &*answer.move : nullptr);
  DriveSoon(answered ? Duration() : kRetryAfter);
  if (!answer.no_room) return;
  if (task.source.has_value()) task.source->one_at_a_time = true;
  task.not_before = MonoNow() + kRoomRetryAfter;
}

void SlotMover::Execute(
    Key key, ControllerCommand::Body body,
    absl::AnyInvocable<void(Task&, const ControllerAnswer*)> on_answer) {
  ++tasks_[key].outstanding;
  controller_.Execute(
      {{}, std::move(body)}, /*dry_run=*/false,
      [this, key, on_answer = std::move(on_answer)](
          const absl::StatusOr<ControllerAnswer>& answer) mutable {
        Task* const task = Come(key);
        if (task == nullptr) return;
        if (!answer.ok()) Fail(*task, std::string(Message(answer.status())));
        on_answer(*task, answer.ok() ? &*answer : nullptr);
        DriveSoon(answer.ok() ? Duration() : kRetryAfter);
      });
}

// ---- The source of an open move.

void SlotMover::Drive(const SlotMove& move, bool runs, Task& task) {
  const kv::Store& store = *groups_.led(move.from);
  const OpenSource open = {.move = move,
                           .plan = PlanOf(move),
                           .status = kv::StatusOf(store, move.id),
                           .store = store};
  if (!open.frozen() && !runs) return;
  if (!task.source.has_value()) {
    task.source = {
        .report = CopyReport(controller_.self(), task.term, move.progress),
        .pace = CopyPace(bulk_, move.progress.write_pause, move.rate_max)};
  }
  Source& source = *task.source;
  if (open.frozen() &&
      (!source.held_asked.has_value() ||
       MonoNow() - *source.held_asked >= CopyReport::kInterval)) {
    AskHeld(open.key(), /*awaited=*/false, task);
  }
  source.report.SetPhases(open.phase(), MovePhase::kNone);
  if (!task.problem.empty()) Report(move, task);
  if (const auto* const copying = std::get_if<Copying>(&source.work);
      copying != nullptr && copying->stream.lost()) {
    if (task.outstanding > 0) return;
    source.work = Asking();
  }
  switch (NextAction(open, task)) {
    case MoveAction::kPrepare:
      return Prepare(open, task);
    case MoveAction::kTrack:
      return Track(open, task);
    case MoveAction::kFreeze:
      return Freeze(open, task);
    case MoveAction::kSeal:
      return Seal(open, task);
    case MoveAction::kDecide:
      return Decide(open, task);
    default:
      return;  // Answers, or the rate, let it go on.
  }
}

MoveAction SlotMover::NextAction(const OpenSource& open, Task& task) {
  Source& source = *task.source;
  kv::OpenMove move = {.source = open.phase(),
                       .changes = open.status.at.changes};
  if (std::holds_alternative<Sealed>(source.work)) {
    move.destination = MovePhase::kSealed;
  }
  const auto* const copying = std::get_if<Copying>(&source.work);
  if (copying != nullptr) {
    move.destination = MovePhase::kStaging;
    move.piece_left = open.phase() != MovePhase::kNone && Copy(open, task);
    move.sent = copying->stream.reader().changes();
    if (copying->stream.lost()) return MoveAction::kAwait;
    const MonoTime next_piece = source.pace.next_piece();
    if (!open.frozen() && next_piece > MonoNow()) {
      DriveSoon(next_piece - MonoNow());
      if (task.outstanding == 0) return MoveAction::kAwait;
    }
  }
  move.answers_due = task.outstanding > 0;
  return kv::NextStep(move, [&] {
    return copying->stream.reader().OneStreamLeft(open.store, open.status) &&
           !env_.buggify.Fire("node.another_round_of_changes");
  });
}

void SlotMover::Prepare(const OpenSource& open, Task& task) {
  Source& source = *task.source;
  const uint64_t bytes = kv::BytesOf(open.plan, open.store);
  source.report.SetTotal(bytes);
  Report(open.move, task);
  // A source that tracks has a destination that was prepared.
  const bool first = open.phase() == MovePhase::kNone;
  if (first) {
    if (!Confirmed(open.key(), task)) return;
    if (!std::get<Asking>(source.work).nodes_have_room) {
      return AskRoom(open.key(), bytes, task);
    }
  }
  const kv::PrepareStep prepare{open.plan, first ? bytes : 0};
  Send(open.key(), open.plan.to, prepare,
       [this, plan = open.plan, first](Task& task,
                                       const kv::MoveAnswer* answer) {
         if (!Accepted(task, answer, "the destination refuses: ")) return;
         if (first) task.lacks_room.clear();
         task.source->report.SetPhases(MovePhase::kNone, answer->phase);
         task.source->report.OnBegun(answer->place.slots);
         if (answer->phase == MovePhase::kSealed) {
           task.source->work = Sealed();
         } else {
           task.source->work = Copying{CopyStream(plan, answer->place)};
         }
       });
}

void SlotMover::AskRoom(Key key, uint64_t bytes, Task& task) {
  ++task.outstanding;
  controller_.AskUsage([this, key, bytes](const ClusterUsage& usage) {
    Task* const task = Come(key);
    if (task == nullptr) return;
    const ClusterState& state = controller_.state();
    const SlotMove* const move = state.FindMove(key.first);
    task->lacks_room =
        move == nullptr ? "" : LackOfRoom(state, *move, bytes, usage);
    if (task->lacks_room.empty()) {
      task->source->work = Asking{.nodes_have_room = true};
      return DriveSoon(Duration());
    }
    task->problem = task->lacks_room;
    task->not_before = MonoNow() + kRoomRetryAfter;
    DriveSoon(kRoomRetryAfter);
  });
}

bool SlotMover::Confirmed(Key key, Task& task) {
  const std::optional<MonoTime>& confirmed = task.source->confirmed;
  if (confirmed.has_value() && MonoNow() - *confirmed <= kConfirmedFor) {
    return true;
  }
  ++task.outstanding;
  controller_.Refresh([this, key](const absl::Status& status) {
    Task* const task = Come(key);
    if (task == nullptr) return;
    if (status.ok()) {
      task->source->confirmed = MonoNow();
    } else {
      Fail(*task, std::string(Message(status)));
    }
    DriveSoon(status.ok() ? Duration() : kRetryAfter);
  });
  return false;
}

void SlotMover::Track(const OpenSource& open, Task& task) {
  kv::TrackStep step = {.plan = open.plan};
  if (open.phase() != MovePhase::kNone) {
    step.acknowledged =
        std::get<Copying>(task.source->work).stream.taken_changes();
  }
  Send(open.key(), open.plan.from, step,
       [this](Task& task, const kv::MoveAnswer* answer) {
         Accepted(task, answer, "the source refuses: ");
       });
}

bool SlotMover::Copy(const OpenSource& open, Task& task) {
  Source& source = *task.source;
  CopyStream& stream = std::get<Copying>(source.work).stream;
  const bool frozen = open.frozen();
  const bool copies = stream.reader().reads_slots();
  source.report.CountBytes(MonoNow(), open.plan, open.store);
  Report(open.move, task);
  if (!copies && !frozen) {
    source.pace.OnChanges(MonoNow(), open.status.at.changes,
                          stream.reader().changes(), env_.buggify);
  }
  const size_t pieces_max = source.one_at_a_time ? 1 : CopyStream::kPiecesMax;
  // Clients wait for a frozen slot. A piece may fail at once. One that is kept
  // is sent again later.
  while (task.outstanding < pieces_max && !stream.lost() &&
         task.not_before <= MonoNow() &&
         stream.counted_outstanding() < CopyPace::kBytesMax &&
         (frozen || source.pace.next_piece() <= MonoNow())) {
    if (!stream.Open(open.store, open.status)) return false;
    SendPiece(open, task);
  }
  return stream.MayBeLeft(open.status);
}

void SlotMover::SendPiece(const OpenSource& open, Task& task) {
  Source& source = *task.source;
  CopyStream& stream = std::get<Copying>(source.work).stream;
  const kv::SlotPiece piece =
      stream.Next(source.pace.piece_bytes(), source.one_at_a_time);
  const size_t bytes = piece.bytes.size();
  const size_t counted = CopyPace::Counted(bytes);
  source.pace.OnSent(MonoNow(), bytes);
  stream.OnSent(counted);
  Send(open.key(), open.plan.to, kv::StageStep{open.plan.id, piece},
       [this, bytes, counted, sent = MonoNow()](Task& task,
                                                const kv::MoveAnswer* answer) {
         Source& source = *task.source;
         auto* const copying = std::get_if<Copying>(&source.work);
         if (copying == nullptr) return;
         source.pace.OnAnswer(MonoNow() - sent);
         if (copying->stream.OnAnswer(counted, answer)) {
           task.lacks_room.clear();
           source.one_at_a_time = false;
           source.report.OnTaken(answer->place, bytes);
         } else {
           Accepted(task, answer, "the destination refuses a piece: ");
         }
       });
  stream.Close();
}

void SlotMover::Freeze(const OpenSource& open, Task& task) {
  if (!Confirmed(open.key(), task)) return;
  Send(open.key(), open.plan.from, kv::FreezeStep{open.plan.id},
       [this](Task& task, const kv::MoveAnswer* answer) {
         Accepted(task, answer, "the source does not freeze: ");
       });
}

void SlotMover::Seal(const OpenSource& open, Task& task) {
  auto& copying = std::get<Copying>(task.source->work);
  if (copying.sealing) return;
  std::optional<kv::MoveSeal> seal = open.store.SealOf(open.plan.id);
  if (!seal.has_value()) return;
  // A reply may have shown a later time than the last entry has.
  seal->log_time =
      std::max(seal->log_time, groups_.next_log_time(open.plan.from));
  copying.sealing = true;
  env_.tracer.Sometimes("window.move.seal");
  Send(open.key(), open.plan.to, kv::SealStep{open.plan.id, *seal},
       [this, key = open.key()](Task& task, const kv::MoveAnswer* answer) {
         auto* const copying = std::get_if<Copying>(&task.source->work);
         if (copying == nullptr) return;
         copying->sealing = false;
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
           task.source->report.SetPhases(MovePhase::kFrozen, answer->phase);
           task.source->work = Sealed();
         } else {
           copying->stream.Lose();
         }
       });
}

void SlotMover::Decide(const OpenSource& open, Task& task) {
  if (std::get<Sealed>(task.source->work).decided) return;
  env_.tracer.Sometimes("window.move.decide");
  Execute(open.key(), ControllerCommand::DecideMove{.move = open.plan.id},
          [this, key = open.key(), plan = open.plan](
              Task& task, const ControllerAnswer* answer) {
            if (answer == nullptr ||
                answer->outcome == ControllerAnswer::Outcome::kRefused) {
              return;
            }
            task.source->work = Sealed{.decided = true};
            // The leader of the destination does it, too, once it knows.
            Send(key, plan.to, kv::ActivateStep{plan},
                 [](Task&, const kv::MoveAnswer*) {});
          });
}

// ---- A move that is decided.

void SlotMover::End(const SlotMove& move, GroupId group, Task& task) {
  if (task.outstanding > 0) return;
  const bool is_source = group == move.from;
  if (is_source ? move.source_ended : move.destination_ended) return;
  const Key key = {move.id, group};
  if (is_source) {
    if (!task.source.has_value()) {
      task.source = {
          .report = CopyReport(controller_.self(), task.term, move.progress),
          .pace = CopyPace(bulk_, move.progress.write_pause, 0)};
    }
    task.source->work = Asking();  // Frees what was read.
    if (task.ending.phase == MovePhase::kNone && !task.ending.held_known) {
      task.ending.held_known = true;
      return AskHeld(key, /*awaited=*/true, task);
    }
    Report(move, task);
  }
  const kv::MovePlan plan = PlanOf(move);
  kv::MoveStep step;
  switch (kv::NextStep({.activated = move.decision == MoveState::kActivated,
                        .is_source = is_source,
                        .phase = task.ending.phase,
                        .destination_ended = move.destination_ended})) {
    case MoveAction::kActivate:
      env_.tracer.Sometimes("window.move.activate");
      step = kv::ActivateStep{plan};
      break;
    case MoveAction::kRelease:
      env_.tracer.Sometimes("window.move.release");
      step = kv::ReleaseStep{plan, kRemovedMax};
      break;
    case MoveAction::kAbort:
      env_.tracer.Sometimes("window.move.abort");
      step = kv::AbortStep{plan, kRemovedMax};
      break;
    case MoveAction::kReportEnd:
      return Execute(key, ControllerCommand::ReportMoveEnd{move.id, group},
                     [](Task&, const ControllerAnswer*) {});
    default:
      return;
  }
  Send(key, group, step, [this](Task& task, const kv::MoveAnswer* answer) {
    const bool unknown =
        answer != nullptr && answer->verdict == kv::MoveVerdict::kUnknownMove;
    if (unknown ||
        Accepted(task, answer, "the group refuses the end of the move: ")) {
      task.ending.phase = answer->phase;
    }
  });
}

void SlotMover::AskHeld(Key key, bool awaited, Task& task) {
  task.source->held_asked = MonoNow();
  if (awaited) ++task.outstanding;
  controller_.AskUsage([this, key, awaited](const ClusterUsage& usage) {
    const auto found = tasks_.find(key);
    if (found == tasks_.end()) return;
    if (awaited) --found->second.outstanding;
    if (found->second.source.has_value()) {
      found->second.source->report.OnHeld(key.first, usage);
    }
    DriveSoon(Duration());
  });
}

void SlotMover::Report(const SlotMove& move, Task& task) {
  Source& source = *task.source;
  const bool new_phase = source.report.new_phase();
  const auto progress = source.report.Next(
      MonoNow(), source.pace.write_pause(),
      task.lacks_room.empty() ? task.problem : task.lacks_room);
  if (!progress.has_value()) return;
  if (new_phase) {
    env_.tracer.Sometimes(WindowOf(progress->source, source.report.copied()));
  }
  // The report is no part of the move: nothing waits for it.
  controller_.Execute({{}, ControllerCommand::ReportMove{move.id, *progress}},
                      /*dry_run=*/false,
                      [](const absl::StatusOr<ControllerAnswer>&) {});
}

}  // namespace quorate::node
