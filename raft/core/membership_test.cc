// Changes of the configuration: when a leader refuses them, and which entries
// it appends.
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

using Reason = Refused::Reason;
using Replicas = std::vector<uint64_t>;

std::vector<Member> Members(const Replicas& replicas) {
  std::vector<Member> members;
  for (const uint64_t id : replicas) {
    members.push_back({ReplicaId(id), NodeId(static_cast<uint32_t>(id)),
                       StoreIncarnation(id)});
  }
  return members;
}

Configuration With(const Replicas& voters, const Replicas& learners = {}) {
  Configuration configuration;
  configuration.voters = Members(voters);
  configuration.learners = Members(learners);
  return configuration;
}

Configuration Joint(const Replicas& voters, const Replicas& outgoing,
                    const Replicas& learners = {},
                    const Replicas& next_learners = {}) {
  Configuration configuration = With(voters, learners);
  configuration.outgoing_voters = Members(outgoing);
  configuration.next_learners = Members(next_learners);
  return configuration;
}

// Replica 1 leads 1, 2 and 3, and has committed an entry of its term.
class MembershipTest : public ReplicaTest {
 protected:
  void Lead(const Configuration& configuration = With({1, 2, 3})) {
    configuration_ = configuration;
    Start(Term(1));
    BecomeServingLeader();
    base_ = core_->configuration_index();
  }

  // Returns the reason of a refusal.
  std::optional<Reason> Change(const Configuration& target) {
    const LogPosition before = core_->last();
    Step(ChangeConfiguration{77, core_->configuration_index(), target});
    return Answer(before);
  }
  std::optional<Reason> Answer(LogPosition before) {
    EXPECT_EQ(out_.proposed.size() + out_.refused.size(), 1u);
    if (!out_.refused.empty()) {
      EXPECT_EQ(out_.refused[0].tag, 77u);
      EXPECT_EQ(core_->last(), before);
      return out_.refused[0].reason;
    }
    EXPECT_EQ(out_.proposed.at(0).tag, 77u);
    EXPECT_EQ(out_.proposed[0].position.index, before.index + 1);
    EXPECT_EQ(core_->EntryAt(before.index + 1).kind, EntryKind::kConfiguration);
    return std::nullopt;
  }

  // Replica `id` has the whole log.
  void AckAll(uint32_t id) {
    Receive(Ack(id, core_->term().value(), core_->last().index.value()));
  }
  void AckThrough(uint32_t id, Index last) {
    Receive(Ack(id, core_->term().value(), last.value()));
  }
  // Whether the leader says that the replica may become a voter.
  bool CaughtUp(uint32_t id) const {
    for (const Core::FollowerStatus& follower : core_->followers()) {
      if (follower.replica == ReplicaId(id)) return follower.caught_up;
    }
    return false;
  }
  void Confirm(uint32_t id, uint64_t round) {
    Message reply =
        From(id, MessageType::kHeartbeatReply, core_->term().value());
    reply.read_round = ReadRound(round);
    Receive(reply);
  }
  void Announce(uint32_t id, uint64_t level) {
    Message reply =
        From(id, MessageType::kHeartbeatReply, core_->term().value());
    reply.known_level = Level(level);
    Receive(reply);
  }
  // The receivers of the appends of the last step.
  Replicas Appends() const {
    Replicas to;
    for (const Message& append : Of(out_.messages, MessageType::kAppend)) {
      to.push_back(append.to.value());
    }
    return to;
  }
  bool committed() const {
    return core_->commit_index() == core_->last().index;
  }

  Index base_;
};

TEST_F(MembershipTest, Follower_Refuses) {
  Start(Term(1));
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), Reason::kNotLeader);
}

TEST_F(MembershipTest, LeaderWithoutACommitOfItsTerm_Refuses) {
  Start(Term(1));
  BecomeLeader();
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), Reason::kNothingCommittedInTerm);
  AckAll(2);
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
}

