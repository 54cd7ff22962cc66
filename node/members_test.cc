// Members of a cluster change while it serves: operators ask the admin address,
// the controller notes the wish, and the nodes make it true.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "gtest/gtest.h"
#include "kv/store/store.h"
#include "node/base/text.h"
#include "node/testing/operated_cluster.h"
#include "node/testing/test_cluster.h"
#include "raft/host/bootstrap_record.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/controller/token.h"

namespace quorate::node {
namespace {

using shardctrl::kControllerGroup;

class MembersTest : public OperatedCluster {};

TEST_F(MembersTest, NodeList_HasTheNodesOfTheFoundingWithTheirAddresses) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(Await("/v1/nodes", [](const Json& answer) {
    return answer["nodes"].size() == 3 &&
           answer["nodes"][2]["addresses"]["resp"] == "n3:7001" &&
           answer["nodes"][1]["replicas"] == 3;
  })) << last_.dump(1);
  for (size_t n = 0; n < 3; ++n) {
    EXPECT_EQ(last_["nodes"][n]["id"], n + 1);
    EXPECT_EQ(last_["nodes"][n]["state"], "up");
    EXPECT_EQ(last_["nodes"][n]["role"], "data");
    EXPECT_EQ(last_["nodes"][n]["problem"], Json());
  }
}

// Clients may choose a replica of their zone.
TEST_F(MembersTest, TableOfSlots_HasAllReplicasAndTheirZones) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_EQ(Ask(0, "PATCH", "/v1/nodes/2", "{\"zone\": \"west\"}").first, 200);
  cluster_->world().RunFor(Seconds(2));
  auto client = cluster_->ConnectRespCluster(0);
  const std::string slots = cluster_->Command(*client, {"QUORATE.SLOTS"});
  EXPECT_TRUE(slots.starts_with("*1\r\n*5\r\n")) << "three nodes: " << slots;
  EXPECT_TRUE(absl::StrContains(
      slots, "*2\r\n$17\r\navailability-zone\r\n$4\r\nwest\r\n"))
      << slots;
}

TEST_F(MembersTest, GroupList_HasLeadersAndVoters) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    if (answer["groups"].size() != 3) return false;
    for (const Json& group : answer["groups"]) {
      if (group["leader"].is_null()) return false;
    }
    return true;
  })) << last_.dump(1);
  EXPECT_EQ(last_["groups"][0]["voters"], Json({1, 2, 3}));
  EXPECT_EQ(last_["groups"][0]["slots"], "0-8191");
  EXPECT_EQ(last_["groups"][1]["id"], 2);
}

// Each group has three of the four nodes. The replicas of a drained node move
// to the fourth.
TEST_F(MembersTest, DrainedNode_HoldsNothingAndServesOn) {
  Begin({.nodes = 4, .groups = 4, .replicas = 3});
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  const auto [status, answer] = Ask(2, "POST", "/v1/nodes/2/drain");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_TRUE(Await("/v1/nodes/2", [](const Json& node) {
    return node["state"] == "drained" && node["replicas"] == 0;
  })) << last_.dump(1);
  cluster_->world().RunUntilTrue(
      [&] { return cluster_->server(1).host().groups().empty(); }, Seconds(5));
  EXPECT_TRUE(cluster_->server(1).host().groups().empty());
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "w"}), "+OK\r\n");
}

// All that a request asks for takes effect, or it is refused and nothing has
// changed.
TEST_F(MembersTest, ConditionsAndDoubledWords_AreRefused) {
  Begin({.nodes = 1, .groups = 1});
  const auto weight = [&] {
    return Ask(0, "GET", "/v1/groups/1").second["weight"];
  };
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json&) { return true; }));
  const Json before = weight();
  const auto change = [&](std::string_view query, std::string_view headers,
                          std::string_view body) {
    auto client = cluster_->ConnectAdmin(0);
    client->Send(Concat("PATCH /v1/groups/1", query,
                        " HTTP/1.1\r\nHost: localhost\r\n"
                        "Connection: close\r\nContent-Length: ",
                        body.size(), "\r\n", headers, "\r\n", body));
    cluster_->world().RunUntilTrue([&] { return client->closed(); },
                                   Seconds(10));
    return client->Take();
  };
  constexpr std::string_view kBody = "{\"weight\":201}";
  const std::tuple<std::string_view, std::string_view, std::string_view,
                   std::string_view>
      rows[] = {
          {"", "If-Match: \"1\"\r\n", kBody, "NOT_SUPPORTED"},
          {"", "If-Match: *\r\n", kBody, "NOT_SUPPORTED"},
          {"", "If-None-Match: *\r\n", kBody, "NOT_SUPPORTED"},
          {"", "If-Unmodified-Since: x\r\n", kBody, "NOT_SUPPORTED"},
          {"", "if-version: 3\r\n", kBody, "NOT_SUPPORTED"},
          {"", "Range: bytes=0-1\r\n", kBody, "NOT_SUPPORTED"},
          {"", "Idempotency-Key: a\r\nIdempotency-Key: b\r\n", kBody,
           "BAD_IDEMPOTENCY_KEY"},
          {"", "Idempotency-Key:\r\n", kBody, "BAD_IDEMPOTENCY_KEY"},
          {"", "Quorate-Operation: a\r\nQuorate-Operation: a\r\n", kBody,
           "one Quorate-Operation, of 1 to 255 bytes"},
          {"", "Quorate-Operation: a\r\nIdempotency-Key: a\r\n", kBody,
           "an operation has one name"},
          {"?dry_run&dry_run", "", kBody, "BAD_PARAMETER"},
          {"?dry_run=0", "", kBody, "BAD_PARAMETER"},
          {"?version=1", "", kBody, "BAD_PARAMETER"},
          {"", "", "{\"weight\":200,\"weight\":201}", "BAD_REQUEST"},
          {"", "", "{\"weight\":201,\"if_version\":1}", "BAD_REQUEST"},
      };
  for (const auto& [query, headers, body, code] : rows) {
    const std::string answer = change(query, headers, body);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
    EXPECT_TRUE(absl::StrContains(answer, std::string(code)))
        << query << headers << body << answer;
    EXPECT_EQ(weight(), before) << query << headers << body;
  }
  EXPECT_EQ(Ask(0, "GET", "/v1/groups/1?dry_run").first, 400);
  EXPECT_EQ(Ask(0, "GET", "/v1/groups/1", "", "key").first, 400);
  EXPECT_EQ(Ask(0, "GET", "/v1/groups/1", "body").first, 400);
  EXPECT_EQ(Ask(0, "POST", "/v1/groups/1/recover", "{}", "key").first, 400);
  const std::string coded = change("", "Content-Encoding: gzip\r\n", kBody);
  EXPECT_TRUE(coded.starts_with("HTTP/1.1 415 ")) << coded;
  const std::string expecting = change("", "Expect: x\r\n", kBody);
  EXPECT_TRUE(expecting.starts_with("HTTP/1.1 417 ")) << expecting;
  const std::string large = change("", "", std::string((64 << 10) + 1, ' '));
  EXPECT_TRUE(large.starts_with("HTTP/1.1 413 ")) << large;
  EXPECT_TRUE(absl::StrContains(large, "the body has more than 65536 bytes"))
      << large;
  EXPECT_EQ(weight(), before);
  EXPECT_TRUE(
      change("", "Idempotency-Key: a\r\n", kBody).starts_with("HTTP/1.1 200 "));
  EXPECT_EQ(weight(), 201);
}

