// The client with small servers that share one real store, in a simulated world
// that resets and splits streams.
#include "kv/client/client.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/client/resp_reply.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "rapidcheck/gtest.h"
#include "sim/world/world.h"

namespace quorate::kv {
namespace {

// A server's treatment of a command on a key.
enum class Fate : uint8_t {
  kServe,
  kApplyAndClose,  // The reply is lost.
  kCloseUnheard,
  kApplyAndSayUnknown,
  kSayUnknown,
  kSayDown,
  kIgnore,
  kRefuse,  // With Cluster::refusal, before the session is checked.
};

// The state that all servers share, as if consensus were perfect, and the
// leader of each half of the slots.
struct Cluster {
  Store store{{.group = GroupId(1),
               .hash_key = 5,
               .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}}};
  raft::Index index{0};
  int64_t log_time_ms = 1'000'000;
  std::vector<std::string> addresses;
  std::vector<size_t> leaders = {0, 0};
  Duration open_window = SessionRules().open_window;
  uint64_t sessions = 0;
  uint64_t commands = 0;
  std::string refusal = "ERR not here";
  // Called once for each command on a key.
  std::function<Fate()> fate = [] { return Fate::kServe; };

  size_t LeaderOf(Slot slot) const {
    return leaders[slot.value() < kHashSlotCount / 2 ? 0 : 1];
  }

  std::string Run(const std::vector<std::string_view>& arguments,
                  const std::optional<SessionStamp>& stamp) {
    const Slot slot = HashSlot(arguments[1]);
    CommandSpec spec{.op = Op::kGet, .slot = slot, .session = stamp};
    std::vector<std::string_view> rest(arguments.begin() + 1, arguments.end());
    if (arguments[0] == "SET") spec.op = Op::kSet;
    if (arguments[0] == "DEL") spec.op = Op::kDel;
    if (arguments[0] == "APPEND") spec.op = Op::kAppend;
    if (arguments[0] == "INCRBY") {
      spec.op = Op::kIncrBy;
      spec.numbers = {std::stoll(std::string(rest[1])), 0};
      rest.pop_back();
    }
    spec.arguments = rest;
    BatchBuilder batch;
    batch.Add(spec);
    raft::Entry entry;
    entry.index = ++index;
    entry.log_time = WallTime(log_time_ms * 1'000'000);
    entry.payload = batch.Finish();
    const Buffer results = store.Apply(entry, /*wants_result=*/true);
    ResultReader reader(results.view());
    return Print(spec.op, reader.Next());
  }

  static std::string Print(Op op, const ResultView& result) {
    switch (result.status) {
      case ResultStatus::kOk:
        break;
      case ResultStatus::kNil:
        return "$-1\r\n";
      case ResultStatus::kSessionExpired:
        return "-SESSION_EXPIRED it is over\r\n";
      case ResultStatus::kOverflow:
        return "-ERR increment or decrement would overflow\r\n";
      default:
        return "-ERR " + std::string(ResultStatusName(result.status)) + "\r\n";
    }
    if (op == Op::kSet) return "+OK\r\n";
    if (result.kind == PayloadKind::kInteger) {
      return ":" + std::to_string(result.integer) + "\r\n";
    }
    return "$" + std::to_string(result.bytes.size()) + "\r\n" +
           std::string(result.bytes) + "\r\n";
  }
};

class Server {
 public:
  Server(env::Env& env, Cluster* cluster, size_t number)
      : cluster_(*cluster), number_(number) {
    auto listening =
        env.streams.Listen(cluster->addresses[number],
                           [this](std::unique_ptr<env::Connection> connection) {
                             auto session = std::make_unique<Session>(this);
                             connection->SetObserver(session.get());
                             session->connection = std::move(connection);
                             sessions_.push_back(std::move(session));
                           });
    EXPECT_TRUE(listening.ok()) << listening.status();
    if (listening.ok()) listener_ = *std::move(listening);
  }

