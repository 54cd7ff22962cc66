#include "sim/checks/stale_read_checker.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {

void StaleReadChecker::OnEntry(GroupId group, raft::Index index, SimTime now) {
  entries_[group].resize(index.value(), {now, states_->last()});
}

// A clock that stands still does not count that time. The bound moves back by
// it, and so does the time that is looked at.
StaleReadChecker::Position StaleReadChecker::BoundOf(const Sent& sent) {
  if (!sent.newest_missing.has_value() || !lost_) return 0;
  SimTime by = *sent.newest_missing;
  SimTime before = SimTime::Max();
  while (by != before) {
    before = std::exchange(by, *sent.newest_missing - lost_(sent.node, by));
  }
  // Positions are those of all groups together.
  Position last = 0;
  for (const auto& [group, entries] : entries_) {
    if (sent.group != GroupId() && sent.group != group) continue;
    const auto after = std::partition_point(
        entries.begin(), entries.end(),
        [&](const Entry& entry) { return entry.committed < by; });
    if (after != entries.begin()) last = std::max(last, std::prev(after)->last);
  }
  return last;
}

void StaleReadChecker::OnMoved(const kv::MovePlan& plan, raft::Index index) {
  for (const SlotRange& range : plan.slots) {
    for (uint32_t i = 0; i < range.size(); ++i) {
      const Slot slot(static_cast<uint16_t>(range.first.value() + i));
      Owner& owner = moved_[slot];
      owner.group = plan.to;
      owner.index = index;
      owner.before = states_->last();
      owner.former.erase(plan.to);
      owner.former[plan.from] = raft::Index(entries_[plan.from].size());
    }
  }
}

void StaleReadChecker::OnApplied(NodeId node, GroupId group,
                                 raft::Index index) {
  Replica& replica = replicas_[{node, group}];
  // One that was dropped and made again begins before the last entry.
  if (index == raft::Index() || index < replica.applied) ++replica.starts;
  replica.applied = index;
}

bool StaleReadChecker::IsBehind(NodeId node, const Owner& owner) const {
  return std::any_of(
      owner.former.begin(), owner.former.end(), [&](const auto& former) {
        const auto replica = replicas_.find({node, former.first});
        return replica != replicas_.end() &&
               replica->second.applied < former.second;
      });
}

uint64_t StaleReadChecker::StartsOn(NodeId node) const {
  uint64_t starts = 0;
  for (auto at = replicas_.lower_bound({node, GroupId()});
       at != replicas_.end() && at->first.first == node; ++at) {
    starts += at->second.starts;
  }
  return starts;
}

StaleReadChecker::Sent StaleReadChecker::Send(NodeId node, GroupId founder,
                                              Slot slot) const {
  const auto moved = moved_.find(slot);
  const bool has_moved = moved != moved_.end();
  const GroupId group = has_moved ? moved->second.group : founder;
  Sent sent{.node = node, .group = has_moved ? GroupId() : group};
  const auto replica = replicas_.find({node, group});
  const auto entries = entries_.find(group);
  if (has_moved && !IsBehind(node, moved->second)) {
    sent.moved = moved->second.before;
    sent.node_starts = StartsOn(node);
  }
  if (replica == replicas_.end()) return sent;
  const uint64_t applied = replica->second.applied.value();
  if (has_moved && (applied < moved->second.index.value() ||
                    IsBehind(node, moved->second))) {
    return sent;
  }
  sent.group = group;
  sent.starts = replica->second.starts;
  if (entries == entries_.end() || applied == 0) return sent;
  CHECK_LE(applied, entries->second.size());
  sent.applied = entries->second[applied - 1].last;
  return sent;
}

void StaleReadChecker::OnReply(const Sent& sent, const std::string& key,
                               const ClientReply& reply) {
  const bool number = reply.type == ClientReply::Type::kInteger;
  if (entries_.empty() || (number && sent.number)) return;
  const bool found = reply.type == ClientReply::Type::kBulk;
  // A replica whose own clock says that a key is due returns nil before the log
  // removes the key.
  if (!found && !number && states_->HasHadExpiry(key)) return;
  ++checked_;
  const uint64_t value = CommittedStates::HashOf(reply);
  const auto replica = replicas_.find({sent.node, sent.group});
  const bool same =
      replica != replicas_.end() && replica->second.starts == sent.starts;
  const Position bound = BoundOf(sent);
  Position applied = same ? sent.applied : 0;
  if (sent.moved > 0 && sent.node_starts == StartsOn(sent.node)) {
    applied = std::max(applied, sent.moved);
  }
  if (!number && states_->FirstFrom(std::max(applied, bound), key, value)) {
    return;
  }
  violate_(absl::StrCat(
      "stale read: node ", sent.node.value(), " returned ",
      reply.ToString().substr(0, 60), " for ", key,
      number || !states_->FirstFrom(0, key, value) ? ", which the key never had"
      : states_->FirstFrom(applied, key, value)
          ? ", which is older than the bound of the read"
          : ", which is older than the replica's state when the read was "
            "sent"));
}

}  // namespace quorate::sim
