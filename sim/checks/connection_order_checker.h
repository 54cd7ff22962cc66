// sim/checks/connection_order_checker.h: commands of one connection to one group take effect in the order in which they were sent.
//
// A write takes effect where a log holds it, whenever that is: also if its client was told that its fate is unknown, or waits
// no more. A read takes effect somewhere among the states of its key that have the value it returned. The places of all of
// them must be able to rise in the order of sending. The judge knows neither clients nor stores; it is told what was sent,
// refused, committed and read.
#ifndef QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_
#define QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/functional/any_invocable.h"
#include "env/ids.h"

namespace quorate::sim {

class ConnectionOrderChecker {
 public:
  using Operation = uint64_t;  // The caller's numbers, from 0 without gaps.
  using Position = uint64_t;   // Among all commits, rising, from 1.
  using Report = absl::AnyInvocable<void(std::string)>;
  using Describe = absl::AnyInvocable<std::string(Operation)>;

  ConnectionOrderChecker(Report violate, Describe describe)
      : violate_(std::move(violate)), describe_(std::move(describe)) {}

  // Written to a connection, behind everything that was before. An operation may be sent again, on any connection.
  void OnSent(Operation op, uint64_t connection, GroupId group);
  // What was sent last of it was certainly not executed.
  void OnRefused(Operation op);
  // The write stands in a log at `at`.
  void OnCommitted(Operation op, Position at);
  // The key's value from `at` on, by its hash.
  void OnValue(const std::string& key, Position at, uint64_t value);
  // The read returned that value. One that the key never had is for others to judge.
  void OnRead(Operation op, const std::string& key, uint64_t value);

  // The hash of a key's value before the first OnValue.
  static constexpr uint64_t kNothing = 0;

  // How often there was something to compare with.
  uint64_t writes_checked() const { return writes_checked_; }
  uint64_t reads_checked() const { return reads_checked_; }

 private:
  // The commands of one connection to one group.
  struct Line {
    uint64_t connection = 0;
    GroupId group;
    uint64_t sent = 0;
    // Writes that took effect, by their number in the order of sending; without those before `read_through`.
    std::map<uint64_t, std::pair<Operation, Position>> effects;
    // The last read that returned.
    uint64_t read_through = 0;
    Operation read_op = 0;
    // Its place is not before this, since `floor_op` was sent no later.
    Position floor = 0;
    Operation floor_op = 0;
  };
  struct Send {
    Line* line;
    uint64_t number;
  };
  struct State {
    Position from;
    uint64_t value;
  };

  // An operation of the line that was sent after `number` and took effect.
  bool FindLater(const Line& line, uint64_t number, Operation* later) const;
  void Violate(const Line& line, Operation first, Operation second);

  Report violate_;
  Describe describe_;
  std::map<std::pair<uint64_t, GroupId>, Line> lines_;
  // By operation: where it was sent and may still take effect.
  std::vector<absl::InlinedVector<Send, 1>> sends_;
  // Looked up only. By key, from each write to the next.
  absl::flat_hash_map<std::string, std::vector<State>> states_;
  uint64_t writes_checked_ = 0;
  uint64_t reads_checked_ = 0;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_CONNECTION_ORDER_CHECKER_H_
