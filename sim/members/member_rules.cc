#include "sim/members/member_rules.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/check.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;
using shardctrl::kControllerGroup;
using Outcome = ControllerAnswer::Outcome;

std::string NodesOf(const std::vector<raft::Member>& members) {
  std::vector<uint32_t> nodes;
  for (const raft::Member& one : members) nodes.push_back(one.node.value());
  return absl::StrCat("{", absl::StrJoin(nodes, ","), "}");
}

}  // namespace

void MemberRules::OnCommitted(GroupId id, const raft::Entry& entry) {
  Group& group = groups_[id];
  if (entry.kind == raft::EntryKind::kConfiguration) {
    auto configuration = raft::DecodeConfiguration(entry.payload.view());
    CHECK(configuration.ok()) << configuration.status().ToString();
    ++changes_;
    group.committed[{configuration->generation, entry.index}] = *configuration;
  }
  if (id != kControllerGroup || state() == nullptr) return;
  if (controller_.executed().has_value()) {
    OnControllerCommand(*controller_.executed());
  }
  for (const shardctrl::GroupRecord& record : state()->groups) {
    Group& known = groups_[record.id];
    known.least_replicas = std::min(known.least_replicas, record.replicas);
    NoteWanted(record, &known);
  }
}

void MemberRules::OnControllerCommand(
    const ControllerChecker::Executed& executed) {
  const auto& [command, answer] = executed;
  if (!command.operation.empty()) {
    outcomes_[{command.operation.first, command.operation.second}].insert(
        answer.outcome);
  }
  const auto* const decision =
      std::get_if<ControllerCommand::DecideMove>(&command.body);
  checked_.decisions += decision != nullptr ? 1 : 0;
  if (decision != nullptr && !decision->give_up.empty()) {
    violate_(absl::StrCat("copies: move ", decision->move.value(),
                          " is given up: ", decision->give_up));
  }
  const auto* const report =
      std::get_if<ControllerCommand::ReportGroup>(&command.body);
  if (report != nullptr && answer.outcome == Outcome::kDone) {
    OnReport(*report);
  }
}

// A leader may have reported a configuration before it applied the entry.
void MemberRules::OnReport(const ControllerCommand::ReportGroup& report) {
  ++checked_.reports;
  const raft::Index index = report.configuration.position.index;
  if (index > groups_[report.group].commit) {
    violate_(absl::StrCat("report: the controller was told of voters ",
                          NodesOf(report.configuration.configuration.voters),
                          " at index ", index.value(), " of group ",
                          report.group.value(),
                          ", which no replica knows as committed"));
  }
  reports_.emplace_back(report.group, report.configuration);
}

void MemberRules::Finish() const {
  for (const auto& [id, report] : reports_) {
    const auto group = groups_.find(id);
    const auto known = group == groups_.end() ? decltype(Group::committed)()
                                              : group->second.committed;
    const auto behind = known.upper_bound(
        {report.configuration.generation, report.position.index});
    if (behind != known.begin() &&
        std::prev(behind)->second == report.configuration) {
      continue;
    }
    return violate_(absl::StrCat(
        "report: the controller was told that group ", id.value(),
        " has voters ", NodesOf(report.configuration.voters), " at index ",
        report.position.index.value(), ", which it never committed"));
  }
}

raft::Index MemberRules::LongestLog(GroupId group) const {
  raft::Index longest;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return longest;
  for (const auto& [replica, last] : found->second.last) {
    longest = std::max(longest, last);
  }
  return longest;
}

raft::Index MemberRules::CommitIndex(GroupId group) const {
  const auto found = groups_.find(group);
  return found == groups_.end() ? raft::Index() : found->second.commit;
}

void MemberRules::OnLog(GroupId id, ReplicaId replica, raft::Index last,
                        raft::Index commit) {
  Group& group = groups_[id];
  group.commit = std::max(group.commit, commit);
  raft::Index& highest = group.last[replica];
  highest = std::max(highest, last);
}

void MemberRules::OnStep(GroupId id, const raft::Core& core) {
  OnLog(id, core.replica(), core.last().index, core.commit_index());
  if (core.configuration().generation > groups_[id].generation) {
    OnRecovery(id, core.configuration_index(), core.configuration());
  }
  if (core.role() != raft::RoleKind::kLeader) return;
  Group& group = groups_[id];
  if (core.configuration().generation == group.generation &&
      !group.led.has_value()) {
    group.led = clock_();
  }
  const raft::Index index = core.configuration_index();
  const raft::Index base =
      std::exchange(group.configured[core.replica()], index);
  const raft::LogPosition position{core.TermAt(index), index};
  if (position <= group.checked) return;
  // An older one comes with the leadership, or from a snapshot.
  const bool own = position.term == core.term();
  const raft::Configuration& now = core.configuration();
  if (own && index > raft::Index(1) && now.outgoing_voters.empty() &&
      group.checked != raft::LogPosition() &&
      group.proposed.outgoing_voters.empty()) {
    CheckProposal(id, group.proposed, now);
  } else if (own && !now.outgoing_voters.empty()) {
    raft::Configuration before;
    before.voters = now.outgoing_voters;
    CheckProposal(id, before, now);
    if (base != raft::Index()) CheckNewVoters(id, base, before, now);
  }
  group.checked = position;
  group.proposed = now;
}

