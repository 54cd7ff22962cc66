#include "sim/tools/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "sim/tools/page/page.h"
#include "sim/tools/trace_diff.h"

namespace quorate::sim {
namespace {

// A run that waits ends after so many times its limit of processor time, but
// not before the least time: the machine may be busy.
constexpr unsigned kWallFactor = 4;
constexpr unsigned kWallSecondsMin = 600;
// A run that dies has so long to deliver its results.
constexpr unsigned kLastSecondsMax = 60;
// The process that starts a run sends it when the run takes too much memory.
constexpr int kMemorySignal = SIGUSR1;
// So often it looks.
constexpr int kMemoryIntervalMs = 200;
// The signals of programs that die of their own mistakes, and of limits.
constexpr int kDeadlySignals[] = {SIGABRT, SIGALRM, SIGBUS,  SIGFPE,
                                  SIGILL,  SIGSEGV, SIGXCPU, kMemorySignal};
constexpr char kLimit[] = "the run took more than ";
// A run in so many is made twice.
constexpr uint64_t kTwiceEvery = 100;

int64_t WallNs() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// The state that the handlers of a failed CHECK and of a deadly signal need in
// the child.
struct Active {
  const Job* job = nullptr;
  Simulation* run = nullptr;
  int out = -1;
  int64_t begin_ns = 0;
  unsigned processor_seconds = 0;  // The limit of the job.
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

// One line for each event.
void WriteTrace(const Simulation& run, std::ostream& out) {
  for (const TraceRecord& record : run.trace()) {
    out << record.ToString() << "\n";
  }
}

RunPageInput PageOf(const Simulation& run, const RunReport& report) {
  const auto seconds = static_cast<double>(report.virtual_time.ns()) / 1e9;
  return {.title = absl::StrCat("seed ", report.seed, ", ", seconds,
                                " s of simulated time"),
          .violations = report.violations,
          .names = run.machine_names(),
          .trace = &run.trace(),
          .observations = &run.observations(),
          .around = g_active.job->around,
          .around_record = g_active.job->around_record};
}

void Deliver(RunReport report) {
  const Active& active = g_active;
  report.wall_time = Nanoseconds(WallNs() - active.begin_ns);
  const auto write = [&report](const std::string& path, auto&& make) {
    if (path.empty()) return;
    std::ofstream out(path, std::ios::binary);
    make(out);
    if (!out.flush()) report.unwritten.push_back(path);
  };
  write(active.job->tape_out,
        [&](std::ostream& out) { out << FormatTape(active.run->tape()); });
  write(active.job->history_out,
        [&](std::ostream& out) { out << active.run->History(); });
  write(active.job->trace_out,
        [&](std::ostream& out) { WriteTrace(*active.run, out); });
  write(active.job->page_out, [&](std::ostream& out) {
    out << RunPage(PageOf(*active.run, report));
  });
  write(active.job->text_out, [&](std::ostream& out) {
    out << RunText(PageOf(*active.run, report));
  });
  WriteAll(active.out, EncodeReport(report));
}

void OnCheckFailed(std::string_view message) {
  SetCheckHandler([](std::string_view) { ::_exit(3); });
  RunReport report = g_active.run->Current();
  report.violations.push_back(std::string(message));
  Deliver(std::move(report));
  ::_exit(0);
}

void ForEachDeadlySignal(void (*handler)(int)) {
  // Another stack, because a run may die of a full one.
  static char stack[1 << 20];
  const stack_t other{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof(stack)};
  ::sigaltstack(&other, nullptr);
  struct sigaction action {};
  action.sa_handler = handler;
  // A second signal ends a handler that hangs.
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  for (const int signal : kDeadlySignals) {
    ::sigaction(signal, &action, nullptr);
  }
}

// The process gets SIGXCPU when it has used so much.
void LimitProcessorTime(unsigned seconds) {
  rlimit limit{};
  ::getrlimit(RLIMIT_CPU, &limit);
  limit.rlim_cur = std::min<rlim_t>(seconds, limit.rlim_max);
  ::setrlimit(RLIMIT_CPU, &limit);
}

// The limit of processor time of a job. Runs make minutes of simulated time in
// each second, also under sanitizers, so an endless loop is what reaches it.
unsigned ProcessorSeconds(const Job& job) {
  const Duration simulated = job.run.duration.value_or(Duration(0));
  const auto run = static_cast<unsigned>(
      (job.limits.processor_time + simulated).ms() / 1000);
  return job.twice || job.explain ? 2 * run : run;
}

unsigned WallSeconds(unsigned processor_seconds) {
  return std::max(kWallFactor * processor_seconds, kWallSecondsMin);
}

// Delivers the results of a run that dies, and lets it die. The functions that
// it calls are not safe in the handler of a signal. At worst the run dies of a
// second signal and leaves less.
void OnDeadlySignal(int signal) {
  ForEachDeadlySignal(SIG_DFL);
  SetCheckHandler([](std::string_view) { ::_exit(3); });
  ::alarm(kLastSecondsMax);
  LimitProcessorTime(g_active.processor_seconds + kLastSecondsMax);
  if (g_active.run != nullptr) Deliver(g_active.run->Current());
  ::raise(signal);
}

RecordedRun Recorded(const Simulation& run) {
  std::ostringstream trace;
  WriteTrace(run, trace);
  return {.trace = trace.str()};
}

constexpr char kDeterminism[] = "determinism: ";

// Makes the run of `job` again. Returns a violation if the hashes differ,
// otherwise an empty string. `first` has made the run with `hash`.
std::string RunAgain(const Simulator& simulator, const Job& job,
                     const RunOptions& options, const Simulation& first,
                     const std::string& hash) {
  const std::unique_ptr<Simulation> again = simulator.make(options, nullptr);
  Simulation* const active = std::exchange(g_active.run, again.get());
  const RunReport second = again->Execute();
  g_active.run = active;
  if (second.trace_hash == hash) return "";
  std::string violation =
      absl::StrCat(kDeterminism, "the second run has the hash ",
                   second.trace_hash, ", the first ", hash);
  if (job.compare) {
    absl::StrAppend(&violation, "\n",
                    CompareRuns(Recorded(first), Recorded(*again)).text);
  }
  return violation;
}

// Makes the run again, so that its violation explains the states that differ.
void ExplainStates(const Simulator& simulator, const Job& job,
                   RunOptions options, RunReport* report) {
  options.explain = report->diverged;
  options.record = false;
  options.keep_trace = false;
  const std::unique_ptr<Simulation> again =
      simulator.make(options, job.replay.has_value() ? &*job.replay : nullptr);
  Simulation* const active = std::exchange(g_active.run, again.get());
  RunReport explained = again->Execute();
  g_active.run = active;
  if (explained.trace_hash == report->trace_hash) {
    report->violations = std::move(explained.violations);
  } else {
    report->violations[0] +=
        "\n  a second run, which should explain this, has another hash";
  }
}

[[noreturn]] void Child(const Simulator& simulator, const Job& job, int out) {
  const unsigned seconds = ProcessorSeconds(job);
  ForEachDeadlySignal(&OnDeadlySignal);
  LimitProcessorTime(seconds);
  ::alarm(WallSeconds(seconds));
  RunOptions options = job.run;
  options.record = !job.tape_out.empty();
  options.keep_trace = !job.trace_out.empty() || !job.page_out.empty() ||
                       !job.text_out.empty() || job.compare;
  g_active = {.job = &job,
              .out = out,
              .begin_ns = WallNs(),
              .processor_seconds = seconds};
  const std::unique_ptr<Simulation> run =
      simulator.make(options, job.replay.has_value() ? &*job.replay : nullptr);
  if (job.verbose) {
    run->SetLogSink(env::Severity::kDebug, [](SimTime time, MachineId machine,
                                              env::Severity severity,
                                              std::string_view line) {
      std::fprintf(stderr, "%10.6f m%u %c %.*s\n",
                   static_cast<double>(time.ns()) / 1e9, machine.value(),
                   "DIWE"[static_cast<int>(severity)],
                   static_cast<int>(line.size()), line.data());
    });
  }
  g_active.run = run.get();
  SetCheckHandler(&OnCheckFailed);
  RunReport report = run->Execute();
  if (job.twice && report.ok()) {
    std::string violation =
        RunAgain(simulator, job, options, *run, report.trace_hash);
    if (!violation.empty()) report.violations.push_back(std::move(violation));
  }
  if (job.explain && !report.ok() && !report.diverged.none()) {
    ExplainStates(simulator, job, options, &report);
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
  unsigned processor_seconds = 0;  // Its limit.
  uint32_t memory_max_mib = 0;     // Zero: it is being ended.
  uint32_t memory_mib = 0;         // That of which it was ended.
  std::string text;
};

Worker Start(const Simulator& simulator, const Job& job) {
  int ends[2];
  CHECK_EQ(::pipe(ends), 0) << std::strerror(errno);
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  CHECK_GE(pid, 0) << std::strerror(errno);
  if (pid == 0) {
    ::close(ends[0]);
    Child(simulator, job, ends[1]);
  }
  ::close(ends[1]);
  return {.seed = job.run.seed,
          .pid = pid,
          .in = ends[0],
          .processor_seconds = ProcessorSeconds(job),
          .memory_max_mib = job.limits.memory_mib};
}

uint64_t MibOf(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  uint64_t whole = 0;
  uint64_t resident = 0;  // In pages.
  statm >> whole >> resident;
  return (resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))) >> 20;
}

// Ends a run that takes too much memory. It delivers what it did before.
void LimitMemory(Worker* worker) {
  if (worker->memory_max_mib == 0 ||
      MibOf(worker->pid) <= worker->memory_max_mib) {
    return;
  }
  worker->memory_mib = std::exchange(worker->memory_max_mib, 0);
  ::kill(worker->pid, kMemorySignal);
}

// Waits for output of some of these children, and limits their memory. True for
// each that has some.
std::vector<bool> Wait(std::vector<Worker>* workers) {
  std::vector<pollfd> polled;
  for (const Worker& worker : *workers) {
    polled.push_back({.fd = worker.in, .events = POLLIN, .revents = 0});
  }
  do {
    for (Worker& worker : *workers) LimitMemory(&worker);
  } while (::poll(polled.data(), polled.size(), kMemoryIntervalMs) <= 0);
  std::vector<bool> ready;
  for (const pollfd& one : polled) ready.push_back(one.revents != 0);
  return ready;
}

// Reads available output. True once the child has closed its end.
bool ReadSome(Worker* worker) {
  char bytes[16 << 10];
  const ssize_t n = ::read(worker->in, bytes, sizeof(bytes));
  if (n < 0) return errno != EINTR;
  worker->text.append(bytes, static_cast<size_t>(n));
  return n == 0;
}

std::string DescribeSignal(int signal, unsigned processor_seconds) {
  if (signal == SIGXCPU) {
    return absl::StrCat(kLimit, processor_seconds,
                        " s of processor time: an endless loop?");
  }
  if (signal == SIGALRM) {
    return absl::StrCat(kLimit, WallSeconds(processor_seconds), " s");
  }
  return absl::StrCat("the run died of signal ", signal, " (",
                      ::strsignal(signal), ")");
}

RunReport End(Worker* worker) {
  ::close(worker->in);
  int status = 0;
  while (::waitpid(worker->pid, &status, 0) < 0 && errno == EINTR) {
  }
  absl::StatusOr<RunReport> report = DecodeReport(worker->text);
  RunReport result = report.ok() ? *std::move(report) : RunReport{};
  result.seed = worker->seed;
  const bool died = WIFSIGNALED(status) || WEXITSTATUS(status) != 0;
  if (died && worker->memory_mib > 0) {
    result.violations = {
        absl::StrCat(kLimit, worker->memory_mib, " MiB of memory")};
  } else if (WIFSIGNALED(status)) {
    result.violations.push_back(
        DescribeSignal(WTERMSIG(status), worker->processor_seconds));
  } else if (WEXITSTATUS(status) != 0 || !report.ok()) {
    result.violations.push_back(
        absl::StrCat("the run ended with status ", WEXITSTATUS(status),
                     " and reported '", report.status().ToString(), "'"));
  }
  return result;
}

// The words of a run whose repetition differed. Two more runs show the first
// event that differs, unless they are equal.
void ExplainDifference(const Simulator& simulator, Job job, RunReport* report) {
  if (report->ok() || !report->violations[0].starts_with(kDeterminism)) return;
  job.compare = true;
  const RunReport compared = RunInChild(simulator, job);
  if (compared.ok()) {
    report->violations[0] += "; two more runs were equal";
  } else if (compared.violations[0].starts_with(kDeterminism)) {
    report->violations = compared.violations;
  } else {
    report->violations[0] += "; two more runs: " + compared.violations[0];
  }
}

}  // namespace

bool IsOfALimit(std::string_view violation) {
  return violation.starts_with(kLimit);
}

RunReport RunInChild(const Simulator& simulator, const Job& job) {
  return RunInChildren(simulator, {job})[0];
}

std::vector<RunReport> RunInChildren(const Simulator& simulator,
                                     const std::vector<Job>& jobs) {
  std::vector<Worker> workers;
  std::vector<size_t> places;  // In `jobs`, of each worker.
  std::vector<RunReport> reports(jobs.size());
  for (const Job& job : jobs) {
    places.push_back(workers.size());
    workers.push_back(Start(simulator, job));
  }
  while (!workers.empty()) {
    const std::vector<bool> ready = Wait(&workers);
    for (size_t i = ready.size(); i-- > 0;) {
      if (!ready[i] || !ReadSome(&workers[i])) continue;
      reports[places[i]] = End(&workers[i]);
      workers.erase(workers.begin() + static_cast<ptrdiff_t>(i));
      places.erase(places.begin() + static_cast<ptrdiff_t>(i));
    }
  }
  return reports;
}

SwarmReport RunSwarm(const Simulator& simulator, const SwarmOptions& options) {
  const int64_t begin = WallNs();
  SwarmReport swarm =
      SwarmReport::Empty(simulator.expected_marks, simulator.expected_points);
  std::vector<Worker> workers;
  uint64_t next = options.first_seed;
  uint64_t left = options.last_seed - options.first_seed + 1;
  const auto job_of = [&options](uint64_t seed) {
    Job job{.run = options.run,
            .twice = seed % kTwiceEvery == 0,
            .limits = options.limits};
    job.run.seed = seed;
    return job;
  };
  while (left > 0 || !workers.empty()) {
    for (; left > 0 && workers.size() < options.jobs; --left) {
      workers.push_back(Start(simulator, job_of(next++)));
    }
    const std::vector<bool> ready = Wait(&workers);
    for (size_t i = ready.size(); i-- > 0;) {
      if (!ready[i] || !ReadSome(&workers[i])) continue;
      RunReport report = End(&workers[i]);
      if (report.seed % kTwiceEvery == 0) {
        ExplainDifference(simulator, job_of(report.seed), &report);
      }
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
