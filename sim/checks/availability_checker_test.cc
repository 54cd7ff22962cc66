// Operations that wait with and without a reason.
#include "sim/checks/availability_checker.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

using Refusal = AvailabilityChecker::Refusal;

constexpr Duration kBound = Seconds(10);
const AvailabilityChecker::CalmBounds kCalm = {
    .attempt = Seconds(3), .p99 = Seconds(2), .attempts_max = 3};

SimTime At(int64_t seconds) { return SimTime(Seconds(seconds).ns()); }

class AvailabilityCheckerTest : public testing::Test {
 protected:
  void Send(int64_t second, NodeId node = NodeId(1)) {
    checker_.OnSent(7, {.client = 3,
                        .group = GroupId(2),
                        .node = node,
                        .connection = 1,
                        .sent = At(second)});
  }
  // Checks at each second from `from` to `to`. Node 1 can serve.
  void Check(int64_t from, int64_t to, int64_t calm_since) {
    for (int64_t second = from; second <= to; ++second) {
      checker_.Check({.now = At(second),
                      .calm_since = At(calm_since),
                      .bound = kBound,
                      .can_serve = [](const AvailabilityChecker::Attempt& one) {
                        return one.node == NodeId(1);
                      }});
    }
  }

  std::vector<std::string> found_;
  AvailabilityChecker checker_{
      [this](std::string what) { found_.push_back(what); },
      [](AvailabilityChecker::Operation) { return std::string("get on k"); }};
};

TEST_F(AvailabilityCheckerTest, WaitsForTheBound_Found) {
  Send(5);
  Check(5, 14, 0);
  EXPECT_TRUE(found_.empty());
  EXPECT_EQ(checker_.longest(), Seconds(9));
  Check(15, 15, 0);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0],
            "availability: get on k of client 3 waits for group 2 at node 1 "
            "since 5000 ms, now it is 15000 ms; no fault since 0 ms");
}

// Each answer sends the client to the node again, and none is the result.
TEST_F(AvailabilityCheckerTest, IsRefusedForTheBound_Found) {
  for (int64_t second = 5; second < 15; ++second) {
    Send(second);
    Check(second, second, 0);
  }
  EXPECT_TRUE(found_.empty());
  Check(15, 15, 0);
  EXPECT_EQ(found_.size(), 1u);
}

// The client waits for its own turn at the other node.
TEST_F(AvailabilityCheckerTest, HeldByTheClient_IsAnExcuseForThatTime) {
  Send(5);
  checker_.OnRefused(7, At(6), Refusal::kElsewhere);
  Check(6, 40, 0);
  EXPECT_TRUE(found_.empty());
  Send(40);
  Check(40, 48, 0);
  EXPECT_TRUE(found_.empty());
  Check(49, 49, 0);
  EXPECT_EQ(found_.size(), 1u);
}

// A client whose other operations take long sends few at a time. Its back-off
// before is no excuse.
TEST_F(AvailabilityCheckerTest, OthersOfTheClientAreInFlight_IsAnExcuse) {
  Send(5);
  checker_.OnRefused(7, At(6), Refusal::kUnavailable);
  Check(6, 8, 0);
  checker_.OnHeld(7, At(8));
  Check(8, 40, 0);
  EXPECT_TRUE(found_.empty());
  Send(40);
  checker_.OnRefused(7, At(41), Refusal::kUnavailable);
  Check(41, 46, 0);
  EXPECT_TRUE(found_.empty());
  Check(47, 47, 0);
  EXPECT_EQ(found_.size(), 1u);
}

// Connections to nodes that are cut off end after a while, one after another.
TEST_F(AvailabilityCheckerTest, ConnectionsThatFail_AreAnExcuseForTheirTime) {
  Send(5);
  checker_.OnRefused(7, At(6), Refusal::kElsewhere);
  for (const int64_t second : {11, 16, 21}) {
    Check(second, second, 0);
    checker_.OnRefused(7, At(second), Refusal::kElsewhere);
  }
  Send(26);
  Check(26, 34, 0);
  EXPECT_TRUE(found_.empty());
  Check(35, 35, 0);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, Ends_IsForgotten) {
  Send(5);
  Check(5, 14, 0);
  checker_.OnEnded(7, At(14));
  Check(15, 30, 0);
  EXPECT_TRUE(found_.empty());
}

TEST_F(AvailabilityCheckerTest, SlowAttemptInTheCalm_Found) {
  checker_.BeginCalm(kCalm);
  Send(5);
  checker_.OnRefused(7, At(8), Refusal::kElsewhere);
  // The time before the next attempt is the client's.
  Send(60);
  checker_.OnEnded(7, At(63));
  EXPECT_TRUE(found_.empty());
  Send(70);
  checker_.OnRefused(7, At(74), Refusal::kElsewhere);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0],
            "availability: get on k took 4000 ms at node 1 though no fault was "
            "left; at most 3000 ms");
  Send(80);
  checker_.OnEnded(7, At(85));
  EXPECT_EQ(found_.size(), 2u);
}

