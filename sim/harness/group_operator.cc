#include "sim/harness/group_operator.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/core/configuration.h"
#include "raft/host/bootstrap_record.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kPause("operator.pause");
constexpr ChoiceSite kAct("operator.act");
constexpr ChoiceSite kDetail("operator.detail");
constexpr ChoiceSite kRoles("operator.roles");
constexpr ChoiceSite kMembers("operator.members");
constexpr ChoiceSite kCommand("operator.command");
constexpr ChoiceSite kLastWish("operator.last_wish");

// Between two acts.
constexpr Duration kPauseMin = Milliseconds(100);
constexpr Duration kPauseMax = Seconds(3);
// Each role that is drawn has so many bits.
constexpr uint64_t kRoleBits = 2;
constexpr Duration kCommandInterval = Milliseconds(150);
constexpr Duration kPromotionInterval = Milliseconds(200);

// An act of the operator on a group that runs.
enum class Deed : uint8_t {
  kNothing,
  kMoveLeadership,
  kChangeMembers,
  kEndReplica,
  kEndGroup,
  kCutPeer,
  kJoin,
  kLoseDisk,
};
constexpr Deed kDeeds[] = {
    Deed::kNothing,       Deed::kMoveLeadership, Deed::kChangeMembers,
    Deed::kChangeMembers, Deed::kChangeMembers,  Deed::kEndReplica,
    Deed::kEndReplica,    Deed::kEndGroup,       Deed::kCutPeer,
    Deed::kJoin,          Deed::kJoin,           Deed::kJoin,
    Deed::kLoseDisk,      Deed::kLoseDisk,
};

ReplicaChecker::Report ReporterTo(World* world) {
  return [world](std::string what) { world->Violate(std::move(what)); };
}

}  // namespace

// Late nodes have no part in it at first.
GroupOperator::Creation::Creation(World* world, size_t nodes, size_t founders)
    : members(nodes),
      joins(nodes),
      to_vote(nodes),
      ended(nodes),
      gone(nodes),
      checker(ReporterTo(world)) {
  for (size_t i = founders; i < nodes; ++i) ended[i] = gone[i] = true;
}

GroupOperator::GroupOperator(
    World* world, const std::vector<MachineId>* machines, size_t founders,
    StateMachineTest* test, std::function<raft::Host*(size_t)> host,
    std::function<std::vector<env::PeerAddress>(size_t)> peers)
    : world_(*world),
      machines_(*machines),
      founders_(founders),
      test_(*test),
      host_(std::move(host)),
      peers_(std::move(peers)),
      nodes_(machines->size()),
      mistakes_(world, machines),
      stranger_(ReporterTo(world)),
      admitted_(machines->size()) {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    nodes_[i].without = nodes_[i].now_without = i;
  }
}

void GroupOperator::Violate(size_t node, const std::string& rule,
                            const std::string& what) {
  world_.Violate(absl::StrCat(rule, ": node ", node + 1, ", group ",
                              kGroup.value(), ": ", what));
}

void GroupOperator::Mark(size_t node, std::string_view mark) {
  ++progress_;
  world_.env(machines_[node]).tracer.Sometimes(mark);
}

// ---- Events of nodes

void GroupOperator::OnBoot(size_t node) {
  mistakes_.OnBoot(node);
  Node& state = nodes_[node];
  state.calls = false;
  state.creation = nullptr;
  // Its file names all peers.
  state.now_without = node;
  for (const auto& creation : creations_) {
    creation->checker.OnBoot(NodeId(node + 1));
  }
}

void GroupOperator::OnRecovered(size_t node, ReplicaId replica) {
  for (const auto& creation : creations_) {
    if (creation->first.has_value() && creation->all.contains(replica)) {
      nodes_[node].creation = creation.get();
      if (!gone_.contains(replica)) return;
      return Violate(node, "dropped", "the replica came back after its drop");
    }
  }
  Violate(node, "founded", "no operator has founded the replica that runs");
}

