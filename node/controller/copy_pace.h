// node/controller/copy_pace.h: how fast the source of a move copies, and how
// slowly clients write to its slots meanwhile.
//
// A round of changes takes kRound. If clients changed more than half as much as
// was copied, the window may shrink less. Once it is the largest, clients write
// more slowly: each connection pauses twice as long between writes to the
// slots, up to the longest pause.
#ifndef QUORATE_NODE_CONTROLLER_COPY_PACE_H_
#define QUORATE_NODE_CONTROLLER_COPY_PACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "env/buggify.h"
#include "env/time.h"
#include "kv/command/move_command.h"
#include "node/controller/copy_window.h"

namespace quorate::node {

class CopyPace {
 public:
  static constexpr Duration kRound = Milliseconds(250);
  static constexpr Duration kWritePauseMin = Milliseconds(1);
  static constexpr Duration kWritePauseMax = Milliseconds(32);

  // The pause of an earlier leader goes on. `rate_max`: bytes a second that the
  // move may copy; zero: no bound.
  CopyPace(Duration write_pause, uint64_t rate_max)
      : rate_max_(rate_max), write_pause_(write_pause) {}

  // Bytes that may be under way.
  size_t bytes() const { return window_.bytes(); }
  // A slow move has small pieces, so that neither it nor clients wait long for
  // one.
  size_t piece_bytes() const {
    const size_t most =
        std::min(window_.bytes() / kPiecesInAWindow, kv::kPieceBytesMax);
    if (rate_max_ == 0) return most;
    return static_cast<size_t>(std::clamp<uint64_t>(
        rate_max_ / kPiecesInASecond, kPieceBytesMin, most));
  }
  // The next piece is not sent before, by the rate.
  MonoTime next_piece() const { return next_piece_; }
  Duration write_pause() const { return write_pause_; }

  void OnSent(MonoTime now, size_t bytes) {
    if (rate_max_ == 0) return;
    next_piece_ =
        std::max(next_piece_, now) +
        Nanoseconds(static_cast<int64_t>(bytes * 1'000'000'000 / rate_max_));
  }
  // As in CopyWindow.
  void OnAnswer(MonoTime now, Duration took, size_t counted, size_t under_way) {
    window_.OnAnswer(now, took, counted, under_way);
  }
  // Call it while only changes are left. `written`: the last change at the
  // source; `read`: the last one that was read from it.
  void OnChanges(MonoTime now, kv::ChangeNumber written, kv::ChangeNumber read,
                 env::Buggify& buggify) {
    if (round_.has_value() && now - round_->began < kRound) return;
    // Few clients write faster than the largest window copies.
    if (buggify.Fire("node.writers_too_fast") ||
        (round_.has_value() &&
         written.value() - round_->written.value() >
             (read.value() - round_->read.value()) / 2 &&
         !window_.Raise())) {
      write_pause_ = std::clamp(write_pause_ + write_pause_, kWritePauseMin,
                                kWritePauseMax);
    }
    round_ = {.began = now, .written = written, .read = read};
  }

 private:
  // A move with a rate sends so many pieces in a second, unless they would be
  // smaller than this.
  static constexpr uint64_t kPiecesInASecond = 16;
  static constexpr uint64_t kPieceBytesMin = 1 << 10;
  static constexpr size_t kPiecesInAWindow = 4;

  uint64_t rate_max_;
  CopyWindow window_;
  MonoTime next_piece_;
  Duration write_pause_;
  // The changes as they were when the present round began.
  struct Round {
    MonoTime began;
    kv::ChangeNumber written;
    kv::ChangeNumber read;
  };
  std::optional<Round> round_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_COPY_PACE_H_
