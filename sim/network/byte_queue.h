// sim/network/byte_queue.h: bytes that wait at one end of a stream, in the
// pieces in which they came.
//
// Most queues get one or two pieces, and are taken as a whole. A vector then
// needs no memory beyond its first one.
#ifndef QUORATE_SIM_NETWORK_BYTE_QUEUE_H_
#define QUORATE_SIM_NETWORK_BYTE_QUEUE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "env/buffer.h"

namespace quorate::sim {

class ByteQueue {
 public:
  void Push(Buffer bytes) {
    // At most one piece is moved for each one that was taken.
    if (first_ > 0 && first_ * 2 >= pieces_.size()) {
      pieces_.erase(pieces_.begin(),
                    pieces_.begin() + static_cast<ptrdiff_t>(first_));
      first_ = 0;
    }
    pieces_.push_back(std::move(bytes));
  }
  // Removes `size` bytes from the front, as one Buffer. It shares the block if
  // one piece has them all. Requires: the queue has so many, and size > 0.
  Buffer Take(size_t size) {
    if (pieces_[first_].size() >= size) return TakePart(size);
    return Buffer::Create(size, [&](char* block) {
      for (size_t left = size; left > 0;) {
        const Buffer part = TakePart(std::min(left, pieces_[first_].size()));
        std::memcpy(block, part.data(), part.size());
        block += part.size();
        left -= part.size();
      }
    });
  }
  void Clear() {
    pieces_.clear();
    first_ = 0;
  }

 private:
  // Requires: the first piece has at least so many bytes.
  Buffer TakePart(size_t size) {
    Buffer& front = pieces_[first_];
    if (front.size() > size) {
      Buffer taken = front.Slice(0, size);
      front = front.Suffix(size);
      return taken;
    }
    Buffer taken = std::move(front);
    if (++first_ == pieces_.size()) Clear();
    return taken;
  }

  std::vector<Buffer> pieces_;
  size_t first_ = 0;  // Pieces before it were taken.
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_NETWORK_BYTE_QUEUE_H_
