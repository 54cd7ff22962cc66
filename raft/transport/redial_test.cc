// Dials of peers that lose each other, in the simulated world.
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/transport/handshake.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

// A node that sends a message to the other one every 10 ms, and counts those
// that it receives.
class Node final : public env::Transport::Receiver {
 public:
  Node(env::Env& env, uint32_t id)
      : env_(env),
        peer_(3 - id),
        transport_(env.loop, env.streams, env.tracer, env.random) {
    EXPECT_TRUE(transport_
                    .Start({.cluster = ClusterId(7),
                            .node = NodeId(id),
                            .incarnation = StoreIncarnation(id),
                            .start = {.tag = Tag(env)}},
                           AddressOf(NodeId(id)), {{peer_, AddressOf(peer_)}},
                           this)
                    .ok());
    Send();
  }
  void OnMessage(NodeId, StoreIncarnation, Buffer) override { ++received_; }
  void OnLaneOpened(NodeId, env::Lane lane) override {
    if (closed_.contains(lane)) opened_again_.insert(lane);
  }
  void OnLaneClosed(NodeId to, env::Lane lane) override {
    EXPECT_EQ(to, peer_);
    closed_.insert(lane);
  }
  int received() const { return received_; }
  const std::set<env::Lane>& closed() const { return closed_; }
  // Those that were opened after they had been closed.
  const std::set<env::Lane>& opened_again() const { return opened_again_; }

 private:
  // Each program is another start.
  static uint32_t Tag(env::Env& env) {
    return static_cast<uint32_t>(env.random.Bits("test.start_tag", 0, 0) &
                                 env::StoreStart::kTagMax);
  }
  static std::string AddressOf(NodeId node) {
    return node == NodeId(1) ? "n1:9001" : "n2:9001";
  }
  void Send() {
    const Buffer message = Buffer::Copy("x");
    transport_.Send(peer_, env::Lane::kControl, absl::MakeSpan(&message, 1));
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(10),
                          [this] { Send(); });
  }

  env::Env& env_;
  const NodeId peer_;
  StreamTransport transport_;
  env::Pending timer_;
  int received_ = 0;
  std::set<env::Lane> closed_;
  std::set<env::Lane> opened_again_;
};

// A program in the place of the second node. It refuses all that dial it, and
// dials the first node when the test says so.
class Refuser final {
 public:
  Refuser(env::Env& env, HandshakeRefusal refusal)
      : env_(env),
        refusal_(refusal),
        listener_(*env.streams.Listen(
            "n2:9001", [this](std::unique_ptr<env::Connection> connection) {
              ++refused_;
              connection->Write(
                  Buffer::Copy(EncodeHelloReply({.refusal = refusal_})));
              Keep(std::move(connection));
            })) {}
  // Says Hello in the control lane.
  void Dial(uint32_t start_tag) {
    dial_ = env_.streams.Connect(
        "n1:9001",
        [this, start_tag](
            absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          ASSERT_TRUE(connection.ok()) << connection.status();
          (*connection)
              ->Write(Buffer::Copy(
                  EncodeHello({.from = {.cluster = ClusterId(7),
                                        .node = NodeId(2),
                                        .incarnation = StoreIncarnation(2),
                                        .start = {.tag = start_tag}},
                               .to = NodeId(1),
                               .lane = env::Lane::kControl})));
          Keep(*std::move(connection));
        });
  }
  int refused() const { return refused_; }

 private:
  class Ignorer final : public env::Connection::Observer {
    void OnBytes(std::string_view) override {}
    void OnEnd() override {}
    void OnClosed(absl::Status) override {}
    void OnDrained() override {}
  };

  void Keep(std::unique_ptr<env::Connection> connection) {
    connection->SetObserver(&ignorer_);
    connections_.push_back(std::move(connection));
  }

  env::Env& env_;
  const HandshakeRefusal refusal_;
  int refused_ = 0;
  Ignorer ignorer_;
  std::vector<std::unique_ptr<env::Connection>> connections_;
  env::Pending dial_;
  const std::unique_ptr<env::Listener> listener_;
};

