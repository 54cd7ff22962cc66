#include "node/protocol/resp_parser.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "node/base/text.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

using Requests = std::vector<std::vector<std::string>>;

struct ParsedResp {
  Requests requests;
  std::string error;
  friend bool operator==(const ParsedResp&, const ParsedResp&) = default;
};

constexpr RespParser::Limits kRespLimits = {.arguments_max = 1000,
                                            .bulk_bytes_max = 100'000,
                                            .request_bytes_max = 200'000,
                                            .line_bytes_max = 1024};

// Feeds `bytes` in pieces that end at `cuts`. Each piece is destroyed after
// use, so that a sanitizer reports views into it.
ParsedResp ParseResp(const std::string& bytes, std::vector<size_t> cuts) {
  RespParser parser(kRespLimits);
  ParsedResp parsed;
  cuts.push_back(bytes.size());
  std::sort(cuts.begin(), cuts.end());
  size_t begin = 0;
  for (const size_t cut : cuts) {
    const auto piece =
        std::make_unique<std::string>(bytes.substr(begin, cut - begin));
    begin = cut;
    parser.Feed(*piece);
    while (true) {
      const RespParser::Result result = parser.Next();
      if (result == RespParser::Result::kRequest) {
        parsed.requests.emplace_back(parser.arguments().begin(),
                                     parser.arguments().end());
        continue;
      }
      if (result == RespParser::Result::kError) {
        parsed.error = parser.error();
        return parsed;
      }
      break;
    }
    parser.Detach();
  }
  return parsed;
}

std::string Encode(const std::vector<std::string>& request) {
  std::string text = Concat("*", request.size(), "\r\n");
  for (const std::string& argument : request) {
    Append(&text, "$", argument.size(), "\r\n", argument, "\r\n");
  }
  return text;
}

rc::Gen<Requests> AnyRequests() {
  return rc::gen::container<Requests>(
      rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(
          rc::gen::string<std::string>())));
}

