// sim/choices/hash_avx2.h: XXH3 by the wide instructions of newer processors.
//
// The value is the same with all instructions. Processors without them exist,
// so the program decides at run time.
#ifndef QUORATE_SIM_CHOICES_HASH_AVX2_H_
#define QUORATE_SIM_CHOICES_HASH_AVX2_H_

#include <cstdint>
#include <string_view>

namespace quorate::sim {

bool HasAvx2();
// Requires: HasAvx2().
uint64_t HashBytesByAvx2(std::string_view bytes);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_HASH_AVX2_H_
