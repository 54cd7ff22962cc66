#include "node/controller/candidate_turn.h"

#include <vector>

#include "env/ids.h"
#include "gtest/gtest.h"

namespace quorate::node {
namespace {

const std::vector<NodeId> kCandidates = {NodeId(1), NodeId(2), NodeId(3),
                                         NodeId(4)};

TEST(CandidateTurn, AttemptsOfAQuestion_GoFromNodeToNode) {
  const CandidateTurn turn;
  EXPECT_EQ(turn.At(kCandidates, 0), NodeId(1));
  EXPECT_EQ(turn.At(kCandidates, 3), NodeId(4));
  EXPECT_EQ(turn.At(kCandidates, 4), NodeId(1));
}

// Reports of a node and of its replicas are as many as there are candidates.
TEST(CandidateTurn, AsManyQuestionsAsCandidates_LeaveTheSilentNode) {
  CandidateTurn turn;
  for (const NodeId asked : kCandidates) {
    EXPECT_EQ(turn.At(kCandidates, 0), asked);
    for (size_t i = 0; i < kCandidates.size(); ++i) turn.OnNoAnswer(asked);
  }
  EXPECT_EQ(turn.At(kCandidates, 0), NodeId(1));
}

TEST(CandidateTurn, SilentNodeThatIsNoCandidate_IsForgotten) {
  CandidateTurn turn;
  turn.OnNoAnswer(NodeId(9));
  EXPECT_EQ(turn.At(kCandidates, 0), NodeId(1));
}

}  // namespace
}  // namespace quorate::node