TEST_F(MembershipTest, DuringATransfer_Refuses) {
  Lead();
  Step(TransferRequested{ReplicaId(3)});
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), Reason::kTransferInProgress);
}

TEST_F(MembershipTest, WhileAnEarlierChangeIsNotCommitted_Refuses) {
  Lead();
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
  EXPECT_EQ(Change(With({1, 2, 3}, {4, 5})), Reason::kChangeInProgress);
  FinishWrites();
  AckAll(2);
  EXPECT_EQ(Change(With({1, 2, 3}, {4, 5})), std::nullopt);
}

// The caller's target does not know of the learner.
TEST_F(MembershipTest, FromAnEarlierConfiguration_Refuses) {
  Lead();
  const Index base = core_->configuration_index();
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
  FinishWrites();
  AckAll(2);
  const LogPosition before = core_->last();
  Step(ChangeConfiguration{77, base, With({1, 2, 3}, {5})});
  EXPECT_EQ(Answer(before), Reason::kConfigurationIsNewer);
}

TEST_F(MembershipTest, PresentConfiguration_Refuses) {
  Lead();
  EXPECT_EQ(Change(With({1, 2, 3})), Reason::kConfigurationIsTheSame);
}

TEST_F(MembershipTest, InvalidTarget_Refuses) {
  configuration_.level = Level(2);
  context_.known_level = Level(2);
  Configuration present = With({1, 2, 3}, {4});
  present.level = Level(2);
  Lead(present);
  std::vector<Configuration> targets(14, present);
  targets[0].voters.clear();
  std::swap(targets[1].voters[0], targets[1].voters[1]);
  targets[2].learners.push_back(targets[2].voters[2]);
  targets[3].outgoing_voters = present.voters;
  targets[4] = Joint({1, 2}, {1, 2, 3}, {4}, {3});
  targets[4].level = Level(2);
  targets[5].level = Level(1);
  targets[6].hash_key = 5;
  targets[7].parameters = Buffer::Copy("other");
  targets[8].lease_length = Milliseconds(10);
  targets[9].learners[0].store = StoreIncarnation(99);
  targets[10].raft_level = Level(2);
  targets[11].generation = 1;
  targets[12].machine_kind = 1;
  targets[13].lease_drift_ppm = 1;
  for (size_t i = 0; i < targets.size(); ++i) {
    EXPECT_EQ(Change(targets[i]), Reason::kConfigurationIsInvalid) << i;
  }
}

TEST_F(MembershipTest, LevelThatAMemberHasNotAnnounced_Refuses) {
  context_.known_level = Level(3);
  Lead();
  Announce(2, 3);
  Configuration raised = With({1, 2, 3});
  raised.level = Level(2);
  EXPECT_EQ(Change(raised), Reason::kLevelIsNotKnown);
  // A member that comes with the change has announced nothing, either.
  raised.learners = Members({4});
  EXPECT_EQ(Change(raised), Reason::kLevelIsNotKnown);
  // Without replica 3 the leader raises the level by itself.
  EXPECT_EQ(Change(With({1, 2})), std::nullopt);
  FinishWrites();
  AckAll(2);
  FinishWrites();
  AckAll(2);
  EXPECT_EQ(core_->configuration().level, Level(3));
  EXPECT_EQ(core_->configuration().voters, Members({1, 2}));
}

// A learner that has answered nothing may not run yet.
TEST_F(MembershipTest, VoterThatHasNoEntry_Refuses) {
  Lead(With({1, 2, 3}, {4}));
  const Configuration target = With({1, 2, 3, 4});
  EXPECT_EQ(Change(target), Reason::kVoterHasNotCaughtUp);
  EXPECT_FALSE(CaughtUp(4));
  AckAll(4);
  EXPECT_TRUE(CaughtUp(4));
  EXPECT_EQ(Change(target), std::nullopt);
}

