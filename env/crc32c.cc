#include "env/crc32c.h"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#include "env/little_endian.h"

namespace quorate {
namespace {

// Castagnoli polynomial 0x1EDC6F41, bits reversed.
constexpr uint32_t kPolynomial = 0x82f63b78;

constexpr std::array<uint32_t, 256> MakeTable() {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    }
    table[byte] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kTable = MakeTable();

uint32_t ByTable(uint32_t crc, std::string_view bytes) {
  for (char c : bytes) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<uint8_t>(c)) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t ByInstruction(
    uint32_t crc, std::string_view bytes) {
  const char* p = bytes.data();
  size_t left = bytes.size();
  uint64_t wide = crc;
  // Eight words for each round of the loop, so that its own instructions hardly
  // count.
  for (; left >= 64; left -= 64, p += 64) {
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 8));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 16));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 24));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 32));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 40));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 48));
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p + 56));
  }
  for (; left >= 8; left -= 8, p += 8) {
    wide = _mm_crc32_u64(wide, LoadFixed<uint64_t>(p));
  }
  crc = static_cast<uint32_t>(wide);
  if (left >= 4) {
    crc = _mm_crc32_u32(crc, LoadFixed<uint32_t>(p));
    left -= 4;
    p += 4;
  }
  for (; left > 0; --left, ++p) {
    crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*p));
  }
  return crc;
}

__attribute__((target("sse4.2"))) uint32_t WordsByInstruction(uint64_t a,
                                                              uint64_t b,
                                                              uint64_t c) {
  const uint64_t wide = _mm_crc32_u64(_mm_crc32_u64(~uint32_t{0}, a), b);
  return ~static_cast<uint32_t>(_mm_crc32_u64(wide, c));
}
#endif

}  // namespace

uint32_t Crc32c(uint32_t crc, std::string_view bytes) {
  crc = ~crc;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return ~ByInstruction(crc, bytes);
#endif
  return ~ByTable(crc, bytes);
}

uint32_t Crc32cSeed(uint64_t a, uint64_t b, uint64_t c) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("sse4.2")) return WordsByInstruction(a, b, c);
#endif
  char place[24];
  StoreFixed(place, a);
  StoreFixed(place + 8, b);
  StoreFixed(place + 16, c);
  return Crc32c(0, std::string_view(place, sizeof(place)));
}

}  // namespace quorate
