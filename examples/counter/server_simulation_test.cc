// The counter's server on three machines of a simulated world, with clients on
// machines of their own and faults of all families.
#include "examples/counter/server_simulation.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/transport.h"
#include "examples/counter/counter.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/service/line_server.h"
#include "raft/service/members.h"
#include "sim/harness/harness.h"
#include "sim/schedule/schedule_options.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);
constexpr uint64_t kSeeds = 10;

enum class Mistake : uint8_t {
  kReadsAtOnce,      // Answers a sum without Host::Read.
  kAnswersTooSoon,   // Answers an add before it is committed.
  kRefusesUnknown,   // Says "not executed" of an add that was perhaps executed.
  kStopsAnswering,   // Answers nothing after the hundredth request.
  kCountsStarts,     // The state depends on the number of starts.
  kForgets,          // A snapshot lacks the last digit of the state.
  kTakesNoState,     // Refuses every snapshot.
  kGivesUp,          // Says that it stopped after the hundredth request.
  kServesRemoved,    // Answers by its last sum if it has no replica.
  kDropsItself,      // Drops its replica after the fiftieth request.
  kComesBack,        // Makes a new replica for one that has left.
  kKnowsNoPeers,     // Lets no node join the group.
  kForgetsItsStore,  // A node that joined removes its files at each start.
};

// Begins with another sum at each start.
class CounterOfStarts final : public Counter {
 public:
  CounterOfStarts() {
    raft::Entry entry;
    entry.payload = Buffer::Copy(std::to_string(++starts_));
    Apply(entry, /*wants_result=*/false);
  }

 private:
  static inline int starts_ = 0;
};

class ForgetfulCounter final : public Counter {
 public:
  absl::Status Restore(std::string_view state) override {
    return Counter::Restore(state.substr(0, state.size() - 1));
  }
};

class StubbornCounter final : public Counter {
 public:
  absl::Status Restore(std::string_view) override {
    return absl::DataLossError("stubborn");
  }
};

// A server of a counter that makes a mistake.
template <Mistake mistake>
class WrongServer final : public raft::Host::Observer {
 public:
  using Done = CounterServer::Done;

  WrongServer(env::Env& env, raft::HostOptions host, std::string address,
              Done stopped)
      : env_(env),
        address_(std::move(address)),
        joins_(host.join.has_value()),
        stopped_(std::move(stopped)),
        clients_(
            [this](const std::string& line, raft::LineServer::Reply reply) {
              if (mistake == Mistake::kStopsAnswering && ++requests_ > 100)
                return;
              if (mistake == Mistake::kGivesUp && ++requests_ == 100) {
                stopped_(absl::UnavailableError("tired"));
              }
              if (mistake == Mistake::kDropsItself && ++requests_ == 50) {
                host_.DropReplica(kGroup, [](const absl::Status&) {});
              }
              if (mistake == Mistake::kComesBack) ComeBack();
              line == "sum" ? Sum(std::move(reply))
                            : Add(line.substr(4), std::move(reply));
            }),
        host_(
            env, host,
            [](GroupId, const raft::Configuration&)
                -> std::unique_ptr<raft::StateMachine> {
              if (mistake == Mistake::kCountsStarts) {
                return std::make_unique<CounterOfStarts>();
              }
              if (mistake == Mistake::kForgets) {
                return std::make_unique<ForgetfulCounter>();
              }
              if (mistake == Mistake::kTakesNoState) {
                return std::make_unique<StubbornCounter>();
              }
              return std::make_unique<Counter>();
            },
            this),
        members_(host_, kGroup,
                 mistake == Mistake::kKnowsNoPeers
                     ? std::vector<env::PeerAddress>()
                     : host.peers) {}

  void Start(Done started) {
    if (mistake != Mistake::kForgetsItsStore || !joins_) {
      return StartHost(std::move(started));
    }
    pending_ = env_.disk.List(
        [this, started = std::move(started)](
            absl::StatusOr<std::vector<std::string>> names) mutable {
          if (!names.ok()) return started(names.status());
          RemoveAndStart(*std::move(names), std::move(started));
        });
  }
  const raft::Host& host() const { return host_; }
  raft::Members& members() { return members_; }

