#include "node/controller/controller_agent.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "env/little_endian.h"
#include "env/siphash.h"
#include "node/base/text.h"
#include "node/controller/windows.h"
#include "raft/core/configuration.h"
#include "raft/host/admission_message.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/controller/rows.h"
#include "shardctrl/controller/token.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;
using shardctrl::kControllerGroup;

namespace {

// They set the secrets of keys apart from other uses of the hash key.
constexpr uint64_t kSecretFirst = 0x736563726574206f;
constexpr uint64_t kSecretSecond = 0x736563726574206e;

constexpr char kRemovedText[] =
    "the cluster has removed this node, or has given up its data directory for "
    "another one; stop its process, and delete its directory";

bool IsGivenUp(const ClusterState& state, NodeId node, StoreIncarnation store) {
  const auto stores = shardctrl::GivenUpStores(state);
  const auto found = stores.find(node);
  return found != stores.end() &&
         std::ranges::find(found->second, store) != found->second.end();
}

}  // namespace

ControllerAgent::ControllerAgent(env::Env& env, raft::Host& host,
                                 const Config& config, ClusterMap& cluster,
                                 LiveView& view, PeerLinks& links,
                                 Measures measures)
    : env_(env),
      host_(host),
      config_(config),
      cluster_(cluster),
      view_(view),
      measures_(std::move(measures)),
      link_(env, host, links, config.node, [this] { return Candidates(); },
            {.usage = [this] { return Usage(); },
             .known = [this]() -> const ClusterState* {
               return state().version > shardctrl::MapVersion() ? &state()
                                                                : nullptr;
             },
             .held = [this](GroupId group) { return Held(group); },
             .recover =
                 [this](ReplicaId replica, uint64_t generation,
                        ControllerLink::Finished done) {
                   RecoverOwn(replica, generation, std::move(done));
                 }}) {}

void ControllerAgent::Start(shardctrl::ReportedAddresses own) {
  own_ = std::move(own);
  working_ = true;
  started_ = connected_ = MonoNow();
  view_.SetMapObserver([this] {
    if (!working_) return;
    if (KnowsRecovery() != NodeId()) OnChanged(kControllerGroup);
    if (!link_.follows()) FollowState();
  });
  WorkAt(MonoNow());
}

void ControllerAgent::Stop() {
  working_ = false;
  timer_ = env::Pending();
  refusing_call_ = env::Pending();
}

void ControllerAgent::OnChanged(GroupId group) {
  changed_ = true;
  if (!working_) return;
  const bool now = group == kControllerGroup && SlotsMoved();
  WorkAt(MonoNow() + (now ? Duration() : kSoon));
}

void ControllerAgent::WorkAt(MonoTime at) {
  if (at >= due_) return;
  due_ = at;
  timer_ = env_.loop.At(at, [this] {
    due_ = MonoTime::Max();
    Work();
  });
}

void ControllerAgent::Work() {
  if (!working_) return;
  const bool looks = changed_ || MonoNow() - looked_at_ >= kSettledInterval;
  if (looks) {
    looked_at_ = MonoNow();
    NoteMembers();
  }
  FollowState();
  AskRefusing();
  if (cluster_.removed()) {
    for (const GroupId group : view_.GroupsOn(self())) {
      Act({.kind = Action::Kind::kDrop,
           .group = group,
           .why = "the cluster has removed this node"});
    }
  } else if (state().version > shardctrl::MapVersion()) {
    UpdateMap();
    ReportAddresses();
    ReportSilence();
    if (looks) {
      Reconcile();
      on_state_();
    }
  }
  if (!view_.alone()) connected_ = MonoNow();
  const MonoTime often_until =
      view_.alone() ? connected_ + kSettledInterval
                    : started_ + config_.host.core.election_timeout_max;
  WorkAt(MonoNow() + (MonoNow() < often_until ? kIntervalAlone : kInterval));
}

void ControllerAgent::Reconcile() {
  std::vector<Action> actions = shardctrl::Reconcile(state(), View());
  const std::vector<shardctrl::GroupRecord>& groups = state().groups;
  changed_ = !actions.empty() ||
             !std::all_of(groups.begin(), groups.end(), shardctrl::IsSettled);
  for (Action& action : actions) Act(std::move(action));
}

