// lincheck: checks files of histories. `lincheck --help` says how.
#include "lincheck/cmd/program.h"

int main(int argc, char** argv) {
  return quorate::lincheck::RunLincheck(argc, argv);
}
