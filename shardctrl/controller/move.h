// shardctrl/controller/move.h: a move of slots from one group to another as
// the controller knows it, as a value.
//
// The groups of the source and of the destination do the work, driven by their
// leaders. The controller decides: until it says that the slots are moved, both
// sides can go back, and after it only forward (docs/controller.md).
#ifndef QUORATE_SHARDCTRL_CONTROLLER_MOVE_H_
#define QUORATE_SHARDCTRL_CONTROLLER_MOVE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "env/ids.h"
#include "env/time.h"
#include "raft/core/types.h"
#include "shardctrl/move.h"
#include "shardctrl/partition.h"

namespace quorate::shardctrl {

// Moves that have not ended.
inline constexpr size_t kMovesMax = 4096;
// One group takes part in so many moves at once. The others wait.
inline constexpr size_t kMovesOfGroupMax = 2;
// Moves that have ended stay in a list, the last of them.
inline constexpr size_t kEndedMovesMax = 64;

// The numbers of all enumerations are stored: never renumber them.
enum class MoveState : uint8_t {
  kOpen = 1,
  kActivated = 2,  // The destination owns the slots.
  kCancelled = 3,  // The source keeps them.
};

struct MoveProgress {
  // The leader of the source that reports, and its count of reports in this
  // term. A newer pair replaces an older one.
  NodeId driver = {};
  raft::Term term = {};
  uint64_t report = 0;
  // The phases of both groups. kNone: the group does not know the move yet.
  MovePhase source = MovePhase::kNone;
  MovePhase destination = MovePhase::kNone;
  uint32_t slots_done = 0;
  uint64_t bytes_done = 0;
  uint64_t bytes_total = 0;  // All keys, as of this report.
  uint64_t bytes_per_second = 0;
  uint64_t held_requests = 0;   // Since the freeze.
  Duration longest_pause = {};  // Counts freezes that were given up.
  // Each connection pauses for so long between writes to the slots. Zero: the
  // changes are copied fast enough.
  Duration write_pause = {};
  std::string problem = {};  // The reason why it stands still, or empty.
  friend bool operator==(const MoveProgress&, const MoveProgress&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.driver, self.term, self.report, self.source, self.destination,
          self.slots_done, self.bytes_done, self.bytes_total,
          self.bytes_per_second, self.held_requests, self.longest_pause,
          self.write_pause, self.problem);
  }
};

struct SlotMove {
  MoveId id = {};
  // Sorted, not adjacent. In no other move that has not ended.
  std::vector<SlotRange> slots = {};
  GroupId from = {};
  GroupId to = {};
  WallTime began{0};
  uint64_t rate_max = 0;  // Bytes per second; zero: that of the nodes.
  bool paused = false;
  MoveState decision = MoveState::kOpen;
  std::string reason = {};  // Why it was cancelled.
  MoveProgress progress = {};
  // Once decided: the group has forgotten the move, and what it had for it.
  bool source_ended = false;
  bool destination_ended = false;

  // That of the slots at the destination. Ids rise and are never used twice, so
  // it is above all that the slots have had; the founding has epoch 1.
  SlotEpoch epoch() const { return SlotEpoch(id.value() + 1); }
  bool TakesPart(GroupId group) const { return from == group || to == group; }
  // Something hinders it before its copy, such as a lack of room. So it holds
  // up no other move.
  bool Stands() const {
    return progress.source == MovePhase::kNone && !progress.problem.empty();
  }
  uint32_t SlotCount() const {
    uint32_t count = 0;
    for (SlotRange range : slots) count += range.size();
    return count;
  }
  friend bool operator==(const SlotMove&, const SlotMove&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.id, self.slots, self.from, self.to, self.began, self.rate_max,
          self.paused, self.decision, self.reason, self.progress,
          self.source_ended, self.destination_ended);
  }
};

// A move that both groups have forgotten.
struct EndedMove {
  SlotMove move = {};
  WallTime ended{0};
  friend bool operator==(const EndedMove&, const EndedMove&) = default;
  template <typename Codec, typename Self>
  static void Fields(Codec& codec, Self& self) {
    codec(self.move, self.ended);
  }
};

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_MOVE_H_
