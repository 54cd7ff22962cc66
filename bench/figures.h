// bench/figures.h: the results of a bench as named figures, as a table for
// people and as JSON for programs.
#ifndef QUORATE_BENCH_FIGURES_H_
#define QUORATE_BENCH_FIGURES_H_

#include <string>
#include <vector>

namespace quorate::bench {

struct Figure {
  std::string name;
  double value = 0;
  std::string unit;
};

// The median: the mean of the two middle values of an even number. Requires:
// `values` is not empty.
double MedianOf(std::vector<double> values);

// One line for each figure.
std::string FiguresText(const std::vector<Figure>& figures);
// An object with `rows`, each with `name`, `value` and `unit`.
std::string FiguresJson(const std::vector<Figure>& figures);

// Writes FiguresJson to a file of the user's folder. An empty path writes none.
// False, with a message on standard error: the file cannot be written.
bool WriteFiguresJson(const std::string& path,
                      const std::vector<Figure>& figures);

// Resolves a relative path against the folder in which the user called Bazel:
// `bazel run` starts programs in another folder.
std::string FromUsersFolder(const std::string& path);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_FIGURES_H_
