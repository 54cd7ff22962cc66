// Peers that come, go and move while messages flow, in the simulated world.
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "env/env.h"
#include "env/random.h"
#include "gtest/gtest.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using env::HandshakeRefusal;
using env::Lane;

constexpr uint32_t kNodes = 3;

std::string AddressOf(uint32_t node, int place = 0) {
  return "n" + std::to_string(node) + ":" + std::to_string(9001 + place);
}

// A node that sends a message to each other one in each lane every 5 ms.
class Chatter final : public env::Transport::Receiver {
 public:
  Chatter(env::Env& env, uint32_t id, std::string address,
          const std::map<uint32_t, std::string>& peers)
      : env_(env),
        id_(id),
        transport_(env.loop, env.streams, env.tracer, env.random) {
    EXPECT_TRUE(transport_
                    .Start({.cluster = ClusterId(7),
                            .node = NodeId(id),
                            .incarnation = StoreIncarnation(id)},
                           address, ListOf(peers), this)
                    .ok());
    for (const auto& [node, unused] : peers) peers_.insert(NodeId(node));
    Send();
  }

  void SetPeers(const std::map<uint32_t, std::string>& peers) {
    peers_.clear();
    for (const auto& [node, unused] : peers) peers_.insert(NodeId(node));
    transport_.SetPeers(ListOf(peers));
    if (stopped_) return;
    for (const auto& lane : open_) EXPECT_TRUE(peers_.contains(lane.first));
    for (uint32_t node = 1; node <= kNodes; ++node) {
      if (!peers_.contains(NodeId(node))) {
        EXPECT_EQ(transport_.link(NodeId(node)), env::LinkState());
      }
    }
  }
  // The store of the peer is given up. No lane to it is open then.
  void GiveUp(uint32_t node, const std::map<uint32_t, std::string>& peers) {
    std::vector<env::PeerAddress> list = ListOf(peers);
    for (env::PeerAddress& peer : list) {
      if (peer.node != NodeId(node)) continue;
      peer.given_up = {StoreIncarnation(99), StoreIncarnation(node)};
    }
    transport_.SetPeers(std::move(list));
    for (const auto& lane : open_) EXPECT_NE(lane.first, NodeId(node));
  }
  // Called with the sender of the next message, inside the call.
  void SetOnMessage(std::function<void(NodeId)> on_message) {
    on_message_ = std::move(on_message);
  }
  void SetOnClosed(std::function<void()> on_closed) {
    on_closed_ = std::move(on_closed);
  }
  void Stop() {
    stopped_ = true;
    transport_.Stop();
  }
  env::LinkState link(uint32_t node) const {
    return transport_.link(NodeId(node));
  }
  // Messages since the last call.
  int TakeReceived(uint32_t from) {
    return std::exchange(received_[NodeId(from)], 0);
  }
  size_t open_lanes() const { return open_.size(); }
  int closed() const { return closed_; }

 private:
  static std::vector<env::PeerAddress> ListOf(
      const std::map<uint32_t, std::string>& peers) {
    std::vector<env::PeerAddress> list;
    for (const auto& [node, address] : peers) {
      list.push_back({NodeId(node), address});
    }
    return list;
  }
  void OnMessage(NodeId from, StoreIncarnation store, Buffer) override {
    EXPECT_TRUE(peers_.contains(from)) << "node " << from << " is no peer";
    EXPECT_EQ(store, StoreIncarnation(from.value()));
    ++received_[from];
    if (on_message_) std::exchange(on_message_, nullptr)(from);
  }
  void OnLaneOpened(NodeId to, Lane lane) override {
    EXPECT_TRUE(peers_.contains(to));
    EXPECT_TRUE(open_.insert({to, lane}).second);
  }
  void OnLaneClosed(NodeId to, Lane lane) override {
    EXPECT_EQ(open_.erase({to, lane}), 1u);
    ++closed_;
    if (on_closed_) std::exchange(on_closed_, nullptr)();
  }
  void Send() {
    const Buffer message = Buffer::Copy(std::string(3000, 'x'));
    for (uint32_t node = 1; node <= kNodes; ++node) {
      for (const Lane lane : {Lane::kControl, Lane::kBulk, Lane::kRequests}) {
        if (node == id_) continue;
        transport_.Send(NodeId(node), lane, absl::MakeSpan(&message, 1));
      }
    }
    timer_ = env_.loop.At(env_.loop.ReadClock().mono + Milliseconds(5),
                          [this] { Send(); });
  }

  env::Env& env_;
  const uint32_t id_;
  std::set<NodeId> peers_;
  std::set<std::pair<NodeId, Lane>> open_;
  std::map<NodeId, int> received_;
  std::function<void(NodeId)> on_message_;
  std::function<void()> on_closed_;
  int closed_ = 0;
  bool stopped_ = false;
  env::Pending timer_;
  StreamTransport transport_;
};

