// bench/kv_table.cc: the time of a get and of an overwrite. It is measured in a
// table per slot and in the whole store behind that table. A hash map and an
// ordered map over all keys are measured, too. All rows use the same keys in
// one run; only rows of one run can be compared.
//
//   ./bazelw run -c opt //bench:kv_table -- --keys 1000000
#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "env/check.h"
#include "env/random.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "kv/store/table.h"

namespace quorate::bench {
namespace {

constexpr size_t kCommandsPerEntry = 256;

class Bench {
 public:
  Bench(uint64_t keys, size_t value_bytes) : value_(value_bytes, 'x') {
    for (uint64_t i = 0; i < keys; ++i) {
      keys_.push_back("key:" + std::to_string(i));
      slots_.push_back(kv::HashSlot(keys_.back()));
    }
    // Each access is to a key far from the previous one.
    for (uint64_t i = 0; i < keys; ++i) {
      order_.push_back(Random(1).Below(keys, "bench.kv_table", 0, i));
    }
  }

  void Run() {
    std::printf("%zu keys, values of %zu bytes\n", keys_.size(), value_.size());
    std::printf("%-34s %12s %12s\n", "", "get ns", "overwrite ns");
    Ordered();
    Hashed();
    Tables();
    Store();
  }

 private:
  void Row(const char* name, const std::function<bool(size_t)>& get,
           const std::function<void(size_t)>& put) {
    for (size_t i = 0; i < keys_.size(); ++i) put(i);
    const double get_ns = Time([&](size_t i) { CHECK(get(i)) << keys_[i]; });
    const double put_ns = Time(put);
    std::printf("%-34s %12.0f %12.0f\n", name, get_ns, put_ns);
  }

  template <typename Access>
  double Time(const Access& access) {
    // Processor time, so that other load on the machine matters less.
    const std::clock_t begun = std::clock();
    for (const uint64_t i : order_) access(i);
    return static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC * 1e9 /
           static_cast<double>(order_.size());
  }

  void Ordered() {
    absl::btree_map<std::string, std::string, std::less<>> map;
    Row(
        "one btree of strings",
        [&](size_t i) { return map.find(keys_[i]) != map.end(); },
        [&](size_t i) { map[keys_[i]] = value_; });
  }

  void Hashed() {
    std::unordered_map<std::string, std::string> map;
    Row(
        "one std::unordered_map",
        [&](size_t i) { return map.find(keys_[i]) != map.end(); },
        [&](size_t i) { map[keys_[i]] = value_; });
  }

  void Tables() {
    const auto context = std::make_shared<kv::TableContext>(/*hash_key=*/7);
    std::vector<std::unique_ptr<kv::Table>> tables(kHashSlotCount);
    for (auto& table : tables) {
      table = std::make_unique<kv::Table>(context.get());
    }
    uint64_t index = 0;
    Row(
        "a table per slot, digests kept",
        [&](size_t i) {
          const kv::Table& table = *tables[slots_[i].value()];
          return table.Find(table.Hash(keys_[i]), keys_[i]) != nullptr;
        },
        [&](size_t i) {
          kv::Table& table = *tables[slots_[i].value()];
          table.Put(table.Hash(keys_[i]), keys_[i], {.head = value_},
                    {GroupId(1), raft::Index(++index), 0}, 0);
        });
  }

  void Store() {
    kv::Store store({.group = GroupId(1),
                     .hash_key = 7,
                     .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}});
    kv::BatchBuilder batch;
    raft::Entry entry;
    const auto apply = [&] {
      ++entry.index;
      entry.payload = batch.Finish();
      store.Apply(entry, /*wants_result=*/true);
    };
    Row(
        "the store: get; encode and apply",
        [&](size_t i) {
          if (!batch.empty()) apply();
          return store.Get(slots_[i], keys_[i], {}).found();
        },
        [&](size_t i) {
          const std::string_view arguments[] = {keys_[i], value_};
          batch.Add(
              {.op = kv::Op::kSet, .slot = slots_[i], .arguments = arguments});
          if (batch.count() == kCommandsPerEntry) apply();
        });
  }

  const std::string value_;
  std::vector<std::string> keys_;
  std::vector<Slot> slots_;
  std::vector<uint64_t> order_;
};

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  CLI::App app("Measures gets and overwrites of one key in memory");
  uint64_t keys = 1'000'000;
  size_t value_bytes = 64;
  app.add_option("--keys", keys, "How many")->check(CLI::Range(1024, 1 << 26));
  app.add_option("--value-bytes", value_bytes, "Bytes of each value");
  CLI11_PARSE(app, argc, argv);
  quorate::bench::Bench(keys, value_bytes).Run();
  return 0;
}
