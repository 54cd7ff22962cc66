#include "sim/checks/availability_checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void AvailabilityChecker::OnSent(Operation op, const Attempt& attempt) {
  open_.try_emplace(op, Waiting{attempt, attempt.sent}).first->second.last =
      attempt;
}

void AvailabilityChecker::OnInvoked(Operation op, SimTime now) {
  if (calm_bound_.has_value()) calm_[op] = now;
}

void AvailabilityChecker::OnEnded(Operation op, SimTime now) {
  open_.erase(op);
  const auto found = calm_.find(op);
  if (found == calm_.end()) return;
  const Duration taken = now - found->second;
  calm_.erase(found);
  if (!calm_bound_.has_value() || taken <= *calm_bound_) return;
  violate_(absl::StrCat("availability: ", describe_(op), " took ", taken.ms(),
                        " ms though no fault was left; at most ",
                        calm_bound_->ms(), " ms"));
}

void AvailabilityChecker::OnAnswered(Operation op, SimTime now) {
  const auto found = open_.find(op);
  if (found != open_.end()) found->second.since = now;
}

void AvailabilityChecker::Check(const View& view) {
  for (auto& [op, waiting] : open_) {
    // A connection that is older than the last fault may have lost the request
    // or the reply.
    if (waiting.last.sent < view.calm_since || !view.can_serve(waiting.last)) {
      waiting.since = view.now;
      continue;
    }
    waiting.since = std::max(waiting.since, view.calm_since);
    longest_ = std::max(longest_, view.now - waiting.since);
    if (view.now - waiting.since < view.bound) continue;
    violate_(absl::StrCat("availability: ", describe_(op), " of client ",
                          waiting.last.client, " waits for group ",
                          waiting.last.group.value(), " at node ",
                          waiting.last.node.value(), " since ",
                          waiting.since.ms(), " ms, now it is ", view.now.ms(),
                          " ms; no fault since ", view.calm_since.ms(), " ms"));
    return;
  }
}

}  // namespace quorate::sim
