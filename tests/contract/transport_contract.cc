// The contract of env/transport.h. Messages may be lost even without faults
// (before a link is up), so tests send until one arrives.
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/contract/fixture.h"

namespace quorate::contract {

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(TransportContract);

namespace {

using env::Lane;
using env::Pending;
using env::TransportIdentity;

struct Received {
  NodeId from;
  StoreIncarnation incarnation;
  std::string bytes;
};

class Inbox : public env::Transport::Receiver {
 public:
  void OnMessage(NodeId from, StoreIncarnation incarnation,
                 Buffer message) override {
    if (inside_send) received_inside_send = true;
    messages.push_back({from, incarnation, std::string(message.view())});
  }
  void OnLaneHasRoom(NodeId to, Lane lane) override {
    if (inside_send) received_inside_send = true;
    has_room.push_back({to, lane});
  }
  void OnLaneOpened(NodeId to, Lane lane) override {
    opened.push_back({to, lane});
  }
  bool Has(const std::string& bytes) const {
    for (const Received& received : messages) {
      if (received.bytes == bytes) return true;
    }
    return false;
  }
  std::vector<Received> messages;
  std::vector<std::pair<NodeId, Lane>> has_room;
  std::vector<std::pair<NodeId, Lane>> opened;
  bool inside_send = false;
  bool received_inside_send = false;
};

TransportIdentity Identity(uint32_t node) {
  return {.cluster = ClusterId(77),
          .node = NodeId(node),
          .incarnation = StoreIncarnation(1000 + node),
          .version_min = 1,
          .version_max = 1};
}

// Two nodes, 1 on env(0) and 2 on env(1).
class Pair {
 public:
  explicit Pair(Fixture* fixture)
      : fixture_(fixture),
        addresses_{fixture->FreshAddress(), fixture->FreshAddress()} {}
  ~Pair() {
    for (int i : {0, 1}) {
      if (started_[i]) fixture_->env(i).transport.Stop();
    }
  }

  absl::Status Start(int index, const TransportIdentity& identity,
                     NodeId other) {
    started_[index] = true;
    return fixture_->env(index).transport.Start(
        identity, addresses_[index], {{other, addresses_[1 - index]}},
        &inbox[index]);
  }
  void StartBoth() {
    ASSERT_TRUE(Start(0, Identity(1), NodeId(2)).ok());
    ASSERT_TRUE(Start(1, Identity(2), NodeId(1)).ok());
  }
  // Sends from one node to the other until the message arrives.
  bool Deliver(int from, const std::string& bytes, Lane lane,
               int attempts_max = 100) {
    const int to = 1 - from;
    const Buffer piece = Buffer::Copy(bytes);
    for (int attempt = 0; attempt < attempts_max && !inbox[to].Has(bytes);
         ++attempt) {
      inbox[0].inside_send = inbox[1].inside_send = true;
      fixture_->env(from).transport.Send(NodeId(to + 1), lane,
                                         absl::MakeConstSpan(&piece, 1));
      inbox[0].inside_send = inbox[1].inside_send = false;
      fixture_->RunFor(Milliseconds(20));
    }
    return inbox[to].Has(bytes);
  }
  const std::string& address(int index) const { return addresses_[index]; }
  void Restarted(int index) { started_[index] = false; }

  Inbox inbox[2];

 private:
  Fixture* const fixture_;
  const std::string addresses_[2];
  bool started_[2] = {false, false};
};

}  // namespace

TEST_P(TransportContract, Message_ArrivesWithTheSendersIdentity) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "ping", Lane::kControl));
  ASSERT_TRUE(pair.Deliver(1, "pong", Lane::kControl));
  EXPECT_EQ(pair.inbox[1].messages[0].from, NodeId(1));
  EXPECT_EQ(pair.inbox[1].messages[0].incarnation, StoreIncarnation(1001));
  EXPECT_EQ(pair.inbox[0].messages[0].from, NodeId(2));
  EXPECT_EQ(pair.inbox[0].messages[0].incarnation, StoreIncarnation(1002));
  EXPECT_FALSE(pair.inbox[0].received_inside_send);
  EXPECT_FALSE(pair.inbox[1].received_inside_send);
}