TEST_F(MembersTest, NodeThatIsUp_IsReplacedOnlyOnDemand) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [status, refused] = Ask(0, "POST", "/v1/nodes/2/replace");
  EXPECT_EQ(status, 409);
  EXPECT_TRUE(absl::StrContains(refused["error"]["message"].get<std::string>(),
                                "node 2 is up"))
      << refused.dump(1);
  EXPECT_EQ(Ask(0, "POST", "/v1/nodes/2/replace?dry_run").first, 409);
  cluster_->Crash(1, sim::CrashKind::kMachine);
  ASSERT_TRUE(Await("/v1/nodes/2", [](const Json& node) {
    return node["state"] == "down";
  })) << last_.dump(1);
  EXPECT_EQ(Ask(0, "POST", "/v1/nodes/2/replace").first, 200);
  // It has no store now, so another token gives nothing up.
  EXPECT_EQ(Ask(0, "POST", "/v1/nodes/2/replace").first, 200);
}

// Nodes that have to ask the controller's leader refuse them, too.
TEST_F(MembersTest, ValuesThatAreNotAllowed_AreNamedByEachNode) {
  Begin({.nodes = 3, .groups = 1});
  for (size_t n = 0; n < 3; ++n) {
    const auto [status, answer] = Ask(n, "POST", "/v1/nodes", "{\"weight\":0}");
    EXPECT_EQ(status, 400) << answer.dump(1);
    EXPECT_TRUE(absl::StrContains(answer["error"]["message"].get<std::string>(),
                                  "the weight must be at least 1"));
    EXPECT_EQ(Ask(n, "PATCH", "/v1/groups/1", "{\"replicas\":10}").first, 400);
  }
}

