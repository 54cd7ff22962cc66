// Each kind of wrong reply is found, and right ones are not.
#include "sim/checks/view_checker.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

ClusterTruth::Replica Works(size_t node) {
  return {.node = node, .term = 4, .commit = 9, .applied = 8, .last = 10};
}
const ClusterTruth::Replica kFenced = {
    .node = 2, .state = "fenced", .has_log = false};

// Three nodes; the third is down. The first group is led by the first node.
ClusterTruth Truth() {
  return {.nodes = {{.id = 1, .address = "n1:7101"},
                    {.id = 2, .address = "n2:7101"},
                    {.id = 3,
                     .address = "n3:7101",
                     .works = false,
                     .ready = false,
                     .runs = false}},
          .groups = {{.id = 1,
                      .slots = {{0, 8191}},
                      .leader = 0,
                      .others = {1},
                      .replicas = {Works(0), Works(1)}},
                     {.id = 2,
                      .slots = {{8192, 16383}},
                      .leader = 1,
                      .others = {0},
                      .replicas = {Works(0), Works(1)}}}};
}

std::string Slots(std::string_view bytes) {
  ReplyParser parser;
  parser.Feed(bytes);
  ClientReply reply;
  EXPECT_EQ(parser.Next(&reply), ReplyParser::Result::kReply) << bytes;
  return CheckSlots(Truth(), reply);
}

std::string Node(std::string_view host) {
  return "*4\r\n$2\r\n" + std::string(host) + "\r\n:7101\r\n$1\r\nx\r\n*0\r\n";
}
std::string Row(int first, int last, std::string_view leader,
                std::string_view other) {
  return "*4\r\n:" + std::to_string(first) + "\r\n:" + std::to_string(last) +
         "\r\n" + Node(leader) + Node(other);
}

TEST(ViewChecker, TrueSlots_AreSilent) {
  EXPECT_EQ(
      Slots("*2\r\n" + Row(0, 8191, "n1", "n2") + Row(8192, 16383, "n2", "n1")),
      "");
}

TEST(ViewChecker, WrongSlots_Found) {
  const std::string one = Row(0, 8191, "n1", "n2");
  EXPECT_NE(Slots("-ERR no\r\n").find("SLOTS is"), std::string::npos);
  EXPECT_EQ(Slots("*1\r\n" + one), "SLOTS lacks slot 8192");
  EXPECT_EQ(Slots("*2\r\n" + one + one), "SLOTS has slot 0 twice");
  EXPECT_EQ(Slots("*2\r\n" + one + Row(8192, 16383, "n1", "n2")),
            "SLOTS: slot 8192 has the leader n1:7101 instead of n2:7101");
  // The boundary of the groups is one slot too late.
  EXPECT_EQ(
      Slots("*2\r\n" + Row(0, 8192, "n1", "n2") + Row(8193, 16383, "n2", "n1")),
      "SLOTS: slot 8192 has the leader n1:7101 instead of n2:7101");
  EXPECT_EQ(Slots("*2\r\n" + one + Row(8192, 16383, "n2", "n3")),
            "SLOTS: slot 8192 has the replica n3:7101, which is none or does "
            "not work");
}

constexpr std::string_view kFirst =
    "a n1:7101@9001 myself,master - 0 0 1 connected 0-8191\n";
constexpr std::string_view kSecond =
    "b n2:7101@9001 master - 0 0 2 connected 8192-16382 16383\n";
constexpr std::string_view kThird =
    "c n3:7101@9001 slave,fail a 0 0 3 disconnected\n";

std::string Nodes(std::string_view first, std::string_view second,
                  std::string_view third) {
  return CheckNodes(
      Truth(), 0,
      std::string(first) + std::string(second) + std::string(third));
}

TEST(ViewChecker, TrueNodes_AreSilent) {
  EXPECT_EQ(Nodes(kFirst, kSecond, kThird), "");
}