// It may lack the configuration that names it, and be no voter of its own.
TEST_F(MembershipTest, VoterThatLacksItsConfiguration_Refuses) {
  Lead(With({1, 2, 3}));
  AckAll(2);
  FinishWrites();
  AckAll(2);
  ASSERT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
  AckThrough(4, core_->configuration_index() - 1);
  FinishWrites();
  AckAll(2);
  const Configuration target = With({1, 2, 3, 4});
  EXPECT_EQ(Change(target), Reason::kVoterHasNotCaughtUp);
  AckAll(4);
  EXPECT_EQ(Change(target), std::nullopt);
}

TEST_F(MembershipTest, VoterThatIsNoLearner_Refuses) {
  Lead();
  EXPECT_EQ(Change(With({1, 2, 3, 4})), Reason::kVoterHasNotCaughtUp);
}

TEST_F(MembershipTest, VoterThatLacksEntries_Refuses) {
  options_.append_bytes_max = 500;
  Lead(With({1, 2, 3}, {4}));
  const Configuration target = With({1, 2, 3, 4});
  AckThrough(4, core_->last().index - 1);
  EXPECT_EQ(Change(target), std::nullopt);  // It lacks one small entry.
  for (const bool too_many : {true, false}) {
    last_append_ = AppendNumber();
    pending_.clear();
    Lead(With({1, 2, 3}, {4}));
    AckAll(3);
    AckAll(4);
    for (int i = 0; i < 3; ++i) {
      Step(Proposal{0, EntryKind::kCommands,
                    Buffer::Copy(std::string(too_many ? 200 : 20, 'x'))});
    }
    FinishWrites();
    AckAll(2);
    EXPECT_EQ(Change(target), too_many
                                  ? std::optional(Reason::kVoterHasNotCaughtUp)
                                  : std::nullopt);
  }
}

// The leader knows the sizes of entries in memory only.
TEST_F(MembershipTest, VoterThatLacksEntriesOfTheDisk_Refuses) {
  Lead(With({1, 2, 3}, {4}));
  AckAll(4);
  for (int i = 0; i < 3; ++i) {
    Step(Proposal{0, EntryKind::kCommands, Buffer::Copy("x")});
  }
  FinishWrites();
  AckAll(2);
  const Configuration target = With({1, 2, 3, 4});
  Step(Evict{0});
  ASSERT_EQ(core_->evicted(), core_->last().index);
  EXPECT_EQ(Change(target), Reason::kVoterHasNotCaughtUp);
  AckAll(4);
  EXPECT_EQ(Change(target), std::nullopt);
}

TEST_F(MembershipTest, VoterThatIsSilent_Refuses) {
  Lead(With({1, 2, 3}, {4}));
  AckAll(4);
  const Duration silence = options_.election_timeout_max;
  for (Duration passed; passed < silence; passed = passed + Milliseconds(50)) {
    Pass(Milliseconds(50));
    AckAll(2);
  }
  EXPECT_EQ(Change(With({1, 2, 3, 4})), Reason::kVoterHasNotCaughtUp);
  AckAll(4);
  EXPECT_EQ(Change(With({1, 2, 3, 4})), std::nullopt);
}

// Learners change no majority, so they need no joint consensus.
TEST_F(MembershipTest, Learner_ComesAndGoesWithOneEntryEach) {
  Lead();
  AckAll(3);
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
  EXPECT_EQ(core_->configuration(), With({1, 2, 3}, {4}));
  EXPECT_EQ(Appends(), (Replicas{2, 3, 4}));
  FinishWrites();
  AckAll(2);
  AckAll(3);
  EXPECT_TRUE(committed());
  EXPECT_EQ(Change(With({1, 2, 3})), std::nullopt);
  EXPECT_EQ(Appends(), (Replicas{2, 3}));
  EXPECT_EQ(core_->followers().size(), 2u);
  AckAll(4);  // Its reply is of no use any more.
  FinishWrites();
  AckAll(2);
  EXPECT_TRUE(committed());
  EXPECT_EQ(core_->configuration(), With({1, 2, 3}));
}