TEST_F(MembersTest, RemovedNode_SaysSo) {
  Begin({.nodes = 4, .groups = 1, .replicas = 3});
  ASSERT_EQ(Ask(3, "POST", "/v1/nodes/4/remove").first, 200);
  ASSERT_TRUE(Await("/v1/nodes/4", [](const Json& node) {
    return node["state"] == "removed" && node["removed_ms"].is_number();
  })) << last_.dump(1);
  ASSERT_TRUE(
      RunUntil([&] { return Ask(3, "GET", "/v1/nodes").first == 410; }));
  EXPECT_EQ(Ask(3, "GET", "/v1/nodes").second["error"]["node"], 4);
  EXPECT_EQ(Ask(3, "POST", "/v1/nodes/4/drain").first, 410);
  auto client = cluster_->ConnectHttp(3);
  const std::string ready = cluster_->CallHttp(
      *client, "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(ready, " 503 ")) << ready;
  EXPECT_TRUE(absl::StrContains(ready, "the cluster has removed this node"));
}

// It is no router any more: the other nodes refuse it.
TEST_F(MembersTest, RemovedNode_SendsClientsToOtherNodes) {
  Begin({.nodes = 4, .groups = 1, .replicas = 3});
  auto plain = cluster_->ConnectResp(3);
  auto routed = cluster_->ConnectRespCluster(3);
  auto http = cluster_->ConnectHttp(3);
  ASSERT_EQ(cluster_->Command(*plain, {"SET", "k", "v"}), "+OK\r\n");
  ASSERT_EQ(Ask(3, "POST", "/v1/nodes/4/remove").first, 200);
  ASSERT_TRUE(
      RunUntil([&] { return Ask(3, "GET", "/v1/nodes").first == 410; }));
  const auto is_moved = [](const std::string& reply) {
    return reply == "-MOVED 7629 n1:7101\r\n" ||
           reply == "-MOVED 7629 n2:7101\r\n" ||
           reply == "-MOVED 7629 n3:7101\r\n";
  };
  for (int i = 0; i < 3; ++i) {
    for (const char* command : {"SET", "GETSET"}) {
      const std::string reply = cluster_->Command(*routed, {command, "k", "w"});
      EXPECT_TRUE(is_moved(reply)) << reply;
    }
    cluster_->world().RunFor(Seconds(2));
  }
  const std::string slots = cluster_->Command(*routed, {"CLUSTER", "SLOTS"});
  EXPECT_TRUE(absl::StrContains(slots, ":16383\r\n")) << slots;
  EXPECT_FALSE(routed->closed());
  const std::string refused = cluster_->Command(*plain, {"SET", "k", "w"});
  EXPECT_TRUE(absl::StrContains(refused, "connect to another node")) << refused;
  const std::string answer = cluster_->CallHttp(
      *http, "GET /v1/kv/k HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(answer, " 503 ")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "Connection: close\r\n")) << answer;
  EXPECT_TRUE(RunUntil([&] { return plain->closed() && http->closed(); }));
}

// A write that was sent to another node before has its answer, or is unknown.
TEST_F(MembersTest, StopSoonAfterARemoval_AnswersEachRequest) {
  for (const int64_t after_ms : {0, 50, 200, 1'000}) {
    SCOPED_TRACE(after_ms);
    Begin({.nodes = 4, .groups = 1, .replicas = 3});
    auto client = cluster_->ConnectResp(3);
    ASSERT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
    ASSERT_EQ(Ask(3, "POST", "/v1/nodes/4/remove").first, 200);
    ASSERT_TRUE(Await("/v1/nodes/4", [](const Json& node) {
      return node["state"] == "removed";
    })) << last_.dump(1);
    cluster_->world().RunFor(Milliseconds(after_ms));
    client->Send(EncodeRequest({"SET", "k", "w"}));
    cluster_->world().RunFor(Milliseconds(5));
    bool stopped = false;
    env::Pending stop =
        cluster_->world().env(cluster_->machine(3)).loop.Defer([&] {
          cluster_->server(3).Stop([&](absl::Status) { stopped = true; });
        });
    EXPECT_TRUE(
        cluster_->world().RunUntilTrue([&] { return stopped; }, Seconds(1)));
    EXPECT_NE(client->received(), "");
    EXPECT_TRUE(client->closed());
  }
}

// It knows from its directory who the others are, and dials them.
TEST_F(MembersTest, RemovedNodeThatReturns_SaysThatItWasRemoved) {
  Begin({.nodes = 4, .groups = 1, .replicas = 3});
  ASSERT_EQ(Ask(3, "POST", "/v1/nodes/4/remove").first, 200);
  ASSERT_TRUE(
      RunUntil([&] { return Ask(3, "GET", "/v1/nodes").first == 410; }));
  cluster_->Crash(3);
  cluster_->Restart(3);
  ASSERT_TRUE(
      RunUntil([&] { return Ask(3, "GET", "/v1/nodes").first == 410; }));
  auto client = cluster_->ConnectHttp(3);
  const std::string ready = cluster_->CallHttp(
      *client, "GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(ready, "the cluster has removed this node"));
  EXPECT_FALSE(absl::StrContains(ready, "node 1")) << ready;
  EXPECT_FALSE(absl::StrContains(ready, "address")) << ready;
}

// It answers, but does nothing else. Its replicas are wanted elsewhere after
// the time for nodes that are silent.
TEST_F(MembersTest, NodeWhoseDiskFailed_IsGivenUp) {
  Begin({.nodes = 4, .groups = 4, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "PUT", "/v1/repair", "{\"after_ms\":10000}").first, 200);
  cluster_->world().FailDiskOperation(cluster_->machine(2),
                                      sim::World::DiskOperation::kWrite, 1,
                                      /*persistent=*/true);
  auto client = cluster_->ConnectResp(0);
  (void)cluster_->Command(*client, {"SET", "k", "v"});  // The disk is used.
  ASSERT_TRUE(Await("/v1/nodes/3", [](const Json& node) {
    return node["state"] == "down";
  })) << last_.dump(1);
  EXPECT_TRUE(Await("/v1/nodes/3", [](const Json& node) {
    return node["replicas"] == 0;
  })) << last_.dump(1);
}

// The target ended just before, and the controller learns of it after the wish.
TEST_F(MembersTest, GroupWhoseTargetIsDown_IsMadeOnAnotherNode) {
  Begin({.nodes = 4, .groups = 1});
  const std::string_view body = "{\"replicas\": 3}";
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  const Json steps = Ask(0, "POST", "/v1/groups?dry_run", body).second["steps"];
  ASSERT_EQ(steps.size(), 3u) << steps.dump(1);
  const std::string last = steps[2];
  const std::string_view on = " on node ";
  const int target = std::stoi(last.substr(last.find(on) + on.size()));
  ASSERT_GT(target, 1) << last;
  cluster_->Crash(target - 1);
  ASSERT_EQ(Ask(0, "POST", "/v1/groups", body).first, 200);
  const Json planned = Ask(0, "GET", "/v1/groups/2").second["wanted"];
  EXPECT_EQ(std::ranges::count(planned, Json(target)), 1) << planned.dump();
  EXPECT_TRUE(Await("/v1/groups/2", [](const Json& group) {
    return !group["leader"].is_null();
  })) << last_.dump(1);
}

// Its log works. It would grow until the disk is full, and most so as a leader.
TEST_F(MembersTest, NodeWhoseDiskHasNoRoom_GivesItsLeadershipsAway) {
  Begin({.nodes = 3, .groups = 3, .adjust = [](Config& config) {
           config.host.snapshot_threshold_bytes = 4096;
         }});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto led = [&](size_t node) {
    size_t count = 0;
    for (const GroupId group : host(node).groups()) {
      count += cluster_->LeaderOf(group) == node ? 1 : 0;
    }
    return count;
  };
  ASSERT_TRUE(RunUntil([&] { return led(1) > 0; }));
  const sim::MachineId machine = cluster_->machine(1);
  uint64_t used = 0;
  for (const std::string& name : cluster_->world().DiskFiles(machine)) {
    used += cluster_->world().DiskFileSize(machine, name);
  }
  uint64_t& capacity = cluster_->world().disk_options(machine).capacity_bytes;
  const uint64_t before = capacity;
  capacity = used + (2 << 20);
  auto client = cluster_->ConnectResp(0);
  const auto write = [&] {
    for (int i = 0; i < 20; ++i) {
      const std::string key = Concat("k", i);
      EXPECT_EQ(
          cluster_->Command(*client, {"SET", key, std::string(1'000, 'v')}),
          "+OK\r\n");
    }
    cluster_->world().RunFor(Seconds(1));
  };
  for (int i = 0; i < 30 && led(1) > 0; ++i) write();
  EXPECT_EQ(led(1), 0u);
  // It takes none, though it is the preferred leader of a group.
  for (int i = 0; i < 20; ++i) {
    write();
    EXPECT_EQ(led(1), 0u);
  }
  EXPECT_TRUE(host(1).status().ok());
  const Json node = Ask(0, "GET", "/v1/nodes/2").second;
  EXPECT_LT(node["disk_free_bytes"], node["disk_size_bytes"]);
  EXPECT_TRUE(absl::StrContains(std::string(node["problem"]), "no room"));
  EXPECT_TRUE(absl::StrContains(cluster_->server(1).MetricsText(),
                                "\nquorate_disk_lacks_room 1\n"));
  auto http = cluster_->ConnectHttp(1);
  const std::string ready = cluster_->CallHttp(
      *http, "GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(absl::StrContains(ready, " 200 ")) << ready;
  EXPECT_TRUE(absl::StrContains(ready, "[ ]disk ")) << ready;
  capacity = before;
  EXPECT_TRUE(RunUntil([&] { return led(1) > 0; }));
  EXPECT_TRUE(Ask(0, "GET", "/v1/nodes/2").second["problem"].is_null());
}

// A sample that is there twice has not fallen meanwhile, if it is a counter.
class CountersTest : public MembersTest {
 protected:
  using Samples = std::map<std::string, double>;
  static Samples CountersOf(const std::string& text) {
    Samples samples;
    bool counts = false;
    for (const auto& piece : absl::StrSplit(text, '\n')) {
      const std::string line(piece);
      if (line.starts_with("# TYPE ")) {
        counts = line.ends_with(" counter") || line.ends_with(" histogram");
      } else if (counts && !line.empty() && line[0] != '#') {
        const size_t end = line.rfind(' ');
        samples[line.substr(0, end)] = std::stod(line.substr(end + 1));
      }
    }
    return samples;
  }
  // Clients of each node write keys that are gone soon, and read.
  void Load() {
    for (size_t node = 0; node < cluster_->size(); ++node) {
      auto client = cluster_->ConnectResp(node);
      for (int i = 0; i < 20; ++i) {
        const std::string key = Concat("k", node, ".", i);
        cluster_->Command(*client, {"SET", key, "v", "PX", "10"});
        cluster_->Command(*client, {"GET", key});
      }
      cluster_->Command(*client, {"QUORATE.CONSISTENCY", "BOUNDED", "10000"});
      for (int i = 0; i < 20; ++i) {
        cluster_->Command(*client, {"GET", Concat("k", node, ".", i)});
      }
    }
    cluster_->world().RunFor(Seconds(2));
  }
  void ExpectNoneFell() {
    for (size_t node = 0; node < cluster_->size(); ++node) {
      const Samples now = CountersOf(cluster_->server(node).MetricsText());
      for (const auto& [name, value] : now) {
        EXPECT_GE(value, last_samples_[node][name]) << name << " of " << node;
        last_samples_[node][name] = value;
      }
    }
  }

  std::map<size_t, Samples> last_samples_;
};

TEST_F(CountersTest, OfGroupsThatLeaveANodeOrEnd_DoNotFall) {
  Begin({.nodes = 4, .groups = 3, .replicas = 3});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  Load();
  ExpectNoneFell();
  ASSERT_EQ(Ask(0, "POST", "/v1/groups/3/retire").first, 200);
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    return answer["groups"].size() == 3;
  })) << last_.dump(1);
  Load();
  ExpectNoneFell();
  const auto drain = [&](int node) {
    const std::string row = Concat("/v1/nodes/", node);
    ASSERT_EQ(Ask(0, "POST", row + "/drain").first, 200);
    ASSERT_TRUE(Await(row, [](const Json& now) {
      return now["replicas"] == 0;
    })) << last_.dump(1);
    cluster_->world().RunFor(Seconds(3));
    Load();
    ExpectNoneFell();
  };
  ASSERT_NO_FATAL_FAILURE(drain(2));
  // Its replicas come back, and count on.
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/2/undrain").first, 200);
  ASSERT_NO_FATAL_FAILURE(drain(3));
  EXPECT_FALSE(host(1).groups().empty());
}

TEST_F(MembersTest, DrainWithoutAnotherNode_IsRefusedAndNamesTheGroup) {
  Begin({.nodes = 3, .groups = 2});
  const auto [status, answer] = Ask(0, "POST", "/v1/nodes/2/drain");
  EXPECT_EQ(status, 409);
  const std::string why = answer["error"]["message"];
  EXPECT_NE(why.find("would have 2 of 3 replicas"), why.npos) << why;
}

TEST_F(MembersTest, AddedNode_ServesEveryClientAndTakesReplicas) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [status, answer] =
      Ask(1, "POST", "/v1/nodes", "{\"zone\": \"b\", \"role\": \"router\"}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  EXPECT_EQ(answer["id"], 4);
  EXPECT_EQ(answer["seeds"].size(), 3u);
  const Config config = Joining(answer);
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  auto client = cluster_->ConnectResp(3);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  EXPECT_EQ(last_["nodes"][3]["zone"], "b");
  EXPECT_EQ(last_["nodes"][3]["replicas"], 0);
  // It knows the cluster again after a restart, whatever became of the seeds.
  Config later = config;
  later.join.reset();
  later.seeds.clear();
  ASSERT_EQ(cluster_->RestartWith(3, later), absl::OkStatus());
  client = cluster_->ConnectResp(3);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
}

// The client reads late, so its reads wait at a node without a replica, whose
// leader would evaluate them. Then the node gets one, which lacks the newest
// entries.
TEST_F(MembersTest, ReadThatWaitedForRoom_IsNotServedByAnOldReplica) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [status, added] = Ask(0, "POST", "/v1/nodes");
  ASSERT_EQ(status, 200) << added.dump(1);
  Config config = Joining(added);
  config.bounds.output_buffer_bytes = 64 << 10;
  config.limits.output_total_bytes = 128 << 10;
  config.host.turn_apply_work_max = 1;
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/4/drain").first, 200);
  const auto holds = [&](size_t node) {
    return host(node).core(GroupId(1)) != nullptr;
  };
  ASSERT_TRUE(RunUntil([&] { return holds(0) && !holds(3); }));
  auto writer = cluster_->ConnectResp(0);
  const std::string value(50'000, 'x');
  EXPECT_EQ(cluster_->Command(*writer, {"SET", "{k}fill", value}), "+OK\r\n");
  EXPECT_EQ(cluster_->Command(*writer, {"SET", "{k}", "old"}), "+OK\r\n");
  const raft::Index old = host(0).core(GroupId(1))->commit_index();
  // The new replica applies one entry in a turn.
  for (int i = 0; i < 2'000; ++i) {
    EXPECT_EQ(cluster_->Command(*writer, {"SET", "{k}other", "v"}), "+OK\r\n");
  }
  EXPECT_EQ(cluster_->Command(*writer, {"SET", "{k}", "new"}), "+OK\r\n");
  const raft::Index last = host(0).core(GroupId(1))->commit_index();
  // They all wait for the leader first, so they share a round.
  auto reader = cluster_->ConnectResp(3);
  reader->PauseReads();
  Cut(3, true);
  std::string requests;
  for (int i = 0; i < 5; ++i) requests += EncodeRequest({"GET", "{k}fill"});
  reader->Send(requests + EncodeRequest({"GET", "{k}"}));
  cluster_->world().RunFor(Milliseconds(100));
  Cut(3, false);
  cluster_->world().RunFor(Seconds(1));
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/4/undrain").first, 200);
  ASSERT_EQ(Ask(0, "PATCH", "/v1/groups/1", "{\"replicas\": 4}").first, 200);
  // Its log names it, and it applies entries long before the newest one.
  ASSERT_TRUE(RunUntil([&] {
    const raft::Core* const core = host(3).core(GroupId(1));
    return core != nullptr && core->applied_index() >= old &&
           !core->configuration().learners.empty();
  }));
  ASSERT_LT(host(3).core(GroupId(1))->applied_index(), last);
  Cut(3, true);
  reader->ResumeReads();
  cluster_->world().RunFor(Milliseconds(300));
  Cut(3, false);
  cluster_->world().RunFor(Seconds(5));
  const std::string& replies = reader->received();
  EXPECT_TRUE(replies.ends_with("x\r\n$3\r\nnew\r\n"))
      << replies.substr(replies.size() - std::min<size_t>(replies.size(), 90));
}

// The first answer may be lost.
TEST_F(MembersTest, NodeAddedTwiceWithOneKey_IsOneNodeWithOneToken) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto [first, added] = Ask(0, "POST", "/v1/nodes", "", "my-key");
  const auto [second, again] = Ask(1, "POST", "/v1/nodes", "", "my-key");
  ASSERT_EQ(first, 200) << added.dump(1);
  ASSERT_EQ(second, 200) << again.dump(1);
  EXPECT_EQ(added["id"], again["id"]);
  EXPECT_EQ(added["token"], again["token"]);
  const auto [third, other] = Ask(1, "POST", "/v1/nodes", "", "other-key");
  ASSERT_EQ(third, 200);
  EXPECT_NE(other["token"], again["token"]);
}

TEST_F(MembersTest, AddedDataNode_GetsTheReplicasOfADrainedOne) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  const auto [status, answer] = Ask(1, "POST", "/v1/nodes");
  ASSERT_EQ(status, 200) << answer.dump(1);
  ASSERT_EQ(cluster_->StartNew(Joining(answer)), absl::OkStatus());
  const auto [drains, drain] = Ask(2, "POST", "/v1/nodes/1/drain");
  ASSERT_EQ(drains, 200) << drain.dump(1);
  ASSERT_TRUE(Await("/v1/nodes", [](const Json& nodes) {
    return nodes["nodes"][0]["replicas"] == 0 &&
           nodes["nodes"][3]["replicas"] == 3;
  })) << last_.dump(1);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
}

// Each store is refused by the node that it asks first. It never comes back to
// the one that it asked second.
TEST_F(MembersTest, RefusedStores_LeaveRoomForOthers) {
  Begin({.nodes = 2, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(2)) << last_.dump(1);
  const Json old = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(old)), absl::OkStatus());
  for (int i = 0; i < 70; ++i) {
    Config config = Joining(old);
    config.join->seeds = {"n2:9001", "n1:9001"};
    const absl::Status refused = cluster_->StartNew(config);
    ASSERT_TRUE(absl::StrContains(refused.message(), "has another store"))
        << refused;
  }
  Config config = Joining(Ask(0, "POST", "/v1/nodes").second);
  config.join->seeds = {"n1:9001"};
  EXPECT_EQ(cluster_->StartNew(config), absl::OkStatus());
}

// The replicas of a replaced node wait for its process.
TEST_F(MembersTest, WishThatWaits_IsShownWithItsReason) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const auto page = [&](std::string_view path) {
    auto client = cluster_->ConnectHttp(0);
    return cluster_->CallHttp(
        *client, Concat("GET ", path, " HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  };
  EXPECT_EQ(page("/readyz?verbose").find("wanted"), std::string::npos);
  cluster_->Crash(1, sim::CrashKind::kMachine);
  ASSERT_EQ(
      Ask(0, "POST", "/v1/nodes/2/replace", "{\"even_if_up\":true}").first,
      200);
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return group["problem"] == "waits for node 2 to join";
  })) << last_.dump(1);
  const std::string ready = page("/readyz?verbose");
  EXPECT_NE(ready.find("[ ]group 1 is not as it is wanted: waits for node 2"),
            std::string::npos)
      << ready;
  EXPECT_NE(page("/metrics").find("quorate_wish_stuck{node=\"2\"} 1"),
            std::string::npos);
}

TEST_F(MembersTest, ReplacedNode_ComesBackOnAnEmptyDisk) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  cluster_->Crash(1, sim::CrashKind::kMachine);
  const auto [status, answer] =
      Ask(0, "POST", "/v1/nodes/2/replace", "{\"even_if_up\":true}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  EXPECT_EQ(answer["id"], 2);
  const Config config = Joining(answer);
  ASSERT_EQ(cluster_->StartNew(config), absl::OkStatus());
  ASSERT_TRUE(Await("/v1/groups", [](const Json& groups) {
    for (const Json& group : groups["groups"]) {
      if (group["voters"] != Json({1, 2, 3}) || !group["settled"]) return false;
    }
    return true;
  })) << last_.dump(1);
  EXPECT_NE(cluster_->server(3).store(GroupId(1)), nullptr);
  // The token has done its work, and the old disk is out of the cluster.
  Config twice = config;
  twice.listen.peer = "n5:9001";
  twice.nodes[0].peer = "n5:9001";
  const absl::Status again = cluster_->StartNew(twice);
  EXPECT_TRUE(absl::StrContains(again.message(), "has another store")) << again;
}

// The controller took the store, and its machine fell before it heard so. The
// node that it asks again does not know that another store has come since.
TEST_F(MembersTest, StoreThatWasReplaced_IsNotAdmittedByAnOldState) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  Config config = Joining(Ask(0, "POST", "/v1/nodes").second);
  config.join->seeds = {"n3:9001"};
  const size_t old = cluster_->BeginNew(config);
  ASSERT_TRUE(RunUntil([&] {
    const shardctrl::NodeRecord* const node = StateOn(2).FindNode(NodeId(4));
    return node != nullptr && node->store != StoreIncarnation();
  }));
  ASSERT_TRUE(absl::IsUnknown(cluster_->started(old)));
  cluster_->Crash(old, sim::CrashKind::kMachine);
  Cut(2, true);
  ASSERT_TRUE(RunUntil([&] { return AwaitController() < 2; }));
  const auto [status, answer] =
      Ask(0, "POST", "/v1/nodes/4/replace", "{\"even_if_up\":true}");
  ASSERT_EQ(status, 200) << answer.dump(1);
  Config other = Joining(answer);
  other.join->seeds = {"n1:9001", "n2:9001"};
  ASSERT_EQ(cluster_->StartNew(other), absl::OkStatus());
  Cut(2, true);
  // The two of them hear each other alone.
  for (const auto& [from, to] : {std::pair(2, 3), std::pair(3, 2)}) {
    cluster_->world().HealLink(cluster_->machine(from), cluster_->machine(to));
  }
  cluster_->world().RunFor(Seconds(3));
  cluster_->Restart(old);
  cluster_->world().RunFor(Seconds(5));
  EXPECT_TRUE(absl::IsUnknown(cluster_->started(old)))
      << cluster_->started(old);
  Cut(2, false);
  ASSERT_TRUE(
      RunUntil([&] { return !absl::IsUnknown(cluster_->started(old)); }));
  EXPECT_TRUE(
      absl::StrContains(cluster_->started(old).message(), "has another store"))
      << cluster_->started(old);
}

