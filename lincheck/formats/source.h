// lincheck/formats/source.h: where the bytes of a history file come from.
//
// Readers are pure: the caller hands in an object that opens files or memory.
#ifndef QUORATE_LINCHECK_FORMATS_SOURCE_H_
#define QUORATE_LINCHECK_FORMATS_SOURCE_H_

#include <cstddef>

#include "absl/status/statusor.h"

namespace quorate::lincheck {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Puts up to `size` (> 0) bytes at `into`; how many. 0: there are no more.
  virtual absl::StatusOr<size_t> Read(char* into, size_t size) = 0;
};

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_SOURCE_H_
