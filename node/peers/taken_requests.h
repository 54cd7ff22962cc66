// node/peers/taken_requests.h: takes each request of one node at most once,
// although its message may arrive twice, late, or out of order.
//
// A second copy must not be answered, not even with a refusal: the asking node
// would conclude that the first copy was refused.
#ifndef QUORATE_NODE_PEERS_TAKEN_REQUESTS_H_
#define QUORATE_NODE_PEERS_TAKEN_REQUESTS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/btree_set.h"
#include "node/peers/peer_message.h"

namespace quorate::node {

// Memory: the numbers of requests that the asking node waits for, up to a
// maximum. Beyond it the lowest numbers count as taken.
class TakenRequests {
 public:
  explicit TakenRequests(size_t numbers_max = 1 << 16)
      : numbers_max_(numbers_max) {}

  // True, at most once for each id. False also if the asking node waits for no
  // answer any more.
  bool Take(const PeerRequestId& id, uint64_t settled) {
    Asker& asker = AskerOf(id.asker);
    if (settled > asker.settled) {
      asker.settled = settled;
      asker.numbers.erase(asker.numbers.begin(),
                          asker.numbers.lower_bound(settled));
    }
    if (id.number < asker.settled) return false;
    if (!asker.numbers.insert(id.number).second) return false;
    if (asker.numbers.size() > numbers_max_) {
      asker.settled = *asker.numbers.begin() + 1;
      asker.numbers.erase(asker.numbers.begin());
    }
    return true;
  }

 private:
  // A process of the asking node. Messages of an earlier process may arrive
  // after those of a later one.
  struct Asker {
    uint64_t asker = 0;
    uint64_t settled = 0;
    absl::btree_set<uint64_t> numbers;
  };
  static constexpr size_t kAskersMax = 4;

  // The process that sent last is the last one.
  Asker& AskerOf(uint64_t id) {
    const auto found =
        std::find_if(askers_.begin(), askers_.end(),
                     [id](const Asker& asker) { return asker.asker == id; });
    if (found != askers_.end()) {
      std::rotate(found, found + 1, askers_.end());
      return askers_.back();
    }
    if (askers_.size() == kAskersMax) askers_.erase(askers_.begin());
    askers_.push_back({.asker = id});
    return askers_.back();
  }

  const size_t numbers_max_;
  std::vector<Asker> askers_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_TAKEN_REQUESTS_H_