// A leader hears all others, and never itself.
TEST_F(MembersTest, SilentNodeThatComesToLead_AnswersAgain) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t silent = (leader + 1) % 3;
  Cut(silent, true);
  const NodeId node(static_cast<uint32_t>(silent + 1));
  const auto counts_as_silent = [&](size_t on) {
    return StateOn(on).FindNode(node)->silent_since > WallTime(0);
  };
  ASSERT_TRUE(RunUntil([&] { return counts_as_silent(leader); }));
  Cut(silent, false);
  ASSERT_TRUE(RunUntil([&] {
    if (!host(leader).core(kControllerGroup)->transferring()) {
      host(leader).TransferLeadership(
          kControllerGroup,
          raft::ReplicaOn(host(leader).core(kControllerGroup)->configuration(),
                          node));
    }
    return cluster_->LeaderOf(kControllerGroup) == silent;
  }));
  ASSERT_TRUE(counts_as_silent(silent));
  EXPECT_TRUE(RunUntil([&] { return !counts_as_silent(silent); }));
}

// A new leader has not heard of any member yet.
TEST_F(MembersTest, NewLeader_KeepsTheVotersThatItHears) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  cluster_->Crash(2);
  cluster_->world().RunFor(Seconds(2));
  ASSERT_EQ(Ask(0, "PATCH", "/v1/groups/1", "{\"replicas\":1}").first, 200);
  ASSERT_TRUE(Await("/v1/groups/1", [](const Json& group) {
    return group["wanted"] == Json({3}) &&
           group["problem"] ==
               "of the voters that would remain, node 3 does not answer";
  })) << last_.dump(1);
  const GroupId group(1);
  const size_t next = 1 - cluster_->LeaderOf(group);
  ASSERT_TRUE(RunUntil([&] {
    const raft::Core* const leader = host(1 - next).core(group);
    if (!leader->transferring()) {
      host(1 - next).TransferLeadership(
          group, raft::ReplicaOn(leader->configuration(),
                                 NodeId(static_cast<uint32_t>(next + 1))));
    }
    return cluster_->LeaderOf(group) == next;
  }));
  cluster_->world().RunFor(Seconds(5));
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
  cluster_->Restart(2);
  EXPECT_TRUE(Await("/v1/groups/1", [](const Json& row) {
    return row["voters"] == Json({3}) && row["settled"];
  })) << last_.dump(1);
}

