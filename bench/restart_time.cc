#include "bench/restart_time.h"

#include <memory>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "bench/processes.h"
#include "bench/system.h"
#include "bench/workload.h"
#include "kv/slots/slot.h"

namespace quorate::bench {
namespace {

constexpr int kGroups = 10;
constexpr int kRestarted = 2;  // One of the three nodes.

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
