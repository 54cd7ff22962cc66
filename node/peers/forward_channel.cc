#include "node/peers/forward_channel.h"

#include "env/check.h"

namespace quorate::node {

void ForwardChannels::Enter(raft::Term term) {
  CHECK_GE(term, term_);
  if (term == term_) return;
  term_ = term;
  opened_ = 0;
  taken_.clear();
}

ForwardStamp ForwardChannels::Open(raft::Term term,
                                   const ForwardStamp& replaces) {
  Enter(term);
  if (replaces.term == term) taken_.erase(replaces.channel);
  if (taken_.size() >= channels_max_) taken_.erase(taken_.begin());
  taken_.emplace(++opened_, 0);
  return {.term = term, .channel = opened_};
}

bool ForwardChannels::Take(raft::Term term, const ForwardStamp& stamp) {
  Enter(term);
  if (stamp.term != term) return false;
  const auto channel = taken_.find(stamp.channel);
  if (channel == taken_.end() || stamp.number <= channel->second) return false;
  channel->second = stamp.number;
  return true;
}

bool ForwardChannels::IsOpen(raft::Term term, const ForwardStamp& stamp) const {
  return stamp.term == term && term == term_ && taken_.contains(stamp.channel);
}

void ForwardChannels::Close(const ForwardStamp& stamp) {
  if (stamp.term == term_) taken_.erase(stamp.channel);
}

}  // namespace quorate::node
