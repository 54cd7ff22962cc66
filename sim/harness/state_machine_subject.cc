#include "sim/harness/state_machine_subject.h"

#include <algorithm>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "sim/choices/time_text.h"
#include "sim/choices/trace_hash.h"
#include "sim/harness/history_lines.h"
#include "sim/harness/program_env.h"
#include "sim/harness/replica_views.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);
constexpr uint64_t kNodesMax = 64;
constexpr Duration kSupervisorDelay = Seconds(1);
// How many disks are erased in a run whose members change.
constexpr uint32_t kDisksLost = 3;
// A command of a client. Zero: a tape leaves it out.
constexpr ChoiceSite kCommand("workload.command");
// Whether the run has an operator.
constexpr ChoiceSite kOperated("operator.works");
constexpr ChoiceSite kPeerStreams("shape.peer_streams");
constexpr ChoiceSite kLate("operator.late_node");
constexpr ChoiceSite kMembers("members.change");

std::string AddressOf(size_t index) {
  return absl::StrCat("n", index + 1, ":9001");
}

}  // namespace

// The process on a machine: a replica, and a client.
class StateMachineSubject::Node final : public ReplicaObserver {
 public:
  Node(env::Env& env, StateMachineSubject* subject, size_t index)
      : ReplicaObserver(&subject->world_, subject->machines_[index],
                        NodeId(index + 1), &subject->checker_),
        env_(env, subject->peer_streams_,
             env.random.Fork("sim.peer_streams", index + 1)),
        subject_(subject),
        index_(index),
        host_(
            env_.env(), subject->OptionsOf(index),
            [subject](GroupId, const raft::Configuration&) {
              return subject->test_->Make();
            },
            this),
        members_(host_, kGroup, subject->PeersOf(index)) {
    subject_->nodes_[index_] = this;
    if (operated()) subject_->operator_->OnBoot(index_);
    if (changes()) subject_->member_operator_->OnBoot(index_);
    host_.Start([this](absl::Status status) { OnStarted(status); });
  }
  ~Node() {
    if (subject_->nodes_[index_] == this) subject_->nodes_[index_] = nullptr;
    // The steps that it was to carry out have an unknown outcome.
    for (Step& step : subject_->script_) {
      if (step.asked != this) continue;
      step.done = true;
      step.asked = nullptr;
    }
  }

  // Null: the replica does not work.
  const raft::Core* core() const {
    return host_.group_status(kGroup).ok() ? host_.core(kGroup) : nullptr;
  }
  bool idle() const { return open_ == 0; }
  raft::Members& members() { return members_; }
  raft::Host* host() { return started_ ? &host_ : nullptr; }

  // True if the replica may have changed.
  bool AfterTurn() {
    if (started_) CheckChanged(host_);
    return std::exchange(changed_, false);
  }
  // The state of the replica, if it works.
  const raft::StateMachine* state() const {
    return started_ && core() != nullptr ? host_.state_machine(kGroup)
                                         : nullptr;
  }
  void HashCores() {
    if (started_) ReplicaObserver::HashCores(host_);
  }
  // Proposes a command that is drawn from `random`.
  void Propose(const Random& random,
               absl::AnyInvocable<void(const raft::ProposeResult&)> done) {
    CommandHistory& history = subject_->history_;
    StateMachineTest::Command command =
        subject_->test_->Draw(random, history.values());
    command.operation.client = index_ + 1;
    const size_t number = history.Invoke(subject_->world_.now(),
                                         std::string(command.payload.view()),
                                         command.object, command.operation);
    if (subject_->world_.observes()) {
      subject_->world_.Observe(
          Observation::Kind::kCall, subject_->machines_[index_],
          absl::StrCat(number), absl::StrCat("at n", index_ + 1),
          absl::StrCat(command.object, ": ",
                       lincheck::DescribeCall(subject_->test_->model(),
                                              command.operation)));
    }
    ++open_;
    subject_->client_order_ = Mix64(subject_->client_order_ + 2 * number);
    Buffer payload = command.payload;
    host_.Propose(
        kGroup, std::move(payload),
        [this, number, command = std::move(command),
         done = std::move(done)](const raft::ProposeResult& result) mutable {
          --open_;
          subject_->Return(number, command, result);
          subject_->ObserveAnswer(index_, number, command, result);
          done(result);
        });
  }

