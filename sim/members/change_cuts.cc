#include "sim/members/change_cuts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "raft/core/configuration.h"
#include "sim/choices/choices.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kCut("members.cut_change");
constexpr ChoiceSite kLength("members.cut_length");
// Both sides have time for elections.
constexpr Duration kLengthMin = Seconds(1);
constexpr Duration kLengthMax = Seconds(4);

bool Contains(const std::vector<raft::Member>& members, ReplicaId replica) {
  return std::any_of(
      members.begin(), members.end(),
      [&](const raft::Member& member) { return member.replica == replica; });
}

bool IsMajority(size_t some, const std::vector<raft::Member>& voters) {
  return some * 2 > voters.size();
}

std::string NodesOf(const std::vector<NodeId>& nodes) {
  return absl::StrJoin(nodes, ",", [](std::string* out, NodeId node) {
    absl::StrAppend(out, node.value());
  });
}

}  // namespace

std::optional<ChangeSides> SidesOf(const raft::Configuration& joint,
                                   ReplicaId leader) {
  ChangeSides sides;
  std::vector<NodeId> both;
  for (const raft::Member& voter : joint.voters) {
    const bool stays = Contains(joint.outgoing_voters, voter.replica);
    (stays && voter.replica != leader ? both : sides.incoming)
        .push_back(voter.node);
  }
  while (!IsMajority(sides.incoming.size(), joint.voters) && !both.empty()) {
    sides.incoming.push_back(both.back());
    both.pop_back();
  }
  sides.outgoing = std::move(both);
  for (const raft::Member& voter : joint.outgoing_voters) {
    if (Contains(joint.voters, voter.replica)) continue;
    sides.outgoing.push_back(voter.node);
  }
  const bool possible =
      Contains(joint.voters, leader) &&
      IsMajority(sides.incoming.size(), joint.voters) &&
      IsMajority(sides.outgoing.size(), joint.outgoing_voters);
  return possible ? std::optional(std::move(sides)) : std::nullopt;
}

void ChangeCuts::OnStep(GroupId group, const raft::Core& core) {
  const raft::Configuration& now = core.configuration();
  if (ended_ || now.outgoing_voters.empty() ||
      core.role() != raft::RoleKind::kLeader) {
    return;
  }
  const raft::Index index = core.configuration_index();
  const raft::LogPosition position{core.TermAt(index), index};
  raft::LogPosition& begun = begun_[group];
  if (position.term != core.term() || position <= begun) return;
  begun = position;
  const std::optional<ChangeSides> sides = SidesOf(now, core.replica());
  const ChoiceKey key{position.term.value() << 32 | group.value(),
                      index.value()};
  if (!sides.has_value() || !world_.choices().Chance(kCut, key, {1, 3})) return;
  const Duration length =
      world_.choices().Between(kLength, key, kLengthMin, kLengthMax);
  // The messages of this step are on their way, and are lost.
  world_.At(world_.now(), [this, group, sides = *sides, length] {
    Cut(group, sides, length);
  });
}

void ChangeCuts::Cut(GroupId group, const ChangeSides& sides, Duration length) {
  std::vector<std::pair<MachineId, MachineId>> links;
  for (const NodeId one : sides.incoming) {
    for (const NodeId other : sides.outgoing) {
      const size_t a = places_.PlaceOf(one);
      const size_t b = places_.PlaceOf(other);
      if (a == b || a == places_.size() || b == places_.size()) continue;
      links.emplace_back(places_.machines()[a], places_.machines()[b]);
      links.emplace_back(places_.machines()[b], places_.machines()[a]);
    }
  }
  for (const auto& [from, to] : links) world_.BlockLink(from, to);
  world_.AddToStory(
      MachineId(), TraceKind::kDeed, 0,
      absl::StrCat("a change of group ", group.value(), " is cut: nodes ",
                   NodesOf(sides.incoming), " do not reach nodes ",
                   NodesOf(sides.outgoing)));
  world_.At(world_.now() + length, [this, links = std::move(links)] {
    for (const auto& [from, to] : links) {
      if (world_.blocked(from, to)) world_.UnblockLink(from, to);
    }
  });
}

}  // namespace quorate::sim