absl::Status GroupOperator::Admit(const raft::JoinRequest& request) {
  const size_t node = request.node.value() - 1;
  if (node < founders_ || node >= nodes_.size()) {
    return absl::PermissionDeniedError("no late node");
  }
  if (!admits_) return absl::UnavailableError("not yet");
  StoreIncarnation& admitted = admitted_[node];
  if (admitted != StoreIncarnation() && admitted != request.store) {
    Violate(node, "admitted", "it comes with another store");
  }
  admitted = request.store;
  Mark(node, "operator.node_admitted");
  return absl::OkStatus();
}

void GroupOperator::OnCommitted(size_t node, const raft::Entry& entry) {
  Creation* const creation = nodes_[node].creation;
  if (creation == nullptr || entry.kind != raft::EntryKind::kCommands) return;
  creation->history.OnApplied(world_.now(), entry.index, entry.payload.view());
}

ReplicaChecker& GroupOperator::CheckerOf(size_t node) {
  const Creation* const creation = nodes_[node].creation;
  return creation == nullptr ? stranger_ : nodes_[node].creation->checker;
}

void GroupOperator::OnTick(size_t node) {
  raft::Host* const host = host_(node);
  if (host == nullptr || !host->status().ok()) return;
  if (acts_ && world_.now() >= next_act_) Act();
  if (node < founders_) mistakes_.OnTick(node, host, kFounded);
  Reconcile(node, host);
  if (Leader() != node) return;
  if (move_to_ != NodeId()) {
    host->TransferLeadership(
        kGroup, raft::ReplicaOn(host->core(kGroup)->configuration(),
                                std::exchange(move_to_, NodeId())));
    Mark(node, "operator.leadership_moved");
  }
  if (roles_.has_value()) {
    ChangeMembers(node, host);
  } else if (world_.now() >= next_promotion_) {
    next_promotion_ = world_.now() + kPromotionInterval;
    PromoteJoiners(node, host);
  }
  if (world_.now() >= next_command_) Propose(host);
}

// ---- Wishes of the operator

void GroupOperator::Act() {
  const ChoiceKey act{++acts_so_far_};
  Choices& choices = world_.choices();
  next_act_ = world_.now() + choices.Between(kPause, act, kPauseMin, kPauseMax);
  const uint64_t draw = choices.Below(kAct, act, std::size(kDeeds));
  if (present_ == nullptr) return Create();
  const Deed deed = kDeeds[draw];
  // A creation is given up now and then.
  if (!present_->ran && deed != Deed::kEndGroup) return;
  const uint64_t detail =
      choices.Below(kDetail, act, nodes_.size() * nodes_.size());
  switch (deed) {
    case Deed::kNothing:
      break;
    case Deed::kMoveLeadership:
      move_to_ = NodeId(1 + detail % nodes_.size());
      break;
    case Deed::kChangeMembers:
      roles_ =
          choices.Below(kRoles, act, uint64_t{1} << kRoleBits * MostRoles());
      break;
    case Deed::kEndReplica:
      if (MayEndReplica(detail % nodes_.size())) {
        EndReplica(detail % nodes_.size());
      }
      break;
    case Deed::kEndGroup:
      EndGroup();
      break;
    case Deed::kCutPeer:
      CutPeer(detail);
      break;
    case Deed::kJoin:
      BeginJoin(detail);
      break;
    case Deed::kLoseDisk:
      LoseDisk();
      break;
  }
}

void GroupOperator::Create() {
  creations_.push_back(
      std::make_unique<Creation>(&world_, nodes_.size(), founders_));
  present_ = creations_.back().get();
}

void GroupOperator::EndGroup() {
  for (size_t i = 0; i < nodes_.size(); ++i) EndReplica(i);
}

void GroupOperator::EndReplica(size_t node) {
  present_->ended[node] = true;
  present_->to_vote[node] = false;
  if (!present_->ran && !present_->first.has_value()) {
    Mark(node, "operator.creation_given_up");
  }
}