 private:
  bool operated() const { return subject_->operator_.has_value(); }
  bool changes() const { return subject_->member_operator_.has_value(); }
  ReplicaChecker& CheckerOf(GroupId group) override {
    return group == kGroup ? subject_->checker_
                           : subject_->operator_->CheckerOf(index_);
  }
  void OnRecovered(GroupId group, const raft::Core& core) override {
    if (group != kGroup) {
      subject_->operator_->OnRecovered(index_, core.replica());
    }
    ReplicaObserver::OnRecovered(group, core);
  }
  void OnCommitted(GroupId group, const raft::Entry& entry) override {
    if (group != kGroup) {
      return subject_->operator_->OnCommitted(index_, entry);
    }
    if (entry.kind != raft::EntryKind::kCommands) return;
    subject_->history_.OnApplied(subject_->world_.now(), entry.index,
                                 entry.payload.view());
  }
  void OnEvent(GroupId group, const raft::Event& event) override {
    ReplicaObserver::OnEvent(group, event);
    if (event.kind != raft::Event::Kind::kRoleChanged ||
        event.role != raft::RoleKind::kLeader) {
      return;
    }
    subject_->world_.AddToStory(
        subject_->machines_[index_], TraceKind::kLead,
        LeadPayload{group.value(), event.term.value()}.Pack(),
        absl::StrCat("group ", group.value(), ", term ", event.term.value()));
  }
  void OnChanged(GroupId group) override { changed_ |= group == kGroup; }
  void OnStopped(const absl::Status& why) override {
    ReplicaObserver::OnStopped(why);
    subject_->checker_.OnNodeStopped(NodeId(index_ + 1), why, MayNotWork());
    subject_->supervisor_.OnStopped(subject_->machines_[index_], why);
  }
  void OnFenced(GroupId group, const absl::Status& why) override {
    ReplicaObserver::OnFenced(group, why);
    OnStopped(why);
  }

  // Calls of a program that dies in this turn fail, too.
  bool MayNotWork() const {
    const MachineId machine = subject_->machines_[index_];
    return subject_->HasBadDisk(index_) ||
           subject_->world_.disk_failures(machine) > 0 ||
           !subject_->world_.running(machine);
  }

  void OnStarted(const absl::Status& status) {
    if (!status.ok()) return OnStopped(status);
    // The operator knows which replicas must be there.
    if (!subject_->late(index_) &&
        !(changes() &&
          host_.condition(kGroup) == raft::Host::Condition::kNotHeld)) {
      subject_->checker_.OnReplicaNotStarted(
          NodeId(index_ + 1), kGroup, host_.group_status(kGroup), MayNotWork());
    }
    subject_->created_[index_] = true;
    started_ = true;
    CheckRecovered(host_);
    Tick();
  }

  void Tick() {
    if (subject_->scripted_) return;
    env::Loop& loop = env_.env().loop;
    timer_ = loop.At(loop.ReadClock().mono + subject_->options_.interval,
                     [this] { Tick(); });
    if (operated()) subject_->operator_->OnTick(index_);
    if (changes()) subject_->member_operator_->OnTick(index_);
    if (operated() && subject_->late(index_)) return;
    if (!subject_->WantsCommand(index_)) return;
    const std::optional<Random> random = subject_->DrawCommand(index_);
    if (random.has_value()) Propose(*random, [](const auto&) {});
  }

  ProgramEnv env_;
  StateMachineSubject* const subject_;
  const size_t index_;
  bool started_ = false;
  bool changed_ = false;  // The replica may have changed in this turn.
  size_t open_ = 0;
  env::Pending timer_;
  // Destroyed before the members above, which its callbacks use.
  raft::Host host_;
  raft::Members members_;
};

StateMachineSubject::StateMachineSubject(World* world,
                                         std::unique_ptr<StateMachineTest> test,
                                         StateMachineSubjectOptions options)
    : world_(*world),
      test_(std::move(test)),
      options_(options),
      checker_([this](std::string what) { world_.Violate(std::move(what)); }),
      supervisor_(world, kSupervisorDelay),
      founders_(world->choices().Choose(
          kNodes, ChoiceKey{}, options.nodes, kNodesMax,
          [&](const Random&, Site, uint64_t, uint64_t) -> uint64_t {
            return options.nodes;
          })) {}

