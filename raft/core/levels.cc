// The level of a group. Members announce what they know, and the leader raises
// it. A replica whose program does not know the level halts.
#include <algorithm>
#include <optional>

#include "env/check.h"
#include "raft/core/configuration.h"
#include "raft/core/core_impl.h"

namespace quorate::raft {

void Core::Impl::RaiseLevelIfAnnounced() {
  const Leader* leader = LeaderOrNull();
  if (leader == nullptr || context_.known_level <= log_.configuration().level ||
      RefuseAnyChange().has_value()) {
    return;
  }
  Level level = context_.known_level;
  for (const Progress& member : leader->members) {
    level = std::min(level, member.known_level());
  }
  if (level <= log_.configuration().level) return;
  Configuration raised = log_.configuration();
  raised.level = level;
  const std::optional<Refused::Reason> refusal = Change(raised);
  CHECK(!refusal.has_value()) << static_cast<int>(*refusal);
}

bool Core::Impl::Knows(const Entry& entry) const {
  if (entry.version != kEntryVersion || entry.flags != 0 ||
      entry.index == log_.unknown_configuration()) {
    return false;
  }
  switch (entry.kind) {
    case EntryKind::kNoop:
      return true;
    case EntryKind::kConfiguration:
      return KnowsLevels(log_.ConfigurationAt(entry.index),
                         context_.known_level);
    case EntryKind::kCommands:
      return context_.gate == nullptr || context_.gate->CanApply(entry);
  }
  return false;
}

// A snapshot that is arriving would install what this program does not know.
void Core::Impl::HaltBefore(Index index) {
  halted_at_ = index;
  if (incoming_snapshot_.has_value()) DiscardIncomingSnapshot();
  Emit(Event::Kind::kHalted, index);
}

}  // namespace quorate::raft