TEST_F(MembershipTest, MembersThatStay_KeepTheirProgress) {
  Lead();
  AckAll(3);
  const Index match = core_->last().index;
  EXPECT_EQ(Change(With({1, 2, 3}, {4})), std::nullopt);
  for (const Core::FollowerStatus& follower : core_->followers()) {
    EXPECT_EQ(follower.match,
              follower.replica == ReplicaId(4) ? Index() : match)
        << follower.replica;
  }
}

TEST_F(MembershipTest, Voters_ChangeThroughJointConsensus) {
  Lead(With({1, 2, 3}, {4, 5}));
  AckAll(4);
  AckAll(5);
  EXPECT_EQ(Change(With({1, 4, 5})), std::nullopt);
  EXPECT_EQ(core_->configuration(), Joint({1, 4, 5}, {1, 2, 3}));
  const Index joint = core_->last().index;
  FinishWrites();
  // Majorities of both halves must have it.
  AckAll(4);
  EXPECT_LT(core_->commit_index(), joint);
  EXPECT_EQ(Change(With({1, 4, 5}, {2})), Reason::kChangeInProgress);
  AckAll(2);
  EXPECT_EQ(core_->commit_index(), joint);
  EXPECT_EQ(core_->configuration(), With({1, 4, 5}));
  EXPECT_EQ(core_->last().index, joint + 1);
  EXPECT_EQ(Appends(), (Replicas{4, 5}));
  EXPECT_EQ(Change(With({1, 4, 5}, {2})), Reason::kChangeInProgress);
  // The old half counts no more.
  FinishWrites();
  EXPECT_FALSE(committed());
  AckAll(2);
  AckAll(3);
  EXPECT_FALSE(committed());
  AckAll(5);
  EXPECT_TRUE(committed());
  EXPECT_EQ(core_->role(), RoleKind::kLeader);
  EXPECT_EQ(Change(With({1, 4, 5}, {2})), std::nullopt);
}

TEST_F(MembershipTest, ReadRound_OfAJointConfiguration_NeedsBothHalves) {
  Lead(With({1, 2, 3}, {4, 5}));
  AckAll(4);
  AckAll(5);
  EXPECT_EQ(Change(With({1, 4, 5})), std::nullopt);
  FinishWrites();
  Step(ReadRequested{1});
  EXPECT_EQ(out_.heartbeats.size(), 4u);
  Confirm(4, 1);
  Confirm(5, 1);
  EXPECT_TRUE(out_.reads.empty());
  Confirm(2, 1);
  EXPECT_EQ(out_.reads.size(), 1u);
  Step(ReadRequested{2});
  Replicas asked;
  for (const Message& heartbeat : out_.heartbeats) {
    asked.push_back(heartbeat.to.value());
  }
  EXPECT_EQ(asked, (Replicas{2, 4, 5}));
}

TEST_F(MembershipTest, ReadRound_OfAVoterThatLeaves_Ends) {
  Lead(With({1, 2}));
  EXPECT_EQ(Change(With({1})), std::nullopt);
  FinishWrites();
  Step(ReadRequested{1});
  EXPECT_TRUE(out_.reads.empty());
  AckAll(2);
  EXPECT_EQ(core_->configuration(), With({1}));
  ASSERT_EQ(out_.reads.size(), 1u);
  EXPECT_TRUE(out_.reads[0].ok);
}

TEST_F(MembershipTest, VoterThatBecomesALearner_VotesUntilTheEnd) {
  Lead(With({1, 2, 3}, {4}));
  AckAll(4);
  EXPECT_EQ(Change(With({1, 4}, {2, 3})), std::nullopt);
  EXPECT_EQ(core_->configuration(), Joint({1, 4}, {1, 2, 3}, {}, {2, 3}));
  FinishWrites();
  AckAll(4);
  EXPECT_FALSE(committed());
  AckAll(3);
  EXPECT_EQ(core_->configuration(), With({1, 4}, {2, 3}));
  EXPECT_EQ(Appends(), (Replicas{2, 3, 4}));
}

