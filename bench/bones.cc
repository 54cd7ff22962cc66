// bench/bones.cc: figures of single parts of a node, each of which has a bound.
// Every part measures in a file of its own and adds its rows here.
//
//   ./bazelw run -c opt //bench:bones -- --json FILE
//   ./bazelw run -c opt //bench:bones -- --only store_memory
//   ./bazelw run -c opt //bench:bones -- --check
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/core_entries.h"
#include "bench/figures.h"
#include "bench/memory/group_memory.h"
#include "bench/memory/store_memory.h"
#include "bench/process_figures.h"

namespace quorate::bench {
namespace {

struct Options {
  uint64_t keys = 1'000'000;
  uint64_t entries = 1'000'000;
  std::vector<std::string> only = {};
  std::string json = {};
  bool check = false;
};

// The goals, by the names of their rows. longest_turn_ms has none. It is
// processor time, but where a host shares its processors, pauses of the machine
// count as such. One pause in all parts would decide. Tests bound the counted
// work of a turn instead (node/turn_work_test.cc).
struct Goal {
  const char* row;
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
};
constexpr Goal kGoals[] = {
    {"core_entries_per_second", 2e6},   {"key_overhead_bytes", 0, 56},
    {"group_fixed_bytes", 0, 4096},     {"group_node_bytes", 0, 4096},
    {"rss_ratio_to_redis", 0, 1},       {"restart_seconds", 0, 5},
    {"snapshot_p999_ratio", 0, 3},      {"snapshot_seconds", 0, 60},
    {"stalled_follower_windows", 0, 2}, {"rss_over_budget", 0, 1},
    {"stop_gap_max_ms", 0, 300},        {"stop_errors", 0, 0},
};

// The number of rows that miss their goals, or that are missing.
int CountMissed(const std::vector<Figure>& figures, bool all_parts) {
  int missed = 0;
  for (const Goal& goal : kGoals) {
    const auto figure =
        std::find_if(figures.begin(), figures.end(),
                     [&goal](const Figure& f) { return f.name == goal.row; });
    if (figure == figures.end()) {
      if (!all_parts) continue;
      std::fprintf(stderr, "there is no %s\n", goal.row);
    } else {
      if (figure->value >= goal.least && figure->value <= goal.most) continue;
      std::fprintf(stderr, "%s is %g, not from %g to %g\n", goal.row,
                   figure->value, goal.least, goal.most);
    }
    ++missed;
  }
  return missed;
}

struct Part {
  std::string name;
  std::function<absl::StatusOr<std::vector<Figure>>(const Options&)> measure;
};

// In the order in which they run.
std::vector<Part> Parts() {
  return {
      {"core_entries",
       [](const Options& options) {
         return CoreEntriesFigures(options.entries);
       }},
      {"store_memory",
       [](const Options& options) { return StoreMemoryFigures(options.keys); }},
      {"group_memory", [](const Options&) { return GroupMemoryFigures(); }},
      {"process_memory",
       [](const Options& options) {
         return ProcessMemoryFigures(options.keys);
       }},
      {"restart_time",
       [](const Options& options) { return RestartTimeFigures(options.keys); }},
      {"snapshots", [](const Options&) { return SnapshotFigures(); }},
      {"stalled_follower",
       [](const Options&) { return StalledFollowerFigures(); }},
      {"leader_gap", [](const Options&) { return LeaderGapFigures(); }},
  };
}

int Main(const Options& options) {
  std::vector<Figure> figures;
  // Figures of which the most of all parts counts.
  std::map<std::string, Figure> most;
  for (const Part& part : Parts()) {
    if (!options.only.empty() &&
        std::find(options.only.begin(), options.only.end(), part.name) ==
            options.only.end()) {
      continue;
    }
    const absl::StatusOr<std::vector<Figure>> measured = part.measure(options);
    if (!measured.ok()) {
      std::fprintf(stderr, "%s: %s\n", part.name.c_str(),
                   measured.status().ToString().c_str());
      return 1;
    }
    std::fputs(FiguresText(*measured).c_str(), stdout);
    std::fflush(stdout);
    for (const Figure& figure : *measured) {
      if (figure.name != kOverBudget && figure.name != kLongestTurn) {
        figures.push_back(figure);
        continue;
      }
      const auto found = most.try_emplace(figure.name, figure).first;
      found->second.value = std::max(found->second.value, figure.value);
    }
  }
  for (const auto& [name, figure] : most) figures.push_back(figure);
  const int status =
      options.check && CountMissed(figures, options.only.empty()) > 0 ? 3 : 0;
  return WriteFiguresJson(options.json, figures) ? status : 1;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  CLI::App app("Measures single parts of a node");
  quorate::bench::Options options;
  std::vector<std::string> names;
  for (const auto& part : quorate::bench::Parts()) names.push_back(part.name);
  app.add_option("--keys", options.keys, "Keys of the measured stores")
      ->check(CLI::Range(1, 1 << 26))
      ->capture_default_str();
  app.add_flag("--check", options.check,
               "End with status 3 if a row misses its goal");
  app.add_option("--entries", options.entries, "Entries of the measured cores")
      ->check(CLI::Range(1, 1 << 26))
      ->capture_default_str();
  app.add_option("--only", options.only, "Measure only these parts")
      ->check(CLI::IsMember(names));
  app.add_option("--json", options.json, "Write the results to this file");
  CLI11_PARSE(app, argc, argv);
  return quorate::bench::Main(options);
}