// A program in the place of the second node. It accepts and never answers.
class Mute final : public env::Connection::Observer {
 public:
  explicit Mute(env::Env& env)
      : listener_(*env.streams.Listen(
            "n2:9001", [this](std::unique_ptr<env::Connection> connection) {
              connection->SetObserver(this);
              connections_.push_back(std::move(connection));
            })) {}

 private:
  void OnBytes(std::string_view) override {}
  void OnEnd() override {}
  void OnClosed(absl::Status) override {}
  void OnDrained() override {}

  std::vector<std::unique_ptr<env::Connection>> connections_;
  const std::unique_ptr<env::Listener> listener_;
};

class Redial : public testing::Test {
 protected:
  ~Redial() override {
    for (std::shared_ptr<Node>& node : nodes_) node.reset();
    refuser_.reset();
  }
  void Start(uint32_t id) {
    world_.Start(machines_[id - 1], [this, id](env::Env& env) {
      return nodes_[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  // Starts the first node, which is refused in each lane.
  void StartRefused(HandshakeRefusal refusal) {
    world_.Start(machines_[1], [&](env::Env& env) {
      return refuser_ = std::make_shared<Refuser>(env, refusal);
    });
    Start(1);
    world_.RunFor(Milliseconds(100));
    ASSERT_EQ(refuser_->refused(), static_cast<int>(env::kLanes));
  }
  // The dials of the first node in a short time, once the second one dialled.
  int DialsAfterTheHelloOf(uint32_t start) {
    const int before = refuser_->refused();
    refuser_->Dial(start);
    world_.RunFor(Milliseconds(100));
    return refuser_->refused() - before;
  }
  void StartBoth() {
    Start(1);
    Start(2);
  }
  // The peer accepts the first node's dial and loses its power after so long.
  // It is dialled in so long after its start.
  void ExpectDialAfterALossOfPower(Duration handshake, Duration dial);

  sim::World world_{{.seed = 1}};
  const sim::MachineId machines_[2] = {world_.AddMachine({.name = "n1"}),
                                       world_.AddMachine({.name = "n2"})};
  std::shared_ptr<Node> nodes_[2];
  std::shared_ptr<Refuser> refuser_;
};

TEST_F(Redial, PeerShowsUpWhileTheDialHangs_IsDialledAtOnce) {
  world_.stream_options().hang = {1, 1};
  Start(1);
  world_.RunFor(Seconds(1));
  world_.stream_options().hang = {};
  // Nothing ends the first node's dials, but the second one's arrive.
  Start(2);
  world_.RunFor(Milliseconds(200));
  EXPECT_GT(nodes_[0]->received(), 0);
  EXPECT_GT(nodes_[1]->received(), 0);
}

// Packets vanish, and then the network heals. No dial may wait for the kernel.
TEST_F(Redial, DialThatHangs_IsRepeated) {
  world_.stream_options().hang = {1, 1};
  StartBoth();
  world_.RunFor(Milliseconds(500));
  world_.stream_options().hang = {};
  EXPECT_EQ(nodes_[0]->received(), 0);
  world_.RunFor(TransportOptions().dial_max + Seconds(2));
  EXPECT_GT(nodes_[0]->received(), 0);
  EXPECT_GT(nodes_[1]->received(), 0);
}

// A loss of power ends no connection, so nothing else shows that the answer
// cannot come.
void Redial::ExpectDialAfterALossOfPower(Duration handshake, Duration dial) {
  std::shared_ptr<Mute> mute;
  world_.Start(machines_[1], [&](env::Env& env) -> std::shared_ptr<void> {
    if (mute == nullptr) return mute = std::make_shared<Mute>(env);
    return nodes_[1] = std::make_shared<Node>(env, 2);
  });
  Start(1);
  world_.RunFor(handshake);
  world_.Crash(machines_[1], sim::CrashKind::kMachine);
  world_.Restart(machines_[1]);
  world_.RunFor(dial);
  EXPECT_GT(nodes_[0]->received(), 0);
  EXPECT_GT(nodes_[1]->received(), 0);
}

TEST_F(Redial, PeerIsStartedAgainDuringTheHandshake_IsDialledAtOnce) {
  ExpectDialAfterALossOfPower(/*handshake=*/Seconds(1),
                              /*dial=*/Milliseconds(50));
}

TEST_F(Redial, PeerIsStartedAgainRightAfterTheDial_IsDialledSoon) {
  ExpectDialAfterALossOfPower(/*handshake=*/Milliseconds(10),
                              /*dial=*/Milliseconds(200));
}

// The sender of requests must not wait for answers that cannot come.
TEST_F(Redial, PeerDies_EachLaneIsReportedAsClosed) {
  StartBoth();
  world_.RunFor(Seconds(1));
  EXPECT_TRUE(nodes_[0]->closed().empty());
  nodes_[1].reset();
  world_.Crash(machines_[1], sim::CrashKind::kProcess);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->closed(),
            (std::set<env::Lane>{env::Lane::kControl, env::Lane::kBulk,
                                 env::Lane::kRequests}));
}

// A loss of power ends no connection. Nothing is sent in two of the lanes, so
// only the dials of the new program can show that theirs are dead.
TEST_F(Redial, PeerIsStartedAfterALossOfPower_EachLaneIsReplacedAtOnce) {
  StartBoth();
  world_.RunFor(Seconds(1));
  nodes_[1].reset();
  world_.Crash(machines_[1], sim::CrashKind::kMachine);
  world_.RunFor(Milliseconds(5));
  EXPECT_TRUE(nodes_[0]->closed().empty());
  world_.Restart(machines_[1]);
  world_.RunFor(Milliseconds(20));
  const std::set<env::Lane> all = {env::Lane::kControl, env::Lane::kBulk,
                                   env::Lane::kRequests};
  EXPECT_EQ(nodes_[0]->closed(), all);
  EXPECT_EQ(nodes_[0]->opened_again(), all);
  EXPECT_TRUE(nodes_[1]->closed().empty()) << "a new connection was replaced";
}

// The connection may have been lost while nothing was sent, so the peer may be
// up.
TEST_F(Redial, ConnectionThatWorkedForLong_IsReplacedAtOnce) {
  StartBoth();
  world_.RunFor(TransportOptions().redial_max * 2);
  world_.stream_options().reset = {1, 1};
  ASSERT_TRUE(world_.RunUntilTrue(
      [&] { return nodes_[0]->closed().count(env::Lane::kControl) > 0; }));
  world_.stream_options().reset = {};
  const int received = nodes_[1]->received();
  // Less than any pause between dials.
  world_.RunFor(TransportOptions().redial_min / 2);
  EXPECT_GT(nodes_[1]->received(), received);
}

// Its configuration can be another one only after a start.
TEST_F(Redial, PeerRefusesAndDials_IsDialledAtOnceAfterEachStartAlone) {
  ASSERT_NO_FATAL_FAILURE(StartRefused(HandshakeRefusal::kOtherNode));
  EXPECT_EQ(DialsAfterTheHelloOf(5), 1);
  EXPECT_EQ(DialsAfterTheHelloOf(5), 0);
  EXPECT_EQ(DialsAfterTheHelloOf(6), 1);
  EXPECT_EQ(DialsAfterTheHelloOf(6), 0);
  const int before = refuser_->refused();
  world_.RunFor(TransportOptions().redial_refused / 2 - Seconds(1));
  EXPECT_EQ(refuser_->refused(), before);
  world_.RunFor(TransportOptions().redial_refused / 2 + Seconds(1));
  EXPECT_GE(refuser_->refused(), before + static_cast<int>(env::kLanes));
}

TEST_F(Redial, PeerThatDidNotKnowTheNodeDialsIt_IsDialledAtOnce) {
  ASSERT_NO_FATAL_FAILURE(StartRefused(HandshakeRefusal::kUnknownNode));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(DialsAfterTheHelloOf(5), 1);
}

}  // namespace
}  // namespace quorate::raft
