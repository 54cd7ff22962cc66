#include "bench/figures.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::bench {

double MedianOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half]
                                : (values[half - 1] + values[half]) / 2;
}

std::string FiguresText(const std::vector<Figure>& figures) {
  std::string text;
  for (const Figure& figure : figures) {
    absl::StrAppendFormat(&text, "%-32s %16.2f %s\n", figure.name, figure.value,
                          figure.unit);
  }
  return text;
}

std::string FiguresJson(const std::vector<Figure>& figures) {
  nlohmann::ordered_json json;
  json["rows"] = nlohmann::ordered_json::array();
  for (const Figure& figure : figures) {
    json["rows"].push_back({{"name", figure.name},
                            {"value", figure.value},
                            {"unit", figure.unit}});
  }
  return json.dump(2) + "\n";
}

bool WriteFiguresJson(const std::string& path,
                      const std::vector<Figure>& figures) {
  if (path.empty()) return true;
  std::ofstream file(FromUsersFolder(path));
  file << FiguresJson(figures);
  file.close();
  if (!file) std::fprintf(stderr, "cannot write %s\n", path.c_str());
  return static_cast<bool>(file);
}

std::string FromUsersFolder(const std::string& path) {
  const char* folder = std::getenv("BUILD_WORKING_DIRECTORY");
  return folder == nullptr || *folder == '\0' || path.starts_with("/")
             ? path
             : absl::StrCat(folder, "/", path);
}

}  // namespace quorate::bench
