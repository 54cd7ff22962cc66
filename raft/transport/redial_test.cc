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

TEST(Redial, PeerShowsUpWhileTheDialHangs_IsDialledAtOnce) {
  sim::World world({.seed = 1});
  std::shared_ptr<Node> nodes[2];
  const sim::MachineId machines[] = {world.AddMachine({.name = "n1"}),
                                     world.AddMachine({.name = "n2"})};
  const auto start = [&](uint32_t id) {
    world.Start(machines[id - 1], [&nodes, id](env::Env& env) {
      return nodes[id - 1] = std::make_shared<Node>(env, id);
    });
  };
  world.stream_options().hang = {1, 1};
  start(1);
  world.RunFor(Seconds(1));
  world.stream_options().hang = {};
  // Nothing ends the first node's dials, but the second one's arrive.
  start(2);
  world.RunFor(Milliseconds(200));
  EXPECT_GT(nodes[0]->received(), 0);
  EXPECT_GT(nodes[1]->received(), 0);
  for (std::shared_ptr<Node>& node : nodes) node.reset();
}

// Packets vanish, and then the network heals. No dial may wait for the kernel.
TEST(Redial, DialThatHangs_IsRepeated) {
  sim::World world({.seed = 1});
  std::shared_ptr<Node> nodes[2];
  for (uint32_t id = 1; id <= 2; ++id) {
    const sim::MachineId machine =
        world.AddMachine({.name = id == 1 ? "n1" : "n2"});
    world.stream_options().hang = {1, 1};
    world.Start(machine, [&nodes, id](env::Env& env) {
      return nodes[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  world.RunFor(Milliseconds(500));
  world.stream_options().hang = {};
  EXPECT_EQ(nodes[0]->received(), 0);
  world.RunFor(TransportOptions().dial_max + Seconds(2));
  EXPECT_GT(nodes[0]->received(), 0);
  EXPECT_GT(nodes[1]->received(), 0);
  for (std::shared_ptr<Node>& node : nodes) node.reset();
}

// The sender of requests must not wait for answers that cannot come.
TEST(Redial, PeerDies_EachLaneIsReportedAsClosed) {
  sim::World world({.seed = 1});
  std::shared_ptr<Node> nodes[2];
  sim::MachineId machines[2];
  for (uint32_t id = 1; id <= 2; ++id) {
    machines[id - 1] = world.AddMachine({.name = id == 1 ? "n1" : "n2"});
    world.Start(machines[id - 1], [&nodes, id](env::Env& env) {
      return nodes[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  world.RunFor(Seconds(1));
  EXPECT_TRUE(nodes[0]->closed().empty());
  nodes[1].reset();
  world.Crash(machines[1], sim::CrashKind::kProcess);
  world.RunFor(Seconds(1));
  EXPECT_EQ(nodes[0]->closed(),
            (std::set<env::Lane>{env::Lane::kControl, env::Lane::kBulk,
                                 env::Lane::kRequests}));
  nodes[0].reset();
}

// A loss of power ends no connection. Nothing is sent in two of the lanes, so
// only the dials of the new program can show that theirs are dead.
TEST(Redial, PeerIsStartedAfterALossOfPower_EachLaneIsReplacedAtOnce) {
  sim::World world({.seed = 1});
  std::shared_ptr<Node> nodes[2];
  sim::MachineId machines[2];
  for (uint32_t id = 1; id <= 2; ++id) {
    machines[id - 1] = world.AddMachine({.name = id == 1 ? "n1" : "n2"});
    world.Start(machines[id - 1], [&nodes, id](env::Env& env) {
      return nodes[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  world.RunFor(Seconds(1));
  nodes[1].reset();
  world.Crash(machines[1], sim::CrashKind::kMachine);
  world.RunFor(Milliseconds(5));
  EXPECT_TRUE(nodes[0]->closed().empty());
  world.Restart(machines[1]);
  world.RunFor(Milliseconds(20));
  const std::set<env::Lane> all = {env::Lane::kControl, env::Lane::kBulk,
                                   env::Lane::kRequests};
  EXPECT_EQ(nodes[0]->closed(), all);
  EXPECT_EQ(nodes[0]->opened_again(), all);
  EXPECT_TRUE(nodes[1]->closed().empty()) << "a new connection was replaced";
  for (std::shared_ptr<Node>& node : nodes) node.reset();
}

// The connection may have been lost while nothing was sent, so the peer may be
// up.
TEST(Redial, ConnectionThatWorkedForLong_IsReplacedAtOnce) {
  sim::World world({.seed = 1});
  std::shared_ptr<Node> nodes[2];
  for (uint32_t id = 1; id <= 2; ++id) {
    const sim::MachineId machine =
        world.AddMachine({.name = id == 1 ? "n1" : "n2"});
    world.Start(machine, [&nodes, id](env::Env& env) {
      return nodes[id - 1] = std::make_shared<Node>(env, id);
    });
  }
  world.RunFor(TransportOptions().redial_max * 2);
  world.stream_options().reset = {1, 1};
  ASSERT_TRUE(world.RunUntilTrue(
      [&] { return nodes[0]->closed().count(env::Lane::kControl) > 0; }));
  world.stream_options().reset = {};
  const int received = nodes[1]->received();
  // Less than any pause between dials.
  world.RunFor(TransportOptions().redial_min / 2);
  EXPECT_GT(nodes[1]->received(), received);
  for (std::shared_ptr<Node>& node : nodes) node.reset();
}

}  // namespace
}  // namespace quorate::raft
