// lincheck/links/decision.h: the verdict about one partition, and what shows
// it. For the rooms that decide and explain.
#ifndef QUORATE_LINCHECK_LINKS_DECISION_H_
#define QUORATE_LINCHECK_LINKS_DECISION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lincheck/verdict.h"

namespace quorate::lincheck {

struct Decision {
  Result result = Result::kOk;
  // kUnknown: if not empty, why more time would not decide, in words.
  std::string undecidable;
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

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LINKS_DECISION_H_
