// bench/lincheck_histories.h: the histories that //bench:lincheck checks, each
// generated from its description alone.
//
// Concurrent clients use one correct store: an operation takes effect at a
// random time between its invocation and its return. A wrong history is the
// correct one with one more read at its end, which returns an overwritten
// value.
#ifndef QUORATE_BENCH_LINCHECK_HISTORIES_H_
#define QUORATE_BENCH_LINCHECK_HISTORIES_H_

#include <cstddef>
#include <cstdint>

#include "lincheck/history.h"

namespace quorate::bench {

enum class Mix : uint8_t {
  // models/cas_register.h: half of the operations are reads; every value is
  // written once.
  kRegister,
  // models/kv.h: gets, puts, cas, swaps, deletes; results contain versions.
  kVersions,
  // models/kv.h: the operations of kVersions, results without versions.
  kStore,
  // models/cas_register.h: reads, writes and cas of five values.
  kCasRegister,
  // models/kv.h: half gets, half appends of unique pieces.
  kAppend,
  // models/kv.h: gets, appends of unique pieces and occasional puts.
  kText,
  // models/kv.h: the operations of kText with only five different pieces.
  kLetters,
};

struct HistoryOptions {
  Mix mix = Mix::kRegister;
  size_t operations = 1000;
  uint32_t clients = 10;
  uint32_t keys = 1;
  int unknown_percent = 0;  // Operations of unknown outcome.
  bool wrong = false;
  uint64_t seed = 1;
};

lincheck::History MakeHistory(const HistoryOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_LINCHECK_HISTORIES_H_
