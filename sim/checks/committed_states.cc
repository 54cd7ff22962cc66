#include "sim/checks/committed_states.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {

using Type = ClientReply::Type;

constexpr size_t kBeginBytes = 40;

ClientReply Integer(int64_t value) {
  return {.type = Type::kInteger, .integer = value};
}
ClientReply Ok() { return {.type = Type::kSimple, .text = "OK"}; }
ClientReply Bulk(const std::optional<std::string>& value) {
  if (!value.has_value()) return {.type = Type::kNil};
  return {.type = Type::kBulk, .text = *value};
}

bool Has(const kv::CommandView& command, kv::CommandFlags flag) {
  return (command.flags & flag) != 0;
}

// The lifetime that a command gives to its key. 0: it gives a point in time.
int64_t LifeOf(const kv::CommandView& command) {
  return Has(command, kv::kRelativeExpiry) ? command.expire_at_ms : 0;
}

}  // namespace

uint64_t CommittedStates::HashOf(const ClientReply& reply) {
  return reply.type == Type::kBulk ? HashBytes(reply.text) : kNothing;
}

// ---- Logs.

void CommittedStates::OnEntry(GroupId group, SimTime now, WallTime log_time) {
  WallTime& reached = groups_[group].log_time;
  reached = std::max(reached, log_time);
  Expire(group, now);
}

