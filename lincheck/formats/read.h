// lincheck/formats/read.h: reads a history file of any form that is known.
//
// Reading is one pass over a byte source; only the history is kept.
// docs/reference/formats/history.md says what each form means. Errors are
// kInvalidArgument with "line:column: reason", kFailedPrecondition where the
// model has no initial value that could be told, or what the byte source says.
#ifndef QUORATE_LINCHECK_FORMATS_READ_H_
#define QUORATE_LINCHECK_FORMATS_READ_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lincheck/formats/edn_lists.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/source.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {

enum class Form : uint8_t {
  kAuto,       // Told from what the file begins with.
  kJsonLines,  // json_lines.h
  kEdn,        // jepsen.h
  kJepsenLog,  // jepsen.h
  kMapLines,   // jepsen.h
};
inline constexpr std::string_view kForms[] = {"auto", "jsonl", "edn",
                                              "jepsen-log", "map-lines"};

struct ReadOptions {
  Form form = Form::kAuto;
  // models/registry.h. Empty: the one that the file names, or the plainest one
  // that has all functions at the file's beginning.
  std::string model;
  // Models beside those that come with the checker.
  absl::Span<const ModelEntry> own;
  // The value that every object starts as; absent: the model's own.
  std::optional<InitialValue> initial;
  // For the forms of Jepsen.
  JepsenOptions jepsen;
};

absl::StatusOr<Recording> ReadHistory(ByteSource* source,
                                      const ReadOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_READ_H_