// The group counts it as a voter already.
TEST_F(MembersTest, NodeThatIsCutOffWhileItsGroupBegins_GetsAReplica) {
  Begin({.nodes = 3, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t late = (leader + 1) % 3;
  ASSERT_EQ(Ask(leader, "POST", "/v1/groups", "{\"replicas\":3}").first, 200);
  const GroupId group(2);
  ASSERT_TRUE(RunUntil([&] {
    const shardctrl::GroupRecord* const made = StateOn(leader).FindGroup(group);
    const NodeId node(static_cast<uint32_t>(late + 1));
    return made != nullptr && made->WantedOn(node) != nullptr &&
           made->WantedOn(node)->replica != ReplicaId();
  }));
  Cut(late, true);
  ASSERT_TRUE(RunUntil(
      [&] { return StateOn(leader).FindGroup(group)->reported.has_value(); }));
  ASSERT_TRUE(host(late).prepared().contains(group));
  Cut(late, false);
  EXPECT_TRUE(RunUntil([&] { return host(late).group_status(group).ok(); }));
  EXPECT_TRUE(Await("/v1/groups/2", [](const Json& row) {
    return row["voters"] == Json({1, 2, 3}) && row["settled"];
  })) << last_.dump(1);
}

// Node 1 was founded alone, so its map has no other node. Its configuration
// has, and they cannot know where it is now.
TEST_F(MembersTest, FounderWithOtherAddresses_FindsNodesThatJoined) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  for (int i = 0; i < 2; ++i) {
    const Json added = Ask(0, "POST", "/v1/nodes").second;
    ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  }
  const std::string controller =
      Concat("/v1/groups/", kControllerGroup.value());
  ASSERT_TRUE(Await(controller, [](const Json& group) {
    return group["voters"] == Json({1, 2, 3}) && group["settled"];
  })) << last_.dump(1);
  cluster_->Crash(2);
  Config moved = cluster_->config(0);
  moved.bootstrap = false;
  moved.listen = {.admin = "moved:8101", .allow_non_loopback = true};
  moved.nodes[0] = {.id = NodeId(1),
                    .resp = "moved:7001",
                    .resp_cluster = "moved:7101",
                    .http = "moved:8001",
                    .peer = "moved:9001"};
  ASSERT_EQ(CompleteConfig(&moved, {}), absl::OkStatus());
  ASSERT_EQ(cluster_->RestartWith(0, moved), absl::OkStatus());
  EXPECT_TRUE(Await("/v1/nodes/1", [](const Json& node) {
    return node["addresses"]["peer"] == "moved:9001";
  })) << last_.dump(1);
}

// The router joined when node 1 was alone. Now node 3 is. Only the addresses
// that the router has noted show the way.
TEST_F(MembersTest, RouterWhoseFirstNodesAreGone_FindsTheOthers) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  for (const char* const role : {"router", "data"}) {
    const Json added =
        Ask(0, "POST", "/v1/nodes", Concat("{\"role\":\"", role, "\"}")).second;
    ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  }
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/1/remove", "{\"lost\":false}").first,
            200);
  ASSERT_TRUE(RunUntil([&] {
    return host(2).group_status(kControllerGroup).ok() &&
           StateOn(2).FindNode(NodeId(1))->state ==
               shardctrl::NodeState::kRemoved;
  }));
  cluster_->world().RunFor(Seconds(3));
  cluster_->Crash(0);
  cluster_->Crash(1);
  cluster_->Restart(1);
  cluster_->world().RunFor(Seconds(5));
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
}