 private:
  void RemoveAndStart(std::vector<std::string> names, Done started) {
    if (names.empty()) return StartHost(std::move(started));
    const std::string name = names.back();
    names.pop_back();
    pending_ = env_.disk.Remove(
        name, [this, names = std::move(names),
               started = std::move(started)](const absl::Status&) mutable {
          RemoveAndStart(std::move(names), std::move(started));
        });
  }
  void StartHost(Done started) {
    host_.Start(
        [this, started = std::move(started)](absl::Status status) mutable {
          if (status.ok()) status = clients_.Listen(env_, address_);
          started(std::move(status));
        });
  }
  void ComeBack() {
    if (host_.core(kGroup) != nullptr) {
      known_ = host_.core(kGroup)->configuration();
    } else if (known_.has_value()) {
      host_.PrepareReplica(kGroup, [this](absl::StatusOr<ReplicaId> id) {
        if (!id.ok()) return;
        host_.JoinReplica(kGroup, *id, *known_, [](const absl::Status&) {});
      });
    }
  }
  int64_t sum() const {
    return static_cast<const Counter*>(host_.state_machine(kGroup))->sum();
  }
  void Sum(raft::LineServer::Reply reply) {
    if (mistake == Mistake::kServesRemoved) {
      if (host_.core(kGroup) != nullptr) last_ = sum();
      if (host_.core(kGroup) == nullptr && last_.has_value()) {
        return reply("ok " + std::to_string(*last_));
      }
    }
    if (mistake == Mistake::kReadsAtOnce) {
      return host_.group_status(kGroup).ok()
                 ? reply("ok " + std::to_string(sum()))
                 : reply("not executed: no replica works");
    }
    host_.Read(kGroup, [this, reply = std::move(reply)](
                           const absl::Status& status) mutable {
      reply(status.ok() ? "ok " + std::to_string(sum()) : "not executed: ");
    });
  }
  void Add(const std::string& number, raft::LineServer::Reply reply) {
    Buffer payload = Buffer::Copy(number);
    if (mistake == Mistake::kAnswersTooSoon && host_.core(kGroup) != nullptr &&
        host_.core(kGroup)->role() == raft::RoleKind::kLeader) {
      host_.Propose(kGroup, std::move(payload),
                    [](const raft::ProposeResult&) {});
      return reply("ok " + std::to_string(sum() + std::stoll(number)));
    }
    host_.Propose(
        kGroup, std::move(payload),
        [reply = std::move(reply)](const raft::ProposeResult& result) mutable {
          if (result.outcome == Outcome::kDone) {
            return reply("ok " + std::string(result.result.view()));
          }
          const bool refused = result.outcome == Outcome::kNotExecuted ||
                               mistake == Mistake::kRefusesUnknown;
          reply(refused ? "not executed: " : "unknown: ");
        });
  }
  void OnStopped(const absl::Status& why) override { stopped_(why); }

  env::Env& env_;
  const std::string address_;
  const bool joins_;
  Done stopped_;
  int requests_ = 0;
  std::optional<int64_t> last_;
  std::optional<raft::Configuration> known_;
  env::Pending pending_;
  raft::LineServer clients_;
  raft::Host host_;
  raft::Members members_;
};

TEST(CounterServerSimulationTest, ManySeeds_BehaveLikeOneCounter) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const sim::HarnessResult result =
        sim::RunSeed({.seed = seed}, SimulatedCounterServer<>);
    EXPECT_TRUE(result.ok())
        << "seed " << seed << ": " << result.violations.front() << "\n"
        << result.tape;
    EXPECT_EQ(result.summary.find("not decided"), std::string::npos)
        << "seed " << seed << ": " << result.summary;
  }
}

TEST(CounterServerSimulationTest, SameSeed_SameRun) {
  const auto run = [] {
    return sim::RunSeed({.seed = 3, .duration = Seconds(10)},
                        SimulatedCounterServer<>);
  };
  const sim::HarnessResult result = run();
  EXPECT_EQ(result.trace_hash, run().trace_hash);
  const auto again = sim::Replay(result.tape, SimulatedCounterServer<>);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->trace_hash, result.trace_hash);
  EXPECT_EQ(again->summary, result.summary);
}

// One of the seeds finds the mistake, by a rule whose texts begin so.
template <Mistake mistake>
sim::HarnessResult FirstFound(std::string_view begin = {}) {
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    sim::HarnessResult wrong = sim::RunSeed(
        {.seed = seed}, SimulatedCounterServer<WrongServer<mistake>>);
    if (!wrong.ok() && wrong.violations.front().starts_with(begin)) {
      return wrong;
    }
  }
  ADD_FAILURE() << "no seed up to " << kSeeds << " found it";
  return {.violations = {""}};
}

// One of the seeds has a violation that begins so. Another rule may see the
// mistake in others.
template <Mistake mistake>
void ExpectFound(std::string_view begin) {
  std::string seen;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const sim::HarnessResult wrong = sim::RunSeed(
        {.seed = seed}, SimulatedCounterServer<WrongServer<mistake>>);
    if (wrong.ok()) continue;
    if (wrong.violations.front().starts_with(begin)) return;
    seen += wrong.violations.front() + "\n";
  }
  ADD_FAILURE() << seen;
}

