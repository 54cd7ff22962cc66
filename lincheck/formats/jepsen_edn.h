// lincheck/formats/jepsen_edn.h: histories as EDN: Jepsen's own (history.edn),
// and lines of maps with a :key.
//
// Each entry is a map with :process, :type, :f, :value and perhaps :key, :time,
// :index and :error. Entries stand one after another, or in one vector or list.
// jepsen_calls.h says their meaning.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_EDN_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_EDN_H_

#include "absl/status/statusor.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {

// Jepsen's histories. Keys, where there are several, are the first of a pair
// [key value], or stand beside the value. `initial`: what objects hold before
// any operation.
absl::StatusOr<Recording> ReadJepsenEdn(Window* window,
                                        const Vocabulary& vocabulary,
                                        const JepsenOptions& options,
                                        EdnKind initial);

// Lines such as {:process 9, :type :invoke, :f :append, :key "0", :value "x"}.
// Every map has a :key. A process may continue after an operation that never
// returned.
absl::StatusOr<Recording> ReadMapLines(Window* window,
                                       const Vocabulary& vocabulary,
                                       const JepsenOptions& options,
                                       EdnKind initial);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_EDN_H_