 private:
  struct Session final : env::Connection::Observer {
    explicit Session(Server* owner) : server(owner) {}
    void OnBytes(std::string_view bytes) override {
      parser.Append(bytes);
      RespValue request;
      while (connection != nullptr &&
             parser.Next(&request) == RespReplyParser::Progress::kValue) {
        server->Handle(this, request);
      }
    }
    void OnEnd() override { connection.reset(); }
    void OnClosed(absl::Status) override { connection.reset(); }
    void OnDrained() override {}

    Server* server;
    std::unique_ptr<env::Connection> connection;
    RespReplyParser parser;
  };

  static void Reply(Session* session, std::string_view bytes) {
    session->connection->Write(Buffer::Copy(bytes));
  }

  void Handle(Session* session, const RespValue& request) {
    std::vector<std::string_view> arguments;
    for (const RespValue& element : request.elements) {
      arguments.push_back(element.text);
    }
    if (arguments[0] == "QUORATE.SESSION") {
      const std::string token = FormatSessionToken(MakeSessionToken(
          ++cluster_.sessions, WallTime(cluster_.log_time_ms * 1'000'000),
          cluster_.open_window));
      Reply(session, "+" + token + "\r\n");
    } else if (arguments[0] == "QUORATE.SLOTS") {
      Reply(session, Slots());
    } else if (arguments[0] == "PING") {
      Reply(session, "+PONG\r\n");
    } else if (arguments[0] == "QUORATE.DO") {
      const SessionStamp stamp{
          .token = *ParseSessionToken(arguments[1]),
          .sequence = Sequence(std::stoull(std::string(arguments[2]))),
          .floor = Sequence(std::stoull(std::string(arguments[3])))};
      arguments.erase(arguments.begin(), arguments.begin() + 4);
      HandleKey(session, arguments, stamp);
    } else {
      HandleKey(session, arguments, std::nullopt);
    }
  }

  std::string Slots() {
    std::string text = "*2\r\n";
    for (int half = 0; half < 2; ++half) {
      const std::string& address = cluster_.addresses[cluster_.leaders[half]];
      const size_t colon = address.find(':');
      const std::string host = address.substr(0, colon);
      text += "*3\r\n:" + std::to_string(half * 8192) +
              "\r\n:" + std::to_string(half * 8192 + 8191) + "\r\n*3\r\n$" +
              std::to_string(host.size()) + "\r\n" + host +
              "\r\n:" + address.substr(colon + 1) + "\r\n$2\r\nid\r\n";
    }
    return text;
  }

  void HandleKey(Session* session,
                 const std::vector<std::string_view>& arguments,
                 const std::optional<SessionStamp>& stamp) {
    ++cluster_.commands;
    const Slot slot = HashSlot(arguments[1]);
    const size_t leader = cluster_.LeaderOf(slot);
    if (leader != number_) {
      Reply(session, "-MOVED " + std::to_string(slot.value()) + " " +
                         cluster_.addresses[leader] + "\r\n");
      return;
    }
    switch (cluster_.fate()) {
      case Fate::kServe:
        Reply(session, cluster_.Run(arguments, stamp));
        return;
      case Fate::kApplyAndClose:
        cluster_.Run(arguments, stamp);
        session->connection.reset();
        return;
      case Fate::kCloseUnheard:
        session->connection.reset();
        return;
      case Fate::kApplyAndSayUnknown:
        cluster_.Run(arguments, stamp);
        Reply(session, "-UNKNOWN leadership was lost\r\n");
        return;
      case Fate::kSayUnknown:
        Reply(session, "-UNKNOWN leadership was lost\r\n");
        return;
      case Fate::kSayDown:
        Reply(session, "-CLUSTERDOWN Hash slot not served\r\n");
        return;
      case Fate::kIgnore:
        return;
      case Fate::kRefuse:
        Reply(session, "-" + cluster_.refusal + "\r\n");
        return;
    }
  }

