// lincheck/formats/pairing.h: makes operations of invocations and returns that
// stand apart, as in the files of Jepsen: at most one open for each process.
#ifndef QUORATE_LINCHECK_FORMATS_PAIRING_H_
#define QUORATE_LINCHECK_FORMATS_PAIRING_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lincheck/formats/window.h"
#include "lincheck/history.h"

namespace quorate::lincheck {

class Pairing {
 public:
  // `history` must outlive the pairing. `processes_go_on`: a process that
  // invokes while an operation of its is open leaves that one behind with
  // unknown outcome; otherwise this is an error.
  Pairing(History* history, bool processes_go_on)
      : history_(history), processes_go_on_(processes_go_on) {}

  // `call`: everything but the return. Its client is the process.
  absl::Status Invoke(const Operation& call, Position position);
  // The open operation that a return of this process belongs to, for its
  // result; it stays open.
  absl::StatusOr<Operation*> Find(uint32_t process, uint8_t function,
                                  Position position);
  // The line in which the operation that Find gave was invoked.
  uint64_t LineOf(uint32_t process) const {
    return processes_.at(process).invoked.line;
  }
  // Ends the open operation. Requires: Find() returned it.
  void Return(uint32_t process, Time time);
  void Drop(uint32_t process);  // It certainly did not take effect.
  // Its outcome is unknown, and the process never comes back.
  void Retire(uint32_t process, Position position);
  // There is no more: what is open has an unknown outcome.
  void Finish();
  // Whether `holds` is true of any operation so far, also of those that are
  // open.
  bool Any(absl::FunctionRef<bool(const Operation&)> holds) const;

 private:
  struct Process {
    Operation operation;
    Position invoked;
    bool open = false;
    uint64_t retired_line = 0;  // 0: not.
  };

  void AddUnknown(Process* process);

  History* const history_;
  const bool processes_go_on_;
  std::map<uint32_t, Process> processes_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_PAIRING_H_
