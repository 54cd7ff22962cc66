#include "net/tools/control.h"

#include <string>

#include "gtest/gtest.h"

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

TEST(FormatTable, Columns_AreAsWideAsTheirWidestCell) {
  EXPECT_EQ(FormatTable({{"A", "B"}, {"long", "x"}, {"y", ""}}),
            "A     B\nlong  x\ny     \n");
}

TEST(Control, NoNodeAtTheAddress_FailsWithItsName) {
  const ControlOptions options{.address = "127.0.0.1:1"};
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
