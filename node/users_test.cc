// Users of a cluster: they are the same on every node, and a change ends the
// connections of the user that it changes.
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNoAuthText = "-NOAUTH Authentication required.\r\n";
constexpr std::string_view kWrongPassText =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr std::string_view kNoKeyText =
    "-NOPERM this user has no permissions to access one of the keys used as "
    "arguments\r\n";

std::string NoCommandText(std::string_view name) {
  return Concat("-NOPERM this user has no permissions to run the '", name,
                "' command\r\n");
}

std::string Bulk(std::string_view text) {
  return Concat("$", text.size(), "\r\n", text, "\r\n");
}

class UsersTest : public ::testing::Test {
 protected:
  void Begin(uint32_t nodes) {
    cluster_ = std::make_unique<TestCluster>(
        TestCluster::Options{.nodes = nodes, .peer_streams = true});
    ASSERT_TRUE(cluster_->AwaitLeaders());
    operator_ = cluster_->ConnectResp(0);
  }
  std::string Operate(const std::vector<std::string_view>& words) {
    return cluster_->Command(*operator_, words);
  }
  std::string Do(TestClient& client,
                 const std::vector<std::string_view>& words) {
    return cluster_->Command(client, words);
  }
  std::unique_ptr<TestClient> ConnectAs(size_t node, std::string_view user,
                                        std::string_view password) {
    auto client = cluster_->ConnectResp(node);
    EXPECT_EQ(Do(*client, {"AUTH", user, password}), kOk);
    return client;
  }

  std::unique_ptr<TestCluster> cluster_;
  std::unique_ptr<TestClient> operator_;
};

TEST_F(UsersTest, NewUser_IsKnownOnEveryNodeOnceItIsAnswered) {
  Begin(3);
  EXPECT_EQ(Operate({"ACL", "WHOAMI"}), Bulk("default"));
  EXPECT_EQ(Operate({"ACL", "SETUSER", "anna", "on", ">secret", "~a*", "+@read",
                     "+set", "+acl|whoami"}),
            kOk);
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster_->ConnectResp(node);
    EXPECT_EQ(Do(*client, {"AUTH", "anna", "wrong"}), kWrongPassText);
    EXPECT_EQ(Do(*client, {"ACL", "WHOAMI"}), Bulk("default"));
    EXPECT_EQ(Do(*client, {"AUTH", "anna", "secret"}), kOk) << node;
    EXPECT_EQ(Do(*client, {"ACL", "WHOAMI"}), Bulk("anna"));
    EXPECT_EQ(Do(*client, {"SET", "a1", "v"}), kOk);
    EXPECT_EQ(Do(*client, {"GET", "a1"}), Bulk("v"));
    EXPECT_EQ(Do(*client, {"GET", "b"}), kNoKeyText);
    EXPECT_EQ(Do(*client, {"DEL", "a1"}), NoCommandText("del"));
    EXPECT_EQ(Do(*client, {"CLIENT", "ID"}), NoCommandText("client|id"));
    EXPECT_EQ(Do(*client, {"NOSUCH"}).substr(0, 20), "-ERR unknown command");
    EXPECT_FALSE(client->closed());
  }
}

TEST_F(UsersTest, ChangedUser_LosesItsConnectionsOnEveryNode) {
  Begin(3);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "anna", "on", ">x", "~*", "+@all"}),
            kOk);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "ben", "on", ">x", "~*", "+@all"}), kOk);
  std::vector<std::unique_ptr<TestClient>> annas, bens;
  for (size_t node = 0; node < 3; ++node) {
    annas.push_back(ConnectAs(node, "anna", "x"));
    bens.push_back(ConnectAs(node, "ben", "x"));
  }
  EXPECT_EQ(Operate({"ACL", "SETUSER", "anna", "-set"}), kOk);
  cluster_->world().RunFor(Milliseconds(10));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(annas[node]->closed()) << node;
    EXPECT_FALSE(bens[node]->closed()) << node;
    annas[node] = ConnectAs(node, "anna", "x");
    EXPECT_EQ(Do(*annas[node], {"SET", "a", "v"}), NoCommandText("set"));
  }
  EXPECT_EQ(Operate({"ACL", "DELUSER", "anna", "nobody"}), ":1\r\n");
  cluster_->world().RunFor(Milliseconds(10));
  for (size_t node = 0; node < 3; ++node) {
    EXPECT_TRUE(annas[node]->closed()) << node;
    auto client = cluster_->ConnectResp(node);
    EXPECT_EQ(Do(*client, {"AUTH", "anna", "x"}), kWrongPassText);
  }
}

