// lincheck/testing/random_history.h: histories for tests, made by running a
// model and then, perhaps, spoiled.
#ifndef QUORATE_LINCHECK_TESTING_RANDOM_HISTORY_H_
#define QUORATE_LINCHECK_TESTING_RANDOM_HISTORY_H_

#include <cstdint>
#include <random>

#include "lincheck/history.h"

namespace quorate::lincheck {

struct RandomHistoryOptions {
  size_t operations = 6;
  uint32_t clients = 3;
  uint32_t partitions = 1;
  int unknown_percent = 15;
  int values = 3;              // So many different values are written.
  bool unique_values = false;  // No value is written twice.
  bool versions = false;    // Operations name the versions they saw and wrote.
  int spoiled_percent = 0;  // So many results are replaced by others.
  bool only_registers = false;  // kGet, kPut, kCas alone.
  bool only_texts = false;      // kGet, kPut, kAppend, kSwap, kCas alone.
};

// Operations of models/kv.h, in random order.
History RandomKvHistory(std::mt19937_64& random,
                        const RandomHistoryOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_RANDOM_HISTORY_H_
