// The checker of histories with a model of its own: lincheck_main FILE
#include "adder_model.h"
#include "lincheck/cmd/program.h"

constexpr quorate::lincheck::ModelEntry kOwn[] = {
    {"adder", "add, sum; starts at 0",
     quorate::lincheck::MakeModel<AdderModel>}};

int main(int argc, char** argv) {
  return quorate::lincheck::RunLincheck(argc, argv, kOwn);
}
