#include "sim/tools/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "sim/tools/files.h"

namespace quorate::sim {
namespace {

// A run that takes longer than this time is taken to hang.
constexpr unsigned kWallSecondsMax = 600;
// A run in so many is made twice.
constexpr uint64_t kTwiceEvery = 100;

int64_t WallNs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The state that the handler of a failed CHECK needs in the child.
struct Active {
  const Job* job = nullptr;
  Run* run = nullptr;
  int out = -1;
  int64_t begin_ns = 0;
};
Active g_active;

void WriteAll(int fd, const std::string& text) {
  size_t at = 0;
  while (at < text.size()) {
    const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

void Deliver(RunReport report) {
  const Active& active = g_active;
  report.wall_time = Nanoseconds(WallNs() - active.begin_ns);
  if (!active.job->tape_out.empty()) {
    WriteFile(active.job->tape_out, FormatTape(active.run->tape()));
  }
  if (!active.job->history_out.empty()) {
    WriteFile(active.job->history_out, active.run->History());
  }
  if (!active.job->trace_out.empty()) {
    std::ofstream out(active.job->trace_out);
    for (const TraceRecord& record : active.run->trace()) {
      out << record.ToString() << "\n";
    }
  }
  if (active.job->verbose) {
    for (const std::string& line : active.run->Story()) {
      std::fprintf(stderr, "schedule: %s\n", line.c_str());
    }
  }
  WriteAll(active.out, EncodeReport(report));
}

void OnCheckFailed(std::string_view message) {
  SetCheckHandler([](std::string_view) { ::_exit(3); });
  RunReport report = g_active.run->Current();
  report.violations.push_back(std::string(message));
  Deliver(std::move(report));
  ::_exit(0);
}

[[noreturn]] void Child(const Job& job, int out) {
  ::alarm(kWallSecondsMax);
  RunOptions options = job.run;
  options.record = !job.tape_out.empty();
  options.keep_trace = !job.trace_out.empty();
  g_active = {.job = &job, .out = out, .begin_ns = WallNs()};
  Run run = job.replay.has_value() ? Run(options, *job.replay) : Run(options);
  if (job.verbose) {
    run.SetLogSink(env::Severity::kDebug, [](SimTime time, MachineId machine,
                                             env::Severity severity,
                                             std::string_view line) {
      std::fprintf(stderr, "%10.6f m%u %c %.*s\n",
                   static_cast<double>(time.ns()) / 1e9, machine.value(),
                   "DIWE"[static_cast<int>(severity)],
                   static_cast<int>(line.size()), line.data());
    });
  }
  g_active.run = &run;
  SetCheckHandler(&OnCheckFailed);
  RunReport report = run.Execute();
  if (job.twice && report.ok()) {
    Run again(options);
    g_active.run = &again;
    const RunReport second = again.Execute();
    if (second.trace_hash != report.trace_hash) {
      report.violations.push_back(
          absl::StrCat("determinism: the second run has the hash ",
                       second.trace_hash, ", the first ", report.trace_hash));
    }
    g_active.run = &run;
  }
  Deliver(std::move(report));
  // Exits without destructors to save time. Tests check the destructors of a
  // world.
  ::_exit(0);
}

// A child process and its output so far.
struct Worker {
  uint64_t seed = 0;
  pid_t pid = 0;
  int in = -1;
  std::string text;
};

Worker Start(const Job& job) {
  int ends[2];
  CHECK_EQ(::pipe(ends), 0) << std::strerror(errno);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  CHECK_GE(pid, 0) << std::strerror(errno);
  if (pid == 0) {
    ::close(ends[0]);
    Child(job, ends[1]);
  }
  ::close(ends[1]);
  return {.seed = job.run.seed, .pid = pid, .in = ends[0]};
}

// Reads available output. True once the child has closed its end.
bool ReadSome(Worker* worker) {
  char bytes[16 << 10];
  const ssize_t n = ::read(worker->in, bytes, sizeof(bytes));
  if (n < 0) return errno != EINTR;
  worker->text.append(bytes, static_cast<size_t>(n));
  return n == 0;
}

RunReport End(Worker* worker) {
  ::close(worker->in);
  int status = 0;
  while (::waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
  }
  absl::StatusOr<RunReport> report = DecodeReport(worker->text);
  RunReport result = report.ok() ? *std::move(report) : RunReport{};
  result.seed = worker->seed;
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    result.violations.push_back(
        signal == SIGALRM
            ? absl::StrCat("the run took more than ", kWallSecondsMax, " s")
            : absl::StrCat("the run died of signal ", signal, " (",
                           ::strsignal(signal), ")"));
  } else if (WEXITSTATUS(status) != 0 || !report.ok()) {
    result.violations.push_back(
        absl::StrCat("the run ended with status ", WEXITSTATUS(status),
                     " and reported '", report.status().ToString(), "'"));
  }
  return result;
}

}  // namespace

RunReport RunInChild(const Job& job) {
  Worker worker = Start(job);
  while (!ReadSome(&worker)) {
  }
  return End(&worker);
}

SwarmReport RunSwarm(const SwarmOptions& options) {
  const int64_t begin = WallNs();
  SwarmReport swarm = SwarmReport::Empty();
  std::vector<Worker> workers;
  uint64_t next = options.first_seed;
  uint64_t left = options.last_seed - options.first_seed + 1;
  while (left > 0 || !workers.empty()) {
    while (left > 0 && workers.size() < options.jobs) {
      Job job{.run = options.run, .twice = next % kTwiceEvery == 0};
      job.run.seed = next++;
      --left;
      workers.push_back(Start(job));
    }
    std::vector<pollfd> polled;
    for (const Worker& worker : workers) {
      polled.push_back({.fd = worker.in, .events = POLLIN, .revents = 0});
    }
    if (::poll(polled.data(), polled.size(), -1) < 0) continue;
    for (size_t i = polled.size(); i-- > 0;) {
      if (polled[i].revents == 0 || !ReadSome(&workers[i])) continue;
      const RunReport report = End(&workers[i]);
      workers.erase(workers.begin() + static_cast<ptrdiff_t>(i));
      swarm.Add(report);
      swarm.wall_time = Nanoseconds(WallNs() - begin);
      if (options.on_report) options.on_report(report, swarm);
    }
  }
  swarm.wall_time = Nanoseconds(WallNs() - begin);
  return swarm;
}

}  // namespace quorate::sim