// The drop of a member is as harmful as the loss of its disk. So a majority of
// each configuration that may be in effect keeps its replicas: all other nodes
// work, and have the same one.
bool GroupOperator::MayLose(size_t node) const {
  const std::vector<const raft::Core*> cores = Cores();
  return LeaderAmong(cores) != node && CanSpare(cores, node, [this](size_t i) {
           return !present_->ended[i];
         });
}

bool GroupOperator::MayEndReplica(size_t node) const {
  const raft::Core* const core = CoreOn(node);
  const size_t leader = Leader();
  return !present_->ended[node] && core != nullptr && leader != nodes_.size() &&
         (!raft::IsMember(CoreOn(leader)->configuration(), core->replica()) ||
          core->configuration() == CoreOn(leader)->configuration()) &&
         MayLose(node);
}

void GroupOperator::BeginJoin(uint64_t draw) {
  admits_ = true;
  const std::vector<bool>& ended = present_->ended;
  if (std::find(ended.begin(), ended.end(), false) == ended.end()) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const size_t node = (draw + i) % nodes_.size();
    if (!present_->gone[node]) continue;
    present_->ended[node] = present_->gone[node] = false;
    present_->joins[node] = present_->to_vote[node] = true;
    present_->members[node] = {};
    return Mark(node, "operator.join_begun");
  }
}

// The disk is erased while the node is down, and all that was on it is gone.
void GroupOperator::LoseDisk() {
  for (size_t node = founders_; node < nodes_.size(); ++node) {
    if (admitted_[node] == StoreIncarnation() ||
        world_.running(machines_[node])) {
      continue;
    }
    const bool held = !present_->gone[node];
    if (held && !MayLose(node)) continue;
    world_.EraseDisk(machines_[node]);
    admitted_[node] = StoreIncarnation();
    Mark(node, "operator.disk_lost");
    if (!held) continue;
    EndReplica(node);
    OnGone(node);
    if (present_ == nullptr) return;
  }
}

void GroupOperator::CutPeer(uint64_t draw) {
  const size_t node = draw % nodes_.size();
  // Its own number: it has all peers again.
  nodes_[node].without = draw / nodes_.size();
}

// ---- Work of nodes

void GroupOperator::Reconcile(size_t node, raft::Host* host) {
  SetPeers(node, host);
  if (nodes_[node].calls) return;
  const bool held = host->condition(kGroup) != raft::Host::Condition::kNotHeld;
  const bool prepared = host->prepared().contains(kGroup);
  if (present_ == nullptr || present_->gone[node]) {
    if (held || prepared) {
      Violate(node, "dropped", "the node has a replica after its drop");
    }
    return;
  }
  if (!present_->ended[node]) return ReconcileMember(node, host, held);
  if (held || prepared) return Drop(node, host);
  OnGone(node);
}

void GroupOperator::ReconcileMember(size_t node, raft::Host* host, bool held) {
  const ReplicaId id = present_->members[node].replica;
  if (id == ReplicaId()) return Prepare(node, host);
  if (held) return NoteRunning(node);
  const auto prepared = host->prepared();
  const auto found = prepared.find(kGroup);
  if (found == prepared.end() || found->second != id) {
    return Violate(node, "prepared",
                   "the node has lost the replica that it had prepared");
  }
  if (present_->joins[node]) return Join(node, host);
  if (present_->first.has_value()) return Found(node, host);
  Compose();
}

void GroupOperator::NoteRunning(size_t node) {
  if (present_->ran) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!present_->ended[i] && CoreOn(i) == nullptr) return;
  }
  present_->ran = true;
  Mark(node, "operator.group_founded");
}

void GroupOperator::SetPeers(size_t node, raft::Host* host) {
  Node& state = nodes_[node];
  if (state.now_without == state.without) return;
  std::vector<env::PeerAddress> peers = peers_(node);
  peers.erase(std::remove_if(peers.begin(), peers.end(),
                             [&](const env::PeerAddress& peer) {
                               return peer.node == NodeId(state.without + 1);
                             }),
              peers.end());
  state.now_without = state.without;
  const absl::Status status = host->SetPeers(std::move(peers));
  if (!status.ok()) Violate(node, "peers", status.ToString());
  Mark(node,
       state.without == node ? "operator.peer_came" : "operator.peer_left");
}

