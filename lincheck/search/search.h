// lincheck/search/search.h: decides one partition by trying orders (Wing and
// Gong 1993), remembering what was tried (Lowe 2017).
#ifndef QUORATE_LINCHECK_SEARCH_SEARCH_H_
#define QUORATE_LINCHECK_SEARCH_SEARCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

struct SearchOptions {
  uint64_t nodes_max = 0;  // 0: no search, kUnknown.
  uint64_t bytes_max = 0;
  // Asked every kStepsBetweenLooks model steps; null: never.
  const Deadline* deadline = nullptr;
  // By operation: one of unknown outcome that may take effect again and again.
  // Null: none may.
  const std::vector<bool>* endless = nullptr;
  // States that no operation can tell apart count as one (StateSpace::Watch):
  // SearchResult::state may then be another one of them.
  bool merges_states = false;
  // kOk comes with an order.
  bool wants_order = false;
};

inline constexpr uint64_t kStepsBetweenLooks = 256;

struct SearchResult {
  Result result = Result::kUnknown;
  uint64_t nodes = 0;
  // kViolation: the operation (index into the argument) whose return no order
  // gets past. `last_placed` ends the longest order found before it, and
  // `state` is the state after that order.
  size_t stuck = 0;
  std::optional<size_t> last_placed;
  std::string state;
  // kViolation: set if orders were also left because of a value that is seen
  // later. Operations invoked after `stuck` returned may matter then. The last
  // operation to see the value.
  std::optional<size_t> foreseen;
  // kOk, if it was wanted: an order that explains everything.
  std::vector<size_t> order;
};

// Decides about `operations`, all of one partition, in any order.
SearchResult Search(absl::Span<const Operation> operations, const Model& model,
                    const SearchOptions& options);

// The ends from which Search() works by turns.
enum class SearchEnd : uint8_t {
  kDeep,   // The configuration that explains most: finds an order where there
           // are many.
  kBroad,  // All configurations that explain least: finds out that there is no
           // order.
};

class Searcher {
 public:
  virtual ~Searcher() = default;
  // Goes on until all is decided, until so many steps were taken in all, or
  // until memory or time is over: then kUnknown.
  virtual SearchResult Run(SearchEnd end, uint64_t nodes_max) = 0;
};

struct SearchPlan;
// `plan` must outlive it. Requires: it has at most kSlotsMax slots.
inline constexpr uint32_t kSlotsMax = 65'536;
std::unique_ptr<Searcher> MakeSearcher(const SearchPlan& plan,
                                       const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SEARCH_SEARCH_H_
