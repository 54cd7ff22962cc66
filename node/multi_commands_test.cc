// Every command inside MULTI. Each request has one reply, and EXEC has as many
// as it announces. A command acts on the rest of the EXEC and on later requests
// as it does without MULTI.
//
// The requests come from the command table. A new command needs at least one
// request in node/testing/every_request.cc that is accepted.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/commands/command_table.h"
#include "node/commands/translate.h"
#include "node/testing/every_request.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {
namespace {

bool IsError(std::string_view reply) { return reply.starts_with('-'); }

// The complete replies at the front of `bytes`, which they are removed from.
std::vector<std::string> TakeReplies(std::string_view* bytes) {
  std::vector<std::string> replies;
  while (const size_t size = ReplySize(*bytes)) {
    replies.emplace_back(bytes->substr(0, size));
    bytes->remove_prefix(size);
  }
  return replies;
}

// The replies inside the reply of an EXEC.
std::vector<std::string> Elements(std::string_view exec) {
  exec.remove_prefix(std::min(exec.size(), exec.find("\r\n") + 2));
  return TakeReplies(&exec);
}

// Ids, times and lengths differ between connections.
std::string WithoutNumbers(std::string_view text) {
  std::string without;
  for (const char c : text) {
    const bool digit = c >= '0' && c <= '9';
    if (!digit) without.push_back(c);
    if (digit && !without.ends_with('#')) without.push_back('#');
  }
  return without;
}

// The parts of a CLIENT INFO that requests of the connection itself can change.
std::string StateOf(std::string_view client_info) {
  std::string state;
  for (const std::string_view field :
       {" name=", " flags=", " db=", " resp=", " lib-name=", " lib-ver="}) {
    const size_t at = client_info.find(field);
    EXPECT_NE(at, std::string_view::npos) << client_info;
    state +=
        client_info.substr(at, client_info.find_first_of(" \r\n", at + 1) - at);
  }
  return state;
}

class MultiCommandsTest : public ::testing::Test {
 protected:
  struct Setting {
    size_t node = 0;
    bool plain = true;
    bool resp3 = false;
    bool with_key = false;  // The transaction also reads a key.
  };
  enum class Way {
    kAtOnce,        // All requests in one piece.
    kOneByOne,      // Each after the reply to the one before.
    kWithoutMulti,  // The request alone, and then those behind the EXEC.
  };
  // The replies to one request and to those around it.
  struct Outcome {
    bool closed = false;
    std::vector<std::string> replies;
    size_t at = 0;  // The place of the request.
    size_t requests = 0;

    const std::string& reply() const { return replies[at]; }
  };

  MultiCommandsTest() : cluster_({.nodes = 3}), requests_(EveryRequest()) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    // A request closes the connection with the id 1.
    for (size_t node = 0; node < 3; ++node) {
      spare_.push_back(cluster_.ConnectRespCluster(node));
    }
    cluster_.world().RunFor(Seconds(3));
  }

  // A key of the slot of the request's keys. No request sets it.
  static std::string AbsentKey(const RequestWords& request) {
    const CommandLookup lookup = LookUp(request);
    const size_t first =
        lookup.spec == nullptr ? 0 : FindKeys(*lookup.spec, request).first;
    const std::string_view key = first == 0 ? "foo" : request[first];
    return Concat(key.starts_with("{f}") ? "{f}" : Concat("{", key, "}"),
                  "none");
  }

  std::vector<std::string> Script(const RequestWords& request,
                                  const Setting& setting, Way way,
                                  size_t* at) const {
    const std::string get = EncodeRequest({"GET", AbsentKey(request)});
    std::vector<std::string> script;
    if (setting.resp3) script.push_back(EncodeRequest({"HELLO", "3"}));
    const bool multi = way != Way::kWithoutMulti;
    if (multi) script.push_back(EncodeRequest({"MULTI"}));
    if (multi && setting.with_key) script.push_back(get);
    *at = script.size();
    script.push_back(EncodeRequest(request));
    if (multi && setting.with_key) script.push_back(get);
    if (multi) script.push_back(EncodeRequest({"EXEC"}));
    script.push_back(get);
    script.push_back(EncodeRequest({"CLIENT", "INFO"}));
    return script;
  }