TEST(ViewChecker, WrongNodes_Found) {
  EXPECT_EQ(Nodes(kFirst, kSecond, ""), "NODES lacks n3:7101");
  EXPECT_NE(Nodes(kFirst, kSecond, kSecond).find("twice"), std::string::npos);
  EXPECT_NE(
      Nodes("a n1:7101@9001 master - 0 0 1 connected 0-8191\n", kSecond, kThird)
          .find("at another node"),
      std::string::npos);
  EXPECT_NE(Nodes(kFirst, kSecond, "c n3:7101@9001 slave a 0 0 3 connected\n")
                .find("does not work"),
            std::string::npos);
  EXPECT_NE(
      Nodes(kFirst, "b n2:7101@9001 master,fail - 0 0 2 connected\n", kThird)
          .find("of a node that works"),
      std::string::npos);
  EXPECT_NE(
      Nodes(kFirst, "b n2:7101@9001 master - 0 0 2 connected 8191-16383\n",
            kThird)
          .find("does not lead slot 8191"),
      std::string::npos);
  EXPECT_EQ(
      Nodes(kFirst, "b n2:7101@9001 master - 0 0 2 connected 8192-16382\n",
            kThird),
      "NODES has 16383 slots");
}

TEST(ViewChecker, Readiness_MustBeTheTruth) {
  EXPECT_EQ(CheckReadiness(Truth(), 0, 200), "");
  EXPECT_EQ(CheckReadiness(Truth(), 2, 503), "");
  EXPECT_NE(CheckReadiness(Truth(), 0, 503), "");
  EXPECT_NE(CheckReadiness(Truth(), 2, 200), "");
}

// Replaces `part`, which the text must have.
std::string With(std::string text, const std::string& part,
                 const std::string& by) {
  const size_t at = text.find(part);
  EXPECT_NE(at, text.npos) << part;
  return at == text.npos ? text : text.replace(at, part.size(), by);
}

constexpr char kClusterInfo[] =
    "cluster_enabled:1\r\ncluster_state:ok\r\ncluster_slots_assigned:16384\r\n"
    "cluster_slots_ok:16384\r\ncluster_slots_pfail:0\r\n"
    "cluster_slots_fail:0\r\ncluster_known_nodes:3\r\ncluster_size:2\r\n";

TEST(ViewChecker, ClusterInfo_MustBeTheTruth) {
  const auto check = [](const std::string& part, const std::string& by) {
    return CheckClusterInfo(Truth(), With(kClusterInfo, part, by));
  };
  EXPECT_EQ(check("ok", "ok"), "");
  EXPECT_EQ(check("state:ok", "state:fail"),
            "CLUSTER INFO: cluster_state is fail instead of ok");
  EXPECT_EQ(check("slots_ok:16384", "slots_ok:16383"),
            "CLUSTER INFO: cluster_slots_ok is 16383 instead of 16384");
  EXPECT_EQ(check("size:2", "size:3"),
            "CLUSTER INFO: cluster_size is 3 instead of 2");
  EXPECT_EQ(check("cluster_known_nodes:3\r\n", ""),
            "CLUSTER INFO lacks cluster_known_nodes");
}

constexpr char kLeader[] =
    "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n\r\n# Groups\r\n"
    "group1:role=leader,leader=1,term=4,commit=9,applied=8,last=10,slots=8192,"
    "status=ok\r\n"
    "group2:role=follower,leader=2,term=4,commit=9,applied=8,last=10,"
    "slots=8192,status=ok\r\n\r\n"
    "# Nodes\r\nnode2:state=online\r\nnode3:state=offline\r\n";

TEST(ViewChecker, Info_MustBeTheTruth) {
  const auto check = [](const std::string& part, const std::string& by) {
    return CheckInfo(Truth(), 0, With(kLeader, part, by));
  };
  EXPECT_EQ(check("ok", "ok"), "");
  EXPECT_NE(check("role=leader", "role=follower"), "");
  EXPECT_NE(check("leader=2", "leader=1"), "");
  EXPECT_NE(check("term=4", "term=3"), "");
  EXPECT_NE(check("commit=9", "commit=8"), "");
  EXPECT_NE(check("applied=8", "applied=9"), "");
  EXPECT_NE(check("last=10", "last=9"), "");
  EXPECT_NE(check("slots=8192", "slots=8191"), "");
  EXPECT_NE(check("status=ok", "status=fenced"), "");
  EXPECT_EQ(check("group2", "group3"), "INFO lacks group2");
  EXPECT_EQ(check("node3:state=offline", "node3:state=online"),
            "INFO: node3 is state=online instead of state=offline");
  EXPECT_EQ(check("role:master", "role:slave"),
            "INFO: role is slave instead of master");
}