// Node 3 came while the router was down, and has the address of node 1 now. It
// knows the router, which refuses it.
TEST_F(MembersTest, RouterThatKnowsNoNodeThatIsLeft_LearnsFromAnother) {
  Begin({.nodes = 1, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(1)) << last_.dump(1);
  const Json router =
      Ask(0, "POST", "/v1/nodes", "{\"role\":\"router\"}").second;
  ASSERT_EQ(cluster_->StartNew(Joining(router)), absl::OkStatus());
  ASSERT_TRUE(AwaitAddresses(2)) << last_.dump(1);
  cluster_->Crash(1);
  const Json added = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/1/remove", "{\"lost\":false}").first,
            200);
  ASSERT_TRUE(RunUntil([&] {
    return host(2).group_status(kControllerGroup).ok() &&
           StateOn(2).FindNode(NodeId(1))->state ==
               shardctrl::NodeState::kRemoved;
  }));
  cluster_->Crash(0);
  cluster_->Crash(2);
  Config moved = cluster_->config(2);
  moved.listen.peer = "n1:9001";
  ASSERT_EQ(cluster_->RestartWith(2, moved), absl::OkStatus());
  cluster_->Restart(1);
  cluster_->world().RunFor(Seconds(10));
  auto client = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
}

// A learner does not notice by itself that it is none any more.
TEST_F(MembersTest, FormerLearnerOfTheController_LearnsNewStates) {
  Begin({.nodes = 4, .groups = 1});
  ASSERT_TRUE(AwaitAddresses(4)) << last_.dump(1);
  const Json added = Ask(0, "POST", "/v1/nodes").second;
  ASSERT_EQ(cluster_->StartNew(Joining(added)), absl::OkStatus());
  // It hears of the leader, and does not catch up.
  ASSERT_TRUE(
      RunUntil([&] { return host(4).group_status(kControllerGroup).ok(); }));
  cluster_->world().StallDisk(cluster_->machine(4),
                              cluster_->world().now() + Seconds(3));
  ASSERT_TRUE(
      RunUntil([&] { return host(4).leader(kControllerGroup) != NodeId(); }));
  ASSERT_EQ(Ask(0, "POST", "/v1/nodes/5/drain").first, 200);
  EXPECT_TRUE(Await("/v1/nodes/5", [](const Json& node) {
    return node["replicas"] == 0;
  })) << last_.dump(1);
  EXPECT_TRUE(RunUntil([&] { return host(4).groups().empty(); }));
}

