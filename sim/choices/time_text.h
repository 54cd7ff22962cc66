// sim/choices/time_text.h: a time of a run, for people. Violations and stories
// print it.
#ifndef QUORATE_SIM_CHOICES_TIME_TEXT_H_
#define QUORATE_SIM_CHOICES_TIME_TEXT_H_

#include <string>

#include "absl/strings/str_format.h"
#include "sim/choices/sim_time.h"

namespace quorate::sim {

// "12.345678 s".
inline std::string TimeText(SimTime time) {
  const int64_t us = time.ns() / 1'000;
  return absl::StrFormat("%d.%06d s", us / 1'000'000, us % 1'000'000);
}

}  // namespace quorate::sim

#endif  // QUORATE_SIM_CHOICES_TIME_TEXT_H_
