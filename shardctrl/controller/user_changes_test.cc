#include "shardctrl/controller/user_changes.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/testing/controller_fixture.h"

namespace quorate::shardctrl {
namespace {

using Outcome = ControllerAnswer::Outcome;
using SetUser = ControllerCommand::SetUser;
using DeleteUsers = ControllerCommand::DeleteUsers;

class UserChangesTest : public ::testing::Test {
 protected:
  ControllerAnswer Set(const std::string& name, const std::string& rules,
                       MapVersion known = {}) {
    return cluster_.Do(SetUser{name, rules, known});
  }
  const ClusterState& state() const { return cluster_.state; }

  ControlledCluster cluster_{3, 1};
};

TEST_F(UserChangesTest, FirstUser_IsKeptWithTheVersionOfItsChange) {
  const ControllerAnswer answer = Set("anna", "on");
  EXPECT_EQ(answer.outcome, Outcome::kDone);
  ASSERT_NE(state().FindUser("anna"), nullptr);
  EXPECT_EQ(*state().FindUser("anna"),
            (UserRecord{"anna", "on", answer.version}));
  EXPECT_EQ(state().users_version, answer.version);
  EXPECT_EQ(state().version, answer.version);
  EXPECT_EQ(state().history.back().text, "user set anna");
  EXPECT_EQ(*DecodeState(EncodeState(state())), state());
}

TEST_F(UserChangesTest, State_WithoutAChangeOfUsers_HasTheFirstVersion) {
  EXPECT_EQ(EncodeState(state())[0], 1);
  Set("anna", "on");
  EXPECT_EQ(EncodeState(state())[0], 2);
  cluster_.Do(DeleteUsers{{"anna"}});
  EXPECT_EQ(EncodeState(state())[0], 2);
  EXPECT_EQ(*DecodeState(EncodeState(state())), state());
}

TEST_F(UserChangesTest, Change_OfAnotherRecordThanTheAskerKnew_IsRefused) {
  const MapVersion first = Set("anna", "on").version;
  const MapVersion second = Set("anna", "off", first).version;
  for (const MapVersion old : {MapVersion(), first}) {
    const ControllerAnswer answer = Set("anna", "on nopass", old);
    EXPECT_EQ(answer.outcome, Outcome::kRefused);
    EXPECT_EQ(answer.text, kUserChanged);
  }
  EXPECT_EQ(Set("ben", "on", second).text, kUserChanged);
  EXPECT_EQ(state().users.size(), 1u);
  EXPECT_EQ(state().FindUser("anna")->rules, "off");
}

TEST_F(UserChangesTest, SameRules_ChangeNothing) {
  const MapVersion first = Set("anna", "on").version;
  EXPECT_EQ(Set("anna", "on").outcome, Outcome::kAlreadySo);
  EXPECT_EQ(state().version, first);
}

TEST_F(UserChangesTest, Removal_OfSomeNames_RemovesThoseThatExist) {
  Set("ben", "on");
  const MapVersion second = Set("anna", "on").version;
  EXPECT_EQ(state().users[0].name, "anna");
  const ControllerAnswer answer =
      cluster_.Do(DeleteUsers{{"anna", "nobody", "anna"}});
  EXPECT_EQ(answer.outcome, Outcome::kDone);
  EXPECT_EQ(answer.steps.size(), 1u);
  EXPECT_GT(state().users_version, second);
  ASSERT_EQ(state().users.size(), 1u);
  EXPECT_EQ(state().users[0].name, "ben");
  EXPECT_EQ(cluster_.Do(DeleteUsers{{"anna"}}).outcome, Outcome::kAlreadySo);
}

TEST_F(UserChangesTest, UsersBeyondTheLimits_AreRefused) {
  for (size_t i = 0; i < kUsersMax; ++i) {
    ASSERT_EQ(Set(absl::StrCat("u", i), "on").outcome, Outcome::kDone);
  }
  EXPECT_EQ(Set("one-more", "on").text, "a cluster has at most 1000 users");
  const MapVersion known = state().FindUser("u7")->version;
  EXPECT_EQ(Set("u7", "off", known).outcome, Outcome::kDone);
}

TEST_F(UserChangesTest, BytesBeyondTheLimits_AreRefused) {
  const std::string long_rules(kUserBytesMax - 4, 'r');
  size_t users = 0;
  while (Set(absl::StrCat(1000 + users), long_rules).outcome ==
         Outcome::kDone) {
    ++users;
  }
  EXPECT_EQ(users, kUsersBytesMax / kUserBytesMax);
  EXPECT_FALSE(
      DecodeCommand(EncodeCommand({{}, SetUser{"12345", long_rules, {}}}))
          .ok());
}

}  // namespace
}  // namespace quorate::shardctrl
