// node/base/byte_account.h: bytes in use, and bytes that are reserved for what
// may come into use. Budgets add a limit.
#ifndef QUORATE_NODE_BASE_BYTE_ACCOUNT_H_
#define QUORATE_NODE_BASE_BYTE_ACCOUNT_H_

#include <cstdint>

#include "env/check.h"

namespace quorate::node {

class ByteAccount {
 public:
  ByteAccount() = default;
  ByteAccount(const ByteAccount&) = delete;
  ByteAccount& operator=(const ByteAccount&) = delete;

  // The share of one user was `before` bytes and is `now` bytes.
  void Change(uint64_t before, uint64_t now) {
    CHECK_GE(used_bytes_, before);
    used_bytes_ += now - before;
  }
  uint64_t used_bytes() const { return used_bytes_; }

  // Reserves the most bytes that may come into use, until Release.
  void Reserve(uint64_t bytes) { reserved_bytes_ += bytes; }
  void Release(uint64_t bytes) {
    CHECK_GE(reserved_bytes_, bytes);
    reserved_bytes_ -= bytes;
  }
  uint64_t reserved_bytes() const { return reserved_bytes_; }

 private:
  uint64_t used_bytes_ = 0;
  uint64_t reserved_bytes_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_BYTE_ACCOUNT_H_