void GroupOperator::Prepare(size_t node, raft::Host* host) {
  nodes_[node].calls = true;
  Creation* const creation = present_;
  const StoreIncarnation store = host->identity().incarnation;
  host->PrepareReplica(
      kGroup, [this, node, creation, store](absl::StatusOr<ReplicaId> id) {
        nodes_[node].calls = false;
        // If it was given up meanwhile, it is dropped.
        if (!id.ok()) return;
        creation->members[node] = {
            .replica = *id, .node = NodeId(node + 1), .store = store};
        creation->all.insert(*id);
      });
}

// Any configuration of the group serves.
void GroupOperator::Join(size_t node, raft::Host* host) {
  const size_t leader = Leader();
  nodes_[node].calls = true;
  host->JoinReplica(kGroup, present_->members[node].replica,
                    leader == nodes_.size() ? *present_->first
                                            : CoreOn(leader)->configuration(),
                    [this, node](absl::Status status) {
                      nodes_[node].calls = false;
                      if (status.ok()) Mark(node, "operator.replica_joins");
                    });
}

// Entry 1 names the replicas of all nodes that are not late, or of some of
// them.
void GroupOperator::Compose() {
  for (size_t i = 0; i < founders_; ++i) {
    if (present_->ended[i] || present_->members[i].replica == ReplicaId()) {
      return;
    }
  }
  raft::Host* const any = AnyHost();
  if (any == nullptr) return;
  enum Kind : uint64_t { kAllVote, kLastLearns, kFirstVotes, kWithoutLast };
  const uint64_t kind = world_.choices().Below(
      kMembers, ChoiceKey{creations_.size()}, kWithoutLast + 1);
  raft::Configuration first;
  first.level = any->founded_level();
  first.hash_key = any->hash_key();
  for (size_t i = 0; i < founders_; ++i) {
    const bool last = i > 0 && i + 1 == founders_;
    if (kind == kWithoutLast && last) {
      present_->ended[i] = true;
      continue;
    }
    const bool learns =
        (kind == kLastLearns && last) || (kind == kFirstVotes && i > 0);
    (learns ? first.learners : first.voters).push_back(present_->members[i]);
  }
  raft::SortMembers(&first.voters);
  raft::SortMembers(&first.learners);
  present_->first = std::move(first);
}

void GroupOperator::Found(size_t node, raft::Host* host) {
  nodes_[node].calls = true;
  host->FoundReplica(kGroup, *present_->first, [this, node](absl::Status) {
    nodes_[node].calls = false;
  });
}

void GroupOperator::Drop(size_t node, raft::Host* host) {
  nodes_[node].calls = true;
  Creation* const creation = present_;
  host->DropReplica(kGroup, [this, node, creation](absl::Status status) {
    nodes_[node].calls = false;
    if (!status.ok() || creation != present_) return;
    Mark(node, "operator.replica_dropped");
    const std::string left = FileOn(node);
    if (!left.empty() && !MayLeaveFiles(node)) {
      Violate(node, "dropped", absl::StrCat("the drop has left ", left));
    }
    OnGone(node);
  });
}

void GroupOperator::OnGone(size_t node) {
  present_->gone[node] = true;
  gone_.insert(present_->members[node].replica);
  const std::vector<bool>& gone = present_->gone;
  if (std::find(gone.begin(), gone.end(), false) != gone.end()) return;
  CheckHistory();
  if (present_->ran) Mark(node, "operator.group_dropped");
  present_ = nullptr;
}

// The roles that were drawn, as far as each node has a replica. A new voter
// learns first.
std::optional<raft::Configuration> GroupOperator::Target(
    const raft::Configuration& present, uint64_t roles) const {
  enum Role : uint64_t { kVotes, kVotesToo, kLearns, kIsOut };
  raft::Configuration target = present;
  target.voters.clear();
  target.learners.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const uint64_t role = roles >> kRoleBits * (i % MostRoles()) & kIsOut;
    const raft::Member& member = present_->members[i];
    if (present_->ended[i] || member.replica == ReplicaId() || role == kIsOut) {
      continue;
    }
    const bool votes =
        role != kLearns && raft::IsMember(present, member.replica);
    (votes ? target.voters : target.learners).push_back(member);
  }
  raft::SortMembers(&target.voters);
  raft::SortMembers(&target.learners);
  if (target.voters.empty()) return std::nullopt;
  return target;
}

