#include "examples/locks/locks.h"

#include <string>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "examples/locks/model.h"
#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/history.h"

namespace quorate::examples {
namespace {

class LocksTest : public testing::Test {
 protected:
  // The answer to a command at a log time.
  std::string At(int64_t ms, std::string_view line, bool wants_result = true) {
    raft::Entry entry;
    entry.index = raft::Index(++index_);
    entry.log_time = WallTime(Milliseconds(ms).ns());
    entry.payload = Buffer::Copy(line);
    return std::string(locks_.Apply(entry, wants_result).view());
  }

  Locks locks_;
  uint64_t index_ = 0;
};

TEST_F(LocksTest, Acquire_FreeLock_GrantsATokenUntilTheEnd) {
  EXPECT_EQ(At(100, "acquire a ada 50"), "ok held 1 ada 150 100");
  EXPECT_EQ(At(149, "get a"), "ok held 1 ada 150 149");
  EXPECT_EQ(At(150, "get a"), "ok free 150");
}

TEST_F(LocksTest, Acquire_HeldLock_IsRefusedAlsoToItsHolder) {
  At(100, "acquire a ada 50");
  EXPECT_EQ(At(120, "acquire a bob 50"), "no held 1 ada 150 120");
  EXPECT_EQ(At(121, "acquire a ada 50"), "no held 1 ada 150 121");
}

TEST_F(LocksTest, Acquire_LeaseThatIsOver_GrantsAGreaterToken) {
  At(100, "acquire a ada 50");
  EXPECT_EQ(At(150, "acquire a bob 50"), "ok held 2 bob 200 150");
  EXPECT_EQ(At(160, "renew a 1 50"), "no held 2 bob 200 160");
  EXPECT_EQ(At(170, "release a 1"), "no held 2 bob 200 170");
}

TEST_F(LocksTest, Renew_BeforeTheEnd_MovesIt) {
  At(100, "acquire a ada 50");
  EXPECT_EQ(At(149, "renew a 1 100"), "ok held 1 ada 249 149");
  EXPECT_EQ(At(249, "renew a 1 100"), "no free 249");
}

TEST_F(LocksTest, Release_FreesTheLock) {
  At(100, "acquire a ada 50");
  EXPECT_EQ(At(110, "release a 1"), "ok free 110");
  EXPECT_EQ(At(111, "acquire a bob 50"), "ok held 3 bob 161 111");
}

// A sender that does not know whether it has the lock learns it by its name.
TEST_F(LocksTest, AcquireSentAgain_GrantsNothingAndNamesTheLease) {
  At(100, "acquire a ada 50");
  EXPECT_EQ(At(101, "acquire a ada 50"), "no held 1 ada 150 101");
  EXPECT_EQ(At(102, "release a 1"), "ok free 102");
  EXPECT_EQ(At(103, "release a 1"), "no free 103");
}

TEST_F(LocksTest, ManyLocks_NoRoomUntilALeaseIsOver) {
  for (size_t i = 0; i < Locks::kLeasesMax; ++i) {
    At(100, absl::StrCat("acquire lock", i, " ada 50"));
  }
  EXPECT_EQ(At(149, "acquire more bob 50"), "no free 149");
  EXPECT_EQ(At(150, "acquire more bob 50").substr(0, 8), "ok held ");
}

TEST_F(LocksTest, Nonsense_IsAnsweredAndChangesNothing) {
  const std::string empty(locks_.Save().view());
  for (const char* line :
       {"", "get", "get ", "get a b", "acquire a ada", "acquire a ada 0",
        "acquire a ada -5", "acquire a ada 86400001", "acquire a a\x7f 5",
        "release a x", "renew a 1", "renew a 1 0", "steal a 1"}) {
    EXPECT_EQ(At(100, line), "not executed: no command of locks") << line;
  }
  EXPECT_EQ(locks_.Save().view(), empty);
  EXPECT_EQ(At(100, "get a", /*wants_result=*/false), "");
}

TEST_F(LocksTest, SavedState_Restored_IsTheState) {
  At(100, "acquire a ada 50");
  At(100, "acquire b bob 50");
  At(110, "release b 2");
  Locks other;
  ASSERT_TRUE(other.Restore(locks_.Save().view()).ok());
  EXPECT_EQ(other.Digest(), locks_.Digest());
  std::swap(locks_, other);
  EXPECT_EQ(At(111, "get a"), "ok held 1 ada 150 111");
  EXPECT_EQ(At(111, "get b"), "ok free 111");
}

TEST_F(LocksTest, DamagedSnapshot_IsRefusedAndChangesNothing) {
  At(100, "acquire a ada 50");
  const uint64_t digest = locks_.Digest();
  for (const char* state : {"", "locks 2", "locks 3\na", "locks 3\n",
                            "locks 3\na x ada 5", "locks 3\na 1 ada 5 6"}) {
    EXPECT_FALSE(locks_.Restore(state).ok()) << state;
  }
  EXPECT_EQ(locks_.Digest(), digest);
}

TEST(LockAnswerTest, Nonsense_IsNoAnswer) {
  for (const char* line :
       {"", "ok", "ok ", "ok free", "ok free x", "maybe free 5", "ok held 5",
        "ok held 1 ada 5", "ok held 1 ada x 5", "no 5", "ok  5"}) {
    EXPECT_FALSE(ParseLockAnswer(line).has_value()) << line;
  }
}

// A history of one client after the other.
class LockModelTest : public testing::Test {
 protected:
  void Add(std::string_view command, std::string_view answer) {
    lincheck::Operation operation{.invoke = 2 * ++time_,
                                  .ret = 2 * time_ + 1,
                                  .partition = history_.Partition("a"),
                                  .function = ParseLockCommand(command)->verb,
                                  .argument = history_.String(command),
                                  .result = history_.String(answer)};
    if (answer.empty()) operation.ret = lincheck::kNever;
    history_.Add(operation);
  }
  bool Right() {
    return lincheck::Check(history_, lincheck::ModelOf<LockModel>()).result ==
           lincheck::Result::kOk;
  }