// ---- The state.

// The configurations here may be newer than the map with which this node began.
// Fenced replicas may name nodes that are gone.
void ControllerAgent::NoteMembers() {
  absl::btree_set<NodeId> members;
  for (const GroupId group : host_.groups()) {
    const raft::Core* const core = host_.core(group);
    if (core == nullptr || !host_.group_status(group).ok()) continue;
    raft::ForEachMember(core->configuration(), [&](const raft::Member& member) {
      members.insert(member.node);
    });
  }
  cluster_.SetMembers(std::move(members));
}

const ClusterState& ControllerAgent::state() const {
  const shardctrl::ControllerMachine* const machine = link_.machine();
  return machine != nullptr && machine->state().version > received_.version
             ? machine->state()
             : received_;
}

std::vector<NodeId> ControllerAgent::Candidates() const {
  std::vector<NodeId> nodes;
  const auto add = [&](NodeId node) {
    if (std::find(nodes.begin(), nodes.end(), node) == nodes.end()) {
      nodes.push_back(node);
    }
  };
  if (link_.follows()) add(self());
  const shardctrl::GroupRecord* const group =
      state().FindGroup(kControllerGroup);
  if (group != nullptr && group->reported.has_value()) {
    for (const raft::Member& voter : group->reported->configuration.voters) {
      if (voter.node != self()) add(voter.node);
    }
  }
  // Others know where it is.
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id != self()) add(node.id);
  }
  return nodes;
}

NodeId ControllerAgent::KnowsRecovery() const {
  const LiveView::NewestMap newest = view_.newest_map();
  const uint64_t own = state().version.value();
  return newest.version.value() / shardctrl::kVersionsOfAGeneration >
                 own / shardctrl::kVersionsOfAGeneration
             ? newest.node
             : NodeId();
}

// A node with an old state reports again and again what the controller knows.
// Each report is one more entry that its replica of the controller lacks.
void ControllerAgent::FollowState() {
  NodeId from = KnowsRecovery();
  const bool behind = state().version < told_;
  if (asks_ || (from == NodeId() && link_.follows() && !behind)) return;
  if (from == NodeId() && !link_.follows()) from = view_.newest_map().node;
  asks_ = true;
  link_.AskHint(from, state().version,
                [this, before = state().version](std::optional<Buffer> answer) {
                  asks_ = false;
                  if (answer.has_value()) TakeState(*answer);
                  // Another version may have been reported meanwhile.
                  if (working_ && before < state().version &&
                      !link_.follows() &&
                      state().version < view_.newest_map().version) {
                    FollowState();
                  }
                });
}

void ControllerAgent::TakeState(const Buffer& bytes) {
  if (bytes.size() == 0) return;
  auto state = shardctrl::DecodeState(bytes.view());
  if (!state.ok() || state->version <= this->state().version) return;
  // The lost majority may have made it. This node has just recovered the
  // controller, whose version rises with the first report of that.
  const raft::Core* const core = host_.core(kControllerGroup);
  const shardctrl::GroupRecord* const group =
      state->FindGroup(kControllerGroup);
  if (core != nullptr && group != nullptr && group->reported.has_value() &&
      group->reported->configuration.generation <
          core->configuration().generation) {
    return;
  }
  received_ = *std::move(state);
  OnChanged(kControllerGroup);
}

void ControllerAgent::AskRefusing() {
  if (asks_refusing_ || cluster_.removed()) return;
  std::vector<std::string> refusing;
  bool alone = !link_.follows();
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id == self() || node.peer.empty()) continue;
    alone = false;
    const env::HandshakeRefusal refusal = env_.transport.link(node.id).refusal;
    if (refusal == env::HandshakeRefusal::kUnknownNode ||
        refusal == env::HandshakeRefusal::kOtherNode ||
        refusal == env::HandshakeRefusal::kOtherStore) {
      refusing.push_back(node.peer);
    }
    // The node was looked for at the seeds, too.
    if (refusal == env::HandshakeRefusal::kOtherNode) {
      refusing.insert(refusing.end(), config_.seeds.begin(),
                      config_.seeds.end());
    }
  }
  // It founded the cluster alone, and gave its replicas away.
  if (alone) refusing = config_.seeds;
  if (refusing.empty()) return;
  asks_refusing_ = true;
  refusing_call_ = env_.transport.AskForAdmission(
      {.node = self(), .incarnation = host_.identity().incarnation},
      refusing[refusing_questions_++ % refusing.size()],
      raft::EncodeAdmissionRequest({.address = own_.peer}),
      [this](const absl::StatusOr<Buffer>& bytes) { OnRefusingAnswer(bytes); });
}

