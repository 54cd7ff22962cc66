// bench/lincheck.cc: time and memory that the linearizability checker needs for
// generated histories of growing sizes, linearizable and not. Each row runs in
// a process of its own, on one core; "peak" is the memory of that whole
// process, with the history.
//
//   ./bazelw run -c opt //bench:lincheck              all rows
//   ./bazelw run -c opt //bench:lincheck -- --only append
//       --operations-max 1000000
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "bench/lincheck_histories.h"
#include "lincheck/check/checker.h"
#include "lincheck/levels/levels.h"
#include "lincheck/models/registry.h"

namespace quorate::bench {
namespace {

struct Series {
  const char* name;
  const char* model;
  HistoryOptions options;
  std::vector<size_t> sizes;
  size_t histories = 1;  // Number of histories, with seeds 1, 2, …
};

std::vector<Series> AllSeries() {
  const std::vector<size_t> small = {1'000, 3'000, 10'000, 100'000};
  return {
      {"unique, 1000 keys, 50 clients, 1 % unknown",
       "register",
       {.mix = Mix::kRegister,
        .clients = 50,
        .keys = 1000,
        .unknown_percent = 1},
       {100'000, 1'000'000, 10'000'000}},
      {"unique, one key, 50 clients, 1 % unknown",
       "register",
       {.mix = Mix::kRegister, .clients = 50, .unknown_percent = 1},
       {100'000, 1'000'000}},
      {"versions, 1000 keys, 50 clients, 1 % unknown",
       "kv",
       {.mix = Mix::kVersions,
        .clients = 50,
        .keys = 1000,
        .unknown_percent = 1},
       {100'000, 1'000'000}},
      {"gets, puts, cas, swaps, deletes, one key, 10 clients",
       "kv",
       {.mix = Mix::kStore, .clients = 10},
       small},
      {"gets, puts, cas, swaps, deletes, one key, 50 clients",
       "kv",
       {.mix = Mix::kStore, .clients = 50},
       {1'000, 3'000, 10'000}},
      {"cas-register, 5 values, one key, 10 clients",
       "cas-register",
       {.mix = Mix::kCasRegister, .clients = 10},
       small},
      {"appends and reads, one key, 50 clients",
       "kv",
       {.mix = Mix::kAppend, .clients = 50},
       {1'000, 5'000, 10'000}},
      {"puts, appends, gets, one key, 10 clients",
       "kv",
       {.mix = Mix::kText, .clients = 10},
       small},
      {"puts, appends, gets of 5 letters, one key, 10 clients",
       "kv",
       {.mix = Mix::kLetters, .clients = 10},
       small},
      {"puts, appends, gets of 5 letters, one key, 50 clients",
       "kv",
       {.mix = Mix::kLetters, .clients = 50},
       {1'000, 3'000}},
      {"puts, appends, gets, 20 keys, 50 clients, 1 % unknown",
       "kv",
       {.mix = Mix::kText, .clients = 50, .keys = 20, .unknown_percent = 1},
       small},
      {"cas-register, 1000 histories of 170, 5 clients, 20 % unknown",
       "cas-register",
       {.mix = Mix::kCasRegister, .clients = 5, .unknown_percent = 20},
       {170},
       1000},
  };
}

struct Row {
  double seconds = 0;
  double explain_seconds = 0;
  double levels_seconds = 0;
  uint64_t nodes = 0;
  uint64_t counts[3] = {};  // By lincheck::Result.
  uint64_t zones = 0;
  uint64_t core = 0;
  bool minimal = true;
  double history_mib = 0;
  double peak_mib = 0;
};

double PeakMib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

// Processor time, so that other load on the machine matters less.
double Now() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) +
         static_cast<double>(now.tv_nsec) * 1e-9;
}

Row Measure(const Series& series, HistoryOptions options) {
  Row row;
  const auto model = lincheck::FindModel(series.model)->make();
  for (size_t i = 0; i < series.histories; ++i) {
    options.seed = 1 + i;
    const lincheck::History history = MakeHistory(options);
    row.history_mib = PeakMib();
    const lincheck::CheckOptions check{.explain = false};
    double start = Now();
    lincheck::Verdict verdict = lincheck::Check(history, *model, check);
    row.seconds += Now() - start;
    row.nodes += verdict.nodes;
    row.zones += verdict.partitions_by_zones;
    ++row.counts[static_cast<int>(verdict.result)];
    if (verdict.wrong.empty()) continue;
    start = Now();
    verdict.counter_example =
        lincheck::Explain(history, *model, verdict, check);
    row.explain_seconds += Now() - start;
    start = Now();
    lincheck::CheckLevels(history, *model, verdict, check);
    row.levels_seconds += Now() - start;
    const lincheck::CounterExample& example = *verdict.counter_example;
    row.core = std::max<uint64_t>(row.core, example.operations.size());
    row.minimal &= example.minimal;
  }
  row.peak_mib = PeakMib();
  return row;
}

// Measures in a child process, so that each row has a peak of its own.
Row Apart(const Series& series, const HistoryOptions& options) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t child = fork();
  if (child == 0) {
    const Row row = Measure(series, options);
    if (write(ends[1], &row, sizeof(row)) != sizeof(row)) _exit(1);
    _exit(0);
  }
  close(ends[1]);
  Row row;
  if (read(ends[0], &row, sizeof(row)) != sizeof(row)) {
    std::fprintf(stderr, "a measurement ended early\n");
    std::exit(1);
  }
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return row;
}

void Run(const std::string& only, size_t operations_max) {
  for (const Series& series : AllSeries()) {
    if (std::string(series.name).find(only) == std::string::npos) continue;
    std::printf("\n%s (%s)\n", series.name, series.model);
    std::printf("%10s %6s %9s %10s %9s %9s %10s %9s %9s  %s\n", "operations",
                "", "seconds", "ns per op", "explain s", "levels s", "steps",
                "read MiB", "peak MiB", "verdicts; core");
    for (const size_t size : series.sizes) {
      if (size > operations_max) continue;
      for (const bool wrong : {false, true}) {
        HistoryOptions options = series.options;
        options.operations = size;
        options.wrong = wrong;
        const Row row = Apart(series, options);
        std::printf(
            "%10zu %6s %9.4f %10.0f %9.4f %9.4f %10llu %9.0f %9.0f  %llu ok, "
            "%llu "
            "wrong, %llu unknown",
            size, wrong ? "wrong" : "right", row.seconds,
            row.seconds * 1e9 / static_cast<double>(size * series.histories),
            row.explain_seconds, row.levels_seconds,
            static_cast<unsigned long long>(row.nodes), row.history_mib,
            row.peak_mib, static_cast<unsigned long long>(row.counts[0]),
            static_cast<unsigned long long>(row.counts[1]),
            static_cast<unsigned long long>(row.counts[2]));
        if (row.core > 0) {
          std::printf("; %llu%s", static_cast<unsigned long long>(row.core),
                      row.minimal ? "" : " (not minimised)");
        }
        std::printf("\n");
        std::fflush(stdout);
      }
    }
  }
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  CLI::App app("Measures the linearizability checker.");
  std::string only;
  size_t operations_max = 10'000'000;
  app.add_option("--only", only, "Series whose names contain this");
  app.add_option("--operations-max", operations_max,
                 "Largest number of operations that is measured");
  CLI11_PARSE(app, argc, argv);
  quorate::bench::Run(only, operations_max);
  return 0;
}