StateMachineSubject::~StateMachineSubject() {
  // The nodes refer to the subject, and the world outlives it.
  for (const MachineId machine : machines_) {
    if (world_.running(machine)) world_.Crash(machine, CrashKind::kProcess);
  }
}

ScheduleOptions StateMachineSubject::Start() {
  AddMachines();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    world_.Start(machines_[i], [this, i](env::Env& env) {
      return std::make_shared<Node>(env, this, i);
    });
  }
  const auto end = machines_.begin() + static_cast<ptrdiff_t>(founders_);
  ScheduleOptions options{
      .nodes = machines_,
      .groups = {{machines_.begin(), end}},
      .leader =
          [this](uint64_t) {
            const size_t leader = Leader();
            return leader == nodes_.size() ? MachineId() : machines_[leader];
          },
      // A group is founded by all members.
      .needs_all_nodes =
          [this] {
            const auto end = created_.begin() + founders_;
            return std::find(created_.begin(), end, false) != end;
          }};
  if (options_.operated.numerator < options_.operated.denominator) {
    options.elsewhere = {FaultFamily::kDiskRot, FaultFamily::kDiskWipe};
  }
  if (disks_.has_value()) AddDiskFaults(&options);
  return options;
}

// If members change, no fixed set is a majority.
void StateMachineSubject::AddDiskFaults(ScheduleOptions* options) {
  if (!member_operator_.has_value()) return disks_->AddTo(options, nullptr);
  disks_->AddTo(options, [this] { return member_operator_->idle(); });
  options->groups = {machines_};
  options->needs_all_nodes = [] { return true; };
  options->budget.disks_lost = kDisksLost;
}

void StateMachineSubject::AddMachines() {
  Choices& choices = world_.choices();
  const bool operated =
      choices.Chance(kOperated, ChoiceKey{}, options_.operated);
  const bool streams =
      choices.Chance(kPeerStreams, ChoiceKey{}, options_.peer_streams);
  if (streams) peer_streams_.emplace();
  const bool members = !operated && streams && !scripted_ &&
                       choices.Chance(kMembers, ChoiceKey{}, options_.members);
  const bool one_more = (members || (operated && streams)) &&
                        choices.Chance(kLate, ChoiceKey{}, options_.late);
  nodes_.resize(founders_ + (one_more ? 1 : 0));
  commands_.resize(nodes_.size());
  created_.resize(nodes_.size());
  std::vector<NodeId> voters;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    machines_.push_back(world_.AddMachine({.name = absl::StrCat("n", i + 1)}));
    if (!late(i)) voters.push_back(NodeId(i + 1));
  }
  checker_.SetVoters(kGroup, std::move(voters));
  const auto host_of = [this](size_t node) { return HostOf(node); };
  if (operated) {
    operator_.emplace(&world_, &machines_, founders_, test_.get(), host_of,
                      [this](size_t node) { return PeersOf(node); });
  } else {
    disks_.emplace(&world_, &machines_, host_of);
  }
  if (!members) return;
  member_operator_.emplace(
      &world_, &machines_, founders_, &*disks_,
      MemberOperator::Hooks{
          .host = host_of,
          .command = [this](size_t node, std::string_view line,
                            raft::Members::Reply reply) {
            nodes_[node]->members().Handle(line, reply);
          }});
}

raft::HostOptions StateMachineSubject::OptionsOf(size_t index) {
  raft::HostOptions options;
  options.cluster = ClusterId(1);
  options.node = NodeId(index + 1);
  options.listen_address = AddressOf(index);
  raft::GroupPlan group{.group = kGroup};
  for (size_t i = 0; i < founders_; ++i) {
    group.voters.push_back(NodeId(i + 1));
  }
  options.peers = PeersOf(index);
  if (Joins(index)) {
    options.cluster = {};  // It learns the id when it is admitted.
    options.join.emplace();
    for (const env::PeerAddress& peer : options.peers) {
      if (!late(peer.node.value() - 1)) {
        options.join->seeds.push_back(peer.address);
      }
    }
  } else {
    options.plan.groups.push_back(std::move(group));
    options.bootstrap = !created_[index];
  }
  options.admit = [this](const raft::JoinRequest& request) {
    if (operator_.has_value()) return operator_->Admit(request);
    if (member_operator_.has_value()) return member_operator_->Admit(request);
    return absl::PermissionDeniedError("no node joins");
  };
  options.snapshot_threshold_bytes = options_.snapshot_threshold_bytes;
  options.snapshot_trailing_bytes = options_.snapshot_trailing_bytes;
  return options;
}

