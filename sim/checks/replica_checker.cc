#include "sim/checks/replica_checker.h"

#include <algorithm>
#include <sstream>
#include <utility>

#include "env/random.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/member_rules.h"
#include "raft/core/testing/names.h"

namespace quorate::sim {
namespace {

template <typename... Parts>
std::string Text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace

void ReplicaChecker::OnStart(NodeId node, GroupId group,
                             const raft::Core& core) {
  Group& state = groups_[group];
  const auto [replica, first] =
      state.replicas.try_emplace(node, core.replica());
  // It took the place of one that was dropped or lost.
  if (replica->second != core.replica()) {
    OnDropped(node, group);
    state.replicas[node] = core.replica();
  }
  state.ever[node].insert(core.replica());
  ReportInvariant(node, group,
                  groups_[group].invariants.ObserveStart(core.replica(), core));
}

void ReplicaChecker::OnDropped(NodeId node, GroupId group) {
  Group& state = groups_[group];
  state.replicas.erase(node);
  state.applied.erase(node);
  state.holds.erase(node);
  state.replaced.insert(node);
}

std::string ReplicaChecker::CheckRecovered(GroupId group,
                                           const raft::Core& core) const {
  const auto it = groups_.find(group);
  return it == groups_.end()
             ? ""
             : it->second.invariants.CheckRecovered(core.replica(), core);
}

std::vector<GroupId> ReplicaChecker::GroupsOf(NodeId node) const {
  std::vector<GroupId> groups;
  for (const auto& [id, group] : groups_) {
    if (group.replicas.contains(node)) groups.push_back(id);
  }
  return groups;
}

void ReplicaChecker::OnWritten(NodeId node, GroupId group,
                               const raft::WriteToken& token) {
  Group& state = groups_[group];
  ReportInvariant(node, group,
                  state.invariants.ObserveWritten(state.replicas[node], token));
}

void ReplicaChecker::OnStep(NodeId node, GroupId group, const raft::Core& core,
                            const raft::Output& output) {
  raft::ClusterInvariants& invariants = groups_[group].invariants;
  if (!send_windows_.empty()) {
    invariants.SetSendWindow(send_windows_[node.value() - 1]);
  }
  ReportInvariant(node, group,
                  invariants.Observe(core.replica(), core, output));
  ReportInvariant(node, group, raft::CheckMember(core, output));
}

void ReplicaChecker::ReportInvariant(NodeId node, GroupId group,
                                     const std::string& violation) {
  if (violation.empty()) return;
  violate_(Text("group ", group, ": ", violation, " (node ", node, ")"));
}

void ReplicaChecker::OnLeader(NodeId node, GroupId group, raft::Term term) {
  const auto [it, first] = groups_[group].leaders.emplace(term, node);
  if (first) ++leader_changes_;
  if (it->second != node) {
    violate_(Text("election safety: group ", group, " has two leaders in term ",
                  term, ": nodes ", it->second, " and ", node));
  }
}

size_t ReplicaChecker::leaderships(GroupId group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? 0 : found->second.leaders.size();
}

NodeId ReplicaChecker::last_leader(GroupId group) const {
  const auto found = groups_.find(group);
  if (found == groups_.end() || found->second.leaders.empty()) return NodeId();
  return found->second.leaders.rbegin()->second;
}

void ReplicaChecker::ReportMissing(NodeId node, GroupId group, raft::Term term,
                                   raft::Index index, raft::Term committed,
                                   raft::Term found) {
  violate_(Text("leader completeness: node ", node, " leads group ", group,
                " in term ", term, " but at index ", index, " has term ", found,
                ", and an entry of term ", committed, " is committed there"));
}

bool ReplicaChecker::OnApplied(NodeId node, GroupId id,
                               const raft::Entry& entry) {
  ++applied_entries_;
  if (witness_ != nullptr) witness_->OnApplied(node, id, entry);
  Group& group = groups_[id];
  const auto [applied, first] = group.applied.try_emplace(node, entry.index);
  if (!first && entry.index != applied->second + 1) {
    violate_(Text("state machine safety: node ", node, " applied index ",
                  entry.index, " of group ", id, " after ", applied->second));
  }
  applied->second = entry.index;
  const size_t at = entry.index.value() - 1;
  const uint64_t hash = group.invariants.DigestOf(group.replicas[node], entry);
  if (at < group.log.size()) {
    const Committed& committed = group.log[at];
    if (committed.term != entry.term || committed.hash != hash) {
      violate_(Text(
          "state machine safety: node ", node, " applied at index ",
          entry.index, " of group ", id, " another entry (term ", entry.term,
          ", ", EntryKindName(entry.kind), ", ", entry.payload.size(),
          " bytes) than was applied before (term ", committed.term, ")"));
    }
    return false;
  }
  if (at > group.log.size()) {
    violate_(Text("state machine safety: node ", node, " applied index ",
                  entry.index, " of group ", id, ", but index ",
                  group.log.size() + 1, " was never applied anywhere"));
    return false;
  }
  const uint64_t before =
      group.log.empty() ? 0 : group.log.back().bytes_through;
  group.log.push_back({.term = entry.term,
                       .hash = hash,
                       .bytes_through = before + entry.size_bytes()});
  if (entry.kind == raft::EntryKind::kConfiguration) {
    auto present = raft::DecodeConfiguration(entry.payload.view());
    if (present.ok()) {
      // The present voters hold in a joint configuration, too.
      if (!group.voters.empty() && present->outgoing_voters.empty()) {
        group.voters.clear();
        for (const raft::Member& voter : present->voters) {
          group.voters.push_back(voter.node);
        }
      }
      const raft::Level level = present->level;
      group.levels.try_emplace(level, *present);
      group.configuration = *std::move(present);
    }
  }
  return true;
}

bool ReplicaChecker::RoseWithout(GroupId id, ReplicaId replica,
                                 raft::Level known) const {
  const auto group = groups_.find(id);
  if (group == groups_.end()) return false;
  const auto rose = group->second.levels.upper_bound(known);
  return rose != group->second.levels.end() &&
         !raft::IsMember(rose->second, replica);
}

bool ReplicaChecker::LeftOut(GroupId id, NodeId node) const {
  const auto group = groups_.find(id);
  if (group == groups_.end() || !group->second.configuration) return false;
  const auto replica = group->second.replicas.find(node);
  return replica == group->second.replicas.end() ||
         !raft::IsMember(*group->second.configuration, replica->second);
}

void ReplicaChecker::OnRestored(NodeId node, GroupId id,
                                raft::LogPosition position) {
  Group& group = groups_[id];
  const size_t at = position.index.value();
  if (at > group.log.size() ||
      (at > 0 && group.log[at - 1].term != position.term)) {
    violate_(Text("state machine safety: node ", node, " restored group ", id,
                  " from a snapshot at index ", position.index, " of term ",
                  position.term, ", which was never committed"));
    return;
  }
  group.applied[node] = position.index;
  if (witness_ != nullptr) witness_->OnRestored(node, id, position.index);
}

void ReplicaChecker::OnBoot(NodeId node) {
  for (auto& [id, group] : groups_) group.applied.erase(node);
  if (witness_ != nullptr) witness_->OnBoot(node);
}

void ReplicaChecker::OnDigest(NodeId node, GroupId id, raft::Index index,
                              uint64_t digest) {
  Group& group = groups_[id];
  std::vector<Committed>& log = group.log;
  if (index.value() == 0 || index.value() > log.size() ||
      group.wrong.contains(node)) {
    return;
  }
  Committed& committed = log[index.value() - 1];
  ++digests_compared_;
  if (witness_ != nullptr) {
    witness_->OnState(node, id, index, digest,
                      [&] { return describe_state_(node, id); });
  }
  if (!committed.has_digest) {
    committed.digest = digest;
    committed.has_digest = true;
  } else if (committed.digest != digest) {
    // The checker that has the model says how they differ.
    const bool first = diverged_.none() && !committed.is_expected;
    const bool explains = witness_ != nullptr && first;
    if (first) diverged_ = {id, index};
    violate_(Text(
        "digest: node ", node, " has another state of group ", id,
        " after index ", index,
        committed.is_expected ? " than its model" : " than a replica before it",
        explains ? witness_->Explain(node) : ""));
  }
}

void ReplicaChecker::ExpectDigest(GroupId id, raft::Index index,
                                  uint64_t digest) {
  Committed& committed = groups_[id].log.at(index.value() - 1);
  committed.digest = digest;
  committed.has_digest = true;
  committed.is_expected = true;
}

void ReplicaChecker::ExcuseState(NodeId node, GroupId group, bool excused) {
  std::set<NodeId>& wrong = groups_[group].wrong;
  excused ? void(wrong.insert(node)) : void(wrong.erase(node));
}

bool ReplicaChecker::DigestMatches(GroupId id, raft::Index index,
                                   uint64_t digest) const {
  const auto it = groups_.find(id);
  if (it == groups_.end()) return true;
  const std::vector<Committed>& log = it->second.log;
  if (index.value() == 0 || index.value() > log.size()) return true;
  const Committed& committed = log[index.value() - 1];
  return !committed.has_digest || committed.digest == digest;
}

void ReplicaChecker::SetVoters(GroupId group, std::vector<NodeId> voters) {
  groups_[group].voters = std::move(voters);
}

void ReplicaChecker::OnHolds(NodeId node, GroupId group,
                             raft::LogPosition last) {
  Group& state = groups_[group];
  state.holds[node] = last;
  // It has what the one before had.
  if (last.index.value() >= state.log.size()) state.replaced.erase(node);
}

void ReplicaChecker::OnRecovered(NodeId node, GroupId id,
                                 raft::LogPosition last) {
  Group& group = groups_[id];
  group.holds[node] = last;
  CheckMajority(node, id, group);
}

void ReplicaChecker::CheckMajority(NodeId node, GroupId id,
                                   const Group& group) {
  if (group.log.empty() || group.voters.empty()) return;
  ++majorities_checked_;
  const raft::LogPosition committed{group.log.back().term,
                                    raft::Index(group.log.size())};
  // A voter whose last position is later by (term, index) has the committed
  // entry, too, because of the rules of elections.
  size_t count = 0;
  for (const NodeId voter : group.voters) {
    const auto it = group.holds.find(voter);
    const bool holds = it != group.holds.end() && it->second >= committed;
    count += holds || group.replaced.contains(voter) ? 1 : 0;
  }
  if (count <= group.voters.size() / 2) {
    violate_(Text("durability: after node ", node, " recovered, index ",
                  committed.index, " of group ", id, " (term ", committed.term,
                  ") was committed but is held by only ", count, " of ",
                  group.voters.size(), " voters"));
  }
}

bool ReplicaChecker::HeldWithout(NodeId node, GroupId group,
                                 raft::LogPosition last,
                                 absl::FunctionRef<bool(NodeId)> sound) const {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return false;
  const std::vector<NodeId>& voters = it->second.voters;
  const auto count =
      std::count_if(voters.begin(), voters.end(), [&](NodeId voter) {
        const auto holds = it->second.holds.find(voter);
        return voter != node && holds != it->second.holds.end() &&
               holds->second >= last && sound(voter);
      });
  return static_cast<size_t>(count) * 2 > voters.size();
}

void ReplicaChecker::OnOlderDisk(NodeId node) {
  for (auto& [id, group] : groups_) {
    // A replica that was dropped may be on the disk: a crash came first.
    const auto ever = group.ever.find(node);
    if (ever == group.ever.end()) continue;
    for (const ReplicaId replica : ever->second) {
      group.invariants.ObserveOlderDisk(replica);
    }
  }
}

void ReplicaChecker::OnReplicaNotStarted(NodeId node, GroupId group,
                                         const absl::Status& why,
                                         bool excused) {
  if (excused || why.ok()) return;
  violate_(Text("fenced: node ", node, ", group ", group,
                ", though no fault hit its disk: ", why.ToString()));
}

void ReplicaChecker::OnNodeStopped(NodeId node, const absl::Status& why,
                                   bool excused) {
  if (excused || why.ok()) return;
  violate_(Text("stopped: node ", node,
                ", though no fault hit its disk: ", why.ToString()));
}

uint64_t ReplicaChecker::BytesBehind(GroupId group, raft::Index after) const {
  const auto it = groups_.find(group);
  if (it == groups_.end()) return 0;
  const std::vector<Committed>& log = it->second.log;
  if (after.value() >= log.size()) return 0;
  return log.back().bytes_through -
         (after == raft::Index() ? 0 : log[after.value() - 1].bytes_through);
}

uint64_t ReplicaChecker::Digest() const {
  uint64_t digest = 0;
  const auto add = [&digest](uint64_t value) {
    digest = Mix64(digest ^ Mix64(value + 1));
  };
  for (const auto& [id, group] : groups_) {
    add(id.value());
    for (const auto& [term, leader] : group.leaders) {
      add(term.value());
      add(leader.value());
    }
    for (const Committed& entry : group.log) {
      add(entry.term.value());
      add(entry.hash);
    }
  }
  return digest;
}

raft::Index ReplicaChecker::committed(GroupId group) const {
  const auto it = groups_.find(group);
  return raft::Index(it == groups_.end() ? 0 : it->second.log.size());
}

}  // namespace quorate::sim
