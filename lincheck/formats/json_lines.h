// lincheck/formats/json_lines.h: our own form of history files, one JSON object
// per line. docs/formats/history.md says what each field means.
#ifndef QUORATE_LINCHECK_FORMATS_JSON_LINES_H_
#define QUORATE_LINCHECK_FORMATS_JSON_LINES_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "lincheck/formats/recording.h"
#include "lincheck/formats/vocabulary.h"
#include "lincheck/formats/window.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

inline constexpr int kJsonLinesVersion = 1;

// `model`: takes the place of the one that the file names; may be empty.
absl::StatusOr<Recording> ReadJsonLines(Window* window, std::string_view model);

// The lines of a file, in the form that ReadJsonLines reads.
class JsonLinesWriter {
 public:
  // Appends to `out`, which must outlive the writer.
  JsonLinesWriter(const Model& model, std::string* out)
      : model_(model), out_(out) {}

  void Header(std::string_view model_name, TimeUnit unit);
  void Add(const Operation& op, std::string_view key);
  void Add(const AxisEvent& event);

 private:
  const Model& model_;
  std::string* const out_;
};

// All of a recording.
std::string WriteJsonLines(const Recording& recording, const Model& model);

// Appends `text` as a JSON string, quotes included. Bytes that are not valid
// UTF-8 become U+FFFD.
void AppendJsonString(std::string_view text, std::string* out);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_FORMATS_JSON_LINES_H_
