#include "raft/host/state_digests.h"

#include <vector>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

constexpr ReplicaId kSelf(1);
const std::vector<ReplicaId> kThree = {kSelf, ReplicaId(2), ReplicaId(3)};

class StateDigestsTest : public ::testing::Test {
 protected:
  StateDigestsTest() : digests_(4, Seconds(1)) { digests_.Keep(Index(8), 77); }
  bool Answer(uint64_t replica, uint64_t digest, uint64_t index = 8) {
    return digests_.Answer(ReplicaId(replica), {Index(index), digest});
  }

  StateDigests digests_;
  MonoTime now_{5'000'000'000};
};

TEST_F(StateDigestsTest, MultiplesOfTheInterval_AreKept) {
  EXPECT_TRUE(digests_.Wants(Index(12)));
  EXPECT_FALSE(digests_.Wants(Index(13)));
  EXPECT_EQ(digests_.At(Index(8)), 77u);
  EXPECT_EQ(digests_.At(Index(4)), 0u);
  for (uint64_t i = 3; i < 3 + StateDigests::kKeptMax; ++i) {
    digests_.Keep(Index(4 * i), i);
  }
  EXPECT_EQ(digests_.At(Index(8)), 0u);
  EXPECT_EQ(digests_.At(Index(12)), 3u);
  EXPECT_FALSE(StateDigests(0, Seconds(1)).Wants(Index(8)));
}

TEST_F(StateDigestsTest, NothingKept_IsNothingToAsk) {
  EXPECT_EQ(StateDigests(4, Seconds(1)).Question(now_).index, Index());
}

TEST_F(StateDigestsTest, Majority_IsToldAndNamesTheOddOne) {
  EXPECT_EQ(digests_.Question(now_), (StateDigest{Index(8), 0}));
  ASSERT_TRUE(Answer(2, 78));
  StateDigests::Verdict verdict = digests_.Compare(kSelf, kThree);
  EXPECT_EQ(verdict.agreed, 0u);
  EXPECT_TRUE(verdict.tie);
  ASSERT_TRUE(Answer(3, 77));
  verdict = digests_.Compare(kSelf, kThree);
  EXPECT_EQ(verdict.agreed, 77u);
  EXPECT_EQ(verdict.odd, std::vector<ReplicaId>{ReplicaId(2)});
  EXPECT_FALSE(verdict.tie);
  EXPECT_EQ(digests_.Question(now_), (StateDigest{Index(8), 77}));
}

TEST_F(StateDigestsTest, LeaderItself_MayBeTheOddOne) {
  digests_.Question(now_);
  ASSERT_TRUE(Answer(2, 78));
  ASSERT_TRUE(Answer(3, 78));
  const StateDigests::Verdict verdict = digests_.Compare(kSelf, kThree);
  EXPECT_EQ(verdict.agreed, 78u);
  EXPECT_EQ(verdict.odd, std::vector<ReplicaId>{kSelf});
}

// A majority is one of all members, not of those that answered.
TEST_F(StateDigestsTest, HalfOfAllMembers_IsNoMajority) {
  digests_.Question(now_);
  const std::vector<ReplicaId> four = {kSelf, ReplicaId(2), ReplicaId(3),
                                       ReplicaId(4)};
  ASSERT_TRUE(Answer(2, 77));
  StateDigests::Verdict verdict = digests_.Compare(kSelf, four);
  EXPECT_EQ(verdict.agreed, 0u);
  EXPECT_FALSE(verdict.tie);
  ASSERT_TRUE(Answer(3, 9));
  verdict = digests_.Compare(kSelf, four);
  EXPECT_TRUE(verdict.tie);
}

TEST_F(StateDigestsTest, OtherAnswers_ChangeNothing) {
  digests_.Question(now_);
  EXPECT_FALSE(Answer(2, 78, 12));
  EXPECT_FALSE(Answer(2, 0));
  ASSERT_TRUE(Answer(2, 77));
  EXPECT_FALSE(Answer(2, 78));
  EXPECT_FALSE(digests_.Compare(kSelf, kThree).tie);
}

TEST_F(StateDigestsTest, NextIndex_IsAskedWhenAllAnsweredOrTimeHasPassed) {
  digests_.Question(now_);
  digests_.Keep(Index(12), 1);
  EXPECT_EQ(digests_.Question(now_ + Milliseconds(999)).index, Index(8));
  EXPECT_EQ(digests_.Question(now_ + Seconds(1)).index, Index(12));
  digests_.Keep(Index(16), 1);
  for (const uint64_t replica : {2, 3}) ASSERT_TRUE(Answer(replica, 1, 12));
  digests_.Compare(kSelf, kThree);
  EXPECT_EQ(digests_.Question(now_ + Seconds(1)).index, Index(16));
}

}  // namespace
}  // namespace quorate::raft
