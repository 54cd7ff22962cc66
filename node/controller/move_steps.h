// node/controller/move_steps.h: sends the steps of moves to the leaders of
// groups, and reads their answers.
#ifndef QUORATE_NODE_CONTROLLER_MOVE_STEPS_H_
#define QUORATE_NODE_CONTROLLER_MOVE_STEPS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "node/routing/request_sink.h"
#include "node/routing/router.h"

namespace quorate::node {

struct StepAnswer {
  // Nullopt: the step may have been executed, or may still be.
  std::optional<kv::MoveAnswer> move = {};
  std::string problem = {};  // Why there is no answer.
  bool no_room = false;      // The group has no memory for the step.
};
using StepDone = absl::AnyInvocable<void(const StepAnswer&)>;

// The answer of a group to a step. A refusal is an answer, too.
StepAnswer StepAnswerOf(GroupId group, const kv::ResultView& result);

class MoveSteps final : private RequestSink {
 public:
  // A step without an answer has failed after this time.
  static constexpr Duration kDeadline = Seconds(5);

  // Both outlive the object, and it outlives the answers of the router.
  MoveSteps(env::Loop& loop, Router& router) : loop_(loop), router_(router) {}
  MoveSteps(const MoveSteps&) = delete;
  MoveSteps& operator=(const MoveSteps&) = delete;

  // Calls `done` exactly once, maybe before it returns.
  void Send(GroupId group, const kv::MoveStep& step, StepDone done);
  // Frees what idle queues need, if no answer is due. Not from a callback.
  void ForgetIdle();

 private:
  // RequestSink.
  void OnResult(uint64_t token, const kv::ResultView& result) override;
  void OnFailure(uint64_t token, const RequestFailure& failure) override;
  void OnUnblocked() override {}
  bool RoomFor(uint64_t, size_t) override { return true; }
  bool RoomForNext(size_t) override { return true; }
  void Answer(uint64_t token, const StepAnswer& answer);

  env::Loop& loop_;
  Router& router_;
  struct Call {
    GroupId group;
    StepDone done;
  };
  absl::btree_map<uint64_t, Call> calls_;
  uint64_t tokens_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_MOVE_STEPS_H_
