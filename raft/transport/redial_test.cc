// Dials of peers that lose each other, in the simulated world.
#include <memory>
#include <set>

#include "env/buffer.h"
#include "env/env.h"
#include "gtest/gtest.h"
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
                            .incarnation = StoreIncarnation(id)},
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

class Redial : public testing::Test {
 protected:
  ~Redial() override {
    for (std::shared_ptr<Node>& node : nodes_) node.reset();
  }
  void Start(uint32_t id) {
    world_.Start(machines_[id - 1], [this, id](env::Env& env) {
      return nodes_[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  void StartBoth() {
    Start(1);
    Start(2);
  }

  sim::World world_{{.seed = 1}};
  const sim::MachineId machines_[2] = {world_.AddMachine({.name = "n1"}),
                                       world_.AddMachine({.name = "n2"})};
  std::shared_ptr<Node> nodes_[2];
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

}  // namespace
}  // namespace quorate::raft
