// lincheck/cmd/arguments.h: the command line of `lincheck`.
//
// Pure: words in, a value or what is wrong out. The main only prints.
#ifndef QUORATE_LINCHECK_CMD_ARGUMENTS_H_
#define QUORATE_LINCHECK_CMD_ARGUMENTS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "lincheck/formats/read.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {

struct LincheckArguments {
  bool help = false;
  std::vector<std::string> files;  // "-": standard input. At least one.
  ReadOptions read;
  std::string html;  // Where the page goes; empty: nowhere.
  bool json = false;
  int64_t timeout_ms = 60'000;  // For each file. 0: none.
  uint32_t jobs = 0;            // 0: as many as there are processors.
};

// The text of --help. `own`: models beside those that come with the checker.
std::string Usage(absl::Span<const ModelEntry> own = {});

// `words`: without the program's name. kInvalidArgument: what is wrong with
// them.
absl::StatusOr<LincheckArguments> ParseArguments(
    const std::vector<std::string>& words,
    absl::Span<const ModelEntry> own = {});

// "60s", "250ms", "2m", "10" (seconds); "0": none.
absl::StatusOr<int64_t> ParseTimeoutMs(std::string_view text);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_ARGUMENTS_H_