void MemberRules::OnRecovery(GroupId id, raft::Index index,
                             const raft::Configuration& now) {
  Group& group = groups_[id];
  ++checked_.recoveries;
  // Two operators may recover the controller at once, each at a node that does
  // not hear the other. The higher generation goes on.
  const bool led =
      group.led.has_value() && clock_() - *group.led >= kKnownToWork;
  if (!group.lost && (led || id != shardctrl::kControllerGroup)) {
    violate_(absl::StrCat("recovery: group ", id.value(),
                          " goes on with voters ", NodesOf(now.voters),
                          " and generation ", now.generation,
                          ", though it has a majority"));
  }
  group.lost = false;
  group.led.reset();
  group.proposed = now;
  group.generation = now.generation;
  group.committed[{now.generation, index}] = now;
}

void MemberRules::NoteWanted(const shardctrl::GroupRecord& record,
                             Group* group) {
  if (group->wanted == record.wanted) return;
  if (group->wanted.has_value()) {
    std::erase_if(group->wanted_before, [&](const auto& former) {
      return clock_() - former.first >= kKnownToWork;
    });
    group->wanted_before.emplace_back(clock_(), *group->wanted);
  }
  group->wanted = record.wanted;
}

std::vector<MemberRules::Wanted> MemberRules::WantedLately(
    GroupId group) const {
  std::vector<Wanted> lately;
  const auto found = groups_.find(group);
  if (found == groups_.end()) return lately;
  for (const auto& [until, wanted] : found->second.wanted_before) {
    if (clock_() - until < kKnownToWork) lately.push_back(wanted);
  }
  return lately;
}

std::vector<GroupId> MemberRules::lost() const {
  std::vector<GroupId> lost;
  for (const auto& [id, group] : groups_) {
    if (group.lost) lost.push_back(id);
  }
  return lost;
}

size_t MemberRules::Working(const std::vector<raft::Member>& voters) const {
  const auto working =
      std::count_if(voters.begin(), voters.end(),
                    [&](const auto& member) { return Works(member.replica); });
  return static_cast<size_t>(working);
}

bool MemberRules::Works(ReplicaId replica) const {
  const auto worked = worked_.find(replica);
  return worked != worked_.end() && clock_() - worked->second < kKnownToWork;
}

void MemberRules::CheckProposal(GroupId id, const raft::Configuration& before,
                                const raft::Configuration& after) {
  const Group& group = groups_[id];
  if (after.voters == before.voters) return;
  ++checked_.voters;
  if (after.voters.size() < before.voters.size() &&
      after.voters.size() < group.least_replicas) {
    violate_(absl::StrCat("replacement: the leader of group ", id.value(),
                          " proposes voters ", NodesOf(after.voters),
                          " instead of ", NodesOf(before.voters),
                          ", though it is to have ", group.least_replicas));
  }
  const bool had = Working(before.voters) * 2 > before.voters.size();
  if (had && Working(after.voters) * 2 <= after.voters.size()) {
    violate_(absl::StrCat("majority: the leader of group ", id.value(),
                          " proposes voters ", NodesOf(after.voters),
                          " instead of ", NodesOf(before.voters),
                          ", of which no majority works"));
  }
}

void MemberRules::CheckNewVoters(GroupId id, raft::Index base,
                                 const raft::Configuration& before,
                                 const raft::Configuration& after) {
  for (const raft::Member& voter : after.voters) {
    if (raft::FindMember(before, voter.replica) != nullptr) continue;
    ++checked_.new_voters;
    const raft::Index last = groups_[id].last[voter.replica];
    if (last >= base) continue;
    violate_(absl::StrCat("learner: the leader of group ", id.value(),
                          " proposes node ", voter.node.value(),
                          " as a voter, whose log ends at ", last.value(),
                          " and lacks the configuration at ", base.value()));
  }
}

void MemberRules::OnAnswer(const shardctrl::OperationId& operation, int status,
                           const std::string& request) {
  if (status != 200 && status != 409) return;
  ++answers_;
  refusals_ += status == 409 ? 1 : 0;
  const auto known = outcomes_.find({operation.first, operation.second});
  if (known == outcomes_.end()) {
    return violate_(absl::StrCat("refusal: '", request, "' was answered ",
                                 status, ", though no entry has it"));
  }
  const bool refused = known->second.contains(Outcome::kRefused);
  const bool others = known->second.size() > (refused ? 1 : 0);
  if (status == 409 ? !refused : !others) {
    violate_(absl::StrCat("refusal: '", request, "' was answered ", status,
                          ", though the log says otherwise"));
  }
}

const raft::Configuration* MemberRules::Committed(GroupId id) const {
  const auto group = groups_.find(id);
  if (group == groups_.end() || group->second.committed.empty()) {
    return nullptr;
  }
  return &group->second.committed.rbegin()->second;
}

bool MemberRules::IsBehind(GroupId id, const raft::Core& core) const {
  const auto group = groups_.find(id);
  return group != groups_.end() && !group->second.committed.empty() &&
         std::pair(core.configuration().generation,
                   core.configuration_index()) <
             group->second.committed.rbegin()->first;
}

bool MemberRules::Retired(GroupId group) const {
  return state() != nullptr && group < state()->next_group &&
         state()->FindGroup(group) == nullptr;
}

std::vector<GroupId> MemberRules::groups() const {
  std::vector<GroupId> groups;
  for (const auto& [id, group] : groups_) {
    if (!group.committed.empty() && !Retired(id)) groups.push_back(id);
  }
  return groups;
}

}  // namespace quorate::sim