// The node needs a snapshot, and its disk is slow. It does not see that its
// report has come, and may not report that it started for ever: its replica
// would lack those entries, too.
TEST_F(MembersTest, NodeWithAnOldState_ReportsOnce) {
  Begin({.nodes = 3, .groups = 1, .adjust = [](Config& config) {
           config.host.snapshot_threshold_bytes = 1024;
           config.host.snapshot_trailing_bytes = 0;
         }});
  ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
  const size_t leader = AwaitController();
  const size_t behind = (leader + 1) % 3;
  const raft::Core& core = *host(leader).core(kControllerGroup);
  const raft::Index known = core.last().index;
  cluster_->Crash(behind);
  for (int i = 0; i < 30; ++i) {
    ASSERT_EQ(Ask(leader, "POST", "/v1/nodes").first, 200);
  }
  ASSERT_TRUE(RunUntil([&] { return core.log_start().index > known; }));
  ASSERT_EQ(cluster_->RestartWith(behind, cluster_->config(behind)),
            absl::OkStatus());
  const uint64_t before = core.last().index.value();
  cluster_->world().StallDisk(cluster_->machine(behind),
                              cluster_->world().now() + Seconds(3));
  cluster_->world().RunFor(Seconds(2));
  ASSERT_EQ(cluster_->LeaderOf(kControllerGroup), leader);
  EXPECT_GT(core.last().index.value(), before);
  // A report that is repeated comes each 100 ms.
  EXPECT_LE(core.last().index.value(), before + 10);
}

// Nodes 2 and 3 are gone with the majority of every group, the controller's
// too. Node 1 is left, and has what was written.
class LostMajorityTest : public MembersTest {
 protected:
  static constexpr std::string_view kAccept = "{\"accept_loss\": true}";

  void LoseTwoOfThree(bool read_only_node = false) {
    Begin({.nodes = 3, .groups = 2});
    ASSERT_TRUE(AwaitAddresses(3)) << last_.dump(1);
    if (read_only_node) {
      AddNode("{\"role\": \"read-only\"}");
      ASSERT_TRUE(Await("/v1/groups/2", [](const Json& row) {
        return row["learners"] == Json({4});
      })) << last_.dump(1);
    }
    auto client = cluster_->ConnectResp(0);
    EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "v"}), "+OK\r\n");
    EXPECT_EQ(Ask(0, "POST", "/v1/groups/1/recover", kAccept).first, 409);
    EXPECT_EQ(Ask(0, "POST", "/v1/groups/4294967295/recover", kAccept).first,
              409);
    cluster_->world().RunFor(Seconds(2));
    for (const size_t n : {1u, 2u}) {
      cluster_->Crash(n, sim::CrashKind::kMachine);
    }
    cluster_->world().RunFor(Seconds(5));
  }
  // First the controller, then the groups.
  void RecoverAll();
  void Remove(int node) {
    const auto [removed, answer] = Ask(
        0, "POST", Concat("/v1/nodes/", node, "/remove"), "{\"lost\": true}");
    EXPECT_EQ(removed, 200) << answer.dump(1);
  }
  void AddNode(std::string_view body = "") {
    const auto [added, node] = Ask(0, "POST", "/v1/nodes", body);
    ASSERT_EQ(added, 200) << node.dump(1);
    ASSERT_EQ(cluster_->StartNew(Joining(node)), absl::OkStatus());
  }
  // The voters of every group will be on these nodes.
  bool AwaitVoters(const Json& nodes) {
    return Await("/v1/groups", [&](const Json& groups) {
      for (const Json& group : groups["groups"]) {
        if (group["voters"] != nodes || !group["settled"]) return false;
      }
      return true;
    });
  }
  // Nodes 2 and 3 come back together with their disks: once a majority of every
  // group. They never answer from that time. A write that they confirm is one
  // of the recovered group.
  void ExpectNoHarmOfTheOldMembers() {
    for (const size_t n : {1u, 2u}) cluster_->Restart(n);
    auto first = cluster_->ConnectResp(0);
    for (int i = 0; i < 100; ++i) {
      for (const size_t n : {1u, 2u}) {
        auto client = cluster_->ConnectResp(n);
        if (!client->connected()) continue;
        SCOPED_TRACE(Concat("node ", n + 1, ", time ", i));
        const auto call = [&](std::string_view line) {
          client->Send(line);
          cluster_->world().RunFor(Milliseconds(50));
          return client->Take();
        };
        EXPECT_NE(call("GET k\r\n"), "$1\r\nv\r\n");
        if (call("SET k x\r\n") != "+OK\r\n") continue;
        EXPECT_EQ(cluster_->Command(*first, {"GET", "k"}), "$1\r\nx\r\n");
        EXPECT_EQ(cluster_->Command(*first, {"SET", "k", "w"}), "+OK\r\n");
      }
    }
    EXPECT_EQ(cluster_->Command(*first, {"SET", "k", "w"}), "+OK\r\n");
  }
};

