#include "sim/scenarios/scenarios.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "shardctrl/controller/token.h"
#include "sim/scenarios/story.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);

std::string NodeText(size_t place) { return absl::StrCat("node ", place + 1); }

void Expect(Story& story, const ClientReply& reply, std::string_view text) {
  if (reply.ToString() == text) return;
  story.Fail(absl::StrCat("the reply is ", reply.ToString(), ", not ",
                          std::string(text)));
}

// Another place than this one, of the three founders.
size_t Other(size_t place) { return (place + 1) % 3; }

bool AwaitNewLeader(Story& story, size_t old) {
  const bool led = story.RunUntil(
      [&] {
        const size_t now = story.LeaderOf(kGroup);
        return now != story.places().size() && now != old &&
               story.cluster()
                   .ServerAt(now)
                   ->host()
                   .core(kGroup)
                   ->CanServeReads();
      },
      Seconds(20));
  if (!led) story.Fail("no other node leads");
  return led;
}

// ---- Replication.

void Replication(Story& story) {
  story.Title(
      "A write, from the client to the disks of a majority and back. Three "
      "nodes, one group with a replica on each.");
  if (!story.Begin()) return;
  const size_t leader = story.LeaderOf(kGroup);
  story.Tell(absl::StrCat(NodeText(leader), " leads the group"));
  story.RunFor(Seconds(1));
  story.Watch(kGroup, /*entries=*/true);
  Expect(story, story.Command(Other(leader), {"SET", "greeting", "hello"}),
         "OK");
  story.Because(
      "the leader answers once the entry is committed and carried out; the "
      "node "
      "that was asked forwards the command, and its answer");
  story.RunFor(Milliseconds(300));
  Expect(story, story.Command(leader, {"GET", "greeting"}), "\"hello\"");
  story.Because(
      "before it answers a read, the leader makes sure that a majority still "
      "follows it; a read writes no entry");
}

// ---- Failover.

void Failover(Story& story) {
  story.Title(
      "The leader loses its power. The others elect another one, and no "
      "acknowledged write is lost.");
  if (!story.Begin()) return;
  const size_t old = story.LeaderOf(kGroup);
  story.Tell(absl::StrCat(NodeText(old), " leads the group"));
  Expect(story, story.Command(old, {"SET", "balance", "100"}), "OK");
  story.RunFor(Seconds(1));
  story.Watch(kGroup, /*entries=*/false);
  story.Crash(old);
  if (!AwaitNewLeader(story, old)) return;
  const size_t now = story.LeaderOf(kGroup);
  Expect(story, story.Command(now, {"GET", "balance"}), "\"100\"");
  story.Because(
      "the write was on the disks of a majority, and the new leader is one of "
      "it");
  Expect(story, story.Command(now, {"INCRBY", "balance", "20"}),
         "(integer) 120");
  story.Restart(old);
  const raft::Index end =
      story.cluster().ServerAt(now)->host().core(kGroup)->applied_index();
  const auto caught_up = [&] {
    const node::Server* const server = story.cluster().ServerAt(old);
    const raft::Core* const core =
        server == nullptr ? nullptr : server->host().core(kGroup);
    return core != nullptr && core->applied_index() >= end;
  };
  if (!story.RunUntil(caught_up, Seconds(20))) {
    return story.Fail("the old leader does not catch up");
  }
  story.Tell(absl::StrCat(NodeText(old), " has carried out entry ", end.value(),
                          ", as the others have"));
  story.Because(
      "its log ended where it lost its power, and the leader sent what it "
      "lacked");
  story.RunFor(Seconds(3));
  Expect(story, story.Command(old, {"GET", "balance"}), "\"120\"");
}

// ---- Partition.