TEST(CounterServerSimulationTest, ReadWithoutHostRead_IsFound) {
  ExpectFound<Mistake::kReadsAtOnce>("linearizability: ");
}

TEST(CounterServerSimulationTest, AnswerBeforeCommit_IsFound) {
  ExpectFound<Mistake::kAnswersTooSoon>("linearizability: ");
}

TEST(CounterServerSimulationTest, UnknownOutcomeReportedAsRefusal_IsFound) {
  ExpectFound<Mistake::kRefusesUnknown>("executed twice: add(");
}

TEST(CounterServerSimulationTest, SilentServer_IsFound) {
  ExpectFound<Mistake::kStopsAnswering>("liveness: ");
}

TEST(CounterServerSimulationTest, ReplicasThatDiffer_AreFound) {
  ExpectFound<Mistake::kCountsStarts>("digest: node ");
}

TEST(CounterServerSimulationTest, StateThatDiffers_IsExplained) {
  const std::string violation =
      FirstFound<Mistake::kForgets>("digest: node ").violations.front();
  for (const std::string_view part :
       {"digest: node ", "\n  entry ", ", applied first by node ",
        "\n  states of node ", " bytes), then \"",
        " of its own since the snapshot at index ",
        ", and had restored the snapshot at index "}) {
    EXPECT_NE(violation.find(part), std::string::npos)
        << "no '" << part << "' in: " << violation;
  }
}

// While members stay and stored bytes are right, each node has a replica.
TEST(CounterServerSimulationTest, MemberThatLeftAndServes_IsFound) {
  ExpectFound<Mistake::kServesRemoved>("linearizability: ");
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const sim::HarnessResult result = sim::RunSeed(
        {.seed = seed, .without = {sim::FaultFamily::kDiskRot}},
        [](sim::World& world) {
          return std::make_unique<sim::ServerSubject>(
              &world,
              std::make_unique<
                  CounterServerTest<WrongServer<Mistake::kServesRemoved>>>());
        });
    EXPECT_TRUE(result.ok()) << "seed " << seed;
  }
}

TEST(CounterServerSimulationTest, MemberThatDropsItself_IsFound) {
  ExpectFound<Mistake::kDropsItself>("kept: node ");
}

TEST(CounterServerSimulationTest, MemberThatComesBackByItself_IsFound) {
  ExpectFound<Mistake::kComesBack>("dropped: node ");
}

TEST(CounterServerSimulationTest, ServerThatLetsNoNodeJoin_IsFound) {
  ExpectFound<Mistake::kKnowsNoPeers>("refused: node ");
}

TEST(CounterServerSimulationTest, NodeThatForgetsItsStore_IsFound) {
  ExpectFound<Mistake::kForgetsItsStore>("store: node ");
}

// Nodes come, leave and learn, and lose their disks. Some disks have wrong
// bytes.
TEST(CounterServerSimulationTest, MembersAndDisks_Change) {
  std::map<std::string, uint64_t> reached;
  std::set<std::string> checks;
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    sim::Harness harness({.seed = seed});
    const std::unique_ptr<sim::Subject> subject =
        SimulatedCounterServer<>(harness.world());
    harness.Execute(*subject);
    EXPECT_EQ(harness.Violations(), std::vector<std::string>())
        << "seed " << seed;
    for (const auto& [mark, count] : harness.world().marks()) {
      reached[std::string(mark)] += count;
    }
    for (const auto& [rule, count] : subject->Checks()) {
      if (count > 0) checks.insert(rule);
    }
  }
  for (const char* mark :
       {"operator.node_removed", "operator.node_left", "raft.store_admitted",
        "operator.node_learns", "operator.node_votes",
        "operator.lost_disk_replaced", "operator.damaged_disk_replaced",
        "log.suspects_copied", "raft.replica_dropped"}) {
    EXPECT_GT(reached[mark], 0u) << mark;
  }
  EXPECT_TRUE(checks.contains("members"));
}

