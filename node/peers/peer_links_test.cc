// Requests between two nodes over links with faults, in the simulated world.
#include "node/peers/peer_links.h"

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "env/changed_env.h"
#include "env/outcome.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/base/turn_work.h"
#include "node/cluster/cluster_map.h"
#include "node/peers/peer_link.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

using Kind = PeerRequest::Kind;

std::string AddressOf(uint32_t node) {
  return "n" + std::to_string(node) + ":9001";
}

// The facts of a test, across restarts of its programs.
struct Facts {
  std::multiset<std::string> executed;  // Payloads.
  std::map<std::string, std::vector<Outcome>> answers;
  std::map<Outcome, size_t> opened;
  size_t asked = 0;
  size_t refused = 0;
  size_t held_most = 0;
  size_t made = 0;            // Answers that had room.
  size_t made_long_most = 0;  // At a time.
  size_t passed_long = 0;     // Answers while a long one was made.
  size_t reports = 0;  // Answers to queries of node 1 for the state of node 2.
  size_t reports_of_asker = 0;  // Of node 1 to node 2, which does not ask.
  size_t links_opened = 0;
};

struct Manner {
  Duration pause = Milliseconds(1);  // Between two requests.
  size_t requests = 0;               // 0: it asks nothing.
  size_t payload_bytes = 0;          // The least size of a payload.
  size_t result_bytes = 0;           // Of every tenth answer.
  size_t bytes_max = 16 << 20;
  Duration work;              // Of every fifth request.
  bool byte_streams = false;  // The nodes have connections.
  bool heeds_room = false;    // It asks while the link has room.
  bool tells = false;         // Its queries are to tell node 2 of its state.
  // Every request waits for `work`, then its answer for room.
  bool awaits_room = false;
  Duration make;  // Above 0: every tenth answer is long.
};