void ControllerAgent::OnRefusingAnswer(const absl::StatusOr<Buffer>& bytes) {
  asks_refusing_ = false;
  if (!bytes.ok()) return;
  const auto answer = raft::DecodeAdmissionAnswer(*bytes);
  if (!answer.ok() || answer->kind != raft::AdmissionAnswer::Kind::kAdmitted ||
      answer->cluster != cluster()) {
    return;
  }
  const auto record = raft::DecodeBootstrapRecord(answer->record);
  if (!record.ok()) return;
  const auto known = shardctrl::DecodeState(record->welcome);
  // One from before this store was bound does not know it.
  if (!known.ok() || known->version < state().version ||
      known->version < cluster_.shards().version()) {
    return;
  }
  const shardctrl::NodeRecord* const node = known->FindNode(self());
  // Until another store has taken its place, this one may lead its groups away.
  const bool removed =
      node != nullptr && (node->state == shardctrl::NodeState::kRemoved ||
                          (!node->IsUnboundFounder() &&
                           node->store != host_.identity().incarnation));
  // All nodes that this one knows may be gone. A welcome lacks the reports of
  // groups, so the state of its version must follow.
  shardctrl::ShardMap::Parts parts = shardctrl::MapOf(*known);
  parts.version = shardctrl::MapVersion(known->version.value() - 1);
  SetMap(std::move(parts));
  if (removed) GiveUp();
}

void ControllerAgent::GiveUp() {
  if (cluster_.removed()) return;
  env_.tracer.Log(env::Severity::kError, kRemovedText);
  cluster_.SetRemoved();
  OnChanged(kControllerGroup);
}

void ControllerAgent::UpdateMap() {
  const ClusterState& now = state();
  if (now.version <= mapped_) return;
  mapped_ = now.version;
  const bool moved = SlotsMoved();
  if (moved) mapped_slots_ = now.slots;
  cluster_.SetGivenUp(shardctrl::GivenUpStores(now));
  if (IsGivenUp(now, self(), host_.identity().incarnation)) GiveUp();
  SetMap(shardctrl::MapOf(now));
  const raft::Core* const core = host_.core(kControllerGroup);
  const bool leads = core != nullptr && core->role() == raft::RoleKind::kLeader;
  if (moved && leads) view_.TellMap();
}

void ControllerAgent::SetMap(shardctrl::ShardMap::Parts parts) {
  if (parts.version <= cluster_.shards().version()) return;
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  if (!map.ok()) {
    return env_.tracer.Log(
        env::Severity::kError,
        Concat("the controller's map is not valid: ", Message(map.status())));
  }
  cluster_.SetMap(*std::move(map));
}

void ControllerAgent::Refresh(absl::AnyInvocable<void(absl::Status)> done) {
  if (cluster_.removed())
    return done(absl::FailedPreconditionError(kRemovedText));
  std::string known;
  AppendFixed(&known, received_.version.value());
  link_.Ask(
      ControllerQuestion::kState, std::move(known),
      config_.timeouts.leader_wait,
      [this, done = std::move(done)](absl::StatusOr<Buffer> answer) mutable {
        if (answer.ok()) TakeState(*answer);
        done(answer.status());
      });
}

