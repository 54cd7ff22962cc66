#include "env/check.h"

#include <cstdio>
#include <string>

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(Check, TrueCondition_EvaluatesNothingElse) {
  int streamed = 0;
  CHECK(true) << ++streamed;
  CHECK_EQ(1, 1) << ++streamed;
  EXPECT_EQ(streamed, 0);
}

TEST(CheckDeathTest, FalseComparison_PrintsBothValues) {
  EXPECT_DEATH(CHECK_LE(7, 3) << "group 2", "7 <= 3 \\(7 vs 3\\) group 2");
  EXPECT_DEATH(CHECK(false) << "why", "check_test.cc.*false why");
}

TEST(CheckDeathTest, Handler_GetsTheMessageBeforeTheAbort) {
  EXPECT_DEATH(
      {
        SetCheckHandler([](std::string_view message) {
          std::fprintf(stderr, "handled: %s", std::string(message).c_str());
        });
        CHECK_EQ(1, 2);
      },
      "handled: .*1 == 2");
}

}  // namespace
}  // namespace quorate
