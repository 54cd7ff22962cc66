#include "env/host_port.h"

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(ParseHostPort, GoodAddresses_AreParsed) {
  EXPECT_EQ(*ParseHostPort("127.0.0.1:7001"), (HostPort{"127.0.0.1", 7001}));
  EXPECT_EQ(*ParseHostPort("localhost:0"), (HostPort{"localhost", 0}));
  EXPECT_EQ(*ParseHostPort("[::1]:65535"), (HostPort{"::1", 65535}));
}

TEST(ParseHostPort, BadAddresses_AreRefusedByName) {
  for (const char* bad :
       {"", "host", ":1", "host:", "host:x", "host:65536", "host:-1", "host:+1",
        "host:1 ", "host:000080", "::1:7001", "[]:1", "[::1:1", "[host:1"}) {
    const auto parsed = ParseHostPort(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_NE(parsed.status().ToString().find("'" + std::string(bad) + "'"),
              std::string::npos)
        << parsed.status();
  }
}

TEST(ParseBareHostPort, AddressesOfRedisCluster_AreParsed) {
  EXPECT_EQ(*ParseBareHostPort("127.0.0.1:7001"),
            (HostPort{"127.0.0.1", 7001}));
  EXPECT_EQ(*ParseBareHostPort("::1:7001"), (HostPort{"::1", 7001}));
  EXPECT_EQ(*ParseBareHostPort("fd00::a:1:2:7001"),
            (HostPort{"fd00::a:1:2", 7001}));
  EXPECT_EQ(*ParseBareHostPort("[::1]:7001"), (HostPort{"::1", 7001}));
  EXPECT_EQ(*ParseBareHostPort(":7001"), (HostPort{"", 7001}));
}

TEST(ParseBareHostPort, BadAddresses_AreRefusedByName) {
  for (const char* bad : {"", "host", "::1:", "host:x", "host:65536"}) {
    const auto parsed = ParseBareHostPort(bad);
    ASSERT_FALSE(parsed.ok()) << bad;
    EXPECT_NE(parsed.status().ToString().find("'" + std::string(bad) + "'"),
              std::string::npos)
        << parsed.status();
  }
}

TEST(FormatBareHostPort, OfAnIpv6Literal_HasNoBrackets) {
  EXPECT_EQ(FormatBareHostPort("::1", 7001), "::1:7001");
  EXPECT_EQ(FormatBareHostPort("127.0.0.1", 7001), "127.0.0.1:7001");
}

TEST(FormatHostPort, OfAnIpv6Literal_HasOnePairOfBrackets) {
  EXPECT_EQ(FormatHostPort("::1", 7001), "[::1]:7001");
  EXPECT_EQ(FormatHostPort("[::1]", 7001), "[::1]:7001");
}

TEST(FormatHostPort, OfAParsedAddress_ReturnsIt) {
  for (const char* address : {"127.0.0.1:7001", "localhost:0", "[::1]:80"}) {
    const auto parsed = ParseHostPort(address);
    EXPECT_EQ(FormatHostPort(parsed->host, parsed->port), address);
  }
}

}  // namespace
}  // namespace quorate
