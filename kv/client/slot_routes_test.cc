// The replies have the form of Redis 7: IPv6 literals without brackets.
#include "kv/client/slot_routes.h"

#include <string>
#include <string_view>

#include "gtest/gtest.h"

namespace quorate::kv {
namespace {

using Kind = RespValue::Kind;

constexpr std::string_view kFrom = "[fd00::1]:7101";

RespValue Integer(int64_t value) {
  return {.kind = Kind::kInteger, .integer = value};
}

// CLUSTER SLOTS with one range, which is all slots.
RespValue SlotsAt(std::string host, int64_t port) {
  RespValue node{.kind = Kind::kArray};
  node.elements = {{.kind = Kind::kString, .text = std::move(host)},
                   Integer(port)};
  RespValue range{.kind = Kind::kArray};
  range.elements = {Integer(0), Integer(16383), node};
  return {.kind = Kind::kArray, .elements = {range}};
}

std::string MovedTo(std::string_view address) {
  SlotRoutes routes({std::string(kFrom)});
  if (!routes.Moved("MOVED 7 " + std::string(address), kFrom)) return "refused";
  return *routes.Find(Slot(7));
}

std::string ListedAt(std::string host, int64_t port) {
  SlotRoutes routes({std::string(kFrom)});
  if (!routes.Update(SlotsAt(std::move(host), port), kFrom)) return "refused";
  return *routes.Find(Slot(7));
}

TEST(SlotRoutes_Moved, Ipv6Host_GetsBrackets) {
  EXPECT_EQ(MovedTo("fd00::2:7102"), "[fd00::2]:7102");
  EXPECT_EQ(MovedTo("[fd00::2]:7102"), "[fd00::2]:7102");
}

TEST(SlotRoutes_Moved, OtherHosts_StayAsTheyAre) {
  EXPECT_EQ(MovedTo("10.0.0.2:7102"), "10.0.0.2:7102");
  EXPECT_EQ(MovedTo("node2.example:7102"), "node2.example:7102");
}

TEST(SlotRoutes_Moved, EmptyHost_IsThatOfTheNodeThatReplied) {
  EXPECT_EQ(MovedTo(":7102"), "[fd00::1]:7102");
}

TEST(SlotRoutes_Moved, ToASeed_NamesTheSeed) {
  SlotRoutes routes({std::string(kFrom)});
  ASSERT_TRUE(routes.Moved("MOVED 7 fd00::1:7101", kFrom));
  EXPECT_EQ(*routes.Find(Slot(7)), kFrom);
  EXPECT_EQ(routes.Any(1), kFrom) << "a second address for the same node";
}

TEST(SlotRoutes_Moved, NoAddress_IsRefused) {
  for (const char* bad : {"", "host", "host:", "host:0", "host:65536"}) {
    EXPECT_EQ(MovedTo(bad), "refused") << bad;
  }
}

TEST(SlotRoutes_Update, Ipv6Host_GetsBrackets) {
  EXPECT_EQ(ListedAt("fd00::2", 7102), "[fd00::2]:7102");
  EXPECT_EQ(ListedAt("[fd00::2]", 7102), "[fd00::2]:7102");
}

TEST(SlotRoutes_Update, EmptyOrUnknownHost_IsThatOfTheNodeThatReplied) {
  EXPECT_EQ(ListedAt("", 7102), "[fd00::1]:7102");
  EXPECT_EQ(ListedAt("?", 7102), "[fd00::1]:7102");
}

TEST(SlotRoutes_Update, PortOutOfRange_IsRefused) {
  EXPECT_EQ(ListedAt("10.0.0.2", 0), "refused");
  EXPECT_EQ(ListedAt("10.0.0.2", 65'536), "refused");
}

}  // namespace
}  // namespace quorate::kv
