// env/quota.h: bytes that several users hold together.
//
// Each user has a share, which ends with its object. A quota alone is the sum
// of its shares. Derived classes say what the sum permits, and what its changes
// cause.
#ifndef QUORATE_ENV_QUOTA_H_
#define QUORATE_ENV_QUOTA_H_

#include <cstdint>
#include <utility>

#include "env/check.h"

namespace quorate {

class Quota {
 public:
  // The bytes of one user. They count until the destruction of the object, or
  // until End. The quota outlives it.
  class Share {
   public:
    Share() = default;  // Of no quota.
    explicit Share(Quota& quota, uint64_t bytes = 0) : quota_(&quota) {
      Resize(bytes);
    }
    Share(Share&& other) noexcept
        : quota_(std::exchange(other.quota_, nullptr)),
          bytes_(std::exchange(other.bytes_, 0)) {}
    Share& operator=(Share&& other) noexcept {
      if (this == &other) return *this;
      End();
      quota_ = std::exchange(other.quota_, nullptr);
      bytes_ = std::exchange(other.bytes_, 0);
      return *this;
    }
    ~Share() { End(); }

    uint64_t bytes() const { return bytes_; }
    // The share has so many bytes from now on. Requires: it is one of a quota.
    void Resize(uint64_t bytes) {
      if (bytes == bytes_) return;
      CHECK(quota_ != nullptr) << "a share of no quota";
      quota_->Change(std::exchange(bytes_, bytes), bytes);
    }
    void Add(uint64_t bytes) { Resize(bytes_ + bytes); }
    // Requires: it has so many.
    void Remove(uint64_t bytes) {
      CHECK_GE(bytes_, bytes);
      Resize(bytes_ - bytes);
    }
    // They count no more, and the share is of no quota.
    void End() {
      if (quota_ == nullptr) return;
      Resize(0);
      quota_ = nullptr;
    }

   private:
    Quota* quota_ = nullptr;
    uint64_t bytes_ = 0;
  };

  Quota() = default;
  Quota(const Quota&) = delete;
  Quota& operator=(const Quota&) = delete;
  virtual ~Quota() = default;

  uint64_t bytes() const { return bytes_; }

 private:
  // The sum was `before` bytes, and is another one now.
  virtual void OnChange(uint64_t before) { static_cast<void>(before); }

  void Change(uint64_t share_before, uint64_t share_now) {
    CHECK_GE(bytes_, share_before);
    const uint64_t before = bytes_;
    bytes_ += share_now - share_before;
    OnChange(before);
  }

  uint64_t bytes_ = 0;
};

}  // namespace quorate

#endif  // QUORATE_ENV_QUOTA_H_
