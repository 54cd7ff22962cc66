// Committed entries leave the core for the state machine (Raft paper, Figure 2,
// "Rules for Servers").
#include <algorithm>

#include "raft/core/core_impl.h"

namespace quorate::raft {

// Hands out committed entries, at the end of a Step. While a snapshot replaces
// the state machine nothing is applied.
void Core::Impl::ApplyCommitted() {
  const Index end = ApplyEnd();
  if (applied_ == end || apply_backlog_ || installing()) {
    apply_backlog_ = applied_ < end && !installing();
    return;
  }
  const uint64_t room =
      context_.gate == nullptr ? UINT64_MAX : context_.gate->ApplyRoom();
  if (room == 0) {
    apply_backlog_ = true;
    return;
  }
  const uint64_t bytes_max = std::min<uint64_t>(
      room, Fires("raft.apply_one_entry") ? 1 : options_->apply_bytes_max);
  log_.SliceByBytes(applied_, end, bytes_max, &out_->apply);
  size_t known = 0;
  for (const Entry& entry : out_->apply) {
    if (!Knows(entry)) {
      HaltBefore(entry.index);
      break;
    }
    const uint64_t work = context_.gate == nullptr
                              ? entry.size_bytes()
                              : context_.gate->WorkOf(entry);
    if (known > 0 && out_->apply_work + work > bytes_max) break;
    out_->apply_work += work;
    ++known;
    unapplied_bytes_ -= entry.size_bytes();
    applied_log_time_ = entry.log_time;
    applied_latest_ = std::max(applied_latest_, entry.bounded_latest());
  }
  applied_ = applied_ + known;
  out_->apply.Truncate(known);
  apply_backlog_ = applied_ < ApplyEnd();
  ReleaseConfirmedReads();
  ReleaseForwardedReads();
}

}  // namespace quorate::raft