class PeersTest : public testing::Test {
 protected:
  void Begin(uint64_t seed) {
    nodes_.clear();
    machines_.clear();
    world_ = std::make_unique<sim::World>(sim::WorldOptions{.seed = seed});
    for (uint32_t id = 1; id <= kNodes; ++id) {
      machines_.push_back(
          world_->AddMachine({.name = "n" + std::to_string(id)}));
    }
    nodes_.resize(kNodes);
  }
  ~PeersTest() override {
    for (std::shared_ptr<Chatter>& node : nodes_) node.reset();
  }
  static std::map<uint32_t, std::string> AllBut(uint32_t id) {
    std::map<uint32_t, std::string> peers;
    for (uint32_t node = 1; node <= kNodes; ++node) {
      if (node != id) peers[node] = AddressOf(node);
    }
    return peers;
  }
  void Start(uint32_t id, const std::map<uint32_t, std::string>& peers,
             int place = 0) {
    world_->Start(machines_[id - 1], [&, id, place](env::Env& env) {
      return nodes_[id - 1] = std::make_shared<Chatter>(
                 env, id, AddressOf(id, place), peers);
    });
    world_->RunFor(Milliseconds(1));
  }
  Chatter& node(uint32_t id) { return *nodes_[id - 1]; }
  // Runs `body` in a turn of the node.
  void On(uint32_t id, const std::function<void(Chatter&)>& body) {
    env::Env& env = world_->env(machines_[id - 1]);
    bool ran = false;
    env::Pending timer = env.loop.At(env.loop.ReadClock().mono, [&] {
      body(node(id));
      ran = true;
    });
    ASSERT_TRUE(world_->RunUntilTrue([&] { return ran; }, Seconds(10)));
  }
  // Whether messages of each node arrive at each other one.
  bool AllHearAll(Duration length) {
    for (uint32_t to = 1; to <= kNodes; ++to) {
      for (uint32_t from = 1; from <= kNodes; ++from) {
        node(to).TakeReceived(from);
      }
    }
    world_->RunFor(length);
    bool all = true;
    for (uint32_t to = 1; to <= kNodes; ++to) {
      for (uint32_t from = 1; from <= kNodes; ++from) {
        all &= from == to || node(to).TakeReceived(from) > 0;
      }
    }
    return all;
  }

  std::unique_ptr<sim::World> world_;
  std::vector<sim::MachineId> machines_;
  std::vector<std::shared_ptr<Chatter>> nodes_;
};

TEST_F(PeersTest, NodeThatIsAdded_IsConnectedAtOnce) {
  Begin(1);
  Start(1, {{2, AddressOf(2)}});
  Start(2, {{1, AddressOf(1)}});
  Start(3, AllBut(3));
  world_->RunFor(Seconds(7));
  EXPECT_EQ(node(1).TakeReceived(3), 0);
  EXPECT_EQ(node(3).link(1).refusal, HandshakeRefusal::kUnknownNode);
  // The new node waits for seconds after a refusal. The dials of the others
  // end that.
  for (uint32_t id : {1, 2}) {
    On(id, [&](Chatter& at) { at.SetPeers(AllBut(id)); });
  }
  world_->RunFor(Milliseconds(300));
  EXPECT_TRUE(AllHearAll(Milliseconds(100)));
  EXPECT_TRUE(node(3).link(1).open);
  EXPECT_EQ(node(3).link(1).version, env::kPeerProtocolVersion);
  EXPECT_EQ(node(3).link(1).store, StoreIncarnation(1));
}

// The two others know that the third has another store by now, which may come
// to any address.
TEST_F(PeersTest, StoreThatIsGivenUp_IsRefusedByBothEnds) {
  Begin(1);
  for (uint32_t id = 1; id <= kNodes; ++id) Start(id, AllBut(id));
  world_->RunFor(Seconds(2));
  ASSERT_TRUE(AllHearAll(Milliseconds(100)));
  for (uint32_t id : {1, 2}) {
    On(id, [&](Chatter& at) { at.GiveUp(3, AllBut(id)); });
    (void)node(id).TakeReceived(3);
  }
  world_->RunFor(Seconds(20));
  for (uint32_t id : {1, 2}) {
    EXPECT_EQ(node(id).TakeReceived(3), 0);
    EXPECT_EQ(node(id).link(3).refusal, HandshakeRefusal::kOtherStore);
    EXPECT_EQ(node(3).link(id).refusal, HandshakeRefusal::kOtherStore);
  }
  EXPECT_GT(node(1).TakeReceived(2), 0);
}

// The cluster knows a node before it knows where it is.
TEST_F(PeersTest, NodeWithoutAnAddress_IsDialledOnceItHasOne) {
  Begin(1);
  // The world logs until it ends, after this function.
  const auto log = std::make_shared<std::string>();
  world_->SetLogSink(env::Severity::kDebug,
                     [log](sim::SimTime, sim::MachineId, env::Severity,
                           std::string_view line) { *log += line; });
  Start(1, {{2, AddressOf(2)}, {3, ""}});
  Start(2, AllBut(2));
  Start(3, AllBut(3));
  world_->RunFor(Seconds(7));
  EXPECT_EQ(log->find("node 3 at  ("), log->npos) << *log;
  EXPECT_FALSE(node(1).link(3).open);
  EXPECT_GT(node(1).TakeReceived(3), 0) << "it is a peer";
  On(1, [&](Chatter& at) { at.SetPeers(AllBut(1)); });
  world_->RunFor(Milliseconds(300));
  EXPECT_TRUE(AllHearAll(Milliseconds(100)));
}

