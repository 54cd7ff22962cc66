#include "node/controller/wish_reports.h"

#include <utility>

#include "shardctrl/controller/rows.h"

namespace quorate::node {

using shardctrl::ClusterState;

namespace {

std::vector<shardctrl::MoveRow> MovesUnderWay(const ClusterState& state) {
  std::vector<shardctrl::MoveRow> rows = shardctrl::MoveRows(state);
  std::erase_if(rows, [&](const shardctrl::MoveRow& row) {
    return state.FindMove(row.id) == nullptr;
  });
  return rows;
}

}  // namespace

std::vector<StuckWish> StuckWishesOf(const ClusterState& state) {
  std::vector<StuckWish> wishes;
  for (shardctrl::NodeRow& row : shardctrl::NodeRows(state)) {
    if (row.problem.empty()) continue;
    wishes.push_back({.node = row.id, .why = std::move(row.problem)});
  }
  for (shardctrl::GroupRow& row : shardctrl::GroupRows(state)) {
    if (row.problem.empty()) continue;
    wishes.push_back({.group = row.id, .why = std::move(row.problem)});
  }
  for (shardctrl::MoveRow& row : MovesUnderWay(state)) {
    // Operators want the pause, and others go first.
    if (row.problem.empty() || row.phase == "paused" ||
        row.phase == "waiting") {
      continue;
    }
    wishes.push_back({.move = row.id, .why = std::move(row.problem)});
  }
  return wishes;
}

std::vector<MoveReport> MovesOf(const ClusterState& state) {
  std::vector<MoveReport> moves;
  for (const shardctrl::MoveRow& row : MovesUnderWay(state)) {
    const shardctrl::MoveProgress& progress = row.progress;
    moves.push_back({.move = row.id,
                     .phase = row.phase,
                     .slots = row.slot_count,
                     .copied_slots = progress.slots_done,
                     .copied_bytes = progress.bytes_done,
                     .all_bytes = progress.bytes_total,
                     .bytes_per_second = row.bytes_per_second,
                     .seconds_left = row.seconds_left,
                     .held_requests = progress.held_requests,
                     .longest_pause = progress.longest_pause});
  }
  return moves;
}

}  // namespace quorate::node
