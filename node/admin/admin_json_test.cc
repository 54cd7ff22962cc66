#include "node/admin/admin_json.h"

#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "shardctrl/controller/testing/controller_fixture.h"

namespace quorate::node {
namespace {

const GroupId kFirst{1};

class GroupsJsonTest : public ::testing::Test {
 protected:
  GroupsJsonTest() : cluster_(3, 1) {
    cluster_.SettleAll();
    for (const uint32_t n : {1, 2, 3}) usage_[NodeId(n)] = {};
  }
  Json First() {
    const Json all = GroupsJson(cluster_.state, usage_);
    for (const Json& row : all["groups"]) {
      if (row["id"] == kFirst.value()) return row;
    }
    return {};
  }

  shardctrl::ControlledCluster cluster_;
  ClusterUsage usage_;
};

TEST_F(GroupsJsonTest, Leader_IsTheNodeThatSaysSo) {
  const NodeId reported = cluster_.state.FindGroup(kFirst)->reported->leader;
  usage_[reported].leads = {kFirst};
  EXPECT_EQ(First()["leader"], reported.value());
  EXPECT_EQ(First()["leader_answers"], true);
  EXPECT_EQ(First()["problem"], Json());
  const NodeId other(reported.value() % 3 + 1);
  usage_[reported].leads.clear();
  usage_[other].leads = {kFirst};
  EXPECT_EQ(First()["leader"], other.value());
  EXPECT_EQ(First()["problem"], Json());
}

TEST_F(GroupsJsonTest, NodeThatDoesNotAnswer_MayLead) {
  const NodeId reported = cluster_.state.FindGroup(kFirst)->reported->leader;
  usage_.erase(reported);
  EXPECT_EQ(First()["leader"], reported.value());
  EXPECT_EQ(First()["leader_answers"], false);
}

// A majority of the voters works, but cannot elect: see PlanRecovery.
TEST_F(GroupsJsonTest, GroupThatNoNodeLeads_SaysSo) {
  const Json row = First();
  EXPECT_EQ(row["leader"], Json());
  EXPECT_TRUE(absl::StrContains(std::string(row["problem"]), "has no leader"))
      << row.dump(1);
}

TEST(ParseBody, Objects_AreRead) {
  std::string why;
  EXPECT_EQ(ParseBody("", &why), Json::object());
  EXPECT_EQ(ParseBody(R"({"a":1,"b":{"a":2}})", &why)["b"]["a"], 2);
  EXPECT_EQ(ParseBody(R"({"a":{"x":1},"b":{"x":1}})", &why)["b"]["x"], 1);
  EXPECT_EQ(why, "");
}

TEST(ParseBody, MemberThatIsGivenTwice_IsNamed) {
  for (const char* const text :
       {R"({"a":1,"a":1})", R"({"a":1,"b":2,"a":{}})",
        R"({"b":[{"a":1,"a":2}]})", R"({"b":{"c":{},"a":1,"\u0061":2}})"}) {
    std::string why;
    EXPECT_FALSE(ParseBody(text, &why).is_object()) << text;
    EXPECT_EQ(why, "member 'a' is given twice") << text;
  }
}

TEST(ParseBody, OtherTexts_AreRefused) {
  for (const char* const text : {"[]", "1", "null", "{", R"({"a":1}})", "{a:1}",
                                 R"({"a":"\x80"})", " ", R"({"a":1,"a":})"}) {
    std::string why;
    EXPECT_FALSE(ParseBody(text, &why).is_object()) << text;
    EXPECT_EQ(why, "the body is no JSON object") << text;
  }
}

}  // namespace
}  // namespace quorate::node
