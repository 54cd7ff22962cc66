#include "sim/protocol/http.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

using Result = HttpAnswerParser::Result;

TEST(EncodeHttp, KeyIsEscaped_AndThePutHasItsLength) {
  EXPECT_EQ(EncodeHttp({.method = "PUT",
                        .key = "r1.0{2}",
                        .parameters = "?nx",
                        .body = "abc",
                        .idempotency_key = "c1-7"}),
            "PUT /v1/kv/r1.0%7b2%7d?nx HTTP/1.1\r\nHost: simulated\r\n"
            "Idempotency-Key: c1-7\r\nContent-Length: 3\r\n\r\nabc");
  EXPECT_EQ(EncodeHttp({.method = "GET", .key = "r1"}),
            "GET /v1/kv/r1 HTTP/1.1\r\nHost: simulated\r\n\r\n");
}

TEST(HttpAnswerParser, RepliesSplitAnywhere_AreReadWhole) {
  const std::string bytes =
      "HTTP/1.1 100 Continue\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n"
      "Content-Length: 64\r\n\r\n" +
      std::string(64, 'x') +
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
      "HTTP/1.1 304 Not Modified\r\nETag: \"1.4.0\"\r\n\r\n"
      "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
      "content-length: 0\r\n\r\n";
  HttpAnswerParser parser;
  std::vector<HttpAnswer> answers;
  for (const char c : bytes) {
    parser.Feed(std::string(1, c));
    HttpAnswer answer;
    while (parser.Next(&answer) == Result::kAnswer) answers.push_back(answer);
  }
  ASSERT_EQ(answers.size(), 4u);
  EXPECT_EQ(answers[0].status, 404);
  EXPECT_EQ(answers[0].body, std::string(64, 'x'));
  EXPECT_EQ(answers[1].status, 200);
  EXPECT_EQ(answers[1].body, "hello");
  EXPECT_FALSE(answers[1].closes);
  EXPECT_EQ(answers[2].status, 304);
  EXPECT_EQ(answers[2].body, "");
  EXPECT_EQ(answers[3].status, 503);
  EXPECT_EQ(answers[3].body, "");
  EXPECT_TRUE(answers[3].closes);
  EXPECT_FALSE(parser.in_answer());
}

TEST(HttpAnswerParser, OtherBytes_AreMalformed) {
  for (const char* bytes :
       {"+OK\r\n\r\n\r\n", "HTTP/1.1 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n"}) {
    HttpAnswerParser parser;
    parser.Feed(bytes);
    HttpAnswer answer;
    EXPECT_EQ(parser.Next(&answer), Result::kMalformed) << bytes;
  }
}

}  // namespace
}  // namespace quorate::sim