TEST_P(TransportContract, BothLanes_Deliver) {
  Pair pair(&fixture());
  pair.StartBoth();
  EXPECT_TRUE(pair.Deliver(0, "control", Lane::kControl));
  EXPECT_TRUE(pair.Deliver(0, "bulk", Lane::kBulk));
  EXPECT_TRUE(pair.Deliver(0, "requests", Lane::kRequests));
}

TEST_P(TransportContract, Pieces_ArriveAsOneMessage) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "warm-up", Lane::kControl));
  const Buffer pieces[] = {Buffer::Copy("a"), Buffer(), Buffer::Copy("bc"),
                           Buffer::Copy("def").Suffix(1)};
  for (int i = 0; i < 100 && !pair.inbox[1].Has("abcef"); ++i) {
    env(0).transport.Send(NodeId(2), Lane::kControl, pieces);
    fixture().RunFor(Milliseconds(20));
  }
  EXPECT_TRUE(pair.inbox[1].Has("abcef"));
}

TEST_P(TransportContract, LargestMessage_Arrives) {
  Pair pair(&fixture());
  pair.StartBoth();
  std::string bytes(env::kMessageBytesMax, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<char>(i * 7 >> 2);
  }
  EXPECT_TRUE(pair.Deliver(0, bytes, Lane::kBulk));
}

TEST_P(TransportContract, ManyMessages_ArriveWhole) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "warm-up", Lane::kControl));
  std::map<std::string, int> sent;
  for (int i = 0; i < 300; ++i) {
    const std::string bytes =
        std::to_string(i) + std::string(i * 11 % 997, 'x');
    sent[bytes] = 1;
    const Buffer piece = Buffer::Copy(bytes);
    env(0).transport.Send(NodeId(2), i % 2 == 0 ? Lane::kControl : Lane::kBulk,
                          absl::MakeConstSpan(&piece, 1));
  }
  EXPECT_TRUE(RunUntil([&] { return pair.inbox[1].messages.size() >= 301; }));
  for (const Received& received : pair.inbox[1].messages) {
    if (received.bytes == "warm-up") continue;
    EXPECT_TRUE(sent.count(received.bytes)) << received.bytes.substr(0, 20);
  }
}

TEST_P(TransportContract, MessageToAnUnknownNode_IsLost) {
  Pair pair(&fixture());
  pair.StartBoth();
  const Buffer piece = Buffer::Copy("to an unknown node");
  env(0).transport.Send(NodeId(9), Lane::kControl,
                        absl::MakeConstSpan(&piece, 1));
  EXPECT_TRUE(pair.Deliver(0, "to somebody", Lane::kControl));
  EXPECT_FALSE(pair.inbox[1].Has("to an unknown node"));
  EXPECT_FALSE(env(0).transport.Congested(NodeId(9), Lane::kControl));
}

TEST_P(TransportContract, PeerThatStartsLater_IsReached) {
  Pair pair(&fixture());
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  const Buffer piece = Buffer::Copy("early");
  env(0).transport.Send(NodeId(2), Lane::kControl,
                        absl::MakeConstSpan(&piece, 1));
  Settle();
  ASSERT_TRUE(pair.Start(1, Identity(2), NodeId(1)).ok());
  EXPECT_TRUE(pair.Deliver(0, "late", Lane::kControl));
}

TEST_P(TransportContract, PeerThatRestarts_IsReachedUnderItsNewIncarnation) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(1, "before", Lane::kControl));
  env(1).transport.Stop();
  fixture().Restart(1);
  TransportIdentity again = Identity(2);
  again.incarnation = StoreIncarnation(5555);
  ASSERT_TRUE(pair.Start(1, again, NodeId(1)).ok());
  ASSERT_TRUE(pair.Deliver(1, "after", Lane::kControl));
  EXPECT_EQ(pair.inbox[0].messages.back().incarnation, StoreIncarnation(5555));
  EXPECT_TRUE(pair.Deliver(0, "and back", Lane::kControl));
}

