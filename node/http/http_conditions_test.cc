#include "node/http/http_conditions.h"

#include "gtest/gtest.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

using Kind = HttpWriteCondition::Kind;
using Headers = std::vector<std::pair<std::string, std::string>>;

HttpRequest With(Headers headers) {
  HttpRequest request;
  request.headers = std::move(headers);
  return request;
}

kv::Version V(uint64_t index) { return {GroupId(1), raft::Index(index), 0}; }

// The code of the refusal, or "".
std::string Read(Headers headers, HttpReadConditions* conditions) {
  const auto refusal = ReadConditions(With(std::move(headers)), conditions);
  return refusal.has_value() ? std::string(refusal->code) : "";
}

struct Written {
  HttpWriteCondition condition;
  std::string code;
  std::string message;
};

Written Write(std::string_view query, Headers headers = {}) {
  HttpTarget target;
  EXPECT_TRUE(ParseTarget(Concat("/v1/kv/k?", query), &target));
  Written written;
  const auto refusal =
      WriteCondition(With(std::move(headers)), target, &written.condition);
  if (refusal.has_value()) {
    written.code = refusal->code;
    written.message = refusal->message;
  }
  return written;
}

// RFC 9110 13.1.1 compares strongly, 13.1.2 weakly.
TEST(HttpConditions_TagsOfReads, AreComparedAsRfc9110Says) {
  struct Row {
    std::string value;
    bool match;       // V(4) matches it in If-Match.
    bool none_match;  // … in If-None-Match.
  };
  const Row rows[] = {
      {"\"1.4.0\"", true, true},
      {"*", true, true},
      {"\"1.5.0\"", false, false},
      {"W/\"1.4.0\"", false, true},
      {"\"1.5.0\", \"1.4.0\"", true, true},
      {" , \"1.5.0\" ,,\t\"1.4.0\",", true, true},
      {"W/\"1.4.0\", \"1.5.0\"", false, true},
      {"\"a,b\", \"1.4.0\"", true, true},
      {"\"01.4.0\"", false, false},
      {"\"1.4.00\"", false, false},
      {"\"1.4\"", false, false},
      {"\"\"", false, false},
      {"\"0.0.0\"", false, false},
      {"\"abc\"", false, false},
  };
  for (const Row& row : rows) {
    HttpReadConditions conditions;
    EXPECT_EQ(Read({{"if-match", row.value}}, &conditions), "") << row.value;
    ASSERT_TRUE(conditions.match.has_value()) << row.value;
    EXPECT_FALSE(conditions.none_match.has_value());
    EXPECT_EQ(conditions.match->Matches(V(4)), row.match) << row.value;
    EXPECT_EQ(Read({{"if-none-match", row.value}}, &conditions), "");
    ASSERT_TRUE(conditions.none_match.has_value()) << row.value;
    EXPECT_EQ(conditions.none_match->Matches(V(4)), row.none_match)
        << row.value;
  }
}

TEST(HttpConditions_SeveralLines, AreOneList) {
  HttpReadConditions conditions;
  EXPECT_EQ(
      Read({{"if-match", "\"1.5.0\""}, {"a", "b"}, {"if-match", "\"1.4.0\""}},
           &conditions),
      "");
  EXPECT_TRUE(conditions.match->Matches(V(4)));
  EXPECT_TRUE(conditions.match->Matches(V(5)));
  EXPECT_FALSE(conditions.match->Matches(V(6)));
}

