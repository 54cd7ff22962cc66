#include "lincheck/page/page.h"

#include <memory>
#include <string>
#include <string_view>

#include "gtest/gtest.h"
#include "lincheck/check/checker.h"
#include "lincheck/formats/read.h"
#include "lincheck/models/registry.h"
#include "lincheck/page/page_assets.h"
#include "lincheck/testing/memory_source.h"

namespace quorate::lincheck {
namespace {

Recording Read(std::string_view text) {
  MemorySource source(text);
  return *ReadHistory(&source, {});
}

std::string PageOf(const Recording& recording, std::string_view title) {
  const std::unique_ptr<Model> model = FindModel(recording.model)->make();
  const Verdict verdict = Check(recording.history, *model);
  return MakePage({.title = title,
                   .recording = &recording,
                   .model = model.get(),
                   .verdict = &verdict});
}

// The input of the page's script.
std::string_view JsonOf(std::string_view page) {
  constexpr std::string_view kBegin = "id=\"history-json\">";
  const size_t begin = page.find(kBegin) + kBegin.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

size_t Count(std::string_view text, std::string_view what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != text.npos;
       at = text.find(what, at + 1)) {
    ++count;
  }
  return count;
}

constexpr std::string_view kStale =
    "{\"lincheck\":1,\"model\":\"register\",\"unit\":\"ms\"}\n"
    "{\"event\":\"fault\",\"at\":1005,\"until\":1007,\"node\":\"n1\","
    "\"text\":\"</script><b>&\"}\n"
    "{\"client\":1,\"key\":\"k\",\"f\":\"write\",\"arg\":\"a\",\"invoke\":1001,"
    "\"return\":1002}\n"
    "{\"client\":1,\"key\":\"k\",\"f\":\"write\",\"arg\":\"b\",\"invoke\":1003,"
    "\"return\":1004}\n"
    "{\"client\":2,\"key\":\"k\",\"f\":\"read\",\"result\":\"a\","
    "\"invoke\":1005,\"return\":1006}\n"
    "{\"client\":3,\"key\":\"other\",\"f\":\"write\",\"arg\":1,"
    "\"invoke\":1005}\n";

TEST(Page, WrongHistory_HasItsCounterExample) {
  const std::string page = PageOf(Read(kStale), "a < b & c");
  EXPECT_NE(page.find("<title>a &lt; b &amp; c</title>"), page.npos);
  const std::string_view json = JsonOf(page);
  EXPECT_NE(json.find("\"verdict\":\"false\""), json.npos) << json;
  EXPECT_NE(json.find("\"key\":\"k\""), json.npos);
  EXPECT_NE(json.find("\"origin\":\"1001\""), json.npos);
  // Client, key, from, to, call, result, part of the counter-example.
  EXPECT_NE(json.find("[2,0,4,5,\"read()\",\"\\\"a\\\"\",1]"), json.npos);
  EXPECT_NE(json.find("[3,1,4,null,\"write(1)\",null,0]"), json.npos);
  EXPECT_NE(json.find("[\"fault\",4,6,\"n1\","), json.npos);
}

TEST(Page, RightHistory_HasNone) {
  const std::string page = PageOf(
      Read(
          "{\"lincheck\":1,\"model\":\"register\"}\n"
          "{\"client\":1,\"f\":\"write\",\"arg\":1,\"invoke\":1,\"return\":2}"),
      "right");
  const std::string_view json = JsonOf(page);
  EXPECT_NE(json.find("\"verdict\":\"true\""), json.npos);
  EXPECT_NE(json.find("\"orders\":[]"), json.npos);
}

TEST(Page, IsWholeAndLoadsNothing) {
  const std::string page = PageOf(Read(kStale), "@DATA@ @SCRIPT@");
  EXPECT_NE(page.find(kPageCss), page.npos);
  EXPECT_NE(page.find(kPageJs), page.npos);
  EXPECT_NE(page.find("default-src 'none'"), page.npos);
  for (std::string_view outside : {"src=\"", "href=", "url(", "@import",
                                   "fetch(", "XMLHttpRequest", "import("}) {
    EXPECT_EQ(Count(page, outside),
              // The one is a clip path of the page itself.
              std::string_view("url(") == outside ? 1U : 0U)
        << outside;
  }
}

TEST(Page, TextOfTheHistory_CannotEndTheScript) {
  const std::string page = PageOf(Read(kStale), "t");
  EXPECT_EQ(Count(page, "</script>"), 2U);
  EXPECT_EQ(JsonOf(page).find('<'), std::string_view::npos);
}

TEST(Page, LongHistory_KeepsWhatIsNearTheCounterExample) {
  std::string text = "{\"lincheck\":1,\"model\":\"register\"}\n";
  const size_t count = kPageOperationsMax + 5000;
  for (size_t i = 0; i < count; ++i) {
    const std::string at = std::to_string(10 * i);
    const std::string end = std::to_string(10 * i + 5);
    // The last read is stale.
    text +=
        "{\"client\":0,\"f\":\"" +
        (i + 1 < count ? "write\",\"arg\":" + std::to_string(i)
                       : "read\",\"result\":" + std::to_string(count - 10)) +
        ",\"invoke\":" + at + ",\"return\":" + end + "}\n";
  }
  text += "{\"event\":\"fault\",\"at\":20,\"until\":40,\"node\":\"early\"}\n";
  text += "{\"event\":\"fault\",\"at\":20,\"until\":90000,\"node\":\"late\"}\n";
  const std::string page = PageOf(Read(text), "long");
  const std::string_view json = JsonOf(page);
  // Events that ended before the page begins are left out.
  EXPECT_EQ(json.find("\"early\""), json.npos);
  EXPECT_NE(json.find("\"late\""), json.npos);
  EXPECT_NE(json.find("\"total\":25000,\"shown\":20000"), json.npos);
  EXPECT_EQ(json.find("\"write(4999)\""), json.npos);
  EXPECT_NE(json.find("\"write(24990)\""), json.npos);
  EXPECT_NE(json.find("\"read()\",\"24990\",1]"), json.npos);
}

TEST(Page, WitnessOfALevel_IsInThePageHoweverFarItIs) {
  std::string text = "{\"lincheck\":1,\"model\":\"register\"}\n";
  const size_t count = kPageOperationsMax + 5000;
  for (size_t i = 0; i < count; ++i) {
    text += "{\"client\":0,\"f\":\"write\",\"arg\":" + std::to_string(i) +
            ",\"invoke\":" + std::to_string(10 * i) +
            ",\"return\":" + std::to_string(10 * i + 5) + "}\n";
  }
  const Recording recording = Read(text);
  const std::unique_ptr<Model> model = FindModel(recording.model)->make();
  const Verdict verdict;
  const std::string page = MakePage(
      {.title = "far",
       .recording = &recording,
       .model = model.get(),
       .verdict = &verdict,
       .levels = {{"some level", Result::kViolation, "", {count - 1}}}});
  const std::string_view json = JsonOf(page);
  EXPECT_NE(json.find("\"write(24999)\""), json.npos);
  EXPECT_NE(json.find("\"witness\":[19999]"), json.npos);
}

TEST(Page, LongOrder_IsShownFromWhereItIsToldOn) {
  std::string text = "{\"lincheck\":1,\"model\":\"cas-register\"}\n";
  for (size_t i = 0; i < 100; ++i) {
    text += "{\"client\":0,\"f\":\"write\",\"arg\":" + std::to_string(i % 2) +
            ",\"invoke\":" + std::to_string(10 * i) +
            ",\"return\":" + std::to_string(10 * i + 5) + "}\n";
  }
  text +=
      "{\"client\":1,\"f\":\"read\",\"result\":0,\"invoke\":1000,"
      "\"return\":1001}\n";
  const std::string page = PageOf(Read(text), "order");
  const std::string_view json = JsonOf(page);
  EXPECT_NE(json.find("\"blocked\":100,\"orders\":[{\"before\":11,"),
            json.npos);
  EXPECT_NE(json.find("\"1\"],\"blocked\":100}]"), json.npos);
}

TEST(Page, OtherWrongKeys_AreNamed) {
  std::string text = "{\"lincheck\":1,\"model\":\"register\"}\n";
  for (const std::string key : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
    text += "{\"client\":0,\"key\":\"" + key +
            "\",\"f\":\"read\",\"result\":7,\"invoke\":1,\"return\":2}\n";
  }
  const std::string page = PageOf(Read(text), "many");
  EXPECT_NE(JsonOf(page).find("\"key\":\"a\""), std::string_view::npos);
  EXPECT_NE(JsonOf(page).find("\"alsoWrong\":7,\"wrongKeys\":[\"b\",\"c\","
                              "\"d\",\"e\",\"f\"]"),
            std::string_view::npos);
}

TEST(Page, TimesFarApart_StayInRange) {
  const std::string page = PageOf(
      Read("{\"lincheck\":1,\"model\":\"register\"}\n"
           "{\"client\":1,\"f\":\"read\",\"result\":null,"
           "\"invoke\":-9223372036854775808,\"return\":9223372036854775806}"),
      "far");
  EXPECT_NE(JsonOf(page).find("[1,0,0,9007199254740992,"),
            std::string_view::npos);
}

}  // namespace
}  // namespace quorate::lincheck
