// node/controller/copy_window.h: how many bytes of a move of slots may be under
// way, so that clients of the same nodes hardly notice the copy.
//
// The idea is that of LEDBAT (RFC 6817). The shortest answer of the last minute
// is the time of a piece that waits for nothing. An answer that takes longer
// has waited in a queue, of this copy or of clients. The window grows while the
// queue is shorter than a target, and shrinks else. So a copy takes the room
// that clients leave over, and an idle cluster is copied at full speed.
#ifndef QUORATE_NODE_CONTROLLER_COPY_WINDOW_H_
#define QUORATE_NODE_CONTROLLER_COPY_WINDOW_H_

#include <algorithm>
#include <array>
#include <cstddef>

#include "env/time.h"

namespace quorate::node {

class CopyWindow {
 public:
  static constexpr size_t kMin = size_t{64} << 10;
  static constexpr size_t kMax = size_t{2} << 20;
  // A shorter piece counts as such a one: its entry has a price of its own.
  static constexpr size_t kPieceMin = size_t{4} << 10;
  // The queue that a copy may make.
  static constexpr Duration kTarget = Milliseconds(3);
  // The shortest answer counts for one to two of these.
  static constexpr Duration kBaseAge = Seconds(30);

  // In bytes: kMin to kMax.
  size_t bytes() const { return bytes_; }
  // The part of the window that a piece of so many bytes takes.
  static constexpr size_t Counted(size_t piece_bytes) {
    return std::max(piece_bytes, kPieceMin);
  }
  // A piece that takes such a part was answered after `took`. `under_way`: the
  // parts of all pieces that were, this one included. A window that is not used
  // does not grow: it would take long to shrink.
  void OnAnswer(MonoTime now, Duration took, size_t counted, size_t under_way) {
    if (now >= base_ends_) {
      base_[1] = base_[0];
      base_[0] = kLongest;
      base_ends_ = now + kBaseAge;
    }
    base_[0] = std::min(base_[0], took);
    const Duration queue = took - std::min(base_[0], base_[1]);
    if (queue <= kTarget) {
      if (under_way >= bytes_ / 2) bytes_ = std::min(bytes_ + counted, kMax);
    } else if (now >= shrinks_from_) {
      bytes_ = std::max(bytes_ / 2, least_);
      // The answers to what is under way tell of the old window.
      shrinks_from_ = now + took;
    }
  }
  // Copying is slower than clients write: the window no longer shrinks below
  // twice the present bound. False: it is the largest one already.
  bool Raise() {
    if (least_ == kMax) return false;
    least_ = std::min(std::max(least_ * 2, kMin), kMax);
    bytes_ = std::max(bytes_, least_);
    return true;
  }

 private:
  static constexpr Duration kLongest = Seconds(60);

  size_t bytes_ = kMin;
  size_t least_ = kMin;
  // The shortest answers of the present time and of the one before.
  std::array<Duration, 2> base_ = {kLongest, kLongest};
  MonoTime base_ends_;
  MonoTime shrinks_from_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_COPY_WINDOW_H_
