// env/pending.h: a callback that the environment still owes.
//
// Destroying it cancels the callback, so an object that owns its Pendings is never called after its end.
#ifndef QUORATE_ENV_PENDING_H_
#define QUORATE_ENV_PENDING_H_

#include <cstdint>
#include <utility>

namespace quorate::env {

// Owns the right to one future call: destroying the Pending cancels the callback (not the I/O, whose buffers the environment
// keeps until it ends). Once the callback has begun, the Pending is spent and destroying it does nothing; the callback may
// destroy its own Pending. The environment outlives every Pending it gave out.
class [[nodiscard]] Pending {
 public:
  // What gave the Pending out.
  class Source {
   public:
    // Forgets callback `id`; an id that was already called or cancelled is ignored. Ids are never reused.
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
