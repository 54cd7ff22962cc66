#include "bench/process_memory.h"

#include <chrono>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/processes.h"
#include "bench/system.h"
#include "bench/workload.h"

namespace quorate::bench {
namespace {

constexpr std::chrono::seconds kRest{60};

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

}  // namespace quorate::bench
