// Each kind of wrong reply is found, and right ones are not.
#include "sim/checks/view_checker.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

// Three nodes; the third has failed. Group 0 is led by the first node.
ClusterTruth Truth() {
  return {.nodes = {{.address = "n1:7101"},
                    {.address = "n2:7101"},
                    {.address = "n3:7101", .works = false, .ready = false}},
          .groups = {{.slots = {{0, 8191}}, .leader = 0, .others = {1}},
                     {.slots = {{8192, 16383}}, .leader = 1, .others = {0}}}};
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

}  // namespace
}  // namespace quorate::sim
