#include "sim/checks/committed_entry.h"

#include <string_view>

namespace quorate::sim {

void NoteCommitted(GroupId group, const raft::Entry& entry,
                   const Leaderships::Led& led, Recorder* recorder) {
  const bool commands = entry.kind == raft::EntryKind::kCommands;
  recorder->log().OnCommitted(
      group, entry.index,
      {.term = entry.term,
       .log_time = entry.log_time,
       .bounded = entry.leader_wall.bounded(),
       .leader = led.leader,
       .led_since = led.since},
      commands ? entry.payload.view() : std::string_view());
}

}  // namespace quorate::sim
