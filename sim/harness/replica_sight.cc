#include "sim/harness/replica_sight.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using Kind = Observation::Kind;

constexpr size_t kPayloadShownMax = 120;
// Many entries that arrive together are described one by one up to this many.
constexpr size_t kEntriesShownMax = 64;

std::string NodeName(const raft::Configuration& configuration,
                     ReplicaId replica) {
  const NodeId node = raft::NodeOf(configuration, replica);
  return node == NodeId() ? "a replica that is no member"
                          : absl::StrCat("n", node.value());
}

std::string NamesOf(const std::vector<raft::Member>& members) {
  std::vector<uint64_t> nodes;
  for (const raft::Member& member : members) {
    nodes.push_back(member.node.value());
  }
  std::sort(nodes.begin(), nodes.end());
  std::string names;
  for (const uint64_t node : nodes) absl::StrAppend(&names, " n", node);
  return names;
}

std::string MembersOf(const raft::Configuration& configuration) {
  std::string words = absl::StrCat("voters", NamesOf(configuration.voters));
  if (!configuration.outgoing_voters.empty()) {
    absl::StrAppend(&words, ", outgoing voters",
                    NamesOf(configuration.outgoing_voters));
  }
  if (!configuration.learners.empty()) {
    absl::StrAppend(&words, ", learners", NamesOf(configuration.learners));
  }
  return words;
}

std::string SubjectOf(GroupId group) {
  return absl::StrCat("group ", group.value());
}

std::string SubjectOf(GroupId group, const raft::Entry& entry) {
  return absl::StrCat(SubjectOf(group), ", index ", entry.index.value());
}

}  // namespace

void ReplicaSight::Look(World* world, MachineId machine, GroupId group,
                        const raft::Core& core) {
  const Seen now{.role = core.role(),
                 .term = core.term(),
                 .vote = core.voted_for(),
                 .leader = core.leader(),
                 .commit = core.commit_index(),
                 .applied = core.applied_index(),
                 .durable = core.durable_index(),
                 .halted = core.halted_at(),
                 .last = core.last(),
                 .start = core.log_start(),
                 .configuration = core.configuration_index(),
                 .joining = core.joining(),
                 .installing = core.installing()};
  if (std::exchange(seen_, now) == now) return;
  const raft::Configuration& configuration = core.configuration();
  std::string words = absl::StrCat(
      "commit ", now.commit.value(), ", applied ", now.applied.value(),
      ", log ", now.start.index.value() + 1, "..", now.last.index.value(),
      " (last of term ", now.last.term.value(), "), on disk to ",
      now.durable.value());
  if (now.leader != ReplicaId() && now.role != raft::RoleKind::kLeader) {
    absl::StrAppend(&words, ", follows ", NodeName(configuration, now.leader));
  }
  if (now.vote != ReplicaId()) {
    absl::StrAppend(&words, ", voted for ", NodeName(configuration, now.vote));
  }
  absl::StrAppend(&words, ", ", MembersOf(configuration));
  std::string headline = absl::StrCat(std::string(raft::RoleName(now.role)),
                                      " of term ", now.term.value());
  if (now.joining) headline += ", joins";
  if (now.installing) headline += ", installs a snapshot";
  if (now.halted != raft::Index()) {
    headline = absl::StrCat("halted before index ", now.halted.value(), ", ",
                            headline);
  }
  world->Observe(Kind::kReplica, machine, SubjectOf(group), std::move(headline),
                 std::move(words));
}

void ReplicaSight::OnAppended(World* world, MachineId machine, GroupId group,
                              const raft::EntryList& entries, WordsOf words) {
  size_t left = kEntriesShownMax;
  for (const raft::Entry& entry : entries) {
    if (left-- == 0) break;
    world->Observe(Kind::kEntry, machine, SubjectOf(group, entry),
                   absl::StrCat("appended, term ", entry.term.value()),
                   DescribeEntry(entry, words));
  }
}

void ReplicaSight::OnApplied(World* world, MachineId machine, GroupId group,
                             const raft::Entry& entry, WordsOf words) {
  world->Observe(Kind::kEntry, machine, SubjectOf(group, entry),
                 absl::StrCat("applied, term ", entry.term.value()),
                 DescribeEntry(entry, words));
}

void ReplicaSight::OnEnd(World* world, MachineId machine, GroupId group,
                         std::string headline, std::string words) {
  seen_ = {};
  world->Observe(Kind::kReplica, machine, SubjectOf(group), std::move(headline),
                 std::move(words));
}

std::string DescribeEntry(const raft::Entry& entry,
                          ReplicaSight::WordsOf words) {
  switch (entry.kind) {
    case raft::EntryKind::kNoop:
      return "no command, of a new leader";
    case raft::EntryKind::kConfiguration: {
      const absl::StatusOr<raft::Configuration> configuration =
          raft::DecodeConfiguration(entry.payload.view());
      return configuration.ok() ? "configuration: " + MembersOf(*configuration)
                                : "a configuration that cannot be read";
    }
    case raft::EntryKind::kCommands:
      return words(entry);
  }
  return "an entry of an unknown kind";
}

std::string DescribePayload(const raft::Entry& entry) {
  std::string words;
  for (const char c : entry.payload.view()) {
    if (words.size() >= kPayloadShownMax) return words + "…";
    words += c >= ' ' && c <= '~' ? c : '.';
  }
  return words;
}

}  // namespace quorate::sim
