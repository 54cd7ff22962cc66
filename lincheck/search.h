// lincheck/search.h: decides one partition by trying orders (Wing and Gong
// 1993), remembering what was tried (Lowe 2017).
//
// Depth first over configurations (state, set of placed operations). Made for
// long histories: a set is stored as the first operation not placed and a
// window of bits beyond it, so an entry's size depends on concurrency alone; a
// read that fits is placed at once (it changes nothing, so no order needs it
// later); of operations with unknown outcome, which stay open for ever, a
// configuration that has spent more of them than a failed one of the same rest
// fails too.
#ifndef QUORATE_LINCHECK_SEARCH_H_
#define QUORATE_LINCHECK_SEARCH_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/checker.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

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
  // kOk comes with an order, whichever way finds it.
  bool wants_order = false;
};

inline constexpr uint64_t kStepsBetweenLooks = 4096;

struct SearchResult {
  Result result = Result::kUnknown;
  uint64_t nodes = 0;
  // kViolation: the operation (index into the argument) whose return no order
  // gets past, the last (at most 32) operations of the longest order found
  // before it, and the state that order leads to.
  size_t stuck = 0;
  std::vector<size_t> placed;
  std::string state;
  // kViolation: if orders were also left because of what is seen later, so that
  // operations invoked after `stuck` returned may matter: the last to see it.
  std::optional<size_t> foreseen;
  // kOk: an order that explains everything; empty if only the frontier
  // (lincheck/frontier.h) found it and nobody wanted one.
  std::vector<size_t> order;
};

// Judges `operations`, all of one partition, in any order.
SearchResult Search(absl::Span<const Operation> operations, const Model& model,
                    const SearchOptions& options);

// One of the ways of Search(). It can be told to go on.
class SearchWay {
 public:
  virtual ~SearchWay() = default;
  // Goes on until decided, until so many steps were taken in all, or until
  // memory or time is over: then kUnknown.
  virtual SearchResult Run(uint64_t nodes_max) = 0;
};

struct SearchPlan;
// This file's. The other one is in lincheck/frontier.h. `plan` must outlive it.
std::unique_ptr<SearchWay> SearchDepthFirst(const SearchPlan& plan,
                                            const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_SEARCH_H_