TEST_P(TransportContract, AnotherCluster_IsRefused) {
  Pair pair(&fixture());
  TransportIdentity other = Identity(2);
  other.cluster = ClusterId(78);
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, other, NodeId(1)).ok());
  EXPECT_FALSE(pair.Deliver(0, "hello?", Lane::kControl));
  EXPECT_FALSE(pair.Deliver(1, "hello?", Lane::kControl));
}

TEST_P(TransportContract, AnotherNodeAtTheAddress_IsRefused) {
  Pair pair(&fixture());
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, Identity(3), NodeId(1)).ok());
  EXPECT_FALSE(pair.Deliver(0, "hello?", Lane::kControl));
}

TEST_P(TransportContract, NoCommonVersion_IsRefused) {
  Pair pair(&fixture());
  TransportIdentity newer = Identity(2);
  newer.version_min = env::kPeerProtocolVersion + 1;
  newer.version_max = env::kPeerProtocolVersion + 3;
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, newer, NodeId(1)).ok());
  EXPECT_FALSE(pair.Deliver(0, "hello?", Lane::kControl));
  EXPECT_FALSE(pair.Deliver(1, "hello?", Lane::kControl));
}

TEST_P(TransportContract, AnotherBootstrapRecord_IsRefused) {
  Pair pair(&fixture());
  TransportIdentity other = Identity(2);
  other.bootstrap_checksum = Identity(1).bootstrap_checksum + 1;
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, other, NodeId(1)).ok());
  EXPECT_FALSE(pair.Deliver(0, "hello?", Lane::kControl));
  EXPECT_FALSE(pair.Deliver(1, "hello?", Lane::kControl));
}

TEST_P(TransportContract, OverlappingVersions_AreAccepted) {
  Pair pair(&fixture());
  TransportIdentity older = Identity(1);
  older.version_max = env::kPeerProtocolVersion + 1;
  TransportIdentity newer = Identity(2);
  newer.version_min = env::kPeerProtocolVersion + 1;
  newer.version_max = env::kPeerProtocolVersion + 9;
  ASSERT_TRUE(pair.Start(0, older, NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, newer, NodeId(1)).ok());
  EXPECT_TRUE(pair.Deliver(0, "hello", Lane::kControl));
  EXPECT_TRUE(pair.Deliver(1, "hello", Lane::kControl));
}

TEST_P(TransportContract, AddressInUse_IsUnavailableAndNamed) {
  const std::string address = fixture().FreshAddress();
  Inbox inbox;
  ASSERT_TRUE(env(0).transport.Start(Identity(1), address, {}, &inbox).ok());
  const absl::Status status =
      env(1).transport.Start(Identity(2), address, {}, &inbox);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_NE(std::string(status.message()).find(address), std::string::npos)
      << status;
  env(0).transport.Stop();
}

TEST_P(TransportContract, MalformedAddress_IsInvalid) {
  Inbox inbox;
  const absl::Status status =
      env(0).transport.Start(Identity(1), "no port here", {}, &inbox);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
}

TEST_P(TransportContract, StoppedTransport_ReceivesNothingMore) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "before", Lane::kControl));
  env(1).transport.Stop();
  const size_t received = pair.inbox[1].messages.size();
  EXPECT_FALSE(pair.Deliver(0, "after", Lane::kControl));
  EXPECT_EQ(pair.inbox[1].messages.size(), received);
}

TEST_P(TransportContract, ReceiverMayStopInsideACall) {
  class Stopper : public env::Transport::Receiver {
   public:
    explicit Stopper(env::Transport* transport) : transport_(transport) {}
    void OnMessage(NodeId, StoreIncarnation, Buffer) override {
      ++messages;
      transport_->Stop();
    }
    int messages = 0;

   private:
    env::Transport* const transport_;
  };
  Stopper stopper(&env(1).transport);
  Inbox inbox;
  const std::string a = fixture().FreshAddress();
  const std::string b = fixture().FreshAddress();
  ASSERT_TRUE(
      env(0).transport.Start(Identity(1), a, {{NodeId(2), b}}, &inbox).ok());
  ASSERT_TRUE(
      env(1).transport.Start(Identity(2), b, {{NodeId(1), a}}, &stopper).ok());
  const Buffer piece = Buffer::Copy("stop");
  for (int i = 0; i < 50; ++i) {
    env(0).transport.Send(NodeId(2), Lane::kControl,
                          absl::MakeConstSpan(&piece, 1));
    env(0).transport.Send(NodeId(2), Lane::kControl,
                          absl::MakeConstSpan(&piece, 1));
    fixture().RunFor(Milliseconds(10));
  }
  EXPECT_EQ(stopper.messages, 1);
  env(0).transport.Stop();
}

