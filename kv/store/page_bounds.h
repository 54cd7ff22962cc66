// kv/store/page_bounds.h: how much the pages of a store hold.
//
// Pages are the unit of copying, not of meaning: iteration order, digests and
// stored bytes are equal for all bounds. So nodes may have different ones.
#ifndef QUORATE_KV_STORE_PAGE_BOUNDS_H_
#define QUORATE_KV_STORE_PAGE_BOUNDS_H_

#include <cstdint>

namespace quorate::kv {

// The most keys of a page of a table. It then has 512 bytes, with 8 bytes for
// each key.
inline constexpr uint32_t kPageKeysMax = 62;
// The most rows of sessions of a page.
inline constexpr uint32_t kPageRowsMax = 256;

struct PageBounds {
  uint32_t keys = kPageKeysMax;  // 2 to kPageKeysMax.
  uint32_t rows = kPageRowsMax;  // 2 to kPageRowsMax.
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_STORE_PAGE_BOUNDS_H_
