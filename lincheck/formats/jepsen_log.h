// lincheck/formats/jepsen_log.h: histories from the log of a Jepsen test.
//
// Operations stand in lines such as
//   INFO  jepsen.util - 4<TAB>:invoke<TAB>:cas<TAB>[1 2]
// with :ok, :fail or :info in place of :invoke when they end. Colours of a
// terminal are ignored, and the two characters "\t" are a tab. A line that
// looks like an operation in another form is an error, since a history without
// it may be linearizable. Every other line is skipped. jepsen_calls.h says what
// the entries mean.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {

// `initial`: what objects hold before any operation.
absl::StatusOr<Recording> ReadJepsenLog(Window* window,
                                        const Vocabulary& vocabulary,
                                        const JepsenOptions& options,
                                        EdnKind initial);

// Whether a log of such a test may have this line. The line has an entry, or
// what looks like one, or a logger wrote it: "INFO  jepsen.core - …", whatever
// time or thread it tells besides.
bool IsLogLine(std::string_view line);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_
