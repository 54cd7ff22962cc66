// sim/checks/log_replay.h: what the committed commands make of keys and
// sessions, computed without the store.
#ifndef QUORATE_SIM_CHECKS_LOG_REPLAY_H_
#define QUORATE_SIM_CHECKS_LOG_REPLAY_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "kv/slots/slot_strategy.h"
#include "lincheck/history.h"
#include "lincheck/models/kv.h"
#include "shardctrl/partition.h"

namespace quorate::sim {

class LogReplay {
 public:
  void SetSessionRules(const kv::SessionRules& rules) { rules_ = rules; }
  // How the cluster divides its keys.
  void SetSlots(std::shared_ptr<const kv::SlotStrategy> slots) {
    slots_ = std::move(slots);
  }

  // The value of a key before and after a command. `after` is valid until the
  // next command.
  struct Effect {
    lincheck::Datum before;
    const lincheck::Datum& after;
  };

  // Whether a command with a session, in an entry of this log time, is carried
  // out. A command is carried out once. It is refused in these cases:
  // - below the floor that its client raised in this slot
  // - while too many results of the session are kept
  // - after the session has expired in this slot
  // - if the session is new in this slot, and was opened too long ago or the
  //   slot has no room for it
  bool TakesEffect(const kv::CommandView& command, WallTime log_time);
  // Carries out `op`. `version` is the version that it gives to the key.
  Effect Apply(const std::string& key, const kv::Version& version,
               const lincheck::Operation& op);
  // Whether the condition kCheckVersion on `key` is met.
  bool VersionMatches(const std::string& key, const kv::CommandView& check);

 private:
  struct SessionRow {
    kv::Sequence floor;
    std::set<kv::Sequence> done;  // Carried out, from the floor on.
    int64_t expires_ms = 0;       // By log time.
  };

  kv::SessionRules rules_;
  std::shared_ptr<const kv::SlotStrategy> slots_ = kv::MakeSlotStrategy({});
  std::map<std::string, lincheck::Datum> values_;
  // Versions of the keys that exist.
  std::map<std::string, kv::Version> versions_;
  // The version of the last removal in each slot. Keys that expire have slots
  // of their own.
  std::map<Slot, kv::Version> slot_removals_;
  // A session that has expired in a slot stays here, so that it stays expired.
  std::map<Slot, std::map<kv::ClientId, SessionRow>> sessions_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_LOG_REPLAY_H_
