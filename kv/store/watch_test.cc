// WATCH of the store: the version that kWatch returns changes with every change
// of the key, also while the key is absent.
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "kv/command/command.h"
#include "kv/command/result.h"
#include "kv/slots/slot.h"
#include "kv/store/store.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

const Slot kSlot = HashSlot("{s}");

// The result of kWatch.
struct Watched {
  bool absent = false;
  Version version;
};

class Watcher {
 public:
  void Add(Op op, std::vector<std::string_view> arguments,
           std::optional<int64_t> expire_at_ms = std::nullopt) {
    batch_.Add({.op = op,
                .slot = kSlot,
                .expire_at_ms = expire_at_ms,
                .arguments = arguments});
  }
  Buffer Apply(int64_t now_ms) {
    raft::Entry entry;
    entry.index = ++index_;
    entry.kind = raft::EntryKind::kCommands;
    entry.log_time = WallTime(now_ms * 1'000'000);
    entry.payload = batch_.Finish();
    return store_.Apply(entry, /*wants_result=*/true);
  }
  Watched Watch(std::string_view key, int64_t now_ms) {
    Add(Op::kWatch, {key});
    const Buffer results = Apply(now_ms);
    const ResultView found = ResultReader(results.view()).Next();
    return {found.status == ResultStatus::kNil, found.version};
  }
  // True if a transaction that watched the key would run.
  bool Passes(std::string_view key, const Watched& watched, int64_t now_ms) {
    const std::string_view keys[] = {key};
    batch_.BeginAtomic(kSlot, std::nullopt);
    batch_.Add({.op = Op::kCheckVersion,
                .slot = kSlot,
                .flags = watched.absent ? kIfAbsent : CommandFlags{0},
                .expected = watched.version,
                .arguments = keys});
    batch_.EndAtomic();
    const Buffer results = Apply(now_ms);
    return ResultReader(results.view()).Next().status == ResultStatus::kOk;
  }
  Store& store() { return store_; }

 private:
  Store store_{
      {.group = GroupId(4), .hash_key = 77, .owned = {{Slot(0), Slot(16383)}}}};
  BatchBuilder batch_;
  raft::Index index_{0};
};

TEST(Watch_AbsentKey, Untouched_Passes) {
  Watcher watcher;
  const Watched watched = watcher.Watch("{s}a", 1);
  EXPECT_TRUE(watched.absent);
  watcher.Add(Op::kSet, {"{s}other", "v"});
  watcher.Apply(2);
  EXPECT_TRUE(watcher.Passes("{s}a", watched, 3));
}

TEST(Watch_AbsentKey, SetAndDeletedSince_DoesNotPass) {
  Watcher watcher;
  const Watched watched = watcher.Watch("{s}a", 1);
  watcher.Add(Op::kSet, {"{s}a", "v"});
  watcher.Add(Op::kDel, {"{s}a"});
  watcher.Apply(2);
  EXPECT_FALSE(watcher.Passes("{s}a", watched, 3));
  EXPECT_TRUE(watcher.Passes("{s}a", watcher.Watch("{s}a", 4), 5));
}

TEST(Watch_AbsentKey, SetAndExpiredSince_DoesNotPass) {
  Watcher watcher;
  const Watched watched = watcher.Watch("{s}a", 1);
  watcher.Add(Op::kSet, {"{s}a", "v"}, 10);
  watcher.Apply(2);
  watcher.Apply(20);
  EXPECT_EQ(watcher.store().key_count(), 0u);
  EXPECT_FALSE(watcher.Passes("{s}a", watched, 21));
}

// The group was idle, so the first entry after the time of expiry is the WATCH.
TEST(Watch_DueKey, ThatNothingHasRemovedYet_Passes) {
  Watcher watcher;
  watcher.Add(Op::kSet, {"{s}a", "v"}, 10);
  watcher.Apply(2);
  const Watched watched = watcher.Watch("{s}a", 20);
  EXPECT_TRUE(watched.absent);
  EXPECT_TRUE(watcher.Passes("{s}a", watched, 21));
}

TEST(Watch_DueKey, SetSince_DoesNotPass) {
  Watcher watcher;
  watcher.Add(Op::kSet, {"{s}a", "v"}, 10);
  watcher.Apply(2);
  const Watched watched = watcher.Watch("{s}a", 20);
  watcher.Add(Op::kSet, {"{s}a", "w"}, 30);
  watcher.Apply(21);
  EXPECT_FALSE(watcher.Passes("{s}a", watched, 22));
  EXPECT_FALSE(watcher.Passes("{s}a", watched, 40));
}