// Node 1 asks node 2, which echoes payloads and refuses some.
class Program final : private StatusObserver {
 public:
  Program(env::Env& env, uint32_t id, const Manner& manner, Facts* facts)
      : transport_(env.loop, env.streams, env.tracer, env.random),
        env_(EnvOf(env, manner)),
        work_(env.loop, 6'000),
        manner_(manner),
        facts_(facts),
        life_(env.random.Bits("life", id, 0) | 1) {
    config_.cluster = ClusterId(7);
    config_.node = NodeId(id);
    for (const uint32_t node : {1, 2}) {
      config_.nodes.push_back({.id = NodeId(node),
                               .resp = Concat("n", node, ":7001"),
                               .http = Concat("n", node, ":8001"),
                               .peer = AddressOf(node)});
    }
    config_.listen.allow_non_loopback = true;
    CHECK(CompleteConfig(&config_, {}).ok());
    cluster_ = std::make_unique<ClusterMap>(config_);
    config_.timeouts.proxy = Milliseconds(500);
    config_.bounds.peer_bytes = manner.bytes_max;
    links_ = std::make_unique<PeerLinks>(env_, config_, *cluster_, work_);
    EXPECT_TRUE(env_.transport
                    .Start({.cluster = ClusterId(7),
                            .node = NodeId(id),
                            .incarnation = StoreIncarnation(id)},
                           AddressOf(id), {{NodeId(3 - id), AddressOf(3 - id)}},
                           links_.get())
                    .ok());
    links_->Start(
        [this](PeerRequest request, PeerDone done, AnswerRoom& room) {
          Execute(std::move(request), std::move(done), room);
        },
        [] {}, this);
    if (id == 1 && manner.requests > 0) Open();
  }
  const PeerCounters& counters() const { return links_->counters(); }
  size_t held_bytes() const { return links_->held_bytes(); }

 private:
  env::Env EnvOf(const env::Env& env, const Manner& manner) {
    return manner.byte_streams ? env::WithTransport(env, transport_) : env;
  }
  void After(Duration duration, absl::AnyInvocable<void()> call) {
    later_.push_back(
        env_.loop.At(env_.loop.ReadClock().mono + duration, std::move(call)));
  }
  void MakeLong(PeerDone done, PeerResult result) {
    facts_->made_long_most = std::max(facts_->made_long_most, ++made_long_);
    After(manner_.make,
          [this, done = std::move(done), result = std::move(result)]() mutable {
            --made_long_;
            done(std::move(result));
          });
  }
  void Execute(PeerRequest request, PeerDone done, AnswerRoom& room) {
    PeerResult result;
    result.result.outcome = Outcome::kDone;
    if (request.kind == Kind::kOpen) {
      result.channel = {.term = raft::Term(1), .channel = 1};
      return done(std::move(result));
    }
    const uint64_t count = ++executed_;
    if (count % 7 == 0) {
      result.result.outcome = Outcome::kNotExecuted;
      ++facts_->refused;
      return done(std::move(result));
    }
    facts_->executed.insert(std::string(request.payload.view()));
    facts_->held_most = std::max(facts_->held_most, links_->held_bytes());
    result.result.result =
        count % 10 == 0 && manner_.result_bytes > 0
            ? Buffer::Copy(std::string(manner_.result_bytes, 'r'))
            : request.payload;
    if (manner_.awaits_room) {
      return AwaitRoom(count, std::move(done), std::move(result), room);
    }
    if (count % 5 != 0) return done(std::move(result));
    After(manner_.work,
          [done = std::move(done), result = std::move(result)]() mutable {
            done(std::move(result));
          });
  }
  void AwaitRoom(uint64_t count, PeerDone done, PeerResult result,
                 AnswerRoom& room) {
    const bool is_long = manner_.make > Duration() && count % 10 == 0;
    After(manner_.work, [this, is_long, &room, done = std::move(done),
                         result = std::move(result)]() mutable {
      if (is_long) {
        return room.AwaitLong(
            std::move(done),
            [this, result = std::move(result)](PeerDone then) mutable {
              MakeLong(std::move(then), std::move(result));
            });
      }
      room.Await(std::move(done),
                 [this, result = std::move(result)](PeerDone then) mutable {
                   ++facts_->made;
                   facts_->passed_long += made_long_;
                   then(std::move(result));
                   facts_->held_most =
                       std::max(facts_->held_most, links_->held_bytes());
                 });
    });
  }
  // The report says how many queries of the asker it follows.
  NodeReport Report(NodeId asker, StoreIncarnation store,
                    const StatusQuery& query) override {
    EXPECT_EQ(asker, other());
    EXPECT_EQ(store, StoreIncarnation(asker.value()));
    NodeReport report;
    report.start = query.start;
    report.changes = query.changes;
    return report;
  }
  void OnReport(NodeId node, StoreIncarnation store,
                const NodeReport& report) override {
    EXPECT_EQ(node, other());
    EXPECT_EQ(store, StoreIncarnation(node.value()));
    EXPECT_EQ(report.start, life_);
    EXPECT_GT(report.changes, reported_) << "a copy, or out of order";
    EXPECT_LE(report.changes, queries_);
    reported_ = report.changes;
    ++(node == NodeId(2) ? facts_->reports : facts_->reports_of_asker);
  }
  void OnLinkOpened(NodeId) override { ++facts_->links_opened; }
  const NodeReport& Known(NodeId) override {
    known_.start = life_;
    known_.changes = ++queries_;
    return known_;
  }
  NodeId other() const { return NodeId(3 - config_.node.value()); }
  void Open() {
    links_->To(NodeId(2)).Ask(
        {.kind = Kind::kOpen, .group = GroupId(1)}, [this](PeerResult result) {
          stamp_ = result.channel;
          const bool open = stamp_.channel != 0;
          ++facts_->opened[result.result.outcome];
          timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(2),
                                [this, open] { open ? Ask() : Open(); });
        });
  }
  void Ask() {
    if (facts_->asked == manner_.requests) return;
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + manner_.pause,
                          [this] { Ask(); });
    if (manner_.heeds_room &&
        !links_->To(NodeId(2)).HasRoom(manner_.payload_bytes)) {
      return;
    }
    manner_.tells ? links_->TellStatus(NodeId(2))
                  : links_->AskStatus(NodeId(2));
    std::string payload = std::to_string(++facts_->asked);
    payload.resize(std::max(payload.size(), manner_.payload_bytes), '.');
    ++stamp_.number;
    links_->To(NodeId(2)).Ask(
        {.kind = Kind::kApply,
         .group = GroupId(1),
         .stamp = stamp_,
         .payload = Buffer::Copy(payload)},
        [this, payload](PeerResult result) {
          facts_->answers[payload].push_back(result.result.outcome);
          if (result.result.outcome != Outcome::kDone) {
            Open();
          }
        });
    facts_->held_most = std::max(facts_->held_most, links_->held_bytes());
  }

  raft::StreamTransport transport_;
  env::Env env_;
  TurnWork work_;
  const Manner manner_;
  Facts* const facts_;
  const uint64_t life_;  // Of this process.
  Config config_;
  std::unique_ptr<ClusterMap> cluster_;
  std::unique_ptr<PeerLinks> links_;
  ForwardStamp stamp_;
  size_t made_long_ = 0;  // Long answers that are being made.
  uint64_t executed_ = 0;
  NodeReport known_;
  uint64_t queries_ = 0;
  uint64_t reported_ = 0;  // The query of the last report.
  env::Pending timer_;
  std::vector<env::Pending> later_;
};

