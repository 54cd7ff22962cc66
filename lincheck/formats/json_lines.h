// lincheck/formats/json_lines.h: our own form of history files, one JSON object
// per line. docs/reference/formats/history.md says what each field means.
#ifndef QUORATE_LINCHECK_FORMATS_JSON_LINES_H_
#define QUORATE_LINCHECK_FORMATS_JSON_LINES_H_

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"
#include "lincheck/model.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {

inline constexpr int kJsonLinesVersion = 1;

// `model`: takes the place of the one that the file names; may be empty.
// `own`: models beside those that come with the checker.
absl::StatusOr<Recording> ReadJsonLines(Window* window, std::string_view model,
                                        absl::Span<const ModelEntry> own = {});

// The lines of a file, in the form that ReadJsonLines reads.
class JsonLinesWriter {
 public:
  // Appends to `out`, which must outlive the writer. `name`: the model's.
  JsonLinesWriter(const Model& model, std::string_view name, std::string* out)
      : model_(model),
        name_(name),
        vocabulary_(Vocabulary::Of(name)),
        out_(out) {}

  void Header(TimeUnit unit);
  void Add(const Operation& op, std::string_view key);
  void Add(const TimelineEvent& event);

 private:
  const Model& model_;
  const std::string name_;
  const std::optional<Vocabulary> vocabulary_;
  std::string* const out_;
};

// All of a recording.
std::string WriteJsonLines(const Recording& recording, const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JSON_LINES_H_
