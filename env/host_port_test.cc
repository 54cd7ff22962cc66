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

TEST(FormatHostPort, OfAParsedAddress_ReturnsIt) {
  for (const char* address : {"127.0.0.1:7001", "localhost:0", "[::1]:80"}) {
    const auto parsed = ParseHostPort(address);
    EXPECT_EQ(FormatHostPort(parsed->host, parsed->port), address);
  }
}

}  // namespace
}  // namespace quorate