class PeerLinksTest : public ::testing::Test {
 protected:
  void Begin(uint64_t seed, const Manner& manner) {
    manner_ = manner;
    programs_[0].reset();
    programs_[1].reset();
    facts_ = {};
    world_ = std::make_unique<sim::World>(sim::WorldOptions{.seed = seed});
    for (const char* name : {"n1", "n2"}) {
      machines_.push_back(world_->AddMachine({.name = name}));
    }
  }
  void StartProgram(uint32_t id) {
    world_->Start(machines_[id - 1], [this, id](env::Env& env) {
      return programs_[id - 1] =
                 std::make_shared<Program>(env, id, manner_, &facts_);
    });
  }
  // Every refusal is true, and no request is executed twice.
  void CheckFacts() {
    EXPECT_EQ(facts_.answers.size(), facts_.asked);
    for (const auto& [payload, answers] : facts_.answers) {
      EXPECT_EQ(answers.size(), 1u) << payload;
      const size_t executed = facts_.executed.count(payload);
      EXPECT_LE(executed, 1u) << payload;
      if (answers[0] == Outcome::kDone) {
        EXPECT_EQ(executed, 1u) << payload;
      }
      if (answers[0] == Outcome::kNotExecuted) {
        EXPECT_EQ(executed, 0u) << payload;
      }
    }
  }
  size_t Count(Outcome outcome) const {
    size_t count = 0;
    for (const auto& [payload, answers] : facts_.answers) {
      count += answers[0] == outcome ? 1 : 0;
    }
    return count;
  }

  Manner manner_;
  Facts facts_;
  std::unique_ptr<sim::World> world_;
  std::vector<sim::MachineId> machines_;
  std::shared_ptr<Program> programs_[2];
};