void ControllerAgent::Execute(ControllerCommand command, bool dry_run,
                              Answered done) {
  if (cluster_.removed())
    return done(absl::FailedPreconditionError(kRemovedText));
  link_.Ask(
      dry_run ? ControllerQuestion::kDryRun : ControllerQuestion::kCommand,
      shardctrl::EncodeCommand(command), config_.timeouts.leader_wait,
      [this, dry_run,
       done = std::move(done)](absl::StatusOr<Buffer> bytes) mutable {
        if (!bytes.ok()) return done(bytes.status());
        if (!dry_run) env_.tracer.Sometimes("window.command_answered");
        auto answer = shardctrl::DecodeAnswer(bytes->view());
        if (answer.ok() && !dry_run) told_ = std::max(told_, answer->version);
        // The state that an operator sees next has the effects.
        OnChanged(kControllerGroup);
        done(std::move(answer));
      });
}

// ---- Reports.

void ControllerAgent::Report(ControllerCommand::Body body, Busy busy) {
  if (busy_.contains(busy)) return;
  Began(busy);
  Execute({{}, std::move(body)}, /*dry_run=*/false,
          [this, busy](absl::StatusOr<ControllerAnswer> answer) {
            End(busy, answer.status());
          });
}

void ControllerAgent::ReportAddresses() {
  const shardctrl::NodeRecord* const node = state().FindNode(self());
  const uint64_t start = host_.identity().start.number;
  const StoreIncarnation store = host_.identity().incarnation;
  if (node == nullptr || node->start_number > start ||
      (node->start_number == start && node->addresses == own_)) {
    return;
  }
  // The node was replaced: each report would be refused.
  if (node->store != store && !node->IsUnboundFounder()) return;
  Report(ControllerCommand::ReportNode{.node = self(),
                                       .store = store,
                                       .start_number = start,
                                       .addresses = own_},
         {.kind = Action::Kind::kReportGroup, .node = self()});
}

void ControllerAgent::ReportSilence() {
  const raft::Core* const core = host_.core(kControllerGroup);
  if (core == nullptr || core->role() != raft::RoleKind::kLeader) {
    return silence_reported_.clear();
  }
  for (const shardctrl::NodeRecord& node : state().nodes) {
    if (node.store == StoreIncarnation() ||
        node.state == shardctrl::NodeState::kRemoved) {
      continue;
    }
    const bool silent = node.silent_since > WallTime{0};
    if (view_.works(node.id)) {
      silence_reported_.erase(node.id);
      if (silent) {
        Report(ControllerCommand::ReportSign{node.id},
               {.kind = Action::Kind::kReportReplica, .node = node.id});
      }
      continue;
    }
    MonoTime& last =
        silence_reported_.try_emplace(node.id, MonoTime::Min()).first->second;
    if (last != MonoTime::Min() && MonoNow() - last < kSilenceInterval) {
      continue;
    }
    last = MonoNow();
    Report(ControllerCommand::ReportSilence{node.id},
           {.kind = Action::Kind::kReportReplica, .node = node.id});
  }
}

// ---- Admission.

absl::Status ControllerAgent::Admit(const raft::JoinRequest& request) {
  const shardctrl::NodeRecord* const node = state().FindNode(request.node);
  // AskRefusing: the store was in the cluster.
  if (node != nullptr && request.token.empty() &&
      (node->store == request.store ||
       IsGivenUp(state(), request.node, request.store))) {
    return absl::OkStatus();
  }
  const auto token = shardctrl::ParseToken(request.token);
  if (!token.ok()) return token.status();
  if (token->cluster != cluster() || token->node != request.node) {
    return absl::PermissionDeniedError(
        "the token is one of another cluster or another node");
  }
  if (const auto refused = refused_.extract(request.store); !refused.empty()) {
    return absl::PermissionDeniedError(refused.mapped());
  }
  // The state of this node may be so old that another store has come since.
  if (const auto bound = bound_.extract(request.store);
      !bound.empty() && MonoNow() - bound.mapped() < kBoundFor &&
      node != nullptr && node->store == request.store) {
    return absl::OkStatus();
  }
  if (!working_ || asking_.size() >= kAdmissionsMax) {
    return absl::UnavailableError("this node is busy");
  }
  // Not now: a proposal may call back at once.
  const auto [asked, added] = asking_.try_emplace(request.store);
  if (added) {
    asked->second = env_.loop.Defer([this, request] { Bind(request); });
  }
  return absl::UnavailableError("the controller is being asked");
}

