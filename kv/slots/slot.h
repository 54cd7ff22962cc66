// kv/slots/slot.h: the slot of a key in Redis Cluster, whose clients compute it
// themselves. Servers use the strategy of their cluster
// (kv/slots/slot_strategy.h).
#ifndef QUORATE_KV_SLOTS_SLOT_H_
#define QUORATE_KV_SLOTS_SLOT_H_

#include <cstdint>
#include <string_view>

#include "shardctrl/partition.h"

namespace quorate::kv {

// CRC-16/XMODEM: polynomial 0x1021, initial value 0, nothing reflected.
uint16_t Crc16(std::string_view bytes);

// The hashed part of a key: the bytes between the first '{' and the next '}' if
// there are any, else the whole key.
std::string_view HashTag(std::string_view key);

// The slot of Redis Cluster: Crc16(HashTag(key)) modulo 16384.
inline Slot HashSlot(std::string_view key) {
  return Slot(Crc16(HashTag(key)) & (kHashSlotCount - 1));
}

}  // namespace quorate::kv

#endif  // QUORATE_KV_SLOTS_SLOT_H_