TEST(HttpConditions_MalformedTags, AreRefused) {
  for (const std::string_view value :
       {"1.4.0", "\"1.4.0", "1.4.0\"", "w/\"1.4.0\"", "\"1.4.0\"\"1.5.0\"",
        "\"1.4.0\" \"1.5.0\"", "*, \"1.4.0\"", "\"1.4.0\", *", "", ",", "**",
        "\"a b\"", "W/*", "\"1.4.0\";q=1"}) {
    for (const std::string_view name : {"if-match", "if-none-match"}) {
      HttpReadConditions conditions;
      const Headers headers = {{std::string(name), std::string(value)}};
      EXPECT_EQ(Read(headers, &conditions), "BAD_CONDITION") << value;
      EXPECT_EQ(Write("", headers).code, "BAD_CONDITION") << value;
    }
  }
  HttpReadConditions conditions;
  EXPECT_EQ(Read({{"if-match", "*"}, {"if-match", "\"1.4.0\""}}, &conditions),
            "BAD_CONDITION");
  EXPECT_EQ(Read({{"if-match", "*"}, {"if-match", "*"}}, &conditions),
            "BAD_CONDITION");
}

TEST(HttpConditions_OfWrites, BecomeOneConditionOfTheStore) {
  const auto expect = [](const Written& written, Kind kind,
                         const kv::Version& version = {}) {
    EXPECT_EQ(written.code, "") << written.message;
    EXPECT_EQ(written.condition.kind, kind) << written.condition.source;
    EXPECT_EQ(written.condition.version, version) << written.condition.source;
  };
  expect(Write(""), Kind::kNone);
  expect(Write("cas=0"), Kind::kAbsent);
  expect(Write("cas=0.0.0"), Kind::kAbsent);
  expect(Write("nx"), Kind::kAbsent);
  expect(Write("cas=1.4.0"), Kind::kVersion, V(4));
  expect(Write("", {{"if-match", "*"}}), Kind::kPresent);
  expect(Write("", {{"if-match", "\"1.4.0\""}}), Kind::kVersion, V(4));
  expect(Write("", {{"if-match", "\"1.4.0\", \"1.4.0\""}}), Kind::kVersion,
         V(4));
  expect(Write("", {{"if-none-match", "*"}}), Kind::kAbsent);
  // Weak tags and others that match nothing leave one.
  expect(Write("", {{"if-match", "\"x\", W/\"1.5.0\", \"1.4.0\""}}),
         Kind::kVersion, V(4));
  // The same twice, and one that implies the other.
  expect(Write("cas=0&nx"), Kind::kAbsent);
  expect(Write("nx", {{"if-none-match", "*"}}), Kind::kAbsent);
  expect(Write("cas=0", {{"if-none-match", "*"}}), Kind::kAbsent);
  expect(Write("cas=1.4.0", {{"if-match", "\"1.4.0\""}}), Kind::kVersion, V(4));
  expect(Write("cas=1.4.0", {{"if-match", "*"}}), Kind::kVersion, V(4));
  // RFC 9110 13.1.4: If-Match replaces it.
  expect(Write("", {{"if-unmodified-since", "x"}, {"if-match", "*"}}),
         Kind::kPresent);
}

// Such a condition is false for every value, and for an absent key as well.
TEST(HttpConditions_TagsThatMatchNothing, AreNoConditionOnAnAbsentKey) {
  for (const std::string_view value :
       {"\"abc\"", "W/\"1.4.0\"", "\"0.0.0\"", "\"1.0.0\"", "\"01.4.0\""}) {
    const Written written = Write("", {{"if-match", std::string(value)}});
    EXPECT_EQ(written.code, "");
    EXPECT_EQ(written.condition.kind, Kind::kVersion) << value;
    EXPECT_FALSE(written.condition.version.none()) << value;
    EXPECT_NE(written.condition.version, V(4)) << value;
  }
}

