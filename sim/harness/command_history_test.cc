// Plants each violation that a CommandHistory reports.
#include "sim/harness/command_history.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

// A sum; every add returns the new one.
struct SumModel {
  using State = int64_t;
  State Initial() const { return 0; }
  bool Step(State& state, const lincheck::Operation& add) const {
    state += add.argument.integer();
    return !add.known() || add.result == lincheck::Value::Integer(state);
  }
  bool IsRead(const lincheck::Operation&) const { return false; }
  std::string_view Name(uint8_t) const { return "add"; }
  std::string Describe(const State& state) const {
    return std::to_string(state);
  }
};

class CommandHistoryTest : public testing::Test {
 protected:
  size_t Invoke(int64_t at, int64_t delta) {
    return history_.Invoke(SimTime(at), std::to_string(delta), "sum",
                           {.argument = lincheck::Value::Integer(delta)});
  }
  void Return(size_t command, int64_t at, uint64_t index, int64_t sum) {
    history_.Return(command, SimTime(at), raft::Index(index),
                    lincheck::Value::Integer(sum));
  }
  void Applied(int64_t at, uint64_t index, int64_t delta) {
    history_.OnApplied(SimTime(at), raft::Index(index), std::to_string(delta));
  }
  void ExpectFound(const std::string& rule) {
    const std::string violation = history_.Check(lincheck::ModelOf(SumModel{}));
    EXPECT_EQ(violation.substr(0, rule.size()), rule) << violation;
  }

  CommandHistory history_;
};

TEST_F(CommandHistoryTest, CommandsInTheOrderOfTheLog_AreLinearizable) {
  const size_t first = Invoke(1, 5);
  Invoke(2, 7);  // Of unknown outcome, executed.
  Invoke(3, 9);  // Of unknown outcome, not executed.
  history_.Withdraw(Invoke(4, 11));
  Applied(5, 2, 7);
  Applied(6, 3, 5);
  Return(first, 7, 3, 12);
  EXPECT_EQ(history_.Check(lincheck::ModelOf(SumModel{})), "");
}

TEST_F(CommandHistoryTest, AnotherResultThanTheModels_Found) {
  const size_t add = Invoke(1, 5);
  Applied(2, 1, 5);
  Return(add, 3, 1, 6);
  ExpectFound("linearizability");
}

TEST_F(CommandHistoryTest, AcknowledgedButNeverApplied_Found) {
  Return(Invoke(1, 5), 3, 1, 5);
  ExpectFound("acknowledged");
}

TEST_F(CommandHistoryTest, AcknowledgedBeforeItWasApplied_Found) {
  const size_t add = Invoke(1, 5);
  Return(add, 2, 1, 5);
  Applied(3, 1, 5);
  ExpectFound("acknowledged");
}

TEST_F(CommandHistoryTest, AnotherCommandAtTheAcknowledgedEntry_Found) {
  const size_t add = Invoke(1, 5);
  Applied(2, 1, 6);
  Return(add, 3, 1, 5);
  ExpectFound("acknowledged");
}

TEST_F(CommandHistoryTest, RefusedButInTheLog_Found) {
  history_.Withdraw(Invoke(1, 5));
  Applied(2, 1, 5);
  ExpectFound("log");
}

TEST_F(CommandHistoryTest, TwiceInTheLog_Found) {
  const size_t add = Invoke(1, 5);
  Applied(2, 1, 5);
  Return(add, 3, 1, 5);
  Applied(4, 2, 5);
  ExpectFound("executed twice: entry 2 has the command of entry 1");
}

TEST_F(CommandHistoryTest, InTheLogBeforeItsCall_Found) {
  Applied(1, 1, 5);
  Invoke(2, 5);
  ExpectFound("log");
}

}  // namespace
}  // namespace quorate::sim
