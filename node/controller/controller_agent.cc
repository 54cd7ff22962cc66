#include "node/controller/controller_agent.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "env/little_endian.h"
#include "env/siphash.h"
#include "node/controller/host_view.h"
#include "shardctrl/controller/rows.h"

namespace quorate::node {

using shardctrl::ClusterState;
using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;
using shardctrl::kControllerGroup;

namespace {

// They set the secrets of keys apart from other uses of the hash key.
constexpr uint64_t kSecretFirst = 0x736563726574206f;
constexpr uint64_t kSecretSecond = 0x736563726574206e;

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
      link_(env, host, links, config.node,
            [this] { return follower_.Candidates(); },
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
                 }}),
      follower_(env, host, config, cluster, view, link_,
                [this] { OnChanged(kControllerGroup); }),
      runner_(env.tracer, *this, ReplicasOfHost(),
              [this](GroupId group) { OnChanged(group); }),
      reports_(config.node, runner_,
               [this](NodeId node) { return view_.works(node); }),
      binder_(env.loop, *this) {}

ActionRunner::Replicas ControllerAgent::ReplicasOfHost() {
  using Finished = ActionRunner::Finished;
  return {
      .prepare =
          [this](GroupId group, auto done) {
            host_.PrepareReplica(group, std::move(done));
          },
      .found =
          [this](GroupId group, raft::Configuration first, Finished done) {
            host_.FoundReplica(group, std::move(first), std::move(done));
          },
      .join =
          [this](GroupId group, ReplicaId replica, raft::Configuration known,
                 Finished done) {
            host_.JoinReplica(group, replica, std::move(known),
                              std::move(done));
          },
      .change =
          [this](GroupId group, raft::Index base, raft::Configuration target,
                 Finished done) {
            host_.ChangeConfiguration(
                group, base, std::move(target),
                [done = std::move(done)](
                    const raft::ProposeResult& result) mutable {
                  done(result.status);
                });
          },
      .transfer = [this](GroupId group,
                         ReplicaId to) { host_.TransferLeadership(group, to); },
      .drop = [this](
                  GroupId group,
                  Finished done) { host_.DropReplica(group, std::move(done)); },
      .hold = [this](GroupId group,
                     ReplicaId old) { host_.HoldReplica(group, old); },
      .recover =
          [this](Action action, Finished done) {
            RecoverOnceOthersAreHeld(std::move(action), std::move(done));
          },
      .may_recover =
          [this] {
            return MonoNow() - started_ >=
                   config_.host.core.election_timeout_max;
          },
      .damaged =
          [this](GroupId group) {
            return host_.condition(group) == raft::Host::Condition::kFenced;
          },
      .leader = [this](GroupId group) { return view_.ReachableLeader(group); },
      .store = [this] { return host_.identity().incarnation; }};
}

void ControllerAgent::Start(shardctrl::ReportedAddresses own) {
  own_ = std::move(own);
  follower_.Start(own_.peer);
  working_ = true;
  started_ = connected_ = MonoNow();
  view_.SetMapObserver([this] {
    if (!working_) return;
    if (follower_.recovery_elsewhere()) OnChanged(kControllerGroup);
    if (!link_.follows()) follower_.Follow();
  });
  WorkAt(MonoNow());
}

void ControllerAgent::Stop() {
  working_ = false;
  timer_ = env::Pending();
  follower_.Stop();
}

void ControllerAgent::OnChanged(GroupId group) {
  changed_ = true;
  if (!working_) return;
  const bool now = group == kControllerGroup && follower_.SlotsMoved();
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
    follower_.NoteMembers();
  }
  follower_.Follow();
  follower_.AskRefusing();
  if (cluster_.removed()) {
    for (const GroupId group : view_.GroupsOn(self())) {
      runner_.Run({.kind = Action::Kind::kDrop,
                   .group = group,
                   .why = "the cluster has removed this node"});
    }
  } else if (state().version > shardctrl::MapVersion()) {
    follower_.UpdateMap();
    const env::TransportIdentity& identity = host_.identity();
    reports_.ReportAddresses(state(), identity.incarnation,
                             identity.start.number, own_);
    reports_.ReportSilence(state(), link_.leads(), MonoNow());
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
  std::vector<Action> actions =
      shardctrl::Reconcile(state(), HostViewOf(self(), host_, view_, runner_));
  const std::vector<shardctrl::GroupRecord>& groups = state().groups;
  changed_ = !actions.empty() ||
             !std::all_of(groups.begin(), groups.end(), shardctrl::IsSettled);
  for (Action& action : actions) runner_.Run(std::move(action));
}

// ---- ControllerAccess.

void ControllerAgent::Refresh(absl::AnyInvocable<void(absl::Status)> done) {
  if (cluster_.removed())
    return done(absl::FailedPreconditionError(kRemovedText));
  std::string known;
  AppendFixed(&known, follower_.received().value());
  link_.Ask(
      ControllerQuestion::kState, std::move(known),
      config_.timeouts.leader_wait,
      [this, done = std::move(done)](absl::StatusOr<Buffer> answer) mutable {
        if (answer.ok()) follower_.Take(*answer);
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
        if (answer.ok() && !dry_run) follower_.OnAnswered(answer->version);
        // The state that an operator sees next has the effects.
        OnChanged(kControllerGroup);
        done(std::move(answer));
      });
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
