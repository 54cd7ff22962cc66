#include "sim/harness/member_operator.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "sim/harness/replica_views.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kPause("members.pause");
constexpr ChoiceSite kAct("members.act");
constexpr ChoiceSite kReplace("members.replace");
constexpr ChoiceSite kReplaceAfter("members.replace_after");
constexpr ChoiceSite kDown("members.down");

// Between two jobs.
constexpr Duration kPauseMin = Milliseconds(300);
constexpr Duration kPauseMax = Seconds(6);
// The operator gives a bad disk up after such a time.
constexpr Duration kReplaceMin = Milliseconds(100);
constexpr Duration kReplaceMax = Seconds(8);
// Without its disk the machine is down for so long.
constexpr Duration kDownMin = Milliseconds(10);
constexpr Duration kDownMax = Seconds(3);
// A damaged node that does not work for so long loses its disk.
constexpr Duration kGivenUp = Seconds(8);
// The draws of one job, beside that of its node.
constexpr uint64_t kDetails = 8;

}  // namespace

MemberOperator::MemberOperator(World* world,
                               const std::vector<MachineId>* machines,
                               size_t founders, NodeDisks* disks, Hooks hooks)
    : world_(*world),
      machines_(*machines),
      disks_(*disks),
      hooks_(std::move(hooks)),
      nodes_(machines->size()) {
  for (size_t i = founders; i < nodes_.size(); ++i) {
    nodes_[i] = {.late = true, .role = Role::kIsOut, .left = true};
  }
}

void MemberOperator::Violate(size_t node, std::string_view rule,
                             std::string_view what) {
  world_.Violate(absl::StrCat(std::string(rule), ": node ", node + 1,
                              ", group ", kGroup.value(), ": ",
                              std::string(what)));
}

void MemberOperator::Mark(size_t node, std::string_view mark) {
  world_.CountMark(machines_[node], mark);
}

// ---- Events of nodes

absl::Status MemberOperator::Admit(const raft::JoinRequest& request) const {
  const size_t node = request.node.value() - 1;
  return node < nodes_.size() && joins(node)
             ? absl::OkStatus()
             : absl::PermissionDeniedError("the node has a store");
}

void MemberOperator::OnTick(size_t node) {
  const raft::Host* const host = hooks_.host(node);
  if (host == nullptr || !host->status().ok()) return;
  CheckReplica(node, *host);
  if (idle()) Act();
  if (steps_.empty() || erasing_) return;
  if (hooks_.host(job_node_) != nullptr) {
    down_since_ = world_.now();
  } else if (disks_.bad(job_node_) && !disks_.lost(job_node_) &&
             world_.now() - down_since_ >= kGivenUp) {
    return LoseDisk(job_node_);
  }
  const Step step = steps_.front();
  if (IsDone(step)) return OnDone(step);
  if (Addressee(step) == node && !nodes_[node].asked) Command(node);
}

void MemberOperator::CheckReplica(size_t node, const raft::Host& host) {
  if (disks_.bad(node)) return;
  ++checks_;
  Node& state = nodes_[node];
  const StoreIncarnation store = host.identity().incarnation;
  if (state.store != StoreIncarnation() && state.store != store) {
    Violate(node, "store", "it has another one than before");
  }
  state.store = store;
  const bool there = host.condition(kGroup) != raft::Host::Condition::kNotHeld;
  const bool leaves =
      !steps_.empty() && steps_.front() == Step::kLeave && job_node_ == node;
  if (state.left && there) {
    Violate(node, "dropped", "it has a replica, and did not come again");
  }
  if (state.held && !there) {
    Violate(node, "kept", "its replica is gone, and it did not leave");
  }
  if (there && !leaves) state.held = true;
}

// ---- Jobs

