// The replies have the form of Redis 7: IPv6 literals without brackets.
#include "kv/client/slot_routes.h"

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::kv {
namespace {

using Kind = RespValue::Kind;

constexpr std::string_view kFrom = "[fd00::1]:7101";

RespValue Integer(int64_t value) {
  return {.kind = Kind::kInteger, .integer = value};
}

struct ZonedNode {
  std::string host;
  std::string zone;
};
// CLUSTER SLOTS with one range. Some of the nodes name their zones.
RespValue SlotsOf(const std::vector<ZonedNode>& nodes) {
  const auto text = [](std::string value) {
    return RespValue{.kind = Kind::kString, .text = std::move(value)};
  };
  RespValue range{.kind = Kind::kArray};
  range.elements = {Integer(0), Integer(16383)};
  for (const ZonedNode& node : nodes) {
    RespValue metadata{.kind = Kind::kArray};
    if (!node.zone.empty()) {
      metadata.elements = {text("hostname"), text("h"),
                           text("availability-zone"), text(node.zone)};
    }
    RespValue row{.kind = Kind::kArray};
    row.elements = {text(node.host), Integer(7101), text("id"), metadata};
    range.elements.push_back(row);
  }
  return {.kind = Kind::kArray, .elements = {range}};
}
std::set<std::string> ReplicasOf(const std::vector<ZonedNode>& nodes,
                                 const std::string& zone) {
  SlotRoutes routes({std::string(kFrom)}, zone);
  EXPECT_TRUE(routes.Update(SlotsOf(nodes), kFrom));
  std::set<std::string> found;
  for (uint64_t turn = 0; turn < 12; ++turn) {
    found.insert(*routes.FindReplica(Slot(7), turn));
  }
  return found;
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

TEST(SlotRoutes_FindReplica, NodesOfTheZone_AreTheOnlyOnes) {
  const std::vector<ZonedNode> nodes = {
      {"a", "z1"}, {"b", "z2"}, {"c", "z2"}, {"d", ""}};
  EXPECT_EQ(ReplicasOf(nodes, "z2"),
            (std::set<std::string>{"b:7101", "c:7101"}));
  const std::set<std::string> all = {"a:7101", "b:7101", "c:7101", "d:7101"};
  EXPECT_EQ(ReplicasOf(nodes, "z3"), all) << "none is near";
  EXPECT_EQ(ReplicasOf(nodes, ""), all);
}

TEST(SlotRoutes_FindReplica, SlotOfNoRow_HasNone) {
  SlotRoutes routes({std::string(kFrom)});
  EXPECT_EQ(routes.FindReplica(Slot(7), 0), nullptr);
  ASSERT_TRUE(routes.Update(SlotsOf({{"a", ""}}), kFrom));
  EXPECT_NE(routes.FindReplica(Slot(16383), 0), nullptr);
  ASSERT_TRUE(routes.Update({.kind = Kind::kArray}, kFrom));
  EXPECT_EQ(routes.FindReplica(Slot(7), 0), nullptr);
}

TEST(SlotRoutes_Any, EveryOtherTurn_IsANodeOfTheZone) {
  SlotRoutes routes({std::string(kFrom)}, "z2");
  ASSERT_TRUE(
      routes.Update(SlotsOf({{"a", "z1"}, {"b", "z2"}, {"c", "z1"}}), kFrom));
  std::set<std::string> others;
  for (uint64_t turn = 0; turn < 12; turn += 2) {
    EXPECT_EQ(routes.Any(turn), "b:7101");
    others.insert(routes.Any(turn + 1));
  }
  EXPECT_GT(others.size(), 1u);
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

// A node moved: three more replies do not name its address.
TEST(SlotRoutes_Update, AddressThatRepliesNameNoLonger_IsForgotten) {
  SlotRoutes routes({std::string(kFrom)});
  ASSERT_TRUE(routes.Update(SlotsAt("10.0.0.2", 7102), kFrom));
  for (int reply = 0; reply < 4; ++reply) {
    EXPECT_TRUE(routes.Knows("10.0.0.2:7102")) << reply;
    ASSERT_TRUE(routes.Update(SlotsAt("10.0.0.3", 7103), kFrom));
    EXPECT_EQ(*routes.Find(Slot(7)), "10.0.0.3:7103");
  }
  EXPECT_FALSE(routes.Knows("10.0.0.2:7102"));
  EXPECT_TRUE(routes.Knows(kFrom));
  EXPECT_EQ(routes.Any(1), "10.0.0.3:7103");
}

// Before, the table was full for ever after so many moves.
TEST(SlotRoutes_Update, NodeThatMovesAgainAndAgain_IsFoundEachTime) {
  SlotRoutes routes({std::string(kFrom)});
  for (size_t move = 0; move < 2 * kRouteAddressesMax; ++move) {
    const auto port = static_cast<int64_t>(1 + move);
    ASSERT_TRUE(routes.Update(SlotsAt("10.0.0.2", port), kFrom));
    ASSERT_NE(routes.Find(Slot(7)), nullptr) << move;
    EXPECT_EQ(*routes.Find(Slot(7)), "10.0.0.2:" + std::to_string(port));
  }
}

TEST(SlotRoutes_Update, ReplicasOfARow_AreKnown) {
  RespValue slots = SlotsAt("10.0.0.2", 7102);
  const RespValue replica = SlotsAt("10.0.0.3", 7103).elements[0].elements[2];
  slots.elements[0].elements.push_back(replica);
  SlotRoutes routes({std::string(kFrom)});
  ASSERT_TRUE(routes.Update(slots, kFrom));
  EXPECT_EQ(*routes.Find(Slot(7)), "10.0.0.2:7102");
  EXPECT_TRUE(routes.Knows("10.0.0.3:7103"));
}

}  // namespace
}  // namespace quorate::kv