bool CommittedStates::TakesEffect(GroupId group,
                                  const kv::CommandView& command) {
  const kv::SessionToken& token = command.session.token;
  const int64_t now_ms = std::max<int64_t>(LogTimeOf(group).ms(), 0);
  auto& rows = sessions_[command.slot];
  auto found = rows.find(token.client);
  if (found != rows.end() && found->second.expires_ms <= now_ms) {
    rows.erase(found);
    found = rows.end();
  }
  if (found == rows.end()) {
    const int64_t left_ms = token.open_until_ms - now_ms;
    if (left_ms < 0 || left_ms >= rules_.lifetime.ms()) return false;
    const bool is_key = kv::IsKeySession(token.client);
    const auto takes_room = [&](const auto& row) {
      return row.second.expires_ms > now_ms &&
             kv::IsKeySession(row.first) == is_key;
    };
    const ptrdiff_t most =
        is_key ? rules_.keys_per_slot_max : rules_.rows_per_slot_max;
    if (std::ssize(rows) >= most &&
        std::count_if(rows.begin(), rows.end(), takes_room) >= most) {
      return false;
    }
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

bool CommittedStates::VersionMatches(const std::string& key,
                                     const kv::CommandView& check) {
  const Key* const watched = Find(key);
  const kv::Version found =
      watched == nullptr ? kv::Version() : watched->version;
  const bool absent = Has(check, kv::kIfAbsent);
  if (absent && !found.none()) return false;
  return (absent ? slot_removals_[check.slot] : found) == check.expected;
}

std::optional<CommittedStates::Effect> CommittedStates::Apply(
    SimTime now, const kv::Version& version, const kv::CommandView& command) {
  Effect effect{
      .at = ++last_, .time = now, .log_ms = LogTimeOf(version.group).ms()};
  if (command.has_expiry) effect.due_ms = kv::DueOf(command, effect.log_ms);
  kv::ArgumentReader arguments = command.arguments;
  if (command.op == kv::Op::kMSet && command.flags == 0) {
    while (arguments.count() > 0) {
      const std::string name(arguments.Next());
      Store(name, version, effect, {.value = std::string(arguments.Next())});
    }
    effect.reply = Ok();
    return effect;
  }
  if (arguments.count() == 0) return std::nullopt;
  const std::string name(arguments.Next());
  const Key* const key = Find(name);
  Content next = key == nullptr ? Content() : key->content;
  effect.before = next.value;
  if (command.op == kv::Op::kDel) {
    int64_t removed = Store(name, version, effect, {});
    while (arguments.count() > 0) {
      removed += Store(std::string(arguments.Next()), version, effect, {});
    }
    effect.reply = Integer(removed);
    return effect;
  }
  const std::string_view argument =
      arguments.count() == 0 ? std::string_view() : arguments.Next();
  if (!Run(command, argument, &effect, &next)) return std::nullopt;
  if (effect.wrote) {
    Store(name, version, effect, std::move(next));
  } else {
    keys_[name].SetGroup(version.group);
  }
  return effect;
}

bool CommittedStates::Run(const kv::CommandView& command,
                          std::string_view argument, Effect* effect,
                          Content* next) {
  switch (command.op) {
    case kv::Op::kSet:
      RunSet(command, argument, effect, next);
      return true;
    case kv::Op::kAppend:
      if (!next->value.has_value()) next->value.emplace();
      next->value->append(argument);
      effect->reply = Integer(static_cast<int64_t>(next->value->size()));
      return true;
    case kv::Op::kIncrBy:
      RunIncrement(command.numbers[0], effect, next);
      return true;
    case kv::Op::kGetDel:
      effect->reply = Bulk(effect->before);
      *next = {};
      return true;
    case kv::Op::kExpireAt:
      RunExpire(command, effect, next);
      return true;
    case kv::Op::kPersist:
      effect->wrote = next->due_ms != 0;
      effect->reply = Integer(effect->wrote ? 1 : 0);
      next->due_ms = 0;
      return true;
    default:
      return false;
  }
}

void CommittedStates::RunSet(const kv::CommandView& command,
                             std::string_view value, Effect* effect,
                             Content* next) {
  const bool there = next->value.has_value();
  effect->wrote = (!Has(command, kv::kIfAbsent) || !there) &&
                  (!Has(command, kv::kIfPresent) || there);
  effect->reply = Has(command, kv::kReturnOld) ? Bulk(effect->before)
                  : effect->wrote              ? Ok()
                                               : ClientReply();
  next->value = std::string(value);
  if (!Has(command, kv::kKeepExpiry)) {
    next->due_ms = effect->due_ms;
    next->life_ms = LifeOf(command);
  }
  // Its time is over.
  if (next->due_ms != 0 && next->due_ms <= effect->log_ms) *next = {};
}

// Adds to a text of digits. An absent key counts as 0.
void CommittedStates::RunIncrement(int64_t delta, Effect* effect,
                                   Content* next) {
  int64_t value = 0;
  effect->wrote =
      (!next->value.has_value() || absl::SimpleAtoi(*next->value, &value)) &&
      !__builtin_add_overflow(value, delta, &value);
  effect->reply =
      effect->wrote ? Integer(value) : ClientReply{.type = Type::kError};
  next->value = absl::StrCat(value);
}

void CommittedStates::RunExpire(const kv::CommandView& command, Effect* effect,
                                Content* next) {
  const int64_t old = next->due_ms;
  const int64_t fresh = effect->due_ms;
  // A key without expiry counts as expiring infinitely late.
  effect->wrote =
      next->value.has_value() && (!Has(command, kv::kIfAbsent) || old == 0) &&
      (!Has(command, kv::kIfPresent) || old != 0) &&
      (!Has(command, kv::kIfGreater) || (old != 0 && fresh > old)) &&
      (!Has(command, kv::kIfLess) || old == 0 || fresh < old);
  effect->reply = Integer(effect->wrote ? 1 : 0);
  next->due_ms = fresh;
  next->life_ms = LifeOf(command);
  if (fresh <= effect->log_ms) *next = {};
}

bool CommittedStates::Store(const std::string& name, const kv::Version& version,
                            const Effect& effect, Content next) {
  Key& key = keys_[name];
  const bool was_there = key.content.value.has_value();
  const bool is_there = next.value.has_value();
  if (was_there && !is_there) slot_removals_[SlotOf(name)] = version;
  key.version = is_there ? version : kv::Version();
  groups_[key.group].due.erase({key.content.due_ms, name});
  if (next.value != key.content.value || next.due_ms != key.content.due_ms) {
    Append(key, effect.at, effect.time, std::move(next));
  }
  key.SetGroup(version.group);
  const int64_t due_ms = key.content.due_ms;
  if (due_ms != 0) groups_[key.group].due.insert({due_ms, name});
  return was_there;
}

void CommittedStates::Append(Key& key, Position at, SimTime now, Content next) {
  const bool there = next.value.has_value();
  key.states.push_back(
      {.from = at,
       .since = now,
       .value = there ? HashBytes(*next.value) : kNothing,
       .begin = there ? next.value->substr(0, kBeginBytes) : "",
       .due_ms = next.due_ms,
       .life_ms = next.life_ms});
  key.content = std::move(next);
}

void CommittedStates::Expire(GroupId group, SimTime now) {
  auto& [log_time, due] = groups_[group];
  for (auto it = due.begin(); it != due.end() && it->first <= log_time.ms();) {
    if (accepts_ && !accepts_(group, SlotOf(it->second))) {
      ++it;
      continue;
    }
    ++expired_;
    Key& key = keys_.at(it->second);
    key.version = {};
    Append(key, ++last_, now, {});
    it = due.erase(it);
  }
}

// The destination may not take back the time that the source has shown.
void CommittedStates::OnMoved(const kv::MovePlan& plan, SimTime now,
                              WallTime log_time) {
  Group& to = groups_[plan.to];
  for (auto& [name, key] : keys_) {
    if (key.group != plan.from || !kv::Contains(plan, SlotOf(name))) continue;
    key.SetGroup(plan.to);
    auto moved = groups_[plan.from].due.extract({key.content.due_ms, name});
    if (!moved.empty()) to.due.insert(std::move(moved));
  }
  to.log_time = std::max(to.log_time, log_time);
  Expire(plan.to, now);
}

// ---- States.

const CommittedStates::Key* CommittedStates::Find(std::string_view key) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? nullptr : &found->second;
}

WallTime CommittedStates::LogTimeOf(GroupId group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? WallTime(0) : found->second.log_time;
}

GroupId CommittedStates::GroupOf(std::string_view key) const {
  const Key* const found = Find(key);
  return found == nullptr ? GroupId() : found->group;
}

absl::Span<const GroupId> CommittedStates::GroupsOf(
    std::string_view key) const {
  const Key* const found = Find(key);
  if (found == nullptr) return {};
  return found->groups;
}

absl::Span<const CommittedStates::State> CommittedStates::StatesOf(
    std::string_view key) const {
  const Key* const found = Find(key);
  return found == nullptr ? never_ : found->states;
}

absl::Span<const CommittedStates::State> CommittedStates::StatesSince(
    std::string_view key, SimTime since) const {
  const absl::Span<const State> states = StatesOf(key);
  size_t current = states.size() - 1;
  while (current > 0 && states[current].since >= since) --current;
  return states.subspan(current);
}

void CommittedStates::VisitKeys(
    std::string_view prefix,
    absl::FunctionRef<void(const std::string& key)> visit) const {
  for (auto key = keys_.lower_bound(prefix);
       key != keys_.end() && key->first.starts_with(prefix); ++key) {
    visit(key->first);
  }
}

bool CommittedStates::CurrentSince(std::string_view key, uint64_t value,
                                   SimTime since) const {
  return std::ranges::any_of(StatesSince(key, since), [&](const State& state) {
    return state.value == value;
  });
}

std::optional<CommittedStates::Position> CommittedStates::FirstFrom(
    Position floor, std::string_view key, uint64_t value) const {
  const absl::Span<const State> states = StatesOf(key);
  // The state at the floor is the last one that begins no later.
  const auto later = std::upper_bound(
      states.begin(), states.end(), floor,
      [](Position at, const State& state) { return at < state.from; });
  for (auto state = later - 1; state != states.end(); ++state) {
    if (state->value == value) return std::max(state->from, floor);
  }
  return std::nullopt;
}

bool CommittedStates::HasHadExpiry(std::string_view key) const {
  return std::ranges::any_of(
      StatesOf(key), [](const State& state) { return state.due_ms != 0; });
}

}  // namespace quorate::sim