void LostMajorityTest::RecoverAll() {
  for (const std::string_view group : {"4294967295", "1", "2"}) {
    const std::string target = Concat("/v1/groups/", group);
    ASSERT_TRUE(
        Await(Concat(target, "/survivors"),
              [](const Json& answer) {
                return answer["choice"] == 1 && answer["lost"] == Json({2, 3});
              }))
        << group << last_.dump(1);
    EXPECT_GT(last_["survivors"][0]["last_index"], 0);
    int status = 0;
    Json answer;
    // The controller notices first that the nodes are silent.
    for (int i = 0; i < 100; ++i) {
      std::tie(status, answer) = Ask(0, "POST", Concat(target, "/recover"));
      EXPECT_TRUE(status == 409 || answer["error"]["code"] == "NOT_YET")
          << answer.dump(1);
      const std::string why = answer["error"]["message"];
      if (absl::StrContains(why, "Nothing has changed")) break;
      cluster_->world().RunFor(Milliseconds(200));
    }
    std::tie(status, answer) =
        Ask(0, "POST", Concat(target, "/recover"), kAccept);
    ASSERT_EQ(status, 200) << group << answer.dump(1);
    ASSERT_TRUE(Await(target, [](const Json& row) {
      return row["recovering"].is_null() && row["leader"] == 1 &&
             row["voters"] == Json({1});
    })) << last_.dump(1);
  }
  auto client = cluster_->ConnectResp(0);
  EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nv\r\n");
  EXPECT_EQ(cluster_->Command(*client, {"SET", "k", "w"}), "+OK\r\n");
}

// The lists say so before the controller is recovered, too.
TEST_F(LostMajorityTest, Lists_ShowWhatTheLastNodeKnows) {
  LoseTwoOfThree();
  ASSERT_TRUE(Await("/v1/groups", [](const Json& answer) {
    return answer.contains("outdated");
  })) << last_.dump(1);
  for (const Json& group : last_["groups"]) {
    EXPECT_TRUE(group["leader"].is_null()) << group.dump(1);
    EXPECT_TRUE(absl::StrContains(std::string(group["problem"]),
                                  "has no majority: 1 of 3 voters work; start "
                                  "nodes 2, 3"))
        << group.dump(1);
  }
  const auto [status, nodes] = Ask(0, "GET", "/v1/nodes");
  EXPECT_EQ(status, 200);
  EXPECT_EQ(nodes["nodes"][0]["state"], "up");
  EXPECT_EQ(nodes["nodes"][1]["state"], "down");
  EXPECT_EQ(Ask(0, "GET", "/v1/nodes/1").first, 503)
      << "a wish is awaited by this";
}

TEST_F(LostMajorityTest, Recovery_LetsTheLastNodeServe) {
  LoseTwoOfThree();
  RecoverAll();
  AddNode();
  cluster_->Restart(1);
  Remove(3);
  ASSERT_TRUE(AwaitVoters({1, 2, 4})) << last_.dump(1);
  auto other = cluster_->ConnectResp(1);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

// Its learners never notice that their leaders are gone.
TEST_F(LostMajorityTest, ReadOnlyNode_DoesNotStandInTheWay) {
  LoseTwoOfThree(/*read_only_node=*/true);
  RecoverAll();
}

TEST_F(LostMajorityTest, OldMembersThatComeBackTogether_AreFilledAgain) {
  LoseTwoOfThree();
  RecoverAll();
  ExpectNoHarmOfTheOldMembers();
  ASSERT_TRUE(AwaitVoters({1, 2, 3})) << last_.dump(1);
  auto other = cluster_->ConnectResp(2);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

// They reach no other node at first, so they lead, with a controller of theirs.
TEST_F(LostMajorityTest, OldMembersThatLead_GiveUpOnceTheyHearOfTheRecovery) {
  LoseTwoOfThree();
  RecoverAll();
  cluster_->Crash(0);
  for (const size_t n : {1u, 2u}) cluster_->Restart(n);
  ASSERT_TRUE(cluster_->world().RunUntilTrue([&] {
    auto old = cluster_->ConnectResp(1);
    return old->connected() &&
           cluster_->Command(*old, {"GET", "k"}) == "$1\r\nv\r\n";
  }));
  cluster_->world().RunFor(Seconds(10));
  cluster_->Restart(0);
  // No leader of before the recovery takes a recovered replica in.
  EXPECT_TRUE(cluster_->world().RunUntilTrue([&] {
    for (const size_t n : {0u, 1u, 2u}) {
      const raft::Host& host = cluster_->server(n).host();
      if (host.groups().size() < 3) return false;
      for (const GroupId group : host.groups()) {
        if (host.core(group)->configuration().generation < 1) return false;
      }
    }
    return true;
  }));
  ASSERT_TRUE(AwaitVoters({1, 2, 3})) << last_.dump(1);
  for (const size_t n : {0u, 1u, 2u}) {
    auto client = cluster_->ConnectResp(n);
    EXPECT_EQ(cluster_->Command(*client, {"GET", "k"}), "$1\r\nw\r\n") << n;
  }
}

TEST_F(LostMajorityTest, OldMembersThatWereRemoved_GiveTheirReplicasUp) {
  LoseTwoOfThree();
  RecoverAll();
  AddNode();
  AddNode();
  for (const int lost : {2, 3}) Remove(lost);
  ASSERT_TRUE(AwaitVoters({1, 4, 5})) << last_.dump(1);
  ExpectNoHarmOfTheOldMembers();
  for (const size_t n : {1u, 2u}) {
    EXPECT_EQ(cluster_->server(n).host().groups(), std::vector<GroupId>());
  }
  auto other = cluster_->ConnectResp(4);
  EXPECT_EQ(cluster_->Command(*other, {"GET", "k"}), "$1\r\nw\r\n");
}

}  // namespace
}  // namespace quorate::node
