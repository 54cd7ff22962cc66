#include "bench/process_figures.h"

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/processes.h"
#include "bench/system.h"
#include "bench/workload.h"
#include "kv/slots/slot.h"

namespace quorate::bench {
namespace {

constexpr std::chrono::seconds kRest{60};
constexpr int kGroups = 10;
constexpr int kRestarted = 2;  // One of the three nodes.

absl::Status Fill(System* system, const ScratchFolder& folder, uint64_t keys) {
  if (absl::Status s = system->Start(folder); !s.ok()) return s;
  const Workload fill{.value_bytes = 100,
                      .connections = 50,
                      .pipeline = 16,
                      .keys = keys,
                      .fill = true};
  const absl::StatusOr<Measurement> done = system->Run(fill);
  if (!done.ok()) return done.status();
  if (done->errors == 0) return absl::OkStatus();
  return absl::InternalError(absl::StrCat(system->name(), ": ", done->errors,
                                          " errors: ", done->first_error));
}

// A key of each group. Groups have equal ranges of slots.
std::vector<std::string> KeyOfEachGroup() {
  std::set<uint32_t> groups;
  std::vector<std::string> keys;
  for (int i = 0; keys.size() < kGroups; ++i) {
    std::string key = absl::StrCat("restart:", i);
    const uint32_t slot = kv::HashSlot(key).value();
    if (groups.insert(slot * kGroups / kHashSlotCount).second) {
      keys.push_back(std::move(key));
    }
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::vector<Figure>> ProcessMemoryFigures(uint64_t keys) {
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(DefaultDataFolder());
  if (!folder.ok()) return folder.status();
  const std::unique_ptr<QuorateSystem> quorate =
      MakeQuorate(FindProgram("net/cmd/quorated"));
  if (absl::Status s = Fill(quorate.get(), *folder, keys); !s.ok()) return s;
  // It rests while Redis is filled and rests.
  const std::unique_ptr<System> redis = MakeRedis();
  const absl::Status with_redis = Fill(redis.get(), *folder, keys);
  if (!with_redis.ok() && !absl::IsNotFound(with_redis)) return with_redis;
  std::this_thread::sleep_for(kRest);
  const auto resident = static_cast<double>(quorate->ResidentBytes());
  std::vector<Figure> figures = {{"rss_quorate_bytes", resident, "B"}};
  if (with_redis.ok()) {
    const auto of_redis = static_cast<double>(redis->ResidentBytes());
    figures.push_back({"rss_redis_bytes", of_redis, "B"});
    figures.push_back({"rss_ratio_to_redis", resident / of_redis, "1"});
  }
  if (absl::Status s = quorate->RemoveAllKeys(); !s.ok()) return s;
  std::this_thread::sleep_for(kRest);
  figures.push_back({"rss_after_flushall_bytes",
                     static_cast<double>(quorate->ResidentBytes()), "B"});
  return figures;
}

absl::StatusOr<std::vector<Figure>> RestartTimeFigures(uint64_t keys) {
  absl::StatusOr<ScratchFolder> folder =
      ScratchFolder::Create(DefaultDataFolder());
  if (!folder.ok()) return folder.status();
  const std::unique_ptr<QuorateSystem> quorate = MakeQuorate(
      FindProgram("net/cmd/quorated"),
      {.groups = kGroups,
       .settings = "[snapshot]\nthreshold_bytes = 0\nlog_bytes = 0\n"});
  if (absl::Status s = quorate->Start(*folder); !s.ok()) return s;
  const auto await_groups = [&](int server) {
    absl::Status status;
    for (const std::string& key : KeyOfEachGroup()) {
      status.Update(quorate->AwaitRead(server, key));
    }
    return status;
  };
  if (absl::Status s = await_groups(0); !s.ok()) return s;
  const Workload fill{.value_bytes = 1024,
                      .connections = 50,
                      .pipeline = 16,
                      .keys = keys,
                      .fill = true};
  const absl::StatusOr<Measurement> done = quorate->Run(fill);
  if (!done.ok()) return done.status();
  if (done->errors > 0) return absl::InternalError(done->first_error);
  quorate->Stop(kRestarted);
  const int64_t begin_ns = MonotonicNanos();
  if (absl::Status s = quorate->StartAgain(kRestarted); !s.ok()) return s;
  if (absl::Status s = await_groups(kRestarted); !s.ok()) return s;
  const auto took = static_cast<double>(MonotonicNanos() - begin_ns);
  const absl::StatusOr<double> log =
      quorate->Metric(kRestarted, "quorate_log_entries_bytes");
  if (!log.ok()) return log.status();
  return std::vector<Figure>{{"restart_seconds", took / 1e9, "s"},
                             {"restart_log_bytes", *log, "B"}};
}

}  // namespace quorate::bench
