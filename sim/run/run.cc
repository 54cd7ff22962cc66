#include "sim/run/run.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lincheck/formats/json_lines.h"
#include "lincheck/models/kv.h"
#include "shardctrl/controller/state.h"
#include "sim/checks/committed_entry.h"
#include "sim/checks/log_space_checker.h"
#include "sim/checks/recorder.h"
#include "sim/checks/replica_checker.h"
#include "sim/cluster/cluster.h"
#include "sim/cluster/cluster_checks.h"
#include "sim/cluster/controller_loss.h"
#include "sim/cluster/entry_words.h"
#include "sim/cluster/state_text.h"
#include "sim/harness/harness.h"
#include "sim/harness/timeline.h"
#include "sim/members/controller_checker.h"
#include "sim/members/member_changes.h"
#include "sim/resources/resource_checker.h"
#include "sim/run/bounds.h"
#include "sim/run/calm_phase.h"
#include "sim/run/calm_watch.h"
#include "sim/run/client_fleet.h"
#include "sim/run/cluster_views.h"
#include "sim/run/foreign_node.h"
#include "sim/run/message_key.h"
#include "sim/run/observed_calls.h"
#include "sim/run/run_report.h"
#include "sim/schedule/schedule.h"

namespace quorate::sim {
namespace {

constexpr ChoiceSite kLogs("shape.logs");
constexpr ChoiceSite kRollingRestart("operator.rolling_restart");
constexpr ChoiceSite kViewsAgain("cluster.views_again");
constexpr Duration kIdle = Seconds(2);
// After the last fault.
constexpr Duration kCalm = Seconds(2);
// A leader checks its quorum once per election timeout.
constexpr int64_t kLeaderTimeouts = 4;

HarnessOptions HarnessOptionsOf(const RunOptions& options) {
  return {.seed = options.seed,
          .duration = options.duration,
          .faults = options.faults,
          .without = options.without,
          .record = options.record,
          .keep_trace = options.keep_trace,
          .explain = options.explain,
          .message_key = EnvelopeKey,
          .message_text = MessageText};
}

}  // namespace

class Run::Impl final : public Subject {
 public:
  Impl(RunOptions options, const Tape* replay)
      : options_(std::move(options)),
        harness_(HarnessOptionsOf(options_), replay),
        world_(harness_.world()),
        draw_(&world_.choices(), options_.ShapeOfRun()),
        shape_(draw_.DrawShape()),
        replica_checker_(
            [this](std::string what) { world_.Violate(std::move(what)); }),
        recorder_(
            [this] { return world_.now(); },
            [this](std::string what) { world_.Violate(std::move(what)); }),
        cluster_(
            world_, replica_checker_,
            {.nodes = shape_.nodes,
             .read_only_nodes = shape_.read_only_nodes,
             .spares = shape_.spares,
             .reserve = shape_.reserve,
             .groups = shape_.groups,
             .replicas = shape_.voters,
             .configure = Configs(),
             .peer_streams = DrawPeerStreams(),
             .bootstrap_left_on = shape_.bootstrap_left_on,
             .wrong_files = options_.faults && shape_.has_hash_slots(),
             .changed_addresses = options_.faults && shape_.changed_addresses,
             .changed_settings = options_.faults && shape_.changed_settings}),
        clients_(world_, cluster_, recorder_,
                 {.shape = shape_,
                  .failures = options_.ClientsFail(),
                  .failing_time = harness_.duration() * 7 / 10,
                  .lossy = options_.faults,
                  .keep_sent = options_.keep_trace}) {
    if (shape_.members)
      members_.emplace(&world_, &cluster_, &controller_,
                       shape_.large_value_bytes);
    ListenToCluster();
    PrepareRecorder();
    // Texts of logs are made in some runs, so that their code runs, too.
    if (world_.choices().Chance(kLogs, ChoiceKey{}, {1, 8})) {
      world_.SetLogSink(
          env::Severity::kDebug,
          [](SimTime, MachineId, env::Severity, std::string_view) {});
    }
    world_.network_options().latency_min = shape_.link_latency;
    world_.stream_options().latency_min = shape_.link_latency;
    world_.stream_options().buffer_bytes = shape_.stream_buffer_bytes;
    world_.network_options().bytes_per_second = shape_.bytes_per_second;
    for (uint64_t node = 1; node <= cluster_.machines().size(); ++node) {
      const MachineId machine = cluster_.machine(NodeId(node));
      draw_.DrawDisk(NodeId(node), &world_.disk_options(machine));
      draw_.DrawLoop(NodeId(node), &world_.loop_options(machine));
    }
  }

