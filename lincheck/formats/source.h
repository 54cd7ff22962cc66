// lincheck/formats/source.h: where the bytes of a history file come from.
//
// Readers are pure: the caller hands in an object that opens files or memory.
#ifndef QUORATE_LINCHECK_FORMATS_SOURCE_H_
#define QUORATE_LINCHECK_FORMATS_SOURCE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "absl/status/statusor.h"

namespace quorate::lincheck {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Puts up to `size` (> 0) bytes at `into`; how many. 0: there are no more.
  virtual absl::StatusOr<size_t> Read(char* into, size_t size) = 0;
};

// Gives `bytes`, which must outlive it, in pieces of at most `piece_bytes`.
class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(std::string_view bytes,
                        size_t piece_bytes = size_t{1} << 20)
      : left_(bytes), piece_bytes_(piece_bytes) {}

  absl::StatusOr<size_t> Read(char* into, size_t size) override {
    const size_t count = std::min({size, piece_bytes_, left_.size()});
    std::memcpy(into, left_.data(), count);
    left_.remove_prefix(count);
    return count;
  }

 private:
  std::string_view left_;
  const size_t piece_bytes_;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_SOURCE_H_
