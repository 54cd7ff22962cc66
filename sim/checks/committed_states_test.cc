// The states of keys at times and positions, and the effect of each command.
#include "sim/checks/committed_states.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gtest/gtest.h"
#include "sim/checks/test_command.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {

constexpr GroupId kOwner(1);
constexpr uint64_t kAbsent = CommittedStates::kNothing;

SimTime AfterNs(int64_t ns) { return SimTime(ns); }

// ---- Times and positions.

// The key has value "7" from 100 ns on, and "8" from 200 ns on.
class StatesOfOneKeyTest : public testing::Test {
 protected:
  StatesOfOneKeyTest() {
    for (int i = 0; i < 9; ++i) ApplySet(states_, AfterNs(50), "other", "v");
    first_ = ApplySet(states_, AfterNs(100), "k", "7").at;
    for (int i = 0; i < 9; ++i) ApplySet(states_, AfterNs(150), "other", "v");
    second_ = ApplySet(states_, AfterNs(200), "k", "8").at;
  }
  bool Since(uint64_t value, int64_t since) {
    return states_.CurrentSince("k", value, AfterNs(since));
  }

  CommittedStates states_;
  CommittedStates::Position first_ = 0;
  CommittedStates::Position second_ = 0;
  const uint64_t seven_ = HashBytes("7");
  const uint64_t eight_ = HashBytes("8");
};

TEST_F(StatesOfOneKeyTest, ValueAtOrAfterATime_IsCurrent) {
  EXPECT_TRUE(Since(kAbsent, 10));
  EXPECT_TRUE(Since(kAbsent, 100));
  EXPECT_TRUE(Since(seven_, 50));
  EXPECT_TRUE(Since(seven_, 150));
  EXPECT_TRUE(Since(eight_, 250));
}

TEST_F(StatesOfOneKeyTest, ValueThatEndedBefore_IsNotCurrent) {
  EXPECT_FALSE(Since(kAbsent, 150));
  EXPECT_FALSE(Since(seven_, 250));
  EXPECT_FALSE(Since(HashBytes("9"), 10));
}

TEST_F(StatesOfOneKeyTest, KeyWithoutAWrite_IsAbsent) {
  EXPECT_TRUE(states_.CurrentSince("l", kAbsent, AfterNs(1)));
  EXPECT_FALSE(states_.CurrentSince("l", seven_, AfterNs(1)));
  EXPECT_EQ(states_.FirstFrom(9, "l", kAbsent), 9u);
  EXPECT_EQ(states_.GroupOf("l"), GroupId());
  EXPECT_EQ(states_.GroupOf("k"), kOwner);
}

TEST_F(StatesOfOneKeyTest, FirstPosition_IsTheFloorOrTheBeginningOfTheValue) {
  EXPECT_EQ(states_.FirstFrom(0, "k", kAbsent), 0u);
  EXPECT_EQ(states_.FirstFrom(first_ - 1, "k", kAbsent), first_ - 1);
  EXPECT_EQ(states_.FirstFrom(0, "k", seven_), first_);
  EXPECT_EQ(states_.FirstFrom(second_ - 1, "k", seven_), second_ - 1);
  EXPECT_EQ(states_.FirstFrom(second_ - 1, "k", eight_), second_);
}

TEST_F(StatesOfOneKeyTest, ValueThatEndedOrNeverWas_HasNoPosition) {
  EXPECT_EQ(states_.FirstFrom(first_, "k", kAbsent), std::nullopt);
  EXPECT_EQ(states_.FirstFrom(second_, "k", seven_), std::nullopt);
  EXPECT_EQ(states_.FirstFrom(0, "k", HashBytes("9")), std::nullopt);
}

TEST_F(StatesOfOneKeyTest, KeysOfAPrefix_AreVisitedInOrder) {
  for (const std::string_view key : {"ka", "l", "k"}) {
    ApplySet(states_, AfterNs(300), key, "v");
  }
  std::string visited;
  states_.VisitKeys("k", [&](const std::string& key) { visited += key + " "; });
  EXPECT_EQ(visited, "k ka ");
}

// ---- Commands.