TEST(RespParser_LargeRequest, FreesItsMemoryAfterUse) {
  RespParser parser({.arguments_max = 1 << 20,
                     .bulk_bytes_max = 4 << 20,
                     .request_bytes_max = 4 << 20,
                     .line_bytes_max = 64 << 10});
  // In pieces: one large argument, then many small ones.
  std::string bytes =
      "*1\r\n$3000000\r\n" + std::string(3'000'000, 'x') + "\r\n*200000\r\n";
  for (int i = 0; i < 200'000; ++i) bytes += "$0\r\n\r\n";
  size_t most = 0;
  size_t requests = 0;
  for (size_t at = 0; at < bytes.size(); at += 100'000) {
    parser.Feed(std::string_view(bytes).substr(at, 100'000));
    while (parser.Next() == RespParser::Result::kRequest) ++requests;
    most = std::max(most, parser.held_bytes());
    parser.Detach();
  }
  EXPECT_EQ(requests, 2u);
  EXPECT_GT(most, size_t{3'000'000});
  EXPECT_LE(parser.held_bytes(), 4 * RespParser::kKeptBytes);
}

RC_GTEST_PROP(RespParser_AnyRequests, AnySplit_ReturnsThem, ()) {
  const Requests requests = *AnyRequests();
  std::string bytes;
  for (const auto& request : requests) bytes += Encode(request);
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  const ParsedResp parsed = ParseResp(bytes, cuts);
  RC_ASSERT(parsed.error.empty());
  RC_ASSERT(parsed.requests == requests);
}

RC_GTEST_PROP(RespParser_AnyBytes, AnySplit_ReturnsEqualRequests, ()) {
  // Mostly characters of the protocol, so that parsing continues after the
  // first byte.
  const auto bytes =
      *rc::gen::container<std::string>(rc::gen::weightedOneOf<char>(
          {{8, rc::gen::element('*', '$', '\r', '\n', '0', '1', '2', '-', 'a',
                                ' ', '"')},
           {1, rc::gen::arbitrary<char>()}}));
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(ParseResp(bytes, cuts) == ParseResp(bytes, {}));
}

RC_GTEST_PROP(RespParser_MutatedRequests, AnySplit_ReturnsEqualRequests, ()) {
  const Requests requests = *rc::gen::nonEmpty(AnyRequests());
  std::string bytes;
  for (const auto& request : requests) bytes += Encode(request);
  const auto place = *rc::gen::inRange<size_t>(0, bytes.size());
  bytes[place] = *rc::gen::arbitrary<char>();
  const auto cuts = *rc::gen::container<std::vector<size_t>>(
      rc::gen::inRange<size_t>(0, bytes.size() + 1));
  RC_ASSERT(ParseResp(bytes, cuts) == ParseResp(bytes, {}));
}

struct Malformed {
  std::string bytes;
  std::string error;
};

TEST(RespParser_MalformedInput, HasTheErrorTextOfRedis) {
  const Malformed rows[] = {
      {"*abc\r\n", "Protocol error: invalid multibulk length"},
      {"*1001\r\n", "Protocol error: invalid multibulk length"},
      {"*99999999999999999999\r\n", "Protocol error: invalid multibulk length"},
      {"*01\r\n", "Protocol error: invalid multibulk length"},
      {"*1\r\n$04\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$\r\n", "Protocol error: invalid bulk length"},
      {"*+1\r\n", "Protocol error: invalid multibulk length"},
      {"*1\r\nfoo\r\n", "Protocol error: expected '$', got 'f'"},
      {"*1\r\n:1\r\n", "Protocol error: expected '$', got ':'"},
      {"*1\r\n$abc\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$-1\r\n", "Protocol error: invalid bulk length"},
      {"*1\r\n$100001\r\n", "Protocol error: invalid bulk length"},
      {"SET \"a\r\n", "Protocol error: unbalanced quotes in request"},
      {"SET 'a'b\r\n", "Protocol error: unbalanced quotes in request"},
      {std::string(1100, 'x'), "Protocol error: too big inline request"},
      {"*" + std::string(1100, '1'),
       "Protocol error: too big mbulk count string"},
      {"*1\r\n$" + std::string(1100, '1'),
       "Protocol error: too big bulk count string"},
  };
  for (const Malformed& row : rows) {
    EXPECT_EQ(ParseResp(row.bytes, {}).error, row.error)
        << row.bytes.substr(0, 40);
  }
}

TEST(RespParser_RequestOverItsLimit_Fails, EvenIfEveryBulkIsWithinItsLimit) {
  const std::string big(90'000, 'x');
  EXPECT_EQ(ParseResp(Encode({big, big, big}), {}).error,
            "Protocol error: too big request");
}

TEST(RespParser_Inline, SplitsWordsAndUnescapes) {
  const ParsedResp parsed = ParseResp(
      "PING\r\n\r\n  set  a \"x y\\r\\n\\x41\" 'it\\'s'\nGET \"\"\r\n", {});
  const Requests expected = {
      {"PING"}, {"set", "a", "x y\r\nA", "it's"}, {"GET", ""}};
  EXPECT_EQ(parsed.requests, expected);
  EXPECT_EQ(parsed.error, "");
}

TEST(RespParser_EmptyArrays, AreSkipped) {
  const ParsedResp parsed = ParseResp("*0\r\n*-1\r\n*1\r\n$4\r\nPING\r\n", {});
  EXPECT_EQ(parsed.requests, Requests({{"PING"}}));
}

TEST(RespParser_WholeRequest_IsNotCopied, ViewsPointIntoTheFedBytes) {
  const std::string bytes = Encode({"GET", "key"});
  RespParser parser(kRespLimits);
  parser.Feed(bytes);
  ASSERT_EQ(parser.Next(), RespParser::Result::kRequest);
  EXPECT_EQ(parser.arguments()[1].data(), bytes.data() + bytes.find("key"));
}

}  // namespace
}  // namespace quorate::node