TEST_F(AvailabilityCheckerTest, SlowAttemptAtANodeThatNeedNotWork_Passes) {
  AvailabilityChecker::CalmBounds bounds = kCalm;
  bounds.excused.insert(NodeId(1));
  checker_.BeginCalm(bounds);
  Send(5);
  checker_.OnRefused(7, At(60), Refusal::kUnavailable);
  EXPECT_TRUE(found_.empty());
}

TEST_F(AvailabilityCheckerTest, UnavailableInTheCalm_Found) {
  Send(5);
  checker_.OnRefused(7, At(6), Refusal::kUnavailable);
  checker_.BeginCalm(kCalm);
  Send(7);
  checker_.OnRefused(7, At(7), Refusal::kElsewhere);
  EXPECT_TRUE(found_.empty());
  Send(8);
  checker_.OnRefused(7, At(8), Refusal::kUnavailable);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0],
            "availability: node 1 refused get on k though no fault was left");
}

TEST_F(AvailabilityCheckerTest, RefusedDuringATransfer_PassesWithAReason) {
  struct Case {
    int64_t led;     // The transfer ends then; the attempt lasts from 5 to 6.
    bool impatient;  // The node holds requests for a short time.
    bool overtaken;  // A later request of the connection was sent meanwhile.
    bool passes;
  };
  for (const Case& c : {Case{6, true, false, true},
                        {6, false, true, true},
                        {8, true, false, true},
                        {5, true, true, false},
                        {10, true, true, false},
                        {6, false, false, false}}) {
    AvailabilityChecker::CalmBounds bounds = kCalm;
    bounds.led_since = [&](GroupId) { return At(c.led); };
    if (c.impatient) bounds.impatient.insert(NodeId(1));
    checker_.BeginCalm(bounds);
    found_.clear();
    Send(5);
    if (c.overtaken) {
      checker_.OnSent(8, {.client = 3,
                          .group = GroupId(2),
                          .node = NodeId(1),
                          .connection = 1,
                          .sent = At(5)});
    }
    checker_.OnRefused(7, At(6), Refusal::kUnavailable);
    checker_.OnEnded(7, At(6));
    checker_.OnEnded(8, At(6));
    checker_.EndCalm();
    EXPECT_EQ(found_.empty(), c.passes) << c.led << c.impatient << c.overtaken;
  }
}

TEST_F(AvailabilityCheckerTest, SlowBeforeOrAfterTheCalm_IsNoViolation) {
  Send(1);
  checker_.BeginCalm(kCalm);
  checker_.OnEnded(7, At(9));
  Send(10);
  checker_.EndCalm();
  checker_.OnEnded(7, At(60));
  Send(61);
  checker_.OnEnded(7, At(90));
  EXPECT_TRUE(found_.empty());
}

TEST_F(AvailabilityCheckerTest, OthersOfTheConnectionAreGivenUp_IsNoExcuse) {
  Send(5);
  for (int64_t second = 6; second <= 15; ++second) {
    checker_.OnSent(100 + second, {.client = 3,
                                   .group = GroupId(2),
                                   .node = NodeId(1),
                                   .connection = 1,
                                   .sent = At(5)});
    checker_.OnEnded(100 + second, At(second));
    Check(second, second, 0);
  }
  EXPECT_EQ(found_.size(), 1u);
}

// Many operations are pipelined, and each needs a second.
TEST_F(AvailabilityCheckerTest, OthersOfTheConnectionSucceed_IsAnExcuse) {
  Send(5);
  for (int64_t second = 6; second < 30; ++second) {
    checker_.OnSent(100 + second, {.client = 3,
                                   .group = GroupId(2),
                                   .node = NodeId(1),
                                   .connection = 1,
                                   .sent = At(5)});
    checker_.OnSucceeded(100 + second, At(second));
    Check(second, second, 0);
  }
  EXPECT_TRUE(found_.empty());
  Check(30, 39, 0);
  EXPECT_EQ(found_.size(), 1u);
}