void ControllerAgent::Bind(const raft::JoinRequest& request) {
  const auto token = shardctrl::ParseToken(request.token);
  Execute(
      {{},
       ControllerCommand::BindNode{
           .node = request.node,
           .token = shardctrl::DigestOf(token->cluster, token->secret_first,
                                        token->secret_second),
           .store = request.store}},
      /*dry_run=*/false,
      [this, store = request.store](absl::StatusOr<ControllerAnswer> answer) {
        if (answer.ok() &&
            answer->outcome == ControllerAnswer::Outcome::kRefused) {
          // A store that heard another node refuse it does not come again.
          if (refused_.size() >= kAdmissionsMax) refused_.clear();
          refused_[store] = answer->text;
        }
        if (!answer.ok() ||
            answer->outcome == ControllerAnswer::Outcome::kRefused) {
          asking_.erase(store);
          return;
        }
        Refresh([this, store](const absl::Status&) {
          if (bound_.size() >= kAdmissionsMax) bound_.clear();
          bound_[store] = MonoNow();
          asking_.erase(store);
        });
      });
}

std::string ControllerAgent::Welcome() const {
  ClusterState known = state();
  known.history.clear();
  known.operations.clear();
  for (shardctrl::NodeRecord& node : known.nodes) node.token = {};
  // The members that are wanted are near enough.
  for (shardctrl::GroupRecord& group : known.groups) {
    group.first.reset();
    group.reported.reset();
  }
  return shardctrl::EncodeState(known);
}

// ---- Actions.

bool ControllerAgent::Describe(GroupId group,
                               shardctrl::HostedReplica* replica) const {
  const raft::Core* const core = host_.core(group);
  if (core == nullptr) return false;
  replica->group = group;
  replica->replica = core->replica();
  replica->fenced = host_.condition(group) == raft::Host::Condition::kFenced;
  replica->held = core->held();
  if (replica->fenced || core->joining()) return true;
  const raft::Index at = core->configuration_index();
  if (at <= core->log_start().index) {
    replica->position = core->log_start();
    replica->compacted = at;
  } else {
    replica->position = {core->TermAt(at), at};
  }
  replica->configuration = core->configuration();
  if (core->role() != raft::RoleKind::kLeader) return true;
  shardctrl::HostedReplica::Leadership leads;
  leads.term = core->term();
  const auto sent = group_reports_.find(group);
  if (sent != group_reports_.end() && sent->second.term == leads.term) {
    leads.sent = sent->second;
  }
  leads.settled = core->commit_index() >= at && core->CanServeReads() &&
                  !core->transferring() &&
                  core->configuration().outgoing_voters.empty();
  for (const raft::Core::FollowerStatus& member : core->followers()) {
    // A new leader counts its members as active, and knows nothing of them.
    const bool voter = raft::IsVoter(core->configuration(), member.replica);
    leads.members.push_back(
        {.replica = member.replica,
         .answers = member.active && (!voter || member.match > raft::Index()),
         .caught_up = member.caught_up,
         .takes_leadership = !view_.gives_away(member.node)});
  }
  replica->leads = std::move(leads);
  return true;
}

shardctrl::HostView ControllerAgent::View() const {
  shardctrl::HostView view = {.node = self(),
                              .store = host_.identity().incarnation,
                              .prepared = host_.prepared()};
  for (const GroupId group : host_.groups()) {
    shardctrl::HostedReplica replica;
    if (Describe(group, &replica)) view.replicas.push_back(std::move(replica));
  }
  // One that is halted or stopped may run after the next start.
  for (const auto& [group, replicas] : host_.failed()) {
    if (host_.condition(group) != raft::Host::Condition::kFenced) continue;
    for (const ReplicaId replica : replicas) {
      view.replicas.push_back(
          {.group = group, .replica = replica, .fenced = true});
    }
  }
  return view;
}

absl::AnyInvocable<void(absl::Status)> ControllerAgent::Ended(Busy busy) {
  return [this, busy](const absl::Status& status) { End(busy, status); };
}

