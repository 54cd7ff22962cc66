#include "raft/transport/transport.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "env/buffer.h"
#include "net/streams/sockets.h"
#include "net/testing/testing.h"
#include "raft/transport/handshake.h"

namespace quorate::net {
namespace {

using env::Lane;

// A node that records the messages it receives.
class TransportNode final : public env::Transport::Receiver {
 public:
  TransportNode(
      EventLoop& loop, uint32_t id, uint64_t cluster = 7,
      const raft::TransportOptions& options = raft::TransportOptions())
      : sockets(loop, tracer),
        transport(loop, sockets, tracer, Random(id), options),
        identity{.cluster = ClusterId(cluster),
                 .node = NodeId(id),
                 .incarnation = StoreIncarnation(id * 100)} {}
  void OnMessage(NodeId from, StoreIncarnation incarnation,
                 Buffer message) override {
    EXPECT_EQ(incarnation, StoreIncarnation(from.value() * 100));
    messages.emplace_back(from, std::string(message.view()));
    if (stop_on_message) transport.Stop();
  }
  absl::Status Start(std::vector<env::PeerAddress> peers,
                     const std::string& address = "127.0.0.1:0") {
    return transport.Start(identity, address, std::move(peers), this);
  }
  void Send(uint32_t to, Lane lane, const std::vector<std::string>& pieces) {
    std::vector<Buffer> buffers;
    for (const std::string& piece : pieces) {
      buffers.push_back(Buffer::Copy(piece));
    }
    transport.Send(NodeId(to), lane, buffers);
  }

  RecordingTracer tracer;
  Sockets sockets;
  raft::StreamTransport transport;
  env::TransportIdentity identity;
  std::vector<std::pair<NodeId, std::string>> messages;
  bool stop_on_message = false;
};

// A client that connects, sends `words` and records whether the connection is
// closed.
class RawClient final : public env::Connection::Observer {
 public:
  RawClient(TransportNode& from, const std::string& address, std::string words)
      : dial_(from.sockets.Connect(
            address,
            [this, words = std::move(words)](
                absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
              ASSERT_TRUE(connection.ok()) << connection.status();
              connection_ = *std::move(connection);
              connection_->SetObserver(this);
              connection_->Write(Buffer::Copy(words));
            })) {}
  bool connected() const { return connection_ != nullptr; }
  bool gone() const { return gone_; }

 private:
  void OnBytes(std::string_view) override {}
  void OnEnd() override { gone_ = true; }
  void OnClosed(absl::Status) override { gone_ = true; }
  void OnDrained() override {}

  std::unique_ptr<env::Connection> connection_;
  bool gone_ = false;
  env::Pending dial_;
};

class TransportTest : public testing::Test {
 protected:
  // A free port: bound once and released.
  std::string FreeAddress() {
    RecordingTracer tracer;
    Sockets sockets(loop_, tracer);
    return (*sockets.Listen("127.0.0.1:0",
                            [](std::unique_ptr<env::Connection>) {}))
        ->address();
  }
  // Two nodes that know each other, with all lanes connected.
  void StartPair(TransportNode& a, TransportNode& b) {
    address_a_ = FreeAddress();
    address_b_ = FreeAddress();
    ASSERT_TRUE(a.Start({{b.identity.node, address_b_}}, address_a_).ok());
    ASSERT_TRUE(b.Start({{a.identity.node, address_a_}}, address_b_).ok());
    for (const Lane lane : {Lane::kControl, Lane::kBulk, Lane::kRequests}) {
      Exchange(a, b, lane);
      Exchange(b, a, lane);
    }
    a.messages.clear();
    b.messages.clear();
  }
  // Sends until a message arrives.
  void Exchange(TransportNode& from, TransportNode& to, Lane lane) {
    const size_t before = to.messages.size();
    RunUntil(loop_, [&] {
      from.Send(to.identity.node.value(), lane, {"hi"});
      return to.messages.size() > before;
    });
  }

