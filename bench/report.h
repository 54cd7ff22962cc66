// bench/report.h: results of a comparison, as a table for people and as JSON
// for programs.
#ifndef QUORATE_BENCH_REPORT_H_
#define QUORATE_BENCH_REPORT_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quorate::bench {

// One system under one load: the median round.
struct Row {
  std::string system;
  std::string op;
  size_t value_bytes = 0;
  int connections = 0;
  int pipeline = 0;
  double ops_per_second = 0;
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  uint64_t errors = 0;  // Sum over all rounds.
  // These appear in the table and under "details" of the JSON.
  double least_ops_per_second = 0;  // The slowest round.
  double most_ops_per_second = 0;
  double server_us_per_op = -1;  // Processor time of all servers.
  double client_us_per_op = -1;  // Processor time of the load.
  double syncs_per_write = -1;   // -1: not measured.
};

struct SystemNote {
  std::string system;
  std::string version;
  std::string guarantees;
};

struct Report {
  std::vector<Row> rows;
  std::vector<SystemNote> systems;
  std::vector<std::string> notes;
  int rounds = 0;
  double seconds_per_round = 0;
};

// The median round of one system and load, by throughput, with the sum of all
// errors. Requires: `rounds` is not empty.
Row MedianOf(std::vector<Row> rounds);

std::string HeaderText();
std::string RowText(const Row& row);
// Ratios of this store to the others, then the guarantees of each system.
std::string SummaryText(const Report& report);
std::string Json(const Report& report);

}  // namespace quorate::bench

#endif  // QUORATE_BENCH_REPORT_H_
