#include "sim/choices/hash_avx2.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

// For the functions below this line alone. XXH_INLINE_ALL makes them static, so
// the rest of the program does not get them.
#pragma GCC target("avx2")
#define XXH_INLINE_ALL
// The compiler reads the pragma after it has chosen the header's branches, so
// the header must be told.
#define XXH_VECTOR XXH_AVX2
#include <immintrin.h>
#include <xxhash.h>

namespace quorate::sim {

bool HasAvx2() { return __builtin_cpu_supports("avx2"); }

uint64_t HashBytesByAvx2(std::string_view bytes) {
  return XXH3_64bits(bytes.data(), bytes.size());
}

}  // namespace quorate::sim

#else

namespace quorate::sim {

bool HasAvx2() { return false; }
uint64_t HashBytesByAvx2(std::string_view) { return 0; }

}  // namespace quorate::sim

#endif
