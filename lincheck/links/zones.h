// lincheck/links/zones.h: decides one partition in near-linear time where every
// operation names the write it saw.
//
// After Gibbons and Korach (SIAM J. Comp. 1997), extended to
// read-modify-writes. A write and its reads must stand together, and so must a
// chain of read-modify-writes with all its reads: a block. Block A must come
// before block B iff its first response f(A) is before B's last invocation
// s(B). The partition is linearizable iff every chain fits in itself and no two
// blocks precede each other.
//
// Proof: in a cycle of precedences take the block A with the least f, its
// predecessor Z, and the predecessor Y of Z. Then f(A) <= f(Z) < s(A) and
// f(A) <= f(Y) < s(Z), so A and Z precede each other.
//
// So it is enough that forward zones (f < s) are disjoint and that no backward
// zone lies inside a forward one: sorting and binary search.
#ifndef QUORATE_LINCHECK_LINKS_ZONES_H_
#define QUORATE_LINCHECK_LINKS_ZONES_H_

#include <cstdint>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/links/decision.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// Decides about `operations`, all of one partition, in any order. kUnknown if
// they cannot be linked (lincheck/links/links.h), or if links leave out
// versions that matter. By versions results are not compared: replay the order
// for that.
Decision CheckZones(absl::Span<const Operation> operations, const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_LINKS_ZONES_H_
