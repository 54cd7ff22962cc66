#include "sim/scenarios/story.h"

#include <algorithm>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "kv/command/command.h"
#include "shardctrl/controller/state.h"
#include "sim/protocol/dialogue.h"

namespace quorate::sim {
namespace {

constexpr size_t kTimeColumns = 12;

std::string NameOf(size_t place) { return absl::StrCat("node ", place + 1); }

}  // namespace

std::string MillisecondsText(Duration time) {
  const std::string part = absl::StrCat(1000 + time.ns() / 1000 % 1000);
  return absl::StrCat(time.ms(), ".", part.substr(1), " ms");
}

// One command at a time, each on a connection of its own.
class Story::Client final : Dialogue {
 public:
  explicit Client(env::Env& env) : Dialogue(env) {}

  void Ask(const std::string& server, std::string bytes) {
    reply_.reset();
    Open(server, Protocol::kResp, std::move(bytes));
  }
  const std::optional<ClientReply>& reply() const { return reply_; }

 private:
  void OnReply(ClientReply reply) override { reply_ = std::move(reply); }
  void OnOver(const absl::Status& why) override {
    Close();
    if (reply_.has_value()) return;
    reply_ = ClientReply{
        .type = ClientReply::Type::kError,
        .text = absl::StrCat("CONNECTION ", std::string(why.message()))};
  }

  std::optional<ClientReply> reply_;
};

Story::Story(const StoryOptions& options)
    : options_(options),
      world_({.seed = options.seed}),
      checker_([this](std::string what) { world_.Violate(std::move(what)); }),
      cluster_(
          world_, checker_,
          {.nodes = options.founders,
           .spares = 2,
           .groups = options.groups,
           .peer_streams = [](NodeId) { return raft::TransportOptions(); }}) {
  world_.SetStepHook(
      [this](MachineId machine) { cluster_.AfterTurn(machine); });
  cluster_.SetCommitHook([this](GroupId group, const raft::Entry& entry) {
    OnCommitted(group, entry);
  });
  cluster_.SetStepHook([this](NodeId number, GroupId group,
                              const raft::Core& core, const raft::Output&) {
    OnStep(Places::PlaceWith(number), group, core);
  });
}

Story::~Story() = default;

void Story::Title(const std::string& text) {
  if (options_.print) options_.print(absl::StrCat(text, "\n"));
}

void Story::Print(const std::string& text) {
  const std::string time = MillisecondsText(Duration(world_.now().ns()));
  const size_t width = std::max(kTimeColumns, time.size());
  options_.print(
      absl::StrCat(std::string(width - time.size(), ' '), time, "  ", text));
}

void Story::Tell(const std::string& text) {
  if (options_.print) Print(text);
}

void Story::Because(const std::string& text) {
  if (!options_.print) return;
  options_.print(
      absl::StrCat(std::string(kTimeColumns + 2, ' '), "because ", text));
}

void Story::Fail(const std::string& what) {
  absl::StrAppend(&failures_, "after ",
                  MillisecondsText(Duration(world_.now().ns())), ": ", what,
                  "\n");
}

bool Story::RunUntil(const std::function<bool()>& done, Duration within) {
  return world_.RunUntilTrue(done, within);
}

std::string Story::End() {
  RunFor(Seconds(2));
  for (const std::string& violation : world_.violations()) Fail(violation);
  return failures_;
}

// ---- The cluster.

bool Story::Begin() {
  cluster_.Start();
  const MachineId admin = world_.AddMachine({.name = "op", .client = true});
  world_.Start(admin, [this](env::Env& env) {
    return operator_ = std::make_shared<AdminClient>(env);
  });
  const MachineId client = world_.AddMachine({.name = "c", .client = true});
  world_.Start(client, [this](env::Env& env) {
    return client_ = std::make_shared<Client>(env);
  });
  const bool led = RunUntil(
      [this] {
        for (uint32_t group = 1; group <= options_.groups; ++group) {
          const size_t place = LeaderOf(GroupId(group));
          if (place == places().size() || !cluster_.ServerAt(place)
                                               ->host()
                                               .core(GroupId(group))
                                               ->CanServeReads()) {
            return false;
          }
        }
        return true;
      },
      Seconds(20));
  if (!led) Fail("a group has no leader");
  return led;
}

size_t Story::LeaderOf(GroupId group) const {
  const Places& places = cluster_.places();
  size_t leader = places.size();
  raft::Term term;
  for (size_t place = 0; place < places.size(); ++place) {
    const node::Server* const server = cluster_.ServerAt(place);
    if (server == nullptr) continue;
    const raft::Core* const core = server->host().core(group);
    if (core == nullptr || core->role() != raft::RoleKind::kLeader ||
        core->term() < term) {
      continue;
    }
    term = core->term();
    leader = place;
  }
  return leader;
}

void Story::Crash(size_t place) {
  Tell(absl::StrCat(NameOf(place), " loses its power"));
  world_.Crash(places().machines()[place], CrashKind::kMachine);
  for (auto& [key, seen] : seen_) {
    if (key.first == place) seen = Seen();
  }
}

void Story::Restart(size_t place) {
  Tell(absl::StrCat(NameOf(place), " starts again, with what its disk has"));
  world_.Restart(places().machines()[place]);
}

void Story::Isolate(size_t place, bool cut) {
  for (size_t other = 0; other < places().size(); ++other) {
    if (other == place) continue;
    const MachineId a = places().machines()[place];
    const MachineId b = places().machines()[other];
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)}) {
      cut ? world_.BlockLink(from, to) : world_.HealLink(from, to);
    }
  }
}

