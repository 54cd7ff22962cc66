#include "node/base/http_date.h"

#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kDaySeconds = 86'400;
// 1970-01-01 was a Thursday.
constexpr std::string_view kDayNames[] = {"Thu", "Fri", "Sat", "Sun",
                                          "Mon", "Tue", "Wed"};
constexpr std::string_view kMonthNames[] = {"Jan", "Feb", "Mar", "Apr",
                                            "May", "Jun", "Jul", "Aug",
                                            "Sep", "Oct", "Nov", "Dec"};
constexpr int64_t kMonthDays[] = {31, 28, 31, 30, 31, 30,
                                  31, 31, 30, 31, 30, 31};

bool IsLeap(int64_t year) {
  return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

void AppendTwoDigits(int64_t number, std::string* out) {
  Append(out, number / 10, number % 10);
}

std::string Format(int64_t second) {
  int64_t day = second / kDaySeconds;
  const int64_t of_day = second % kDaySeconds;
  const std::string_view day_name = kDayNames[day % 7];
  int64_t year = 1970;
  for (; day >= 365 + IsLeap(year); ++year) day -= 365 + IsLeap(year);
  int month = 0;
  const auto days = [&] {
    return kMonthDays[month] + (month == 1 && IsLeap(year));
  };
  for (; day >= days(); ++month) day -= days();
  std::string line = Concat("Date: ", day_name, ", ");
  AppendTwoDigits(day + 1, &line);
  Append(&line, ' ', kMonthNames[month], ' ', year, ' ');
  AppendTwoDigits(of_day / 3'600, &line);
  line += ':';
  AppendTwoDigits(of_day / 60 % 60, &line);
  line += ':';
  AppendTwoDigits(of_day % 60, &line);
  line += " GMT\r\n";
  return line;
}

}  // namespace

std::string_view HttpDate::LineAt(const WallInterval& wall) {
  // The reading is in the middle of a bounded interval. If its error is not
  // known, it is near the earliest end.
  const WallTime time = wall.bounded()
                            ? wall.earliest + (wall.latest - wall.earliest) / 2
                            : wall.earliest;
  // No machine of this program runs before 1970, but a clock may say so.
  if (time < WallTime()) return {};
  const int64_t second = time.ns() / kSecondNs;
  if (line_.empty() || second != second_) {
    second_ = second;
    line_ = Format(second);
  }
  return line_;
}

}  // namespace quorate::node
