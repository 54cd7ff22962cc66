// env/buggify.h: points in product code that may behave badly but legally (a short batch, an early flush, a tiny window).
//
// Production never fires them; the simulator decides for each run which are active and when they fire.
#ifndef QUORATE_ENV_BUGGIFY_H_
#define QUORATE_ENV_BUGGIFY_H_

#include "env/random.h"

namespace quorate::env {

// In production Fire is always false. In a simulated run each site is active or not, and an active one fires sometimes.
// What follows a fired point must be correct behaviour that is merely unlikely.
class Buggify {
 public:
  virtual bool Fire(Site site) = 0;

 protected:
  ~Buggify() = default;
};

}  // namespace quorate::env

#endif  // QUORATE_ENV_BUGGIFY_H_
