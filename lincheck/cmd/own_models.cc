// The program with models of a user's own, some of which break a promise, for
// tests.
#include "lincheck/testing/own_models.h"

#include "lincheck/cmd/program.h"
#include "lincheck/models/registry.h"

namespace quorate::lincheck {
namespace {

constexpr ModelEntry kOwn[] = {
    {"counting", "read, write, other: the writes so far",
     MakeModel<CountingRegister>},
    {"zero", "read, write; starts at 0, with links of one that starts at nil",
     MakeModel<ZeroRegister>},
    {"liar", "read, write, other: takes the value, and is called a read",
     MakeModel<TakeThatLies>},
};

}  // namespace
}  // namespace quorate::lincheck

int main(int argc, char** argv) {
  return quorate::lincheck::RunLincheck(argc, argv, quorate::lincheck::kOwn);
}