  // Sends each request on a connection of its own.
  std::vector<Outcome> Run(const Setting& setting, Way way) {
    sim::World& world = cluster_.world();
    std::vector<Outcome> outcomes(requests_.size());
    std::vector<std::unique_ptr<TestClient>> clients;
    std::vector<std::vector<std::string>> scripts;
    size_t longest = 0;
    for (size_t i = 0; i < requests_.size(); ++i) {
      clients.push_back(setting.plain
                            ? cluster_.ConnectResp(setting.node)
                            : cluster_.ConnectRespCluster(setting.node));
      scripts.push_back(Script(requests_[i], setting, way, &outcomes[i].at));
      outcomes[i].requests = scripts[i].size();
      longest = std::max(longest, scripts[i].size());
    }
    world.RunFor(Milliseconds(100));
    for (size_t step = 0; step < longest; ++step) {
      for (size_t i = 0; i < clients.size(); ++i) {
        if (step < scripts[i].size() && !clients[i]->closed()) {
          clients[i]->Send(scripts[i][step]);
        }
      }
      if (way == Way::kOneByOne) world.RunFor(Milliseconds(500));
    }
    world.RunFor(Seconds(5));
    for (size_t i = 0; i < clients.size(); ++i) {
      std::string_view bytes = clients[i]->received();
      outcomes[i].replies = TakeReplies(&bytes);
      outcomes[i].closed = clients[i]->closed();
      EXPECT_EQ(bytes, "") << LineOf(requests_[i]);
    }
    return outcomes;
  }

  // Every request has a reply, and EXEC those of its commands.
  static void ExpectComplete(const Outcome& outcome, bool is_quit) {
    EXPECT_EQ(outcome.closed, is_quit);
    if (outcome.closed) return;
    ASSERT_EQ(outcome.replies.size(), outcome.requests);
    if (outcome.reply() != "+QUEUED\r\n") return;
    const std::string& exec = outcome.replies[outcome.requests - 3];
    EXPECT_TRUE(exec.starts_with("*")) << exec;
    EXPECT_EQ(Concat("*", Elements(exec).size(), "\r\n"),
              exec.substr(0, exec.find('\n') + 1));
  }

  // The connection's state, as the replies behind the EXEC show it.
  static std::string StateAfter(const Outcome& outcome) {
    const size_t end = outcome.replies.size();
    return outcome.replies[end - 2] + StateOf(outcome.replies[end - 1]);
  }

  void ExpectOneWay(const RequestWords& request, const Setting& setting,
                    const Outcome& at_once, const Outcome& one_by_one,
                    const Outcome& without) {
    SCOPED_TRACE(Concat(LineOf(request), "on node ", setting.node,
                        setting.plain ? ", plain" : ", cluster",
                        setting.resp3 ? ", RESP3" : "",
                        setting.with_key ? ", with a key" : ""));
    const bool is_quit = EqualsIgnoreCase(request[0], "quit");
    ExpectComplete(at_once, is_quit);
    ExpectComplete(one_by_one, is_quit);
    if (HasFailure() || is_quit) return;
    EXPECT_EQ(WithoutNumbers(at_once.reply()),
              WithoutNumbers(one_by_one.reply()));
    EXPECT_EQ(StateAfter(at_once), StateAfter(one_by_one));
    if (at_once.reply() != "+QUEUED\r\n") return;
    ++queued_;
    ASSERT_EQ(without.replies.size(), without.requests);
    EXPECT_EQ(StateAfter(at_once), StateAfter(without));
    for (const Outcome* outcome : {&at_once, &one_by_one}) {
      const std::vector<std::string> elements =
          Elements(outcome->replies[outcome->requests - 3]);
      const std::string& result = elements[setting.with_key ? 1 : 0];
      // The results of commands on keys depend on other connections.
      if (!IsKeyCommand(*LookUp(request).spec)) {
        EXPECT_EQ(WithoutNumbers(result), WithoutNumbers(without.reply()));
      }
      // The rest of the EXEC is in the state in which the request left it.
      if (setting.with_key) {
        EXPECT_EQ(elements[2], outcome->replies[outcome->requests - 2]);
      }
    }
  }

  void ExpectOneWayOfAll(const Setting& setting) {
    const auto at_once = Run(setting, Way::kAtOnce);
    const auto one_by_one = Run(setting, Way::kOneByOne);
    const auto without = Run(setting, Way::kWithoutMulti);
    for (size_t i = 0; i < requests_.size(); ++i) {
      ExpectOneWay(requests_[i], setting, at_once[i], one_by_one[i],
                   without[i]);
      if (HasFailure()) return;
    }
  }

