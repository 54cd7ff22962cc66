// The mistakes that stores have made, each by hand and as small as it gets.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/models/cas_register.h"
#include "lincheck/models/kv.h"

namespace quorate::lincheck {
namespace {

class Story {
 public:
  Story() : key_(history_.Partition("k")) {}
  // Strings become string values, "nil" nil, digits integers, "" none.
  Story& Do(uint32_t client, Time invoke, Time ret, uint8_t function,
            const char* argument = "", const char* result = "",
            const char* expected = "") {
    history_.Add({.invoke = invoke,
                  .ret = ret,
                  .client = client,
                  .partition = key_,
                  .function = function,
                  .argument = Parse(argument),
                  .expected = Parse(expected),
                  .result = Parse(result)});
    return *this;
  }
  template <typename M>
  Verdict Judge(M model) {
    return Check(history_, ModelOf<M>(model));
  }
  // The verdict must be a violation whose minimal reason is exactly
  // `operations`.
  template <typename M>
  void ExpectWrong(M model, const std::vector<size_t>& operations) {
    const Verdict verdict = Judge(model);
    ASSERT_EQ(verdict.result, Result::kViolation);
    EXPECT_TRUE(verdict.counter_example->minimal);
    EXPECT_EQ(verdict.counter_example->operations, operations)
        << Describe(history_, ModelOf<M>(model), *verdict.counter_example);
  }

 private:
  Value Parse(const std::string& text) {
    if (text.empty()) return {};
    if (text == "nil") return Value::Nil();
    if (text.find_first_not_of("0123456789") == std::string::npos) {
      return Value::Integer(std::stoll(text));
    }
    return history_.String(text);
  }

