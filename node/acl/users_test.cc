#include "node/acl/users.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

using shardctrl::MapVersion;
using shardctrl::UserRecord;

UserRecord Record(std::string name, std::string rules, uint64_t version) {
  return {.name = std::move(name),
          .rules = std::move(rules),
          .version = MapVersion(version)};
}

class UsersTest : public ::testing::Test {
 protected:
  bool Take(const std::vector<UserRecord>& records, uint64_t version) {
    return users_.Take(records, MapVersion(version), &problem_);
  }

  Users users_{/*must_authenticate=*/false};
  std::string problem_;
};

TEST_F(UsersTest, NewNode_RefusesAllUntilItKnowsTheUsers) {
  EXPECT_FALSE(users_.known());
  EXPECT_EQ(users_.WithoutProof(), nullptr);
  EXPECT_EQ(users_.WithPassword("default", "x"), nullptr);
  EXPECT_TRUE(Take({}, 0));
  ASSERT_NE(users_.WithoutProof(), nullptr);
  EXPECT_EQ(users_.WithoutProof()->name(), "default");
  EXPECT_NE(users_.WithPassword("default", "x"), nullptr);
  EXPECT_EQ(users_.WithPassword("anna", "x"), nullptr);
}

TEST_F(UsersTest, OlderUsers_AreNotTaken) {
  EXPECT_TRUE(Take({Record("anna", "on", 7)}, 7));
  EXPECT_FALSE(Take({}, 6));
  EXPECT_FALSE(Take({}, 7));
  EXPECT_NE(users_.Find("anna"), nullptr);
  EXPECT_EQ(users_.version(), MapVersion(7));
}

TEST_F(UsersTest, User_StaysInForceUntilItIsChanged) {
  Take({Record("anna", "on", 5), Record("ben", "on", 6)}, 6);
  const UserRef anna = users_.Find("anna");
  const UserRef ben = users_.Find("ben");
  const UserRef first = users_.Find("default");
  Take({Record("anna", "on", 5), Record("ben", "off", 7)}, 7);
  EXPECT_TRUE(users_.InForce(anna));
  EXPECT_FALSE(users_.InForce(ben));
  EXPECT_TRUE(users_.InForce(first));
  Take({Record("default", "on nopass", 8)}, 8);
  EXPECT_FALSE(users_.InForce(anna));
  EXPECT_FALSE(users_.InForce(first));
  // As after a recovery of the controller.
  const UserRef changed = users_.Find("default");
  Take({}, 9);
  EXPECT_FALSE(users_.InForce(changed));
  EXPECT_TRUE(users_.Find("default")->open());
}

TEST_F(UsersTest, Default_WithAPassword_IsNoUserWithoutProof) {
  Take({Record("default", "on ~* +@all", 3)}, 3);
  EXPECT_EQ(users_.WithoutProof(), nullptr);
  Take({Record("default", "off nopass ~* +@all", 4)}, 4);
  EXPECT_EQ(users_.WithoutProof(), nullptr);
  Take({Record("default", "on nopass", 5)}, 5);
  EXPECT_NE(users_.WithoutProof(), nullptr);
}

TEST_F(UsersTest, Certificate_NamesOnlyUsersThatTakeOne) {
  Take({Record("anna", "on certificate", 3), Record("ben", "on nopass", 3),
        Record("carl", "off certificate", 3)},
       3);
  EXPECT_NE(users_.WithCertificate("anna"), nullptr);
  EXPECT_EQ(users_.WithPassword("anna", ""), nullptr);
  EXPECT_EQ(users_.WithCertificate("ben"), nullptr);
  EXPECT_EQ(users_.WithCertificate("carl"), nullptr);
  EXPECT_EQ(users_.WithCertificate(""), nullptr);
}

TEST_F(UsersTest, RulesThatThisProgramDoesNotKnow_TurnTheUserOff) {
  Take({Record("anna", "on nopass ~* +@all +future", 3)}, 3);
  EXPECT_FALSE(users_.Find("anna")->enabled());
  EXPECT_EQ(problem_,
            "user anna is off on this node: Error in ACL SETUSER modifier "
            "'+future': Unknown command or category name in ACL");
}

TEST(UsersOfClosedNodeTest, Default_ThatWasNeverSet_IsOff) {
  Users users(/*must_authenticate=*/true);
  std::string problem;
  users.Take({}, MapVersion(), &problem);
  EXPECT_EQ(users.WithoutProof(), nullptr);
  EXPECT_EQ(users.WithPassword("default", ""), nullptr);
  EXPECT_FALSE(users.has_operator());
  users.Take({Record("default", "on nopass role:operator +@all", 2)},
             MapVersion(2), &problem);
  EXPECT_EQ(users.WithoutProof(), nullptr);
  EXPECT_NE(users.WithPassword("default", ""), nullptr);
  EXPECT_TRUE(users.has_operator());
}

TEST(AclLogTest, LikeEntries_AreCountedTogether) {
  AclLog log;
  const MonoTime start(1'000'000'000);
  AclLog::Entry entry{.reason = AclLog::Reason::kKey,
                      .object = "k",
                      .user = "anna",
                      .at = start};
  log.Add(entry);
  entry.at = start + Seconds(59);
  log.Add(entry);
  ASSERT_EQ(log.entries().size(), 1u);
  EXPECT_EQ(log.entries()[0].count, 2u);
  entry.at = start + Seconds(120);
  log.Add(entry);
  entry.in_transaction = true;
  log.Add(entry);
  EXPECT_EQ(log.entries().size(), 3u);
  EXPECT_EQ(log.count(AclLog::Reason::kKey), 4u);
  EXPECT_EQ(log.count(AclLog::Reason::kAuth), 0u);
  for (size_t i = 0; i < 2 * AclLog::kEntriesMax; ++i) {
    entry.object = std::to_string(i) + std::string(1000, 'x');
    log.Add(entry);
  }
  EXPECT_EQ(log.entries().size(), AclLog::kEntriesMax);
  EXPECT_EQ(log.entries()[0].object.size(), AclLog::kObjectBytesMax);
  log.Clear();
  EXPECT_TRUE(log.entries().empty());
}

}  // namespace
}  // namespace quorate::node
