// node/base/turn_work.h: the work that all connections of a node do in one turn
// of its loop.
//
// Work is counted in units of about 100 ns of a processor of 2020: by requests,
// keys and bytes, never by a clock. So a node does the same in every run. If
// the work of a step is done (env/turn_meter.h), connections continue in the
// next turn. One object per node.
#ifndef QUORATE_NODE_BASE_TURN_WORK_H_
#define QUORATE_NODE_BASE_TURN_WORK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "env/turn_meter.h"

namespace quorate::node {

class TurnWork : public env::TurnMeter {
 public:
  using TurnMeter::TurnMeter;

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
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_TURN_WORK_H_
