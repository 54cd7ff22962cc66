// Connections that a node admits and refuses: programs that are not its peers,
// in the simulated world.
#include <memory>
#include <string>
#include <vector>

#include "env/buffer.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

// A node that sends a message to the other one every 10 ms in the control lane
// alone, and counts the messages and lost connections.
class Talker final : public env::Transport::Receiver {
 public:
  Talker(env::Env& env, uint32_t id, uint64_t incarnation,
         env::StoreStart start)
      : env_(env),
        peer_(3 - id),
        transport_(env.loop, env.streams, env.tracer, env.random) {
    EXPECT_TRUE(transport_
                    .Start({.cluster = ClusterId(7),
                            .node = NodeId(id),
                            .incarnation = StoreIncarnation(incarnation),
                            .start = start},
                           AddressOf(NodeId(id)), {{peer_, AddressOf(peer_)}},
                           this)
                    .ok());
    Send();
  }
  void OnMessage(NodeId, StoreIncarnation incarnation, Buffer) override {
    ++received_;
    from_ = incarnation;
  }
  void OnLaneClosed(NodeId, env::Lane) override { ++lost_; }
  int received() const { return received_; }
  StoreIncarnation from() const { return from_; }
  int lost() const { return lost_; }
  HandshakeRefusal refusal() const { return transport_.link(peer_).refusal; }

 private:
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
  int lost_ = 0;
  StoreIncarnation from_;
};

// A program that connects to the first node, sends `words` and reads.
class Stranger final : public env::Connection::Observer {
 public:
  Stranger(env::Env& env, std::string words)
      : dial_(env.streams.Connect(
            "n1:9001",
            [this, words = std::move(words)](
                absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
              ASSERT_TRUE(connection.ok()) << connection.status();
              connection_ = *std::move(connection);
              connection_->SetObserver(this);
              if (!words.empty()) connection_->Write(Buffer::Copy(words));
            })) {}
  bool gone() const { return gone_; }
  // The refusal of the reply.
  HandshakeRefusal refusal() const {
    const auto reply = DecodeHelloReply(reply_);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? reply->refusal : HandshakeRefusal::kNone;
  }

 private:
  void OnBytes(std::string_view bytes) override { reply_ += bytes; }
  void OnEnd() override { gone_ = true; }
  void OnClosed(absl::Status) override { gone_ = true; }
  void OnDrained() override {}

  std::string reply_;
  bool gone_ = false;
  std::unique_ptr<env::Connection> connection_;
  env::Pending dial_;
};

class AdmissionTest : public testing::Test {
 protected:
  AdmissionTest() : world_({.seed = 1}) {
    for (const char* name : {"n1", "n2", "strangers"}) {
      machines_.push_back(world_.AddMachine({.name = name}));
    }
    world_.Start(machines_[2], [](env::Env&) { return nullptr; });
  }
  ~AdmissionTest() override {
    strangers_.clear();
    for (auto& node : nodes_) node.reset();
  }
  void Start(uint32_t id, uint64_t incarnation, env::StoreStart start = {}) {
    world_.Start(machines_[id - 1], [=, this](env::Env& env) {
      return nodes_[id - 1] =
                 std::make_shared<Talker>(env, id, incarnation, start);
    });
  }
  // Starts the second node again, and returns whether its messages arrive.
  bool ArrivesAfterRestart(env::StoreStart start) {
    Crash(2, sim::CrashKind::kProcess);
    world_.RunFor(Milliseconds(10));
    Start(2, 22, start);
    const int before = nodes_[0]->received();
    world_.RunFor(Seconds(10));
    return nodes_[0]->received() > before;
  }
  void Crash(uint32_t id, sim::CrashKind kind) {
    nodes_[id - 1].reset();
    world_.Crash(machines_[id - 1], kind);
  }
  Stranger& Connect(std::string words) {
    strangers_.push_back(
        std::make_unique<Stranger>(world_.env(machines_[2]), std::move(words)));
    return *strangers_.back();
  }
  // A Hello in the name of the second node.
  static std::string Impersonate(uint64_t incarnation, env::Lane lane) {
    return EncodeHello({.from = {.cluster = ClusterId(7),
                                 .node = NodeId(2),
                                 .incarnation = StoreIncarnation(incarnation)},
                        .to = NodeId(1),
                        .lane = lane});
  }

  sim::World world_;
  std::vector<sim::MachineId> machines_;
  std::shared_ptr<Talker> nodes_[2];
  std::vector<std::unique_ptr<Stranger>> strangers_;
};