void ControllerAgent::End(Busy busy, const absl::Status& status) {
  busy_.erase(busy);
  if (status.ok()) return OnChanged(busy.group);
  const std::string what =
      busy.group != GroupId()
          ? Concat("group ", busy.group)
          : Concat("node ", busy.node != NodeId() ? busy.node : self());
  env_.tracer.Log(env::Severity::kInfo,
                  Concat(what, ": ", Message(status), "; it is tried again"));
}

// A damaged replica is given up where the others do without it. It promised
// things that it may have lost, so it has no vote, and its place is free.
// Returns whether there is one. Another one may be prepared beside it already:
// damage of the log brings back what was dropped.
bool ControllerAgent::GiveUpDamaged(Busy busy) {
  const GroupId group = busy.group;
  if (host_.condition(group) != raft::Host::Condition::kFenced) return false;
  if (view_.ReachableLeader(group) == NodeId()) return true;
  Began(busy);
  env_.tracer.Log(env::Severity::kWarning,
                  Concat("group ", group, ": the damaged replica here is ",
                         "given up, and the others fill a new one"));
  host_.DropReplica(group, Ended(busy));
  return true;
}

void ControllerAgent::Act(Action action) {
  using Kind = Action::Kind;
  const Busy busy = {.kind = action.kind, .group = action.group};
  if (busy_.contains(busy)) return;
  env_.tracer.Sometimes(WindowOf(action.kind));
  env_.tracer.Log(env::Severity::kDebug,
                  Concat("group ", action.group, ": ", action.why));
  switch (action.kind) {
    case Kind::kPrepare:
      // That replica would be given up.
      if (busy_.contains({.kind = Kind::kFound, .group = action.group})) return;
      if (GiveUpDamaged(busy)) return;
      Began(busy);
      return host_.PrepareReplica(
          action.group, [this, busy](const absl::StatusOr<ReplicaId>& id) {
            End(busy, id.status());
          });
    case Kind::kReportReplica:
      return Report(
          ControllerCommand::ReportReplica{
              .group = action.group,
              .node = self(),
              .store = host_.identity().incarnation,
              .replica = action.replica,
              .generation = action.generation},
          busy);
    case Kind::kReportGroup:
      group_reports_[action.group] = action.report;
      return Report(
          ControllerCommand::ReportGroup{
              .group = action.group, .configuration = std::move(action.report)},
          busy);
    case Kind::kFound:
      if (GiveUpDamaged(busy)) return;
      Began(busy);
      return host_.FoundReplica(action.group, std::move(action.configuration),
                                Ended(busy));
    case Kind::kJoin:
      if (GiveUpDamaged(busy)) return;
      Began(busy);
      return host_.JoinReplica(action.group, action.replica,
                               std::move(action.configuration), Ended(busy));
    case Kind::kChange:
      Began(busy);
      return host_.ChangeConfiguration(
          action.group, action.base, std::move(action.configuration),
          [this, busy](const raft::ProposeResult& result) {
            End(busy, result.status);
          });
    case Kind::kTransfer:
      return host_.TransferLeadership(action.group, action.replica);
    case Kind::kDrop:
      Began(busy);
      return host_.DropReplica(action.group, Ended(busy));
    case Kind::kReportEmpty:
      return Report(
          ControllerCommand::ReportEmpty{.node = self(),
                                         .store = host_.identity().incarnation},
          busy);
    case Kind::kRecover:
      // After a start the node has to hear the others first.
      if (MonoNow() - started_ < config_.host.core.election_timeout_max) return;
      Began(busy);
      return RecoverOnceOthersAreHeld(std::move(action), busy);
    case Kind::kHold:
      return host_.HoldReplica(action.group, action.replica);
  }
}

std::string_view ControllerAgent::removed() const {
  return cluster_.removed() ? kRemovedText : "";
}

std::pair<uint64_t, uint64_t> ControllerAgent::Secret(std::string_view key) {
  if (!key.empty()) {
    const uint64_t secret = host_.hash_key();
    return {SipHash({secret, kSecretFirst}, key),
            SipHash({secret, kSecretSecond}, key)};
  }
  const uint64_t draw = draws_++;
  return {env_.secrets.Bits("node.operation", draw, 0),
          env_.secrets.Bits("node.operation", draw, 1)};
}

}  // namespace quorate::node