  EventLoop loop_;
  std::string address_a_;
  std::string address_b_;
};

TEST_F(TransportTest, Messages_OfAnySize_ArriveAsTheyWereSent) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  StartPair(a, b);
  b.messages.clear();
  std::vector<std::string> sent;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{4095}, size_t{70'000},
                            env::kMessageBytesMax}) {
    sent.push_back(std::string(size, static_cast<char>('a' + size % 26)));
  }
  for (const std::string& message : sent) {
    const size_t half = message.size() / 2;
    a.Send(2, Lane::kBulk, {message.substr(0, half), message.substr(half)});
  }
  const std::string last = "the last one";
  a.Send(2, Lane::kBulk, {last});
  RunUntil(loop_, [&] {
    return !b.messages.empty() && b.messages.back().second == last;
  });
  std::vector<std::string> received;
  for (const auto& [from, message] : b.messages) {
    EXPECT_EQ(from, NodeId(1));
    if (message != "hi") received.push_back(message);
  }
  received.pop_back();
  EXPECT_TRUE(received == sent);
}

TEST_F(TransportTest, ControlLane_DoesNotWaitBehindBulk) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  StartPair(a, b);
  loop_.RunTurn(Milliseconds(1));
  const std::string chunk(1 << 20, 'x');
  for (int i = 0; i < 12; ++i) a.Send(2, Lane::kBulk, {chunk});
  EXPECT_TRUE(a.transport.Congested(NodeId(2), Lane::kBulk));
  EXPECT_FALSE(a.transport.Congested(NodeId(2), Lane::kControl));
  a.Send(2, Lane::kControl, {"beat"});
  size_t chunks_before = 0;
  RunUntil(loop_, [&] {
    chunks_before = 0;
    for (const auto& [from, message] : b.messages) {
      if (message == "beat") return true;
      if (message.size() == chunk.size()) ++chunks_before;
    }
    return false;
  });
  EXPECT_LT(chunks_before, 12u);
  RunUntil(loop_,
           [&] { return !a.transport.Congested(NodeId(2), Lane::kBulk); });
}

TEST_F(TransportTest, QueueThatIsFull_LosesNewMessagesAndRecovers) {
  TransportNode a(loop_, 1, 7, {.bulk_queue_bytes = 3 << 20});
  TransportNode b(loop_, 2);
  StartPair(a, b);
  loop_.RunTurn(Milliseconds(1));
  const std::string chunk(1 << 20, 'x');
  for (int i = 0; i < 5; ++i) a.Send(2, Lane::kBulk, {chunk});
  EXPECT_EQ(a.tracer.marks.size(), 3u);
  Exchange(a, b, Lane::kControl);
  RunUntil(loop_, [&] {
    a.Send(2, Lane::kBulk, {"after"});
    return !b.messages.empty() && b.messages.back().second == "after";
  });
}

TEST_F(TransportTest, PeerThatRestarts_IsReachedAgain) {
  TransportNode a(loop_, 1);
  {
    TransportNode b(loop_, 2);
    StartPair(a, b);
  }
  for (int i = 0; i < 20; ++i) {
    a.Send(2, Lane::kControl, {"lost"});
    loop_.RunTurn(Milliseconds(2));
  }
  TransportNode again(loop_, 2);
  ASSERT_TRUE(again.Start({{NodeId(1), address_a_}}, address_b_).ok());
  Exchange(a, again, Lane::kControl);
  Exchange(again, a, Lane::kBulk);
}

TEST_F(TransportTest, PeerThatStartsLater_IsReachedThen) {
  const std::string address = FreeAddress();
  TransportNode a(loop_, 1);
  ASSERT_TRUE(a.Start({{NodeId(2), address}}).ok());
  for (int i = 0; i < 30; ++i) loop_.RunTurn(Milliseconds(5));
  EXPECT_TRUE(a.tracer.Said("node 2 at " + address)) << "names the error";
  TransportNode b(loop_, 2);
  ASSERT_TRUE(
      b.Start({{NodeId(1), a.transport.listen_address()}}, address).ok());
  Exchange(a, b, Lane::kControl);
}

TEST_F(TransportTest, NodeOfAnotherCluster_IsRefusedByBothWithTheReason) {
  TransportNode a(loop_, 1, /*cluster=*/7);
  TransportNode b(loop_, 2, /*cluster=*/8);
  const std::string address = FreeAddress();
  ASSERT_TRUE(a.Start({{NodeId(2), address}}).ok());
  ASSERT_TRUE(
      b.Start({{NodeId(1), a.transport.listen_address()}}, address).ok());
  // A refusal does not tell the cluster of the node that refuses.
  RunUntil(loop_, [&] {
    return a.tracer.Said("node 1 is of cluster 7, node 2 of another cluster") &&
           b.tracer.Said("node 1 is of cluster 7, node 2 of cluster 8");
  });
  a.Send(2, Lane::kControl, {"x"});
  for (int i = 0; i < 10; ++i) loop_.RunTurn(Milliseconds(2));
  EXPECT_TRUE(b.messages.empty());
}

