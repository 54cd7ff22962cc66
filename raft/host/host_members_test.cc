// Changes of members through a host, in the simulated world.
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "env/buffer.h"
#include "gtest/gtest.h"
#include "raft/core/core.h"
#include "raft/core/types.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"

namespace quorate::raft {
namespace {

using testing::kGroup;

class HostMembers : public ::testing::Test {
 protected:
  HostMembers() { EXPECT_TRUE(cluster_.WaitForLeader()); }

  Host& leader() { return cluster_.node(cluster_.leader())->host; }
  const Core& core() { return *leader().core(kGroup); }
  ProposeResult Change(const Configuration& target) {
    return Change(target, core().configuration_index(), &leader());
  }
  ProposeResult Change(const Configuration& target, Index base, Host* host) {
    std::optional<ProposeResult> result;
    host->ChangeConfiguration(
        kGroup, base, target,
        [&](const ProposeResult& answer) { result = answer; });
    EXPECT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
    return *result;
  }
  // Waits until the change is complete on the leader.
  bool Await(const Configuration& target) {
    return cluster_.world_.RunUntilTrue([&] {
      return cluster_.leader() != 0 && core().configuration() == target &&
             core().configuration_index() <= core().commit_index();
    });
  }
  // Waits until the leader knows that the member on a node may vote.
  bool AwaitCaughtUp(uint32_t n) {
    return cluster_.world_.RunUntilTrue([&] {
      for (const Core::FollowerStatus& follower : core().followers()) {
        if (follower.node == NodeId(n)) return follower.caught_up;
      }
      return false;
    });
  }
  // The present configuration, with the voter on a node as a learner.
  Configuration WithLearner(uint32_t n) {
    Configuration target = core().configuration();
    for (auto it = target.voters.begin(); it != target.voters.end(); ++it) {
      if (it->node != NodeId(n)) continue;
      target.learners.push_back(*it);
      target.voters.erase(it);
      break;
    }
    return target;
  }
  uint32_t follower() { return cluster_.leader() % 3 + 1; }

  testing::JournalCluster cluster_{5};
};

TEST_F(HostMembers, Voter_LearnsAndVotesAgain) {
  const Configuration all = core().configuration();
  const Configuration two = WithLearner(follower());
  EXPECT_EQ(Change(two).outcome, Outcome::kDone);
  ASSERT_TRUE(Await(two));
  ASSERT_EQ(cluster_.Propose("one").outcome, Outcome::kDone);
  EXPECT_EQ(Change(all).outcome, Outcome::kDone);
  ASSERT_TRUE(Await(all));
  EXPECT_TRUE(cluster_.WaitConverged(1));
}

TEST_F(HostMembers, MemberThatLeft_ComesBackAndCatchesUp) {
  const Configuration all = core().configuration();
  const uint32_t n = follower();
  Configuration without = WithLearner(n);
  const Configuration with = without;
  without.learners.clear();
  EXPECT_EQ(Change(without).outcome, Outcome::kDone);
  ASSERT_TRUE(Await(without));
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(cluster_.Propose("while it is out").outcome, Outcome::kDone);
  }
  EXPECT_EQ(cluster_.node(n)->journal()->lines().size(), 0u);
  EXPECT_EQ(Change(with).outcome, Outcome::kDone);
  ASSERT_TRUE(cluster_.WaitConverged(5));
  ASSERT_TRUE(AwaitCaughtUp(n));
  EXPECT_EQ(Change(all).outcome, Outcome::kDone);
  EXPECT_TRUE(Await(all));
}

TEST_F(HostMembers, LeaderThatLeaves_LetsAnotherLead) {
  const uint32_t before = cluster_.leader();
  const Configuration without = WithLearner(before);
  EXPECT_EQ(Change(without).outcome, Outcome::kDone);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() != 0 && cluster_.leader() != before; }));
  EXPECT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  EXPECT_EQ(core().configuration(), without);
}

TEST_F(HostMembers, RefusedChanges_SayWhy) {
  const Configuration all = core().configuration();
  const Index base = core().configuration_index();
  EXPECT_TRUE(absl::IsAlreadyExists(Change(all).status));
  EXPECT_TRUE(absl::IsInvalidArgument(Change(Configuration()).status));
  EXPECT_TRUE(absl::IsAborted(
      Change(WithLearner(follower()), base + 1, &leader()).status));
  EXPECT_TRUE(absl::IsUnavailable(
      Change(WithLearner(follower()), base, &cluster_.node(follower())->host)
          .status));
  EXPECT_TRUE(absl::IsNotFound([&] {
    std::optional<ProposeResult> result;
    leader().ChangeConfiguration(
        GroupId(77), base, all,
        [&](const ProposeResult& answer) { result = answer; });
    EXPECT_TRUE(
        cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
    return result->status;
  }()));
  Configuration newer = all;
  newer.level = Level(2);
  EXPECT_TRUE(absl::IsFailedPrecondition(Change(newer).status));
  Configuration without = WithLearner(follower());
  without.learners.clear();
  ASSERT_EQ(Change(without).outcome, Outcome::kDone);
  ASSERT_TRUE(Await(without));
  // No learner yet.
  EXPECT_TRUE(absl::IsFailedPrecondition(Change(all).status));
}

// The change is the second step of the turn, and the observer's is a third one.
TEST_F(HostMembers, ChangeBehindProposals_ComesAfterThem) {
  const Configuration target = WithLearner(follower());
  const Index base = core().configuration_index();
  Index proposed;
  Index changed;
  leader().Propose(
      kGroup, Buffer::Copy("first"),
      [&](const ProposeResult& result) { proposed = result.position.index; });
  leader().ChangeConfiguration(kGroup, base, target,
                               [&](const ProposeResult& result) {
                                 EXPECT_EQ(result.outcome, Outcome::kDone);
                                 changed = result.position.index;
                               });
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return changed != Index(); }));
  EXPECT_EQ(changed, proposed + 1);
}

TEST_F(HostMembers, ChangeByTheObserver_IsNoStepWithinAStep) {
  testing::JournalProgram& program = *cluster_.node(cluster_.leader());
  const Configuration target = WithLearner(follower());
  const Index base = core().configuration_index();
  std::optional<ProposeResult> result;
  bool again = true;
  program.observer.on_applied = [&] {
    if (!std::exchange(again, false)) return;
    program.host.ChangeConfiguration(
        kGroup, base, target,
        [&](const ProposeResult& answer) { result = answer; });
  };
  ASSERT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return result.has_value(); }));
  EXPECT_EQ(result->outcome, Outcome::kDone);
  EXPECT_EQ(program.observer.nested_steps, 0);
  EXPECT_TRUE(Await(target));
}

}  // namespace
}  // namespace quorate::raft