// The replies of a connection come in order. The first one waits for its turn
// in a group with many operations.
TEST_F(AvailabilityCheckerTest, TheOneBeforeItWaitsForItsTurn_IsAnExcuse) {
  const auto send = [this](uint64_t op, uint32_t group, uint64_t connection,
                           int64_t second) {
    checker_.OnSent(op, {.client = 1,
                         .group = GroupId(group),
                         .node = NodeId(1),
                         .connection = connection,
                         .sent = At(second)});
  };
  send(1, 1, 1, 5);
  send(2, 1, 2, 6);
  send(3, 2, 2, 7);
  send(4, 2, 3, 7);
  checker_.OnSucceeded(4, At(8));
  Check(8, 11, 0);
  checker_.OnSucceeded(1, At(11));
  Check(12, 19, 0);
  EXPECT_TRUE(found_.empty()) << found_[0];
  Check(21, 21, 0);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, OthersOfTheGroupSucceed_IsAnExcuse) {
  const auto send = [this](uint64_t op, int64_t second) {
    checker_.OnSent(op, {.client = 1,
                         .group = GroupId(1),
                         .node = NodeId(1),
                         .connection = op,
                         .sent = At(second)});
  };
  send(1, 5);
  send(2, 6);
  send(3, 7);
  send(4, 17);
  Check(6, 11, 0);
  checker_.OnSucceeded(1, At(11));
  Check(12, 19, 0);
  checker_.OnSucceeded(3, At(20));
  Check(20, 29, 0);
  EXPECT_TRUE(found_.empty()) << found_[0];
  // One that was sent the bound later has overtaken it.
  checker_.OnSucceeded(4, At(29));
  Check(30, 30, 0);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, LaterOneSucceedsInTheCalm_IsNoExcuse) {
  checker_.BeginCalm(kCalm);
  Send(5);
  checker_.OnSent(8, {.client = 4,
                      .group = GroupId(2),
                      .node = NodeId(1),
                      .connection = 2,
                      .sent = At(6)});
  Check(6, 7, 0);
  checker_.OnSucceeded(8, At(8));
  checker_.OnEnded(7, At(9));
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, AFaultMeanwhile_IsAnExcuse) {
  Send(5);
  Check(5, 14, 0);
  Send(16);
  Check(16, 24, 15);
  EXPECT_TRUE(found_.empty());
  Check(25, 25, 15);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, AnAnswerMeanwhile_IsAnExcuse) {
  Send(5);
  Check(5, 14, 0);
  checker_.OnAnswered(7, At(14));
  Check(15, 23, 0);
  EXPECT_TRUE(found_.empty());
  Check(24, 24, 0);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, AttemptFromBeforeTheFault_IsAnExcuse) {
  Send(5);
  Check(6, 60, 6);
  EXPECT_TRUE(found_.empty());
}

TEST_F(AvailabilityCheckerTest, ANodeThatCannotServe_IsAnExcuse) {
  Send(5, NodeId(2));
  Check(5, 20, 0);
  Send(20);
  Check(20, 29, 0);
  EXPECT_TRUE(found_.empty());
  Check(30, 30, 0);
  EXPECT_EQ(found_.size(), 1u);
}

TEST_F(AvailabilityCheckerTest, ManyAnswersOfTheCalmAreLate_Found) {
  checker_.BeginCalm(kCalm);
  for (int i = 0; i < 198; ++i) checker_.AddCalmAnswer(Milliseconds(10));
  checker_.AddCalmAnswer(Milliseconds(2'500));
  checker_.EndCalm();
  EXPECT_TRUE(found_.empty());
  checker_.BeginCalm(kCalm);
  for (int i = 0; i < 198; ++i) checker_.AddCalmAnswer(Milliseconds(10));
  checker_.AddCalmAnswer(Milliseconds(2'500));
  checker_.AddCalmAnswer(Milliseconds(2'500));
  Send(5);
  checker_.OnSucceeded(7, At(8));
  checker_.EndCalm();
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0],
            "availability: the 99th percentile of 201 attempts took 2500 ms "
            "though no fault was left; at most 2000 ms");
}

TEST_F(AvailabilityCheckerTest, ManyAttemptsInTheCalm_FoundOnce) {
  Send(1);
  Send(2);
  checker_.BeginCalm(kCalm);
  for (int64_t second = 3; second < 6; ++second) Send(second);
  EXPECT_TRUE(found_.empty());
  Send(6);
  Send(7);
  ASSERT_EQ(found_.size(), 1u);
  EXPECT_EQ(found_[0],
            "availability: get on k was sent 4 times though no fault was left; "
            "at most 3 times");
}

// A client that knows no better asks any node.
TEST_F(AvailabilityCheckerTest, AttemptsAtReadOnlyNodes_DoNotCount) {
  AvailabilityChecker::CalmBounds bounds = kCalm;
  bounds.read_only.insert(NodeId(2));
  checker_.BeginCalm(bounds);
  for (int64_t second = 3; second < 9; ++second) Send(second, NodeId(2));
  for (int64_t second = 9; second < 12; ++second) Send(second);
  EXPECT_TRUE(found_.empty());
  Send(12);
  EXPECT_EQ(found_.size(), 1u);
}

}  // namespace
}  // namespace quorate::sim