TEST_P(TransportContract, FloodedLane_ReportsCongestionAndRecovers) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "warm-up", Lane::kBulk));
  ASSERT_TRUE(pair.Deliver(0, "warm-up 2", Lane::kControl));
  env::Transport& transport = env(0).transport;
  EXPECT_FALSE(transport.Congested(NodeId(2), Lane::kBulk));
  const Buffer piece = Buffer::Copy(std::string(256 << 10, 'b'));
  // All messages are sent in one turn, so no queue can drain. No queue takes
  // 256 MiB.
  bool congested = false;
  pair.inbox[0].has_room.clear();
  InTurn([&] {
    for (int i = 0; i < 1024 && !congested; ++i) {
      transport.Send(NodeId(2), Lane::kBulk, absl::MakeConstSpan(&piece, 1));
      congested = transport.Congested(NodeId(2), Lane::kBulk);
    }
    EXPECT_FALSE(transport.Congested(NodeId(2), Lane::kControl));
    EXPECT_TRUE(pair.inbox[0].has_room.empty());
  });
  EXPECT_TRUE(congested);
  EXPECT_TRUE(pair.Deliver(0, "a heartbeat", Lane::kControl));
  EXPECT_TRUE(
      RunUntil([&] { return !transport.Congested(NodeId(2), Lane::kBulk); }));
  EXPECT_EQ(pair.inbox[0].has_room,
            (std::vector<std::pair<NodeId, Lane>>{{NodeId(2), Lane::kBulk}}));
  EXPECT_TRUE(pair.Deliver(0, "after the flood", Lane::kBulk));
}

TEST_P(TransportContract, LinkThatIsOpen_HasTheAgreedVersionAndThePeersStore) {
  Pair pair(&fixture());
  EXPECT_EQ(env(0).transport.link(NodeId(2)), env::LinkState());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "ping", Lane::kControl));
  const env::LinkState open = {
      .open = true, .version = 1, .store = StoreIncarnation(1002)};
  EXPECT_EQ(env(0).transport.link(NodeId(2)), open);
  EXPECT_EQ(env(0).transport.link(NodeId(3)), env::LinkState());
}

TEST_P(TransportContract, LinkOfARefusedHandshake_HasTheReason) {
  using Refusal = env::HandshakeRefusal;
  Pair pair(&fixture());
  TransportIdentity other = Identity(2);
  other.bootstrap_checksum = 7;
  ASSERT_TRUE(pair.Start(0, Identity(1), NodeId(2)).ok());
  ASSERT_TRUE(pair.Start(1, other, NodeId(1)).ok());
  const env::LinkState refused = {.refusal = Refusal::kOtherBootstrap};
  for (int i = 0; i < 100 && env(0).transport.link(NodeId(2)) != refused; ++i) {
    EXPECT_FALSE(pair.Deliver(0, "ping", Lane::kControl, 1));
  }
  EXPECT_EQ(env(0).transport.link(NodeId(2)), refused);
}

TEST_P(TransportContract, SetPeers_NewPeers_ReachEachOther) {
  Inbox inbox[2];
  const std::string address[2] = {fixture().FreshAddress(),
                                  fixture().FreshAddress()};
  for (int i : {0, 1}) {
    ASSERT_TRUE(env(i)
                    .transport.Start(Identity(i + 1), address[i], {}, &inbox[i])
                    .ok());
  }
  const Buffer piece = Buffer::Copy("ping");
  const auto send = [&] {
    for (int i : {0, 1}) {
      env(i).transport.Send(NodeId(2 - i), Lane::kControl,
                            absl::MakeConstSpan(&piece, 1));
    }
    fixture().RunFor(Milliseconds(20));
  };
  for (int i = 0; i < 5; ++i) send();
  EXPECT_FALSE(inbox[0].Has("ping") || inbox[1].Has("ping"));
  for (int i : {0, 1}) {
    env(i).transport.SetPeers({{NodeId(2 - i), address[1 - i]}});
  }
  for (int i = 0; i < 100 && !(inbox[0].Has("ping") && inbox[1].Has("ping"));
       ++i) {
    send();
  }
  EXPECT_TRUE(inbox[0].Has("ping") && inbox[1].Has("ping"));
  for (int i : {0, 1}) env(i).transport.Stop();
}

