// bench/keys_moved/main.cc: prints the share of keys that move when a group is
// added (docs/keys-moved.md), and draws its picture.
//
//   ./bazelw run //bench/keys_moved
//   ./bazelw run //bench/keys_moved -- --svg docs/images/keys-moved.svg
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "bench/figures.h"
#include "bench/keys_moved/ways.h"

int main(int argc, char** argv) {
  CLI::App app("Keys that move when a group is added, by four ways");
  std::vector<uint32_t> groups = {3, 10, 100};
  uint64_t keys = 1'000'000;
  uint64_t rounds = 10;
  std::string svg;
  app.add_option("--groups", groups, "Numbers of groups before")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app.add_option("--keys", keys, "Keys of a round")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  app.add_option("--rounds", rounds, "Rounds, each with other keys and places")
      ->check(CLI::Range(1, 1'000))
      ->capture_default_str();
  app.add_option("--svg", svg, "A file for the picture");
  CLI11_PARSE(app, argc, argv);
  const auto rows = quorate::bench::MeasureKeysMoved(groups, keys, rounds);
  std::fputs(quorate::bench::KeysMovedTable(rows).c_str(), stdout);
  if (svg.empty()) return 0;
  std::ofstream file(quorate::bench::FromUsersFolder(svg));
  file << quorate::bench::KeysMovedPicture(rows);
  file.close();
  if (!file) std::fprintf(stderr, "cannot write %s\n", svg.c_str());
  return file ? 0 : 1;
}
