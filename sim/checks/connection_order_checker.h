// sim/checks/connection_order_checker.h: checks that commands of one connection
// to one group take effect in the order in which they were sent.
//
// A write takes effect at its place in the log, even if its client has stopped
// waiting or knows its outcome as unknown. A read takes effect at any place
// where its key has the value that it returned. There must be a choice of
// places that rises in the order of sending. The checker knows neither clients
// nor stores: its caller reports what was sent, refused, committed and read.
#ifndef QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_
#define QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"
#include "shardctrl/partition.h"
#include "sim/checks/committed_states.h"

namespace quorate::sim {

class ConnectionOrderChecker {
 public:
  // A number that the caller assigns, from 0 without gaps.
  using Operation = uint64_t;
  using Position = CommittedStates::Position;
  using Report = absl::AnyInvocable<void(std::string)>;
  using Describe = absl::AnyInvocable<std::string(Operation)>;

  // `states` outlives the checker.
  ConnectionOrderChecker(Report violate, Describe describe,
                         const CommittedStates* states)
      : violate_(std::move(violate)),
        describe_(std::move(describe)),
        states_(states) {}

  // The operation was written to a connection, after all earlier ones. An
  // operation may be sent again, on any connection. Operations of a connection
  // to one group and slot must keep their order.
  void OnSent(Operation op, uint64_t connection, GroupId group,
              Slot slot = Slot());
  // The operation was not executed where it was sent last on this connection.
  // Nothing happens if it was never written there.
  void OnRefused(Operation op, uint64_t connection);
  // The write was committed at `at`.
  void OnCommitted(Operation op, Position at);
  // The read returned the value with this hash. A value that the key never had
  // is ignored: other checkers report it.
  void OnRead(Operation op, const std::string& key, uint64_t value);

  // The number of writes and reads that were compared with others.
  uint64_t writes_checked() const { return writes_checked_; }
  uint64_t reads_checked() const { return reads_checked_; }

 private:
  // The commands of one connection to one group and slot.
  struct Line {
    uint64_t connection = 0;
    GroupId group;
    uint64_t sent = 0;
    // Writes that took effect, by their number in the order of sending. Writes
    // before `read_through` are left out.
    std::map<uint64_t, std::pair<Operation, Position>> effects;
    // The last read that returned.
    uint64_t read_through = 0;
    Operation read_op = 0;
    // The place of that read is not before `floor`, because `floor_op` was sent
    // no later.
    Position floor = 0;
    Operation floor_op = 0;
  };
  struct Send {
    Line* line;
    uint64_t number;
  };

  // An operation of the line that was sent after `number` and took effect.
  bool FindLater(const Line& line, uint64_t number, Operation* later) const;
  void Violate(const Line& line, Operation first, Operation second);

  Report violate_;
  Describe describe_;
  const CommittedStates* const states_;
  std::map<std::tuple<uint64_t, GroupId, Slot>, Line> lines_;
  // For each operation, the sends that may still take effect.
  std::vector<absl::InlinedVector<Send, 1>> sends_;
  uint64_t writes_checked_ = 0;
  uint64_t reads_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_
