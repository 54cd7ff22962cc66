#include "lincheck/models/sight.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::lincheck {
namespace {

Datum Text(const std::string& text) {
  Datum datum;
  datum.Append(text);
  return datum;
}
Datum Number(int64_t n) {
  Datum datum;
  datum.AssignInteger(n);
  return datum;
}
Datum Blurred(const Sight& sight, Datum datum) {
  sight.Blur(&datum);
  return datum;
}

TEST(Sight, ValuesWithoutAnObserver_AreOne) {
  Sight sight;
  sight.Add(Text("abc"));
  sight.Add(Value::Integer(7));
  const Datum other = Blurred(sight, Text("b"));
  EXPECT_EQ(Blurred(sight, Text("abcd")), other);
  EXPECT_EQ(Blurred(sight, Number(8)), other);
  EXPECT_EQ(Blurred(sight, other), other);
  for (const Datum& kept :
       {Text("abc"), Text("ab"), Text(""), Number(7), Datum()}) {
    EXPECT_EQ(Blurred(sight, kept), kept) << kept.ToString();
  }
}

TEST(Sight, NumberThatMayGrowIntoAText_IsKept) {
  Sight sight;
  sight.Add(Text("12x"));
  EXPECT_EQ(Blurred(sight, Number(12)), Number(12));
  EXPECT_NE(Blurred(sight, Number(2)), Number(2));
}

TEST(Sight, TooManyToCompare_EverythingIsKept) {
  Sight sight;
  for (int i = 0; i < 65; ++i) sight.Add(Value::Integer(i));
  EXPECT_EQ(Blurred(sight, Number(99)), Number(99));
}

TEST(Sight, NameOfTheOtherIsLookedFor_EverythingIsKept) {
  Sight sight;
  sight.Add(Text("x"));
  const Datum other = Blurred(sight, Text("y"));
  sight.Add(other);
  EXPECT_EQ(Blurred(sight, Text("y")), Text("y"));
}

}  // namespace
}  // namespace quorate::lincheck
