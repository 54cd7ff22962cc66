// lincheck/unseen.h: operations of unknown outcome that a search need not try.
//
// Where every operation says which value it saw, a write that nobody can have
// seen may as well not have happened: nothing looked at the state while its
// value stood there, and what comes next replaces it. So it is with a piece
// that no value seen contains.
#ifndef QUORATE_LINCHECK_UNSEEN_H_
#define QUORATE_LINCHECK_UNSEEN_H_

#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// For each operation: true if it has an unknown outcome, and leaving out all
// that are true at once changes no verdict.
std::vector<bool> FindUnseen(absl::Span<const Operation> operations,
                             const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_UNSEEN_H_
