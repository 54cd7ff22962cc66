// env/crc32c.h: the checksum of stored records and peer messages (CRC-32C, RFC
// 3720 appendix B.4). Knows no format.
#ifndef QUORATE_ENV_CRC32C_H_
#define QUORATE_ENV_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace quorate {

// Extends `crc`, the checksum of the preceding bytes (0 if there are none), by
// `bytes`: Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b). Uses the SSE4.2
// instruction if the processor has it, else tables; the result is equal.
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

// A seed for `crc` from a storage location, so that equal bytes in different
// locations have different checksums.
uint32_t Crc32cSeed(uint64_t a, uint64_t b, uint64_t c);

}  // namespace quorate

#endif  // QUORATE_ENV_CRC32C_H_
