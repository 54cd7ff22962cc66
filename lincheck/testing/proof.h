// lincheck/testing/proof.h: holds a counter-example against brute force, for
// tests.
//
// It relaxes operations one by one and tries every order of what is left.
#ifndef QUORATE_LINCHECK_TESTING_PROOF_H_
#define QUORATE_LINCHECK_TESTING_PROOF_H_

#include <string>
#include <string_view>

#include "lincheck/history.h"
#include "lincheck/model.h"
#include "lincheck/verdict.h"

namespace quorate::lincheck {

// For messages.
std::string_view ResultName(Result result);

// All of a small history, for messages.
std::string Show(const History& history, const Model& model);

// The mistake of `example`, the counter-example of a history of one partition
// and at most 20 operations. Empty: it proves its claim. It is not linearizable
// with everything else relaxed, nor with only its context left. If it is
// minimal, it becomes linearizable by relaxing any one operation.
std::string Refute(const History& history, const Model& model,
                   const CounterExample& example);

}  // namespace quorate::lincheck

#endif  // QUORATE_LINCHECK_TESTING_PROOF_H_
