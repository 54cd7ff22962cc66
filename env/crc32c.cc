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

constexpr uint32_t AppendByte(uint32_t crc, uint8_t byte) {
  return (crc >> 8) ^ kTable[(crc ^ byte) & 0xff];
}

uint32_t ByTable(uint32_t crc, std::string_view bytes) {
  for (char c : bytes) crc = AppendByte(crc, static_cast<uint8_t>(c));
  return crc;
}

#if defined(__x86_64__)
// The change of a checksum by `kBytes` zero bytes behind it. It is linear over
// GF(2), so it is the sum of the changes of the checksum's bytes.
template <size_t kBytes>
struct ZeroBytes {
  uint32_t Append(uint32_t crc) const {
    return of_byte[0][crc & 0xff] ^ of_byte[1][crc >> 8 & 0xff] ^
           of_byte[2][crc >> 16 & 0xff] ^ of_byte[3][crc >> 24];
  }
  constexpr ZeroBytes() {
    std::array<uint32_t, 32> of_bit{};
    for (uint32_t bit = 0; bit < 32; ++bit) {
      uint32_t crc = uint32_t{1} << bit;
      for (size_t i = 0; i < kBytes; ++i) crc = AppendByte(crc, 0);
      of_bit[bit] = crc;
    }
    for (uint32_t place = 0; place < 4; ++place) {
      for (uint32_t byte = 0; byte < 256; ++byte) {
        for (uint32_t bit = 0; bit < 8; ++bit) {
          if ((byte >> bit & 1) != 0) {
            of_byte[place][byte] ^= of_bit[place * 8 + bit];
          }
        }
      }
    }
  }
  std::array<std::array<uint32_t, 256>, 4> of_byte{};
};

// Takes rounds of 3 * kLane bytes off `bytes`. The instruction takes three
// cycles, but one can begin in each. So each round has three lanes, whose
// checksums do not wait for each other.
template <size_t kLane>
__attribute__((target("sse4.2"))) uint32_t InThreeLanes(
    uint32_t crc, std::string_view* bytes) {
  static constexpr ZeroBytes<kLane> kZeros;
  for (; bytes->size() >= 3 * kLane; bytes->remove_prefix(3 * kLane)) {
    const char* p = bytes->data();
    uint64_t first = crc;
    uint64_t second = 0;
    uint64_t third = 0;
    for (const char* end = p + kLane; p < end; p += 8) {
      first = _mm_crc32_u64(first, LoadFixed<uint64_t>(p));
      second = _mm_crc32_u64(second, LoadFixed<uint64_t>(p + kLane));
      third = _mm_crc32_u64(third, LoadFixed<uint64_t>(p + 2 * kLane));
    }
    crc = kZeros.Append(static_cast<uint32_t>(first)) ^
          static_cast<uint32_t>(second);
    crc = kZeros.Append(crc) ^ static_cast<uint32_t>(third);
  }
  return crc;
}

__attribute__((target("sse4.2"))) uint32_t ByInstruction(
    uint32_t crc, std::string_view bytes) {
  // Most pieces of messages are shorter than one round of lanes.
  if (bytes.size() >= 3 * 128) {
    crc = InThreeLanes<1024>(crc, &bytes);
    crc = InThreeLanes<128>(crc, &bytes);
  }
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
  if ((left & 4) != 0) {
    crc = _mm_crc32_u32(crc, LoadFixed<uint32_t>(p));
    p += 4;
  }
  if ((left & 2) != 0) {
    crc = _mm_crc32_u16(crc, LoadFixed<uint16_t>(p));
    p += 2;
  }
  if ((left & 1) != 0) crc = _mm_crc32_u8(crc, static_cast<uint8_t>(*p));
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
