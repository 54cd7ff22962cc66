#include "sim/harness/command_history.h"

#include <deque>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

size_t CommandHistory::Invoke(SimTime now, std::string payload,
                              const std::string& object,
                              lincheck::Operation operation) {
  operation.invoke = now.ns();
  operation.partition = values_.Partition(object);
  commands_.push_back({std::move(payload), operation});
  return commands_.size() - 1;
}

void CommandHistory::Return(size_t command, SimTime now, raft::Index index,
                            lincheck::Value result) {
  commands_[command].index = index;
  commands_[command].operation.ret = now.ns();
  commands_[command].operation.result = result;
}

void CommandHistory::OnApplied(SimTime now, raft::Index index,
                               std::string_view payload) {
  log_.push_back({now, index, std::string(payload)});
}

std::vector<lincheck::Operation> CommandHistory::operations() const {
  std::vector<lincheck::Operation> operations;
  for (const Command& command : commands_) {
    if (!command.withdrawn) operations.push_back(command.operation);
  }
  return operations;
}

std::string CommandHistory::Match(std::vector<const Command*>* in_order) const {
  std::map<raft::Index, const Command*> returned;
  // Commands of unknown outcome, by payload. Those of equal payload may stand
  // for each other, and the one that was invoked first fits if any does.
  std::map<std::string_view, std::deque<const Command*>> unknown;
  for (const Command& command : commands_) {
    if (command.operation.known()) {
      returned[command.index] = &command;
    } else if (!command.withdrawn) {
      unknown[command.payload].push_back(&command);
    }
  }
  std::map<std::string_view, raft::Index> seen;
  for (const Entry& entry : log_) {
    const Command* command = nullptr;
    const auto [before, first] = seen.try_emplace(entry.payload, entry.index);
    const auto it = returned.find(entry.index);
    if (it != returned.end()) {
      command = it->second;
      returned.erase(it);
      if (command->payload != entry.payload ||
          command->operation.ret < entry.time.ns()) {
        return absl::StrCat("acknowledged: entry ", entry.index.value(),
                            " is not the command that its client sent, or was "
                            "applied after the reply");
      }
    } else {
      std::deque<const Command*>& same = unknown[entry.payload];
      if (!same.empty()) {
        command = same.front();
        same.pop_front();
      }
    }
    if (command == nullptr && !first) {
      return absl::StrCat("executed twice: entry ", entry.index.value(),
                          " has the command of entry ", before->second.value(),
                          ", which its client proposed once");
    }
    if (command == nullptr || command->operation.invoke > entry.time.ns()) {
      return absl::StrCat("log: entry ", entry.index.value(),
                          " holds a command that no client sent, or one that "
                          "was refused as not executed");
    }
    in_order->push_back(command);
  }
  if (returned.empty()) return "";
  return absl::StrCat("acknowledged: no replica applied entry ",
                      returned.begin()->first.value(),
                      ", which was acknowledged to a client");
}

std::string CommandHistory::Check(const lincheck::Model& model) const {
  std::vector<const Command*> in_order;
  std::string violation = Match(&in_order);
  if (!violation.empty()) return violation;
  struct Object {
    std::unique_ptr<lincheck::StateSpace> states;
    lincheck::StateId state = 0;
  };
  std::map<uint32_t, Object> objects;
  for (const Command* command : in_order) {
    const lincheck::Operation& operation = command->operation;
    Object& object = objects[operation.partition];
    if (object.states == nullptr) {
      object.states = model.NewStates();
      object.state = object.states->Initial();
    }
    const lincheck::StateId before = object.state;
    object.state = object.states->Step(before, operation);
    if (object.state != lincheck::kImpossible) continue;
    return absl::StrCat(
        "linearizability: ", lincheck::DescribeCall(model, operation), " on ",
        values_.partition_name(operation.partition),
        ", where the log gives the state ", object.states->Describe(before),
        " before it");
  }
  return "";
}

}  // namespace quorate::sim
