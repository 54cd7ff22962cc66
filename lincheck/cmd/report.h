// lincheck/cmd/report.h: what the program says of a file, for people and for
// programs.
#ifndef QUORATE_LINCHECK_CMD_REPORT_H_
#define QUORATE_LINCHECK_CMD_REPORT_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "lincheck/formats/recording.h"
#include "lincheck/levels/levels.h"
#include "lincheck/model.h"
#include "lincheck/page/page.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

struct FileReport {
  std::string file;
  absl::Status status;  // Not ok: it could not be read; the rest is empty.
  Recording recording;
  std::unique_ptr<Model> model;
  Verdict verdict;
  // Set if the history is not linearizable.
  std::optional<LevelsVerdict> levels;
  double read_seconds = 0;
  double seconds = 0;          // The check alone.
  double explain_seconds = 0;  // Counter-example and weaker levels.
  uint64_t peak_bytes = 0;
  int64_t timeout_ms = 0;
  std::string page;  // Where it was written; may be empty.
};

// Levels weaker than linearizability, strongest first. Levels with equal
// results share an entry.
std::vector<PageLevel> WeakerLevels(const LevelsVerdict& levels);

// How far reads lag behind, in one sentence; empty if that is not known.
std::string StalenessText(const Staleness& staleness, TimeUnit unit);

// Some lines.
std::string ReportText(const FileReport& report);
// One line, with its end.
std::string ReportJson(const FileReport& report);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_REPORT_H_
