// sim/checks/sent_bytes.h: the bytes that one program handed to open
// connections, to look for a key in them.
//
// An operation may have an unknown outcome only if its bytes were handed to an
// open connection, or to the log of the node itself.
#ifndef QUORATE_SIM_CHECKS_SENT_BYTES_H_
#define QUORATE_SIM_CHECKS_SENT_BYTES_H_

#include <cstddef>
#include <deque>
#include <string_view>

#include "env/buffer.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

// Keeps the newest bytes, at least `bytes_max`. Older ones are forgotten.
class SentBytes {
 public:
  static constexpr size_t kBytesMax = 4 << 20;

  explicit SentBytes(size_t bytes_max = kBytesMax) : bytes_max_(bytes_max) {}

  // The program handed `bytes` to an open connection.
  void Add(SimTime now, Buffer bytes);
  // Whether some of these bytes had `key` since this time. True if some are
  // forgotten.
  bool MayContain(SimTime since, std::string_view key) const;

 private:
  struct Piece {
    SimTime at;
    Buffer bytes;
  };

  const size_t bytes_max_;
  std::deque<Piece> pieces_;
  size_t bytes_ = 0;
  // The newest forgotten piece.
  SimTime forgotten_at_ = SimTime::Min();
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHECKS_SENT_BYTES_H_
