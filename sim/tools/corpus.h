// sim/tools/corpus.h: tapes that are kept, and what each was kept for.
//
// Comment lines of a tape say it, each as one of
//
//   # kept for: mark raft.snapshot_installed
//   # kept for: violation linearizability
//
// Once a bug is mended, its tape is kept for the marks that it reaches. So its
// run goes on to be the one that was wanted.
#ifndef QUORATE_SIM_TOOLS_CORPUS_H_
#define QUORATE_SIM_TOOLS_CORPUS_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "sim/harness/report.h"

namespace quorate::sim {

struct KeptFor {
  std::vector<std::string> marks;
  std::vector<std::string> violations;  // As of KindOfViolation.
};

// kInvalidArgument: a line begins as one of those above, and goes on otherwise.
absl::StatusOr<KeptFor> KeptForOf(std::string_view tape);
// The comment line of a tape with such a violation.
std::string KeptForViolation(std::string_view kind);

// In words, marks and violations that the run of a tape did not reach, or a
// violation for which it was not kept. Empty: all is as it was.
std::string LostOf(const KeptFor& kept, const RunReport& report);

// The paths of the tapes in a directory, ascending. kNotFound: it cannot be
// read.
absl::StatusOr<std::vector<std::string>> TapesIn(const std::string& directory);

}  // namespace quorate::sim

#endif  // QUORATE_SIM_TOOLS_CORPUS_H_
