#include "node/peers/taken_requests.h"

#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

TEST(TakenRequests, CopyOfARequest_IsNotTaken) {
  TakenRequests taken;
  EXPECT_TRUE(taken.Take({1, 1}, 1));
  EXPECT_FALSE(taken.Take({1, 1}, 1));
  EXPECT_TRUE(taken.Take({1, 3}, 1));
  EXPECT_TRUE(taken.Take({1, 2}, 1));
  EXPECT_FALSE(taken.Take({1, 3}, 1));
}

TEST(TakenRequests, RequestThatIsSettled_IsNotTaken) {
  TakenRequests taken;
  EXPECT_TRUE(taken.Take({1, 9}, 9));
  EXPECT_FALSE(taken.Take({1, 8}, 8));
}

TEST(TakenRequests, EarlierProcess_LeavesTheLaterOnesAlone) {
  TakenRequests taken;
  EXPECT_TRUE(taken.Take({1, 100}, 90));
  EXPECT_TRUE(taken.Take({2, 1}, 1));
  EXPECT_TRUE(taken.Take({1, 101}, 90));
  EXPECT_FALSE(taken.Take({2, 1}, 1));
}

TEST(TakenRequests, TooManyNumbers_TheLowestCountAsTaken) {
  TakenRequests taken(/*numbers_max=*/3);
  for (const uint64_t number : {2, 4, 6, 8}) {
    EXPECT_TRUE(taken.Take({1, number}, 1));
  }
  EXPECT_FALSE(taken.Take({1, 1}, 1));
  EXPECT_FALSE(taken.Take({1, 2}, 1));
  EXPECT_TRUE(taken.Take({1, 3}, 1));
}

RC_GTEST_PROP(TakenRequests, AnyMessages_AreTakenAtMostOnceEach, ()) {
  TakenRequests taken(*rc::gen::inRange<size_t>(1, 8));
  std::set<std::pair<uint64_t, uint64_t>> before;
  const auto count = *rc::gen::inRange(0, 60);
  for (int i = 0; i < count; ++i) {
    const PeerRequestId id{*rc::gen::inRange<uint64_t>(1, 4),
                           *rc::gen::inRange<uint64_t>(1, 12)};
    const auto settled = *rc::gen::inRange<uint64_t>(1, id.number + 1);
    if (taken.Take(id, settled)) {
      RC_ASSERT(before.insert({id.asker, id.number}).second);
    }
  }
}

}  // namespace
}  // namespace quorate::node
