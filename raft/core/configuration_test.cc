#include "raft/core/configuration.h"

#include <string>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

// Two replicas are on each node, as while one takes the other's place.
Member MemberOf(uint32_t replica) {
  const uint32_t node = 100 + replica / 2;
  return {.replica = ReplicaId(replica),
          .node = NodeId(node),
          .store = StoreIncarnation(1000 + node),
          .priority = replica % 3,
          .note = Buffer::Copy(std::string(replica % 5, 'n'))};
}

// Every replica has one part, so that the configuration is valid.
Configuration DrawValid() {
  Configuration c;
  for (uint32_t replica = 1; replica < 12; ++replica) {
    const Member member = MemberOf(replica);
    switch (*rc::gen::inRange(0, 6)) {
      case 0:
        c.voters.push_back(member);
        break;
      case 1:
        c.outgoing_voters.push_back(member);
        break;
      case 2:
        c.voters.push_back(member);
        c.outgoing_voters.push_back(member);
        break;
      case 3:
        c.outgoing_voters.push_back(member);
        c.next_learners.push_back(member);
        break;
      case 4:
        c.learners.push_back(member);
        break;
      default:
        break;
    }
  }
  c.voters.push_back(MemberOf(12));
  c.lease_length = Milliseconds(*rc::gen::inRange(0, 1000));
  c.lease_drift_ppm = *rc::gen::inRange<uint32_t>(0, 2000);
  c.raft_level = Level(*rc::gen::inRange<uint64_t>(1, 5));
  c.level = Level(*rc::gen::inRange<uint64_t>(1, 5));
  c.generation = *rc::gen::arbitrary<uint64_t>();
  c.machine_kind = *rc::gen::arbitrary<uint32_t>();
  c.hash_key = *rc::gen::arbitrary<uint64_t>();
  c.parameters = Buffer::Copy(*rc::gen::string<std::string>());
  return c;
}

RC_GTEST_PROP(ConfigurationTest, EncodeThenDecode_ValidOne_GivesItBack, ()) {
  const Configuration c = DrawValid();
  RC_ASSERT(ValidateConfiguration(c).ok());
  const auto decoded = DecodeConfiguration(EncodeConfiguration(c).view());
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == c);
}

RC_GTEST_PROP(ConfigurationTest, Decode_DamagedBytes_RefusesOrIsCanonical, ()) {
  std::string bytes(EncodeConfiguration(DrawValid()).view());
  switch (*rc::gen::inRange(0, 3)) {
    case 0: {
      const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
      bytes[at] = static_cast<char>(bytes[at] ^ *rc::gen::inRange(1, 256));
      break;
    }
    case 1:
      bytes.resize(*rc::gen::inRange<size_t>(0, bytes.size()));
      break;
    default:
      bytes += *rc::gen::nonEmpty(rc::gen::string<std::string>());
  }
  const auto decoded = DecodeConfiguration(bytes);
  if (!decoded.ok()) return;
  RC_ASSERT(ValidateConfiguration(*decoded).ok());
  RC_ASSERT(EncodeConfiguration(*decoded).view() == bytes);
}

RC_GTEST_PROP(ConfigurationTest, Decode_ArbitraryBytes_RefusesOrIsCanonical,
              (const std::string& bytes)) {
  const auto decoded = DecodeConfiguration(bytes);
  if (!decoded.ok()) return;
  RC_ASSERT(EncodeConfiguration(*decoded).view() == bytes);
}

RC_GTEST_PROP(ConfigurationTest, IsVoterAndMember_AnyNode_AgreeWithTheLists,
              ()) {
  const Configuration c = DrawValid();
  for (uint32_t node = 0; node < 14; ++node) {
    bool voter = false;
    bool learner = false;
    for (const auto* list : {&c.voters, &c.outgoing_voters}) {
      for (const Member& member : *list) {
        if (member.replica == ReplicaId(node)) voter = true;
      }
    }
    for (const Member& member : c.learners) {
      if (member.replica == ReplicaId(node)) learner = true;
    }
    RC_ASSERT(IsVoter(c, ReplicaId(node)) == voter);
    RC_ASSERT(IsMember(c, ReplicaId(node)) == (voter || learner));
  }
  for (const ReplicaId id : VoterReplicas(c)) RC_ASSERT(IsVoter(c, id));
  for (const ReplicaId id : MemberReplicas(c)) RC_ASSERT(IsMember(c, id));
}

TEST(ConfigurationTest, Encode_Simple_HasTheBytesOfTheFormat) {
  Configuration c;
  c.voters = {{.replica = ReplicaId(3),
               .node = NodeId(1),
               .store = StoreIncarnation(0x0102),
               .priority = 4,
               .note = Buffer::Copy("xyz")}};
  c.lease_length = Nanoseconds(5);
  c.lease_drift_ppm = 11;
  c.raft_level = Level(9);
  c.level = Level(6);
  c.generation = 8;
  c.hash_key = 7;
  c.machine_kind = 10;
  c.parameters = Buffer::Copy("ab");
  const std::string expected(
      "\x01"
      "\x01\0\0\0"
      "\x03\0\0\0\0\0\0\0\x01\0\0\0\x02\x01\0\0\0\0\0\0"
      "\x04\0\0\0\x03\0\0\0xyz"
      "\0\0\0\0\0\0\0\0\0\0\0\0"
      "\x05\0\0\0\0\0\0\0\x0b\0\0\0"
      "\x09\0\0\0\0\0\0\0"
      "\x06\0\0\0\0\0\0\0"
      "\x08\0\0\0\0\0\0\0"
      "\x07\0\0\0\0\0\0\0"
      "\x0a\0\0\0"
      "\x02\0\0\0ab",
      1 + 4 + 20 + 8 + 3 + 12 + 12 + 8 + 8 + 8 + 8 + 4 + 4 + 2);
  EXPECT_EQ(EncodeConfiguration(c).view(), expected);
}