  lincheck::History history_;
  int64_t time_ = 0;
};

TEST_F(LockModelTest, LifeOfALock_IsRight) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("acquire a bob 50", "no held 5 ada 150 120");
  Add("renew a 5 50", "ok held 5 ada 180 130");
  Add("get a", "ok held 5 ada 180 170");
  Add("get a", "ok free 180");
  Add("acquire a bob 50", "ok held 9 bob 230 180");
  Add("release a 9", "ok free 190");
  Add("renew a 9 50", "no free 195");
  EXPECT_TRUE(Right());
}

TEST_F(LockModelTest, TwoHoldersAtOneTime_AreWrong) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("acquire a bob 50", "ok held 6 bob 199 149");
  EXPECT_FALSE(Right());
}

TEST_F(LockModelTest, TokenThatGoesBack_IsWrong) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("acquire a bob 50", "ok held 5 bob 200 150");
  EXPECT_FALSE(Right());
}

TEST_F(LockModelTest, LogTimeThatGoesBack_IsWrong) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("renew a 5 50", "ok held 5 ada 149 99");
  EXPECT_FALSE(Right());
}

TEST_F(LockModelTest, LeaseThatWasOver_Renewed_IsWrong) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("get a", "ok free 150");
  Add("renew a 5 50", "ok held 5 ada 190 140");
  EXPECT_FALSE(Right());
}

TEST_F(LockModelTest, LeaseThatEndsEarly_IsWrong) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("get a", "ok free 149");
  EXPECT_FALSE(Right());
}

TEST_F(LockModelTest, UnknownOutcome_LeavesBothPossible) {
  Add("acquire a ada 50", "ok held 5 ada 150 100");
  Add("release a 5", "");
  Add("acquire a bob 50", "ok held 7 bob 170 120");
  EXPECT_TRUE(Right());
  Add("acquire a eve 50", "ok held 6 eve 180 130");
  EXPECT_FALSE(Right());
}

}  // namespace
}  // namespace quorate::examples
