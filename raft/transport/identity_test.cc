// Peers whose streams prove names, in the simulated world: names are claimed
// here, as certificates would prove them.
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "env/env.h"
#include "gtest/gtest.h"
#include "raft/transport/transport.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using env::HandshakeRefusal;

constexpr ClusterId kCluster(7);

// The names that the programs of machines prove. No name: no TLS.
using Names = std::map<std::string, std::string>;

// A stream whose other end has proven the name of its machine.
class NamedConnection final : public env::Connection {
 public:
  NamedConnection(std::unique_ptr<env::Connection> inner, const Names& names)
      : inner_(std::move(inner)) {
    const std::string address = inner_->peer_address();
    const auto found = names.find(address.substr(0, address.find(':')));
    if (found == names.end()) return;
    identity_ = {.secured = true, .name = found->second};
  }
  void SetObserver(Observer* observer) override {
    inner_->SetObserver(observer);
  }
  void Write(Buffer bytes) override { inner_->Write(std::move(bytes)); }
  size_t unsent_bytes() const override { return inner_->unsent_bytes(); }
  uint64_t taken_bytes() const override { return inner_->taken_bytes(); }
  void End() override { inner_->End(); }
  void PauseReads() override { inner_->PauseReads(); }
  void ResumeReads() override { inner_->ResumeReads(); }
  std::string peer_address() const override { return inner_->peer_address(); }
  env::StreamIdentity identity() const override { return identity_; }

 private:
  const std::unique_ptr<env::Connection> inner_;
  env::StreamIdentity identity_;
};

class NamedStreams final : public env::Streams {
 public:
  NamedStreams(env::Streams& streams, const Names& names)
      : streams_(streams), names_(names) {}
  absl::StatusOr<std::unique_ptr<env::Listener>> Listen(
      const std::string& address, Accept accept) override {
    return streams_.Listen(address, [this, accept = std::move(accept)](
                                        auto accepted) mutable {
      accept(std::make_unique<NamedConnection>(std::move(accepted), names_));
    });
  }
  env::Pending Connect(const std::string& address,
                       Connected connected) override {
    return streams_.Connect(
        address,
        [this, connected = std::move(connected)](
            absl::StatusOr<std::unique_ptr<env::Connection>> opened) mutable {
          if (!opened.ok()) return connected(opened.status());
          connected(
              std::make_unique<NamedConnection>(*std::move(opened), names_));
        });
  }

 private:
  env::Streams& streams_;
  const Names& names_;
};

class NamedNode final : public env::Transport::Receiver {
 public:
  NamedNode(env::Env& env, uint32_t id, const Names& names)
      : streams_(env.streams, names),
        transport_(env.loop, streams_, env.tracer, env.random) {
    const uint32_t other = 3 - id;
    EXPECT_TRUE(
        transport_
            .Start({.cluster = kCluster,
                    .node = NodeId(id),
                    .incarnation = StoreIncarnation(id)},
                   "n" + std::to_string(id) + ":9001",
                   {{NodeId(other), "n" + std::to_string(other) + ":9001"}},
                   this)
            .ok());
  }
  void OnMessage(NodeId, StoreIncarnation, Buffer) override {}
  env::LinkState link(uint32_t node) const {
    return transport_.link(NodeId(node));
  }

 private:
  NamedStreams streams_;
  StreamTransport transport_;
};

// The states of the links after two nodes have run with these names.
std::pair<env::LinkState, env::LinkState> LinksWith(Names names) {
  sim::World world(sim::WorldOptions{.seed = 1});
  std::vector<std::shared_ptr<NamedNode>> nodes(2);
  for (uint32_t id = 1; id <= 2; ++id) {
    const sim::MachineId machine =
        world.AddMachine({.name = "n" + std::to_string(id)});
    // The address of one that dials.
    const auto named = names.find("n" + std::to_string(id));
    if (named != names.end()) {
      names["m" + std::to_string(machine.value())] = named->second;
    }
    world.Start(machine, [&](env::Env& env) {
      return nodes[id - 1] = std::make_shared<NamedNode>(env, id, names);
    });
  }
  world.RunFor(Seconds(10));
  const std::pair links(nodes[0]->link(2), nodes[1]->link(1));
  nodes.clear();
  return links;
}

TEST(TransportIdentity, NamesOfTheNodes_Connect) {
  const auto [first, second] =
      LinksWith({{"n1", "quorate://7/1"}, {"n2", "quorate://7/2"}});
  EXPECT_TRUE(first.open);
  EXPECT_TRUE(second.open);
}

TEST(TransportIdentity, StreamsWithoutTls_Connect) {
  const auto [first, second] = LinksWith({});
  EXPECT_TRUE(first.open);
  EXPECT_TRUE(second.open);
}

TEST(TransportIdentity, AnotherName_IsRefusedByBothEnds) {
  for (const char* const name : {"quorate://7/1", "quorate://7/22",
                                 "quorate://8/2", "quorate://7/2/", ""}) {
    const auto [first, second] =
        LinksWith({{"n1", "quorate://7/1"}, {"n2", name}});
    EXPECT_FALSE(first.open) << name;
    EXPECT_FALSE(second.open) << name;
    // The first node refuses the one that it dialled, and the second is refused
    // by the one that it dialled.
    EXPECT_EQ(first.refusal, HandshakeRefusal::kOtherCertificate) << name;
    EXPECT_EQ(second.refusal, HandshakeRefusal::kOtherCertificate) << name;
  }
}

TEST(TransportIdentity, RefusalOfAProgramWithAnotherName_IsNotBelieved) {
  const env::TransportIdentity self = {.cluster = kCluster, .node = NodeId(1)};
  const HelloReply conflict = {.refusal = HandshakeRefusal::kOtherFounding};
  EXPECT_EQ(CheckReply(self, NodeId(2), {}, conflict),
            HandshakeRefusal::kOtherFounding);
  EXPECT_EQ(CheckReply(self, NodeId(2),
                       {.secured = true, .name = "quorate://7/2"}, conflict),
            HandshakeRefusal::kOtherFounding);
  EXPECT_EQ(CheckReply(self, NodeId(2),
                       {.secured = true, .name = "quorate://7/3"}, conflict),
            HandshakeRefusal::kOtherCertificate);
}

}  // namespace
}  // namespace quorate::raft