std::vector<env::PeerAddress> StateMachineSubject::PeersOf(size_t index) const {
  std::vector<env::PeerAddress> peers;
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (i != index) peers.push_back({NodeId(i + 1), AddressOf(i)});
  }
  return peers;
}

raft::Host* StateMachineSubject::HostOf(size_t index) const {
  return nodes_[index] == nullptr ? nullptr : nodes_[index]->host();
}

void StateMachineSubject::StopClients() {
  issuing_ = false;
  if (operator_.has_value()) operator_->Finish();
  if (member_operator_.has_value()) member_operator_->Finish();
}

void StateMachineSubject::AfterTurn(MachineId machine) {
  const auto it = std::find(machines_.begin(), machines_.end(), machine);
  if (it == machines_.end()) return;
  Node* const node = nodes_[it - machines_.begin()];
  if (node == nullptr) return;
  if (node->AfterTurn()) CheckReplicas(it - machines_.begin());
  if (disks_.has_value()) {
    disks_->AfterTurn(it - machines_.begin(),
                      raft::HostOptions().log.witness_delay);
  }
  if (script_begun_) FollowScript(it - machines_.begin());
}

void StateMachineSubject::Explain(const StatePlace& place) {
  checker_.Explain(
      std::make_unique<StateWitness>(place, [this] { return world_.now(); }),
      [this](NodeId node, GroupId) {
        const raft::StateMachine* const state =
            nodes_[node.value() - 1]->state();
        return state == nullptr ? "" : state->Describe();
      });
}

void StateMachineSubject::CheckReplicas(size_t turn) {
  replicas_.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    const raft::StateMachine* state =
        nodes_[i] == nullptr ? nullptr : nodes_[i]->state();
    if (state == nullptr) continue;
    replicas_.push_back(
        {NodeId(i + 1), nodes_[i]->core()->applied_index(), state});
  }
  own_checks_ += replicas_.empty() ? 0 : 1;
  std::string violation = test_->Check(replicas_);
  if (violation.empty()) return;
  absl::StrAppend(&violation, "\n  found after a turn of node ", turn + 1,
                  ", at ", TimeText(world_.now()));
  for (const StateMachineTest::Replica& replica : replicas_) {
    absl::StrAppend(&violation, "\n  node ", replica.node.value(),
                    " has applied ", replica.applied.value());
  }
  world_.Violate(std::move(violation));
}

// A node that is not healed for good may lead nevertheless.
bool StateMachineSubject::WantsCommand(size_t index) const {
  return issuing_ || (probing_ && (MustWork(index) || index == Leader()));
}

std::optional<Random> StateMachineSubject::DrawCommand(size_t index) {
  const uint64_t number = ++commands_[index];
  const std::optional<Random> random =
      world_.choices().RandomOrNone(kCommand, {index + 1, number});
  // A probe does not depend on the tape.
  if (!random.has_value() && probing_) return Random(0);
  return random;
}

void StateMachineSubject::Return(size_t number,
                                 const StateMachineTest::Command& command,
                                 const raft::ProposeResult& result) {
  if (result.outcome == Outcome::kNotExecuted) history_.Withdraw(number);
  client_order_ = Mix64(client_order_ + 2 * number + 1 +
                        static_cast<uint64_t>(result.outcome));
  if (result.outcome != Outcome::kDone) return;
  client_order_ = Mix64(client_order_ ^ HashBytes(result.result.view()));
  history_.Return(
      number, world_.now(), result.position.index,
      test_->ResultOf(command, result.result.view(), history_.values()));
  ++executed_;
  probing_ = false;
}

