#include "kv/slots/slot.h"

#include <array>

namespace quorate::kv {
namespace {

// Bytes that Crc16 takes at a time.
constexpr size_t kStride = 8;
using Tables = std::array<std::array<uint16_t, 256>, kStride>;

// tables[n][byte] is the checksum of the byte and n zeros behind it.
constexpr Tables MakeTables() {
  Tables tables = {};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = static_cast<uint16_t>(byte << 8);
    for (auto& table : tables) {
      for (int bit = 0; bit < 8; ++bit) {
        crc = static_cast<uint16_t>((crc << 1) ^ ((crc & 0x8000) ? 0x1021 : 0));
      }
      table[byte] = crc;
    }
  }
  return tables;
}

constexpr Tables kTables = MakeTables();

}  // namespace

// A checksum is linear, so that of several bytes is the sum of one lookup for
// each. The lookups of a stride do not wait for each other.
uint16_t Crc16(std::string_view bytes) {
  uint16_t crc = 0;
  const auto* next = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kStride; left -= kStride, next += kStride) {
    uint16_t sum = kTables[kStride - 1][next[0] ^ (crc >> 8)] ^
                   kTables[kStride - 2][next[1] ^ (crc & 0xff)];
    for (size_t i = 2; i < kStride; ++i) {
      sum ^= kTables[kStride - 1 - i][next[i]];
    }
    crc = sum;
  }
  for (; left > 0; --left, ++next) {
    crc = static_cast<uint16_t>((crc << 8) ^ kTables[0][(crc >> 8) ^ *next]);
  }
  return crc;
}

std::string_view HashTag(std::string_view key) {
  const size_t open = key.find('{');
  if (open == std::string_view::npos) return key;
  const size_t close = key.find('}', open + 1);
  if (close == std::string_view::npos || close == open + 1) return key;
  return key.substr(open + 1, close - open - 1);
}

}  // namespace quorate::kv
