#include "sim/checks/stale_read_checker.h"

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "sim/checks/expiry_checker.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {

void StaleReadChecker::OnEntry(GroupId group, raft::Index index,
                               Position last) {
  entries_[group].resize(index.value(), last);
}

void StaleReadChecker::OnApplied(NodeId node, GroupId group,
                                 raft::Index index) {
  Replica& replica = replicas_[{node, group}];
  replica.applied = index;
  if (index == raft::Index()) ++replica.starts;
}

StaleReadChecker::Sent StaleReadChecker::Send(NodeId node,
                                              GroupId group) const {
  Sent sent{.node = node, .group = group};
  const auto replica = replicas_.find({node, group});
  const auto entries = entries_.find(group);
  if (replica == replicas_.end()) return sent;
  sent.starts = replica->second.starts;
  const uint64_t applied = replica->second.applied.value();
  if (entries == entries_.end() || applied == 0) return sent;
  CHECK_LE(applied, entries->second.size());
  sent.applied = entries->second[applied - 1];
  return sent;
}

void StaleReadChecker::OnReply(const Sent& sent, const std::string& key,
                               const ClientReply& reply) {
  if (entries_.empty()) return;
  // TTL and EXISTS, which only keys that may expire are asked for.
  const bool number = reply.type == ClientReply::Type::kInteger;
  if (number && ExpiryChecker::Covers(key)) return;
  const bool found = reply.type == ClientReply::Type::kBulk;
  // A replica whose own clock says that a key is due returns nil before the log
  // removes the key.
  if (!found && may_expire_ && may_expire_(key)) return;
  const uint64_t value = found ? HashBytes(reply.text) : ValueHistory::kNothing;
  const auto replica = replicas_.find({sent.node, sent.group});
  const bool same =
      replica != replicas_.end() && replica->second.starts == sent.starts;
  if (!number && values_->FirstFrom(same ? sent.applied : 0, key, value)) {
    return;
  }
  violate_(absl::StrCat(
      "stale read: node ", sent.node.value(), " returned ",
      reply.ToString().substr(0, 60), " for ", key,
      !number && values_->FirstFrom(0, key, value)
          ? ", which is older than the replica's state when the read was sent"
          : ", which the key never had"));
}

}  // namespace quorate::sim