TEST_P(TransportContract, SetPeers_RemovedPeer_IsNeitherHeardNorReached) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "before", Lane::kControl));
  ASSERT_TRUE(pair.Deliver(1, "before", Lane::kControl));
  const Buffer late = Buffer::Copy("under way");
  env(0).transport.Send(NodeId(2), Lane::kControl,
                        absl::MakeConstSpan(&late, 1));
  env(1).transport.SetPeers({});
  EXPECT_EQ(env(1).transport.link(NodeId(1)), env::LinkState());
  const auto refusal = [&] { return env(0).transport.link(NodeId(2)).refusal; };
  for (int i = 0; i < 100 && refusal() == env::HandshakeRefusal::kNone; ++i) {
    EXPECT_FALSE(pair.Deliver(0, "while it is away", Lane::kControl, 1));
  }
  EXPECT_EQ(refusal(), env::HandshakeRefusal::kUnknownNode);
  EXPECT_FALSE(pair.inbox[1].Has("under way"));
  EXPECT_FALSE(pair.Deliver(1, "while it is away", Lane::kControl, 10));
  env(1).transport.SetPeers({{NodeId(1), pair.address(0)}});
  EXPECT_TRUE(pair.Deliver(0, "after", Lane::kControl));
  EXPECT_TRUE(pair.Deliver(1, "after", Lane::kControl));
}

// The caller that waits for room must learn of it, by either call.
TEST_P(TransportContract, SetPeers_CongestedPeerReturns_LaneIsReported) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "before", Lane::kBulk));
  env::Transport& transport = env(0).transport;
  const Buffer piece = Buffer::Copy(std::string(256 << 10, 'b'));
  InTurn([&] {
    for (int i = 0; i < 1024 && !transport.Congested(NodeId(2), Lane::kBulk);
         ++i) {
      transport.Send(NodeId(2), Lane::kBulk, absl::MakeConstSpan(&piece, 1));
    }
    EXPECT_TRUE(transport.Congested(NodeId(2), Lane::kBulk));
    transport.SetPeers({});
  });
  fixture().RunFor(Milliseconds(300));
  pair.inbox[0].has_room.clear();
  pair.inbox[0].opened.clear();
  InTurn([&] { transport.SetPeers({{NodeId(2), pair.address(1)}}); });
  const std::pair<NodeId, Lane> lane = {NodeId(2), Lane::kBulk};
  EXPECT_TRUE(RunUntil([&] {
    const Inbox& inbox = pair.inbox[0];
    return std::count(inbox.has_room.begin(), inbox.has_room.end(), lane) +
               std::count(inbox.opened.begin(), inbox.opened.end(), lane) >
           0;
  }));
  EXPECT_TRUE(pair.Deliver(0, "after", Lane::kBulk));
}

TEST_P(TransportContract, SetPeers_OtherAddress_IsDialled) {
  Pair pair(&fixture());
  pair.StartBoth();
  ASSERT_TRUE(pair.Deliver(0, "before", Lane::kControl));
  Inbox moved;
  const std::string address = fixture().FreshAddress();
  ASSERT_TRUE(
      env(2)
          .transport
          .Start(Identity(2), address, {{NodeId(1), pair.address(0)}}, &moved)
          .ok());
  env(0).transport.SetPeers({{NodeId(2), address}});
  const std::string bytes = "to the new address";
  for (int i = 0; i < 100 && !moved.Has(bytes); ++i) {
    EXPECT_FALSE(pair.Deliver(0, bytes, Lane::kControl, 1));
  }
  EXPECT_TRUE(moved.Has(bytes));
  env(2).transport.Stop();
}

}  // namespace quorate::contract
