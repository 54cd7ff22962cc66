// Lanes that were congested and have room again, and short links, in the
// simulated world.
#include <memory>
#include <string>

#include "env/buffer.h"
#include "env/buggify.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using env::Lane;

constexpr size_t kQueueBytes = 64 << 10;
// More than half of the queue.
constexpr size_t kMessageBytes = 40 << 10;

// Makes links short while it is on.
class ShortLinks final : public env::Buggify {
 public:
  bool Fire(const Site& site) override {
    return on_ && site.name() == "net.transport.link_is_short";
  }
  void set_on(bool on) { on_ = on; }

 private:
  bool on_ = false;
};

// One of two nodes. It counts the reports of room in the bulk lane, and how
// often that lane closed.
class RoomNode final : public env::Transport::Receiver {
 public:
  RoomNode(env::Env& env, uint32_t id, env::Buggify* buggify)
      : env_(env),
        peer_(3 - id),
        transport_(env.loop, env.streams, env.tracer, env.random,
                   {.bulk_queue_bytes = kQueueBytes, .buggify = buggify}) {
    EXPECT_TRUE(transport_
                    .Start({.cluster = ClusterId(7),
                            .node = NodeId(id),
                            .incarnation = StoreIncarnation(id)},
                           AddressOf(NodeId(id)), {{peer_, AddressOf(peer_)}},
                           this)
                    .ok());
  }
  void OnMessage(NodeId, StoreIncarnation, Buffer) override { ++received_; }
  void OnLaneHasRoom(NodeId, Lane lane) override {
    if (lane == Lane::kBulk) ++rooms_;
  }
  void OnLaneClosed(NodeId, Lane lane) override {
    if (lane == Lane::kBulk) ++closed_;
  }
  // In one turn: sends two messages, asks for room after each, and sends a
  // small message in each of the next turns.
  void SendInOneTurn(int small_ones) {
    turn_ = env_.loop.Defer([this, small_ones] {
      for (int i = 0; i < 2; ++i) {
        Send(kMessageBytes);
        EXPECT_TRUE(transport_.Congested(peer_, Lane::kBulk));
      }
      SendSmall(small_ones);
    });
  }
  void SendLarge() { Send(2 * kQueueBytes); }
  // In one turn: the large one finds a queue that is not half full.
  void SendSmallAndLarge() {
    turn_ = env_.loop.Defer([this] {
      Send(kQueueBytes / 4);
      EXPECT_FALSE(transport_.Congested(peer_, Lane::kBulk));
      SendLarge();
    });
  }
  bool congested() const { return transport_.Congested(peer_, Lane::kBulk); }
  int received() const { return received_; }
  int rooms() const { return rooms_; }
  int closed() const { return closed_; }

 private:
  static std::string AddressOf(NodeId node) {
    return node == NodeId(1) ? "n1:9001" : "n2:9001";
  }
  void Send(size_t size) {
    const Buffer message = Buffer::Copy(std::string(size, 'x'));
    transport_.Send(peer_, Lane::kBulk, absl::MakeSpan(&message, 1));
  }
  // This timer of the next turn runs before a timer that is set later.
  void SendSmall(int left) {
    if (left == 0) return;
    turn_ = env_.loop.At(env_.loop.ReadClock().mono, [this, left] {
      Send(1);
      SendSmall(left - 1);
    });
  }

  env::Env& env_;
  const NodeId peer_;
  StreamTransport transport_;
  env::Pending turn_;
  int received_ = 0;
  int rooms_ = 0;
  int closed_ = 0;
};

class RoomTest : public testing::Test {
 protected:
  RoomTest() {
    for (uint32_t id : {1, 2}) {
      world_.Start(machines_[id - 1], [this, id](env::Env& env) {
        return nodes_[id - 1] =
                   std::make_shared<RoomNode>(env, id, &short_links_);
      });
    }
    world_.RunFor(Seconds(1));
  }
  ~RoomTest() override {
    for (std::shared_ptr<RoomNode>& node : nodes_) node.reset();
  }

  ShortLinks short_links_;
  sim::World world_{{.seed = 1}};
  const sim::MachineId machines_[2] = {world_.AddMachine({.name = "n1"}),
                                       world_.AddMachine({.name = "n2"})};
  std::shared_ptr<RoomNode> nodes_[2];
};

TEST_F(RoomTest, AllBytesLeaveAtTheEndOfTheTurn_RoomIsReported) {
  nodes_[0]->SendInOneTurn(/*small_ones=*/0);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[1]->received(), 1) << "the queue had no room for the second";
  EXPECT_EQ(nodes_[0]->rooms(), 1);
  EXPECT_FALSE(nodes_[0]->congested());
}

TEST_F(RoomTest, MessagesFollowInTheNextTurns_RoomIsReported) {
  nodes_[0]->SendInOneTurn(/*small_ones=*/3);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[1]->received(), 4);
  EXPECT_EQ(nodes_[0]->rooms(), 1);
  EXPECT_FALSE(nodes_[0]->congested());
}

TEST_F(RoomTest, BytesStayUnsent_RoomIsReportedOnceWhenAllHaveLeft) {
  world_.stream_options().buffer_bytes = 1 << 10;
  nodes_[0]->SendInOneTurn(/*small_ones=*/3);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->rooms(), 1);
  EXPECT_FALSE(nodes_[0]->congested());
}

TEST_F(RoomTest, MessageIsLargerThanAnEmptyQueue_IsSent) {
  nodes_[0]->SendLarge();
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[1]->received(), 1);
}

// A check of a lost connection must not concern the next one.
TEST_F(RoomTest, LaneThatIsNotCongested_LosesNoMessage) {
  nodes_[0]->SendSmallAndLarge();
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[1]->received(), 2);
}

TEST_F(RoomTest, ConnectionIsLostWhileCongested_NextOneHasRoom) {
  world_.stream_options().reset = {1, 1};
  nodes_[0]->SendInOneTurn(/*small_ones=*/0);
  world_.RunFor(Milliseconds(100));
  world_.stream_options().reset = {};
  world_.RunFor(Seconds(2));
  EXPECT_FALSE(nodes_[0]->congested());
}

// The tests below concern an exaggeration of simulated runs.
TEST_F(RoomTest, ShortLink_IsGivenUpInsteadOfItsEighthMessage) {
  short_links_.set_on(true);
  nodes_[0]->SendInOneTurn(/*small_ones=*/7);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->closed(), 1);
}

TEST_F(RoomTest, ExaggerationEndsBeforeTheEighthMessage_LinkStays) {
  short_links_.set_on(true);
  nodes_[0]->SendInOneTurn(/*small_ones=*/3);
  world_.RunFor(Seconds(1));
  short_links_.set_on(false);
  nodes_[0]->SendInOneTurn(/*small_ones=*/20);
  world_.RunFor(Seconds(1));
  EXPECT_EQ(nodes_[0]->closed(), 0);
}

}  // namespace
}  // namespace quorate::raft
