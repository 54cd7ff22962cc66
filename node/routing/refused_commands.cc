#include "node/routing/refused_commands.h"

#include <algorithm>
#include <utility>

#include "kv/command/result.h"

namespace quorate::node {

bool RefusedCommands::MayHold(kv::Op op) {
  return op != kv::Op::kKeyCount && op != kv::Op::kScan &&
         op != kv::Op::kFlush && !kv::NamesSlots(op);
}

void RefusedCommands::Hold(Request& request, MonoTime deadline,
                           Buffer command) {
  const uint64_t now = owners_.version().value();
  const bool left =
      owners_.RangeOf(request.slot).group != request.order->group();
  request.deadline = deadline;
  request.bytes = std::move(command);
  request.waits_for = left ? now : now + 1;
  request.order->Move(request, ConnectionOrder::State::kRefused);
  const auto place = std::ranges::find_if(commands_, [&](const Request* other) {
    return other->order->sink() == request.order->sink() &&
           other->token > request.token;
  });
  commands_.insert(place, &request);
}

void RefusedCommands::Overtake(RequestSink* sink, Slot slot, uint64_t token) {
  for (Request* const command : commands_) {
    command->overtaken =
        command->overtaken || (command->order->sink() == sink &&
                               command->slot == slot && command->token < token);
  }
}

bool RefusedCommands::IsBehindAnother(const Request& request) const {
  return std::ranges::any_of(commands_, [&](const Request* other) {
    return other->order->sink() == request.order->sink() &&
           other->slot == request.slot;
  });
}

void RefusedCommands::RouteAgain(
    absl::FunctionRef<bool(const RoutedRequest&, const Request&)> route) {
  const MonoTime now = loop_.ReadClock().mono;
  const std::vector<Request*> commands = std::exchange(commands_, {});
  for (Request* const command : commands) {
    ConnectionOrder& order = *command->order;
    if (command->overtaken || command->deadline <= now) {
      const ConnectionOrder::Ended ended = order.End(*command);
      ended.sink->OnResult(ended.token,
                           {.status = kv::ResultStatus::kNotOwner});
      continue;
    }
    const RoutedRequest request = {.sink = order.sink(),
                                   .token = command->token,
                                   .redirect = command->redirect,
                                   .deadline = command->deadline};
    const bool routed = owners_.version().value() >= command->waits_for &&
                        !order.outstanding() && !IsBehindAnother(*command) &&
                        route(request, *command);
    if (routed) {
      order.End(*command);
    } else {
      commands_.push_back(command);
    }
  }
}

MonoTime RefusedCommands::next_deadline() const {
  MonoTime next = MonoTime::Max();
  for (const Request* const command : commands_) {
    next = std::min(next, command->deadline);
  }
  return next;
}

}  // namespace quorate::node