void StateMachineSubject::ObserveAnswer(
    size_t index, size_t number, const StateMachineTest::Command& command,
    const raft::ProposeResult& result) {
  if (!world_.observes()) return;
  std::string words;
  if (result.outcome == Outcome::kDone) {
    lincheck::Operation operation = command.operation;
    operation.result =
        test_->ResultOf(command, result.result.view(), history_.values());
    words = absl::StrCat(lincheck::DescribeResult(test_->model(), operation),
                         ", by index ", result.position.index.value());
  }
  world_.Observe(Observation::Kind::kAnswer, machines_[index],
                 absl::StrCat(number),
                 result.outcome == Outcome::kDone          ? "answer"
                 : result.outcome == Outcome::kNotExecuted ? "refused"
                                                           : "unknown",
                 std::move(words));
}

std::vector<const raft::Core*> StateMachineSubject::Cores() const {
  std::vector<const raft::Core*> cores;
  for (const Node* const node : nodes_) {
    cores.push_back(node == nullptr ? nullptr : node->core());
  }
  return cores;
}

bool StateMachineSubject::MustWork(size_t index) const {
  return std::find(healed_.begin(), healed_.end(), machines_[index]) !=
         healed_.end();
}

bool StateMachineSubject::Agreed() const {
  const std::vector<const raft::Core*> cores = Cores();
  const size_t leader = LeaderAmong(cores);
  if (leader == cores.size()) return false;
  const raft::Configuration& members = cores[leader]->configuration();
  return ReplicasAgree(cores, [&](size_t i) {
    return MustWork(i) && !HasBadDisk(i) && HasMemberOn(members, NodeId(i + 1));
  });
}

bool StateMachineSubject::ClientsIdle() const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (MustWork(i) && nodes_[i] != nullptr && !nodes_[i]->idle()) return false;
  }
  return !probing_;
}

std::vector<Subject::Probe> StateMachineSubject::Probes(Stage stage) {
  std::vector<Probe> probes;
  probes.push_back({stage == Stage::kPowerLoss
                        ? "executing a command after a loss of power"
                        : "executing a command",
                    [this] { probing_ = true; }});
  return probes;
}

std::vector<Subject::Condition> StateMachineSubject::Conditions(Stage stage) {
  std::vector<Condition> conditions;
  conditions.push_back({stage == Stage::kPowerLoss
                            ? "agreement after a loss of power"
                            : "agreement of replicas",
                        [this] { return Agreed(); }});
  if (member_operator_.has_value() && stage != Stage::kMajorities) {
    conditions.push_back({"the last job of the operator",
                          [this] { return member_operator_->Settled(); },
                          [this] { return member_operator_->progress(); }});
  }
  // The group may need a node that has faults before.
  if (operator_.has_value() && stage != Stage::kMajorities) {
    operator_->Probe();
    conditions.push_back({"the last wish of the operator",
                          [this] { return operator_->Settled(); },
                          [this] { return operator_->progress(); }});
  }
  return conditions;
}

void StateMachineSubject::Finish() {
  if (operator_.has_value()) operator_->CheckHistory();
  for (Node* const node : nodes_) {
    if (node != nullptr) node->HashCores();
  }
  answers_checked_ = executed_;
  std::string violation = history_.Check(test_->model());
  if (!violation.empty()) world_.Violate(std::move(violation));
}

absl::Status StateMachineSubject::SetScript(
    const std::vector<std::string>& steps) {
  scripted_ = true;
  issuing_ = false;
  for (const std::string& text : steps) {
    uint32_t node = 0;
    const bool removes = absl::StartsWith(text, "remove ") &&
                         absl::SimpleAtoi(text.substr(7), &node) && node >= 1 &&
                         node <= founders_;
    if (!removes && text != "command") {
      return absl::InvalidArgumentError(
          absl::StrCat("the subject knows no step '", text,
                       "': expected remove N, with a "
                       "node from 1 to ",
                       founders_, ", or command"));
    }
    script_.push_back({.removed = NodeId(node)});
  }
  return absl::OkStatus();
}

void StateMachineSubject::BeginScript() {
  script_begun_ = true;
  for (size_t i = 0; i < nodes_.size(); ++i) FollowScript(i);
}

bool StateMachineSubject::ScriptIsDone() const {
  return std::all_of(script_.begin(), script_.end(),
                     [](const Step& step) { return step.done; });
}