  Cluster& cluster_;
  const size_t number_;
  std::unique_ptr<env::Listener> listener_;
  std::vector<std::unique_ptr<Session>> sessions_;
};

// Some servers and one client, each on a machine of its own.
class Scene {
 public:
  explicit Scene(uint64_t seed = 1, size_t servers = 2)
      : world_({.seed = seed}) {
    for (size_t i = 0; i < servers; ++i) {
      cluster.addresses.push_back("s" + std::to_string(i) + ":7000");
    }
    for (size_t i = 0; i < servers; ++i) {
      const sim::MachineId machine = world_.AddMachine({});
      machines_.push_back(machine);
      world_.Start(machine, [this, i](env::Env& env) {
        return std::make_shared<Server>(env, &cluster, i);
      });
    }
    client_machine_ = world_.AddMachine({.client = true});
    world_.Start(client_machine_, nullptr);
  }

  void MakeClient(ClientOptions options = {}) {
    if (options.seeds.empty()) options.seeds = cluster.addresses;
    env::Env& env = world_.env(client_machine_);
    client = std::make_unique<Client>(env.loop, env.streams, env.random,
                                      std::move(options));
  }

  Client::Done Keep() {
    return [this](const ClientResult& result) { results.push_back(result); };
  }
  // Runs `body` on the client's machine.
  void Run(std::function<void()> body) {
    pending_.push_back(world_.env(client_machine_).loop.Defer(std::move(body)));
  }
  // Runs until `count` results have arrived.
  void Await(size_t count) {
    EXPECT_TRUE(world_.RunUntilTrue([&] { return results.size() >= count; },
                                    Seconds(120)))
        << results.size() << " of " << count;
  }
  ClientResult Only(std::function<void(Client&)> call) {
    results.clear();
    Run([this, call] { call(*client); });
    Await(1);
    return results.at(0);
  }

  sim::World& world() { return world_; }
  sim::MachineId machine(size_t server) const { return machines_[server]; }

  Cluster cluster;
  std::vector<ClientResult> results;

 private:
  sim::World world_;
  std::vector<sim::MachineId> machines_;
  sim::MachineId client_machine_;

