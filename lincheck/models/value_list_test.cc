#include "lincheck/models/value_list.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::lincheck {
namespace {

RC_GTEST_PROP(ValueList, AnyItems_ComeBackAsTheyWere,
              (const std::vector<std::string>& texts, int32_t number)) {
  std::vector<Datum> items(2);
  items[1].AssignInteger(number);
  for (const std::string& text : texts) items.emplace_back().Append(text);
  std::vector<Datum> parsed;
  RC_ASSERT(ParseList(FormatList(items), &parsed));
  RC_ASSERT(parsed == items);
}

RC_GTEST_PROP(ValueList, AnyText_IsReadOrRefused, (const std::string& text)) {
  std::vector<Datum> items;
  if (ParseList("[" + text, &items)) {
    std::vector<Datum> again;
    RC_ASSERT(ParseList(FormatList(items), &again));
    RC_ASSERT(again == items);
  }
}

TEST(ValueList, Nested_IsFlattened) {
  std::vector<Datum> items;
  ASSERT_TRUE(ParseList(R"([["r", "x", null], ["w", "y", -3]])", &items));
  EXPECT_EQ(FormatList(items), R"(["r","x",null,"w","y",-3])");
}

TEST(ValueList, Malformed_IsRefused) {
  std::vector<Datum> items;
  for (const char* text : {"", "1", "[1", "[1]]", "[1,]", "[,1]", "[\"a]",
                           "[nul]", "[1 2]", "[\"\\q\"]", "[-]", "[]x"}) {
    EXPECT_FALSE(ParseList(text, &items)) << text;
  }
}

TEST(ValueList, Empty_IsAList) {
  std::vector<Datum> items(1);
  ASSERT_TRUE(ParseList(" [ ] ", &items));
  EXPECT_TRUE(items.empty());
}

}  // namespace
}  // namespace quorate::lincheck
