#include "node/controller/move_steps.h"

#include <string_view>
#include <utility>

#include "kv/command/result.h"
#include "node/base/text.h"
#include "node/routing/group_queue.h"

namespace quorate::node {

namespace {

std::string ProblemOf(const RequestFailure& failure) {
  const std::string group = Concat("group ", failure.group);
  switch (failure.kind) {
    case RequestFailure::Kind::kNoLeader:
      return group + " has no leader that this node reaches";
    case RequestFailure::Kind::kOverloaded:
      return group + " has no memory or room for more";
    default:
      return group + " did not answer";
  }
}

}  // namespace

StepAnswer StepAnswerOf(GroupId group, const kv::ResultView& result) {
  switch (result.status) {
    case kv::ResultStatus::kOutOfMemory:
      return {
          .problem = Concat("group ", group,
                            " has no memory for the slots: delete keys, raise "
                            "limits.memory_bytes on the nodes of the group, or "
                            "cancel the move"),
          .no_room = true};
    case kv::ResultStatus::kOk:
    case kv::ResultStatus::kConditionFailed:
      return {.move = kv::DecodeMoveAnswer(result.bytes),
              .problem = "the answer to a step cannot be read"};
    default:
      return {.problem = Concat("the step was refused: ",
                                kv::ResultStatusName(result.status))};
  }
}

void MoveSteps::Send(GroupId group, const kv::MoveStep& step, StepDone done) {
  const std::string bytes = kv::EncodeMoveStep(step);
  const std::string_view argument[] = {bytes};
  const uint64_t token = ++tokens_;
  calls_.emplace(token, Call{group, std::move(done)});
  GroupQueue* const queue = router_.FindQueue(group);
  if (queue == nullptr) {
    return Answer(token, {.problem = Concat("this node does not know group ",
                                            group, " yet")});
  }
  const RoutedRequest request = {
      .sink = this,
      .token = token,
      .deadline = loop_.ReadClock().mono + kDeadline};
  if (queue->Add(request, kv::MoveCommand(step, argument)) ==
      Admission::kBlocked) {
    queue->ForgetBlocked(this);
    Answer(token, {.problem = Concat("group ", group, " is busy")});
  }
}

void MoveSteps::ForgetIdle() {
  if (calls_.empty()) routing().ForgetIdle();
}

void MoveSteps::Answer(uint64_t token, const StepAnswer& answer) {
  auto call = calls_.extract(token);
  if (!call.empty()) call.mapped().done(answer);
}

void MoveSteps::OnResult(uint64_t token, const kv::ResultView& result) {
  const auto call = calls_.find(token);
  if (call == calls_.end()) return;
  Answer(token, StepAnswerOf(call->second.group, result));
}

void MoveSteps::OnFailure(uint64_t token, const RequestFailure& failure) {
  Answer(token, {.problem = ProblemOf(failure)});
}

}  // namespace quorate::node