// All pieces of two answers arrive in one turn, the last one first.
TEST_F(PeerLinksTest, LongAnswers_AreJoinedOverSeveralTurns) {
  constexpr uint64_t kTurnWork = 1'000;
  const std::string results(10 * kAnswerPieceBytes, 'r');
  sim::World world({.seed = 1});
  std::vector<std::string> taken;
  std::unique_ptr<TurnWork> work;
  std::unique_ptr<PeerLink> link;
  PeerCounters counters;
  const PeerLinkOptions options = {
      .link = {.cluster = ClusterId(7), .from = NodeId(1), .to = NodeId(2)},
      .life = 5,
      .timeout = Seconds(1),
      .open_timeout = Seconds(1),
      .bytes_max = 1 << 20};
  world.Start(world.AddMachine({.name = "n1"}), [&](env::Env& env) {
    work = std::make_unique<TurnWork>(env.loop, kTurnWork);
    link = std::make_unique<PeerLink>(env, options, *work, counters, [] {});
    return std::make_shared<int>(0);
  });
  world.RunFor(Milliseconds(1));
  const auto ask = [&](uint64_t number, const std::string& bytes) {
    link->Ask({.kind = Kind::kRead, .group = GroupId(1)},
              [&](PeerResult result) {
                EXPECT_EQ(result.result.outcome, Outcome::kDone);
                taken.emplace_back(result.result.result.view());
              });
    PeerResult result;
    result.result.outcome = Outcome::kDone;
    result.result.result = Buffer::Copy(bytes);
    const PeerAnswer answer = EncodePeerResult(result);
    const std::string whole =
        std::string(answer.head.view()) + std::string(answer.results.view());
    const size_t last = (whole.size() - 1) / kAnswerPieceBytes;
    for (size_t i = last + 1; i > 0; --i) {
      const size_t offset = (i - 1) * kAnswerPieceBytes;
      const PeerAnswerPiece piece = {
          .id = {options.life, number},
          .size = static_cast<uint32_t>(whole.size()),
          .offset = static_cast<uint32_t>(offset),
          .bytes = Buffer::Copy(
              std::string_view(whole).substr(offset, kAnswerPieceBytes))};
      link->OnAnswer(piece);
      link->OnAnswer(piece);  // A copy of the message.
    }
  };
  ask(1, results);
  ask(2, "short");
  EXPECT_TRUE(taken.empty());
  // The loss of the connection comes too late.
  link->OnLaneClosed();
  world.RunFor(Seconds(10));
  ASSERT_EQ(taken.size(), 2u);
  EXPECT_TRUE(taken[0] == results);
  EXPECT_EQ(taken[1], "short");
  // The first pieces are joined in the turn of the calls and in one at the same
  // time.
  EXPECT_LE(work->longest(),
            kTurnWork + 2 * kAnswerPieceBytes / TurnWork::kCopiedBytesPerUnit);
  EXPECT_EQ(link->asked_bytes(), 0u);
  link.reset();
}

TEST_F(PeerLinksTest, HealthyLink_AnswersAllRequests) {
  Begin(1, {.requests = 100, .result_bytes = 3 << 20});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Seconds(5));
  CheckFacts();
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 100u);
  EXPECT_EQ(facts_.reports, 100u);
  EXPECT_EQ(programs_[0]->held_bytes(), 0u);
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
}

// Each query of node 1 but the first one has the answer to the query that came
// with the answer to the query before.
TEST_F(PeerLinksTest, StatusQueries_OfOneNodeServeBoth) {
  Begin(1, {.pause = Milliseconds(50), .requests = 10});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Seconds(5));
  EXPECT_EQ(facts_.reports, 10u);
  EXPECT_EQ(facts_.reports_of_asker, 9u);
}

// Node 2 has answers to all its queries when node 1 has something to tell.
TEST_F(PeerLinksTest, StateThatIsTold_ArrivesAtOnce) {
  for (const bool tells : {false, true}) {
    Begin(1, {.requests = 1, .tells = tells});
    StartProgram(2);
    StartProgram(1);
    world_->RunFor(Seconds(5));
    EXPECT_EQ(facts_.reports, 1u);
    EXPECT_EQ(facts_.reports_of_asker, tells ? 1u : 0u);
  }
}

