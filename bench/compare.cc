// bench/compare.cc: runs the same loads on this store, Redis and etcd in one
// run, and reports throughput, latency and processor time of each.
//
// The load comes from one thread of this process, which shares the machine with
// the servers. Each round measures every system once, so other activity of the
// machine affects all systems alike. The median round is reported.
#include <sys/vfs.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/figures.h"
#include "bench/processes.h"
#include "bench/report.h"
#include "bench/system.h"
#include "bench/workload.h"

namespace quorate::bench {
namespace {

struct Options {
  std::string json;
  bool quick = false;
  int rounds = 3;
  double seconds = 2;
  std::string data_dir;
  std::string quorated;
  std::vector<std::string> systems = {"quorate", "redis", "etcd"};
};

struct Load {
  Workload::Op op;
  size_t value_bytes;
  int connections;
  int pipeline;
};

const char* OpName(Workload::Op op) {
  return op == Workload::Op::kSet ? "set" : "get";
}

std::vector<Load> Loads(bool quick) {
  std::vector<Load> loads;
  if (quick) {
    for (const auto& [connections, pipeline] : {std::pair(512, 1), {50, 16}}) {
      for (const Workload::Op op : {Workload::Op::kSet, Workload::Op::kGet}) {
        loads.push_back({op, 64, connections, pipeline});
      }
    }
    return loads;
  }
  for (const size_t bytes : {64, 1024}) {
    for (const int connections : {1, 50, 512}) {
      for (const int pipeline : {1, 16}) {
        for (const Workload::Op op : {Workload::Op::kSet, Workload::Op::kGet}) {
          loads.push_back({op, bytes, connections, pipeline});
        }
      }
    }
  }
  return loads;
}

bool OnMemory(const std::string& folder) {
  struct statfs stat;
  constexpr long kTmpfs = 0x01021994;
  return statfs(folder.c_str(), &stat) == 0 && stat.f_type == kTmpfs;
}

std::string FirstLineOf(const std::string& command) {
  char line[256] = "";
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  if (std::fgets(line, sizeof(line), pipe) == nullptr) line[0] = 0;
  pclose(pipe);
  std::string text = line;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string VersionOf(const std::string& system) {
  if (system == "redis") return FirstLineOf("redis-server --version");
  if (system == "etcd") return FirstLineOf("etcd --version");
  return "this tree";
}

std::unique_ptr<System> Make(const std::string& name, const Options& options) {
  if (name == "redis") return MakeRedis();
  if (name == "etcd") return MakeEtcd();
  if (name == "memory") return MakeMemory(FindProgram("bench/memory_server"));
  return MakeQuorate(options.quorated.empty() ? FindProgram("net/cmd/quorated")
                                              : options.quorated);
}

class Comparison {
 public:
  explicit Comparison(Options options) : options_(std::move(options)) {}

  // Exit status.
  int Run();

 private:
  bool StartSystems(const ScratchFolder& folder);
  bool Fill(System& system);
  // Runs one round of one load on one system. Returns nothing if it failed.
  std::optional<Row> Measure(System& system, const Load& load, int round);
  void RunLoad(const Load& load);

  const Options options_;
  std::vector<std::unique_ptr<System>> systems_;
  Report report_;
  bool failed_ = false;
};

bool Comparison::StartSystems(const ScratchFolder& folder) {
  for (const std::string& name : options_.systems) {
    std::unique_ptr<System> system = Make(name, options_);
    const absl::Status status = system->Start(folder);
    if (!status.ok()) {
      failed_ = true;
      std::string note = absl::StrCat(
          name, " could not be started: ", std::string(status.message()));
      std::fprintf(stderr, "%s\n", note.c_str());
      report_.notes.push_back(std::move(note));
      continue;
    }
    report_.systems.push_back({name, VersionOf(name), system->guarantees()});
    systems_.push_back(std::move(system));
  }
  return !systems_.empty();
}

bool Comparison::Fill(System& system) {
  for (const size_t bytes : {64, 1024}) {
    const absl::StatusOr<Measurement> filled =
        system.Run({.value_bytes = bytes, .connections = 64, .fill = true});
    if (!filled.ok() || filled->errors > 0) {
      std::fprintf(stderr, "%s cannot be filled: %s\n", system.name().c_str(),
                   filled.ok() ? filled->first_error.c_str()
                               : filled.status().ToString().c_str());
      return false;
    }
  }
  return true;
}

std::optional<Row> Comparison::Measure(System& system, const Load& load,
                                       int round) {
  const Workload workload = {
      .op = load.op,
      .value_bytes = load.value_bytes,
      .connections = load.connections,
      .pipeline = load.pipeline,
      .warmup_ns = 300'000'000,
      .measure_ns = static_cast<int64_t>(options_.seconds * 1e9),
      .seed = static_cast<uint64_t>(round) + 1,
  };
  const Usage before = system.ReadUsage();
  const int64_t own_before_ns = OwnProcessorNanos();
  const absl::StatusOr<Measurement> measured = system.Run(workload);
  const int64_t own_ns = OwnProcessorNanos() - own_before_ns;
  const Usage after = system.ReadUsage();
  if (!measured.ok()) {
    std::fprintf(stderr, "%s: %s\n", system.name().c_str(),
                 measured.status().ToString().c_str());
    return std::nullopt;
  }
  if (measured->errors > 0) {
    std::fprintf(stderr, "%s: %llu errors, the first: %s\n",
                 system.name().c_str(),
                 static_cast<unsigned long long>(measured->errors),
                 measured->first_error.c_str());
  }
  if (measured->moved > 0) {
    std::fprintf(stderr,
                 "%s: the leader changed; %llu requests were sent again\n",
                 system.name().c_str(),
                 static_cast<unsigned long long>(measured->moved));
  }
  const Histogram& latency = measured->latency_ns;
  Row row = {
      .system = system.name(),
      .op = OpName(load.op),
      .value_bytes = load.value_bytes,
      .connections = load.connections,
      .pipeline = load.pipeline,
      .ops_per_second = measured->ops_per_second(),
      .p50_us = static_cast<double>(latency.Percentile(5'000)) / 1e3,
      .p99_us = static_cast<double>(latency.Percentile(9'900)) / 1e3,
      .p999_us = static_cast<double>(latency.Percentile(9'990)) / 1e3,
      .errors = measured->errors,
  };
  const auto replies = static_cast<double>(measured->replies);
  if (replies > 0) {
    row.server_us_per_op =
        static_cast<double>(after.processor_ns - before.processor_ns) / 1e3 /
        replies;
    row.client_us_per_op = static_cast<double>(own_ns) / 1e3 / replies;
    if (load.op == Workload::Op::kSet && before.syncs >= 0 &&
        after.syncs >= 0) {
      row.syncs_per_write = (after.syncs - before.syncs) / replies;
    }
  }
  return row;
}

void Comparison::RunLoad(const Load& load) {
  std::vector<std::vector<Row>> rounds(systems_.size());
  for (int round = 0; round < options_.rounds && !Interrupted(); ++round) {
    for (size_t i = 0; i < systems_.size() && !Interrupted(); ++i) {
      // Each round begins with another system.
      const size_t which = (i + static_cast<size_t>(round)) % systems_.size();
      System& system = *systems_[which];
      if (load.pipeline > 1 && !system.has_pipelining()) continue;
      std::optional<Row> row = Measure(system, load, round);
      if (row.has_value()) {
        rounds[which].push_back(*std::move(row));
      } else {
        failed_ = true;
      }
    }
  }
  for (std::vector<Row>& of_system : rounds) {
    if (of_system.empty()) continue;
    report_.rows.push_back(MedianOf(std::move(of_system)));
    std::fputs(RowText(report_.rows.back()).c_str(), stdout);
  }
  std::fflush(stdout);
}

int Comparison::Run() {
  const absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(options_.data_dir);
  if (!folder.ok()) {
    std::fprintf(stderr, "%s\n", folder.status().ToString().c_str());
    return 1;
  }
  if (OnMemory(folder->path())) {
    report_.notes.push_back(
        "The data folders are in memory, where a sync costs nothing: give "
        "--data-dir on a disk.");
    std::fprintf(stderr, "%s\n", report_.notes.back().c_str());
  }
  if (!StartSystems(*folder)) return 1;
  for (const auto& system : systems_) {
    if (!Fill(*system)) return 1;
  }
  report_.rounds = options_.rounds;
  report_.seconds_per_round = options_.seconds;
  absl::PrintF(
      "Data in %s, %d rounds of %.1f s for each figure, median reported, %d "
      "processors\n\n%s",
      folder->path(), options_.rounds, options_.seconds,
      sysconf(_SC_NPROCESSORS_ONLN), HeaderText());
  for (const Load& load : Loads(options_.quick)) {
    if (Interrupted()) break;
    RunLoad(load);
  }
  std::fputs(SummaryText(report_).c_str(), stdout);
  if (!options_.json.empty()) {
    std::ofstream file(options_.json);
    file << Json(report_);
    file.close();
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", options_.json.c_str());
      return 1;
    }
  }
  return failed_ || Interrupted() ? 1 : 0;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  quorate::bench::Options options;
  options.data_dir = quorate::bench::DefaultDataFolder();
  CLI::App app{
      "Compares this store (three nodes), Redis (appendfsync always) and etcd "
      "(three nodes) under the same loads in one run."};
  app.add_option("--json", options.json, "Write the results to this file");
  app.add_flag("--quick", options.quick,
               "Only 64 B: 512 connections, and 50 with pipeline 16");
  app.add_option("--rounds", options.rounds, "Rounds for each figure")
      ->check(CLI::Range(1, 99))
      ->capture_default_str();
  app.add_option("--seconds", options.seconds, "Seconds measured in a round")
      ->check(CLI::Range(0.1, 600.0))
      ->capture_default_str();
  app.add_option("--data-dir", options.data_dir,
                 "Folder for the servers' files; they are removed at the end")
      ->capture_default_str();
  app.add_option(
         "--systems", options.systems,
         "Systems to compare; memory is a map in memory that shows the bound "
         "set by the kernel's sockets")
      ->delimiter(',')
      ->check(CLI::IsMember({"quorate", "redis", "etcd", "memory"}));
  app.add_option(
      "--quorated", options.quorated,
      "Path of another quorated than the one built with this program");
  CLI11_PARSE(app, argc, argv);
  options.data_dir = quorate::bench::FromUsersFolder(options.data_dir);
  if (!options.json.empty()) {
    options.json = quorate::bench::FromUsersFolder(options.json);
  }
  quorate::bench::CatchInterrupts();
  return quorate::bench::Comparison(std::move(options)).Run();
}
