// The product's transport refuses a strange peer, and goes on. A program that
// admits it is found.
#include "sim/run/strange_peer.h"

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/host/envelope.h"
#include "raft/transport/handshake.h"
#include "raft/transport/transport.h"
#include "sim/testing/parrot.h"
#include "sim/world/world.h"

namespace quorate::sim {
namespace {

constexpr const char* kNode = "node:1";
constexpr const char* kStrange = "strange:1";

env::TransportIdentity IdentityOf(uint32_t node) {
  return {.cluster = ClusterId(5),
          .node = NodeId(node),
          .incarnation = StoreIncarnation(node),
          .bootstrap_checksum = 7};
}

// A node that dials the strange peer.
class Node final : env::Transport::Receiver {
 public:
  // Adds the reason why each message does not parse.
  Node(env::Env& env, std::set<std::string>* reasons)
      : transport_(env.loop, env.streams, env.tracer,
                   env.random.Fork("test", 0)),
        reasons_(*reasons) {
    const absl::Status started =
        transport_.Start(IdentityOf(1), kNode, {{NodeId(2), kStrange}}, this);
    EXPECT_TRUE(started.ok()) << started.ToString();
  }

 private:
  void OnMessage(NodeId from, StoreIncarnation, Buffer message) override {
    const auto messages = raft::DecodeEnvelope(
        {.cluster = ClusterId(5), .from = from, .to = NodeId(1)}, message);
    EXPECT_FALSE(messages.ok());
    reasons_.emplace(messages.status().message());
  }

  raft::StreamTransport transport_;
  std::set<std::string>& reasons_;
};

class StrangePeerTest : public ::testing::Test {
 protected:
  void StartPeer() {
    world_.Start(world_.AddMachine({.name = "strange"}), [this](env::Env& env) {
      StrangePeerOptions options{.listen_address = kStrange,
                                 .addresses = {kNode}};
      options.hello = [](size_t, raft::Hello* hello) {
        *hello = {.from = IdentityOf(2), .to = NodeId(1)};
        return true;
      };
      options.violate = [this](const std::string& what) {
        world_.Violate(what);
      };
      auto peer = std::make_shared<StrangePeer>(env, options);
      peer_ = peer.get();
      return peer;
    });
  }

  World world_{{.seed = 3}};
  StrangePeer* peer_ = nullptr;
};

TEST_F(StrangePeerTest, Node_RefusesItAndDialsAgain) {
  std::set<std::string> reasons;
  world_.Start(world_.AddMachine({.name = "node"}), [&](env::Env& env) {
    return std::make_shared<Node>(env, &reasons);
  });
  StartPeer();
  world_.RunFor(Seconds(120));
  EXPECT_GT(peer_->sent(), 20u);
  EXPECT_GT(peer_->answered(), 20u);
  EXPECT_GT(reasons.size(), 3u);
  EXPECT_EQ(world_.violations(), std::vector<std::string>{});
}

TEST_F(StrangePeerTest, ProgramThatAdmitsIt_Found) {
  world_.Start(world_.AddMachine({.name = "node"}), [](env::Env& env) {
    return std::make_shared<Parrot>(
        env, kNode,
        raft::EncodeHelloReply({.cluster = ClusterId(5), .node = NodeId(1)}));
  });
  StartPeer();
  world_.RunFor(Seconds(20));
  ASSERT_FALSE(world_.violations().empty());
  EXPECT_NE(world_.violations()[0].find("handshake:"), std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