TEST(HttpConditions_ThatExcludeEachOther, AreNamed) {
  struct Row {
    std::string_view query;
    Headers headers;
    std::string_view first;
    std::string_view second;
  };
  const Row rows[] = {
      {"cas=1.4.0&nx", {}, "cas", "nx"},
      {"cas=1.4.0", {{"if-match", "\"1.5.0\""}}, "cas", "If-Match"},
      {"cas=1.4.0", {{"if-match", "\"abc\""}}, "cas", "If-Match"},
      {"cas=0", {{"if-match", "*"}}, "cas", "If-Match"},
      {"nx", {{"if-match", "*"}}, "nx", "If-Match"},
      {"nx", {{"if-match", "\"1.4.0\""}}, "nx", "If-Match"},
      {"cas=1.4.0", {{"if-none-match", "*"}}, "cas", "If-None-Match"},
      {"",
       {{"if-match", "*"}, {"if-none-match", "*"}},
       "If-Match",
       "If-None-Match"},
      {"",
       {{"if-none-match", "*"}, {"if-match", "\"1.4.0\""}},
       "If-Match",
       "If-None-Match"},
  };
  for (const Row& row : rows) {
    const Written written = Write(row.query, row.headers);
    EXPECT_EQ(written.code, "MALFORMED") << row.query;
    EXPECT_TRUE(written.message.starts_with(
        Concat(row.first, " and ", row.second, " exclude each other")))
        << written.message;
  }
}

TEST(HttpConditions_ThatTheStoreCannotCheck, AreRefused) {
  for (const auto& [name, value] :
       Headers{{"if-match", "\"1.4.0\", \"1.5.0\""},
               {"if-none-match", "\"1.4.0\""},
               {"if-none-match", "W/\"1.4.0\""},
               {"if-none-match", "\"abc\""},
               {"if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
               {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
               {"if-range", "\"1.4.0\""},
               {"if-matches", "\"1.4.0\""},
               {"if", "(<urn:x>)"},
               {"range", "bytes=0-1"},
               {"content-range", "bytes 0-1/2"}}) {
    const Written written = Write("", {{name, value}});
    EXPECT_EQ(written.code, "NOT_SUPPORTED") << name << ": " << value;
    const auto refusal = RefuseConditions(With({{name, value}}), "use another");
    ASSERT_TRUE(refusal.has_value()) << name;
    EXPECT_EQ(refusal->code, "NOT_SUPPORTED");
    EXPECT_EQ(refusal->message,
              Concat("'", name, "' is not supported here; use another"));
  }
  EXPECT_FALSE(RefuseConditions(With({{"iffy", "a"}}), "").has_value());
}

TEST(HttpConditions_OfReads, InOtherForms_AreRefused) {
  HttpReadConditions conditions;
  for (const auto& [name, value] :
       Headers{{"if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
               {"if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"},
               {"if-range", "\"1.4.0\""},
               {"if-matches", "\"1.4.0\""},
               {"if", "(<urn:x>)"},
               {"range", "bytes=0-1"},
               {"range", "x"},
               {"content-range", "bytes 0-1/2"}}) {
    EXPECT_EQ(Read({{name, value}}, &conditions), "NOT_SUPPORTED") << name;
    const auto refusal = ReadConditions(With({{name, value}}), &conditions);
    EXPECT_TRUE(refusal->message.find("leave this header out") !=
                    std::string::npos ||
                refusal->message.find("If-None-Match") != std::string::npos)
        << refusal->message;
  }
  // The condition on a date is ignored beside the one that replaces it, and
  // beside that one only.
  const std::pair<std::string, std::string> match = {"if-match", "*"};
  const std::pair<std::string, std::string> none = {"if-none-match", "*"};
  EXPECT_EQ(Read({{"if-unmodified-since", "x"}, match}, &conditions), "");
  EXPECT_EQ(Read({{"if-modified-since", "x"}, none}, &conditions), "");
  EXPECT_EQ(Read({{"if-modified-since", "x"}, match}, &conditions),
            "NOT_SUPPORTED");
  EXPECT_EQ(Read({{"if-unmodified-since", "x"}, none}, &conditions),
            "NOT_SUPPORTED");
  EXPECT_EQ(Read({{"range", "bytes=0-1"}, match}, &conditions),
            "NOT_SUPPORTED");
  EXPECT_EQ(Read({{"iffy", "x"}, {"ranges", "x"}}, &conditions), "");
  EXPECT_TRUE(conditions.empty());
}

}  // namespace
}  // namespace quorate::node
