// env/crc32c.h: the checksum of every stored record and peer message (CRC-32C, RFC 3720 appendix B.4).
//
// By instruction where the processor has one, by table elsewhere: the sum is the same. Knows no format.
#ifndef QUORATE_ENV_CRC32C_H_
#define QUORATE_ENV_CRC32C_H_

#include <cstdint>
#include <string_view>

namespace quorate {

// Extends `crc`, the checksum of what came before (0 at the start), by `bytes`: Crc32c(Crc32c(0, a), b) == Crc32c(0, a + b).
// Uses the SSE4.2 instruction where the processor has it, else tables; the result is the same.
uint32_t Crc32c(uint32_t crc, std::string_view bytes);

// A checksum that differs for equal bytes stored in different places: seeds one with the place.
uint32_t Crc32cSeed(uint64_t a, uint64_t b, uint64_t c);

}  // namespace quorate

#endif  // QUORATE_ENV_CRC32C_H_