// Messages are lost, doubled, replayed and overtaken, and the answering node
// restarts. A copy of a request may reach it after it answered, or after it
// forgot everything.
TEST_F(PeerLinksTest, FaultyLinks_RequestsRunAtMostOnceAndRefusalsAreTrue) {
  size_t repeated = 0;
  size_t unknown = 0;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    Begin(
        seed,
        {.requests = 300, .result_bytes = 600 << 10, .work = Milliseconds(40)});
    world_->network_options().loss = {1, 20};
    world_->network_options().duplicate = {1, 4};
    world_->network_options().reorder = {1, 4};
    world_->network_options().replay = {1, 4};
    world_->network_options().replay_max = Milliseconds(300);
    world_->network_options().corrupt = {1, 50};
    StartProgram(2);
    StartProgram(1);
    for (int i = 0; i < 4; ++i) {
      world_->RunFor(Milliseconds(100));
      repeated += programs_[1]->counters().repeated;
      programs_[1].reset();
      world_->Crash(machines_[1], sim::CrashKind::kProcess);
      StartProgram(2);
    }
    world_->RunFor(Seconds(10));
    SCOPED_TRACE("seed " + std::to_string(seed));
    CheckFacts();
    unknown += Count(Outcome::kUnknown);
    EXPECT_GT(Count(Outcome::kDone), 100u);
    EXPECT_GT(facts_.reports, 100u);
    EXPECT_GT(facts_.reports_of_asker, 10u);
    EXPECT_EQ(programs_[0]->held_bytes(), 0u);
    EXPECT_EQ(programs_[1]->held_bytes(), 0u);
  }
  EXPECT_GT(repeated, 100u);
  EXPECT_GT(unknown, 100u);
}

TEST_F(PeerLinksTest, NodeThatIsAway_OutcomesFollowInTime) {
  Begin(1, {.requests = 100});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Milliseconds(50));
  programs_[1].reset();
  world_->Crash(machines_[1], sim::CrashKind::kMachine);
  world_->RunFor(Seconds(2));
  CheckFacts();
  EXPECT_GT(Count(Outcome::kUnknown), 10u);
}

// A machine that loses power tells its peers nothing. The other node answers on
// a connection to the earlier process, and learns of its end by that answer.
TEST_F(PeerLinksTest, ConnectionOfAnswersIsDead_TheyAreSentOnTheNextOne) {
  Begin(1, {.requests = 40, .byte_streams = true});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Seconds(2));
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 40u);
  EXPECT_EQ(facts_.links_opened, 2u);
  for (int restart = 1; restart <= 5; ++restart) {
    facts_ = {};
    programs_[0].reset();
    world_->Crash(machines_[0], sim::CrashKind::kMachine);
    world_->RunFor(Seconds(2));
    StartProgram(1);
    world_->RunFor(Milliseconds(400));
    CheckFacts();
    EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 40u) << restart;
    EXPECT_EQ(facts_.opened[Outcome::kUnknown], 0u) << restart;
  }
  world_->RunFor(Seconds(1));
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
}

// Each start opens a lane on which the kept answers are sent again.
TEST_F(PeerLinksTest, AskingNodeStartsAndFailsForEver_AnswersExpire) {
  Begin(1, {.requests = 40, .byte_streams = true});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Milliseconds(300));
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 40u);
  // Its next processes ask nothing, so they settle nothing.
  manner_.requests = 0;
  EXPECT_GT(programs_[1]->held_bytes(), 0u);
  for (int restart = 1; restart <= 20; ++restart) {
    programs_[0].reset();
    world_->Crash(machines_[0], sim::CrashKind::kProcess);
    StartProgram(1);
    world_->RunFor(Milliseconds(300));
  }
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
}

// The asking node counts its requests, not the answers that it will get. It
// asks within its bound, so none of its requests is refused.
TEST_F(PeerLinksTest, LargeAnswersToSmallRequests_AreAwaitedWithinTheBound) {
  constexpr size_t kBound = 128 << 10;
  constexpr size_t kLarge = 100'000;
  Begin(1, {.requests = 100,
            .payload_bytes = 10,
            .result_bytes = kLarge,
            .bytes_max = kBound,
            .heeds_room = true});
  StartProgram(2);
  StartProgram(1);
  world_->network_options().bytes_per_second = 2'000'000;
  world_->network_options().lane_bytes_max = 250'000;
  world_->RunFor(Seconds(5));
  CheckFacts();
  EXPECT_EQ(facts_.asked, 100u);
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 100u);
  EXPECT_GT(programs_[1]->counters().delayed, 0u);
  EXPECT_LE(facts_.held_most, kBound + kLarge + 20'000);
}