class EffectOfCommandsTest : public testing::Test {
 protected:
  // The reply to a command in an entry at this log time, or "none".
  std::string Run(kv::CommandSpec spec,
                  const std::vector<std::string_view>& arguments,
                  int64_t log_ms = 10) {
    now_ = now_ + Milliseconds(1);
    states_.OnEntry(kOwner, now_, WallTime(0) + Milliseconds(log_ms));
    spec.arguments = arguments;
    const TestCommand command(spec);
    const auto effect =
        states_.Apply(now_, {.group = kOwner, .index = raft::Index(++index_)},
                      command.view());
    return effect.has_value() ? effect->reply.ToString() : "none";
  }
  std::string Set(std::string_view value, kv::CommandFlags flags = 0,
                  std::optional<int64_t> expire_at_ms = {}) {
    return Run(
        {.op = kv::Op::kSet, .flags = flags, .expire_at_ms = expire_at_ms},
        {"k", value});
  }
  std::string Expire(int64_t at_ms, kv::CommandFlags flags = 0) {
    return Run({.op = kv::Op::kExpireAt, .flags = flags, .expire_at_ms = at_ms},
               {"k"});
  }
  // The current value, and when it is due.
  std::string Now(std::string_view key = "k") {
    const CommittedStates::State& state = states_.StatesOf(key).back();
    if (!state.there()) return "nothing";
    return state.due_ms == 0 ? state.begin
                             : state.begin + "@" + std::to_string(state.due_ms);
  }
  bool Unchanged(raft::Index index, kv::CommandFlags flags = 0) {
    kv::CommandView check;
    check.op = kv::Op::kCheckVersion;
    check.flags = flags;
    check.expected = {kOwner, index, 0};
    return states_.VersionMatches("k", check);
  }

  SimTime now_;
  uint64_t index_ = 0;
  CommittedStates states_;
};

TEST_F(EffectOfCommandsTest, SetWithConditions_WritesIfTheyAreMet) {
  const std::string nil = Set("a", kv::kIfPresent);
  EXPECT_EQ(Now(), "nothing");
  const std::string ok = Set("a", kv::kIfAbsent);
  EXPECT_EQ(Now(), "a");
  EXPECT_NE(nil, ok);
  EXPECT_EQ(Set("b", kv::kIfAbsent), nil);
  EXPECT_EQ(Now(), "a");
  EXPECT_EQ(Set("b", kv::kIfPresent), ok);
  EXPECT_EQ(Set("c", kv::kReturnOld), "\"b\"");
  EXPECT_EQ(Now(), "c");
}

TEST_F(EffectOfCommandsTest, Increment_AddsToDigits) {
  const kv::CommandSpec add{.op = kv::Op::kIncrBy, .numbers = {5}};
  EXPECT_EQ(Run(add, {"k"}), "(integer) 5");
  EXPECT_EQ(Run(add, {"k"}), "(integer) 10");
  EXPECT_EQ(Run({.op = kv::Op::kAppend}, {"k", "x"}), "(integer) 3");
  Run(add, {"k"});
  EXPECT_EQ(Now(), "10x");
}

TEST_F(EffectOfCommandsTest, CommandsOnSeveralKeys_TakeEffectAtOnePlace) {
  Run({.op = kv::Op::kMSet}, {"k", "a", "l", "b"});
  EXPECT_EQ(Now("k") + Now("l"), "ab");
  EXPECT_EQ(states_.StatesOf("k").back().from,
            states_.StatesOf("l").back().from);
  EXPECT_EQ(Run({.op = kv::Op::kDel}, {"k", "m", "l"}), "(integer) 2");
  EXPECT_EQ(Now("k") + Now("l"), "nothingnothing");
  EXPECT_EQ(Run({.op = kv::Op::kDel}, {"k"}), "(integer) 0");
}

TEST_F(EffectOfCommandsTest, GetDel_ReturnsAndRemoves) {
  Set("a");
  const std::string old = Run({.op = kv::Op::kGetDel}, {"k"});
  EXPECT_EQ(old, "\"a\"");
  EXPECT_EQ(Now(), "nothing");
  EXPECT_EQ(states_.StatesOf("k").size(), 3u);
}