  History history_;
  uint32_t key_;
};

TEST(Classics, StaleRead_Found) {
  Story()
      .Do(1, 1, 2, Register::kWrite, "a")
      .Do(1, 3, 4, Register::kWrite, "b")
      .Do(2, 5, 6, Register::kRead, "", "a")
      .ExpectWrong(Register{}, {0, 1, 2});
}

TEST(Classics, StaleRead_SaidInTheOrderOfEvents) {
  const Verdict verdict = Story()
                              .Do(1, 1, 2, Register::kWrite, "a")
                              .Do(1, 3, 4, Register::kWrite, "b")
                              .Do(2, 5, 6, Register::kRead, "", "a")
                              .Judge(Register{});
  EXPECT_EQ(
      verdict.counter_example->reason,
      "write(\"a\") of client 1 had returned before write(\"b\") of "
      "client 1 was invoked and replaced it, and write(\"b\") of client 1 "
      "had returned before read() = \"a\" of client 2 was invoked, which "
      "still saw what write(\"a\") of client 1 left.");
}

TEST(Classics, InitialStateReadTooLate_SaidSo) {
  const Verdict verdict = Story()
                              .Do(1, 3, 4, Register::kWrite, "b")
                              .Do(2, 5, 6, Register::kRead, "", "nil")
                              .Judge(Register{});
  EXPECT_EQ(
      verdict.counter_example->reason,
      "write(\"b\") of client 1 had returned before read() = nil of client "
      "2 was invoked, which saw what it had replaced.");
}

TEST(Classics, DuplicateAppend_SaidSo) {
  EXPECT_EQ(Story()
                .Do(1, 1, 2, Kv::kAppend, "x")
                .Do(2, 3, 4, Kv::kGet, "", "xx")
                .Judge(Kv{})
                .counter_example->reason,
            "get() = \"xx\" of client 2 saw append(\"x\") of client 1 take "
            "effect twice.");
}

// Operations that a reason names are shown, even if they take no part in the
// proof.
TEST(Classics, DuplicateAppend_ShowsTheAppend) {
  const Verdict verdict = Story()
                              .Do(1, 1, 2, Kv::kAppend, "x")
                              .Do(3, 1, 2, Kv::kAppend, "y")
                              .Do(2, 3, 4, Kv::kGet, "", "xyx")
                              .Judge(Kv{});
  EXPECT_EQ(verdict.counter_example->operations, std::vector<size_t>{2});
  EXPECT_EQ(verdict.counter_example->context, std::vector<size_t>{0});
  EXPECT_TRUE(verdict.counter_example->minimal);
}

TEST(Classics, LostAppend_SaidSo) {
  const Verdict verdict = Story()
                              .Do(1, 1, 2, Kv::kAppend, "x")
                              .Do(1, 3, 4, Kv::kAppend, "y")
                              .Do(1, 5, 6, Kv::kAppend, "z")
                              .Do(2, 7, 8, Kv::kGet, "", "xz")
                              .Judge(Kv{});
  EXPECT_EQ(verdict.counter_example->operations, (std::vector<size_t>{1, 3}));
  EXPECT_EQ(verdict.counter_example->context, (std::vector<size_t>{0, 2}));
  EXPECT_EQ(verdict.counter_example->reason,
            "append(\"y\") of client 1 had returned before get() = \"xz\" of "
            "client 2 was invoked, which saw the value without it.");
}

TEST(Classics, ReadOfAnOlderValue_SaidSo) {
  const Verdict verdict = Story()
                              .Do(1, 1, 2, Kv::kAppend, "x")
                              .Do(1, 3, 20, Kv::kAppend, "y")
                              .Do(2, 5, 6, Kv::kGet, "", "xy")
                              .Do(3, 7, 8, Kv::kGet, "", "x")
                              .Judge(Kv{});
  EXPECT_EQ(verdict.counter_example->reason,
            "get() = \"xy\" of client 2 returned before get() = \"x\" of "
            "client 3 was invoked, which saw what had been there before.");
}

TEST(Classics, ReadDuringTheWrite_MaySeeEither) {
  for (const char* seen : {"a", "b"}) {
    EXPECT_EQ(Story()
                  .Do(1, 1, 2, Register::kWrite, "a")
                  .Do(1, 3, 9, Register::kWrite, "b")
                  .Do(2, 5, 6, Register::kRead, "", seen)
                  .Judge(Register{})
                  .result,
              Result::kOk);
  }
}

TEST(Classics, NewThenOldDuringOneWrite_Found) {
  Story()
      .Do(1, 1, 2, Register::kWrite, "a")
      .Do(1, 3, 20, Register::kWrite, "b")
      .Do(2, 5, 6, Register::kRead, "", "b")
      .Do(3, 7, 8, Register::kRead, "", "a")
      .ExpectWrong(Register{}, {0, 2, 3});
}

TEST(Classics, LostUpdate_Found) {
  Story()
      .Do(1, 1, 2, CasRegister::kWrite, "a")
      .Do(1, 3, 9, CasRegister::kCas, "b", "1", "a")
      .Do(2, 4, 8, CasRegister::kCas, "c", "1", "a")
      .ExpectWrong(CasRegister{}, {1, 2});
}

TEST(Classics, ReadOfAnUnwrittenValue_Found) {
  Story()
      .Do(1, 1, 2, Register::kWrite, "a")
      .Do(2, 3, 4, Register::kRead, "", "z")
      .ExpectWrong(Register{}, {1});
}

TEST(Classics, ReadOfAFailedWrite_Found) {
  // A write that certainly failed is not part of the history at all.
  Story()
      .Do(1, 1, 2, Kv::kPut, "a")
      .Do(2, 5, 6, Kv::kGet, "", "failed")
      .ExpectWrong(Kv{}, {1});
}

TEST(Classics, WriteOfUnknownOutcome_MayAppearLate) {
  EXPECT_EQ(Story()
                .Do(1, 1, kNever, Kv::kPut, "late")
                .Do(2, 2, 3, Kv::kPut, "a")
                .Do(2, 4, 5, Kv::kGet, "", "a")
                .Do(2, 6, 7, Kv::kGet, "", "late")
                .Judge(Kv{})
                .result,
            Result::kOk);
}

TEST(Classics, WriteOfUnknownOutcome_CannotAppearTwice) {
  Story()
      .Do(1, 1, kNever, Kv::kPut, "late")
      .Do(2, 2, 3, Kv::kGet, "", "late")
      .Do(2, 4, 5, Kv::kPut, "a")
      .Do(2, 6, 7, Kv::kGet, "", "late")
      .ExpectWrong(Kv{}, {1, 2, 3});
}

TEST(Classics, DuplicateAppend_Found) {
  Story()
      .Do(1, 1, 2, Kv::kAppend, "x")
      .Do(2, 3, 4, Kv::kGet, "", "xx")
      .ExpectWrong(Kv{}, {1});
}

TEST(Classics, DuplicateIncrement_Found) {
  Story()
      .Do(1, 1, 2, Kv::kIncrement, "1", "1")
      .Do(1, 3, 4, Kv::kIncrement, "1", "3")
      .ExpectWrong(Kv{}, {1});
}

// With an unknown outcome the second one might have made the 1 that the first
// one needs: only the second proves anything.
TEST(Classics, IncrementToWhatCannotBe_FoundAlone) {
  Story()
      .Do(1, 1, 9, Kv::kIncrement, "1", "2")
      .Do(2, 2, 8, Kv::kIncrement, "1", "0")
      .ExpectWrong(Kv{}, {1});
}

TEST(Classics, ResurrectedDelete_Found) {
  Story()
      .Do(1, 1, 2, Kv::kPut, "a")
      .Do(1, 3, 4, Kv::kDelete, "", "1")
      // However late the put: it happens once.
      .Do(2, 5, 6, Kv::kGet, "", "a")
      .ExpectWrong(Kv{}, {1, 2});
}

TEST(Classics, DeleteOfWhatIsNotThere_Found) {
  Story().Do(1, 1, 2, Kv::kDelete, "", "1").ExpectWrong(Kv{}, {0});
}

TEST(Classics, TwoTakersOfOneValue_Found) {
  Story()
      .Do(1, 1, 2, Kv::kPut, "job")
      .Do(2, 3, 8, Kv::kTake, "", "job")
      .Do(3, 4, 9, Kv::kTake, "", "job")
      .ExpectWrong(Kv{}, {1, 2});
}

TEST(Classics, SameInstant_CountsAsConcurrent) {
  EXPECT_EQ(Story()
                .Do(1, 1, 5, Register::kWrite, "a")
                .Do(2, 5, 6, Register::kRead, "", "nil")
                .Judge(Register{})
                .result,
            Result::kOk);
}

}  // namespace
}  // namespace quorate::lincheck
