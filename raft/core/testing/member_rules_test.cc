#include "raft/core/testing/member_rules.h"

#include <string>

#include "gtest/gtest.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

// Replica 1 joins a group: it has no entry.
class MemberRules : public ReplicaTest {
 protected:
  std::string Check() const { return CheckMember(*core_, out_); }
};

TEST_F(MemberRules, ReplicaWithoutAnEntry_GrantsNoVote) {
  StartFrom({});
  ASSERT_TRUE(core_->joining());
  Receive(VoteRequest(2, 5, {Term(4), Index(9)}));
  EXPECT_EQ(Check(), "");
  EXPECT_EQ(core_->voted_for(), ReplicaId());
  for (const Message& message : FinishWrite()) EXPECT_TRUE(message.reject);
  EXPECT_EQ(Check(), "");
  Message pre_vote = VoteRequest(2, 6, {Term(4), Index(9)});
  pre_vote.type = MessageType::kPreVote;
  Receive(pre_vote);
  ASSERT_EQ(out_.messages.size(), 1u);
  EXPECT_TRUE(out_.messages[0].reject);
  EXPECT_EQ(Check(), "");
  for (int i = 0; i < 5; ++i) PassToDeadline();
  EXPECT_EQ(core_->role(), RoleKind::kFollower);
  EXPECT_EQ(Check(), "");
}

TEST_F(MemberRules, GrantOfAReplicaWithoutAnEntry_IsReported) {
  StartFrom({});
  out_.messages.push_back(From(1, MessageType::kVoteReply, 5));
  EXPECT_EQ(Check(), "joining: replica 1 has no entry, and votes or campaigns");
  out_.messages[0].reject = true;
  EXPECT_EQ(Check(), "");
}

// A learner votes: it may be a voter by an entry that it lacks.
TEST_F(MemberRules, LearnerWithEntries_Votes) {
  configuration_ = VotersUpTo(3);
  configuration_.learners = {configuration_.voters[0]};
  configuration_.voters.erase(configuration_.voters.begin());
  Start(Term(1));
  ASSERT_FALSE(core_->joining());
  Receive(VoteRequest(2, 5, {Term(4), Index(9)}));
  EXPECT_EQ(core_->voted_for(), ReplicaId(2));
  EXPECT_EQ(Check(), "");
}

TEST_F(MemberRules, VoterThatLeads_KeepsThem) {
  Start(Term(1));
  BecomeLeader();
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
  EXPECT_EQ(Check(), "");
}

}  // namespace
}  // namespace quorate::raft
