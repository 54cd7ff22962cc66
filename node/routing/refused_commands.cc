#include "node/routing/refused_commands.h"

#include <algorithm>
#include <utility>

#include "kv/command/result.h"

namespace quorate::node {

bool RefusedCommands::MayHold(kv::Op op) {
  return op != kv::Op::kKeyCount && op != kv::Op::kScan &&
         op != kv::Op::kFlush && !kv::NamesSlots(op);
}

void RefusedCommands::Hold(Command command) {
  const shardctrl::MapVersion now = owners_.version();
  const bool left = owners_.RangeOf(command.slot).group != command.group;
  command.waits_for = left ? now : shardctrl::MapVersion(now.value() + 1);
  ++command.request.sink->routing().refused_commands;
  const auto place = std::ranges::find_if(commands_, [&](const Command& other) {
    return other.request.sink == command.request.sink &&
           other.request.token > command.request.token;
  });
  commands_.insert(place, std::move(command));
}

void RefusedCommands::Overtake(RequestSink* sink, Slot slot, uint64_t token) {
  for (Command& command : commands_) {
    command.overtaken = command.overtaken ||
                        (command.request.sink == sink && command.slot == slot &&
                         command.request.token < token);
  }
}

bool RefusedCommands::IsBehindAnother(const Command& command) const {
  return std::ranges::any_of(commands_, [&](const Command& other) {
    return other.request.sink == command.request.sink &&
           other.slot == command.slot;
  });
}

void RefusedCommands::RouteAgain(
    absl::FunctionRef<bool(const Command&)> route) {
  const MonoTime now = loop_.ReadClock().mono;
  std::vector<Command> commands = std::exchange(commands_, {});
  for (Command& command : commands) {
    RequestSink* const sink = command.request.sink;
    RequestSink::RoutingState& state = sink->routing();
    if (command.overtaken || command.request.deadline <= now) {
      --state.refused_commands;
      sink->OnResult(command.request.token,
                     {.status = kv::ResultStatus::kNotOwner});
      continue;
    }
    const bool routed = owners_.version() >= command.waits_for &&
                        !state.OrderOf(command.group).outstanding() &&
                        !IsBehindAnother(command) && route(command);
    if (routed) {
      --state.refused_commands;
    } else {
      commands_.push_back(std::move(command));
    }
  }
}

MonoTime RefusedCommands::next_deadline() const {
  MonoTime next = MonoTime::Max();
  for (const Command& command : commands_) {
    next = std::min(next, command.request.deadline);
  }
  return next;
}

}  // namespace quorate::node
