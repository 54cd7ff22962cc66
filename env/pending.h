// env/pending.h: a future callback of the environment.
//
// Destroying a Pending cancels the callback, so an object that owns its
// Pendings is not called after its destruction.
#ifndef QUORATE_ENV_PENDING_H_
#define QUORATE_ENV_PENDING_H_

#include <cstdint>
#include <utility>

namespace quorate::env {

// Destroying the Pending cancels the callback, but not the I/O, whose buffers
// the environment keeps until the I/O ends. Once the callback has begun,
// destroying the Pending does nothing; the callback may destroy its own
// Pending. The environment outlives every Pending that it returned.
class [[nodiscard]] Pending {
 public:
  // The object that returned the Pending.
  class Source {
   public:
    // Drops callback `id`. Ignores an id whose callback has begun or was
    // cancelled. Ids are never reused.
    virtual void Cancel(uint64_t id) = 0;

   protected:
    ~Source() = default;
  };

  Pending() = default;
  Pending(Source* source, uint64_t id) : source_(source), id_(id) {}
  Pending(Pending&& other) noexcept
      : source_(std::exchange(other.source_, nullptr)), id_(other.id_) {}
  Pending& operator=(Pending&& other) noexcept {
    if (this != &other) {
      Cancel();
      source_ = std::exchange(other.source_, nullptr);
      id_ = other.id_;
    }
    return *this;
  }
  ~Pending() { Cancel(); }

  void Cancel() {
    if (source_ != nullptr) std::exchange(source_, nullptr)->Cancel(id_);
  }

 private:
  Source* source_ = nullptr;
  uint64_t id_ = 0;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_PENDING_H_
