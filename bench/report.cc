#include "bench/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace quorate::bench {
namespace {

std::string OrDash(double value) {
  return value < 0 ? "-" : absl::StrFormat("%.2f", value);
}

bool SameLoad(const Row& a, const Row& b) {
  return a.op == b.op && a.value_bytes == b.value_bytes &&
         a.connections == b.connections && a.pipeline == b.pipeline;
}

double Rounded(double value) { return std::round(value * 10) / 10; }

}  // namespace

Row MedianOf(std::vector<Row> rounds) {
  std::stable_sort(rounds.begin(), rounds.end(),
                   [](const Row& a, const Row& b) {
                     return a.ops_per_second < b.ops_per_second;
                   });
  Row median = rounds[rounds.size() / 2];
  median.least_ops_per_second = rounds.front().ops_per_second;
  median.most_ops_per_second = rounds.back().ops_per_second;
  median.errors = 0;
  for (const Row& round : rounds) median.errors += round.errors;
  return median;
}

std::string HeaderText() {
  return absl::StrFormat(
      "%-4s %6s %6s %5s  %-8s %11s %21s %10s %10s %10s %7s %9s %10s %8s\n",
      "op", "bytes", "conns", "pipe", "system", "ops/s", "(least - most)",
      "p50 us", "p99 us", "p99.9 us", "errors", "cpu us/op", "load us/op",
      "syncs/w");
}

std::string RowText(const Row& row) {
  return absl::StrFormat(
      "%-4s %6d %6d %5d  %-8s %11.0f %21s %10.0f %10.0f %10.0f %7d %9s %10s "
      "%8s\n",
      row.op, row.value_bytes, row.connections, row.pipeline, row.system,
      row.ops_per_second,
      absl::StrFormat("(%.0f - %.0f)", row.least_ops_per_second,
                      row.most_ops_per_second),
      row.p50_us, row.p99_us, row.p999_us, row.errors,
      OrDash(row.server_us_per_op), OrDash(row.client_us_per_op),
      OrDash(row.syncs_per_write));
}

std::string SummaryText(const Report& report) {
  std::string text = "\nquorate's throughput as a multiple of the others':\n";
  for (const Row& ours : report.rows) {
    if (ours.system != "quorate") continue;
    absl::StrAppendFormat(
        &text, "  %-4s %5d B %5d connections, pipeline %2d:", ours.op,
        ours.value_bytes, ours.connections, ours.pipeline);
    for (const Row& theirs : report.rows) {
      if (theirs.system == "quorate" || !SameLoad(ours, theirs) ||
          theirs.ops_per_second == 0) {
        continue;
      }
      absl::StrAppendFormat(&text, "  %6.2f x %s",
                            ours.ops_per_second / theirs.ops_per_second,
                            theirs.system);
    }
    text += "\n";
  }
  text += "\nGuarantees of an answer:\n";
  for (const SystemNote& system : report.systems) {
    absl::StrAppendFormat(&text, "  %-8s %s (%s)\n", system.system,
                          system.guarantees, system.version);
  }
  for (const std::string& note : report.notes) {
    absl::StrAppend(&text, "  ", note, "\n");
  }
  return text;
}

std::string Json(const Report& report) {
  nlohmann::ordered_json json;
  json["rounds"] = report.rounds;
  json["seconds_per_round"] = report.seconds_per_round;
  json["rows"] = nlohmann::ordered_json::array();
  json["details"] = nlohmann::ordered_json::array();
  for (const Row& row : report.rows) {
    json["rows"].push_back({{"system", row.system},
                            {"op", row.op},
                            {"value_bytes", row.value_bytes},
                            {"connections", row.connections},
                            {"pipeline", row.pipeline},
                            {"ops_per_second", Rounded(row.ops_per_second)},
                            {"p50_us", Rounded(row.p50_us)},
                            {"p99_us", Rounded(row.p99_us)},
                            {"p999_us", Rounded(row.p999_us)},
                            {"errors", row.errors}});
    // Details have the order of the rows; null: not measured.
    nlohmann::ordered_json detail = {
        {"least_ops_per_second", Rounded(row.least_ops_per_second)},
        {"most_ops_per_second", Rounded(row.most_ops_per_second)},
        {"server_us_per_op", nullptr},
        {"client_us_per_op", nullptr},
        {"syncs_per_write", nullptr}};
    if (row.server_us_per_op >= 0) {
      detail["server_us_per_op"] = row.server_us_per_op;
    }
    if (row.client_us_per_op >= 0) {
      detail["client_us_per_op"] = row.client_us_per_op;
    }
    if (row.syncs_per_write >= 0) {
      detail["syncs_per_write"] = row.syncs_per_write;
    }
    json["details"].push_back(std::move(detail));
  }
  json["systems"] = nlohmann::ordered_json::array();
  for (const SystemNote& system : report.systems) {
    json["systems"].push_back({{"system", system.system},
                               {"version", system.version},
                               {"guarantees", system.guarantees}});
  }
  json["notes"] = report.notes;
  return json.dump(2) + "\n";
}

}  // namespace quorate::bench