ClientReply Story::Quietly(size_t place, const std::vector<std::string>& words,
                           Duration within) {
  client_->Ask(places().FirstAddress(place, Places::kRespPort),
               EncodeCommand(words));
  if (!RunUntil([this] { return client_->reply().has_value(); }, within)) {
    return {.type = ClientReply::Type::kError, .text = "no reply"};
  }
  return *client_->reply();
}

ClientReply Story::Command(size_t place, const std::vector<std::string>& words,
                           Duration within) {
  const std::string text = absl::StrJoin(words, " ");
  Tell(absl::StrCat("the client sends ", text, " to ", NameOf(place)));
  const SimTime begun = world_.now();
  ClientReply reply = Quietly(place, words, within);
  Tell(absl::StrCat("the client reads ", reply.ToString(), "  (after ",
                    MillisecondsText(world_.now() - begun), ")"));
  return reply;
}

OperatorAnswer Story::Ask(size_t place, const OperatorRequest& request) {
  std::optional<OperatorAnswer> answer;
  operator_->Ask(places().FirstAddress(place, Places::kAdminPort), request,
                 Seconds(10), [&](const OperatorAnswer& got) { answer = got; });
  RunUntil([&] { return answer.has_value(); }, Seconds(20));
  return answer.value_or(OperatorAnswer());
}

// ---- Reports.

void Story::OnCommitted(GroupId group, const raft::Entry& entry) {
  if (group == shardctrl::kControllerGroup || !on_move_step_ ||
      entry.kind != raft::EntryKind::kCommands) {
    return;
  }
  kv::CommandReader commands(entry.payload.view());
  while (commands.ok() && !commands.done()) {
    kv::CommandView command;
    if (!commands.Next(&command) || command.op != kv::Op::kMove) continue;
    kv::ArgumentReader arguments = command.arguments;
    const auto step = kv::DecodeMoveStep(arguments.Next());
    if (step.has_value()) on_move_step_(group, *step);
  }
}

void Story::OnRole(const std::string& node, const Seen& before,
                   const raft::Core& core) {
  const uint64_t term = core.term().value();
  switch (core.role()) {
    case raft::RoleKind::kPreCandidate:
      Tell(absl::StrCat(node,
                        " has heard no leader for an election timeout, "
                        "and asks who would vote for it"));
      Because("a node that is cut off would otherwise raise the term");
      return;
    case raft::RoleKind::kCandidate:
      return Tell(absl::StrCat(
          node, " asks for votes in term ", term,
          before.role == raft::RoleKind::kPreCandidate
              ? ""
              : ", since the leader transfers its leadership to it"));
    case raft::RoleKind::kLeader:
      Tell(absl::StrCat(node, " leads the group in term ", term));
      return Because(
          "a majority voted for it, and no node votes for one whose log lacks "
          "entries that it has itself");
    case raft::RoleKind::kFollower:
      if (before.role == raft::RoleKind::kLeader) {
        Tell(
            absl::StrCat(node, " leads no longer, and follows in term ", term));
      }
      return;
  }
}

void Story::OnStep(size_t place, GroupId group, const raft::Core& core) {
  Seen& seen = seen_[{place, group}];
  const Seen before = seen;
  seen = {.role = core.role(),
          .term = core.term(),
          .last = core.last().index,
          .durable = core.durable_index(),
          .commit = core.commit_index(),
          .applied = core.applied_index()};
  if (group != watched_) return;
  const std::string node = NameOf(place);
  if (seen.role != before.role) OnRole(node, before, core);
  if (!entries_) return;
  const bool leads = seen.role == raft::RoleKind::kLeader;
  const auto say = [&](raft::Index old, raft::Index now, const char* what) {
    if (now <= old || old == raft::Index()) return false;
    Tell(absl::StrCat(node, what, now.value()));
    return true;
  };
  say(before.last, seen.last, leads ? " appends entry " : " receives entry ");
  say(before.durable, seen.durable, " has on its disk entry ");
  if (leads) {
    if (say(before.commit, seen.commit, " knows a majority with entry ")) {
      Because(
          "the entry is committed: each later leader has it, since any two "
          "majorities share a node");
    }
  } else {
    say(before.commit, seen.commit, " hears of the majority with entry ");
  }
  say(before.applied, seen.applied, " carries out entry ");
}

}  // namespace quorate::sim
