// sim/checks/log_replay.h: what the committed commands make of keys and
// sessions, computed without the store.
#ifndef QUORATE_SIM_CHECKS_LOG_REPLAY_H_
#define QUORATE_SIM_CHECKS_LOG_REPLAY_H_

#include <map>
#include <set>
#include <string>
#include <utility>

#include "kv/command/command.h"
#include "kv/command/session_stamp.h"
#include "lincheck/history.h"
#include "lincheck/models/kv.h"
#include "shardctrl/partition.h"

namespace quorate::sim {

class LogReplay {
 public:
  // The value of a key before and after a command.
  struct Effect {
    lincheck::Datum before;
    lincheck::Datum after;
  };

  // Whether a command with a session is carried out. A command is carried out
  // once. It is refused below the floor that its client raised in this slot,
  // and while too many results of the session are kept.
  bool TakesEffect(const kv::CommandView& command);
  // Carries out `op`. `version` is the version that it gives to the key.
  Effect Apply(const std::string& key, const kv::Version& version,
               const lincheck::Operation& op);
  // Whether the condition kCheckVersion on `key` is met.
  bool VersionMatches(const std::string& key, const kv::CommandView& check);

 private:
  struct SessionRow {
    kv::Sequence floor;
    std::set<kv::Sequence> done;  // Carried out, from the floor on.
  };

  std::map<std::string, lincheck::Datum> values_;
  // Versions of the keys that exist.
  std::map<std::string, kv::Version> versions_;
  // The version of the last removal in each slot. Keys that expire have slots
  // of their own.
  std::map<Slot, kv::Version> slot_removals_;
  std::map<std::pair<Slot, kv::ClientId>, SessionRow> sessions_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LOG_REPLAY_H_