TEST_F(PeersTest, NodeThatIsRemoved_LosesAllConnections) {
  Begin(1);
  for (uint32_t id = 1; id <= kNodes; ++id) Start(id, AllBut(id));
  world_->RunFor(Seconds(2));
  ASSERT_TRUE(AllHearAll(Milliseconds(100)));
  EXPECT_EQ(node(1).open_lanes(), 6u);
  On(1, [](Chatter& at) { at.SetPeers({{2, AddressOf(2)}}); });
  EXPECT_EQ(node(1).open_lanes(), 3u);
  EXPECT_EQ(node(1).closed(), 3);
  node(3).TakeReceived(1);
  world_->RunFor(Seconds(20));
  EXPECT_EQ(node(3).TakeReceived(1), 0);
  EXPECT_EQ(node(3).link(1).refusal, HandshakeRefusal::kUnknownNode);
  EXPECT_EQ(node(3).open_lanes(), 3u);
  EXPECT_GT(node(2).TakeReceived(1), 0);
}

TEST_F(PeersTest, NodeThatMoves_IsDialledAtItsNewAddress) {
  Begin(1);
  for (uint32_t id = 1; id <= kNodes; ++id) Start(id, AllBut(id));
  world_->RunFor(Seconds(2));
  nodes_[2].reset();
  world_->Crash(machines_[2], sim::CrashKind::kProcess);
  Start(3, AllBut(3), /*place=*/5);
  world_->RunFor(Seconds(2));
  EXPECT_EQ(node(3).TakeReceived(1), 0) << "at an address that it left";
  EXPECT_GT(node(1).TakeReceived(3), 0);
  for (uint32_t id : {1, 2}) {
    On(id, [&](Chatter& at) {
      std::map<uint32_t, std::string> peers = AllBut(id);
      peers[3] = AddressOf(3, 5);
      at.SetPeers(peers);
      // The list names it already, so nothing is dialled again.
      at.SetPeers(peers);
    });
  }
  world_->RunFor(Milliseconds(300));
  EXPECT_TRUE(AllHearAll(Milliseconds(100)));
}

// The receiver removes the sender while its message is handled. It changes the
// list again while lanes are reported as closed, and then ends the transport.
TEST_F(PeersTest, ReceiverInsideItsCalls_ChangesPeersAndEndsTheTransport) {
  Begin(1);
  for (uint32_t id = 1; id <= kNodes; ++id) Start(id, AllBut(id));
  world_->RunFor(Seconds(2));
  for (int round = 0; round < 20; ++round) {
    node(1).SetOnMessage([&](NodeId from) {
      const uint32_t other = from.value() == 2 ? 3 : 2;
      node(1).SetPeers({{other, AddressOf(other)}});
    });
    node(1).SetOnClosed([&] { node(1).SetPeers(AllBut(1)); });
    world_->RunFor(Milliseconds(200));
  }
  EXPECT_GT(node(1).closed(), 20);
  ASSERT_EQ(node(1).open_lanes(), 6u);
  const int before = node(1).closed();
  node(1).SetOnClosed([&] { node(1).Stop(); });
  On(1, [](Chatter& at) { at.SetPeers({}); });
  EXPECT_EQ(node(1).closed(), before + 1) << "a call after the end";
}

// Lists change at random on all nodes, while connections fail.
TEST_F(PeersTest, RandomChanges_AreHeldToAndHeal) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Begin(seed);
    for (uint32_t id = 1; id <= kNodes; ++id) Start(id, AllBut(id));
    const Random random(seed);
    world_->stream_options().hang = {1, 10};
    for (uint64_t change = 0; change < 60; ++change) {
      const auto draw = [&](Site site, uint64_t below) {
        return random.Bits(site, change, 0) % below;
      };
      const auto id = static_cast<uint32_t>(1 + draw("node", kNodes));
      std::map<uint32_t, std::string> peers = AllBut(id);
      for (auto& [node, address] : AllBut(id)) {
        const uint64_t fate = random.Bits("fate", change, node) % 4;
        if (fate == 0) peers.erase(node);
        if (fate == 1) peers[node] = AddressOf(node, 1);  // Nothing is there.
      }
      On(id, [&](Chatter& at) { at.SetPeers(peers); });
      world_->RunFor(Milliseconds(1 + static_cast<int64_t>(draw("gap", 200))));
    }
    world_->stream_options().hang = {};
    for (uint32_t id = 1; id <= kNodes; ++id) {
      On(id, [&](Chatter& at) { at.SetPeers(AllBut(id)); });
    }
    // A dial that hangs has a limit.
    world_->RunFor(Seconds(4));
    EXPECT_TRUE(AllHearAll(Milliseconds(100)));
    for (uint32_t id = 1; id <= kNodes; ++id) {
      EXPECT_EQ(node(id).open_lanes(), 6u);
    }
  }
}

}  // namespace
}  // namespace quorate::raft
