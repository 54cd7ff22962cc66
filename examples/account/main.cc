// The program `lincheck` with a model of its own:
//
//   ./bazelw run //examples/account -- FILE… --html page.html
#include "examples/account/account.h"
#include "lincheck/cmd/program.h"

constexpr quorate::lincheck::ModelEntry kOwn[] = {
    {"account", "deposit, withdraw, balance; starts at 0",
     quorate::lincheck::MakeModel<Account>}};

int main(int argc, char** argv) {
  return quorate::lincheck::RunLincheck(argc, argv, kOwn);
}
