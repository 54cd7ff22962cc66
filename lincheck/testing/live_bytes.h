// lincheck/testing/live_bytes.h: the memory of this process, counted where it
// is given out. For tests that are linked with it: it replaces operator new.
#ifndef QUORATE_LINCHECK_TESTING_LIVE_BYTES_H_
#define QUORATE_LINCHECK_TESTING_LIVE_BYTES_H_

#include <cstddef>

namespace quorate::lincheck {

// Not given back yet, of all that operator new gave out.
size_t LiveBytes();
// The most that ever were since BeginPeak().
size_t PeakBytes();
void BeginPeak();

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_LIVE_BYTES_H_
