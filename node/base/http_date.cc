#include "node/base/http_date.h"

#include <cstddef>

#include "absl/time/civil_time.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
// The week of Abseil begins on Monday.
constexpr std::string_view kDayNames[] = {"Mon", "Tue", "Wed", "Thu",
                                          "Fri", "Sat", "Sun"};
constexpr std::string_view kMonthNames[] = {"Jan", "Feb", "Mar", "Apr",
                                            "May", "Jun", "Jul", "Aug",
                                            "Sep", "Oct", "Nov", "Dec"};

void AppendTwoDigits(int64_t number, std::string* out) {
  Append(out, number / 10, number % 10);
}

std::string Format(int64_t second) {
  const absl::CivilSecond time = absl::CivilSecond(1970) + second;
  const auto weekday = static_cast<size_t>(absl::GetWeekday(time));
  std::string line = Concat("Date: ", kDayNames[weekday], ", ");
  AppendTwoDigits(time.day(), &line);
  Append(&line, ' ', kMonthNames[time.month() - 1], ' ', time.year(), ' ');
  AppendTwoDigits(time.hour(), &line);
  line += ':';
  AppendTwoDigits(time.minute(), &line);
  line += ':';
  AppendTwoDigits(time.second(), &line);
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
