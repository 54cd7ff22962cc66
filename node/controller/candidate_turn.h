// node/controller/candidate_turn.h: which node is asked for the leader of the
// controller while none is known.
#ifndef QUORATE_NODE_CONTROLLER_CANDIDATE_TURN_H_
#define QUORATE_NODE_CONTROLLER_CANDIDATE_TURN_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "env/ids.h"

namespace quorate::node {

// The attempts of a question go to one candidate after the other. A node may
// take questions and answer none: it waits to be founded, or its process hangs.
// Then a question has one attempt, and the next one begins behind that node.
// Several questions that failed together move on by one node, not by several.
// Else they might all come back to the silent one, again and again.
class CandidateTurn {
 public:
  // A question had no answer before its deadline. `asked` was asked last.
  void OnNoAnswer(NodeId asked) { silent_ = asked; }
  // The candidate for an attempt, which counts from 0. Requires: there are
  // candidates.
  NodeId At(const std::vector<NodeId>& candidates, uint64_t attempt) const {
    const auto silent = std::ranges::find(candidates, silent_);
    const size_t first =
        silent == candidates.end() ? 0 : silent - candidates.begin() + 1;
    return candidates[(first + attempt) % candidates.size()];
  }

 private:
  NodeId silent_;  // Zero: none was silent.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_CANDIDATE_TURN_H_
