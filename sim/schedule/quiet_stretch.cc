#include "sim/schedule/quiet_stretch.h"

#include <utility>

namespace quorate::sim {
namespace {

constexpr ChoiceSite kQuiet("schedule.quiet_ms");

constexpr Ratio kQuietRuns{1, 4};
// Faults that began earlier last up to eight seconds. Then a request may wait
// for up to seventeen more before it is overdue.
constexpr Duration kLength = Seconds(25);

}  // namespace

void QuietStretch::Plan() {
  const Duration room = context_->options().length - kLength;
  if (room < Milliseconds(1)) return;
  const uint64_t start_ms = context_->choices().SometimesUpTo(
      kQuiet, ChoiceKey{}, kQuietRuns, static_cast<uint64_t>(room.ms()));
  if (start_ms == 0) return;
  begin_ =
      context_->world().now() + Milliseconds(static_cast<int64_t>(start_ms));
  end_ = begin_ + kLength;
  context_->world().At(begin_, [this] {
    if (context_->liveness()) return;
    context_->Note("no fault begins for a while");
    context_->world().At(end_, [this, before = Exchange({})] {
      if (!context_->liveness()) Exchange(before);
    });
  });
}

QuietStretch::Rates QuietStretch::Exchange(const Rates& rates) {
  World& world = context_->world();
  NetworkOptions& network = world.network_options();
  StreamOptions& streams = world.stream_options();
  return {
      .spike = std::exchange(network.spike, rates.spike),
      .loss = std::exchange(network.loss, rates.loss),
      .corrupt = std::exchange(network.corrupt, rates.corrupt),
      .reset = std::exchange(streams.reset, rates.reset),
      .hang = std::exchange(streams.hang, rates.hang),
      .buggify = std::exchange(world.buggify_options().active, rates.buggify)};
}

}  // namespace quorate::sim
