#include "node/base/http_date.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

WallTime At(int64_t second) { return WallTime(second * 1'000'000'000); }

// The expected texts are of `date -u`.
TEST(HttpDate_Line, HasTheFormOfRfc9110) {
  const std::pair<int64_t, std::string_view> rows[] = {
      {0, "Thu, 01 Jan 1970 00:00:00"},
      {784'111'777, "Sun, 06 Nov 1994 08:49:37"},
      {951'782'399, "Mon, 28 Feb 2000 23:59:59"},
      {951'782'400, "Tue, 29 Feb 2000 00:00:00"},
      {951'868'800, "Wed, 01 Mar 2000 00:00:00"},
      {1'704'067'199, "Sun, 31 Dec 2023 23:59:59"},
      {1'735'603'200, "Tue, 31 Dec 2024 00:00:00"},
      {1'735'689'599, "Tue, 31 Dec 2024 23:59:59"},
      {1'735'689'600, "Wed, 01 Jan 2025 00:00:00"},
      {4'107'542'400, "Mon, 01 Mar 2100 00:00:00"},
      {9'223'372'036, "Fri, 11 Apr 2262 23:47:16"},
  };
  HttpDate date;
  for (const auto& [second, expected] : rows) {
    // Both ends round to the same second.
    const WallInterval wall = {At(second), At(second) + Nanoseconds(1)};
    EXPECT_EQ(date.LineAt(wall), "Date: " + std::string(expected) + " GMT\r\n");
  }
}

TEST(HttpDate_Line, IsTheMiddleOfABoundedInterval) {
  HttpDate date;
  EXPECT_EQ(date.LineAt({At(784'111'770), At(784'111'784)}),
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
  // The clock is read again within the second, and goes back.
  EXPECT_EQ(date.LineAt({At(784'111'776), At(784'111'777)}),
            "Date: Sun, 06 Nov 1994 08:49:36 GMT\r\n");
}

TEST(HttpDate_ClockOfUnknownError, GivesItsReading) {
  HttpDate date;
  EXPECT_EQ(date.LineAt({At(784'111'777), WallTime::Max()}),
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
}

TEST(HttpDate_NoClock, GivesNoDate) {
  HttpDate date;
  EXPECT_EQ(date.LineAt({}), "");
  EXPECT_EQ(date.LineAt({WallTime::Min(), At(784'111'777)}), "");
  EXPECT_EQ(date.LineAt({At(-1), At(-1)}), "");
}

}  // namespace
}  // namespace quorate::node
