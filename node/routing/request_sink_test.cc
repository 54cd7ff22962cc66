#include "node/routing/request_sink.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

constexpr uint32_t kGroups = 1'000;
// Orders of a sink that are kept although they are idle.
constexpr size_t kKept = 3;

TEST(RoutingState_IdleOrders, AreForgottenForOthers) {
  RequestSink::RoutingState state;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    ++state.OrderOf(GroupId(group)).waiting_reads;
    --state.OrderOf(GroupId(group)).waiting_reads;
  }
  EXPECT_EQ(state.orders(), kKept);
  EXPECT_EQ(state.further_orders(), 0u);
}

TEST(RoutingState_OrdersInUse, AreKeptUntilTheyAreIdle) {
  RequestSink::RoutingState state;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    state.OrderOf(GroupId(group)).unapplied_writes = group;
  }
  EXPECT_EQ(state.orders(), kGroups);
  state.ForgetIdle();
  for (uint32_t group = 1; group <= kGroups; ++group) {
    RequestSink::ConnectionOrder* const order = state.FindOrder(GroupId(group));
    ASSERT_NE(order, nullptr);
    EXPECT_EQ(order->group, GroupId(group));
    EXPECT_EQ(order->unapplied_writes, group);
    order->unapplied_writes = 0;
  }
  state.ForgetIdle();
  EXPECT_EQ(state.orders(), kKept);
  EXPECT_EQ(state.FindOrder(GroupId(kGroups)), nullptr);
}

// An outcome that is not known yet decides where later commands go.
TEST(RoutingState_UnsettledOrder, IsKept) {
  RequestSink::RoutingState state;
  for (uint32_t group = 1; group <= 100; ++group) {
    RequestSink::ConnectionOrder& order = state.OrderOf(GroupId(group));
    (group % 2 == 0 ? order.unsettled : order.ticket) = group;
  }
  state.ForgetIdle();
  EXPECT_EQ(state.orders(), 100u);
  EXPECT_EQ(state.OrderOf(GroupId(50)).unsettled, 50u);
  EXPECT_EQ(state.OrderOf(GroupId(51)).ticket, 51u);
}

// A connection that is never without an answer that is due.
TEST(RoutingState_BusySink, KeepsAFewIdleOrders) {
  RequestSink::RoutingState state;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    ++state.OrderOf(GroupId(group)).issued_reads;
    if (group > 20) --state.OrderOf(GroupId(group - 20)).issued_reads;
  }
  EXPECT_LE(state.orders(), 100u);
}

RequestSink::ParkedRead ReadOf(uint32_t group, uint64_t token,
                               int64_t mark = 0) {
  RequestSink::ParkedRead read = {};
  read.group = GroupId(group);
  read.token = token;
  read.numbers[0] = mark;
  return read;
}

TEST(RoutingState_ParkedReads, AreTakenByTokenWithinTheirGroup) {
  RequestSink::RoutingState state;
  for (const uint64_t token : {7, 2, 9, 4}) {
    for (const uint32_t group : {3, 1}) state.Park(ReadOf(group, token));
  }
  EXPECT_EQ(state.GroupsOfParked(), (std::vector{GroupId(1), GroupId(3)}));
  EXPECT_EQ(state.GroupOfParked(9), GroupId(1));
  for (const uint64_t token : {2, 4, 7, 9}) {
    EXPECT_EQ(state.OrderOf(GroupId(1)).first_parked, token);
    EXPECT_EQ(state.TakeFirstParked(GroupId(1))->token, token);
  }
  EXPECT_EQ(state.OrderOf(GroupId(1)).first_parked, RequestSink::kNoToken);
  EXPECT_FALSE(state.TakeFirstParked(GroupId(1)).has_value());
  EXPECT_EQ(state.GroupOfParked(9), GroupId(3));
  EXPECT_EQ(state.TakeParked(GroupId(3)).size(), 4u);
  EXPECT_EQ(state.OrderOf(GroupId(3)).first_parked, RequestSink::kNoToken);
  EXPECT_EQ(state.parked(), 0u);
  EXPECT_EQ(state.GroupOfParked(9), std::nullopt);
  EXPECT_TRUE(state.GroupsOfParked().empty());
}

// A command may ask a group for several ranges of slots.
TEST(RoutingState_ParkedReads, OfOneToken_AreAllKept) {
  RequestSink::RoutingState state;
  for (const int64_t mark : {1, 2}) state.Park(ReadOf(1, 5, mark));
  const auto first = state.TakeFirstParked(GroupId(1));
  EXPECT_EQ(state.OrderOf(GroupId(1)).first_parked, 5u);
  const auto second = state.TakeFirstParked(GroupId(1));
  EXPECT_EQ(first->numbers[0] + second->numbers[0], 3);
  EXPECT_EQ(state.parked(), 0u);
}

}  // namespace
}  // namespace quorate::node
