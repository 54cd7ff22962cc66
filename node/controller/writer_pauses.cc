#include "node/controller/writer_pauses.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "env/time.h"
#include "node/routing/wait_order.h"

namespace quorate::node {

void FollowMoves(const shardctrl::ClusterState& state, Router& router) {
  std::vector<SlotRange> moving;
  std::vector<SlowWriters::Slowed> slowed;
  for (const shardctrl::SlotMove& move : state.moves) {
    moving.insert(moving.end(), move.slots.begin(), move.slots.end());
    const Duration pause = move.progress.write_pause;
    if (pause == Duration() || move.paused ||
        move.decision != shardctrl::MoveState::kOpen) {
      continue;
    }
    for (const SlotRange range : move.slots) slowed.push_back({range, pause});
  }
  router.refused().KeepPauses(moving);
  std::ranges::sort(slowed, {},
                    [](const auto& one) { return one.slots.first; });
  router.slow_writers().Set(std::move(slowed));
}

}  // namespace quorate::node