void GroupOperator::ChangeMembers(size_t node, raft::Host* host) {
  const uint64_t roles = *std::exchange(roles_, std::nullopt);
  const raft::Core& core = *host->core(kGroup);
  if (!core.configuration().outgoing_voters.empty()) return;
  std::optional<raft::Configuration> target =
      Target(core.configuration(), roles);
  if (target.has_value()) Change(node, host, *std::move(target));
}

// A learner that votes takes the place of the node's earlier replica.
void GroupOperator::PromoteJoiners(size_t node, raft::Host* host) {
  if (present_ == nullptr) return;
  const raft::Configuration& present = host->core(kGroup)->configuration();
  if (!present.outgoing_voters.empty()) return;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const raft::Member& member = present_->members[i];
    if (!present_->to_vote[i] || member.replica == ReplicaId()) continue;
    if (raft::IsVoter(present, member.replica)) {
      present_->to_vote[i] = false;
      Mark(i, "operator.joiner_votes");
      continue;
    }
    raft::Configuration target = present;
    if (!raft::IsMember(present, member.replica)) {
      target.learners.push_back(member);
    } else {
      const auto replaced = [&](const raft::Member& other) {
        return other.node == member.node;
      };
      std::erase_if(target.learners, replaced);
      if (std::erase_if(target.voters, replaced) > 0) {
        Mark(i, "operator.replica_replaced");
      }
      target.voters.push_back(member);
    }
    raft::SortMembers(&target.voters);
    raft::SortMembers(&target.learners);
    return Change(node, host, std::move(target));
  }
}

void GroupOperator::Change(size_t node, raft::Host* host,
                           raft::Configuration target) {
  host->ChangeConfiguration(
      kGroup, host->core(kGroup)->configuration_index(), std::move(target),
      [this, node](const raft::ProposeResult& result) {
        if (result.outcome == Outcome::kDone) {
          Mark(node, "operator.members_changed");
        } else if (absl::IsFailedPrecondition(result.status)) {
          world_.env(machines_[node])
              .tracer.Sometimes("operator.change_refused");
        }
      });
}

void GroupOperator::Propose(raft::Host* host) {
  next_command_ = world_.now() + kCommandInterval;
  std::optional<Random> random =
      world_.choices().RandomOrNone(kCommand, ChoiceKey{++commands_});
  // The last command does not depend on the tape.
  if (!random.has_value() && !acts_ && executed_ == 0) random = Random(0);
  if (!random.has_value()) return;
  Creation* const creation = present_;
  CommandHistory& history = creation->history;
  StateMachineTest::Command command = test_.Draw(*random, history.values());
  const size_t number =
      history.Invoke(world_.now(), std::string(command.payload.view()),
                     command.object, command.operation);
  Buffer payload = command.payload;
  host->Propose(kGroup, std::move(payload),
                [this, creation, number, command = std::move(command)](
                    const raft::ProposeResult& result) {
                  CommandHistory& history = creation->history;
                  if (result.outcome == Outcome::kNotExecuted)
                    history.Withdraw(number);
                  if (result.outcome != Outcome::kDone) return;
                  history.Return(number, world_.now(), result.position.index,
                                 test_.ResultOf(command, result.result.view(),
                                                history.values()));
                  ++executed_;
                  ++progress_;
                });
}

// ---- The end of a run

