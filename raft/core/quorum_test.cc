#include "raft/core/quorum.h"

#include <map>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

// Two replicas are on each node, as while one takes the other's place.
std::vector<Member> MembersOf(const std::set<uint32_t>& ids) {
  std::vector<Member> members;
  for (const uint32_t id : ids) {
    const uint32_t node = 100 + id / 2;
    members.push_back({ReplicaId(id), NodeId(node), StoreIncarnation(node)});
  }
  return members;
}

// A subset of the replicas 1 to 9, empty only if `least` is 0.
std::set<uint32_t> DrawReplicas(uint32_t least) {
  const auto mask = *rc::gen::inRange<uint32_t>(least, 512);
  std::set<uint32_t> ids;
  for (uint32_t id = 1; id < 10; ++id) {
    if ((mask >> (id - 1) & 1) != 0) ids.insert(id);
  }
  return ids;
}

// The outgoing half may be empty.
Configuration DrawConfiguration() {
  Configuration configuration;
  configuration.voters = MembersOf(DrawReplicas(1));
  configuration.outgoing_voters = MembersOf(DrawReplicas(0));
  return configuration;
}

// The definition: more than half of the voters are in `nodes`.
bool IsMajority(const std::vector<Member>& voters,
                const std::set<uint32_t>& nodes) {
  size_t in = 0;
  for (const Member& voter : voters) in += nodes.count(voter.replica.value());
  return 2 * in > voters.size();
}

bool IsQuorum(const Configuration& c, const std::set<uint32_t>& nodes) {
  return IsMajority(c.voters, nodes) &&
         (c.outgoing_voters.empty() || IsMajority(c.outgoing_voters, nodes));
}

RC_GTEST_PROP(QuorumTest, QuorumValue_AnyValues_IsTheLargestAQuorumReached,
              ()) {
  const Configuration c = DrawConfiguration();
  std::map<uint32_t, uint64_t> reached;
  for (uint32_t id = 1; id < 10; ++id) {
    reached[id] = *rc::gen::inRange<uint64_t>(0, 6);
  }
  const auto value = QuorumValue<uint64_t>(
      c, 99, [&](ReplicaId replica) { return reached.at(replica.value()); });
  uint64_t expected = 0;
  for (uint64_t candidate = 0; candidate < 6; ++candidate) {
    std::set<uint32_t> nodes;
    for (const auto& [id, at] : reached) {
      if (at >= candidate) nodes.insert(id);
    }
    if (IsQuorum(c, nodes)) expected = candidate;
  }
  RC_ASSERT(value == expected);
}

RC_GTEST_PROP(QuorumTest, Result_AnyVotes_IsWhatEveryOutcomeAgreesOn, ()) {
  const Configuration c = DrawConfiguration();
  Tally tally;
  std::set<uint32_t> granted;
  std::set<uint32_t> not_rejected;
  for (uint32_t id = 1; id < 10; ++id) {
    const int answer = *rc::gen::inRange(0, 3);
    if (answer != 0) tally.Record(ReplicaId(id), answer == 1);
    if (answer == 1) granted.insert(id);
    if (answer != 2) not_rejected.insert(id);
  }
  const VoteResult expected = IsQuorum(c, granted)        ? VoteResult::kWon
                              : IsQuorum(c, not_rejected) ? VoteResult::kPending
                                                          : VoteResult::kLost;
  RC_ASSERT(tally.Result(c) == expected);
}

RC_GTEST_PROP(QuorumTest, TwoQuorums_OfOneConfiguration_Intersect, ()) {
  const Configuration c = DrawConfiguration();
  const auto nodes =
      rc::gen::container<std::set<uint32_t>>(rc::gen::inRange<uint32_t>(1, 10));
  const std::set<uint32_t> a = *nodes;
  std::set<uint32_t> others;
  for (uint32_t id = 1; id < 10; ++id) {
    if (a.count(id) == 0) others.insert(id);
  }
  // If `a` is a quorum, its complement is not.
  Tally tally_a;
  Tally tally_others;
  for (uint32_t id : a) tally_a.Record(ReplicaId(id), true);
  for (uint32_t id : others) tally_others.Record(ReplicaId(id), true);
  RC_ASSERT(tally_a.Result(c) != VoteResult::kWon ||
            tally_others.Result(c) != VoteResult::kWon);
}

TEST(QuorumTest, MajoritySize_EvenAndOdd_IsMoreThanHalf) {
  EXPECT_EQ(MajoritySize(1), 1u);
  EXPECT_EQ(MajoritySize(2), 2u);
  EXPECT_EQ(MajoritySize(3), 2u);
  EXPECT_EQ(MajoritySize(4), 3u);
  EXPECT_EQ(MajoritySize(5), 3u);
}

TEST(QuorumTest, Record_SecondAnswer_DoesNotReplaceTheFirst) {
  Tally tally;
  tally.Record(ReplicaId(1), false);
  tally.Record(ReplicaId(1), true);
  EXPECT_EQ(tally.vote(ReplicaId(1)), Vote::kRejected);
}

// Replica 3 takes the place of replica 2 on the same node. The answer of one is
// not that of the other.
TEST(QuorumTest, TwoReplicasOfOneNode_AnswerEachForItself) {
  Configuration c;
  c.voters = MembersOf({1, 3, 5});
  c.outgoing_voters = MembersOf({1, 2, 5});
  ASSERT_EQ(c.voters[1].node, c.outgoing_voters[1].node);
  Tally tally;
  tally.Record(ReplicaId(1), true);
  tally.Record(ReplicaId(2), true);
  EXPECT_EQ(tally.Result(c), VoteResult::kPending);
  tally.Record(ReplicaId(3), true);
  EXPECT_EQ(tally.Result(c), VoteResult::kWon);
}

TEST(QuorumTest, NoVoters_NothingIsDecided) {
  const Configuration empty;
  EXPECT_EQ(Tally().Result(empty), VoteResult::kLost);
  EXPECT_EQ(QuorumValue<int>(empty, -1, [](ReplicaId) { return 5; }), -1);
}

}  // namespace
}  // namespace quorate::raft