void Partition(Story& story) {
  story.Title(
      "The leader is cut off from the others, and a client still reaches it. "
      "Only the side with a majority takes writes.");
  if (!story.Begin()) return;
  const size_t cut = story.LeaderOf(kGroup);
  story.Tell(absl::StrCat(NodeText(cut), " leads the group"));
  Expect(story, story.Command(cut, {"SET", "door", "open"}), "OK");
  story.RunFor(Seconds(1));
  story.Watch(kGroup, /*entries=*/false);
  story.Isolate(cut, true);
  story.Tell(absl::StrCat(NodeText(cut), " is cut off from the other nodes"));
  const ClientReply refused = story.Command(cut, {"SET", "door", "shut"});
  if (!refused.is_error()) story.Fail("a minority took a write");
  story.Because(
      "one node of three is no majority, so nothing that it appends can be "
      "committed; the outcome of the write may stay unknown");
  if (!AwaitNewLeader(story, cut)) return;
  const size_t now = story.LeaderOf(kGroup);
  Expect(story, story.Command(now, {"SET", "door", "locked"}), "OK");
  const ClientReply stale = story.Command(cut, {"GET", "door"});
  if (!stale.is_error()) story.Fail("a minority served a read");
  story.Because(
      "the others may have written meanwhile, so it refuses reads, too; a "
      "client may ask for stale ones (READONLY)");
  story.Isolate(cut, false);
  story.Tell("the network heals");
  story.RunFor(Seconds(3));
  Expect(story, story.Command(cut, {"GET", "door"}), "\"locked\"");
  story.Because(absl::StrCat(
      NodeText(cut),
      " replaced the entries that were never committed by those of the new "
      "leader"));
}

// ---- Scaling.

// Tells the steps of moves, each kind once for each move.
class MoveTeller {
 public:
  explicit MoveTeller(Story* story) : story_(*story) {}

  void OnStep(GroupId group, const kv::MoveStep& step) {
    const std::string name = absl::StrCat("group ", group.value());
    if (const auto* const prepare = std::get_if<kv::PrepareStep>(&step)) {
      Once(0,
           name + " prepares: it takes copies of " +
               absl::StrCat(kv::SlotCountOf(prepare->plan), " slots of group ",
                            prepare->plan.from.value()),
           "copies are invisible until the slots are its own");
    } else if (std::holds_alternative<kv::TrackStep>(step)) {
      Once(1, name + " notes from now on which keys of these slots change",
           "it goes on to serve them, and changes behind the copy are sent "
           "again");
    } else if (const auto* const piece = std::get_if<kv::StageStep>(&step)) {
      ++pieces_;
      Once(2,
           name +
               " receives the first piece of the copy, as an entry of its "
               "log",
           "the copy is then on a majority of its disks, and any next leader "
           "goes "
           "on where it stands");
      if (piece->piece.stream.changes) {
        Once(3,
             absl::StrCat(name, " has all slots after ", pieces_ - 1,
                          " pieces, and receives what changed meanwhile"),
             "");
      }
    } else if (std::holds_alternative<kv::FreezeStep>(step)) {
      frozen_ = story_.world().now();
      Once(4, name + " freezes the slots: commands on them wait",
           "no write can come behind the last piece; no timer thaws the slots, "
           "only a decision");
    } else if (std::holds_alternative<kv::SealStep>(step)) {
      Once(5, name + " seals its copy",
           "its digest of keys, expiries and sessions is that of the source");
    } else if (std::holds_alternative<kv::ActivateStep>(step)) {
      Once(6,
           absl::StrCat(name, " owns the slots, ",
                        MillisecondsText(story_.world().now() - frozen_),
                        " after they were frozen"),
           "the controller has decided it: before that both groups could go "
           "back, from now on neither does");
    } else if (std::holds_alternative<kv::ReleaseStep>(step)) {
      Once(7, name + " removes its data of the slots",
           "another group has them");
    }
  }
  bool released() const { return told_ > 7; }

 private:
  void Once(int stage, const std::string& what, const std::string& why) {
    if (stage < told_) return;
    told_ = stage + 1;
    story_.Tell(what);
    if (!why.empty()) story_.Because(why);
  }

  Story& story_;
  int told_ = 0;
  uint64_t pieces_ = 0;
  SimTime frozen_;
};

