#include "sim/checks/availability_checker.h"

#include <algorithm>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace quorate::sim {

void AvailabilityChecker::OnSent(Operation op, const Attempt& attempt) {
  Waiting& waiting =
      open_.try_emplace(op, Waiting{.since = attempt.sent}).first->second;
  if (waiting.held_since.has_value()) {
    waiting.since = waiting.since + (attempt.sent - *waiting.held_since);
    waiting.held_since.reset();
  }
  waiting.last = attempt;
  waiting.number = ++attempts_;
  newest_[{attempt.connection, attempt.group}] = waiting.number;
  waiting.calm =
      calm_.has_value() && !calm_->excused.contains(waiting.last.node);
  if (!waiting.calm || calm_->read_only.contains(attempt.node) ||
      ++waiting.calm_attempts != calm_->attempts_max + 1) {
    return;
  }
  violate_(absl::StrCat("availability: ", describe_(op), " was sent ",
                        waiting.calm_attempts,
                        " times though no fault was left; at most ",
                        calm_->attempts_max, " times"));
}

void AvailabilityChecker::BeginCalm(const CalmBounds& bounds) {
  calm_ = bounds;
  calm_answers_.clear();
  refused_.clear();
}

void AvailabilityChecker::EndCalm() {
  if (!calm_.has_value()) return;
  const CalmBounds bounds = *std::exchange(calm_, std::nullopt);
  for (const Refused& refused : refused_) {
    const SimTime led = bounds.led_since(refused.group);
    if (led <= refused.sent || led > refused.until) violate_(refused.violation);
  }
  if (calm_answers_.empty()) return;
  // At most one answer of a hundred is above it.
  const auto p99 = calm_answers_.end() - 1 -
                   static_cast<ptrdiff_t>(calm_answers_.size() / 100);
  std::nth_element(calm_answers_.begin(), p99, calm_answers_.end());
  if (*p99 <= bounds.p99) return;
  violate_(absl::StrCat("availability: the 99th percentile of ",
                        calm_answers_.size(), " attempts took ", p99->ms(),
                        " ms though no fault was left; at most ",
                        bounds.p99.ms(), " ms"));
}

void AvailabilityChecker::CheckCalm(Operation op, Waiting* waiting,
                                    SimTime now) {
  const bool calm = std::exchange(waiting->calm, false);
  const Duration taken = now - std::max(waiting->last.sent, waiting->others);
  if (!calm || !calm_.has_value()) return;
  calm_answers_.push_back(taken);
  ++calm_answers_checked_;
  if (taken <= calm_->attempt) return;
  violate_(absl::StrCat("availability: ", describe_(op), " took ", taken.ms(),
                        " ms at node ", waiting->last.node.value(),
                        " though no fault was left; at most ",
                        calm_->attempt.ms(), " ms"));
}

void AvailabilityChecker::OnRefused(Operation op, SimTime now,
                                    Refusal refusal) {
  const auto found = open_.find(op);
  if (found == open_.end()) return;
  const bool calm = found->second.calm && calm_.has_value();
  const Attempt attempt = found->second.last;
  if (refusal == Refusal::kElsewhere && !found->second.held_since) {
    found->second.held_since = now;
  }
  CheckCalm(op, &found->second, now);
  if (!calm || refusal == Refusal::kElsewhere) return;
  std::string violation =
      absl::StrCat("availability: node ", attempt.node.value(), " refused ",
                   describe_(op), " though no fault was left");
  const bool overtaken =
      newest_[{attempt.connection, attempt.group}] > found->second.number;
  if (!calm_->led_since ||
      (!overtaken && !calm_->impatient.contains(attempt.node))) {
    return violate_(std::move(violation));
  }
  refused_.push_back({attempt.group, attempt.sent, now + calm_->attempt,
                      std::move(violation)});
}

void AvailabilityChecker::OnHeld(Operation op, SimTime now) {
  const auto found = open_.find(op);
  if (found == open_.end() || found->second.held_since.has_value()) return;
  found->second.held_since = now;
}

void AvailabilityChecker::OnSucceeded(Operation op, SimTime now) {
  const auto found = open_.find(op);
  if (found == open_.end()) return;
  const Attempt done = found->second.last;
  OnEnded(op, now);
  PassTurn(done, now);
}

void AvailabilityChecker::PassTurn(const Attempt& done, SimTime now) {
  // By connection, when the first operation was sent that waited for this one.
  std::map<uint64_t, SimTime> waited;
  for (auto& [other, waiting] : open_) {
    const Attempt& last = waiting.last;
    if (last.connection == done.connection) {
      waiting.others = waiting.overtaken = now;
    } else if (last.group == done.group) {
      if (last.sent > done.sent) waiting.others = now;
      if (last.sent + overtaking_max_ < done.sent) continue;
      const auto [first, fresh] =
          waited.try_emplace(last.connection, last.sent);
      first->second = std::min(first->second, last.sent);
    }
  }
  if (waited.empty()) return;
  for (auto& [other, waiting] : open_) {
    const auto first = waited.find(waiting.last.connection);
    if (first != waited.end() && waiting.last.sent >= first->second) {
      waiting.overtaken = now;
    }
  }
}

bool AvailabilityChecker::HasPipeline(NodeId node, SimTime sent_before) const {
  std::set<uint64_t> connections;
  return std::any_of(open_.begin(), open_.end(), [&](const auto& open) {
    const Attempt& last = open.second.last;
    return last.node == node && last.sent < sent_before &&
           !open.second.held_since.has_value() &&
           !connections.insert(last.connection).second;
  });
}

void AvailabilityChecker::OnEnded(Operation op, SimTime now) {
  const auto found = open_.find(op);
  if (found == open_.end()) return;
  CheckCalm(op, &found->second, now);
  open_.erase(found);
}

void AvailabilityChecker::OnAnswered(Operation op, SimTime now) {
  const auto found = open_.find(op);
  if (found == open_.end()) return;
  found->second.since = now;
  PassTurn(found->second.last, now);
}

void AvailabilityChecker::Check(const View& view) {
  overtaking_max_ = view.bound;
  for (auto& [op, waiting] : open_) {
    if (waiting.held_since.has_value()) continue;
    // A connection that is older than the last fault may have lost the request
    // or the reply.
    if (waiting.last.sent < view.calm_since || !view.can_serve(waiting.last)) {
      waiting.since = view.now;
      continue;
    }
    waiting.since =
        std::max({waiting.since, waiting.overtaken, view.calm_since});
    longest_ = std::max(longest_, view.now - waiting.since);
    ++waits_checked_;
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
