#include "node/routing/request_sink.h"

#include <vector>

#include "gtest/gtest.h"
#include "kv/store/record_pool.h"

namespace quorate::node {
namespace {

using State = ConnectionOrder::State;

constexpr uint32_t kGroups = 1'000;
// Orders of a sink that are kept although they are idle.
constexpr size_t kKept = 3;

class RoutingStateTest : public ::testing::Test {
 protected:
  ConnectionOrder::Request& AddRead(uint32_t group, uint64_t token = 1) {
    return state_.OrderOf(GroupId(group)).Add(pool_, [&] {
      return ConnectionOrder::Request{.token = token, .state = State::kIssued};
    });
  }
  void Park(uint32_t group, uint64_t token) {
    ConnectionOrder::Request& read = AddRead(group, token);
    read.order->Move(read, State::kParked);
  }
  // The tokens of the parked reads of a group, first to last. Answers them.
  std::vector<uint64_t> TakeParked(uint32_t group) {
    std::vector<uint64_t> tokens;
    ConnectionOrder& order = state_.OrderOf(GroupId(group));
    while (ConnectionOrder::Request* const read = order.first_parked()) {
      tokens.push_back(read->token);
      order.Move(*read, State::kIssued);
      order.End(*read);
      EXPECT_TRUE(state_.SumsAgree());
    }
    return tokens;
  }

  kv::RecordPool pool_;
  RequestSink::RoutingState state_;
};

TEST_F(RoutingStateTest, IdleOrders_AreForgottenForOthers) {
  for (uint32_t group = 1; group <= kGroups; ++group) {
    ConnectionOrder::Request& read = AddRead(group);
    read.order->End(read);
  }
  EXPECT_EQ(state_.orders(), kKept);
  EXPECT_EQ(state_.further_orders(), 0u);
}

TEST_F(RoutingStateTest, OrdersInUse_AreKeptUntilTheyAreIdle) {
  std::vector<ConnectionOrder::Request*> writes;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    writes.push_back(&state_.OrderOf(GroupId(group)).Add(pool_, [&] {
      return ConnectionOrder::Request{
          .state = State::kInBatch, .write = true, .encoded_bytes = group};
    }));
  }
  EXPECT_EQ(state_.orders(), kGroups);
  state_.ForgetIdle();
  for (uint32_t group = 1; group <= kGroups; ++group) {
    ConnectionOrder* const order = state_.FindOrder(GroupId(group));
    ASSERT_NE(order, nullptr);
    EXPECT_EQ(order->group(), GroupId(group));
    EXPECT_EQ(order->write_bytes(), group);
    order->End(*writes[group - 1]);
  }
  state_.ForgetIdle();
  EXPECT_EQ(state_.orders(), kKept);
  EXPECT_EQ(state_.FindOrder(GroupId(kGroups)), nullptr);
}

// An outcome that is not known yet decides where later commands go.
TEST_F(RoutingStateTest, UnsettledOrder_IsKept) {
  for (uint32_t group = 1; group <= 100; ++group) {
    ConnectionOrder& order = state_.OrderOf(GroupId(group));
    (group % 2 == 0 ? order.unsettled : order.ticket) = group;
  }
  state_.ForgetIdle();
  EXPECT_EQ(state_.orders(), 100u);
  EXPECT_EQ(state_.OrderOf(GroupId(50)).unsettled, 50u);
  EXPECT_EQ(state_.OrderOf(GroupId(51)).ticket, 51u);
}

// A connection that is never without an answer that is due.
TEST_F(RoutingStateTest, BusySink_KeepsAFewIdleOrders) {
  std::vector<ConnectionOrder::Request*> reads;
  for (uint32_t group = 1; group <= kGroups; ++group) {
    reads.push_back(&AddRead(group));
    if (group <= 20) continue;
    ConnectionOrder::Request& read = *reads[group - 21];
    read.order->End(read);
  }
  EXPECT_LE(state_.orders(), 100u);
}

TEST_F(RoutingStateTest, ParkedReads_AreTakenByTokenWithinTheirGroup) {
  for (const uint64_t token : {7, 2, 9, 4}) {
    for (const uint32_t group : {3, 1}) Park(group, token);
  }
  EXPECT_EQ(state_.GroupsOfParked(), (std::vector{GroupId(1), GroupId(3)}));
  EXPECT_EQ(state_.parked(), 8u);
  EXPECT_TRUE(state_.WaitsForRoom(2));
  EXPECT_FALSE(state_.WaitsForRoom(1));
  EXPECT_EQ(TakeParked(1), (std::vector<uint64_t>{2, 4, 7, 9}));
  EXPECT_EQ(state_.OrderOf(GroupId(1)).first_parked(), nullptr);
  EXPECT_TRUE(state_.WaitsForRoom(2));
  EXPECT_EQ(state_.GroupsOfParked(), std::vector{GroupId(3)});
  EXPECT_EQ(TakeParked(3).size(), 4u);
  EXPECT_EQ(state_.OrderOf(GroupId(3)).first_parked(), nullptr);
  EXPECT_EQ(state_.parked(), 0u);
  EXPECT_FALSE(state_.WaitsForRoom(2));
  EXPECT_TRUE(state_.GroupsOfParked().empty());
}

// A command may ask a group for several ranges of slots.
TEST_F(RoutingStateTest, ParkedReadsOfOneToken_AreAllKept) {
  Park(1, 5);
  Park(1, 5);
  ConnectionOrder::Request& first = *state_.OrderOf(GroupId(1)).first_parked();
  EXPECT_EQ(first.token, 5u);
  first.order->Move(first, State::kIssued);
  EXPECT_TRUE(state_.SumsAgree());
  first.order->Move(first, State::kParked);
  EXPECT_TRUE(state_.SumsAgree());
  EXPECT_EQ(TakeParked(1), (std::vector<uint64_t>{5, 5}));
  EXPECT_EQ(state_.parked(), 0u);
}

TEST_F(RoutingStateTest, ReadBehindOneInPieces_WaitsNotForRoomAlone) {
  Park(1, 5);
  ConnectionOrder::Request& read = AddRead(1, 6);
  read.order->Move(read, State::kInPieces);
  EXPECT_FALSE(state_.WaitsForRoom(5));
  read.order->End(read);
  EXPECT_TRUE(state_.WaitsForRoom(5));
}

}  // namespace
}  // namespace quorate::node
