#include "sim/checks/log_replay.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <utility>

#include "kv/command/session_stamp.h"

namespace quorate::sim {

using lincheck::Kv;

bool LogReplay::TakesEffect(const kv::CommandView& command, WallTime log_time) {
  const kv::SessionToken& token = command.session.token;
  const int64_t now_ms = std::max<int64_t>(log_time.ms(), 0);
  auto& rows = sessions_[command.slot];
  const auto found = rows.find(token.client);
  if (found == rows.end()) {
    const int64_t left_ms = token.open_until_ms - now_ms;
    if (left_ms < 0 || left_ms >= rules_.lifetime.ms()) return false;
    const bool separate = rules_.keys_per_slot_max > 0;
    const bool is_key = separate && kv::IsKeySession(token.client);
    const auto takes_room = [&](const auto& row) {
      return row.second.expires_ms > now_ms &&
             (!separate || kv::IsKeySession(row.first) == is_key);
    };
    const ptrdiff_t most =
        is_key ? rules_.keys_per_slot_max : rules_.rows_per_slot_max;
    if (std::ssize(rows) >= most &&
        std::count_if(rows.begin(), rows.end(), takes_room) >= most) {
      return false;
    }
  } else if (found->second.expires_ms <= now_ms) {
    return false;
  }
  SessionRow& row = rows[token.client];
  const kv::Sequence sequence = command.session.sequence;
  if (sequence < row.floor) return false;
  const bool known = row.done.contains(sequence);
  const auto open = row.done.lower_bound(command.session.floor);
  if (!known && std::distance(open, row.done.end()) >=
                    static_cast<ptrdiff_t>(kv::kSessionOutstandingMax)) {
    return false;
  }
  // A use extends the lifetime to a whole second.
  const int64_t end_ms = now_ms + rules_.lifetime.ms();
  row.expires_ms = std::max(row.expires_ms, (end_ms + 999) / 1000 * 1000);
  row.floor = std::max(row.floor, command.session.floor);
  row.done.erase(row.done.begin(), open);
  if (!known) row.done.insert(sequence);
  return !known;
}

LogReplay::Effect LogReplay::Apply(const std::string& key,
                                   const kv::Version& version,
                                   const lincheck::Operation& op) {
  lincheck::Datum& value = values_[key];
  lincheck::Datum before = value;
  Kv().Step(value, op);
  const bool wrote = op.function == Kv::kCas           ? before.is_nil()
                     : op.function == Kv::kPutIfExists ? !before.is_nil()
                                                       : !value.is_nil();
  if (value.is_nil()) {
    if (versions_.erase(key) > 0) slot_removals_[slots_->SlotOf(key)] = version;
  } else if (wrote) {
    versions_[key] = version;
  }
  return {std::move(before), value};
}

bool LogReplay::VersionMatches(const std::string& key,
                               const kv::CommandView& check) {
  const auto it = versions_.find(key);
  const kv::Version found = it == versions_.end() ? kv::Version() : it->second;
  const bool absent = (check.flags & kv::kIfAbsent) != 0;
  if (absent && !found.none()) return false;
  return (absent ? slot_removals_[check.slot] : found) == check.expected;
}

}  // namespace quorate::sim
