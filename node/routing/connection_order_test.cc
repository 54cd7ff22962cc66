#include "node/routing/connection_order.h"

#include <cstdint>
#include <map>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "kv/store/record_pool.h"

namespace quorate::node {
namespace {

using Request = ConnectionOrder::Request;
using State = ConnectionOrder::State;

class ConnectionOrderTest : public ::testing::Test {
 protected:
  Request& Add(uint64_t token, State state) {
    return order_.Add(pool_,
                      [&] { return Request{.token = token, .state = state}; });
  }

  kv::RecordPool pool_;
  ConnectionOrder::Totals totals_;
  ConnectionOrder order_{nullptr, &totals_, GroupId(1)};
};

TEST_F(ConnectionOrderTest, RequestThatAnotherGroupRefused_ComesFirst) {
  Add(5, State::kWaiting);
  Add(7, State::kWaiting);
  Request& first = Add(3, State::kWaiting);
  EXPECT_EQ(order_.first_waiting(), &first);
  EXPECT_EQ(ConnectionOrder::NextWaiting(first)->token, 5u);
  EXPECT_TRUE(order_.SumsAgree());
}

TEST_F(ConnectionOrderTest, ReadBehindAWaitingOne_NeedsAnotherReadPoint) {
  Request& early = Add(1, State::kIssued);
  Request& late = Add(2, State::kIssued);
  EXPECT_FALSE(order_.IsBehindWaiting(late));
  order_.Move(early, State::kWaiting);
  EXPECT_TRUE(order_.IsBehindWaiting(late));
  EXPECT_FALSE(order_.IsBehindWaiting(early));
  // A later one that waits is no reason.
  order_.Move(late, State::kWaiting);
  order_.Move(early, State::kIssued);
  EXPECT_FALSE(order_.IsBehindWaiting(early));
}

TEST_F(ConnectionOrderTest, ReadBehindAParkedOne_AwaitsIt) {
  Request& early = Add(1, State::kIssued);
  Request& middle = Add(2, State::kIssued);
  Request& late = Add(3, State::kIssued);
  order_.Move(middle, State::kParked);
  EXPECT_FALSE(order_.AwaitsEarlier(early));
  EXPECT_TRUE(order_.AwaitsEarlier(late));
  order_.Move(middle, State::kIssued);
  EXPECT_FALSE(order_.AwaitsEarlier(late));
  order_.Move(middle, State::kInPieces);
  EXPECT_TRUE(order_.AwaitsEarlier(early));
}

// A write that another group refused waits for earlier reads, and not for later
// ones.
TEST_F(ConnectionOrderTest, IssuedReads_ComeBeforeLaterRequests) {
  Request& read = Add(2, State::kIssued);
  EXPECT_TRUE(order_.HasIssuedBefore(3));
  EXPECT_FALSE(order_.HasIssuedBefore(1));
  order_.Move(read, State::kParked);
  EXPECT_TRUE(order_.HasIssuedBefore(3));
  order_.Move(read, State::kIssued);
  order_.Move(read, State::kWaiting);
  EXPECT_FALSE(order_.HasIssuedBefore(3));
}

TEST_F(ConnectionOrderTest, RefusedRequest_IsNotOutstandingButHeld) {
  Request& request = Add(1, State::kInBatch);
  EXPECT_TRUE(order_.outstanding());
  order_.Move(request, State::kRefused);
  EXPECT_FALSE(order_.outstanding());
  EXPECT_FALSE(order_.idle());
  EXPECT_EQ(totals_.refused, 1u);
  order_.End(request);
  EXPECT_TRUE(order_.idle());
  EXPECT_EQ(totals_.refused, 0u);
}

TEST_F(ConnectionOrderTest, RequestsOfADestroyedOrder_AreFreed) {
  {
    ConnectionOrder order(nullptr, &totals_, GroupId(2));
    order.Add(pool_,
              [] { return Request{.token = 1, .bytes = Buffer::Copy("x")}; });
    EXPECT_EQ(pool_.slab_count(), 1u);
  }
  EXPECT_EQ(pool_.slab_count(), 0u);
}

TEST_F(ConnectionOrderTest, AnswerOfARequestThatWaits_IsAnError) {
  Request& waiting = Add(1, State::kWaiting);
  EXPECT_DEATH(order_.End(waiting), "CHECK failed");
  EXPECT_DEATH(order_.Move(waiting, State::kParked), "CHECK failed");
}

// The table of the header.
TEST_F(ConnectionOrderTest, RandomSteps_SumsAgreeWithTheList) {
  const std::map<State, std::vector<State>> kNext = {
      {State::kWaiting, {State::kIssued, State::kInBatch}},
      {State::kIssued,
       {State::kWaiting, State::kParked, State::kInPieces, State::kInBatch,
        State::kRefused}},
      {State::kParked, {State::kIssued}},
      {State::kInPieces, {State::kIssued}},
      {State::kInBatch, {State::kSubmitted, State::kRefused}},
      {State::kSubmitted, {State::kInBatch, State::kRefused}},
      {State::kRefused, {}}};
  std::mt19937 random(7);
  const auto draw = [&random](size_t below) { return random() % below; };
  std::vector<Request*> requests;
  uint64_t token = 0;
  for (int step = 0; step < 20'000; ++step) {
    const size_t choice = draw(10);
    if (requests.size() < 40 && choice < 3) {
      token += draw(3);
      const uint64_t number = draw(20) == 0 ? draw(token + 1) : token;
      constexpr State kFirst[] = {State::kWaiting, State::kIssued,
                                  State::kInBatch};
      const State state = kFirst[draw(3)];
      requests.push_back(&order_.Add(pool_, [&] {
        return Request{.token = number,
                       .state = state,
                       .redirect = draw(2) == 0,
                       .write = state == State::kInBatch && draw(2) == 0,
                       .encoded_bytes = static_cast<uint32_t>(draw(100)),
                       .result_bytes = static_cast<uint32_t>(draw(100))};
      }));
    } else if (!requests.empty()) {
      const size_t at = draw(requests.size());
      Request& request = *requests[at];
      const std::vector<State>& next = kNext.at(request.state);
      const bool may_end =
          request.state != State::kWaiting && request.state != State::kParked;
      if (may_end && (choice == 9 || next.empty())) {
        order_.End(request);
        requests.erase(requests.begin() + static_cast<ptrdiff_t>(at));
      } else if (!next.empty()) {
        order_.Move(request, next[draw(next.size())]);
      }
    }
    ASSERT_TRUE(order_.SumsAgree()) << "step " << step;
    ASSERT_EQ(order_.idle(), requests.empty());
  }
  EXPECT_GT(token, 1'000u);
}

}  // namespace
}  // namespace quorate::node
