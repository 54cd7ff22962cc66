// bench/log_writes.cc: the cost of a durable write on this disk. The rows
// differ in what the file system must update beside the bytes: the size of the
// file, its blocks, or nothing. The last row of each size is the write-ahead
// log. Only rows of one run on one disk can be compared.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/histogram.h"
#include "bench/workload.h"
#include "env/check.h"
#include "net/real_env.h"
#include "raft/log/identity.h"
#include "raft/log/log.h"

namespace quorate::bench {
namespace {

constexpr uint64_t kFileBytes = 16 << 20;

class Bench {
 public:
  Bench(net::RealEnv& real, int seconds)
      : real_(real), env_(real.env()), seconds_(seconds) {}

  void Run() {
    OpenLog();  // First, because a store is created in an empty directory.
    std::printf("%-34s %8s %10s %9s %9s\n", "one durable write at a time",
                "bytes", "writes/s", "p50 us", "p99 us");
    for (const size_t bytes : {256, 4096, 65536}) {
      Writes("extends the file", bytes, Prepare::kNothing);
      Writes("into a hole", bytes, Prepare::kHole);
      Writes("over zeros written before", bytes, Prepare::kZeros);
      Log(bytes);
    }
  }

 private:
  enum class Prepare { kNothing, kHole, kZeros };

  // Runs turns until `done`.
  void Await(const bool& done) {
    while (!done) real_.loop().RunTurn(Seconds(1));
  }
  void PrintRow(const char* what, size_t bytes, const Histogram& latencies) {
    std::printf("%-34s %8zu %10.0f %9.0f %9.0f\n", what, bytes,
                static_cast<double>(latencies.count()) / seconds_,
                static_cast<double>(latencies.Percentile(5'000)) / 1e3,
                static_cast<double>(latencies.Percentile(9'900)) / 1e3);
    std::fflush(stdout);
  }

  void Writes(const char* what, size_t bytes, Prepare prepare) {
    std::unique_ptr<env::File> file;
    bool done = false;
    const auto ok = [&done](absl::Status status) {
      CHECK(status.ok()) << status;
      done = true;
    };
    // The one of the bench before, if there was one.
    env::Pending pending =
        env_.disk.Remove("raw", [&done](absl::Status) { done = true; });
    Await(done);
    done = false;
    pending =
        env_.disk.Open("raw", env::Disk::OpenMode::kCreate, [&](auto opened) {
          CHECK(opened.ok()) << opened.status();
          file = *std::move(opened);
          done = true;
        });
    Await(done);
    if (prepare == Prepare::kHole) {
      const Buffer end = Buffer::Constant("x");
      done = false;
      pending = file->Write(kFileBytes - 1, absl::MakeConstSpan(&end, 1),
                            env::Durability::kLater, ok);
      Await(done);
    }
    if (prepare == Prepare::kZeros) {
      const Buffer zeros = Buffer::Copy(std::string(1 << 20, '\0'));
      for (uint64_t at = 0; at < kFileBytes; at += zeros.size()) {
        done = false;
        pending = file->Write(at, absl::MakeConstSpan(&zeros, 1),
                              env::Durability::kLater, ok);
        Await(done);
      }
    }
    done = false;
    pending = file->Sync(ok);
    Await(done);

    const Buffer piece = Buffer::Copy(std::string(bytes, 'x'));
    Histogram latencies;
    const int64_t end = MonotonicNanos() + seconds_ * 1'000'000'000LL;
    for (uint64_t at = 0; MonotonicNanos() < end; at += bytes) {
      // The prepared zeros are used again from the start, as the log does with
      // a recycled segment. A hole can be filled only once.
      if (prepare == Prepare::kZeros && at + bytes > kFileBytes) at = 0;
      if (prepare == Prepare::kHole && at + bytes > kFileBytes) break;
      const int64_t begin = MonotonicNanos();
      done = false;
      pending = file->Write(at, absl::MakeConstSpan(&piece, 1),
                            env::Durability::kDurable, ok);
      Await(done);
      latencies.Add(static_cast<uint64_t>(MonotonicNanos() - begin));
    }
    PrintRow(what, bytes, latencies);
  }

  void Log(size_t bytes) {
    const raft::GroupKey group{GroupId(1), ReplicaId(1)};
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.payload = Buffer::Copy(std::string(bytes, 'x'));
    Histogram latencies;
    const int64_t end = MonotonicNanos() + seconds_ * 1'000'000'000LL;
    while (MonotonicNanos() < end) {
      entry.index = raft::Index(++index_);
      entry.checksum = raft::EntryChecksum(entry);
      const int64_t begin = MonotonicNanos();
      bool done = false;
      log_->Append(group, nullptr, raft::Index(), {entry},
                   [&done](absl::Status status) {
                     CHECK(status.ok()) << status;
                     done = true;
                   });
      Await(done);
      latencies.Add(static_cast<uint64_t>(MonotonicNanos() - begin));
      if (index_ % 64 == 0) {
        log_->SetLogStart(group, {entry.position(), entry.log_time}, false,
                          [](absl::Status) {});
      }
    }
    PrintRow("the log, one entry at a time", bytes, latencies);
  }

  void OpenLog() {
    bool done = false;
    raft::LogOptions options;
    options.cluster = ClusterId(1);
    options.segment_bytes = kFileBytes;
    raft::StoreIdentity store;
    const auto on_identity = [&](auto identity) {
      CHECK(identity.ok()) << identity.status();
      store = *identity;
      done = true;
    };
    auto creation =
        raft::CreateStore(env_, options.cluster, NodeId(1), on_identity);
    Await(done);
    done = false;
    creation = raft::CreateLog(env_, store, on_identity);
    Await(done);
    done = false;
    options.store = store.store;
    auto opening = raft::Log::Open(env_, options, [&](auto log) {
      CHECK(log.ok()) << log.status();
      log_ = *std::move(log);
      done = true;
    });
    Await(done);
  }

  net::RealEnv& real_;
  env::Env& env_;
  const int seconds_;
  std::unique_ptr<raft::Log> log_;
  uint64_t index_ = 0;
};

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  std::string data_dir = std::filesystem::temp_directory_path() / "log-writes";
  int seconds = 2;
  CLI::App app(
      "Measures durable writes on this disk, and the log on top of them");
  app.add_option("--data-dir", data_dir,
                 "Directory for the files; its contents are removed first")
      ->capture_default_str();
  app.add_option("--seconds", seconds, "Seconds for each row")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  std::filesystem::remove_all(data_dir);
  {
    auto real = quorate::net::RealEnv::Create({.data_directory = data_dir});
    if (!real.ok()) {
      std::fprintf(stderr, "%s\n", real.status().ToString().c_str());
      return 1;
    }
    quorate::bench::Bench(**real, seconds).Run();
  }
  std::filesystem::remove_all(data_dir);
  return 0;
}
