// A wrong state is another one for the digest, and no key of it differs. The
// checker reports a wrong replica without a fence, and a fence of a right one.
#include "sim/cluster/wrong_state.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "env/ids.h"
#include "env/time.h"
#include "gtest/gtest.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {
namespace {

constexpr GroupId kWrongGroup(3);
constexpr NodeId kWrongNode(2);
constexpr Duration kBound = Seconds(5);

TEST(SpoilState, AStore_HasAnotherDigestThatIsTrueToItsState) {
  kv::Store store({.group = kWrongGroup,
                   .hash_key = 7,
                   .owned = {{Slot(5), Slot(99)}, {Slot(200), Slot(300)}}});
  const uint64_t before = store.Digest();
  ASSERT_TRUE(SpoilState(&store, kWrongGroup, 8));
  EXPECT_NE(store.Digest(), before);
  EXPECT_EQ(store.Digest(), store.RecomputeDigest());
  EXPECT_EQ(store.key_count(), 0u);
  EXPECT_TRUE(MendState(&store));
  EXPECT_EQ(store.Digest(), before);
  EXPECT_FALSE(MendState(&store));
}

TEST(SpoilState, AnySlot_IsOwnedAndNotSpoiltTwice) {
  kv::Store store(
      {.group = kWrongGroup, .hash_key = 7, .owned = {{Slot(5), Slot(7)}}});
  for (const uint64_t draw : {1, 0, 2}) {
    EXPECT_TRUE(SpoilState(&store, kWrongGroup, draw)) << draw;
  }
  for (uint64_t draw = 0; draw < 6; ++draw) {
    EXPECT_FALSE(SpoilState(&store, kWrongGroup, draw)) << draw;
  }
}

class WrongStatesTest : public ::testing::Test {
 protected:
  void Check(int64_t now_s, int64_t calm_since_s, bool connected = true) {
    states_.Check(SimTime() + Seconds(now_s), SimTime() + Seconds(calm_since_s),
                  kBound, [connected](NodeId, GroupId) { return connected; });
  }
  void Apply(uint64_t index, int64_t now_s) {
    states_.OnApplied(kWrongNode, kWrongGroup, raft::Index(index),
                      SimTime() + Seconds(now_s));
  }
  static absl::Status ForState() {
    return absl::DataLossError(
        "group 3: the state of this replica after entry 64 differs from that "
        "of a majority");
  }

  std::vector<std::string> found_;
  WrongStates states_{
      [this](std::string what) { found_.push_back(std::move(what)); }};
};

TEST_F(WrongStatesTest, WrongReplicaThatIsNotFenced_Found) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  Apply(16, 20);
  Check(24, 10);
  EXPECT_TRUE(found_.empty());
  Check(25, 10);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0].substr(0, 24), "digest: node 2 was not f");
}

TEST_F(WrongStatesTest, NoEntryAtWhichStatesAreCompared_IsExcused) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  Apply(15, 20);
  Check(40, 10);
  EXPECT_TRUE(found_.empty());
}

TEST_F(WrongStatesTest, FaultAfterTheEntry_IsExcusedUntilTheNextOne) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  Apply(16, 20);
  Check(40, 21);
  Apply(17, 41);
  Check(60, 21);
  EXPECT_TRUE(found_.empty());
  Apply(24, 60);
  Check(65, 21);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(WrongStatesTest, MembersThatDoNotHearEachOther_AreExcused) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  Apply(16, 20);
  Check(40, 10, false);
  EXPECT_TRUE(found_.empty());
}

TEST_F(WrongStatesTest, FencedReplica_MustNotWorkOnceItsDiskSaysSo) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  EXPECT_TRUE(states_.HasWrong(kWrongNode));
  Apply(16, 20);
  states_.OnDiffer(kWrongNode, kWrongGroup);
  states_.OnFenced(kWrongNode, kWrongGroup, ForState());
  Check(40, 10);
  EXPECT_FALSE(states_.HasWrong(kWrongNode));
  EXPECT_TRUE(states_.OnWorks(kWrongNode, kWrongGroup));
  EXPECT_TRUE(found_.empty());
  states_.OnFencedAtStart(kWrongNode, kWrongGroup);
  EXPECT_TRUE(states_.OnWorks(kWrongNode, kWrongGroup));
  EXPECT_EQ(found_.size(), 1u);
}

// The program ended before its disk had lost the replica.
TEST_F(WrongStatesTest, DroppedReplicaThatIsBack_IsWrongStill) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  states_.OnFenced(kWrongNode, kWrongGroup, ForState());
  states_.OnDropped(kWrongNode, kWrongGroup);
  EXPECT_TRUE(states_.OnStart(kWrongNode, kWrongGroup, ReplicaId(7)));
  EXPECT_TRUE(states_.OnWorks(kWrongNode, kWrongGroup));
  states_.OnDropped(kWrongNode, kWrongGroup);
  EXPECT_FALSE(states_.OnStart(kWrongNode, kWrongGroup, ReplicaId(8)));
  EXPECT_FALSE(states_.OnWorks(kWrongNode, kWrongGroup));
}

TEST_F(WrongStatesTest, FenceOrAlarmWithoutAWrongState_Found) {
  states_.OnFenced(kWrongNode, kWrongGroup,
                   absl::DataLossError("its log is damaged"));
  EXPECT_TRUE(found_.empty());
  states_.OnFenced(kWrongNode, kWrongGroup, ForState());
  EXPECT_EQ(found_.size(), 1u);
  states_.OnDiffer(kWrongNode, kWrongGroup);
  EXPECT_EQ(found_.size(), 2u);
}

TEST_F(WrongStatesTest, SnapshotOfTheLeader_MakesTheStateRight) {
  states_.Add(kWrongNode, kWrongGroup, ReplicaId(7), raft::Index(10), 8);
  states_.OnRestored(kWrongNode, kWrongGroup);
  Apply(16, 20);
  Check(40, 10);
  EXPECT_FALSE(states_.IsWrong(kWrongNode, kWrongGroup));
  // A digest from before may still be compared.
  states_.OnFenced(kWrongNode, kWrongGroup, ForState());
  EXPECT_TRUE(found_.empty());
}

}  // namespace
}  // namespace quorate::sim
