#include "env/task/task.h"

#include "absl/strings/str_cat.h"

namespace quorate::env {

namespace task_internal {

void Waiter::MakeReady() {
  Leave();
  tasks_->AddReady(this);
}

void Waiter::Leave() {
  if (list_ == nullptr) return;
  (before_ == nullptr ? list_->first_ : before_->after_) = after_;
  (after_ == nullptr ? list_->last_ : after_->before_) = before_;
  list_ = nullptr;
}

void WaiterList::Add(Waiter* waiter) {
  CHECK(waiter->list_ == nullptr);
  waiter->list_ = this;
  waiter->before_ = last_;
  waiter->after_ = nullptr;
  (last_ == nullptr ? first_ : last_->after_) = waiter;
  last_ = waiter;
}

void Promise::OnEnd() noexcept {
  if (parent_) {
    tasks_->Continue(parent_);
  } else {
    joint_->OnTaskEnded();
  }
}

}  // namespace task_internal

Tasks::~Tasks() {
  CHECK(!runs_) << "a task destroys its own program";
  closed_ = true;
  spawned_.clear();
}

absl::Status Tasks::Spawn(Task<> task) {
  if (closed_) return absl::CancelledError("the program ends");
  if (spawned_.size() >= kTasksMax) {
    return absl::ResourceExhaustedError(
        absl::StrCat("there are ", kTasksMax, " tasks"));
  }
  Spawned& spawned = spawned_.emplace_back(this, std::move(task));
  spawned.place = std::prev(spawned_.end());
  spawned.task.Start(&spawned, this);
  return absl::OkStatus();
}

void Tasks::AddReady(task_internal::Waiter* waiter) {
  ready_.Add(waiter);
  if (runs_ || scheduled_) return;
  scheduled_ = true;
  run_ = loop_.Defer([this] { RunReady(); });
}

task_internal::Waiter* Tasks::PickReady() {
  task_internal::Waiter* picked = ready_.first();
  while (picked->after_ != nullptr && buggify_.Fire("task.order")) {
    picked = picked->after_;
  }
  picked->Leave();
  return picked;
}

void Tasks::RunReady() {
  scheduled_ = false;
  runs_ = true;
  for (size_t steps = 0; ready_.first() != nullptr; ++steps) {
    if (steps == kStepsPerTurnMax) {
      scheduled_ = true;
      run_ = loop_.At(loop_.ReadClock().mono, [this] { RunReady(); });
      break;
    }
    Run(PickReady()->handle_);
  }
  runs_ = false;
}

void Tasks::Run(std::coroutine_handle<> handle) {
  for (next_ = handle; next_;) std::exchange(next_, {}).resume();
  if (ended_ != nullptr) spawned_.erase(std::exchange(ended_, nullptr)->place);
}

}  // namespace quorate::env
