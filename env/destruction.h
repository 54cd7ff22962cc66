// env/destruction.h: an object that runs callbacks observes its own
// destruction by one of them.
#ifndef QUORATE_ENV_DESTRUCTION_H_
#define QUORATE_ENV_DESTRUCTION_H_

#include "env/check.h"

namespace quorate {

// A member of the object:
//
//   void Run() {
//     Destruction::Watch watch(&destruction_);
//     while (!queue_.empty()) {
//       Take()();
//       if (watch.destroyed()) return;  // `this` is gone.
//     }
//   }
class Destruction {
 public:
  Destruction() = default;
  Destruction(const Destruction&) = delete;
  Destruction& operator=(const Destruction&) = delete;
  ~Destruction() {
    for (Watch* at = innermost_; at != nullptr; at = at->outer_) {
      at->destroyed_ = true;
    }
  }

  // Lives on the stack of a member function. Watches of one object nest.
  class Watch {
   public:
    explicit Watch(Destruction* object)
        : object_(object), outer_(object->innermost_) {
      object_->innermost_ = this;
    }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() {
      if (destroyed_) return;
      CHECK(object_->innermost_ == this);
      object_->innermost_ = outer_;
    }

    bool destroyed() const { return destroyed_; }

   private:
    friend class Destruction;
    Destruction* const object_;
    Watch* const outer_;
    bool destroyed_ = false;
  };

 private:
  Watch* innermost_ = nullptr;
};

}  // namespace quorate

#endif  // QUORATE_ENV_DESTRUCTION_H_