  size_t Leader() const { return cluster_.LeaderOf(GroupId(1)); }

  TestCluster cluster_;
  const std::vector<RequestWords> requests_;
  size_t queued_ = 0;

 private:
  std::vector<std::unique_ptr<TestClient>> spare_;
};

TEST_F(MultiCommandsTest, PlainAddress_OneByOneAndAtOnceDoTheSame) {
  for (const bool resp3 : {false, true}) {
    ExpectOneWayOfAll({.node = Leader(), .resp3 = resp3});
    ExpectOneWayOfAll({.node = Leader(), .resp3 = resp3, .with_key = true});
  }
  EXPECT_GT(queued_, AllCommands().size());
}

// EXEC is passed on to the leader's node.
TEST_F(MultiCommandsTest, Follower_OneByOneAndAtOnceDoTheSame) {
  for (const bool resp3 : {false, true}) {
    ExpectOneWayOfAll(
        {.node = (Leader() + 1) % 3, .resp3 = resp3, .with_key = true});
  }
  EXPECT_GT(queued_, AllCommands().size());
}

TEST_F(MultiCommandsTest, ClusterAddress_OneByOneAndAtOnceDoTheSame) {
  for (const bool with_key : {false, true}) {
    ExpectOneWayOfAll({.node = Leader(), .plain = false, .with_key = with_key});
  }
  EXPECT_GT(queued_, AllCommands().size());
}

// Otherwise the tests above show little about a command.
TEST_F(MultiCommandsTest, EveryRow_HasARequestThatIsAccepted) {
  std::set<std::string_view> accepted = {
      // Refused at all times, or without a transaction.
      "config|rewrite", "client|caching", "exec", "discard",
      // The id of a node, and a session, are known at run time only.
      "cluster|replicas", "cluster|slaves", "quorate.do",
      // Without a reply.
      "client|reply"};
  auto other = cluster_.ConnectRespCluster(Leader());
  for (const RequestWords& request : requests_) {
    const CommandRow* const row = LookUp(request).spec;
    if (row == nullptr || accepted.contains(row->name)) continue;
    for (const std::string_view key : {"foo", "1"}) {
      cluster_.Command(*other, {"DEL", key});
    }
    auto client = cluster_.ConnectRespCluster(Leader());
    const std::string reply = cluster_.Command(*client, request);
    if (!reply.empty() && !IsError(reply)) accepted.insert(row->name);
  }
  for (const CommandRow& row : AllCommands()) {
    // CLIENT, CONFIG and so on alone are no commands.
    if (HasSubcommands(row) && row.id != CommandId::kCommand) continue;
    EXPECT_TRUE(accepted.contains(row.name)) << row.name;
  }
}

class MultiTest : public ::testing::Test {
 protected:
  MultiTest() : cluster_({.nodes = 3}) {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    cluster_.world().RunFor(Seconds(3));
  }
  // The replies to the lines, sent at once by a client of its own.
  std::string Ask(const std::vector<std::string_view>& lines, size_t replies) {
    auto client = cluster_.ConnectResp(node_);
    return AskAs(*client, lines, replies);
  }
  std::string AskAs(TestClient& client,
                    const std::vector<std::string_view>& lines,
                    size_t replies) {
    std::string bytes;
    for (const std::string_view line : lines) Append(&bytes, line, "\r\n");
    std::string received = cluster_.Call(client, bytes, replies);
    cluster_.world().RunFor(Milliseconds(200));
    return received + client.Take();
  }
  size_t Leader() const { return cluster_.LeaderOf(GroupId(1)); }

  TestCluster cluster_;
  size_t node_ = 0;
};

constexpr std::string_view kNoReplyMode =
    "-ERR CLIENT REPLY OFF and SKIP are not allowed inside a transaction, nor "
    "is ON while replies are off\r\n";
constexpr std::string_view kAborted =
    "-EXECABORT Transaction discarded because of previous errors.\r\n";

TEST_F(MultiTest, ClientReply_ThatStopsReplies_IsRefusedWhenItIsQueued) {
  for (const std::string_view refused :
       {"CLIENT REPLY SKIP", "CLIENT REPLY OFF", "client reply skip"}) {
    EXPECT_EQ(Ask({"MULTI", "PING", refused, "GET k", "EXEC", "PING"}, 6),
              Concat("+OK\r\n+QUEUED\r\n", kNoReplyMode, "+QUEUED\r\n",
                     kAborted, "+PONG\r\n"));
  }
  EXPECT_EQ(
      Ask({"MULTI", "CLIENT REPLY ON", "CLIENT REPLY no", "EXEC", "PING"}, 5),
      "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-ERR syntax error\r\n"
      "+PONG\r\n");
}