// Thesis 4.2.2: it leads until the end of the change, and does not count.
TEST_F(MembershipTest, LeaderThatLeaves_StepsDownWhenItIsCommitted) {
  for (const bool as_learner : {false, true}) {
    last_append_ = AppendNumber();
    pending_.clear();
    Lead();
    AckAll(3);
    const Configuration target = as_learner ? With({2, 3}, {1}) : With({2, 3});
    EXPECT_EQ(Change(target), std::nullopt);
    FinishWrites();
    AckAll(2);
    EXPECT_FALSE(committed());
    AckAll(3);
    EXPECT_EQ(core_->configuration(), target);
    EXPECT_EQ(core_->role(), RoleKind::kLeader);
    FinishWrites();
    AckAll(3);
    EXPECT_EQ(core_->role(), RoleKind::kLeader);
    AckAll(2);
    EXPECT_TRUE(committed());
    EXPECT_EQ(core_->role(), RoleKind::kFollower);
    // The group waits for no election timeout.
    const auto requests = Of(out_.messages, MessageType::kTimeoutNow);
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_TRUE(IsVoter(target, requests[0].to));
    // It does not campaign.
    EXPECT_EQ(core_->deadline(), MonoTime::Max());
  }
}

// A change that its leader did not complete: the next leader does.
TEST_F(MembershipTest, NewLeader_EndsJointConsensus) {
  Start(Term(1));
  Entry joint = BootstrapEntry(Joint({1, 2}, {1, 2, 3}, {}, {3}));
  joint.index = Index(2);
  Receive(Append(2, 1, At(1, 1), {joint}, 2));
  FinishWrites();
  EXPECT_EQ(core_->commit_index(), Index(2));
  BecomeLeader();
  EXPECT_FALSE(core_->configuration().outgoing_voters.empty());
  AckAll(2);
  EXPECT_EQ(core_->configuration(), With({1, 2}, {3}));
}

TEST_F(MembershipTest, JointConsensus_EndsAfterATransfer) {
  Lead();
  EXPECT_EQ(Change(With({1, 2}, {3})), std::nullopt);
  Step(TransferRequested{ReplicaId(2)});
  FinishWrites();
  AckAll(2);
  EXPECT_TRUE(committed());
  EXPECT_FALSE(core_->configuration().outgoing_voters.empty());
  // The target does not take over.
  Pass(options_.election_timeout_max);
  AckAll(2);
  Step(TimerFired());
  EXPECT_EQ(core_->configuration(), With({1, 2}, {3}));
}

TEST_F(MembershipTest, OnlyVoter_TakesAndLosesMembers) {
  configuration_ = With({1});
  Start(Term(1));
  PassToDeadline();
  FinishWrites();
  ASSERT_TRUE(core_->CanServeReads());
  EXPECT_EQ(Change(With({1}, {2})), std::nullopt);
  EXPECT_EQ(Appends(), (Replicas{2}));
  EXPECT_LT(core_->deadline(), MonoTime::Max());
  FinishWrites();
  EXPECT_TRUE(committed());
  AckAll(2);
  EXPECT_EQ(Change(With({1, 2})), std::nullopt);
  FinishWrites();
  EXPECT_FALSE(committed());
  AckAll(2);
  FinishWrites();
  AckAll(2);
  EXPECT_TRUE(committed());
  EXPECT_EQ(core_->configuration(), With({1, 2}));
  EXPECT_EQ(Change(With({1})), std::nullopt);
  FinishWrites();
  AckAll(2);
  FinishWrites();
  EXPECT_TRUE(committed());
  EXPECT_EQ(core_->configuration(), With({1}));
  EXPECT_EQ(core_->deadline(), MonoTime::Max());
}

}  // namespace
}  // namespace quorate::raft
