// lincheck/formats/jepsen.h: the forms of Jepsen's histories, and lines of maps
// with a :key.
//
// In EDN each entry is a map with :process, :type, :f, :value and perhaps :key,
// :time, :index and :error. Entries stand one after another, or in one vector
// or list. In the log of a test, operations stand in lines such as
//   INFO  jepsen.util - 4<TAB>:invoke<TAB>:cas<TAB>[1 2]
// with :ok, :fail or :info in place of :invoke when they end. Colours of a
// terminal are ignored, and the two characters "\t" are a tab. A line that
// looks like an operation in another form is an error, since a history without
// it may be linearizable. Every other line is skipped. jepsen_calls.h says what
// the entries mean.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_H_

#include "absl/status/statusor.h"
#include "lincheck/formats/jepsen_calls.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {

using JepsenReader =
    absl::StatusOr<Recording>(Window* window, const Vocabulary& vocabulary,
                              const JepsenCalls::Options& options);

// history.edn. Keys, where there are several, are the first of a pair
// [key value], or stand beside the value. Also lines such as
//   {:process 9, :type :invoke, :f :append, :key "0", :value "x"}
// of which every one has a :key, if options.map_lines.
JepsenReader ReadJepsenEdn;

JepsenReader ReadJepsenLog;

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_H_