// Redis sends the replies of EXEC from CLIENT REPLY ON on, without their
// number.
TEST_F(MultiTest, ClientReplyOn_WhileRepliesAreOff_IsRefusedWhenItIsQueued) {
  EXPECT_EQ(Ask({"CLIENT REPLY OFF", "MULTI", "SET k v", "CLIENT REPLY ON",
                 "GET k", "EXEC", "GET k", "CLIENT REPLY ON", "GET k"},
                2),
            "+OK\r\n$-1\r\n");
}

TEST_F(MultiTest, ClientReplySkip_BeforeMulti_LeavesOutItsReplyAlone) {
  EXPECT_EQ(Ask({"CLIENT REPLY SKIP", "MULTI", "GET k", "EXEC"}, 2),
            "+QUEUED\r\n*1\r\n$-1\r\n");
}

// The bytes of Redis 7.0.15, without the reply of HELLO.
TEST_F(MultiTest, Hello_ActsOnTheRestOfExecAndOnLaterRequests) {
  for (node_ = 0; node_ < 3; ++node_) {
    const std::string replies =
        Ask({"MULTI", "GET k", "HELLO 3 SETNAME me", "GET k", "CLIENT GETNAME",
             "EXEC", "GET k", "CLIENT GETNAME"},
            8);
    EXPECT_TRUE(
        replies.starts_with("+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n"
                            "+QUEUED\r\n*4\r\n$-1\r\n%7\r\n"))
        << replies;
    EXPECT_TRUE(replies.ends_with("*0\r\n_\r\n$2\r\nme\r\n_\r\n$2\r\nme\r\n"))
        << replies;
    EXPECT_TRUE(
        Ask({"HELLO 3", "MULTI", "HELLO 2", "GET k", "EXEC", "GET k"}, 6)
            .ends_with("*0\r\n$-1\r\n$-1\r\n"));
  }
}

TEST_F(MultiTest, EarlierValue_IsReadBeforeALaterRequestChangesIt) {
  for (node_ = 0; node_ < 3; ++node_) {
    EXPECT_EQ(Ask({"CLIENT SETNAME a", "MULTI", "CLIENT GETNAME", "GET k",
                   "EXEC", "CLIENT SETNAME b", "CLIENT GETNAME"},
                  7),
              "+OK\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n$1\r\na\r\n$-1\r\n"
              "+OK\r\n$1\r\nb\r\n");
  }
}

TEST_F(MultiTest, ExecThatIsAborted_LeavesTheConnectionAsItWas) {
  node_ = (Leader() + 1) % 3;
  auto client = cluster_.ConnectResp(node_);
  EXPECT_EQ(AskAs(*client, {"SET k 1", "WATCH k", "SET k 2"}, 3),
            "+OK\r\n+OK\r\n+OK\r\n");
  EXPECT_EQ(AskAs(*client,
                  {"MULTI", "HELLO 3 SETNAME a", "GET k", "EXEC", "GET none",
                   "CLIENT GETNAME"},
                  6),
            "+OK\r\n+QUEUED\r\n+QUEUED\r\n*-1\r\n$-1\r\n$-1\r\n");
}

TEST_F(MultiTest, ExecWithoutALeader_LeavesTheConnectionAsItWas) {
  node_ = (Leader() + 1) % 3;
  auto client = cluster_.ConnectResp(node_);
  cluster_.world().RunFor(Milliseconds(100));
  for (size_t node = 0; node < 3; ++node) {
    if (node != node_) cluster_.Crash(node);
  }
  cluster_.world().RunFor(Seconds(3));
  client->Send(
      "MULTI\r\nHELLO 3 SETNAME a\r\nGET k\r\nEXEC\r\nCLIENT GETNAME\r\n");
  cluster_.world().RunFor(Seconds(10));
  const std::string replies = client->Take();
  EXPECT_TRUE(replies.starts_with("+OK\r\n+QUEUED\r\n+QUEUED\r\n-CLUSTERDOWN "))
      << replies;
  EXPECT_TRUE(replies.ends_with("\r\n$-1\r\n")) << replies;
}

