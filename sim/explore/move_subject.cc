#include "sim/explore/move_subject.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lincheck/models/kv.h"
#include "raft/core/core.h"
#include "shardctrl/controller/state.h"
#include "sim/checks/committed_entry.h"
#include "sim/protocol/dialogue.h"
#include "sim/protocol/reply.h"
#include "sim/run/bounds.h"

namespace quorate::sim {
namespace {

constexpr uint32_t kGroups = 2;
constexpr uint32_t kReplicasMax = 3;
constexpr uint32_t kFounders = 3;
constexpr uint32_t kNodesMax = 64;
constexpr uint32_t kSlots = 16'384;
constexpr Duration kReplyMax = Seconds(2);
constexpr Duration kRetryDelay = Milliseconds(100);

// Reads "FIRST-LAST to GROUP".
std::string BodyOfMove(absl::string_view text) {
  const std::vector<std::string> words = absl::StrSplit(text, ' ');
  uint32_t group = 0;
  if (words.size() != 3 || words[1] != "to" ||
      !absl::SimpleAtoi(words[2], &group) || group < 1 || group > kGroups) {
    return "";
  }
  const std::vector<std::string> ends = absl::StrSplit(words[0], '-');
  uint32_t first = 0;
  uint32_t last = 0;
  if (ends.size() != 2 || !absl::SimpleAtoi(ends[0], &first) ||
      !absl::SimpleAtoi(ends[1], &last) || first > last || last >= kSlots) {
    return "";
  }
  return absl::StrCat("{\"to\":", group, ",\"slots\":\"", first, "-", last,
                      "\"}");
}

}  // namespace

// One increment after the other, each on a connection of its own. One whose
// outcome is unknown is followed by another one.
class MoveSubject::StoreClient final : Dialogue {
 public:
  StoreClient(env::Env& env, MoveSubject* subject)
      : Dialogue(env), subject_(*subject) {}

  void Begin() { BeginAfter(Duration()); }

 private:
  Step* Next() {
    for (Step& step : subject_.script_) {
      if (!step.key.empty() && !step.done) return &step;
    }
    return nullptr;
  }
  void OnBegin() override {
    const Step* const step = Next();
    if (step == nullptr) return;
    ticket_ = subject_.recorder_.Invoke({.client = 1,
                                         .function = lincheck::Kv::kIncrement,
                                         .key = step->key,
                                         .number = 1});
    SetTimeout(kReplyMax);
    Open(subject_.cluster_.resp_addresses()[attempts_++ % subject_.nodes_],
         Protocol::kResp, EncodeCommand({"INCR", step->key}));
  }
  void OnReply(ClientReply reply) override {
    CancelTimeout();
    if (reply.type != ClientReply::Type::kInteger) {
      subject_.recorder_.LeaveUnknown(ticket_);
      return BeginAfter(kRetryDelay);
    }
    subject_.recorder_.ReturnNumber(ticket_, reply.integer);
    Next()->done = true;
    BeginAfter(Duration());
  }
  void OnOver(const absl::Status&) override {
    Close();
    subject_.recorder_.LeaveUnknown(ticket_);
    BeginAfter(kRetryDelay);
  }

