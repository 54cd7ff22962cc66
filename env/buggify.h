// env/buggify.h: points in product code that may do something legal but
// unlikely (a short batch, an early flush, a tiny window).
//
// Production never fires them. The simulator decides for each run which points
// are active and when they fire.
#ifndef QUORATE_ENV_BUGGIFY_H_
#define QUORATE_ENV_BUGGIFY_H_

#include "env/random.h"

namespace quorate::env {

// In production Fire always returns false. In a simulated run some sites are
// active, and an active site fires sometimes. The behaviour after a fired point
// must be correct.
class Buggify {
 public:
  virtual bool Fire(const Site& site) = 0;

 protected:
  ~Buggify() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_BUGGIFY_H_