// READONLY inside MULTI acts on the requests behind EXEC, as in Redis.
TEST_F(MultiTest, Readonly_ActsOnLaterRequests) {
  const size_t follower = (Leader() + 1) % 3;
  auto client = cluster_.ConnectRespCluster(follower);
  EXPECT_TRUE(cluster_.Command(*client, {"GET", "k"}).starts_with("-MOVED "));
  EXPECT_EQ(AskAs(*client, {"MULTI", "READONLY", "EXEC", "GET k"}, 4),
            "+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$-1\r\n");
  EXPECT_TRUE(AskAs(*client, {"MULTI", "READWRITE", "EXEC", "GET k"}, 4)
                  .starts_with("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n-MOVED "));
}

constexpr std::string_view kOtherSlot =
    "-CROSSSLOT Keys of a transaction, watched keys included, must hash to the "
    "same slot\r\n";

TEST_F(MultiTest, KeyOfAnotherSlot_IsRefusedWhenItIsQueued) {
  for (const bool plain : {true, false}) {
    auto client = plain ? cluster_.ConnectResp(Leader())
                        : cluster_.ConnectRespCluster(Leader());
    EXPECT_EQ(AskAs(*client,
                    {"MULTI", "SET {a}1 v", "GET b", "PING", "EXEC", "GET b",
                     "GET {a}1"},
                    7),
              Concat("+OK\r\n+QUEUED\r\n", kOtherSlot, "+QUEUED\r\n", kAborted,
                     "$-1\r\n$-1\r\n"));
    EXPECT_EQ(AskAs(*client, {"MULTI", "MGET a b", "EXEC"}, 3),
              Concat("+OK\r\n-CROSSSLOT Keys in request don't hash to the same "
                     "slot\r\n",
                     kAborted));
    // The next transaction has a slot of its own.
    EXPECT_EQ(AskAs(*client, {"MULTI", "GET b", "EXEC"}, 3),
              "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
    EXPECT_EQ(AskAs(*client,
                    {"MULTI", "GET a", "DISCARD", "MULTI", "GET b", "EXEC"}, 6),
              "+OK\r\n+QUEUED\r\n+OK\r\n+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n");
  }
}

// A command that fails in EXEC has keys, too.
TEST_F(MultiTest, KeyOfAnotherSlot_BehindAnInvalidCommand_IsRefused) {
  EXPECT_EQ(Ask({"MULTI", "SET a v EX x", "GET b", "EXEC"}, 4),
            Concat("+OK\r\n+QUEUED\r\n", kOtherSlot, kAborted));
}

TEST_F(MultiTest, WatchedKeyOfAnotherSlot_IsRefusedBeforeExec) {
  // All at once: the WATCH is not answered when MULTI arrives.
  EXPECT_EQ(Ask({"WATCH a", "MULTI", "GET b", "EXEC"}, 4),
            Concat("+OK\r\n+OK\r\n", kOtherSlot, kAborted));
  EXPECT_EQ(Ask({"WATCH a", "WATCH b", "MULTI", "GET a", "EXEC"}, 5),
            Concat("+OK\r\n", kOtherSlot, "+OK\r\n+QUEUED\r\n*1\r\n$-1\r\n"));
  EXPECT_EQ(Ask({"WATCH a b", "UNWATCH", "WATCH a", "UNWATCH", "WATCH b"}, 5),
            Concat(kOtherSlot, "+OK\r\n+OK\r\n+OK\r\n+OK\r\n"));
}

TEST_F(MultiTest, Select_AcceptsTheOneDatabase) {
  constexpr std::string_view kInstead =
      ": this store has one database, 0. Give the keys of each application a "
      "prefix, or run another cluster\r\n";
  for (const bool plain : {true, false}) {
    const std::string error =
        Concat(plain ? "-ERR DB index is out of range"
                     : "-ERR SELECT is not allowed in cluster mode",
               kInstead);
    for (const size_t node : {Leader(), (Leader() + 1) % 3}) {
      auto client = plain ? cluster_.ConnectResp(node)
                          : cluster_.ConnectRespCluster(node);
      EXPECT_EQ(AskAs(*client,
                      {"SELECT 0", "SELECT 1", "SELECT -1", "SELECT x", "MULTI",
                       "SELECT 0", "SELECT 1", "EXEC", "PING"},
                      9),
                Concat("+OK\r\n", error, error,
                       "-ERR value is not an integer or out of range\r\n"
                       "+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n",
                       error, "+PONG\r\n"));
    }
  }
}

}  // namespace
}  // namespace quorate::node
