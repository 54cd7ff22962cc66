#include "node/protocol/http_parser.h"

#include <algorithm>
#include <memory>

#include "gtest/gtest.h"
#include "node/base/text.h"
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
      const HttpRequest request = parser.TakeRequest();
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
    "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nA: b\r\n\r\n"
    "DELETE /v1/kv/d HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"
    "GET /livez HTTP/1.0\r\n\r\n";

TEST(HttpParser_Pipeline, ReturnsEveryRequest) {
  const Parsed parsed = Parse(kPipeline, {});
  const std::vector<std::string> expected = {
      "GET /v1/kv/a?x=1 [] keep", "PUT /v1/kv/b [hello] keep",
      "PUT /v1/kv/c [abcdefg] keep", "DELETE /v1/kv/d [] keep",
      "GET /livez [] close"};
  EXPECT_EQ(parsed.requests, expected);
  EXPECT_EQ(parsed.status, 0);
}

RC_GTEST_PROP(HttpParser_Pipeline, AnySplit_ReturnsEqualRequests, ()) {
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, kPipeline.size() + 1));
  RC_ASSERT(Parse(kPipeline, cuts) == Parse(kPipeline, {}));
}

RC_GTEST_PROP(HttpParser_MutatedPipeline, AnySplit_ReturnsEqualRequests, ()) {
  std::string bytes = kPipeline;
  const auto place = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[place] = *rc::gen::arbitrary<char>();
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(Parse(bytes, cuts) == Parse(bytes, {}));
}

// A request with these lines between the Host header and the empty line.
std::string Get(std::string_view lines) {
  return Concat("GET / HTTP/1.1\r\nHost: h\r\n", lines, "\r\n");
}
std::string Chunked(std::string_view body) {
  return Concat(
      "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", body);
}

TEST(HttpParser_BadInput, HasAnErrorStatus) {
  const std::pair<std::string, int> rows[] = {
      {"GARBAGE\r\n\r\n", 400},
      {"GET\r\n", 400},
      {"GET /\r\n", 400},
      {"GET / HTT\r\n", 400},
      {"GET / HTTP/9.9\r\n", 505},
      {"PRI * HTTP/2.0\r\n", 505},
      {"GET / HTTP/0.9\r\n", 505},
      {"GET / HTTP/1.2\r\n", 505},
      {"GET / HTTP/2\r\n", 400},
      {"GET / HTTQ/2.0\r\n", 400},
      {"GET / HTTP/x.0\r\n", 400},
      {"*1\r\n$4\r\nPING\r\n", 400},
      {"\x16\x03\x01", 400},
      {"GET  / HTTP/1.1\r\n", 400},
      {" GET / HTTP/1.1\r\n", 400},
      {"GET v1 HTTP/1.1\r\n", 400},
      {"GET ftp://h/ HTTP/1.1\r\n", 400},
      {"GET http:///v1 HTTP/1.1\r\n", 400},
      {"CONNECT h:80 HTTP/1.1\r\n", 400},
      {std::string("\0\0\0\0", 4), 400},
      {Get("Content-Length: 2001\r\n"), 413},
      {Chunked(Concat("7d1\r\n", std::string(2001, 'x'))), 413},
      {Chunked(Concat("3e8\r\n", std::string(1000, 'x'), "\r\n3e9\r\n")), 413},
      {"GET /" + std::string(1001, 'x'), 431},
      {Get(Concat("A: ", std::string(1001, 'x'))), 431},
      {Chunked(Concat("1;", std::string(1001, 'x'))), 431},
      {Chunked(Concat("0\r\nA: ", std::string(1001, 'x'))), 431},
      {Get("Transfer-Encoding: gzip, chunked\r\n"), 501},
      {Get("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"), 501},
  };
  for (const auto& [bytes, status] : rows) {
    EXPECT_EQ(Parse(bytes, {}).status, status) << bytes.substr(0, 80);
  }
}