std::optional<uint64_t> StateMachineSubject::DigestOf(MachineId machine) const {
  if (machine == MachineId()) {
    uint64_t digest = Mix64(checker_.Digest() + client_order_);
    for (const Step& step : script_) {
      const auto& [node, term, commit] = step.refused;
      const uint64_t asked =
          step.asked == nullptr
              ? 0
              : 1 + (std::find(nodes_.begin(), nodes_.end(), step.asked) -
                     nodes_.begin());
      digest = Mix64(digest + 2 * asked + (step.done ? 1 : 0));
      digest =
          Mix64(digest + node + Mix64(term.value() << 32 | commit.value()));
    }
    return digest;
  }
  const auto it = std::find(machines_.begin(), machines_.end(), machine);
  const size_t index = it - machines_.begin();
  if (it == machines_.end() || HostOf(index) == nullptr ||
      nodes_[index]->state() == nullptr) {
    return std::nullopt;
  }
  const MonoTime now = world_.clock(machine).Mono(world_.now());
  return Mix64(Mix64(nodes_[index]->core()->Digest(now) +
                     nodes_[index]->state()->Digest()) +
               world_.incarnation(machine));
}

uint64_t StateMachineSubject::term() const {
  uint64_t highest = 0;
  for (const raft::Core* const core : Cores()) {
    if (core != nullptr) highest = std::max(highest, core->term().value());
  }
  return highest;
}

// Operators ask a node that leads, and do not ask while they see a change that
// is not committed. A request is an input of the node.
void StateMachineSubject::FollowScript(size_t index) {
  raft::Host* const host = HostOf(index);
  const raft::Core* const core =
      host == nullptr ? nullptr : nodes_[index]->core();
  if (core == nullptr || core->role() != raft::RoleKind::kLeader) return;
  for (size_t i = 0; i < script_.size(); ++i) {
    Step* const step = &script_[i];
    const std::tuple here(index, core->term(), core->commit_index());
    if (step->done || step->asked != nullptr || step->refused == here) continue;
    if (step->removed != NodeId() &&
        (core->configuration_index() > core->commit_index() ||
         !core->configuration().outgoing_voters.empty())) {
      continue;
    }
    step->asked = nodes_[index];
    world_.HashNote(machines_[index], absl::StrCat(i, " ", executed_), [&] {
      return step->removed == NodeId()
                 ? std::string("a client sends a command")
                 : absl::StrCat("an operator removes node ",
                                step->removed.value());
    });
    const auto done = [step, here](const raft::ProposeResult& result) {
      if (result.outcome == Outcome::kNotExecuted) {
        step->asked = nullptr;
        step->refused = here;
      } else {
        step->done = true;
      }
    };
    if (step->removed == NodeId()) {
      nodes_[index]->Propose(Random(i + 1), done);
      continue;
    }
    raft::Configuration target = core->configuration();
    std::erase_if(target.voters, [step](const raft::Member& member) {
      return member.node == step->removed;
    });
    host->ChangeConfiguration(kGroup, core->configuration_index(),
                              std::move(target), done);
  }
}

std::string StateMachineSubject::Summary() const {
  std::string text = absl::StrCat(executed_, " commands executed, ",
                                  checker_.leader_changes(), " leader changes");
  if (operator_.has_value()) {
    absl::StrAppend(&text, ", a group created ", operator_->creations(),
                    " times");
  }
  return text;
}

std::map<std::string, uint64_t> StateMachineSubject::Checks() const {
  return {{"digest", checker_.digests_compared()},
          {"durability", checker_.majorities_checked()},
          {"election_safety", checker_.leader_changes()},
          {"linearizability", answers_checked_},
          {"members",
           member_operator_.has_value() ? member_operator_->checks() : 0},
          {"own", own_checks_},
          {"state_machine_safety", checker_.applied_entries()}};
}

std::string StateMachineSubject::History() const {
  return HistoryLines(world_, machines_.size(), test_->model(),
                      history_.values(), history_.operations());
}

std::string StateMachineSubject::Describe() const {
  std::string text;
  const std::vector<const raft::Core*> cores = Cores();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    absl::StrAppend(
        &text, "node ", i + 1, ": ",
        world_.running(machines_[i]) ? DescribeReplica(cores[i]) : "down",
        "\n");
  }
  if (operator_.has_value()) text += operator_->Describe();
  if (member_operator_.has_value()) text += member_operator_->Describe();
  return text;
}

}  // namespace quorate::sim
