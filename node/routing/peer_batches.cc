#include "node/routing/peer_batches.h"

#include <utility>
#include <vector>

#include "env/outcome.h"
#include "node/routing/memory_gate.h"

namespace quorate::node {

PeerBatches::PeerBatches(const QueueParts& parts, GroupLeadership& leadership,
                         Forwarding& forwarding, EntriesInFlight& in_flight,
                         QueueCounters& counters,
                         absl::AnyInvocable<void()> wake)
    : parts_(parts),
      leadership_(leadership),
      forwarding_(forwarding),
      in_flight_(in_flight),
      counters_(counters),
      wake_(std::move(wake)) {}

void PeerBatches::Add(const ForwardStamp& stamp, Buffer payload,
                      PeerDone done) {
  waiting_.push_back({stamp, std::move(payload), std::move(done)});
}

Submission PeerBatches::Submit() {
  if (waiting_.empty()) return Submission::kNone;
  const bool allowed = forwarding_.MayPropose(waiting_.front().stamp);
  const size_t bytes = waiting_.front().payload.size();
  if (allowed && !in_flight_.HasRoom(bytes, /*result_bytes=*/0)) {
    return Submission::kNoRoom;
  }
  std::vector<bool> too_large;
  if (allowed) {
    too_large = LargeTransactions(waiting_.front().payload, leadership_.store(),
                                  parts_.config.limits.transaction_bytes);
  }
  // The entries before it may make its values shorter.
  if (!too_large.empty() && !in_flight_.empty()) return Submission::kNoRoom;
  PeerBatch batch = std::move(waiting_.front());
  waiting_.pop_front();
  if (!allowed) {
    batch.done(forwarding_.NotLeading());
    return Submission::kDone;
  }
  ++counters_.proposals;
  in_flight_.Begin(bytes, /*result_bytes=*/0);
  // If every command is refused, an empty entry still shows that the earlier
  // batches of the other node are settled.
  GatedBatch gated = PassMemoryGate(std::move(batch.payload), parts_.memory,
                                    leadership_.store(), too_large);
  parts_.host.Propose(
      leadership_.group(), std::move(gated.payload),
      [this, bytes, stamp = batch.stamp, done = std::move(batch.done),
       growth = std::move(gated.growth), refused = std::move(gated.refused)](
          const raft::ProposeResult& result) mutable {
        in_flight_.End(bytes, /*result_bytes=*/0);
        growth.End();
        if (result.outcome == Outcome::kDone) {
          in_flight_.RecordExecuted(parts_.loop.ReadClock().mono);
        }
        if (result.outcome == Outcome::kNotExecuted) {
          forwarding_.OnRefused(stamp);
        }
        leadership_.Refresh();
        PeerResult answer = forwarding_.NotLeading();
        answer.result = result;
        if (result.outcome == Outcome::kDone && !refused.empty()) {
          answer.result.result = AddRefusedResults(result.result, refused);
        }
        done(std::move(answer));
        wake_();
      });
  return Submission::kDone;
}

}  // namespace quorate::node
