#include "lincheck/formats/pairing.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quorate::lincheck {

absl::Status Pairing::Invoke(const Operation& call, Position position) {
  Process& process = processes_[call.client];
  if (process.retired_line != 0) {
    return BadInput(position,
                    absl::StrCat("process ", call.client,
                                 " invokes, but it is gone since line ",
                                 process.retired_line));
  }
  if (process.open) {
    if (!processes_go_on_) {
      return BadInput(position,
                      absl::StrCat("process ", call.client,
                                   " invokes again: its operation of line ",
                                   process.invoked.line, " has not returned"));
    }
    AddUnknown(&process);
  }
  process.operation = call;
  process.operation.ret = kNever;
  process.invoked = position;
  process.open = true;
  return absl::OkStatus();
}

absl::StatusOr<Operation*> Pairing::Find(uint32_t process, uint8_t function,
                                         Position position) {
  const auto found = processes_.find(process);
  if (found == processes_.end() || !found->second.open) {
    return BadInput(position, absl::StrCat("process ", process,
                                           " returns, but has nothing open"));
  }
  if (found->second.operation.function != function) {
    return BadInput(position,
                    absl::StrCat("process ", process,
                                 " returns from another function than it "
                                 "invoked in line ",
                                 found->second.invoked.line));
  }
  return &found->second.operation;
}

void Pairing::Return(uint32_t process, Time time) {
  Process& entry = processes_[process];
  entry.operation.ret = time;
  history_->Add(entry.operation);
  entry.open = false;
}

void Pairing::Drop(uint32_t process) { processes_[process].open = false; }

void Pairing::Retire(uint32_t process, Position position) {
  Process& entry = processes_[process];
  AddUnknown(&entry);
  entry.retired_line = position.line;
}

void Pairing::Finish() {
  for (auto& [number, process] : processes_) {
    if (process.open) AddUnknown(&process);
  }
}

bool Pairing::Any(absl::FunctionRef<bool(const Operation&)> holds) const {
  const auto operations = history_->operations();
  return std::any_of(operations.begin(), operations.end(), holds) ||
         std::any_of(
             processes_.begin(), processes_.end(), [&](const auto& entry) {
               return entry.second.open && holds(entry.second.operation);
             });
}

void Pairing::AddUnknown(Process* process) {
  process->operation.ret = kNever;
  process->operation.result = {};
  history_->Add(process->operation);
  process->open = false;
}

}  // namespace quorate::lincheck