  RunReport Execute();
  RunReport Current() const;
  Tape tape() const;
  World& world() { return world_; }
  const Harness& harness() const { return harness_; }
  std::string History() const;
  const std::vector<SentOperation>& sent() const { return clients_.sent(); }

 private:
  // Subject.
  ScheduleOptions Start() override;
  void OnScheduled(const Schedule& schedule) override;
  void AfterTurn(MachineId machine) override {
    cluster_.AfterTurn(machine);
    if (members_.has_value()) members_->AfterTurn();
    if (world_.now() >= next_look_) CheckAvailability();
  }
  void Explain(const StatePlace& place) override;
  StatePlace diverged() const override { return replica_checker_.diverged(); }
  void StopClients() override;
  void OnHealed(const std::vector<MachineId>& nodes) override {
    healed_ = nodes;
    healed_at_ = world_.now();
    // Each node must know the levels of the groups that are placed on it.
    if (members_.has_value()) cluster_.ReplaceOlderPrograms();
  }
  bool ClientsIdle() const override {
    return clients_.idle() && calm_phase_.restarted_all() &&
           (!members_.has_value() || members_->idle()) &&
           (!waits_for_links_ || calm_phase_.Linked());
  }
  uint64_t FinishedWork() const override {
    const Recorder::Counts& counts = recorder_.counts();
    // Queues may be full of requests of which the clients have given up the
    // replies.
    return counts.succeeded + counts.refused + counts.unknown +
           replica_checker_.applied_entries();
  }
  std::vector<Probe> Probes(Stage stage) override;
  std::vector<Condition> Conditions(Stage stage) override;
  void CompareReplicas() override {
    if (calm_phase_.End()) ListenToSteps();
    checks_.CompareStates();
  }
  void Finish() override {
    if (members_.has_value()) members_->Finish();
    recorder_.Finish();
    cluster_.HashCores();
  }
  std::string Describe() const override;

  void ListenToCluster();
  void PrepareRecorder();
  std::function<node::Config(NodeId)> Configs();
  // Null in a run without byte streams between nodes.
  std::function<raft::TransportOptions(NodeId)> DrawPeerStreams() {
    if (!shape_.peer_streams) return nullptr;
    return [this](NodeId node) { return draw_.DrawPeerStreams(node); };
  }
  void CheckAvailability();
  // A leader that hears no majority must give up its role.
  void CheckLeaders();
  // Faults that need members which stay.
  void AddMishaps(ScheduleOptions* options);
  // The voters of each store, and of the controller.
  std::vector<std::vector<MachineId>> StoreVoters() const;
  std::vector<MachineId> ControllerVoters() const {
    return cluster_.VotersOf(cluster_.groups().back());
  }
  // For a run in which members change.
  void MoveInCalm() {
    recorder_.log().OnCalm(
        [this] { return world_.now() - wait_for_snapshots_; },
        FrozenMax(world_, shape_, cluster_));
    members_->MoveInCalm();
  }
  // Rises while wishes come true.
  uint64_t WishProgress() const {
    return members_->Progress() + recorder_.log().moves().steps() +
           checks_.Progress();
  }
  // The groups that keep a majority through all faults.
  std::vector<std::vector<MachineId>> SoundGroups() const;
  // Asks once the conditions before it are met.
  Condition TrueViews();
  // Null: they stay.
  ClusterViews::Members NodesOfCluster() {
    if (!shape_.members) return nullptr;
    return [this] { return members_->Nodes(); };
  }
  // The steps of replicas are work of members, and of the calm.
  void ListenToSteps();
  // A replica has the state after the entry `index`.
  void CheckLogTime(NodeId node, GroupId group, raft::Index index);
  // The latest log time that reads of the group may have shown.
  WallTime ShownTime(GroupId group);
  void CheckResources(NodeId node, const node::ResourceUse& use);

