// sim/checks/committed_states.h: the states of keys and sessions by the
// committed commands of all groups, computed without the store.
//
// The states of a key are kept with the places and times at which each begins.
// A state ends where the next one begins. The other checkers are rules that
// read these states.
//
// The semantics of each command is defined here a second time, apart from the
// product's. The caller leaves out commands that have no effect:
// - commands on slots of which the group accepts none
// - commands that their session suppresses
// - transactions whose conditions are not met
#ifndef QUORATE_SIM_CHECKS_COMMITTED_STATES_H_
#define QUORATE_SIM_CHECKS_COMMITTED_STATES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "env/ids.h"
#include "env/time.h"
#include "kv/command/command.h"
#include "kv/command/move_command.h"
#include "kv/command/rules.h"
#include "kv/command/session_stamp.h"
#include "kv/command/version.h"
#include "kv/slots/slot_strategy.h"
#include "shardctrl/partition.h"
#include "sim/choices/sim_time.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

class CommittedStates {
 public:
  // The number of a write or an expiry among all of all groups, from 1.
  using Position = uint64_t;
  // The hash of the value of an absent key.
  static constexpr uint64_t kNothing = 0;
  // The hash of the value in a reply to GET: a bulk, or nil.
  static uint64_t HashOf(const ClientReply& reply);

  // A state of a key, from a place and time on: the first replica applied the
  // command then.
  struct State {
    Position from = 0;
    SimTime since;
    uint64_t value = kNothing;  // Its hash.
    std::string begin;          // The first bytes of the value, for people.
    int64_t due_ms = 0;         // Unix time. 0: the key does not expire.
    int64_t life_ms = 0;        // The lifetime that was asked for. 0: unknown.

    bool there() const { return value != kNothing; }
  };
  // The effect of a command.
  struct Effect {
    Position at = 0;
    SimTime time;
    int64_t log_ms = 0;  // The log time of its entry.
    int64_t due_ms = 0;  // The expiry that it asked for. 0: none.
    // The value before, if it has one key. Nullopt: the key was absent.
    std::optional<std::string> before;
    ClientReply reply;  // The reply that its client must receive.
    // It wrote or removed its keys: its conditions (NX, XX, …) were met.
    bool wrote = true;
  };

  // ---- Rules of the cluster. Call these before the first entry.
  void SetSessionRules(const kv::SessionRules& rules) { rules_ = rules; }
  // How the cluster divides its keys.
  void SetSlots(std::shared_ptr<const kv::SlotStrategy> slots) {
    slots_ = std::move(slots);
  }
  // Keys of slots of which the group takes no commands do not expire by its
  // time: the state that moves is older. Without this call it takes all.
  void SetAccepts(absl::AnyInvocable<bool(GroupId, Slot)> accepts) {
    accepts_ = std::move(accepts);
  }

  // ---- Logs. `now` is when the first replica applied the entry.
  // The group committed an entry with this log time.
  void OnEntry(GroupId group, SimTime now, WallTime log_time);
  // Whether a command of the group with a session is carried out. It is carried
  // out once. It is refused in these cases:
  // - below the floor that its client raised in this slot
  // - while too many results of the session are kept
  // - after the session has expired in this slot
  // - if the session is new in this slot, and was opened too long ago or the
  //   slot has no room for it
  bool TakesEffect(GroupId group, const kv::CommandView& command);
  // Whether the condition kCheckVersion on `key` is met. Removals by expiry
  // have no version here. So keys that expire have slots of their own.
  bool VersionMatches(const std::string& key, const kv::CommandView& check);
  // Carries out a write of the last entry, which gives `version` to its keys.
  // Nullopt: no client sends such a command.
  std::optional<Effect> Apply(SimTime now, const kv::Version& version,
                              const kv::CommandView& command);
  // The entry may have made the group take commands of more keys. Those that
  // are due expire with it.
  void OnSlotsChanged(GroupId group, SimTime now) { Expire(group, now); }
  // The slots of the plan went to its destination, whose log time is at least
  // this.
  void OnMoved(const kv::MovePlan& plan, SimTime now, WallTime log_time);

