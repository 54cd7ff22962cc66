// lincheck/testing/memory_source.h: a history file that is a text in memory,
// for tests of readers.
#ifndef QUORATE_LINCHECK_TESTING_MEMORY_SOURCE_H_
#define QUORATE_LINCHECK_TESTING_MEMORY_SOURCE_H_

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>

#include "absl/status/statusor.h"
#include "lincheck/formats/source.h"

namespace quorate::lincheck {

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

#endif  // QUORATE_LINCHECK_TESTING_MEMORY_SOURCE_H_
