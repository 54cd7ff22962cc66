// bench/lincheck_histories.h: the histories that //bench:lincheck judges, each
// made from its description alone.
//
// Clients work side by side against one correct store: an operation takes
// effect at a random moment between its invocation and its return. A wrong
// history is the same one with one more read at its end, which returns what was
// overwritten before.
#ifndef QUORATE_BENCH_LINCHECK_HISTORIES_H_
#define QUORATE_BENCH_LINCHECK_HISTORIES_H_

#include <cstddef>
#include <cstdint>

#include "lincheck/history.h"

namespace quorate::bench {

enum class Mix : uint8_t {
  kRegister,  // models/register.h: half reads; every value is written once.
  kVersions,  // models/kv.h: gets, puts, cas, swaps, deletes; operations tell
              // versions.
  kStore,     // The same without versions.
  kCasRegister,  // models/cas_register.h: reads, writes and cas of five values.
  kAppend,       // models/kv.h: half gets, half appends of pieces of their own.
  kText,         // models/kv.h: gets, appends and, now and then, puts.
  kLetters,      // The same with only five different pieces.
};

struct HistoryOptions {
  Mix mix = Mix::kRegister;
  size_t operations = 1000;
  uint32_t clients = 10;
  uint32_t keys = 1;
  int unknown_percent = 0;  // Whose client never learns what became of them.
  bool wrong = false;
  uint64_t seed = 1;
};

lincheck::History MakeHistory(const HistoryOptions& options);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_LINCHECK_HISTORIES_H_