TEST_F(TransportTest, WrongNodeAtAnAddress_IsRefused) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  ASSERT_TRUE(b.Start({{NodeId(1), "127.0.0.1:1"}}).ok());
  ASSERT_TRUE(a.Start({{NodeId(3), b.transport.listen_address()}}).ok());
  RunUntil(loop_, [&] {
    return a.tracer.Said("looked for node 3 and found another node");
  });
}

TEST_F(TransportTest, NodeOutsideTheConfiguration_IsRefused) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  ASSERT_TRUE(b.Start({}).ok());
  ASSERT_TRUE(a.Start({{NodeId(2), b.transport.listen_address()}}).ok());
  RunUntil(loop_, [&] {
    return a.tracer.Said("the configuration of node 2 does not name node 1");
  });
}

TEST_F(TransportTest,
       PendingHandshakes_WithInvalidBytes_AreClosedAndOthersServed) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  StartPair(a, b);
  RawClient client(
      b, address_a_,
      "GET / HTTP/1.1\r\nHost: somewhere.else.example.com\r\n\r\n");
  RunUntil(loop_, [&] { return client.gone(); });
  Exchange(b, a, Lane::kControl);
}

TEST_F(TransportTest, ClientWithoutHello_IsClosedInTime) {
  TransportNode a(loop_, 1, 7, {.handshake_max = Milliseconds(20)});
  ASSERT_TRUE(a.Start({}).ok());
  RawClient client(a, a.transport.listen_address(), "");
  RunUntil(loop_, [&] { return client.gone(); });
}

TEST_F(TransportTest, PendingHandshakes_MoreThanTheMaximum_EndTheOldest) {
  TransportNode a(
      loop_, 1, 7,
      {.handshake_max = Seconds(3600), .pending_handshakes_max = 2});
  ASSERT_TRUE(a.Start({}).ok());
  const std::string address = a.transport.listen_address();
  RawClient first(a, address, "");
  RunUntil(loop_, [&] { return first.connected(); });
  RawClient second(a, address, "");
  RunUntil(loop_, [&] { return second.connected(); });
  RawClient third(a, address, "");
  RunUntil(loop_, [&] { return first.gone(); });
  EXPECT_FALSE(second.gone());
  EXPECT_FALSE(third.gone());
}

TEST_F(TransportTest, PeerThatAnnouncesTooMuch_IsClosed) {
  TransportNode a(loop_, 1);
  ASSERT_TRUE(a.Start({{NodeId(2), "127.0.0.1:1"}}).ok());
  raft::Hello hello;
  hello.from = {.cluster = ClusterId(7), .node = NodeId(2)};
  hello.to = NodeId(1);
  RawClient rogue(
      a, a.transport.listen_address(),
      raft::EncodeHello(hello) + std::string("\x01\x00\x10\x00", 4));
  RunUntil(loop_, [&] { return rogue.gone(); });
  EXPECT_TRUE(a.tracer.Said("announced a message of 1048577 bytes"));
  EXPECT_TRUE(a.messages.empty());
}

TEST_F(TransportTest, Stop_InsideAMessage_EndsEverything) {
  TransportNode a(loop_, 1);
  TransportNode b(loop_, 2);
  StartPair(a, b);
  b.stop_on_message = true;
  a.Send(2, Lane::kControl, {"1"});
  a.Send(2, Lane::kControl, {"2"});
  RunUntil(loop_, [&] { return !b.messages.empty(); });
  for (int i = 0; i < 10; ++i) loop_.RunTurn(Milliseconds(2));
  EXPECT_EQ(b.messages.size(), 1u);
}

TEST_F(TransportTest, Start_OnAPortInUse_NamesTheReason) {
  TransportNode a(loop_, 1);
  ASSERT_TRUE(a.Start({}).ok());
  TransportNode b(loop_, 2);
  const absl::Status status = b.Start({}, a.transport.listen_address());
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace quorate::net