// Its own checker believes that no sum has an even number of digits.
class OddDigits final : public sim::ServerTest {
 public:
  explicit OddDigits(Moment when) : when_(when) {}
  Server Start(env::Env& env, const Node& node, Done started,
               Done stopped) override {
    return counter_.Start(env, node, std::move(started), std::move(stopped));
  }
  Request Draw(uint32_t client, const Random& random,
               lincheck::History& values) override {
    return counter_.Draw(client, random, values);
  }
  std::optional<Reply> ReadReply(const Request& request, std::string_view bytes,
                                 lincheck::History& values) override {
    return counter_.ReadReply(request, bytes, values);
  }
  const lincheck::Model& model() const override { return counter_.model(); }
  std::string Check(Moment moment, absl::Span<const Running> servers) override {
    if (moment != when_) return "";
    for (const Running& server : servers) {
      EXPECT_EQ(&static_cast<const CounterServer*>(server.program)->host(),
                server.host);
      const raft::StateMachine* const state =
          server.host->state_machine(kGroup);
      if (state == nullptr) continue;
      const int64_t sum = static_cast<const Counter*>(state)->sum();
      if (std::to_string(sum).size() % 2 == 0) {
        return "digits: of " + std::to_string(sum);
      }
    }
    return "";
  }

 private:
  const Moment when_;
  CounterServerTest<CounterServer> counter_;
};

TEST(CounterServerSimulationTest, OwnChecker_IsAskedAfterTurnsAndAtTheEnd) {
  using Moment = sim::ServerTest::Moment;
  for (const auto& [moment, words] :
       {std::pair{Moment::kTurn, "\n  found after a turn of node "},
        {Moment::kEnd, "\n  found at the end, at "}}) {
    std::string violation;
    for (uint64_t seed = 1; seed <= kSeeds && violation.empty(); ++seed) {
      const sim::HarnessResult result =
          sim::RunSeed({.seed = seed, .duration = Seconds(10)},
                       [moment = moment](sim::World& world) {
                         return std::make_unique<sim::ServerSubject>(
                             &world, std::make_unique<OddDigits>(moment));
                       });
      if (!result.ok()) violation = result.violations.front();
    }
    EXPECT_TRUE(violation.starts_with("digits: of ")) << violation;
    EXPECT_NE(violation.find(words), std::string::npos) << violation;
    EXPECT_NE(violation.find("\n  node 2: group 1 "), std::string::npos)
        << violation;
  }
}

TEST(CounterServerSimulationTest, History_HasLeadersAndFaults) {
  sim::Harness harness({.seed = 3, .duration = Seconds(20)});
  const std::unique_ptr<sim::Subject> subject =
      SimulatedCounterServer<>(harness.world());
  harness.Execute(*subject);
  const std::string history = subject->History();
  for (const std::string_view part :
       {"\"event\":\"leader\"", "\"event\":\"fault\"", "\"f\":\"add\""}) {
    EXPECT_NE(history.find(part), std::string::npos)
        << "no " << part << " in the history";
  }
}

TEST(CounterServerSimulationTest, ServerThatTakesNoState_IsFound) {
  ExpectFound<Mistake::kTakesNoState>("fenced: node ");
}

TEST(CounterServerSimulationTest, ServerThatGivesUp_IsFound) {
  ExpectFound<Mistake::kGivesUp>("stopped: node ");
}

// Adds 1 each time, so that no entry shows whose request it is.
class EqualRequests final : public sim::ServerTest {
 public:
  Server Start(env::Env& env, const Node& node, Done started,
               Done stopped) override {
    return counter_.Start(env, node, std::move(started), std::move(stopped));
  }
  Request Draw(uint32_t, const Random&, lincheck::History&) override {
    return {.bytes = "add 1\n",
            .operation = {.function = CounterModel::kAdd,
                          .argument = lincheck::Value::Integer(1)},
            .entry = "1"};
  }
  std::optional<Reply> ReadReply(const Request& request, std::string_view bytes,
                                 lincheck::History& values) override {
    return counter_.ReadReply(request, bytes, values);
  }
  const lincheck::Model& model() const override { return counter_.model(); }

 private:
  CounterServerTest<CounterServer> counter_;
};

TEST(CounterServerSimulationTest, EqualEntries_AreReported) {
  const sim::HarnessResult result =
      sim::RunSeed({.seed = 1}, [](sim::World& world) {
        return std::make_unique<sim::ServerSubject>(
            &world, std::make_unique<EqualRequests>());
      });
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.violations[0],
            "entry: the payload \"1\" was in the log before its request");
}

TEST(CounterServerSimulationTest, FoundMistake_IsRepeatedByItsTape) {
  const sim::HarnessResult wrong = FirstFound<Mistake::kReadsAtOnce>();
  const auto again = sim::Replay(
      wrong.tape, SimulatedCounterServer<WrongServer<Mistake::kReadsAtOnce>>);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->trace_hash, wrong.trace_hash);
  EXPECT_EQ(again->violations, wrong.violations);
}

}  // namespace
}  // namespace quorate::examples
