#include "sim/tools/explore.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "env/check.h"
#include "env/json_string.h"
#include "env/random.h"

namespace quorate::sim {
namespace {

constexpr char kSite[] = "explore.next";
// The memory of a place is used once a state is there.
constexpr size_t kPlaces = size_t{1} << 26;
constexpr uint64_t kStatesMax = kPlaces / 4 * 3;
constexpr size_t kBranchesMax = 100'000'000;
constexpr size_t kBatchMax = 32;
constexpr unsigned kExecutionSecondsMax = 60;
constexpr int kProgressMs = 200;

Duration WallNow() {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Nanoseconds(int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec);
}

// The states that were reached, in memory that processes share.
class KnownStates {
 public:
  KnownStates() {
    void* const memory =
        ::mmap(nullptr, kPlaces * sizeof(Place), PROT_READ | PROT_WRITE,
               MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    CHECK(memory != MAP_FAILED) << std::strerror(errno);
    places_ = static_cast<Place*>(memory);
  }
  ~KnownStates() { ::munmap(places_, kPlaces * sizeof(Place)); }
  KnownStates(const KnownStates&) = delete;
  KnownStates& operator=(const KnownStates&) = delete;

  // False: it was known.
  bool Add(uint64_t state) {
    state = std::max<uint64_t>(state, 1);
    for (size_t i = Mix64(state) % kPlaces;; i = (i + 1) % kPlaces) {
      uint64_t there = 0;
      if (places_[i].compare_exchange_strong(there, state)) return true;
      if (there == state) return false;
    }
  }

 private:
  using Place = std::atomic<uint64_t>;
  static_assert(Place::is_always_lock_free);
  Place* places_;
};

// One deviation more than another execution has.
struct Deviation {
  uint32_t parent = 0;
  uint32_t way = 0;
  uint64_t point = 0;
};

// The answer of a worker about one execution. The numbers of ways follow, of
// the points from `first` on that no execution had before.
struct Answer {
  uint64_t first = 0;
  uint64_t states = 0;  // Those that no execution had before.
  uint32_t points = 0;
  bool failed = false;
  bool cut_off = false;  // Its time passed.
};

bool WriteAll(int fd, const void* bytes, size_t size) {
  const char* at = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::write(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

bool ReadAll(int fd, void* bytes, size_t size) {
  char* at = static_cast<char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::read(fd, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    size -= static_cast<size_t>(n);
  }
  return true;
}

// ---- In a worker

// Runs the tape, and answers.
void Execute(const Simulator& simulator, const RunOptions& options,
             const Tape& tape, KnownStates* known, int out) {
  Answer answer;
  answer.first = tape.choices.empty() ? 0 : tape.choices.back().counter + 1;
  std::vector<uint32_t> ways;
  ::alarm(kExecutionSecondsMax);
  const std::unique_ptr<Simulation> run = simulator.make(options, &tape);
  run->SetBranchHook(
      [&](const BranchPoint& point, absl::FunctionRef<uint64_t()> state) {
        if (point.number < answer.first) return true;
        if (!known->Add(state())) return false;
        ++answer.states;
        if (point.ways > 1) ways.push_back(point.ways);
        return true;
      });
  const RunReport report = run->Execute();
  answer.failed = !report.ok();
  answer.cut_off = report.cut_off;
  ::alarm(0);
  answer.points = static_cast<uint32_t>(ways.size());
  WriteAll(out, &answer, sizeof(answer));
  WriteAll(out, ways.data(), ways.size() * sizeof(uint32_t));
}

// Each request is the number of deviations, then point and way of each.
[[noreturn]] void Work(const Simulator& simulator, const RunOptions& options,
                       KnownStates* known, int in, int out) {
  SetCheckHandler([](std::string_view) { ::_exit(3); });
  uint32_t count = 0;
  while (ReadAll(in, &count, sizeof(count))) {
    Tape tape{.seed = options.seed};
    for (uint32_t i = 0; i < count; ++i) {
      uint64_t deviation[2];
      if (!ReadAll(in, deviation, sizeof(deviation))) ::_exit(0);
      tape.choices.push_back({kSite, 0, deviation[0], deviation[1]});
    }
    Execute(simulator, options, tape, known, out);
  }
  ::_exit(0);
}

// ---- In the process that searches

struct Worker {
  pid_t pid = 0;
  int in = -1;                  // Its answers.
  int out = -1;                 // Its requests.
  std::vector<uint32_t> asked;  // Not answered yet, the last one first.
};

class Search {
 public:
  Search(const Simulator& simulator, const ExploreOptions& options)
      : simulator_(simulator), options_(options) {
    std::signal(SIGPIPE, SIG_IGN);  // A worker may have died.
    tree_.push_back({});
  }
  ~Search() {
    for (const Worker& worker : workers_) End(worker);
  }
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  ExploreReport Run() {
    for (uint32_t i = 0; i < options_.jobs; ++i) Start();
    while (Step()) {
    }
    Measure();
    return std::move(report_);
  }

 private:
  void Start() {
    int requests[2];
    int answers[2];
    CHECK_EQ(::pipe(requests), 0) << std::strerror(errno);
    CHECK_EQ(::pipe(answers), 0) << std::strerror(errno);
    std::fflush(nullptr);
    const pid_t pid = ::fork();
    CHECK_GE(pid, 0) << std::strerror(errno);
    if (pid == 0) {
      // An open end would keep another worker from seeing the end.
      for (const Worker& worker : workers_) {
        ::close(worker.in);
        ::close(worker.out);
      }
      ::close(requests[1]);
      ::close(answers[0]);
      Work(simulator_, options_.run, &known_, requests[0], answers[1]);
    }
    ::close(requests[0]);
    ::close(answers[1]);
    workers_.push_back({.pid = pid, .in = answers[0], .out = requests[1]});
  }

  static void End(const Worker& worker) {
    ::close(worker.out);
    ::close(worker.in);
    ::kill(worker.pid, SIGKILL);
    while (::waitpid(worker.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  bool MayAsk() const {
    return next_ < tree_.size() && asked_ < options_.executions_max &&
           report_.states < kStatesMax && tree_.size() < kBranchesMax &&
           !report_.failing.has_value();
  }

  // False: all is done.
  bool Step() {
    std::vector<pollfd> polled;
    for (Worker& worker : workers_) {
      if (worker.asked.empty()) Ask(&worker);
      polled.push_back({.fd = worker.asked.empty() ? -1 : worker.in,
                        .events = POLLIN,
                        .revents = 0});
    }
    const bool waits =
        std::any_of(workers_.begin(), workers_.end(),
                    [](const Worker& worker) { return !worker.asked.empty(); });
    if (!waits || report_.failing.has_value()) return false;
    if (::poll(polled.data(), polled.size(), kProgressMs) < 0) return true;
    for (size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].revents != 0) Receive(&workers_[i]);
    }
    ShowProgress();
    return true;
  }

  // A batch of executions, so that a worker need not wait between two. Few, as
  // long as others could have a share of them.
  void Ask(Worker* worker) {
    const size_t share = (tree_.size() - next_) / (4 * workers_.size());
    size_t batch = std::clamp<size_t>(share, 1, kBatchMax);
    for (; batch > 0 && MayAsk(); --batch) {
      const uint32_t node = next_++;
      ++asked_;
      std::vector<uint64_t> deviations = DeviationsOf(node);
      const auto count = static_cast<uint32_t>(deviations.size() / 2);
      // A worker that died shows itself by its answers.
      WriteAll(worker->out, &count, sizeof(count));
      WriteAll(worker->out, deviations.data(),
               deviations.size() * sizeof(uint64_t));
      worker->asked.insert(worker->asked.begin(), node);
    }
  }

  std::vector<uint64_t> DeviationsOf(uint32_t node) const {
    std::vector<uint64_t> deviations;
    for (; node != 0; node = tree_[node].parent) {
      deviations.push_back(tree_[node].way);
      deviations.push_back(tree_[node].point);
    }
    std::reverse(deviations.begin(), deviations.end());
    return deviations;
  }

  void Receive(Worker* worker) {
    const uint32_t node = worker->asked.back();
    worker->asked.pop_back();
    ++report_.executions;
    Answer answer;
    std::vector<uint32_t> ways;
    bool lives = ReadAll(worker->in, &answer, sizeof(answer));
    if (lives) {
      ways.resize(answer.points);
      lives = ReadAll(worker->in, ways.data(), ways.size() * sizeof(uint32_t));
    }
    report_.states += answer.states;
    report_.cut_off += answer.cut_off ? 1 : 0;
    if (!lives || answer.failed) return Fail(node);
    for (size_t i = 0; i < ways.size(); ++i) {
      for (uint32_t way = 1; way < ways[i]; ++way) {
        tree_.push_back(
            {.parent = node, .way = way, .point = answer.first + i});
      }
    }
  }

  void Fail(uint32_t node) {
    if (report_.failing.has_value()) return;
    const std::vector<uint64_t> deviations = DeviationsOf(node);
    Tape tape{.seed = options_.run.seed};
    for (size_t i = 0; i < deviations.size(); i += 2) {
      tape.choices.push_back({kSite, 0, deviations[i], deviations[i + 1]});
    }
    report_.failing = std::move(tape);
  }

  void ShowProgress() {
    const Duration now = WallNow();
    if (!options_.on_progress || now - shown_ < Milliseconds(kProgressMs)) {
      return;
    }
    shown_ = now;
    Measure();
    options_.on_progress(report_);
  }

  void Measure() {
    report_.left = tree_.size() - next_;
    report_.deviations = DeviationsOf(next_ - 1).size() / 2;
    report_.wall_time = WallNow() - begin_;
  }

  const Simulator& simulator_;
  const ExploreOptions& options_;
  const Duration begin_ = WallNow();
  Duration shown_ = begin_;
  KnownStates known_;
  std::vector<Worker> workers_;
  // All executions, in the order in which they are tried. Each has one
  // deviation more than an earlier one.
  std::vector<Deviation> tree_;
  uint32_t next_ = 0;
  uint64_t asked_ = 0;
  ExploreReport report_;
};

std::string Seconds1(Duration duration) {
  return absl::StrFormat("%.1f", static_cast<double>(duration.ns()) / 1e9);
}

std::string PerSecond(const ExploreReport& report) {
  const double seconds =
      std::max(1e-3, static_cast<double>(report.wall_time.ns()) / 1e9);
  return absl::StrFormat("%.0f",
                         static_cast<double>(report.executions) / seconds);
}

}  // namespace

ExploreReport Explore(const Simulator& simulator,
                      const ExploreOptions& options) {
  Search search(simulator, options);
  return search.Run();
}

std::string FormatProgress(const ExploreReport& report) {
  return absl::StrCat(report.executions, " executions (", PerSecond(report),
                      " a second), ", report.states, " states, ", report.left,
                      " branches left, now with ", report.deviations,
                      " deviations");
}

std::string FormatExplored(const ExploreReport& report) {
  const absl::string_view how = report.failing.has_value() ? "VIOLATION"
                                : report.exhausted()
                                    ? "exhausted, no violation"
                                    : "bound reached, no violation so far";
  return absl::StrCat(
      how, ": ", report.executions, " executions, ", report.states, " states, ",
      report.left, " branches left, in ", Seconds1(report.wall_time), " s (",
      PerSecond(report), " executions a second)\n",
      report.cut_off == 0 ? ""
                          : absl::StrCat(report.cut_off,
                                         " executions ended when the time of "
                                         "the scenario had passed\n"));
}

std::string ExploredToJson(const ExploreReport& report,
                           const std::string& scenario,
                           const std::string& violation,
                           const std::string& tape) {
  return absl::StrCat(
      "{\"scenario\":", JsonString(scenario),
      ",\"ok\":", report.failing.has_value() ? "false" : "true",
      ",\"exhausted\":", report.exhausted() ? "true" : "false",
      ",\"executions\":", report.executions, ",\"states\":", report.states,
      ",\"branches_left\":", report.left, ",\"cut_off\":", report.cut_off,
      ",\"wall_seconds\":", Seconds1(report.wall_time),
      ",\"violation\":", JsonString(violation), ",\"tape\":", JsonString(tape),
      "}");
}

}  // namespace quorate::sim