TEST_F(EffectOfCommandsTest, Expiry_IsSetKeptAndRemoved) {
  EXPECT_EQ(Expire(100), "(integer) 0");
  Set("a");
  EXPECT_FALSE(states_.HasHadExpiry("k"));
  EXPECT_EQ(Expire(100, kv::kIfGreater), "(integer) 0");
  EXPECT_EQ(Expire(100, kv::kIfLess), "(integer) 1");
  EXPECT_EQ(Expire(100, kv::kIfLess), "(integer) 0");
  EXPECT_EQ(Expire(101, kv::kIfAbsent), "(integer) 0");
  EXPECT_EQ(Expire(101, kv::kIfGreater), "(integer) 1");
  EXPECT_EQ(Now(), "a@101");
  Set("b", kv::kKeepExpiry);
  EXPECT_EQ(Now(), "b@101");
  EXPECT_EQ(Run({.op = kv::Op::kPersist}, {"k"}), "(integer) 1");
  EXPECT_EQ(Run({.op = kv::Op::kPersist}, {"k"}), "(integer) 0");
  EXPECT_EQ(Now(), "b");
  Set("c", kv::kRelativeExpiry, 50);
  EXPECT_EQ(Now(), "c@60");
  EXPECT_EQ(states_.StatesOf("k").back().life_ms, 50);
  EXPECT_EQ(Expire(10), "(integer) 1");
  EXPECT_EQ(Now(), "nothing");
  EXPECT_TRUE(states_.HasHadExpiry("k"));
  EXPECT_EQ(states_.expired(), 0u);
}

TEST_F(EffectOfCommandsTest, KeyThatIsDueByLogTime_Expires) {
  Set("a", 0, 100);
  states_.OnEntry(GroupId(2), now_, WallTime(0) + Milliseconds(100));
  EXPECT_EQ(Now(), "a@100") << "the time of another group";
  Run({.op = kv::Op::kSet}, {"l", "b"}, /*log_ms=*/100);
  EXPECT_EQ(Now(), "nothing");
  EXPECT_EQ(states_.expired(), 1u);
}

TEST_F(EffectOfCommandsTest, CommandOfAnExpiredSession_IsJudgedByItsOwnToken) {
  const auto takes_effect = [this](int64_t open_until_ms) {
    kv::CommandView command;
    command.session = {
        .token = {.client = kv::ClientId(7), .open_until_ms = open_until_ms},
        .sequence = kv::Sequence(1)};
    return states_.TakesEffect(kOwner, command);
  };
  EXPECT_TRUE(takes_effect(1'000));
  EXPECT_FALSE(takes_effect(2'000)) << "a duplicate";
  const int64_t lifetime_ms = kv::SessionRules().lifetime.ms();
  states_.OnEntry(kOwner, now_,
                  WallTime(0) + Milliseconds(lifetime_ms + 2'000));
  EXPECT_FALSE(takes_effect(1'000)) << "a late copy";
  EXPECT_TRUE(takes_effect(lifetime_ms + 3'000)) << "a retry with a token";
  EXPECT_FALSE(takes_effect(lifetime_ms + 3'000)) << "a duplicate";
}

TEST_F(EffectOfCommandsTest, KeyThatMoved_ExpiresByTheTimeOfItsOwner) {
  Set("a", 0, 100);
  const Slot slot = states_.SlotOf("k");
  kv::MovePlan plan{.from = kOwner, .to = GroupId(2)};
  plan.slots.push_back({slot, slot});
  states_.OnMoved(plan, now_, WallTime(0) + Milliseconds(50));
  EXPECT_EQ(states_.GroupOf("k"), GroupId(2));
  EXPECT_EQ(states_.LogTimeOf(GroupId(2)).ms(), 50);
  states_.OnEntry(kOwner, now_, WallTime(0) + Milliseconds(200));
  EXPECT_EQ(Now(), "a@100");
  states_.OnEntry(GroupId(2), now_, WallTime(0) + Milliseconds(100));
  EXPECT_EQ(Now(), "nothing");
}

TEST_F(EffectOfCommandsTest, Version_IsThatOfTheLastWriteOrRemoval) {
  Set("a");
  EXPECT_TRUE(Unchanged(raft::Index(1)));
  Set("b", kv::kIfAbsent);
  EXPECT_TRUE(Unchanged(raft::Index(1))) << "its condition was not met";
  Set("b");
  EXPECT_FALSE(Unchanged(raft::Index(1)));
  EXPECT_TRUE(Unchanged(raft::Index(3)));
  EXPECT_FALSE(Unchanged(raft::Index(3), kv::kIfAbsent));
}

TEST_F(EffectOfCommandsTest, CommandThatNoClientSends_HasNoEffect) {
  EXPECT_EQ(Run({.op = kv::Op::kSetRange, .numbers = {1, 0}}, {"k", "a"}),
            "none");
  EXPECT_EQ(Run({.op = kv::Op::kMSet, .flags = kv::kIfAbsent}, {"k", "a"}),
            "none");
  EXPECT_EQ(Now(), "nothing");
}

}  // namespace
}  // namespace quorate::sim