// A proxy in front of the node could read each of these differently.
TEST(HttpParser_AmbiguousMessages, AreRefused) {
  const std::string rows[] = {
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost : h\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
      "GET / HTTP/1.1\r\n Host: h\r\n\r\n",
      "GET / HTTP/1.1\nHost: h\n\n",
      Get("Host: h\r\n"),
      Get("Content-Length : 3\r\n"),
      Get("Transfer-Encoding : chunked\r\n"),
      Get("Content-Length\t: 3\r\n"),
      Get("Content Length: 3\r\n"),
      Get(": 3\r\n"),
      Get("A\r\n"),
      Get("A: b\r\n c\r\n"),
      Get("A: b\r\n\tc\r\n"),
      Get("A: b\nC: d\r\n"),
      Get("A: b\rC: d\r\n"),
      Get(std::string_view("A: \0\r\n", 6)),
      Get(std::string_view("A\0: b\r\n", 7)),
      Get("Content-Length: x\r\n"),
      Get("Content-Length: -1\r\n"),
      Get("Content-Length: +1\r\n"),
      Get("Content-Length: 0x1\r\n"),
      Get("Content-Length: 1 1\r\n"),
      Get("Content-Length:\r\n"),
      Get("Content-Length: 99999999999999999999\r\n"),
      Get("Content-Length: 1\r\nContent-Length: 2\r\n"),
      Get("Content-Length: 1\r\nContent-Length: 1\r\n"),
      Get("Content-Length: 1, 1\r\n"),
      Get("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"),
      Get("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"),
      Get("Transfer-Encoding: xchunked\r\n"),
      Get("Transfer-Encoding: xchunked\r\nContent-Length: 1\r\n"),
      Get("Transfer-Encoding: chunked, gzip\r\n"),
      Get("Transfer-Encoding: \"chunked\"\r\n"),
      Get("Transfer-Encoding:\r\n"),
      Get("Transfer-Encoding: chunked, chunked\r\n"),
      Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
      Get("Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n"),
      "PUT / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
      Chunked("x\r\n"),
      Chunked("\r\n"),
      Chunked(" 1\r\n"),
      Chunked("-1\r\n"),
      Chunked("0x1\r\n"),
      Chunked("1 \r\n"),
      Chunked("1\n"),
      Chunked("1;a=\"\n\"\r\n"),
      Chunked("1;a=\"\r\nx\r\n0\r\n\r\n"),
      Chunked("0;a=\"\r\n\r\n"),
      Chunked("1;\r\n"),
      Chunked("fffffffffffffffff\r\n"),
      Chunked("1\r\nxy"),
      Chunked("1\r\nx\n"),
      Chunked("1\r\nx\r\n\r\n"),
      Chunked("0\r\nA : b\r\n\r\n"),
      Chunked("0\r\nA: b\r\n c\r\n\r\n"),
      Chunked("0\r\nContent-Length: 1\r\n\r\n"),
      Chunked("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
  };
  for (const std::string& bytes : rows) {
    const Parsed parsed = Parse(bytes, {});
    EXPECT_EQ(parsed.status, 400) << bytes;
    EXPECT_TRUE(parsed.requests.empty()) << bytes;
  }
}

TEST(HttpParser_Upgrade, IsIgnored) {
  const Parsed parsed =
      Parse(Concat(Get("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                       "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n"),
                   Get("")),
            {});
  const std::vector<std::string> expected = {"GET / [] keep", "GET / [] keep"};
  EXPECT_EQ(parsed.requests, expected);
  EXPECT_EQ(parsed.status, 0);
}

TEST(HttpParser_Persistence, FollowsVersionAndConnection) {
  const std::pair<std::string, bool> rows[] = {
      {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", true},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\nHost: h\r\nConnection: x\r\n"
       "Connection: y, CLOSE\r\n\r\n",
       false},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false},
  };
  for (const auto& [bytes, keep] : rows) {
    HttpParser parser(kLimits);
    parser.Feed(bytes);
    ASSERT_EQ(parser.Next(), HttpParser::Result::kRequest) << bytes;
    const HttpRequest request = parser.TakeRequest();
    EXPECT_EQ(request.keep_alive, keep) << bytes;
    EXPECT_EQ(request.minor_version,
              bytes.find("HTTP/1.1") == std::string::npos ? 0 : 1);
  }
}

TEST(HttpParser_Target, HasNoSchemeAndAuthority) {
  const std::pair<std::string, std::string> rows[] = {
      {"/v1/kv/a?b#c", "/v1/kv/a?b#c"},
      {"http://h:8001/v1/kv/a?b", "/v1/kv/a?b"},
      {"HTTP://h/a/b", "/a/b"},
      {"https://h", "/"},
      {"http://h?a=/b", "/?a=/b"},
      {"*", "*"},
  };
  for (const auto& [sent, expected] : rows) {
    const std::string bytes =
        Concat("GET ", sent, " HTTP/1.1\r\nHost: h\r\n\r\n");
    HttpParser parser(kLimits);
    parser.Feed(bytes);
    ASSERT_EQ(parser.Next(), HttpParser::Result::kRequest) << sent;
    EXPECT_EQ(parser.TakeRequest().target, expected);
  }
}

TEST(HttpParser_EmptyLines_BeforeARequest, AreIgnored) {
  const Parsed parsed = Parse(Concat("\r\n", Get(""), "\r\n\r\n", Get("")), {});
  EXPECT_EQ(parsed.requests.size(), 2u);
  EXPECT_EQ(parsed.status, 0);
  HttpParser parser(kLimits);
  parser.Feed("\r\n");
  EXPECT_EQ(parser.Next(), HttpParser::Result::kNeedMore);
  EXPECT_EQ(parser.partial_bytes(), 0u);
}

// An idle connection keeps neither body nor headers of its last request.
TEST(HttpParser_LargeRequest, FreesItsMemoryAfterUse) {
  const std::string body(1'000'000, 'x');
  const std::string head =
      Concat("PUT /", std::string(50'000, 'k'),
             " HTTP/1.1\r\nHost: h\r\nA: ", std::string(50'000, 'a'), "\r\n");
  for (const std::string& bytes :
       {Concat(head, "Content-Length: ", body.size(), "\r\n\r\n", body),
        Concat(head, "Transfer-Encoding: chunked\r\n\r\nf4240\r\n", body,
               "\r\n0\r\n\r\n")}) {
    for (const bool drop : {false, true}) {
      HttpParser parser(
          {.header_bytes_max = 200'000, .body_bytes_max = 1'000'000});
      HttpParser::Result result = HttpParser::Result::kNeedMore;
      size_t most = 0;
      for (size_t at = 0; at < bytes.size(); at += 10'000) {
        parser.Feed(std::string_view(bytes).substr(at, 10'000));
        result = parser.Next();
        parser.Detach();
        most = std::max(most, parser.held_bytes());
      }
      EXPECT_GT(most, body.size());
      ASSERT_EQ(result, HttpParser::Result::kRequest);
      if (drop) {
        parser.Drop();
      } else {
        EXPECT_EQ(parser.TakeRequest().body, body);
      }
      EXPECT_LE(parser.held_bytes(), size_t{16} << 10);
    }
  }
}

TEST(HttpParser_Limits, AreReachedExactly) {
  const std::string head = "GET / HTTP/1.1\r\nHost: h\r\nA: ";
  for (const size_t limit : {size_t{512}, size_t{100'000}, size_t{1} << 20}) {
    for (const bool over : {false, true}) {
      HttpParser parser({.header_bytes_max = limit});
      const std::string value(limit - head.size() - 4 + (over ? 1 : 0), 'x');
      const std::string bytes = Concat(head, value, "\r\n\r\n");
      for (size_t at = 0; at < bytes.size(); at += 1000) {
        parser.Feed(std::string_view(bytes).substr(at, 1000));
        if (at + 1000 < bytes.size()) {
          ASSERT_EQ(parser.Next(), HttpParser::Result::kNeedMore);
          parser.Detach();
        }
      }
      const HttpParser::Result result = parser.Next();
      if (over) {
        EXPECT_EQ(result, HttpParser::Result::kError);
        EXPECT_EQ(parser.error_status(), 431);
        EXPECT_NE(parser.error().find("request line and headers"),
                  std::string::npos);
      } else {
        ASSERT_EQ(result, HttpParser::Result::kRequest);
        const HttpRequest request = parser.TakeRequest();
        EXPECT_EQ(*request.Header("a"), value);
      }
    }
  }
  const std::string body(2000, 'x');
  for (const std::string& request :
       {Concat("PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2000\r\n\r\n",
               body),
        Chunked(Concat("7d0\r\n", body, "\r\n0\r\n\r\n"))}) {
    EXPECT_EQ(Parse(request, {}).requests,
              std::vector<std::string>{Concat("PUT / [", body, "] keep")});
  }
}

TEST(HttpParser_TooLargeBody, NamesTheLimit) {
  HttpParser parser(kLimits);
  const std::string bytes = Get("Content-Length: 2001\r\n");
  parser.Feed(bytes);
  ASSERT_EQ(parser.Next(), HttpParser::Result::kError);
  EXPECT_EQ(parser.error(), "the body has more than 2000 bytes");
}

TEST(HttpParser_DemandsThatNothingMeets, AreErrorsBeforeTheBody) {
  for (const auto& [header, status] :
       {std::pair("Expect: 100-continue, more", 417),
        {"Expect: x", 417},
        {"Expect:", 417},
        {"Content-Encoding: gzip", 415},
        {"Content-Encoding: identity, br", 415},
        {"Content-Encoding:", 415},
        {"Content-Encoding: Identity", 0},
        {"Expect: 100-Continue", 0}}) {
    HttpParser parser({.header_bytes_max = 1000, .body_bytes_max = 2000});
    const std::string bytes = Concat("PUT / HTTP/1.1\r\nHost: h\r\n", header,
                                     "\r\nContent-Length: 3\r\n\r\n");
    parser.Feed(bytes);
    EXPECT_EQ(parser.Next(), status == 0 ? HttpParser::Result::kNeedMore
                                         : HttpParser::Result::kError)
        << header;
    EXPECT_EQ(parser.error_status(), status) << header;
  }
}

TEST(HttpParser_ExpectContinue, IsReportedUntilTheBodyBegins) {
  const auto due = [](std::string_view bytes) {
    HttpParser parser(kLimits);
    parser.Feed(bytes);
    parser.Next();
    return parser.TakeExpectsContinue();
  };
  const std::string head =
      Concat("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\n",
             "Content-Length: 3\r\n\r\n");
  const std::string chunked =
      Concat("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n",
             "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_TRUE(due(head));
  EXPECT_TRUE(due(chunked));
  EXPECT_FALSE(due(head.substr(0, head.size() - 1)));
  EXPECT_FALSE(due(head + "a"));
  EXPECT_FALSE(due(head + "abc"));
  EXPECT_FALSE(due(chunked + "3"));
  EXPECT_FALSE(due(Get("Expect: 100-continue\r\n")));
  EXPECT_FALSE(
      due("PUT / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n"
          "\r\n"));
  HttpParser once(kLimits);
  once.Feed(head);
  once.Next();
  EXPECT_TRUE(once.TakeExpectsContinue());
  EXPECT_FALSE(once.TakeExpectsContinue());
}

// Valid and invalid pieces of messages in any order.
RC_GTEST_PROP(HttpParser_AnyPieces, AnySplit_ReturnsEqualRequests, ()) {
  static const std::vector<std::string> kPieces = {
      Get(""),
      Chunked(""),
      Chunked("3\r\nabc\r\n"),
      Get("Content-Length: 3\r\n"),
      "GET / HTTP/1.1\r\n",
      "PUT /a HTTP/1.0\r\n",
      "Host: h\r\n",
      "Content-Length: 3\r\n",
      "Transfer-Encoding: chunked\r\n",
      "Connection: close\r\n",
      "Expect: 100-continue\r\n",
      "\r\n",
      "\r\n\r\n",
      "abc",
      "3\r\nabc\r\n",
      "3;x=\"y\"\r\n",
      "3;x=\"\r\n",
      "0\r\n",
      "00\r\nTrailer: 1\r\n\r\n",
      "A: b\r\n",
      " folded\r\n",
      "A :b\r\n",
      "\r",
      "\n",
      std::string("\0", 1),
      "\xff",
      std::string(1100, 'x'),
      "7d0\r\n",
      kPipeline};
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::elementOf(kPieces));
  std::string bytes;
  for (const std::string& piece : pieces) bytes += piece;
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(Parse(bytes, cuts) == Parse(bytes, {}));
}

RC_GTEST_PROP(HttpParser_AnyBytes, AnySplit_ReturnsEqualRequests, ()) {
  const auto bytes = *rc::gen::container<std::string>(
      rc::gen::elementOf(std::string("GT/ HP1.:\r\r\n\n\t0a;=\"\x00\xff", 20)));
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(Parse(bytes, cuts) == Parse(bytes, {}));
}

TEST(HttpParser_Pipeline, ByteByByte_ReturnsEqualRequests) {
  std::vector<size_t> cuts;
  for (size_t i = 0; i < kPipeline.size(); ++i) cuts.push_back(i);
  EXPECT_EQ(Parse(kPipeline, cuts).requests, Parse(kPipeline, {}).requests);
}

TEST(HttpTarget_Escapes, AreDecoded) {
  HttpTarget target;
  ASSERT_TRUE(ParseTarget("/v1/kv/a%20b%2Fc+d?key=x+y%26&flag&=v", &target));
  EXPECT_EQ(target.path, "/v1/kv/a b/c+d");
  ASSERT_NE(target.Parameter("key"), nullptr);
  EXPECT_EQ(*target.Parameter("key"), "x y&");
  ASSERT_NE(target.Parameter("flag"), nullptr);
  EXPECT_EQ(*target.Parameter("flag"), "");
  EXPECT_EQ(target.Parameter("none"), nullptr);
}

// Without its fragment, which browsers remove before they send, the target
// would name another key.
TEST(HttpTarget_Fragment_IsRefused, AtAnyPosition) {
  for (const std::string_view text : {"/a#b", "/#", "/a?b=1#c", "#"}) {
    HttpTarget target;
    EXPECT_FALSE(ParseTarget(text, &target)) << text;
  }
  HttpTarget target;
  ASSERT_TRUE(ParseTarget("/a%23b", &target));
  EXPECT_EQ(target.path, "/a#b");
}

TEST(HttpTarget_BrokenEscape_IsRefused, AtAnyPosition) {
  for (const std::string_view text :
       {"/%", "/%2", "/%zz", "/a?b=%1", "/a?%x=1"}) {
    HttpTarget target;
    EXPECT_FALSE(ParseTarget(text, &target)) << text;
  }
}

}  // namespace
}  // namespace quorate::node
