// The causes of a violation are those of the call, key, entry or node that it
// names.
#include "sim/tools/page/causes.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "sim/tools/page/example_run.h"

namespace quorate::sim {
namespace {

class CausesTest : public testing::Test {
 protected:
  Causes Of(std::string violation) {
    input_ = example_.input();
    input_.violations = {std::move(violation)};
    return CausesOf(ViewedRun(input_));
  }

  static bool Has(const Causes& causes, std::string_view words) {
    return std::ranges::any_of(causes.list, [&](const Cause& cause) {
      return cause.words.find(words) != std::string::npos;
    });
  }

  const ExampleRun example_;
  RunPageInput input_;
};

TEST_F(CausesTest, StaleRead_ItsServerHadNotAppliedTheWrite) {
  const Causes causes = Of(example_.input().violations[0]);
  ASSERT_GE(causes.list.size(), 2u);
  EXPECT_EQ(causes.list[0].words, "Calls on k, and entries that name it");
  // The call that the violation names comes first.
  EXPECT_TRUE(causes.list[1].violates);
  EXPECT_EQ(causes.list[1].words,
            "client 5 called k: get() at 0.040000 s, answer nil at 0.042000 s");
  EXPECT_EQ(causes.focus, causes.list[1].record);
  for (const std::string_view words :
       {"n1 answered; group 1 there: leader of term 2, commit 0, applied 0",
        "n1 had not applied group 1, index 1 (set k 7), which n2 applied at "
        "0.026000 s, before the call",
        "n2 was leader of term 3 of group 1 at that time",
        "group 1, index 1, term 3: set k 7",
        "appended: n2 0.023000 s as leader of term 3, n3 0.025000 s",
        "on disk: n2 0.026000 s, n3 0.025000 s", "applied: n2 0.026000 s"}) {
    EXPECT_TRUE(Has(causes, words)) << words;
  }
}

TEST_F(CausesTest, CallThatSawAll_MissesNothing) {
  const Causes causes = Of("linearizability: k from 22000000 ns");
  ASSERT_GE(causes.list.size(), 2u);
  const auto violating = std::ranges::find_if(causes.list, &Cause::violates);
  ASSERT_NE(violating, causes.list.end());
  EXPECT_TRUE(violating->words.starts_with("client 4 called k: put(7)"));
  ASSERT_NE(violating + 1, causes.list.end());
  EXPECT_TRUE((violating + 1)->words.starts_with("n2 answered"));
  EXPECT_TRUE(violating + 2 == causes.list.end() ||
              (violating + 2)->words.find("had not applied") ==
                  std::string::npos);
}

TEST_F(CausesTest, EntryNodeAndGroup_HaveTheirHistories) {
  const Causes causes = Of("node 3 has another state of group 1 after index 1");
  for (const std::string_view words :
       {"The entries at group 1, index 1", "The history of n3",
        "0.028000 s: ends: loss of power", "The leaders of group 1",
        "n2 is leader of term 3", "The last faults before it"}) {
    EXPECT_TRUE(Has(causes, words)) << words;
  }
  EXPECT_FALSE(Has(causes, "The history of n1"));
}

TEST_F(CausesTest, NoViolation_NoCauses) {
  input_ = example_.input();
  input_.violations.clear();
  const Causes causes = CausesOf(ViewedRun(input_));
  EXPECT_TRUE(causes.list.empty());
  EXPECT_EQ(causes.focus, example_.input().trace->size());
}

}  // namespace
}  // namespace quorate::sim
