#include "env/bulk/bulk_pace.h"

#include <algorithm>

namespace quorate::env {
namespace {

bool IsForFollowers(BulkKind kind) {
  return kind != BulkKind::kSnapshotWrite && kind != BulkKind::kSlotCopy;
}

// `mean`, moved by a part of the way to `value`.
Duration Toward(Duration mean, Duration value, int64_t parts) {
  return mean + Nanoseconds((value - mean).ns() / parts);
}

}  // namespace

std::string_view BulkKindName(BulkKind kind) {
  constexpr std::array<std::string_view, kBulkKinds> kNames = {
      "snapshot_write",   "snapshot_send", "snapshot_receive",
      "snapshot_install", "catch_up",      "slot_copy"};
  return kNames[static_cast<size_t>(kind)];
}

std::string_view BulkBrakeName(BulkBrake brake) {
  constexpr std::array<std::string_view, 4> kNames = {
      "", "the loop", "the disk of the log", "other nodes"};
  return kNames[static_cast<size_t>(brake)];
}

BulkPace::BulkPace(Loop& loop, const BulkLimits& limits)
    : loop_(loop), limits_(limits), rate_(Bounded(kFirstRate)) {}

uint64_t BulkPace::Bounded(uint64_t rate) const {
  return std::min(std::max({rate, limits_.floor, uint64_t{1}}),
                  std::max<uint64_t>(limits_.ceiling, 1));
}

MonoTime BulkPace::Reserve(BulkKind kind, uint64_t bytes, uint64_t haste) {
  const MonoTime now = loop_.ReadClock().mono;
  done_[static_cast<size_t>(kind)] += bytes;
  beats_until_ = now + kIdleAfter;
  if (!beats()) {
    round_ = Round();
    SetBeat(now);
  }
  const uint64_t rate = IsForFollowers(kind) ? bytes_per_second() : rate_;
  next_ =
      std::max(next_, now - kCredit) +
      Nanoseconds(static_cast<int64_t>(bytes * 1'000'000'000 / (rate * haste)));
  if (next_ > now) round_.rate_waits = true;
  return next_;
}

void BulkPace::OnLogWrite(Duration took, uint64_t bytes) {
  if (!beats()) return LearnWrite(took, 64);
  round_.writes.Add(took);
  round_.log_bytes += bytes;
}

void BulkPace::LearnWrite(Duration took, int64_t parts) {
  usual_write_ =
      usual_write_ == Duration() ? took : Toward(usual_write_, took, parts);
}

void BulkPace::OnAnswer(Duration took) {
  const MonoTime now = loop_.ReadClock().mono;
  if (now >= shortest_ends_) {
    shortest_[1] = shortest_[0];
    shortest_[0] = kLongest;
    shortest_ends_ = now + kBaseAge;
  }
  shortest_[0] = std::min(shortest_[0], took);
  round_.answers.Add(took - std::min(shortest_[0], shortest_[1]));
}

void BulkPace::SetBeat(MonoTime now) {
  beat_at_ = now + kBeat;
  beat_ = loop_.At(beat_at_, [this] { OnBeat(); });
}

void BulkPace::OnBeat() {
  const MonoTime now = loop_.ReadClock().mono;
  round_.late.Add(now - beat_at_);
  if (++round_.beats == kBeatsInARound) EndRound();
  if (now < beats_until_) return SetBeat(now);
  beat_at_ = MonoTime::Max();
  brake_ = BulkBrake::kNone;
}

BulkBrake BulkPace::BrakeOf(const Round& round) const {
  if (round.late.mean() > kLateMax) return BulkBrake::kLoop;
  if (usual_write_ > Duration() &&
      round.writes.mean() >
          usual_write_ + Nanoseconds(usual_write_.ns() / 2) + kSlowerMax) {
    return BulkBrake::kDisk;
  }
  return round.answers.mean() > kAnswerLateMax ? BulkBrake::kPeers
                                               : BulkBrake::kNone;
}

void BulkPace::EndRound() {
  brake_ = BrakeOf(round_);
  uint64_t rate = rate_;
  if (brake_ != BulkBrake::kNone) {
    rate -= rate / 4;
  } else if (round_.rate_waits) {
    rate += rate / 16 + 1;
  }
  // A round takes kBeatsInARound beats, or a little longer.
  constexpr uint64_t kRoundMs = kBeatsInARound * kBeat.ms();
  rate_ = Bounded(rate);
  log_floor_ = Bounded(kLogShare * round_.log_bytes * 1000 / kRoundMs);
  if (!round_.writes.empty()) LearnWrite(round_.writes.mean(), 256);
  round_ = Round();
}

}  // namespace quorate::env