// All are executed at once, before any answer is made.
TEST_F(PeerLinksTest, LargeAnswersAfterAWait_AreMadeWithinTheBound) {
  constexpr size_t kBound = 128 << 10;
  constexpr size_t kLarge = 100'000;
  Begin(1, {.pause = Duration(),
            .requests = 300,
            .payload_bytes = 10,
            .result_bytes = kLarge,
            .bytes_max = kBound,
            .work = Milliseconds(20),
            .awaits_room = true});
  StartProgram(2);
  StartProgram(1);
  world_->network_options().bytes_per_second = 20'000'000;
  world_->network_options().lane_bytes_max = 150'000;
  world_->RunFor(Seconds(5));
  CheckFacts();
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 300u);
  EXPECT_GT(facts_.held_most, kLarge);
  EXPECT_LE(facts_.held_most, kBound + kLarge + 40'000);
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
}

TEST_F(PeerLinksTest, LongAnswers_AreMadeOneByOneAndOthersPass) {
  Begin(1, {.requests = 300,
            .payload_bytes = 10,
            .work = Milliseconds(1),
            .awaits_room = true,
            .make = Milliseconds(15)});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Seconds(5));
  CheckFacts();
  EXPECT_EQ(Count(Outcome::kDone) + facts_.refused, 300u);
  EXPECT_EQ(facts_.made_long_most, 1u);
  EXPECT_GT(facts_.passed_long, 20u);
}

TEST_F(PeerLinksTest, AnswersWithoutRoomForLong_AreNotMade) {
  Begin(1, {.pause = Milliseconds(4),
            .requests = 200,
            .payload_bytes = 10,
            .result_bytes = 100'000,
            .bytes_max = 50'000,
            .work = Milliseconds(20),
            .awaits_room = true});
  StartProgram(2);
  StartProgram(1);
  world_->network_options().bytes_per_second = 50'000;
  world_->network_options().lane_bytes_max = 50'000;
  world_->RunFor(Seconds(1));
  EXPECT_GT(programs_[1]->held_bytes(), 0u);
  world_->RunFor(Seconds(20));
  CheckFacts();
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
  EXPECT_GT(facts_.made, 0u);
  EXPECT_LT(facts_.made, facts_.executed.size() / 2);
}

// The connection of answers stands still until their asker has left.
TEST_F(PeerLinksTest, AskerLeavesWhileRequestsWait_TheyAreForgotten) {
  Begin(1, {.requests = 100,
            .payload_bytes = 10,
            .result_bytes = 100'000,
            .bytes_max = 50'000,
            .heeds_room = true});
  StartProgram(2);
  StartProgram(1);
  world_->network_options().bytes_per_second = 100'000;
  world_->network_options().lane_bytes_max = 150'000;
  world_->RunFor(Milliseconds(200));
  EXPECT_GT(programs_[1]->counters().delayed, 0u);
  EXPECT_GT(programs_[1]->held_bytes(), 100'000u);
  programs_[0].reset();
  world_->Crash(machines_[0], sim::CrashKind::kMachine);
  world_->RunFor(Seconds(2));
  EXPECT_EQ(programs_[1]->held_bytes(), 0u);
}

// Nothing is sent on a lane without room, so the refusals are true.
TEST_F(PeerLinksTest, LaneWithoutRoom_RequestsAreNotExecuted) {
  Begin(1, {.requests = 50, .payload_bytes = 100'000});
  StartProgram(2);
  StartProgram(1);
  world_->RunFor(Milliseconds(5));
  world_->network_options().lane_bytes_max = 1;
  world_->network_options().bytes_per_second = 1000;
  world_->RunFor(Seconds(2));
  CheckFacts();
  EXPECT_GT(Count(Outcome::kNotExecuted), 0u);
}

}  // namespace
}  // namespace quorate::node
