#include "raft/host/bounds/send_room.h"

#include <string>
#include <vector>

#include "env/quota.h"
#include "gtest/gtest.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using Groups = std::vector<GroupId>;

constexpr NodeId kPeer{2};

class SendRoomTest : public ::testing::Test {
 protected:
  bool MaySend(uint32_t group) {
    return room_.MaySend(GroupId(group), kPeer, env::Lane::kRequests);
  }

  sim::World world_{{.seed = 1}};
  env::Env& env_ = world_.env(world_.AddMachine());
  std::vector<NodeId> offered_;
  SendRoom room_{env_.transport, 100,
                 [this](NodeId to) { offered_.push_back(to); }};
};

TEST_F(SendRoomTest, FullWindow_ClosesForAllGroupsUntilHalfOfItIsFree) {
  Quota::Share first(room_.WindowOf(kPeer), 60);
  EXPECT_TRUE(MaySend(1));
  const Quota::Share second(room_.WindowOf(kPeer), 40);
  EXPECT_EQ(room_.in_flight_bytes(kPeer), 100u);
  EXPECT_FALSE(MaySend(2));
  EXPECT_FALSE(MaySend(1));
  EXPECT_FALSE(MaySend(2));
  first.Resize(11);
  EXPECT_FALSE(MaySend(3));
  EXPECT_TRUE(offered_.empty());
  first.Resize(10);
  EXPECT_EQ(offered_, std::vector<NodeId>{kPeer});
  EXPECT_EQ(room_.TakeWaiting(kPeer),
            (Groups{GroupId(2), GroupId(1), GroupId(3)}));
  EXPECT_TRUE(MaySend(2));
}

TEST_F(SendRoomTest, OtherPeers_HaveWindowsOfTheirOwn) {
  const Quota::Share share(room_.WindowOf(kPeer), 100);
  EXPECT_TRUE(room_.MaySend(GroupId(1), NodeId(3), env::Lane::kBulk));
}

TEST_F(SendRoomTest, NoGroupWaits_NothingIsOffered) {
  Quota::Share(room_.WindowOf(kPeer), 100).End();
  EXPECT_TRUE(offered_.empty());
  EXPECT_TRUE(MaySend(1));
}

// A node whose transport is congested in one lane.
class CongestedLane final : public env::Transport {
 public:
  absl::Status Start(const env::TransportIdentity&, const std::string&,
                     std::vector<env::PeerAddress>, Receiver*) override {
    return absl::OkStatus();
  }
  void Stop() override {}
  void SetPeers(std::vector<env::PeerAddress>) override {}
  void Send(NodeId, env::Lane, absl::Span<const Buffer>) override {}
  bool Congested(NodeId, env::Lane lane) const override {
    return lane == congested;
  }
  env::LinkState link(NodeId) const override { return {}; }

  env::Lane congested = env::Lane::kBulk;
};

TEST(SendRoomLanes, EntriesLeave_WhileChunksWait) {
  CongestedLane transport;
  std::vector<NodeId> offered;
  SendRoom room(transport, 100,
                [&offered](NodeId to) { offered.push_back(to); });
  EXPECT_FALSE(room.MaySend(GroupId(1), kPeer, env::Lane::kBulk));
  EXPECT_TRUE(room.MaySend(GroupId(1), kPeer, env::Lane::kRequests));
  EXPECT_EQ(room.TakeWaiting(kPeer), Groups{GroupId(1)});
  transport.congested = env::Lane::kRequests;
  EXPECT_TRUE(room.MaySend(GroupId(1), kPeer, env::Lane::kBulk));
  EXPECT_FALSE(room.MaySend(GroupId(1), kPeer, env::Lane::kRequests));
}

}  // namespace
}  // namespace quorate::raft