TEST_F(UsersTest, DefaultWithAPassword_ClosesTheClusterToOthers) {
  Begin(3);
  auto before = cluster_->ConnectResp(1);
  EXPECT_EQ(Do(*before, {"SET", "k", "v"}), kOk);
  // The reply comes before the end of its own connection.
  EXPECT_EQ(Operate({"ACL", "SETUSER", "default", ">secret"}), kOk);
  cluster_->world().RunFor(Milliseconds(10));
  EXPECT_TRUE(before->closed());
  EXPECT_TRUE(operator_->closed());
  for (size_t node = 0; node < 3; ++node) {
    auto client = cluster_->ConnectResp(node);
    EXPECT_EQ(Do(*client, {"GET", "k"}), kNoAuthText);
    EXPECT_EQ(Do(*client, {"MULTI"}), kNoAuthText);
    EXPECT_EQ(Do(*client, {"HELLO", "3"}).substr(0, 13), "-NOAUTH HELLO");
    EXPECT_EQ(Do(*client, {"AUTH", "wrong"}), kWrongPassText);
    EXPECT_EQ(Do(*client, {"AUTH", "secret"}), kOk);
    EXPECT_EQ(Do(*client, {"GET", "k"}), Bulk("v"));
    EXPECT_EQ(Do(*client, {"RESET"}), "+RESET\r\n");
    EXPECT_EQ(Do(*client, {"GET", "k"}), kNoAuthText);
    EXPECT_EQ(
        Do(*client, {"HELLO", "2", "AUTH", "default", "secret"}).substr(0, 3),
        "*14");
    EXPECT_EQ(Do(*client, {"GET", "k"}), Bulk("v"));
  }
}

TEST_F(UsersTest, Transaction_ChecksItsCommandsWhenTheyAreQueued) {
  Begin(1);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "anna", "on", "nopass", "~a*", "+set",
                     "+get", "+multi", "+exec"}),
            kOk);
  auto anna = ConnectAs(0, "anna", "");
  EXPECT_EQ(Do(*anna, {"MULTI"}), kOk);
  EXPECT_EQ(Do(*anna, {"SET", "a", "1"}), "+QUEUED\r\n");
  EXPECT_EQ(Do(*anna, {"SET", "b", "1"}), kNoKeyText);
  EXPECT_EQ(Do(*anna, {"EXEC"}),
            "-EXECABORT Transaction discarded because of previous errors.\r\n");
  EXPECT_EQ(Do(*anna, {"GET", "a"}), "$-1\r\n");
  EXPECT_EQ(Do(*anna, {"DISCARD"}), NoCommandText("discard"));
}

TEST_F(UsersTest, Rules_ThatAreNotValid_AreRefusedWithTheWordsOfRedis) {
  Begin(1);
  EXPECT_EQ(Operate({"ACL", "SETUSER", "anna", "+nosuch"}),
            "-ERR Error in ACL SETUSER modifier '+nosuch': Unknown command or "
            "category name in ACL\r\n");
  EXPECT_EQ(Operate({"ACL", "SETUSER", "a b", "on"}),
            "-ERR Usernames can't contain spaces or null characters\r\n");
  EXPECT_EQ(Operate({"ACL", "DELUSER", "default"}),
            "-ERR The 'default' user cannot be removed\r\n");
  EXPECT_EQ(Operate({"ACL", "DELUSER", "nobody"}), ":0\r\n");
  EXPECT_EQ(Operate({"ACL", "USERS"}), "*1\r\n" + Bulk("default"));
  EXPECT_EQ(Operate({"ACL", "SETUSER", "anna"}), kOk);
  EXPECT_EQ(Operate({"ACL", "LIST"}),
            "*2\r\n" + Bulk("user anna off resetchannels -@all") +
                Bulk("user default on nopass role:operator ~* &* +@all"));
}

TEST_F(UsersTest, Log_NamesWhatWasRefused) {
  Begin(1);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "anna", "on", "nopass", "~a", "+get"}),
            kOk);
  auto anna = ConnectAs(0, "anna", "");
  Do(*anna, {"GET", "b"});
  Do(*anna, {"GET", "b"});
  Do(*anna, {"SET", "a", "1"});
  Do(*anna, {"AUTH", "carl", "x"});
  const std::string log = Operate({"ACL", "LOG"});
  for (const std::string_view part :
       {"$5\r\ncount\r\n:2\r\n$6\r\nreason\r\n$3\r\nkey\r\n",
        "$6\r\nobject\r\n$1\r\nb\r\n", "$6\r\nreason\r\n$7\r\ncommand\r\n",
        "$6\r\nobject\r\n$3\r\nset\r\n", "$6\r\nreason\r\n$4\r\nauth\r\n",
        "$8\r\nusername\r\n$4\r\ncarl\r\n", "user=anna"}) {
    EXPECT_NE(log.find(part), log.npos) << part << "\n" << log;
  }
  EXPECT_EQ(Operate({"ACL", "LOG", "RESET"}), kOk);
  EXPECT_EQ(Operate({"ACL", "LOG"}), "*0\r\n");
}

TEST_F(UsersTest, NodeThatIsCutOff_StartsWithTheUsersThatItKnew) {
  Begin(3);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "anna", "on", ">x", "~*", "+@all"}),
            kOk);
  ASSERT_EQ(Operate({"ACL", "SETUSER", "default", "off"}), kOk);
  cluster_->world().RunFor(Milliseconds(200));
  for (size_t node = 0; node < 3; ++node) cluster_->Crash(node);
  cluster_->Restart(2);
  cluster_->world().RunFor(Milliseconds(100));
  auto client = cluster_->ConnectResp(2);
  EXPECT_EQ(Do(*client, {"PING"}), kNoAuthText);
  EXPECT_EQ(Do(*client, {"AUTH", "anna", "x"}), kOk);
  EXPECT_EQ(Do(*client, {"PING"}), "+PONG\r\n");
}

}  // namespace
}  // namespace quorate::node