TEST(Watch_AbsentKey, SetAndFlushedSince_DoesNotPass) {
  Watcher watcher;
  const Watched watched = watcher.Watch("{s}a", 1);
  watcher.Add(Op::kSet, {"{s}a", "v"});
  watcher.Apply(2);
  BatchBuilder flush;
  flush.Add({.op = Op::kFlush, .numbers = {0, 16383}});
  raft::Entry entry;
  entry.index = raft::Index(1'000);
  entry.log_time = WallTime(3'000'000);
  entry.payload = flush.Finish();
  watcher.store().Apply(entry, /*wants_result=*/false);
  raft::Entry check;
  check.index = raft::Index(1'001);
  check.log_time = WallTime(4'000'000);
  const std::string_view keys[] = {"{s}a"};
  BatchBuilder batch;
  batch.BeginAtomic(kSlot, std::nullopt);
  batch.Add({.op = Op::kCheckVersion,
             .slot = kSlot,
             .flags = kIfAbsent,
             .expected = watched.version,
             .arguments = keys});
  batch.EndAtomic();
  check.payload = batch.Finish();
  const Buffer results = watcher.store().Apply(check, /*wants_result=*/true);
  EXPECT_EQ(ResultReader(results.view()).Next().status,
            ResultStatus::kConditionFailed);
}

// A key that replaced a due key has the version of that removal.
TEST(Watch_PresentKey, ThatReplacedADueOneAndIsDueItself_DoesNotPass) {
  Watcher watcher;
  watcher.Add(Op::kSet, {"{s}a", "old"}, 100);
  // More due keys than two entries remove; all of them are removed before it.
  std::vector<std::string> others;
  for (int i = 0; i < 400; ++i) others.push_back("{s}o" + std::to_string(i));
  for (const std::string& other : others) {
    watcher.Add(Op::kSet, {other, "v"}, 50);
  }
  watcher.Apply(1);
  watcher.Add(Op::kSet, {"{s}a", "new"}, 150);
  watcher.Apply(110);
  const Watched watched = watcher.Watch("{s}a", 120);
  EXPECT_FALSE(watched.absent);
  EXPECT_FALSE(watcher.Passes("{s}a", watched, 200));
}

// If a check passes, the key did not change between WATCH and the check.
RC_GTEST_PROP(Watch_AnyHistory, Passes_OnlyIfTheKeyDidNotChange, ()) {
  Watcher watcher;
  const std::vector<std::string> keys = {"{s}a", "{s}b"};
  int64_t now_ms = 1;
  struct Look {
    std::string key;
    Watched watched;
    bool changed = false;
  };
  std::vector<Look> looks;
  const auto steps = *rc::gen::inRange(1, 40);
  for (int i = 0; i < steps; ++i) {
    const std::string key = *rc::gen::elementOf(keys);
    now_ms += *rc::gen::inRange(0, 4);
    const auto what = *rc::gen::inRange(0, 6);
    if (what == 0) {
      looks.push_back({key, watcher.Watch(key, now_ms)});
    } else if (what == 1 && !looks.empty()) {
      const Look& look = *rc::gen::elementOf(looks);
      if (watcher.Passes(look.key, look.watched, now_ms)) {
        RC_ASSERT(!look.changed);
      }
    } else if (what < 4) {
      watcher.Add(Op::kSet, {key, "v"}, now_ms + *rc::gen::inRange(1, 6));
      watcher.Apply(now_ms);
      for (Look& look : looks) look.changed |= look.key == key;
    } else {
      // DEL does not change an absent key.
      const bool there =
          watcher.store()
              .Get(kSlot, key, {.present = WallTime(now_ms * 1'000'000)})
              .found();
      watcher.Add(Op::kDel, {key});
      watcher.Apply(now_ms);
      for (Look& look : looks) look.changed |= there && look.key == key;
    }
    // Expiry is a change too.
    for (Look& look : looks) {
      const bool there =
          watcher.store()
              .Get(kSlot, look.key, {.present = WallTime(now_ms * 1'000'000)})
              .found();
      look.changed |= look.watched.absent == there;
    }
  }
}

}  // namespace
}  // namespace quorate::kv
