#include "shardctrl/controller/remembered.h"

#include <vector>

#include "env/siphash.h"

namespace quorate::shardctrl {
namespace {

template <typename T>
void KeepNewest(size_t count, std::vector<T>* list) {
  if (list->size() <= count) return;
  list->erase(list->begin(), list->end() - static_cast<std::ptrdiff_t>(count));
}

}  // namespace

uint64_t DigestOfOperation(const ControllerCommand& command) {
  return SipHash(SipKey{}, EncodeCommand({command.operation, command.body}));
}

void Remember(const ControllerCommand& command, uint64_t digest,
              WallTime log_time, const ControllerAnswer& answer,
              ClusterState* state) {
  if (IsOperatorsCommand(command)) {
    state->history.push_back({state->version, log_time, Describe(command)});
    KeepNewest(kHistoryMax, &state->history);
  }
  if (command.operation.empty()) return;
  std::erase_if(state->operations, [&](const FinishedOperation& one) {
    return log_time - one.log_time > kOperationsKept;
  });
  state->operations.push_back(
      {command.operation, log_time, digest, EncodeAnswer(answer)});
  KeepNewest(kOperationsMax, &state->operations);
}

}  // namespace quorate::shardctrl