void MemberOperator::Act() {
  const size_t bad = disks_.FirstBad();
  const ChoiceKey act{++acts_so_far_};
  Choices& choices = world_.choices();
  if (bad < nodes_.size()) {
    if (replace_at_ == SimTime()) {
      replace_at_ = world_.now() + choices.Between(kReplaceAfter, act,
                                                   kReplaceMin, kReplaceMax);
    }
    if (world_.now() >= replace_at_ || !acts_) Replace(bad);
    return;
  }
  replace_at_ = {};
  if (!acts_ || world_.now() < next_act_) return;
  next_act_ = world_.now() + choices.Between(kPause, act, kPauseMin, kPauseMax);
  const uint64_t draw = choices.Below(kAct, act, nodes_.size() * kDetails);
  Change(draw % nodes_.size(), draw / nodes_.size());
}

void MemberOperator::Change(size_t node, uint64_t detail) {
  const auto voters =
      std::count_if(nodes_.begin(), nodes_.end(),
                    [](const Node& one) { return one.role == Role::kVotes; });
  const Role role = nodes_[node].role;
  if (role == Role::kIsOut || (role == Role::kLearns && detail % 2 == 0)) {
    return Begin(node, "comes",
                 {Step::kAsk, Step::kJoin,
                  detail % 4 == 3 ? Step::kLearn : Step::kVote});
  }
  if (role == Role::kVotes && voters == 1) return;
  if (detail % 2 == 0) return Begin(node, "has no vote", {Step::kRemove});
  Begin(node, "leaves", {Step::kRemove, Step::kAsk, Step::kLeave});
}

// A node with a damaged disk may go on with it, once its replica is dropped.
void MemberOperator::Replace(size_t node) {
  replace_at_ = {};
  Node& state = nodes_[node];
  state.held = state.left = false;
  if (disks_.lost(node)) {
    return Begin(node, "comes with an empty disk", StepsToReturn(node));
  }
  if (world_.choices().Chance(kReplace, ChoiceKey{acts_so_far_}, {1, 2})) {
    Begin(node, "gets an empty disk", StepsToReturn(node));
    return LoseDisk(node);
  }
  std::deque<Step> steps = {Step::kRemove, Step::kAsk, Step::kLeave};
  for (const Step step : StepsToReturn(node)) steps.push_back(step);
  Begin(node, "gives its damaged replica up", std::move(steps));
}

// One that was left out stays out.
std::deque<MemberOperator::Step> MemberOperator::StepsToReturn(
    size_t node) const {
  switch (nodes_[node].role) {
    case Role::kIsOut:
      return {Step::kAsk};
    case Role::kLearns:
      return {Step::kAsk, Step::kJoin, Step::kLearn};
    case Role::kVotes:
      return {Step::kAsk, Step::kJoin, Step::kVote};
  }
  return {};
}

void MemberOperator::Begin(size_t node, const std::string& what,
                           std::deque<Step> steps) {
  ++jobs_;
  job_node_ = node;
  steps_ = std::move(steps);
  down_since_ = world_.now();
  world_.AddToStory(
      machines_[node], TraceKind::kDeed, 0,
      absl::StrCat("operator: ", world_.name(machines_[node]), " ", what));
}

void MemberOperator::EndJob() {
  if (!disks_.bad(job_node_)) return;
  if (disks_.lost(job_node_)) nodes_[job_node_].store = {};
  Mark(job_node_, disks_.lost(job_node_) ? "operator.lost_disk_replaced"
                                         : "operator.damaged_disk_replaced");
  disks_.OnReplaced(job_node_);
  if (nodes_[job_node_].role == Role::kIsOut) nodes_[job_node_].left = true;
}

void MemberOperator::LoseDisk(size_t node) {
  erasing_ = true;
  const Duration down =
      world_.choices().Between(kDown, ChoiceKey{jobs_}, kDownMin, kDownMax);
  world_.At(world_.now(), [this, node, down] {
    const MachineId machine = machines_[node];
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kMachine);
    disks_.Erase(node);
    erasing_ = false;
    ++jobs_;
    steps_ = StepsToReturn(node);
    world_.At(world_.now() + down, [this, machine] {
      if (!world_.running(machine)) world_.Restart(machine);
    });
  });
}