TEST_F(AdmissionTest, HelloOfAnotherStore_DoesNotReplaceALivePeer) {
  Start(1, 11);
  Start(2, 22);
  world_.RunFor(Seconds(1));
  // The peer says nothing in the bulk lane, but it is heard in another.
  std::vector<Stranger*> refused = {
      &Connect(Impersonate(99, env::Lane::kControl)),
      &Connect(Impersonate(99, env::Lane::kBulk))};
  const int before = nodes_[0]->received();
  world_.RunFor(Seconds(10));
  for (const Stranger* stranger : refused) {
    EXPECT_EQ(stranger->refusal(), HandshakeRefusal::kOtherStore);
    EXPECT_TRUE(stranger->gone());
  }
  EXPECT_EQ(nodes_[1]->lost(), 0);
  EXPECT_GT(nodes_[0]->received(), before + 900);
}

TEST_F(AdmissionTest, PeerThatReturnsWithAnotherStore_IsAdmittedAfterSilence) {
  Start(1, 11);
  Start(2, 22);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->from(), StoreIncarnation(22));
  // No packet of the machine ends its connections.
  Crash(2, sim::CrashKind::kMachine);
  Start(2, 33);
  world_.RunFor(Seconds(20));
  EXPECT_EQ(nodes_[0]->from(), StoreIncarnation(33));
  EXPECT_GT(nodes_[1]->received(), 0);
}

// A process that ends closes its connections.
TEST_F(AdmissionTest, ProcessThatReturnsWithAnotherStore_IsAdmittedAtOnce) {
  Start(1, 11);
  Start(2, 22);
  world_.RunFor(Seconds(1));
  Crash(2, sim::CrashKind::kProcess);
  world_.RunFor(Milliseconds(10));
  Start(2, 33);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->from(), StoreIncarnation(33));
}

TEST_F(AdmissionTest, OldStateOfADirectory_IsRefusedAtBothEnds) {
  Start(1, 11);
  Start(2, 22, {.number = 5, .tag = 1});
  world_.RunFor(Seconds(1));
  EXPECT_FALSE(ArrivesAfterRestart({.number = 4, .tag = 2}));
  EXPECT_EQ(nodes_[0]->refusal(), HandshakeRefusal::kEarlierStart);
  EXPECT_EQ(nodes_[1]->refusal(), HandshakeRefusal::kEarlierStart);
  EXPECT_EQ(nodes_[1]->received(), 0);
  // The directory itself is started again.
  EXPECT_TRUE(ArrivesAfterRestart({.number = 6, .tag = 3}));
  EXPECT_EQ(nodes_[0]->refusal(), HandshakeRefusal::kNone);
  EXPECT_EQ(nodes_[1]->refusal(), HandshakeRefusal::kNone);
  EXPECT_GT(nodes_[1]->received(), 0);
}

// A directory was copied while its node was stopped, and both were started.
TEST_F(AdmissionTest, CopyWithTheNumberOfItsOriginal_IsRefused) {
  Start(1, 11);
  Start(2, 22, {.number = 5, .tag = 1});
  world_.RunFor(Seconds(1));
  EXPECT_FALSE(ArrivesAfterRestart({.number = 5, .tag = 2}));
  EXPECT_EQ(nodes_[1]->refusal(), HandshakeRefusal::kEarlierStart);
}

TEST_F(AdmissionTest, StartsBeforeTheClusterIsFounded_AreAllAdmitted) {
  Start(1, 11);
  Start(2, 22, {.number = 0, .tag = 1});
  world_.RunFor(Seconds(1));
  EXPECT_TRUE(ArrivesAfterRestart({.number = 0, .tag = 2}));
  EXPECT_TRUE(ArrivesAfterRestart({.number = 2, .tag = 3}));
}

TEST_F(AdmissionTest, SilentConnections_KeepNoPeerOut) {
  Start(1, 11);
  for (int i = 0; i < 300; ++i) Connect("");
  world_.RunFor(Seconds(1));
  size_t gone = 0;
  for (const auto& stranger : strangers_) gone += stranger->gone() ? 1 : 0;
  EXPECT_EQ(gone, strangers_.size() -
                      raft::TransportOptions().pending_handshakes_max);
  Start(2, 22);
  for (int i = 0; i < 100; ++i) {
    Connect("");
    world_.RunFor(Milliseconds(10));
  }
  EXPECT_GT(nodes_[0]->received(), 0);
  EXPECT_GT(nodes_[1]->received(), 0);
}

}  // namespace
}  // namespace quorate::raft
