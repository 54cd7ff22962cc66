// node/base/turn_work.h: the work that all connections of a node do in one turn
// of its loop.
//
// Work is counted in units of about 100 ns of a processor of 2020: by requests,
// keys and bytes, never by a clock. So a node does the same in every run. If
// the work of a turn is done, connections continue in the next turn. One object
// per node.
#ifndef QUORATE_NODE_BASE_TURN_WORK_H_
#define QUORATE_NODE_BASE_TURN_WORK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "env/loop.h"
#include "env/time.h"

namespace quorate::node {

class TurnWork {
 public:
  // Costs, in units.
  static constexpr uint64_t kRequest = 5;  // Parsing and routing.
  static constexpr uint64_t kRead = 5;     // A read of one key, and its reply.
  static constexpr uint64_t kHttpRequest = 20;
  static constexpr uint64_t kScannedKey = 3;
  // An argument of a queued command: its slot, its encoding, and the sizes of
  // what is stored there.
  static constexpr uint64_t kExecArgument = 3;
  static constexpr uint64_t kLookup = 1;            // A value's size.
  static constexpr uint64_t kDescribedClient = 60;  // A line of CLIENT LIST.
  // Slots of which the keys are counted, and bytes of a reply that is written,
  // for each unit.
  static constexpr uint64_t kSlotsPerUnit = 64;
  static constexpr uint64_t kBytesPerUnit = 16;
  // Bytes of values that are copied, for each unit.
  static constexpr uint64_t kCopiedBytesPerUnit = 64;
  // Arguments of a request that are copied, for each unit beside their bytes.
  static constexpr uint64_t kCopiedArgumentsPerUnit = 8;
  static constexpr uint64_t kGlobStepsPerUnit = 64;
  // Bytes of a pattern that is read, for each unit.
  static constexpr uint64_t kPatternBytesPerUnit = 8;
  // For each unit: names that are compared with a pattern, groups of which a
  // number is read, and connections that are visited.
  static constexpr uint64_t kShortMatchesPerUnit = 4;
  static constexpr uint64_t kGroupsPerUnit = 4;
  static constexpr uint64_t kConnectionsPerUnit = 8;

  // A read with so many keys. Those without any count as one.
  static constexpr uint64_t OfRead(size_t keys) {
    return kRead * std::max<size_t>(1, keys);
  }

  // `units_max`: after this much work, no further work begins in a step of a
  // turn (env/loop.h). The last piece of work may exceed it.
  TurnWork(env::Loop& loop, uint64_t units_max)
      : loop_(loop), units_max_(units_max) {}
  TurnWork(const TurnWork&) = delete;
  TurnWork& operator=(const TurnWork&) = delete;

  void Add(uint64_t units) {
    NoteTime();
    units_ += units;
    if (units_ > longest_) longest_ = units_;
  }
  bool exhausted() {
    NoteTime();
    return units_ >= units_max_;
  }
  // A later turn has begun, perhaps at the same time.
  void Begin() { units_ = 0; }
  // The most work of one step of a turn so far.
  uint64_t longest() const { return longest_; }

 private:
  // Time stands still within a step of a turn.
  void NoteTime() {
    const MonoTime now = loop_.ReadClock().mono;
    if (now == time_) return;
    time_ = now;
    units_ = 0;
  }

  env::Loop& loop_;
  const uint64_t units_max_;
  MonoTime time_ = MonoTime::Min();
  uint64_t units_ = 0;
  uint64_t longest_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_TURN_WORK_H_
