// lincheck/decide/decide.h: the verdict on one partition, by whichever
// algorithm its operations allow. For lincheck/check/checker.h alone.
#ifndef QUORATE_LINCHECK_DECIDE_DECIDE_H_
#define QUORATE_LINCHECK_DECIDE_DECIDE_H_

#include <string>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/links/decision.h"
#include "lincheck/model.h"
#include "lincheck/search/search.h"

namespace quorate::lincheck {

// In words: where a search of `operations` was stuck.
std::string DescribeStuck(absl::Span<const Operation> operations,
                          const Model& model, const SearchResult& found);

// The verdict that follows from the writes which operations name, or kUnknown.
// It rests on FindLinks() and IsRead() of the model.
Decision DecideByZones(absl::Span<const Operation> operations,
                       const Model& model);

// Searches `operations`, by versions where they tell any. `all` operations of
// the partition say which versions have writers.
SearchResult SearchPartition(absl::Span<const Operation> operations,
                             absl::Span<const Operation> all,
                             const Model& model, const SearchOptions& options);

// `operations` are all of one partition, in any order. The verdict about a
// model whose optional members are not tested is confirmed by Step().
Decision Decide(absl::Span<const Operation> operations, const Model& model,
                const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_DECIDE_DECIDE_H_