// ---- Commands

const raft::Core* MemberOperator::Leader(size_t* node) const {
  const std::vector<const raft::Core*> cores =
      ReplicasOf(kGroup, nodes_.size(), hooks_.host);
  *node = LeaderAmong(cores);
  return *node == nodes_.size() ? nullptr : cores[*node];
}

size_t MemberOperator::Addressee(Step step) const {
  if (step == Step::kLeave || step == Step::kJoin) return job_node_;
  size_t leader;
  Leader(&leader);
  return leader;
}

std::string MemberOperator::CommandOf(Step step) const {
  switch (step) {
    case Step::kRemove:
      return absl::StrCat("remove ", job_node_ + 1);
    case Step::kAsk:
      return "configuration";
    case Step::kLeave:
      return absl::StrCat("leave ", configuration_);
    case Step::kJoin:
      return absl::StrCat("join ", configuration_);
    case Step::kLearn:
    case Step::kVote:
      return absl::StrCat("member ", job_node_ + 1, " ", replica_);
  }
  return "";
}

bool MemberOperator::IsDone(Step step) const {
  if (step != Step::kLearn) return false;
  size_t node;
  const raft::Core* const leader = Leader(&node);
  if (leader == nullptr ||
      leader->configuration_index() > leader->commit_index()) {
    return false;
  }
  const std::vector<raft::Member>& learners = leader->configuration().learners;
  return std::any_of(learners.begin(), learners.end(),
                     [this](const raft::Member& member) {
                       return absl::StrCat(member.replica.value(), " ",
                                           member.store.value()) == replica_;
                     });
}

void MemberOperator::Command(size_t node) {
  const Step step = steps_.front();
  Node& state = nodes_[node];
  state.asked = true;
  if (step == Step::kLeave) state.held = false;
  if (step == Step::kJoin) state.left = false;
  hooks_.command(
      node, CommandOf(step),
      [this, node, step, job = jobs_](const std::string& line) {
        nodes_[node].asked = false;
        if (job != jobs_ || steps_.empty() || steps_.front() != step) {
          return;
        }
        OnReply(node, step, line);
      });
}

void MemberOperator::OnReply(size_t node, Step step, const std::string& line) {
  if (absl::StartsWith(line, "no:")) {
    return Violate(
        node, "refused",
        absl::StrCat("'", CommandOf(step), "' got the reply '", line, "'"));
  }
  if (!absl::StartsWith(line, "ok")) return;
  if (step == Step::kAsk) configuration_ = line.substr(3);
  if (step == Step::kJoin) replica_ = line.substr(3);
  OnDone(step);
}

void MemberOperator::OnDone(Step step) {
  Node& state = nodes_[job_node_];
  switch (step) {
    case Step::kRemove:
      // A damaged one comes again in the role that it had.
      if (!disks_.bad(job_node_)) state.role = Role::kIsOut;
      Mark(job_node_, "operator.node_removed");
      break;
    case Step::kLeave:
      state.left = true;
      Mark(job_node_, "operator.node_left");
      break;
    case Step::kLearn:
      state.role = Role::kLearns;
      Mark(job_node_, "operator.node_learns");
      break;
    case Step::kVote:
      state.role = Role::kVotes;
      Mark(job_node_, "operator.node_votes");
      break;
    case Step::kAsk:
    case Step::kJoin:
      break;
  }
  ++progress_;
  steps_.pop_front();
  if (steps_.empty()) EndJob();
}

std::string MemberOperator::Describe() const {
  if (steps_.empty()) return "the operator has no job\n";
  const size_t node = Addressee(steps_.front());
  return absl::StrCat("the operator changes node ", job_node_ + 1, ", and ",
                      node == nodes_.size()
                          ? "waits for a leader"
                          : absl::StrCat("asks node ", node + 1),
                      " for '", CommandOf(steps_.front()), "'\n");
}

}  // namespace quorate::sim
