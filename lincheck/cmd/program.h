// lincheck/cmd/program.h: the whole program, for a main of one's own.
//
// A user's own model gets the program in one line:
//
//   constexpr ModelEntry kOwn[] = {{"counter", "add, get; starts at 0",
//                                   MakeModel<Counter>}};
//   int main(int argc, char** argv) { return RunLincheck(argc, argv, kOwn); }
//
// Histories name it like any other ("model":"counter", --model counter).
#ifndef QUORATE_LINCHECK_CMD_PROGRAM_H_
#define QUORATE_LINCHECK_CMD_PROGRAM_H_

#include <memory>

#include "absl/types/span.h"
#include "lincheck/model.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {

template <typename M>
std::unique_ptr<Model> MakeModel() {
  return std::make_unique<ModelOf<M>>();
}

// Returns the exit status: docs/lincheck.md lists the flags and the exit
// statuses.
int RunLincheck(int argc, char** argv, absl::Span<const ModelEntry> own = {});

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_CMD_PROGRAM_H_
