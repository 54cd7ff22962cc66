// lincheck/page/page.h: a history and its counter-example as one HTML page.
//
// The page is whole: styles, script and history are in it, and it loads
// nothing. It shows the counter-example: an order of calls and returns, the
// longest orders that explain part of it, and the operations in words. The
// history around it has a lane for each client, with faults and leaders on the
// same axis. A long history is cut to the part nearest to the counter-example.
#ifndef QUORATE_LINCHECK_PAGE_PAGE_H_
#define QUORATE_LINCHECK_PAGE_PAGE_H_

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lincheck/formats/recording.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

inline constexpr size_t kPageOperationsMax = 20'000;

// "true", "false" or "unknown", as programs are told.
std::string_view VerdictWord(Result result);

// The result for a promise that is weaker than linearizability.
struct PageLevel {
  std::string name;
  Result result = Result::kUnknown;
  std::string reason;
  std::vector<size_t> witness;  // Indices into History::operations(); all of
                                // them are in the page.
};

struct PageInput {
  std::string_view title;
  const Recording* recording = nullptr;
  const Model* model = nullptr;
  const Verdict* verdict = nullptr;
  std::vector<PageLevel> levels;  // Strongest first.
  std::string staleness;          // How far reads lag behind, in words.
};

std::string MakePage(const PageInput& input);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_PAGE_PAGE_H_
