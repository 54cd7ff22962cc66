// lincheck/untold.h: who wrote the versions that were seen but that no write
// tells. For lincheck/decide.h; nobody else needs it.
//
// A client that never learned what became of its write cannot tell its version.
// What others saw of it mostly says whose it was.
#ifndef QUORATE_LINCHECK_UNTOLD_H_
#define QUORATE_LINCHECK_UNTOLD_H_

#include <vector>

#include "absl/types/span.h"
#include "lincheck/history.h"
#include "lincheck/model.h"

namespace quorate::lincheck {

// The operations of one partition, in their order, with a write for each
// version that was seen and a version for each write that returned. Empty if
// there are too few writes, or none of this kind. It is a guess: what is right
// with it is right, what is wrong may be right all the same. A write of unknown
// outcome that was seen gets a return time here, so that its version counts.
// Model steps are those of the operation as it was.
std::vector<Operation> TellUntold(absl::Span<const Operation> operations,
                                  const Model& model);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_UNTOLD_H_