 public:
  // Destroyed before the world.
  std::vector<env::Pending> pending_;
  std::unique_ptr<Client> client;
};

// Returns the given fates for the first commands and kServe afterwards.
std::function<Fate()> First(std::deque<Fate> fates) {
  auto left = std::make_shared<std::deque<Fate>>(std::move(fates));
  return [left] {
    if (left->empty()) return Fate::kServe;
    const Fate fate = left->front();
    left->pop_front();
    return fate;
  };
}

TEST(Client, WriteThenRead_AreDone) {
  Scene scene;
  scene.MakeClient();
  const ClientResult set =
      scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
  EXPECT_EQ(set.outcome, Outcome::kDone);
  EXPECT_TRUE(set.status.ok()) << set.status;
  const ClientResult got =
      scene.Only([&](Client& c) { c.Get("k", scene.Keep()); });
  EXPECT_EQ(got.reply.text, "v");
  EXPECT_EQ(scene.cluster.store.session_count(), 1u);
  EXPECT_EQ(scene.client->outstanding(), 0u);
}

TEST(Client, Moved_IsFollowedAndRemembered) {
  Scene scene;
  scene.cluster.leaders = {1, 1};
  scene.MakeClient({.seeds = {"s0:7000"}});
  for (int i = 0; i < 20; ++i) {
    const std::string key = std::to_string(i);
    EXPECT_EQ(
        scene.Only([&](Client& c) { c.Set(key, "v", scene.Keep()); }).outcome,
        Outcome::kDone);
  }
  EXPECT_EQ(scene.client->counters().redirects, 1u);
  scene.cluster.leaders = {0, 0};
  EXPECT_EQ(scene.Only([&](Client& c) { c.Get("1", scene.Keep()); }).reply.text,
            "v");
  EXPECT_EQ(scene.client->counters().redirects, 2u);
}

TEST(Client, LostReplies_UnderASession_ApplyOnce) {
  for (const Fate fate :
       {Fate::kApplyAndClose, Fate::kCloseUnheard, Fate::kApplyAndSayUnknown,
        Fate::kSayUnknown, Fate::kSayDown, Fate::kIgnore}) {
    Scene scene;
    scene.cluster.fate = First({fate, fate});
    scene.MakeClient();
    const ClientResult result =
        scene.Only([&](Client& c) { c.IncrBy("n", 5, scene.Keep()); });
    EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
    EXPECT_EQ(result.reply.integer, 5);
    EXPECT_EQ(scene.cluster.store.Get(HashSlot("n"), "n", {}).value, "5");
    EXPECT_GE(scene.client->counters().attempts, 3u);
  }
}

TEST(Client, LostReply_WithoutASession_IsUnknownAndNotTriedAgain) {
  for (const Fate fate : {Fate::kApplyAndClose, Fate::kApplyAndSayUnknown}) {
    Scene scene;
    scene.cluster.fate = First({fate});
    scene.MakeClient({.sessions = false});
    const ClientResult result =
        scene.Only([&](Client& c) { c.IncrBy("n", 5, scene.Keep()); });
    EXPECT_EQ(result.outcome, Outcome::kUnknown);
    EXPECT_EQ(scene.client->counters().attempts, 1u);
  }
}

TEST(Client, NotExecuted_WithoutASession_IsTriedAgain) {
  Scene scene;
  scene.cluster.fate = First({Fate::kSayDown, Fate::kSayDown});
  scene.MakeClient({.sessions = false});
  EXPECT_EQ(
      scene.Only([&](Client& c) { c.IncrBy("n", 5, scene.Keep()); }).outcome,
      Outcome::kDone);
  EXPECT_EQ(scene.client->counters().attempts, 3u);
}

TEST(Client, Deadline_ReportsWhetherTheCommandMayHaveRun) {
  Scene scene;
  scene.cluster.fate = [] { return Fate::kSayDown; };
  scene.MakeClient({.deadline = Seconds(2)});
  ClientResult result =
      scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(std::string(result.status.message()).find("CLUSTERDOWN"),
            std::string::npos)
      << result.status;
  scene.cluster.fate = [] { return Fate::kIgnore; };
  result = scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kUnknown);
  result = scene.Only([&](Client& c) { c.Get("k", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
}

TEST(Client, NoListener_IsNotExecuted) {
  Scene scene;
  scene.MakeClient({.seeds = {"nowhere:1"}, .deadline = Seconds(1)});
  const ClientResult result =
      scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
}

// The session is asked for on a link of its own dial, which no request ends.
TEST(Client, DialThatHangs_IsGivenUpAndRepeated) {
  Scene scene(/*seed=*/1, /*servers=*/1);
  scene.world().stream_options().hang = {1, 1};
  scene.world().stream_options().connect_timeout = Seconds(127);
  scene.MakeClient({.deadline = Seconds(20)});
  scene.Run([&] { scene.client->Set("k", "v", scene.Keep()); });
  scene.world().RunFor(Seconds(1));
  scene.world().stream_options().hang = {};
  scene.Await(1);
  EXPECT_EQ(scene.results.at(0).outcome, Outcome::kDone)
      << scene.results.at(0).status;
}

TEST(Client, DeadlineDuringADial_IsNotExecutedAndNeverSent) {
  Scene scene(/*seed=*/1, /*servers=*/1);
  scene.world().stream_options().latency_min = Milliseconds(700);
  scene.MakeClient({.seeds = {}, .sessions = false, .deadline = Seconds(1)});
  const ClientResult result =
      scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted) << result.status;
  scene.world().RunFor(Seconds(10));
  EXPECT_EQ(scene.cluster.commands, 0u);
}

TEST(Client, Refusal_HasTheServersText) {
  Scene scene;
  scene.MakeClient();
  scene.Only([&](Client& c) { c.Set("k", "word", scene.Keep()); });
  const ClientResult result =
      scene.Only([&](Client& c) { c.IncrBy("k", 1, scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(result.reply.text, "ERR not_integer");
}

struct FirstTry {
  Fate fate;
  bool may_have_run;
};
constexpr FirstTry kFirstTries[] = {
    {Fate::kApplyAndClose, true},
    {Fate::kCloseUnheard, true},
    {Fate::kApplyAndSayUnknown, true},
    {Fate::kSayUnknown, true},
    {Fate::kIgnore, true},
    {Fate::kSayDown, false},
};

TEST(Client, RefusalOfASecondTry_AfterOneThatMayHaveRun_IsUnknown) {
  for (const FirstTry& first : kFirstTries) {
    for (const char* refusal :
         {"ERR unknown command 'INCRBY'",
          "ERR value is not an integer or out of range",
          "ERR string exceeds maximum allowed size", "NOPERM no right to do it",
          "NOAUTH Authentication required.", "OOM command not allowed",
          "SESSION_REUSED this sequence number was used for another command",
          "SESSION_STALE this sequence number is finished",
          "CROSSSLOT Keys in request don't hash to the same slot"}) {
      for (const bool again : {false, true}) {
        // The uncertain try may be an earlier one than the previous one.
        std::deque<Fate> fates = {first.fate, Fate::kRefuse};
        if (again) fates.insert(fates.begin() + 1, Fate::kSayDown);
        Scene scene;
        scene.cluster.refusal = refusal;
        scene.cluster.fate = First(fates);
        scene.MakeClient();
        const ClientResult result =
            scene.Only([&](Client& c) { c.IncrBy("n", 5, scene.Keep()); });
        EXPECT_EQ(result.outcome, first.may_have_run ? Outcome::kUnknown
                                                     : Outcome::kNotExecuted)
            << static_cast<int>(first.fate) << " " << refusal;
        EXPECT_EQ(result.status.code(), absl::StatusCode::kInvalidArgument);
        EXPECT_EQ(result.reply.text, refusal);
      }
    }
  }
}

// The store's answer in a session applies to every try of the command.
TEST(Client, AnswerOfTheStore_AfterATryThatMayHaveRun_IsCertain) {
  for (const FirstTry& first : kFirstTries) {
    Scene scene;
    scene.MakeClient();
    scene.Only([&](Client& c) {
      c.IncrBy("n", std::numeric_limits<int64_t>::max(), scene.Keep());
    });
    scene.cluster.fate = First({first.fate});
    const ClientResult result =
        scene.Only([&](Client& c) { c.IncrBy("n", 1, scene.Keep()); });
    EXPECT_EQ(result.outcome, Outcome::kNotExecuted)
        << static_cast<int>(first.fate);
    EXPECT_GE(scene.client->counters().attempts, 3u);
  }
}

TEST(Client, RefusalOfASecondTry_ToRead_IsCertain) {
  Scene scene;
  scene.cluster.fate = First({Fate::kApplyAndClose, Fate::kRefuse});
  scene.MakeClient();
  const ClientResult result =
      scene.Only([&](Client& c) { c.Get("k", scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
}

TEST(Client, ExpiredSession_OfAFirstTry_IsReplaced) {
  Scene scene;
  scene.MakeClient();
  scene.Only([&](Client& c) { c.IncrBy("n", 1, scene.Keep()); });
  scene.cluster.log_time_ms += 2 * SessionRules().lifetime.ms();
  const ClientResult result =
      scene.Only([&](Client& c) { c.IncrBy("n", 1, scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kDone) << result.status;
  EXPECT_EQ(result.reply.integer, 2);
  EXPECT_EQ(scene.client->counters().sessions_opened, 2u);
}

TEST(Client, ExpiredSession_AfterATryThatMayHaveRun_IsUnknown) {
  Scene scene;
  int calls = 0;
  scene.cluster.fate = [&] {
    if (++calls == 1) return Fate::kApplyAndSayUnknown;
    scene.cluster.log_time_ms += 2 * SessionRules().lifetime.ms();
    return Fate::kServe;
  };
  scene.MakeClient();
  const ClientResult result =
      scene.Only([&](Client& c) { c.IncrBy("n", 1, scene.Keep()); });
  EXPECT_EQ(result.outcome, Outcome::kUnknown);
  EXPECT_EQ(result.status.code(), absl::StatusCode::kAborted);
}

// No try is under way at the deadline if all earlier ones were refused.
TEST(Client, RefusalsUntilTheDeadline_AreNotExecuted) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Scene scene(seed);
    scene.cluster.refusal = "SESSION_LIMIT the slot holds no more sessions";
    scene.cluster.fate = [] { return Fate::kRefuse; };
    scene.MakeClient({.deadline = Seconds(1),
                      .backoff_min = Microseconds(1),
                      .backoff_max = Microseconds(1)});
    const ClientResult result =
        scene.Only([&](Client& c) { c.Set("k", "v", scene.Keep()); });
    EXPECT_EQ(result.outcome, Outcome::kNotExecuted) << result.status;
    EXPECT_TRUE(absl::IsDeadlineExceeded(result.status)) << result.status;
    EXPECT_GT(scene.client->counters().attempts, 100u);
  }
}

// Servers refuse a session in slots where it is new when its window is over.
// The client learns to replace sessions earlier.
TEST(Client, SessionsWithAShortWindow_AreReplacedBeforeTheyExpire) {
  Scene scene;
  scene.cluster.open_window = Seconds(2);
  const int64_t begin_ms = scene.cluster.log_time_ms;
  const auto tell_time = [&] {
    scene.cluster.log_time_ms = begin_ms + scene.world().now().ms();
  };
  scene.cluster.fate = [&] {
    tell_time();
    return Fate::kServe;
  };
  scene.MakeClient();
  constexpr uint64_t kSeconds = 60;
  for (uint64_t i = 0; i < 10 * kSeconds; ++i) {
    scene.world().RunFor(Milliseconds(100));
    tell_time();
    const std::string key = std::to_string(i);
    ASSERT_EQ(
        scene.Only([&](Client& c) { c.Set(key, "v", scene.Keep()); }).outcome,
        Outcome::kDone);
  }
  const Client::Counters counters = scene.client->counters();
  EXPECT_GT(counters.sessions_expired, 0u);
  EXPECT_LT(counters.sessions_expired, kSeconds / 6);
  EXPECT_LT(counters.sessions_opened, 2 * kSeconds);
}

// A slot has room for a limited number of sessions.
TEST(Client, SlotThatIsUsedAllTheTime_HasOneSession) {
  Scene scene;
  const int64_t begin_ms = scene.cluster.log_time_ms;
  const auto wait = [&](Duration time) {
    scene.world().RunFor(time);
    scene.cluster.log_time_ms = begin_ms + scene.world().now().ms();
  };
  scene.MakeClient();
  const auto set = [&](const std::string& key) {
    EXPECT_EQ(
        scene.Only([&](Client& c) { c.Set(key, "v", scene.Keep()); }).outcome,
        Outcome::kDone);
  };
  for (int i = 0; i < 120; ++i) {
    wait(Seconds(20));
    set("hot");
  }
  EXPECT_EQ(scene.cluster.store.session_count(), 1u);
  EXPECT_EQ(scene.client->counters().sessions_opened, 1u);
  // The window of that session is over, so another slot needs a new one. The
  // first slot does not.
  set("cold");
  set("hot");
  EXPECT_EQ(scene.client->counters().sessions_opened, 2u);
  EXPECT_EQ(scene.cluster.store.session_count(), 2u);
  // A slot may have forgotten a session that was not used for long.
  wait(Seconds(20 * 60));
  set("hot");
  EXPECT_EQ(scene.cluster.store.session_count(), 3u);
  EXPECT_EQ(scene.client->counters().sessions_expired, 0u);
}

TEST(Client, TooManyWaiting_AreRefusedAtOnce) {
  Scene scene;
  scene.MakeClient({.outstanding_max = 1, .waiting_max = 2});
  scene.Run([&] {
    for (int i = 0; i < 5; ++i) scene.client->Get("k", scene.Keep());
  });
  scene.Await(5);
  int refused = 0;
  for (const ClientResult& result : scene.results) {
    if (result.status.code() != absl::StatusCode::kResourceExhausted) continue;
    EXPECT_EQ(result.outcome, Outcome::kNotExecuted);
    ++refused;
  }
  EXPECT_EQ(refused, 3);
}

TEST(Client, ManyWritesOfOneKey_NeverOverfillASession) {
  Scene scene;
  scene.MakeClient();
  constexpr int kWrites = 1'000;
  scene.Run([&] {
    for (int i = 0; i < kWrites; ++i) {
      scene.client->IncrBy("n", 1, scene.Keep());
    }
  });
  scene.Await(kWrites);
  for (const ClientResult& result : scene.results) {
    EXPECT_EQ(result.outcome, Outcome::kDone);
  }
  EXPECT_EQ(scene.cluster.store.Get(HashSlot("n"), "n", {}).value,
            std::to_string(kWrites));
  EXPECT_EQ(scene.cluster.store.counters().sessions_refused_otherwise, 0u);
  EXPECT_EQ(scene.client->counters().attempts,
            kWrites + scene.client->counters().redirects);
}

TEST(Client, CommandWithoutAKey_IsSentToAnyServer) {
  Scene scene;
  scene.MakeClient();
  const ClientResult result = scene.Only(
      [&](Client& c) { c.Do({.arguments = {"PING"}}, scene.Keep()); });
  EXPECT_EQ(result.reply.text, "PONG");
}

RC_GTEST_PROP(Client, AnyFaults_CountersHaveTheReportedIncrements, ()) {
  const auto seed = *rc::gen::arbitrary<uint64_t>();
  Scene scene(seed, /*servers=*/3);
  sim::StreamOptions& streams = scene.world().stream_options();
  streams.reset = {*rc::gen::inRange<uint32_t>(0, 30), 1000};
  streams.lost_tail = {*rc::gen::inRange<uint32_t>(0, 500), 1000};
  streams.split = {1, 4};
  streams.jitter = {1, 2};
  streams.refuse = {1, 20};
  scene.cluster.leaders = {1, 2};
  uint64_t draw = 0;
  const Random random(seed);
  scene.cluster.fate = [&] {
    const uint64_t bits = random.Bits("test.fate", 0, draw++);
    if (bits % 97 == 0)
      std::swap(scene.cluster.leaders[0], scene.cluster.leaders[1]);
    // Without kIgnore: a later reply would be taken for the omitted one.
    constexpr Fate kFates[] = {Fate::kServe,        Fate::kApplyAndClose,
                               Fate::kCloseUnheard, Fate::kSayUnknown,
                               Fate::kSayDown,      Fate::kApplyAndSayUnknown,
                               Fate::kRefuse};
    return bits % 8 == 0 ? kFates[bits / 8 % std::size(kFates)] : Fate::kServe;
  };
  scene.MakeClient({.deadline = Seconds(60)});
  constexpr int kWrites = 60;
  int64_t done = 0;
  int64_t unknown = 0;
  size_t ended = 0;
  scene.Run([&] {
    for (int i = 0; i < kWrites; ++i) {
      const std::string key = "n" + std::to_string(i % 3);
      scene.client->IncrBy(key, 1, [&](const ClientResult& result) {
        ++ended;
        if (result.outcome == Outcome::kDone) ++done;
        if (result.outcome == Outcome::kUnknown) ++unknown;
      });
    }
  });
  RC_ASSERT(scene.world().RunUntilTrue([&] { return ended == kWrites; },
                                       Seconds(600)));
  int64_t sum = 0;
  for (const char* key : {"n0", "n1", "n2"}) {
    const Lookup found = scene.cluster.store.Get(HashSlot(key), key, {});
    if (found.found()) sum += std::stoll(std::string(found.value));
  }
  RC_ASSERT(sum >= done);
  RC_ASSERT(sum <= done + unknown);
  RC_ASSERT(done > 0);
}

}  // namespace
}  // namespace quorate::kv
