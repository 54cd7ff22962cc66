// raft/host/texts/event_lines.h: the log lines of one replica about its group:
// elections, leaders, and members that come and go. Used only by the replica.
#ifndef QUORATE_RAFT_HOST_TEXTS_EVENT_LINES_H_
#define QUORATE_RAFT_HOST_TEXTS_EVENT_LINES_H_

#include <string>

#include "env/tracer.h"
#include "raft/core/core.h"
#include "raft/core/types.h"

namespace quorate::raft {

class EventLines {
 public:
  // `tracer` outlives the object.
  EventLines(env::Tracer& tracer, GroupKey key) : tracer_(tracer), key_(key) {}

  // The members with which the replica begins. They need no line.
  void SetMembers(const Core& core);
  // Requires: the event is of the last Step of `core`.
  void OnEvent(const Core& core, const Event& event);

 private:
  void OnRole(const Event& event);
  void OnLeader(const Core& core, const Event& event);
  void OnMembers(const Core& core, Index index);
  template <typename... Parts>
  void Log(const Parts&... parts);

  env::Tracer& tracer_;
  const GroupKey key_;
  std::string members_;  // Those of the last line about them.
  bool leads_ = false;
  // It asks for votes, and no leader was known since. The next rounds of a
  // replica that is cut off need no lines.
  bool asks_ = false;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_TEXTS_EVENT_LINES_H_
