// kv/testing/store_fixture.h: a store to which tests apply commands, one entry
// after the other.
#ifndef QUORATE_KV_TESTING_STORE_FIXTURE_H_
#define QUORATE_KV_TESTING_STORE_FIXTURE_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/command/rules.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"

namespace quorate::kv {

inline constexpr GroupId kGroup(7);
inline constexpr uint64_t kHashKey = 0x1234;

// A result that owns what it shows.
struct Answer {
  ResultStatus status;
  PayloadKind kind;
  bool wrote;
  bool duplicate;
  Version version;
  int64_t integer;
  std::string bytes;
};

inline Answer Own(const ResultView& view) {
  return {view.status,
          view.kind,
          view.wrote,
          view.duplicate,
          view.version,
          view.integer,
          std::string(view.bytes)};
}

inline constexpr SessionRules kSessions;

class StoreTest : public testing::Test {
 protected:
  explicit StoreTest(const Rules& rules = {})
      : store_({.group = kGroup,
                .hash_key = kHashKey,
                .rules = rules,
                .owned = {{Slot(0), Slot(16000)}}}) {}

  raft::Entry Entry(Buffer payload) {
    raft::Entry entry;
    entry.term = raft::Term(1);
    entry.index = ++index_;
    entry.kind = raft::EntryKind::kCommands;
    entry.log_time = now_;
    entry.payload = std::move(payload);
    return entry;
  }

  // Applies what was added to batch_.
  std::vector<Answer> Apply() {
    const Buffer results =
        store_.Apply(Entry(batch_.Finish()), /*wants_result=*/true);
    ResultReader reader(results.view());
    EXPECT_TRUE(reader.ok());
    EXPECT_TRUE(reader.batch_accepted());
    std::vector<Answer> answers;
    while (!reader.done()) answers.push_back(Own(reader.Next()));
    EXPECT_EQ(store_.Digest(), store_.RecomputeDigest());
    return answers;
  }

  // One command in an entry of its own.
  Answer Do(CommandSpec spec,
            std::initializer_list<std::string_view> arguments) {
    const std::vector<std::string_view> list(arguments);
    spec.arguments = list;
    if (!list.empty() && spec.slot == Slot(0)) spec.slot = HashSlot(list[0]);
    batch_.Add(spec);
    std::vector<Answer> answers = Apply();
    EXPECT_EQ(answers.size(), 1u);
    return answers.at(0);
  }

  void SetTime(int64_t ms) { now_ = WallTime(ms * 1'000'000); }

  Lookup Get(std::string_view key, WallTime present = WallTime::Min()) {
    return store_.Get(HashSlot(key), key, {.present = present});
  }

  static SessionStamp Stamp(uint64_t sequence, uint64_t floor = 1,
                            int64_t open_until_ms = 60'000) {
    return {.token = {ClientId(99), open_until_ms},
            .sequence = Sequence(sequence),
            .floor = Sequence(floor)};
  }

  Store store_;
  BatchBuilder batch_;
  raft::Index index_{10};
  WallTime now_{1'000'000'000};
};

}  // namespace quorate::kv

#endif  // QUORATE_KV_TESTING_STORE_FIXTURE_H_
