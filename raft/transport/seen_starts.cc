#include "raft/transport/seen_starts.h"

#include <algorithm>
#include <utility>

namespace quorate::raft {

void SeenStarts::Recall(NodeId node, const env::SeenStart& seen) {
  if (seen.store != StoreIncarnation()) seen_[node] = seen;
}

SeenStarts::Verdict SeenStarts::Take(NodeId node, const env::SeenStart& start,
                                     const env::EarlierStarts& earlier) {
  env::SeenStart& seen = seen_[node];
  if (seen == start) return Verdict::kKnown;
  if (seen.store == start.store &&
      !Continues(seen.start, start.start, earlier)) {
    return Verdict::kRefused;
  }
  seen = start;
  return Verdict::kNew;
}

void SeenStarts::SetGivenUp(NodeId node, std::vector<StoreIncarnation> stores) {
  given_up_[node] = std::move(stores);
}

bool SeenStarts::IsGivenUp(NodeId node, StoreIncarnation store) const {
  const auto found = given_up_.find(node);
  return found != given_up_.end() &&
         std::count(found->second.begin(), found->second.end(), store) > 0;
}

uint64_t SeenStarts::NumberOf(NodeId node) const {
  const auto found = seen_.find(node);
  return found == seen_.end() ? 0 : found->second.start.number;
}

bool SeenStarts::Believes(NodeId node, const HelloReply& refusal) const {
  if (refusal.refusal == HandshakeRefusal::kOtherFounding) return true;
  if (refusal.refusal != HandshakeRefusal::kEarlierStart) return false;
  const auto found = seen_.find(node);
  if (found == seen_.end()) return true;
  const env::SeenStart& seen = found->second;
  return seen.store == StoreIncarnation() ||
         (seen.store == refusal.incarnation &&
          Continues(seen.start, refusal.start, refusal.earlier));
}

}  // namespace quorate::raft