TEST(ConfigurationTest, KnowsLevels_EitherIsHigher_No) {
  Configuration c;
  c.level = Level(3);
  EXPECT_TRUE(KnowsLevels(c, Level(3)));
  EXPECT_FALSE(KnowsLevels(c, Level(2)));
  c.raft_level = Level(kRaftLevel.value() + 1);
  EXPECT_FALSE(KnowsLevels(c, Level(3)));
}

TEST(ConfigurationTest, Decode_NewerVersion_IsUnimplemented) {
  Configuration c;
  c.voters = {MemberOf(1)};
  std::string bytes(EncodeConfiguration(c).view());
  bytes[0] = kConfigurationVersion + 1;
  EXPECT_EQ(DecodeConfiguration(bytes).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST(ConfigurationTest, Validate_NoVoter_SaysWhatIsNeeded) {
  EXPECT_EQ(ValidateConfiguration(Configuration()).message(),
            "a configuration needs at least one voter, and this one has none");
}

// One kind of invalid configuration.
struct Wrong {
  const char* name;
  Configuration configuration;
};

class ValidateTest : public ::testing::TestWithParam<Wrong> {};

TEST_P(ValidateTest, Configuration_Wrong_IsRefused) {
  EXPECT_EQ(ValidateConfiguration(GetParam().configuration).code(),
            absl::StatusCode::kInvalidArgument);
}

Configuration Make(std::vector<Member> voters, std::vector<Member> outgoing,
                   std::vector<Member> learners, std::vector<Member> next) {
  Configuration c;
  c.voters = std::move(voters);
  c.outgoing_voters = std::move(outgoing);
  c.learners = std::move(learners);
  c.next_learners = std::move(next);
  return c;
}

std::vector<Member> Many(uint32_t count) {
  std::vector<Member> members;
  for (uint32_t node = 1; node <= count; ++node) {
    members.push_back(MemberOf(node));
  }
  return members;
}

Configuration LongParameters() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.parameters = Buffer::Copy(std::string(kParametersBytesMax + 1, 'p'));
  return c;
}

Configuration NegativeLease() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.lease_length = Nanoseconds(-1);
  return c;
}

Configuration FastClocks() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.lease_drift_ppm = kLeaseDriftPpmMax + 1;
  return c;
}

Configuration NoLevel() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.level = Level();
  return c;
}

Configuration NoRaftLevel() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.raft_level = Level();
  return c;
}

Configuration LongNote() {
  Configuration c = Make({MemberOf(1)}, {}, {}, {});
  c.voters[0].note = Buffer::Copy(std::string(kMemberNoteBytesMax + 1, 'n'));
  return c;
}

INSTANTIATE_TEST_SUITE_P(
    Wrongs, ValidateTest,
    ::testing::Values(
        Wrong{"NoVoter", Make({}, {}, {MemberOf(1)}, {})},
        Wrong{"NoLevel", NoLevel()}, Wrong{"NoRaftLevel", NoRaftLevel()},
        Wrong{"LongNote", LongNote()},
        Wrong{"NodeZero", Make({MemberOf(0)}, {}, {}, {})},
        Wrong{"Unsorted", Make({MemberOf(2), MemberOf(1)}, {}, {}, {})},
        Wrong{"Twice", Make({MemberOf(1), MemberOf(1)}, {}, {}, {})},
        Wrong{"VoterAndLearner", Make({MemberOf(1)}, {}, {MemberOf(1)}, {})},
        Wrong{"OutgoingAndLearner",
              Make({MemberOf(1)}, {MemberOf(2)}, {MemberOf(2)}, {})},
        Wrong{"NextLearnerNotOutgoing",
              Make({MemberOf(1)}, {}, {}, {MemberOf(2)})},
        Wrong{"NextLearnerStaysVoter",
              Make({MemberOf(1)}, {MemberOf(1)}, {}, {MemberOf(1)})},
        Wrong{"TwoStores",
              Make({MemberOf(1)},
                   {{ReplicaId(1), NodeId(1), StoreIncarnation(5)}}, {}, {})},
        Wrong{"TooMany", Make(Many(kConfigurationMembersMax + 1), {}, {}, {})},
        Wrong{"NegativeLease", NegativeLease()},
        Wrong{"FastClocks", FastClocks()},
        Wrong{"LongParameters", LongParameters()}),
    [](const ::testing::TestParamInfo<Wrong>& info) {
      return info.param.name;
    });

TEST(ConfigurationTest, Validate_AsManyAsAllowed_IsOk) {
  EXPECT_TRUE(
      ValidateConfiguration(Make(Many(kConfigurationMembersMax), {}, {}, {}))
          .ok());
}

}  // namespace
}  // namespace quorate::raft
