// Writes the page of the example run, for the test in a browser.
//
//   example_page FILE
#include <cstdio>
#include <fstream>

#include "sim/tools/page/example_run.h"
#include "sim/tools/page/page.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fputs("usage: example_page FILE\n", stderr);
    return 2;
  }
  std::ofstream file(argv[1]);
  const quorate::sim::ExampleRun example;
  file << quorate::sim::RunPage(example.input());
  file.close();
  return file ? 0 : 2;
}
