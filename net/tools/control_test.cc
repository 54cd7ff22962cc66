#include "net/tools/control.h"

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "net/tools/cluster_view.h"
#include "net/tools/tables/member_tables.h"

namespace quorate::net {
namespace {

TEST(ParseClusterNodes, LinesOfRedisCluster_AreParsed) {
  const auto nodes = ParseClusterNodes(
      "bb 127.0.0.1:7002@17002 slave aa 0 0 1 connected\n"
      "aa 127.0.0.1:7001@17001,host myself,master - 0 0 1 connected 0-5460 "
      "7000 "
      "[93->-bb]\n");
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  ASSERT_EQ(nodes->size(), 2u);
  EXPECT_EQ((*nodes)[0], (NodeLine{.id = "aa",
                                   .number = 1,
                                   .address = "127.0.0.1:7001",
                                   .flags = "myself,master",
                                   .link = "connected",
                                   .slots = {"0-5460", "7000"}}));
  EXPECT_EQ((*nodes)[1].flags, "slave");
  EXPECT_FALSE(ParseClusterNodes("aa 127.0.0.1:7001 master\n").ok());
}

TEST(ParseClusterNodes, Ipv6Address_IsWrittenAsOneToConnectTo) {
  const auto nodes = ParseClusterNodes(
      "aa fd00::1:7101@7301 myself,master - 0 0 1 connected 0-16383\n");
  ASSERT_TRUE(nodes.ok()) << nodes.status();
  EXPECT_EQ((*nodes)[0].address, "[fd00::1]:7101");
}

TEST(ParseClusterNodes, LineWithoutAnAddress_IsRefused) {
  const auto nodes =
      ParseClusterNodes("aa somewhere master - 0 0 1 connected 0-16383\n");
  EXPECT_TRUE(absl::IsDataLoss(nodes.status())) << nodes.status();
}

TEST(ParseMoved, Addresses_AreReturnedAsOnesToConnectTo) {
  EXPECT_EQ(ParseMoved("MOVED 7 127.0.0.1:7101"), "127.0.0.1:7101");
  EXPECT_EQ(ParseMoved("MOVED 7 fd00::1:7101"), "[fd00::1]:7101");
}

TEST(ParseMoved, OtherErrors_HaveNone) {
  for (const char* error : {"CLUSTERDOWN Hash slot not served", "MOVED 7",
                            "MOVED 7 :7101", "MOVED 7 somewhere"}) {
    EXPECT_EQ(ParseMoved(error), std::nullopt) << error;
  }
}

TEST(BytesJson, DifferentBytes_HaveDifferentForms) {
  EXPECT_EQ(BytesJson("grün").dump(), "\"grün\"");
  EXPECT_EQ(BytesJson("").dump(), "\"\"");
  EXPECT_EQ(BytesJson("\xef\xbf\xbd").dump(), "\"\xef\xbf\xbd\"") << "U+FFFD";
  EXPECT_EQ(BytesJson("\x80").dump(), R"({"base64":"gA=="})");
  EXPECT_EQ(BytesJson("\x81").dump(), R"({"base64":"gQ=="})");
  EXPECT_EQ(BytesJson("a\xff"
                      "b")
                .dump(),
            R"({"base64":"Yf9i"})");
  // A value that looks like the form of others stays a string.
  EXPECT_EQ(BytesJson(R"({"base64":"gA=="})").dump(),
            R"("{\"base64\":\"gA==\"}")");
}

TEST(ErrorJson, CodeFollowsFromTheExitStatus) {
  for (const auto& [status, code] : {std::pair(1, "FAILED"),
                                     {2, "USAGE"},
                                     {4, "REFUSED"},
                                     {5, "OUTCOME_UNKNOWN"},
                                     {130, "INTERRUPTED"}}) {
    EXPECT_EQ(ErrorJson({.error = "e", .exit_status = status}).dump(),
              std::string("{\"code\":\"") + code + "\",\"message\":\"e\"}");
  }
  EXPECT_EQ(
      ErrorJson({.error = "e", .exit_status = 5, .operation = "o"}).dump(),
      R"({"code":"OUTCOME_UNKNOWN","message":"e","operation":"o"})");
}

TEST(FormatTable, Columns_AreAsWideAsTheirWidestCell) {
  EXPECT_EQ(FormatTable({{"A", "B"}, {"long", "x"}, {"y", ""}}),
            "A     B\nlong  x\ny     \n");
}

TEST(Control, NoNodeAtTheAddress_FailsWithItsName) {
  const ControlOptions options{.addresses = {"127.0.0.1:1"}};
  for (const ControlAnswer& answer :
       {RunStatus(options), RunGet(options, "k"), RunSet(options, "k", "v"),
        RunDelete(options, {"k"})}) {
    EXPECT_EQ(answer.exit_status, 1);
    EXPECT_EQ(answer.out, "");
    EXPECT_NE(answer.error.find("127.0.0.1:1"), std::string::npos);
  }
}

}  // namespace
}  // namespace quorate::net