bool AddNode(Story& story, size_t place) {
  const OperatorAnswer added =
      story.Ask(0, {.method = "POST", .target = "/v1/nodes", .key = "add"});
  if (added.status != 200) {
    story.Fail("node add was refused");
    return false;
  }
  const auto token =
      shardctrl::ParseToken(added.body["token"].get<std::string>());
  CHECK(token.ok());
  node::JoinConfig join{.cluster = token->cluster,
                        .node = token->node,
                        .seeds = added.body["seeds"],
                        .token = added.body["token"]};
  story.world().At(story.world().now(), [&story, place, join] {
    story.places().MoveIn(place, {.node = join.node, .join = join});
  });
  const bool up = story.RunUntil(
      [&] {
        const OperatorAnswer nodes =
            story.Ask(0, {.method = "GET", .target = "/v1/nodes"});
        return nodes.status == 200 && nodes.body["nodes"].size() == place + 1 &&
               nodes.body["nodes"].back()["state"] == "up";
      },
      Seconds(30));
  if (!up) story.Fail("the new node does not join");
  story.Tell(absl::StrCat(NodeText(place),
                          " has joined with the token that the operator got"));
  return up;
}

void Scaling(Story& story) {
  story.Title(
      "A fourth node and a second group take over half of the slots, while a "
      "client increments a counter.");
  if (!story.Begin()) return;
  story.Tell("3 nodes serve one group, which owns all 16,384 slots");
  int64_t count = 0;
  for (int i = 0; i < 200; ++i) {
    story.Quietly(0, {"SET", absl::StrCat("key:", i), std::string(100, 'v')});
  }
  if (!AddNode(story, 3)) return;
  MoveTeller teller(&story);
  story.OnMoveStep([&](GroupId group, const kv::MoveStep& step) {
    teller.OnStep(group, step);
  });
  const OperatorAnswer created = story.Ask(0, {.method = "POST",
                                               .target = "/v1/groups",
                                               .body = "{\"replicas\":3}",
                                               .key = "create"});
  if (created.status != 200) return story.Fail("group create was refused");
  story.Tell("the operator creates group 2; the controller plans its share");
  // The greatest slot of the counter's key is in the half that moves, or not:
  // both must be right.
  Duration slowest;
  const SimTime limit = story.world().now() + Seconds(60);
  while (!teller.released() && story.world().now() < limit) {
    const SimTime begun = story.world().now();
    for (const char* const key : {"counter", "counter:2"}) {
      const ClientReply reply = story.Quietly(0, {"INCR", key});
      Expect(story, reply, absl::StrCat("(integer) ", count + 1));
    }
    ++count;
    slowest = std::max(slowest, story.world().now() - begun);
    story.RunFor(Milliseconds(5));
  }
  if (!teller.released()) return story.Fail("the slots have not moved");
  story.RunFor(Seconds(1));
  Expect(story, story.Command(3, {"GET", "counter"}),
         absl::StrCat("\"", count, "\""));
  story.Tell(absl::StrCat("the client incremented two counters ", count,
                          " times; the slowest pair of requests took ",
                          MillisecondsText(slowest), ", and none failed"));
}

struct Scenario {
  const char* name;
  void (*run)(Story&);
};
constexpr Scenario kScenarios[] = {{"replication", Replication},
                                   {"scaling", Scaling},
                                   {"partition", Partition},
                                   {"failover", Failover}};

}  // namespace

std::vector<std::string> ScenarioNames() {
  std::vector<std::string> names;
  for (const Scenario& scenario : kScenarios) names.push_back(scenario.name);
  return names;
}

std::string RunScenario(const ScenarioOptions& options) {
  for (const Scenario& scenario : kScenarios) {
    if (scenario.name != options.name) continue;
    Story story({.seed = options.seed, .print = options.print});
    scenario.run(story);
    return story.End();
  }
  return "there is no scenario " + options.name;
}

}  // namespace quorate::sim
