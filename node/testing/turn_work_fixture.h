// node/testing/turn_work_fixture.h: one node, a client of it, and the bound of
// the work of its turns.
//
// Testonly.
#ifndef QUORATE_NODE_TESTING_TURN_WORK_FIXTURE_H_
#define QUORATE_NODE_TESTING_TURN_WORK_FIXTURE_H_

#include <cstdint>
#include <memory>

#include "gtest/gtest.h"
#include "node/testing/test_cluster.h"

namespace quorate::node {

class TurnWorkFixture : public ::testing::Test {
 protected:
  TurnWorkFixture() {
    EXPECT_TRUE(cluster_.AwaitLeaders());
    client_ = cluster_.ConnectResp(0);
  }

  // The bound of a step of a turn, and the last piece of work that began.
  void ExpectBounded(uint64_t last_piece) {
    const uint64_t bound = cluster_.config(0).bounds.turn_work;
    EXPECT_LE(cluster_.server(0).resources().longest_turn_work,
              bound + last_piece);
  }

  TestCluster cluster_;
  std::unique_ptr<TestClient> client_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_TESTING_TURN_WORK_FIXTURE_H_
