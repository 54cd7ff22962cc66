#include "bench/memory/store_memory.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "bench/memory/counted_memory.h"
#include "env/check.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "kv/store/record_pool.h"
#include "kv/store/store.h"

namespace quorate::bench {
namespace {

constexpr size_t kKeyBytes = 16;
constexpr size_t kCommandsPerEntry = 256;
constexpr int64_t kExpireAtMs = 1'000'000'000;

kv::StoreOptions OptionsOf(uint32_t group) {
  return {.group = GroupId(group),
          .hash_key = 7,
          .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}};
}

std::string KeyOf(uint64_t number) {
  const std::string digits = std::to_string(number);
  return absl::StrCat("key:", std::string(kKeyBytes - 4 - digits.size(), '0'),
                      digits);
}

// Writes keys through entries, as a replica does.
class Writer {
 public:
  explicit Writer(kv::Store* store) : store_(*store) {}

  void Set(std::string_view key, std::string_view value, int64_t expire_at_ms) {
    const std::string_view arguments[] = {key, value};
    kv::CommandSpec spec{
        .op = kv::Op::kSet, .slot = kv::HashSlot(key), .arguments = arguments};
    if (expire_at_ms != 0) spec.expire_at_ms = expire_at_ms;
    batch_.Add(spec);
    if (batch_.count() == kCommandsPerEntry) Flush();
  }
  void Flush() {
    if (batch_.empty()) return;
    ++entry_.index;
    entry_.payload = batch_.Finish();
    store_.Apply(entry_, /*wants_result=*/false);
    entry_.payload = {};
  }

 private:
  kv::Store& store_;
  kv::BatchBuilder batch_;
  raft::Entry entry_;
};

struct Overhead {
  double counted = 0;
  double resident = 0;
};

Overhead OverheadOf(uint64_t keys, size_t value_bytes, int64_t expire_at_ms) {
  const int64_t counted = AllocatedBytes();
  const int64_t resident = ResidentBytes();
  kv::Store store(OptionsOf(1));
  {
    const std::string value(value_bytes, 'x');
    Writer writer(&store);
    for (uint64_t i = 0; i < keys; ++i) {
      writer.Set(KeyOf(i), value, expire_at_ms);
    }
    writer.Flush();
  }
  CHECK_EQ(store.key_count(), keys);
  const auto contents = static_cast<double>(keys * (kKeyBytes + value_bytes));
  const auto of_key = [&](int64_t bytes) {
    return (static_cast<double>(bytes) - contents) / static_cast<double>(keys);
  };
  return {.counted = of_key(AllocatedBytes() - counted),
          .resident = of_key(ResidentBytes() - resident)};
}

void AddGroups(std::vector<Figure>* figures) {
  constexpr uint32_t kGroups = 1000;
  const auto pool = std::make_shared<kv::RecordPool>();
  std::vector<std::unique_ptr<kv::Store>> stores;
  stores.reserve(kGroups);
  const auto of_group = [&](int64_t before) {
    return static_cast<double>(AllocatedBytes() - before) / kGroups;
  };
  const int64_t none = AllocatedBytes();
  for (uint32_t i = 0; i < kGroups; ++i) {
    kv::StoreOptions options = OptionsOf(i + 1);
    options.pool = pool;
    stores.push_back(std::make_unique<kv::Store>(std::move(options)));
  }
  figures->push_back({"group_fixed_bytes", of_group(none), "B"});
  const int64_t empty = AllocatedBytes();
  for (const auto& store : stores) {
    Writer writer(store.get());
    writer.Set(KeyOf(1), "v", 0);
    writer.Flush();
  }
  figures->push_back({"group_first_key_bytes", of_group(empty), "B"});
}

}  // namespace

std::vector<Figure> StoreMemoryFigures(uint64_t keys) {
  // The first one, since memory that an earlier measurement freed may still be
  // resident.
  const Overhead standard = OverheadOf(keys, 100, 0);
  std::vector<Figure> figures = {
      {"key_overhead_bytes", standard.counted, "B"},
      {"key_overhead_resident_bytes", standard.resident, "B"}};
  for (const size_t value_bytes : {16, 64, 256, 1000, 4000}) {
    const uint64_t count = value_bytes > 1000 ? (keys + 9) / 10 : keys;
    figures.push_back({absl::StrCat("key_overhead_bytes_", value_bytes),
                       OverheadOf(count, value_bytes, 0).counted, "B"});
  }
  figures.push_back({"key_overhead_expiring_bytes",
                     OverheadOf(keys, 100, kExpireAtMs).counted, "B"});
  AddGroups(&figures);
  return figures;
}

}  // namespace quorate::bench