  MoveSubject& subject_;
  Recorder::Ticket ticket_ = 0;
  size_t attempts_ = 0;
};

MoveSubject::MoveSubject(World* world)
    : world_(*world),
      nodes_(static_cast<uint32_t>(world->choices().Choose(
          Subject::kNodes, ChoiceKey{}, kFounders, kNodesMax,
          [](const Random&, Site, uint64_t, uint64_t) -> uint64_t {
            return kFounders;
          }))),
      replica_checker_(
          [this](std::string what) { world_.Violate(std::move(what)); }),
      recorder_([this] { return world_.now(); },
                [this](std::string what) { world_.Violate(std::move(what)); }),
      cluster_(*world, replica_checker_,
               {.nodes = nodes_,
                .groups = kGroups,
                .replicas = std::min(nodes_, kReplicasMax)}) {
  members_ = std::make_unique<MemberChanges>(world, &cluster_, &controller_, 0);
  recorder_.log().SetOwners(
      [this](Slot slot) { return cluster_.GroupOf(slot); });
  recorder_.SetClocks(BoundsOfClocks(world_, cluster_));
  recorder_.OrderBySlot();
  cluster_.EndShadows();
  cluster_.SetCommitHook([this](GroupId group, const raft::Entry& entry) {
    OnCommitted(group, entry);
  });
  cluster_.SetStepHook(
      [this](NodeId, GroupId group, const raft::Core& core,
             const raft::Output&) { members_->OnStep(group, core); });
}

MoveSubject::~MoveSubject() = default;

void MoveSubject::OnCommitted(GroupId group, const raft::Entry& entry) {
  if (group == shardctrl::kControllerGroup) controller_.OnCommitted(entry);
  members_->OnCommitted(group, entry);
  if (group == shardctrl::kControllerGroup) return;
  NoteCommitted(group, entry, cluster_.leaderships().In(group, entry.term),
                &recorder_);
}

ScheduleOptions MoveSubject::Start() {
  cluster_.Start();
  operator_machine_ = world_.AddMachine({.name = "op", .client = true});
  world_.Start(operator_machine_, [this](env::Env& env) {
    return operator_ = std::make_shared<AdminClient>(env);
  });
  const MachineId client = world_.AddMachine({.name = "c", .client = true});
  world_.Start(client, [this](env::Env& env) {
    return client_ = std::make_shared<StoreClient>(env, this);
  });
  ScheduleOptions options{.nodes = cluster_.machines()};
  options.needs_all_nodes = [this] { return !cluster_.AllStartedOnce(); };
  return options;
}

void MoveSubject::AfterTurn(MachineId machine) {
  cluster_.AfterTurn(machine);
  members_->AfterTurn();
}

std::vector<Subject::Condition> MoveSubject::Conditions(Stage) {
  std::vector<Condition> conditions;
  conditions.push_back(
      {"every wish", [this] { return members_->Unmet().empty(); }});
  return conditions;
}

void MoveSubject::Finish() {
  if (!ScriptIsDone()) return;
  members_->Finish();
  recorder_.Finish();
  cluster_.HashCores();
}

std::string MoveSubject::Summary() const {
  const MoveChecker& moves = recorder_.log().moves();
  return absl::StrCat(
      recorder_.counts().succeeded, " increments, ", recorder_.counts().unknown,
      " of unknown outcome, ", moves.activated(), " moves, ", moves.thawed(),
      " thawed, ", replica_checker_.leader_changes(), " leader changes");
}

std::string MoveSubject::Describe() const { return members_->Describe(); }

// ---- The script.

absl::Status MoveSubject::SetScript(const std::vector<std::string>& steps) {
  for (const std::string& text : steps) {
    const absl::string_view step = text;
    const size_t space = std::min(step.find(' '), step.size());
    const absl::string_view word = step.substr(0, space);
    const absl::string_view rest =
        step.substr(std::min(space + 1, step.size()));
    if (word == "increment" && !rest.empty()) {
      script_.push_back({.key = std::string(rest)});
      continue;
    }
    std::string body = word == "move" ? BodyOfMove(rest) : "";
    if (body.empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "the store knows no step '", text,
          "': expected increment KEY, or move FIRST-LAST to GROUP, with slots "
          "from 0 to ",
          kSlots - 1, " and group 1 or ", kGroups));
    }
    script_.push_back({.body = std::move(body)});
  }
  return absl::OkStatus();
}

void MoveSubject::BeginScript() {
  for (size_t i = 0; i < script_.size(); ++i) {
    if (!script_[i].body.empty()) AskForMove(i, 0);
  }
  client_->Begin();
}

void MoveSubject::AskForMove(size_t step, size_t place) {
  const std::string address =
      cluster_.places().FirstAddress(place, Places::kAdminPort);
  operator_->Ask(address,
                 {.method = "POST",
                  .target = "/v1/moves",
                  .body = script_[step].body,
                  .key = absl::StrCat("step-", step)},
                 kReplyMax, [this, step, place](const OperatorAnswer& answer) {
                   // A node without a leader refuses for the moment.
                   if (answer.status != 0 && answer.status != 503) {
                     script_[step].done = true;
                     return;
                   }
                   world_.At(world_.now() + kRetryDelay, [this, step, place] {
                     AskForMove(step, (place + 1) % nodes_);
                   });
                 });
}

bool MoveSubject::ScriptIsDone() const {
  return std::all_of(script_.begin(), script_.end(),
                     [](const Step& step) { return step.done; });
}

uint64_t MoveSubject::term() const {
  uint64_t highest = 0;
  for (size_t place = 0; place < cluster_.places().size(); ++place) {
    const node::Server* const server = cluster_.ServerAt(place);
    if (server == nullptr) continue;
    for (const GroupId group : server->host().groups()) {
      const raft::Core* const core = server->host().core(group);
      if (core != nullptr) highest = std::max(highest, core->term().value());
    }
  }
  return highest;
}

}  // namespace quorate::sim