  const RunOptions options_;
  Harness harness_;
  World& world_;
  ShapeDraw draw_;
  const Shape shape_;
  ReplicaChecker replica_checker_;
  Recorder recorder_;
  ControllerChecker controller_{
      [this](raft::Index index, uint64_t digest) {
        replica_checker_.ExpectDigest(shardctrl::kControllerGroup, index,
                                      digest);
      },
      [this](std::string what) { world_.Violate(std::move(what)); }};
  std::optional<MemberChanges> members_;  // Empty: they stay.
  Cluster cluster_;  // The programs that it ends call the members.
  ResourceChecker resources_{
      BoundsOfMessages(shape_, cluster_),
      [this](std::string what) { world_.Violate(std::move(what)); }};
  LogSpaceChecker log_space_{
      [this](std::string what) { world_.Violate(std::move(what)); }};
  ClusterChecks checks_{&world_, &replica_checker_, &cluster_};
  ClusterViews views_{&world_, &cluster_, NodesOfCluster()};
  CalmWatch calm_{&world_, cluster_.machines()};
  SimTime next_look_;
  // For so long some group of stores had no majority without snapshots.
  Duration wait_for_snapshots_;
  // Time for an operation of which no fault is in the way.
  const Duration availability_bound_ = AvailabilityBound(cluster_);
  // The bound has passed without a fault while clients were at work.
  bool calm_for_long_ = false;
  ClientFleet clients_;
  ControllerLoss controller_loss_{&world_, ControllerVoters(), StoreVoters()};
  ForeignNode foreign_node_{&world_, cluster_};
  CalmPhase calm_phase_{
      &world_,    &shape_,   &cluster_,        &checks_,
      &recorder_, &clients_, NodesOfCluster(), options_.shape.defaults};
  std::vector<MachineId> healed_;  // The nodes that must work.
  SimTime healed_at_;
  bool waits_for_links_ = false;           // Before the calm.
  std::map<GroupId, raft::Index> newest_;  // Entries that were committed.
};

void Run::Impl::ListenToCluster() {
  cluster_.SetCommitHook([this](GroupId group, const raft::Entry& entry) {
    if (group == shardctrl::kControllerGroup) controller_.OnCommitted(entry);
    if (members_.has_value()) members_->OnCommitted(group, entry);
    if (group == shardctrl::kControllerGroup) {
      // Requests of several keys find them in several groups.
      const bool moves = members_.has_value() && members_->slots_move();
      if (moves) recorder_.multi_keys().OnMapChanged();
      return;
    }
    newest_[group] = entry.index;
    NoteCommitted(group, entry, cluster_.leaderships().In(group, entry.term),
                  &recorder_);
  });
  cluster_.SetTurnHook([this](NodeId node, const node::Server& server) {
    CheckResources(node, server.resources());
  });
  cluster_.SetStateHook([this](NodeId node, GroupId group, raft::Index index) {
    recorder_.stale_reads().OnApplied(node, group, index);
    if (index == raft::Index()) {
      recorder_.expiry().OnStart(group, world_.now());
    }
    CheckLogTime(node, group, index);
  });
  ListenToSteps();
  cluster_.SetRequestHook([this](NodeId node, const Buffer& bytes) {
    recorder_.OnRequestSent(node, bytes);
  });
}

void Run::Impl::ListenToSteps() {
  const bool members = members_.has_value();
  if (!members && !calm_phase_.begun()) return cluster_.SetStepHook(nullptr);
  cluster_.SetStepHook([this, members](NodeId, GroupId group,
                                       const raft::Core& core,
                                       const raft::Output& output) {
    if (members) members_->OnStep(group, core);
    calm_phase_.OnStep(group, core, output);
  });
}

// A follower may have a wrong state.
void Run::Impl::CheckLogTime(NodeId node, GroupId group, raft::Index index) {
  const auto newest = newest_.find(group);
  const node::Server* const server = cluster_.server(node);
  if (newest == newest_.end() || newest->second != index || server == nullptr) {
    return;
  }
  const raft::Core* const core = server->host().core(group);
  const kv::Store* const store = server->store(group);
  if (store == nullptr || core->role() != raft::RoleKind::kLeader) return;
  recorder_.expiry().OnStore(group, store->log_time());
}

WallTime Run::Impl::ShownTime(GroupId group) {
  WallTime shown{0};
  for (const MachineId machine : cluster_.machines()) {
    const node::Server* const server =
        cluster_.ServerAt(Places::PlaceWith(NodeId(machine.value())));
    const raft::Core* const core =
        server == nullptr ? nullptr : server->host().core(group);
    if (core != nullptr) shown = std::max(shown, core->read_log_time());
  }
  return shown;
}

void Run::Impl::Explain(const StatePlace& place) {
  replica_checker_.Explain(std::make_unique<StateWitness>(
                               place, [this] { return world_.now(); },
                               [group = place.group](const raft::Entry& entry) {
                                 return CommandsOf(group, entry);
                               }),
                           [this](NodeId node, GroupId group) {
                             return StateText(*cluster_.server(node), group);
                           });
}

void Run::Impl::PrepareRecorder() {
  recorder_.SetObserver(ObserverOfCalls(&world_, &clients_));
  recorder_.CheckOrder(
      [this](std::string_view key) { return cluster_.GroupOf(key); });
  recorder_.log().SetOwners(
      [this](Slot slot) { return cluster_.GroupOf(slot); });
  recorder_.log().SetShownTimes(
      [this](GroupId group) { return ShownTime(group); });
  recorder_.SetSessionRules(shape_.rules.sessions);
  recorder_.SetClocks(BoundsOfClocks(world_, cluster_));
  if (members_.has_value()) recorder_.OrderBySlot();
  Recorder::Limits limits = LimitsOfNodes(cluster_);
  if (members_.has_value()) {
    limits.read_only = [this](NodeId node) {
      return members_->WasReadOnly(node);
    };
  }
  recorder_.SetLimits(std::move(limits));
  recorder_.CheckUnknownOutcomes(
      [this](NodeId node, GroupId group, SimTime since) {
        return cluster_.leaderships().LedSince(node, group, since);
      });
  recorder_.SetReadHook([this](const std::string& key, SimTime invoked) {
    const GroupId group = cluster_.GroupOf(key);
    if (cluster_.leaderships().LastChange(group) > invoked) {
      const NodeId leader = cluster_.LeaderOf(group);
      if (leader == NodeId()) return;
      world_.CountMark(cluster_.machine(leader),
                       "client.read_across_leader_change");
    }
  });
  recorder_.stale_reads().SetLost([this](NodeId node, SimTime since) {
    return cluster_.LostTime(node, since);
  });
}

std::function<node::Config(NodeId)> Run::Impl::Configs() {
  std::vector<node::Config> configs = draw_.DrawConfigs(shape_);
  if (!options_.faults) KeepOutcomesKnown(&configs);
  return [configs](NodeId node) { return configs[node.value() - 1]; };
}

void Run::Impl::CheckAvailability() {
  next_look_ = world_.now() + CalmWatch::kInterval;
  calm_.Look();
  if (members_.has_value() && !healed_.empty()) {
    const auto stores = cluster_.stores();
    const bool all_serve =
        std::ranges::all_of(stores, [&](const GroupMembers& shard) {
          return checks_.HasMajority(shard.group, cluster_.machines());
        });
    if (!all_serve) {
      wait_for_snapshots_ = wait_for_snapshots_ + CalmWatch::kInterval;
    }
  }
  // A look asks about the same groups and nodes for many operations.
  std::map<std::pair<GroupId, NodeId>, bool> majorities;
  const auto has_majority = [&](GroupId group, NodeId node) {
    const auto [known, fresh] = majorities.try_emplace({group, node}, false);
    if (fresh) {
      known->second =
          checks_.HasMajority(group, calm_.PartOf(cluster_.machine(node)));
    }
    return known->second;
  };
  const auto can_serve = [&](const AvailabilityChecker::Attempt& attempt) {
    if (clients_.away(attempt.client)) return false;
    const MachineId client = clients_.machines()[attempt.client - 1];
    const MachineId node = cluster_.machine(attempt.node);
    return !world_.blocked(client, node) && !world_.blocked(node, client) &&
           !cluster_.MayNotWork(attempt.node) &&
           has_majority(
               shape_.members ? cluster_.OwnerOf(attempt.slot) : attempt.group,
               attempt.node);
  };
  if (healed_.empty() && world_.now() - calm_.since() >= availability_bound_ &&
      !std::exchange(calm_for_long_, true)) {
    world_.CountMark(MachineId(), "availability.calm_for_the_bound");
  }
  recorder_.availability().Check({.now = world_.now(),
                                  .calm_since = calm_.since(),
                                  .bound = availability_bound_,
                                  .can_serve = can_serve});
  if (!members_.has_value())
    cluster_.CheckWrongStates(
        calm_.since(), availability_bound_, [this](NodeId node, GroupId group) {
          return checks_.AllWorkExcept(node, group,
                                       calm_.PartOf(cluster_.machine(node)));
        });
  CheckLeaders();
  checks_.CheckLogSpace(&log_space_);
}

void Run::Impl::CheckLeaders() {
  const Duration calm = world_.now() - calm_.since();
  const auto part_of =
      [this](MachineId machine) -> const std::vector<MachineId>& {
    return calm_.PartOf(machine);
  };
  const Duration timeout =
      GreatestTiming(cluster_, &raft::CoreOptions::election_timeout_max);
  if (calm >= timeout * kLeaderTimeouts) {
    checks_.CheckLeaders(calm_.since(), part_of);
  }
  checks_.CheckKnownLeaders(calm_.since(), LeaderBound(cluster_), part_of);
}

std::vector<std::vector<MachineId>> Run::Impl::StoreVoters() const {
  std::vector<std::vector<MachineId>> groups;
  for (const GroupMembers& shard : cluster_.stores()) {
    groups.push_back(cluster_.VotersOf(shard));
  }
  return groups;
}

std::vector<std::vector<MachineId>> Run::Impl::SoundGroups() const {
  std::vector<std::vector<MachineId>> groups = StoreVoters();
  if (!shape_.controller_may_fail) groups.push_back(ControllerVoters());
  return groups;
}

ScheduleOptions Run::Impl::Start() {
  cluster_.Start();
  clients_.Start(&draw_);
  std::vector<MachineId> clients = clients_.machines();
  if (members_.has_value()) {
    members_->Start(&clients);
  } else if (options_.faults) {
    foreign_node_.Start();
    controller_loss_.Plan(harness_.duration() * 7 / 8);
  }
  for (const node::NodeConfig& node : cluster_.nodes()) {
    world_.SetDistance(cluster_.machine(node.id), draw_.DrawDistance(node.id));
  }
  ScheduleOptions options{
      .nodes = cluster_.machines(),
      .clients = std::move(clients),
      .wrong_clock_max =
          shape_.WrongClockMax(ScheduleOptions().wrong_clock_max),
      .leader =
          [this](uint64_t draw) {
            const auto& groups = cluster_.groups();
            const NodeId leader =
                cluster_.LeaderOf(groups[draw % groups.size()].group);
            return leader == NodeId() ? MachineId() : cluster_.machine(leader);
          },
      .stop = [this](MachineId machine) { cluster_.Stop(machine); }};
  options.damage_limit = [this](MachineId machine, std::string_view file) {
    return cluster_.DamageLimit(machine, file);
  };
  if (members_.has_value()) {
    // Members are others at each time, so no fixed set is a majority.
    options.groups = {cluster_.machines()};
    options.family_on = Ratio{1, 4};
    options.needs_all_nodes = [] { return true; };
    // Operators lose whole disks.
    options.budget.disks_lost = 0;
    const auto place_of = [](MachineId machine) {
      return Places::PlaceWith(NodeId(machine.value()));
    };
    options.may_damage = [this, place_of](MachineId machine) {
      return members_->MayDamage(place_of(machine));
    };
    // on_damaged follows, with an empty name.
    options.spoil_state = [this, place_of](MachineId machine, uint64_t draw) {
      return members_->MayDamage(place_of(machine)) &&
             cluster_.SpoilState(machine, draw);
    };
    options.on_damaged = [this, place_of](MachineId machine,
                                          const std::string& file) {
      cluster_.places().OnDamaged(place_of(machine), file);
    };
  } else {
    AddMishaps(&options);
  }
  return options;
}

void Run::Impl::AddMishaps(ScheduleOptions* options) {
  options->groups = SoundGroups();
  options->spoil_state = [this](MachineId machine, uint64_t draw) {
    return cluster_.SpoilState(machine, draw);
  };
  options->put_back = [this](MachineId machine,
                             const ScheduleOptions::Files& older) {
    return cluster_.MayPutBack(machine, older);
  };
  options->needs_all_nodes = [this] { return !cluster_.AllStartedOnce(); };
  options->lacks_voter = [this](MachineId machine) {
    return checks_.LacksVoter(NodeId(machine.value()));
  };
  options->budget.disks_lost = 1;
}

void Run::Impl::OnScheduled(const Schedule& schedule) {
  // Disks of places change, and the places know which are damaged.
  if (members_.has_value()) return;
  cluster_.SetDamaged([&schedule](MachineId machine) {
    const auto damaged = schedule.damaged().find(machine);
    return damaged == schedule.damaged().end() ? nullptr : &damaged->second;
  });
  cluster_.SetErased([&schedule](MachineId machine) {
    return schedule.erased().contains(machine);
  });
}

void Run::Impl::StopClients() {
  controller_loss_.End();
  cluster_.MendFiles();
  cluster_.EndWrongStates();
  cluster_.EndOlderDisks();
  foreign_node_.Stop();
  std::vector<std::string> healthy;
  if (members_.has_value()) members_->Stop();
  for (const MachineId machine : healed_) {
    const auto& all = cluster_.machines();
    const auto place = std::find(all.begin(), all.end(), machine);
    healthy.push_back(cluster_.resp_addresses()[place - all.begin()]);
  }
  clients_.Stop(healthy);
}

std::string Run::Impl::Describe() const {
  return clients_.Describe() + views_.Describe() + checks_.Describe() +
         calm_phase_.Describe() +
         (members_.has_value() ? members_->Describe() : "");
}

void Run::Impl::CheckResources(NodeId node, const node::ResourceUse& use) {
  const SimClock& clock = world_.clock(cluster_.machine(node));
  resources_.AfterTurns(world_.now(), node,
                        cluster_.configs()[node.value() - 1],
                        clock.FrozenFor(SimTime(), world_.now()) > Duration(0),
                        !cluster_.MayNotWork(node), use);
}

std::vector<Subject::Probe> Run::Impl::Probes(Stage stage) {
  const auto read_all = [this, keys = recorder_.keys()] {
    clients_.ReadAll(keys);
  };
  // Reads at a node that its group refuses take a while each.
  const auto reads = [this] { return recorder_.counts().succeeded; };
  std::vector<Probe> probes;
  const bool members = members_.has_value();
  switch (stage) {
    case Stage::kMajorities:
      if (members) break;
      // Every group accepts writes.
      probes.push_back({"writing", [this] { clients_.AddToNumbers(); }});
      // Groups are idle for a while. Keys that expire then are removed by a
      // read.
      probes.push_back({"reading every key", read_all, kIdle, reads});
      break;
    case Stage::kAll:
      if (members) {
        probes.push_back({"moving slots and reading every key",
                          [this, read_all] {
                            MoveInCalm();
                            read_all();
                          },
                          {},
                          [this, reads] { return reads() + WishProgress(); }});
      }
      probes.push_back(
          {"linking all nodes", [this] { waits_for_links_ = true; }});
      probes.push_back(
          {"writing in the calm",
           [this] {
             waits_for_links_ = false;
             if (members_.has_value()) members_->BeginCalm();
             calm_phase_.Begin();
             ListenToSteps();
           },
           std::max(Duration(0), kCalm - (world_.now() - healed_at_))});
      if (members) {
        probes.push_back({"moving slots while a client asks",
                          [this] {
                            members_->MoveInCalm();
                            calm_phase_.AskWhileSlotsMove();
                          },
                          {},
                          [this] { return WishProgress(); }});
      }
      break;
    case Stage::kPowerLoss:
      if (world_.choices().Chance(kRollingRestart, ChoiceKey{}, {1, 8})) {
        probes.push_back({"restarting one node after the other",
                          [this] { calm_phase_.RestartAll(healed_); },
                          {},
                          [this] { return calm_phase_.restarted(); }});
      }
      probes.push_back(
          {"reading every key after a loss of power of all machines",
           read_all,
           {},
           reads});
      probes.push_back({"emptying the store", [this] { clients_.Flush(); }});
      break;
  }
  return probes;
}

Subject::Condition Run::Impl::TrueViews() {
  return {"every node's view of the cluster",
          [this, asked = false]() mutable {
            // The checker knows the members of the founding, or those of now.
            if (!members_.has_value() && !checks_.MembersStayed(healed_)) {
              return true;
            }
            if (!std::exchange(asked, true)) views_.Begin();
            return views_.AreTrue();
          },
          [this] { return checks_.Progress(); }};
}

std::vector<Subject::Condition> Run::Impl::Conditions(Stage stage) {
  const auto settled = [this] { return checks_.Settled(healed_); };
  const auto progress = [this] { return checks_.Progress(); };
  std::vector<Condition> conditions;
  if (members_.has_value()) {
    if (stage == Stage::kMajorities) return conditions;
    conditions.push_back({"every wish",
                          [this] { return members_->Unmet().empty(); },
                          [this] { return WishProgress(); }});
  }
  switch (stage) {
    case Stage::kMajorities:
      conditions.push_back(
          {"agreement of the healed replicas", settled, progress});
      break;
    case Stage::kAll:
      conditions.push_back({"agreement of all replicas", settled, progress});
      conditions.push_back(TrueViews());
      conditions.push_back({"resources: the end of all work in the nodes",
                            [this] { return !checks_.HasOpenWork(); }});
      conditions.push_back(
          {"resources: the closing of files that no work needs",
           [this] { return checks_.SurplusOpenFiles().empty(); },
           [this] { return checks_.OpenSnapshotBytes(); }});
      break;
    case Stage::kPowerLoss:
      conditions.push_back({"agreement after a loss of power of all machines",
                            settled, progress});
      if (!world_.choices().Chance(kViewsAgain, ChoiceKey{}, {1, 4})) break;
      conditions.push_back(TrueViews());
      break;
  }
  return conditions;
}

RunReport Run::Impl::Execute() {
  harness_.Execute(*this);
  return Current();
}

RunReport Run::Impl::Current() const {
  RunReport report = ReportOf(harness_);
  AddResults({.recorder = recorder_,
              .replicas = replica_checker_,
              .cluster = cluster_,
              .cluster_checks = checks_,
              .resources = resources_,
              .log_space = log_space_,
              .members = members_.has_value() ? &*members_ : nullptr},
             &report);
  report.drawn.insert(draw_.drawn().begin(), draw_.drawn().end());
  return report;
}

std::string Run::Impl::History() const {
  std::vector<std::string> nodes = world_.names();
  nodes.resize(cluster_.machines().size());  // They are the first machines.
  lincheck::Recording recording{
      .history = recorder_.KnownHistory(),
      .unit = lincheck::TimeUnit::kNanoseconds,
      .events = TimelineEventsOf(world_.story(), nodes),
      .model = "kv"};
  return lincheck::WriteJsonLines(recording, lincheck::ModelOf<lincheck::Kv>());
}

Tape Run::Impl::tape() const {
  Tape tape = harness_.tape();
  const auto add = [&](std::string_view key, std::optional<uint32_t> value) {
    if (value.has_value()) tape.SetParameter(key, absl::StrCat(*value));
  };
  add("nodes", options_.shape.nodes);
  add("groups", options_.shape.groups);
  add("clients", options_.shape.clients);
  add("operations_per_second", options_.shape.operations_per_second);
  add("keys", options_.shape.keys);
  if (options_.shape.defaults) tape.SetParameter("defaults", "1");
  if (options_.shape.members) tape.SetParameter("members", "1");
  return tape;
}

Run::Run(RunOptions options)
    : impl_(std::make_unique<Impl>(std::move(options), nullptr)) {}
Run::Run(RunOptions options, const Tape& tape)
    : impl_(std::make_unique<Impl>(std::move(options), &tape)) {}
Run::~Run() = default;
void Run::SetLogSink(env::Severity severity, LogSink sink) {
  impl_->world().SetLogSink(severity, std::move(sink));
}
RunReport Run::Execute() { return impl_->Execute(); }
RunReport Run::Current() const { return impl_->Current(); }
std::string Run::History() const { return impl_->History(); }
Tape Run::tape() const { return impl_->tape(); }
const std::vector<SentOperation>& Run::sent() const { return impl_->sent(); }
const std::vector<TraceRecord>& Run::trace() const {
  return impl_->world().trace();
}
const std::vector<Observation>& Run::observations() const {
  return impl_->world().observations();
}
std::vector<std::string> Run::machine_names() const {
  return impl_->world().names();
}

}  // namespace quorate::sim
