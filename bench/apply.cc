// bench/apply.cc: the processor time that the store needs to apply a command,
// without consensus or network. The commands are batches of SETs of 64 bytes on
// random keys, and single reads.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "bench/workload.h"
#include "env/check.h"
#include "kv/command/command.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"

namespace quorate::bench {
namespace {

constexpr size_t kValueBytes = 64;

class Applying {
 public:
  explicit Applying(uint64_t keys)
      : keys_(keys),
        store_({.group = GroupId(1),
                .hash_key = 7,
                .owned = {{Slot(0), Slot(kHashSlotCount - 1)}}}) {
    Workload fill = {.value_bytes = kValueBytes, .keys = keys, .fill = true};
    Corpus corpus(fill);
    while (Apply(corpus, 256, /*wants_results=*/false) > 0) {
    }
    CHECK_EQ(store_.key_count(), keys);
  }

  // Nanoseconds for each command.
  double Sets(uint32_t batch, bool wants_results) {
    Corpus corpus({.value_bytes = kValueBytes, .keys = keys_, .seed = 3});
    applying_ns_ = 0;
    uint64_t commands = 0;
    while (applying_ns_ < 300'000'000) {
      commands += Apply(corpus, batch, wants_results);
    }
    return static_cast<double>(applying_ns_) / static_cast<double>(commands);
  }

  double Gets() {
    Corpus corpus({.value_bytes = kValueBytes, .keys = keys_, .seed = 4});
    std::vector<std::string> keys(100'000, std::string(kKeyBytes, ' '));
    for (std::string& key : keys) {
      uint64_t number;
      corpus.Next(&number);
      corpus.WriteKey(number, key.data());
    }
    const int64_t begin_ns = MonotonicNanos();
    for (const std::string& key : keys) {
      CHECK(store_.Get(kv::HashSlot(key), key, {}).found());
    }
    return static_cast<double>(MonotonicNanos() - begin_ns) /
           static_cast<double>(keys.size());
  }

 private:
  uint32_t Apply(Corpus& corpus, uint32_t batch, bool wants_results) {
    kv::BatchBuilder builder;
    char key[kKeyBytes];
    char value[kValueBytes];
    uint64_t number;
    while (builder.count() < batch && corpus.Next(&number)) {
      corpus.WriteKey(number, key);
      corpus.WriteValue(number, value);
      const std::string_view key_view(key, kKeyBytes);
      const std::string_view arguments[] = {key_view, {value, kValueBytes}};
      builder.Add({.op = kv::Op::kSet,
                   .slot = kv::HashSlot(key_view),
                   .arguments = arguments});
    }
    const uint32_t count = builder.count();
    if (count == 0) return 0;
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = raft::Index(++index_);
    entry.kind = raft::EntryKind::kCommands;
    entry.payload = builder.Finish();
    const int64_t begin_ns = MonotonicNanos();
    store_.Apply(entry, wants_results);
    applying_ns_ += MonotonicNanos() - begin_ns;
    return count;
  }

  const uint64_t keys_;
  kv::Store store_;
  uint64_t index_ = 0;
  int64_t applying_ns_ = 0;
};

int Run(const std::vector<uint64_t>& sizes) {
  std::printf("%10s %12s %12s %12s %18s\n", "keys", "set, by 1", "set, by 16",
              "set, by 256", "get, one by one");
  for (const uint64_t keys : sizes) {
    Applying applying(keys);
    std::printf("%10llu %9.0f ns %9.0f ns %9.0f ns %15.0f ns\n",
                static_cast<unsigned long long>(keys), applying.Sets(1, true),
                applying.Sets(16, true), applying.Sets(256, true),
                applying.Gets());
  }
  return 0;
}

}  // namespace
}  // namespace quorate::bench

int main(int argc, char** argv) {
  std::vector<uint64_t> keys = {10'000, 1'000'000};
  CLI::App app{"Measures the time that the store needs to apply one command."};
  app.add_option("--keys", keys, "Numbers of keys, one row each")
      ->delimiter(',');
  CLI11_PARSE(app, argc, argv);
  return quorate::bench::Run(keys);
}