  // ---- States.
  WallTime LogTimeOf(GroupId group) const;
  Slot SlotOf(std::string_view key) const { return slots_->SlotOf(key); }
  // The group of the last write of the key. Zero: there was none.
  GroupId GroupOf(std::string_view key) const;
  // All groups that the key was in. Empty: no group has it yet.
  absl::Span<const GroupId> GroupsOf(std::string_view key) const;
  // Whether that group accepts commands on the key's slot now.
  bool Accepts(std::string_view key) const {
    return !accepts_ || accepts_(GroupOf(key), SlotOf(key));
  }
  // The state that was current at `since`, and all later ones. An absent state
  // without a place is the first one of each key.
  absl::Span<const State> StatesSince(std::string_view key,
                                      SimTime since) const;
  absl::Span<const State> StatesOf(std::string_view key) const;
  // Calls `visit` with each key with this prefix that was written.
  void VisitKeys(std::string_view prefix,
                 absl::FunctionRef<void(const std::string& key)> visit) const;
  // Whether the value with this hash was current at `since` or later.
  bool CurrentSince(std::string_view key, uint64_t value, SimTime since) const;
  // The first position from `floor` on at which the value is current.
  std::optional<Position> FirstFrom(Position floor, std::string_view key,
                                    uint64_t value) const;
  // Whether the key has had a time to expire.
  bool HasHadExpiry(std::string_view key) const;
  // The last position so far.
  Position last() const { return last_; }
  // The number of keys that expired.
  uint64_t expired() const { return expired_; }

 private:
  struct Content {
    std::optional<std::string> value;
    int64_t due_ms = 0;
    int64_t life_ms = 0;
  };
  struct Key {
    void SetGroup(GroupId now) {
      group = now;
      if (groups.empty() || groups.back() != now) groups.push_back(now);
    }

    GroupId group;
    // All that it was in, the last one at the end.
    std::vector<GroupId> groups;
    kv::Version version;  // None: the key is absent.
    Content content;
    std::vector<State> states{State()};
  };
  struct SessionRow {
    kv::Sequence floor;
    std::set<kv::Sequence> done;  // Carried out, from the floor on.
    int64_t expires_ms = 0;       // By log time.
  };
  struct Group {
    WallTime log_time{0};
    // The keys that expire, with their times.
    std::set<std::pair<int64_t, std::string>> due;
  };

  // Carries out a command on one key. Completes `effect` and `next`, the
  // content before. False: no client sends such a command.
  static bool Run(const kv::CommandView& command, std::string_view argument,
                  Effect* effect, Content* next);
  static void RunSet(const kv::CommandView& command, std::string_view value,
                     Effect* effect, Content* next);
  static void RunIncrement(int64_t delta, Effect* effect, Content* next);
  static void RunExpire(const kv::CommandView& command, Effect* effect,
                        Content* next);
  // Returns whether the key was there.
  bool Store(const std::string& name, const kv::Version& version,
             const Effect& effect, Content next);
  // Begins another state of the key.
  static void Append(Key& key, Position at, SimTime now, Content next);
  // Removes what is due by the group's log time.
  void Expire(GroupId group, SimTime now);
  const Key* Find(std::string_view key) const;

  kv::SessionRules rules_;
  std::shared_ptr<const kv::SlotStrategy> slots_ = kv::MakeSlotStrategy({});
  mutable absl::AnyInvocable<bool(GroupId, Slot)> accepts_;
  std::map<GroupId, Group> groups_;
  std::map<std::string, Key, std::less<>> keys_;
  // The states of a key without writes.
  const std::vector<State> never_{State()};
  Position last_ = 0;
  uint64_t expired_ = 0;
  // The version of the last removal in each slot, by commands.
  std::map<Slot, kv::Version> slot_removals_;
  // A session that has expired in a slot stays here, so that it stays expired.
  std::map<Slot, std::map<kv::ClientId, SessionRow>> sessions_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_COMMITTED_STATES_H_