void GroupOperator::Finish() {
  acts_ = false;
  mistakes_.Finish();
  admits_ = true;
  roles_.reset();
  for (size_t i = 0; i < nodes_.size(); ++i) nodes_[i].without = i;
  enum Wish : uint64_t { kAsItIs, kThere, kGone };
  const uint64_t wish =
      world_.choices().Below(kLastWish, ChoiceKey{}, kGone + 1);
  wants_group_ = wish == kThere || (wish == kAsItIs && present_ != nullptr);
  if (!wants_group_ && present_ != nullptr) EndGroup();
}

bool GroupOperator::Settled() {
  if (!wants_group_) return NothingIsLeft();
  if (present_ == nullptr) Create();
  const std::vector<bool>& to_vote = present_->to_vote;
  return executed_ > 0 && MembersAgree() &&
         std::find(to_vote.begin(), to_vote.end(), true) == to_vote.end();
}

bool GroupOperator::NothingIsLeft() const {
  if (present_ != nullptr) return false;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    raft::Host* const host = host_(i);
    if (host == nullptr || (!FileOn(i).empty() && !MayLeaveFiles(i)) ||
        host->condition(kGroup) != raft::Host::Condition::kNotHeld ||
        host->prepared().contains(kGroup)) {
      return false;
    }
  }
  return true;
}

bool GroupOperator::MembersAgree() const {
  const size_t leader = Leader();
  if (leader == nodes_.size()) return false;
  const raft::Core& leading = *CoreOn(leader);
  if (!leading.configuration().outgoing_voters.empty()) return false;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (present_->ended[i] || !raft::IsMember(leading.configuration(),
                                              present_->members[i].replica)) {
      continue;
    }
    const raft::Core* const core = CoreOn(i);
    if (core == nullptr || core->leader() != leading.leader() ||
        core->applied_index() != leading.last().index) {
      return false;
    }
  }
  return true;
}

void GroupOperator::CheckHistory() {
  if (present_ == nullptr) return;
  std::string violation = present_->history.Check(test_.model());
  if (!violation.empty()) {
    world_.Violate(absl::StrCat("group ", kGroup.value(), ": ", violation));
  }
}

std::vector<const raft::Core*> GroupOperator::Cores() const {
  std::vector<const raft::Core*> cores;
  for (size_t i = 0; i < nodes_.size(); ++i) cores.push_back(CoreOn(i));
  return cores;
}

// A node that has started. Null: there is none.
raft::Host* GroupOperator::AnyHost() const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    raft::Host* const host = host_(i);
    if (host != nullptr && host->status().ok()) return host;
  }
  return nullptr;
}

const raft::Core* GroupOperator::CoreOn(size_t node) const {
  const raft::Host* const host = host_(node);
  return host != nullptr && host->group_status(kGroup).ok() ? host->core(kGroup)
                                                            : nullptr;
}

// The next start removes a file that the disk has refused to remove.
bool GroupOperator::MayLeaveFiles(size_t node) const {
  return world_.disk_failures(machines_[node]) > 0;
}

std::string GroupOperator::FileOn(size_t node) const {
  const std::string prefix =
      absl::StrCat("snap-", absl::Hex(kGroup.value(), absl::kZeroPad8), "-");
  for (const std::string& name : world_.DiskFiles(machines_[node])) {
    if (name.starts_with(prefix)) return name;
  }
  return "";
}

std::string GroupOperator::Describe() const {
  std::string text = absl::StrCat("group ", kGroup.value(), ": the operator ",
                                  wants_group_ ? "wants it" : "wants it gone",
                                  ", ", executed_, " commands\n");
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const raft::Host* const host = host_(i);
    const raft::Core* const core = CoreOn(i);
    absl::StrAppend(&text, "group ", kGroup.value(), ", node ", i + 1, ": ");
    if (host == nullptr) {
      text += "down\n";
    } else if (core == nullptr) {
      absl::StrAppend(&text, host->group_status(kGroup).ToString(),
                      ", files: ", FileOn(i), "\n");
    } else {
      absl::StrAppend(&text, std::string(raft::RoleName(core->role())),
                      " of term ", core->term().value(), ", applied ",
                      core->applied_index().value(), " of ",
                      core->last().index.value(), "\n");
    }
  }
  return text;
}

}  // namespace quorate::sim
