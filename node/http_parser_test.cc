#include "node/http_parser.h"

#include <algorithm>
#include <memory>

#include "gtest/gtest.h"
#include "node/text.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

struct Parsed {
  std::vector<std::string> requests;  // "METHOD target [body] keep".
  int status = 0;
  friend bool operator==(const Parsed&, const Parsed&) = default;
};

constexpr HttpParser::Limits kLimits = {.header_bytes_max = 1000,
                                        .body_bytes_max = 2000};

Parsed Parse(const std::string& bytes, std::vector<size_t> cuts) {
  HttpParser parser(kLimits);
  Parsed parsed;
  cuts.push_back(bytes.size());
  std::sort(cuts.begin(), cuts.end());
  size_t begin = 0;
  for (const size_t cut : cuts) {
    const auto piece =
        std::make_unique<std::string>(bytes.substr(begin, cut - begin));
    begin = cut;
    parser.Feed(*piece);
    HttpParser::Result result;
    while ((result = parser.Next()) == HttpParser::Result::kRequest) {
      const HttpRequest& request = parser.request();
      parsed.requests.push_back(Concat(request.method, " ", request.target,
                                       " [", request.body, "] ",
                                       request.keep_alive ? "keep" : "close"));
    }
    if (result == HttpParser::Result::kError) {
      parsed.status = parser.error_status();
      return parsed;
    }
    parser.Detach();
  }
  return parsed;
}

const std::string kPipeline =
    "GET /v1/kv/a?x=1 HTTP/1.1\r\nHost: h\r\n\r\n"
    "PUT /v1/kv/b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
    "PUT /v1/kv/c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\n\r\n"
    "DELETE /v1/kv/d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    "GET /livez HTTP/1.0\r\n\r\n";

TEST(HttpParser_Pipeline, GivesEveryRequest) {
  const Parsed parsed = Parse(kPipeline, {});
  const std::vector<std::string> expected = {
      "GET /v1/kv/a?x=1 [] keep", "PUT /v1/kv/b [hello] keep",
      "PUT /v1/kv/c [abcdefg] keep", "DELETE /v1/kv/d [] keep",
      "GET /livez [] close"};
  EXPECT_EQ(parsed.requests, expected);
  EXPECT_EQ(parsed.status, 0);
}

RC_GTEST_PROP(HttpParser_Pipeline, AnySplit_GivesTheSame, ()) {
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, kPipeline.size() + 1));
  RC_ASSERT(Parse(kPipeline, cuts) == Parse(kPipeline, {}));
}

RC_GTEST_PROP(HttpParser_MutatedPipeline, AnySplit_GivesTheSame, ()) {
  std::string bytes = kPipeline;
  const auto place = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[place] = *rc::gen::arbitrary<char>();
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(Parse(bytes, cuts) == Parse(bytes, {}));
}

TEST(HttpParser_BadInput, GetsAStatus) {
  const std::pair<std::string, int> rows[] = {
      {"GARBAGE\r\n\r\n", 400},
      {"GET\r\n\r\n", 400},
      {"GET / HTTP/9.9\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400},
      {"PUT / HTTP/1.1\r\nContent-Length: 2001\r\n\r\n", 413},
      {"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n7d1\r\n" +
           std::string(2001, 'x'),
       413},
      {"GET /" + std::string(1001, 'x') + " HTTP/1.1\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nA: " + std::string(1001, 'x') + "\r\n\r\n", 431},
      {"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", 501},
      {std::string("\0\0\0\0", 4), 400},
  };
  for (const auto& [bytes, status] : rows) {
    EXPECT_EQ(Parse(bytes, {}).status, status) << bytes.substr(0, 40);
  }
}

TEST(HttpTarget_Escapes, AreUndone) {
  HttpTarget target;
  ASSERT_TRUE(ParseTarget("/v1/kv/a%20b%2Fc+d?key=x+y%26&flag&=v", &target));
  EXPECT_EQ(target.path, "/v1/kv/a b/c+d");
  ASSERT_NE(target.Parameter("key"), nullptr);
  EXPECT_EQ(*target.Parameter("key"), "x y&");
  ASSERT_NE(target.Parameter("flag"), nullptr);
  EXPECT_EQ(*target.Parameter("flag"), "");
  EXPECT_EQ(target.Parameter("none"), nullptr);
}

TEST(HttpTarget_BrokenEscape_IsRefused, WhereverItStands) {
  for (const std::string_view text :
       {"/%", "/%2", "/%zz", "/a?b=%1", "/a?%x=1"}) {
    HttpTarget target;
    EXPECT_FALSE(ParseTarget(text, &target)) << text;
  }
}

}  // namespace
}  // namespace quorate::node
