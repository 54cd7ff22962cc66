// lincheck/formats/jepsen_log.h: histories from the log of a Jepsen test.
//
// Operations stand in lines such as
//   INFO  jepsen.util - 4<TAB>:invoke<TAB>:cas<TAB>[1 2]
// with :ok, :fail or :info in place of :invoke when they end. Every other line
// is skipped. What the entries mean stands in jepsen_calls.h.
#ifndef QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_
#define QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_

#include <string_view>

#include "absl/status/statusor.h"
#include "lincheck/formats/edn.h"
#include "lincheck/formats/jepsen_options.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"

namespace quorate::lincheck {

// `initial`: what objects hold before any operation.
absl::StatusOr<Recording> ReadJepsenLog(Window* window,
                                        const Vocabulary& vocabulary,
                                        const JepsenOptions& options,
                                        EdnKind initial);

// Where the entry begins (its process) in a line that has one; npos if the line
// is one to skip.
size_t FindLogEntry(std::string_view line);

// Whether a logger of such a test wrote this line, with or without an entry:
// "INFO  jepsen.core - …", whatever time or thread it tells besides.
bool IsLogLine(std::string_view line);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JEPSEN_LOG_H_
