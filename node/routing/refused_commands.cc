#include "node/routing/refused_commands.h"

#include <algorithm>
#include <utility>

#include "kv/command/result.h"

namespace quorate::node {

bool RefusedCommands::MayHold(kv::Op op) {
  return op != kv::Op::kKeyCount && op != kv::Op::kScan &&
         op != kv::Op::kFlush && !kv::NamesSlots(op);
}

void RefusedCommands::Hold(Request& request, Buffer command) {
  const uint64_t now = owners_.version().value();
  const bool left =
      owners_.RangeOf(request.slot).group != request.order->group();
  if (request.refusal == nullptr) {
    request.refusal = std::make_unique<Refusal>(
        Refusal{.since = loop_.ReadClock().mono, .by = request.order->group()});
    ++pauses_[request.slot].commands;
  }
  Refusal& refusal = *request.refusal;
  request.deadline = refusal.since + leader_wait_;
  // The destination of a move, which the map names before it is ready.
  refusal.again_at = !left && refusal.by != request.order->group()
                         ? loop_.ReadClock().mono + kAgainAfter
                         : MonoTime::Max();
  refusal.waits_for = left ? now : now + 1;
  request.bytes = std::move(command);
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
    Refusal& refusal = *command->refusal;
    const RoutedRequest request = {
        .sink = order.sink(), .token = command->token, .refusal = &refusal};
    if (refusal.again_at <= now) {
      refusal.waits_for = 0;
      refusal.again_at = MonoTime::Max();
    }
    // At its deadline, too: the map may be newer than the way of the command.
    const bool routed = !command->overtaken &&
                        owners_.version().value() >= refusal.waits_for &&
                        !order.outstanding() && !IsBehindAnother(*command) &&
                        route(request, *command);
    if (!routed && !command->overtaken && command->deadline > now) {
      commands_.push_back(command);
      continue;
    }
    NotePause(*command);
    const ConnectionOrder::Ended ended = order.End(*command);
    if (routed) continue;
    ended.sink->OnResult(ended.token, {.status = kv::ResultStatus::kNotOwner});
  }
}

void RefusedCommands::NotePause(const Request& request) {
  Duration& longest = pauses_[request.slot].longest;
  longest = std::max(longest, loop_.ReadClock().mono - request.refusal->since);
}

RefusedCommands::Pauses RefusedCommands::PausesIn(
    absl::Span<const SlotRange> slots) const {
  const auto in = [&](Slot slot) {
    return std::ranges::any_of(
        slots, [&](const SlotRange& range) { return range.Contains(slot); });
  };
  Pauses sum;
  for (const auto& [slot, pauses] : pauses_) {
    if (!in(slot)) continue;
    sum.commands += pauses.commands;
    sum.longest = std::max(sum.longest, pauses.longest);
  }
  const MonoTime now = loop_.ReadClock().mono;
  for (const Request* const command : commands_) {
    if (!in(command->slot)) continue;
    sum.longest = std::max(sum.longest, now - command->refusal->since);
  }
  return sum;
}

void RefusedCommands::KeepPauses(absl::Span<const SlotRange> slots) {
  absl::erase_if(pauses_, [&](const auto& entry) {
    return std::ranges::none_of(slots, [&](const SlotRange& range) {
      return range.Contains(entry.first);
    });
  });
}

MonoTime RefusedCommands::next_deadline() const {
  MonoTime next = MonoTime::Max();
  for (const Request* const command : commands_) {
    next = std::min({next, command->deadline, command->refusal->again_at});
  }
  return next;
}

}  // namespace quorate::node
