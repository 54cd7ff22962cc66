// lincheck/decide/decide.h: the verdict on one partition, by whichever
// algorithm its operations allow. For lincheck/check/checker.h alone.
#ifndef QUORATE_LINCHECK_DECIDE_DECIDE_H_
#define QUORATE_LINCHECK_DECIDE_DECIDE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/search/search.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

struct Decision {
  Result result = Result::kOk;
  // kUnknown: if not empty, which hook of the model is at fault, in words.
  std::string fault;
  // kUnknown: if not empty, which hooks of the model give a verdict that Step()
  // did not confirm, in words.
  std::string unproven;
  bool by_zones = false;
  uint64_t nodes = 0;
  // kViolation: indices into the argument; not linearizable even if all others
  // are relaxed. In order.
  std::vector<size_t> core;
  std::string reason;
  std::vector<size_t> named;  // Operations that the reason names, by zones.
  bool by_search = false;     // The reason tells where a search was stuck.
  size_t stuck = 0;           // If by_search: this operation had no place.
  // kViolation: what may matter to the core or a part of it; empty: anything.
  std::vector<size_t> scope;
  // kOk: an order that explains everything.
  std::vector<size_t> order;
};

// In words: where a search of `operations` was stuck.
std::string DescribeStuck(absl::Span<const Operation> operations,
                          const Model& model, const SearchResult& found);

// The verdict that follows from the writes which operations name, or kUnknown.
// It rests on FindLinks() and IsRead() of the model.
Decision DecideByZones(absl::Span<const Operation> operations,
                       const Model& model);

// `operations` are all of one partition, in any order. The verdict about a
// model whose optional members are not tested is confirmed by Step().
Decision Decide(absl::Span<const Operation> operations, const Model& model,
                const SearchOptions& options);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_DECIDE_DECIDE_H_