// A node that leads nothing. Its replica of the first group is fenced.
TEST(ViewChecker, InfoOfAReplica_NamesALeaderWhoseGroupWorksThere) {
  ClusterTruth truth = Truth();
  truth.nodes[2].runs = true;
  truth.groups[0].replicas.push_back(kFenced);
  truth.groups[1].replicas.push_back(Works(2));
  truth.groups[1].others.push_back(2);
  const std::string text =
      "role:slave\r\nmaster_host:n2\r\nmaster_port:7101\r\n"
      "master_link_status:up\r\n"
      "group1:role=fenced,leader=1,slots=8192,status=fenced\r\n"
      "group2:role=follower,leader=2,term=4,commit=9,applied=8,last=10,"
      "slots=8192,status=ok\r\nnode1:state=online\r\nnode2:state=online\r\n";
  EXPECT_EQ(CheckInfo(truth, 2, text), "");
  // A halted one still has its log.
  truth.groups[0].replicas.back() = Works(2);
  truth.groups[0].replicas.back().state = "halted";
  EXPECT_EQ(CheckInfo(truth, 2,
                      With(text, "fenced,leader=1,slots=8192,status=fenced",
                           "halted,leader=1,term=4,commit=9,applied=8,last=10,"
                           "slots=8192,status=halted")),
            "");
  truth.groups[0].replicas.back() = kFenced;
  EXPECT_EQ(CheckInfo(truth, 2, With(text, "host:n2", "host:n1")),
            "INFO: the master is n1:7101 instead of n2:7101");
  EXPECT_EQ(CheckInfo(truth, 2, With(text, "status:up", "status:down")),
            "INFO: master_link_status is down instead of up");
  EXPECT_NE(CheckInfo(truth, 2, With(text, "status=fenced", "status=ok")), "");
  truth.groups[0].replicas.pop_back();
  EXPECT_EQ(CheckInfo(truth, 2, text),
            "INFO has group1, of which the node has no replica");
}

std::string MetricsOfTheFirstNode() {
  std::string text =
      "# TYPE quorate_slots_owned gauge\nquorate_slots_owned 8192\n"
      "quorate_peer_alive{node=\"2\"} 1\nquorate_peer_alive{node=\"3\"} 0\n"
      "quorate_raft_is_leader{group=\"1\"} 1\n"
      "quorate_raft_is_leader{group=\"2\"} 0\n";
  for (const std::string group : {"{group=\"1\"}", "{group=\"2\"}"}) {
    for (const char* state : {"fenced", "halted", "stopped", "refused"}) {
      text += std::string("quorate_replica_") + state + group + " 0\n";
    }
    text += "quorate_raft_has_leader" + group + " 1\nquorate_raft_term" +
            group + " 4\nquorate_raft_applied_index" + group + " 8\n";
  }
  return text;
}

TEST(ViewChecker, Metrics_MustBeTheTruth) {
  const auto check = [](const std::string& part, const std::string& by) {
    return CheckMetrics(Truth(), 0, With(MetricsOfTheFirstNode(), part, by));
  };
  EXPECT_EQ(check("gauge", "gauge"), "");
  EXPECT_EQ(check("slots_owned 8192", "slots_owned 16384"),
            "/metrics: quorate_slots_owned is 16384 instead of 8192");
  EXPECT_NE(check("is_leader{group=\"2\"} 0", "is_leader{group=\"2\"} 1"), "");
  EXPECT_NE(check("is_leader{group=\"1\"} 1", "is_leader{group=\"1\"} 0"), "");
  EXPECT_NE(check("has_leader{group=\"2\"} 1", "has_leader{group=\"2\"} 0"),
            "");
  EXPECT_NE(check("fenced{group=\"2\"} 0", "fenced{group=\"2\"} 1"), "");
  EXPECT_NE(check("alive{node=\"3\"} 0", "alive{node=\"3\"} 1"), "");
  EXPECT_NE(check("quorate_raft_term{group=\"1\"} 4\n", ""), "");
}

TEST(ViewChecker, MetricsOfAFencedReplica_MustSaySo) {
  ClusterTruth truth = Truth();
  for (ClusterTruth::Group& group : truth.groups) {
    for (ClusterTruth::Replica& replica : group.replicas) {
      if (replica.node == 0) replica.state = "fenced";
    }
  }
  EXPECT_EQ(CheckMetrics(truth, 0, MetricsOfTheFirstNode()),
            "/metrics: quorate_replica_fenced{group=\"1\"} is 0 instead of 1");
}

}  // namespace
}  // namespace quorate::sim
