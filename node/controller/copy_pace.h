// node/controller/copy_pace.h: how fast the source of a move copies, and how
// slowly clients write to its slots meanwhile.
//
// Pieces go at the pace of the node's bulk work. While only changes are left, a
// round takes kRound. In some rounds clients change more than half as much as
// is copied. Each of them lets the copy go twice as fast, beside other bulk
// work. Once it is kHasteMax times as fast, clients write more slowly. Each
// connection pauses twice as long between writes to the slots, up to the
// longest pause.
#ifndef QUORATE_NODE_CONTROLLER_COPY_PACE_H_
#define QUORATE_NODE_CONTROLLER_COPY_PACE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "env/buggify.h"
#include "env/bulk/bulk_pace.h"
#include "env/time.h"
#include "kv/command/move_command.h"

namespace quorate::node {

class CopyPace {
 public:
  // Bytes that may be under way.
  static constexpr size_t kBytesMax = size_t{512} << 10;
  // A shorter piece counts as such a one: its entry has a price of its own.
  static constexpr size_t kPieceMin = size_t{4} << 10;
  static constexpr Duration kRound = Milliseconds(250);
  static constexpr uint64_t kHasteMax = 16;
  static constexpr Duration kWritePauseMin = Milliseconds(1);
  static constexpr Duration kWritePauseMax = Milliseconds(32);

  // The pause of an earlier leader goes on. `rate_max`: bytes a second that the
  // move may copy; zero: no bound. `bulk` outlives the object.
  CopyPace(env::BulkPace& bulk, Duration write_pause, uint64_t rate_max)
      : bulk_(&bulk), rate_max_(rate_max), write_pause_(write_pause) {}

  // The part of kBytesMax that a piece of so many bytes takes.
  static constexpr size_t Counted(size_t piece_bytes) {
    return std::max(piece_bytes, kPieceMin);
  }
  // A slow move has small pieces, so that neither it nor clients wait long for
  // one.
  size_t piece_bytes() const {
    if (rate_max_ == 0) return kPieceBytes;
    return static_cast<size_t>(std::clamp<uint64_t>(
        rate_max_ / kPiecesInASecond, kPieceBytesMin, kPieceBytes));
  }
  // The next piece is not sent before.
  MonoTime next_piece() const { return next_piece_; }
  Duration write_pause() const { return write_pause_; }

  void OnSent(MonoTime now, size_t bytes) {
    const MonoTime at =
        bulk_->Reserve(env::BulkKind::kSlotCopy, Counted(bytes), haste_);
    if (rate_max_ > 0) {
      by_rate_ =
          std::max(by_rate_, now) +
          Nanoseconds(static_cast<int64_t>(bytes * 1'000'000'000 / rate_max_));
    }
    next_piece_ = std::max(at, by_rate_);
  }
  // A piece was answered after so long.
  void OnAnswer(Duration took) { bulk_->OnAnswer(took); }
  // Call it while only changes are left. `written`: the last change at the
  // source; `read`: the last one that was read from it.
  void OnChanges(MonoTime now, kv::ChangeNumber written, kv::ChangeNumber read,
                 env::Buggify& buggify) {
    if (round_.has_value() && now - round_->began < kRound) return;
    // Few clients write faster than that.
    if (buggify.Fire("node.writers_too_fast") ||
        (round_.has_value() &&
         written.value() - round_->written.value() >
             (read.value() - round_->read.value()) / 2 &&
         !Hasten())) {
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
  static constexpr size_t kPieceBytes = size_t{64} << 10;
  static_assert(kPieceBytes <= kv::kPieceBytesMax);

  // False: it cannot be faster.
  bool Hasten() {
    if (haste_ == kHasteMax) return false;
    haste_ *= 2;
    return true;
  }

  env::BulkPace* bulk_;
  uint64_t rate_max_;
  uint64_t haste_ = 1;
  MonoTime by_rate_;  // As next_piece_, by the rate of the move.
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
