#include "kv/client/resp_reply.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

using Kind = RespValue::Kind;
using Progress = RespReplyParser::Progress;

RespValue ParseOne(std::string_view bytes) {
  RespReplyParser parser;
  parser.Append(bytes);
  RespValue value;
  EXPECT_EQ(parser.Next(&value), Progress::kValue) << bytes;
  EXPECT_EQ(parser.unparsed_bytes(), 0u) << bytes;
  return value;
}

RespValue Text(std::string text) {
  return {.kind = Kind::kString, .text = std::move(text)};
}
RespValue Number(int64_t integer) {
  return {.kind = Kind::kInteger, .integer = integer};
}

TEST(RespReplyParser, Scalars_OfBothProtocols_AreRead) {
  EXPECT_EQ(ParseOne("+OK\r\n"), Text("OK"));
  EXPECT_EQ(ParseOne("-ERR no\r\n"),
            (RespValue{.kind = Kind::kError, .text = "ERR no"}));
  EXPECT_EQ(ParseOne(":-12\r\n"), Number(-12));
  EXPECT_EQ(ParseOne("$5\r\na\r\nb!\r\n"), Text("a\r\nb!"));
  EXPECT_EQ(ParseOne("$0\r\n\r\n"), Text(""));
  EXPECT_TRUE(ParseOne("$-1\r\n").is_nil());
  EXPECT_TRUE(ParseOne("*-1\r\n").is_nil());
  EXPECT_TRUE(ParseOne("_\r\n").is_nil());
  EXPECT_EQ(ParseOne("#t\r\n"), Number(1));
  EXPECT_EQ(ParseOne(",1.5\r\n"), Text("1.5"));
  EXPECT_EQ(ParseOne("=7\r\ntxt:abc\r\n"), Text("abc"));
}

TEST(RespReplyParser, Aggregates_AreReadWithTheirElements) {
  const RespValue array{.kind = Kind::kArray,
                        .elements = {Number(1), Text("x")}};
  EXPECT_EQ(ParseOne("*2\r\n:1\r\n$1\r\nx\r\n"), array);
  EXPECT_EQ(ParseOne("~2\r\n:1\r\n$1\r\nx\r\n"), array);
  EXPECT_EQ(ParseOne("%1\r\n:1\r\n$1\r\nx\r\n"), array);
  EXPECT_EQ(
      ParseOne("*1\r\n*0\r\n"),
      (RespValue{.kind = Kind::kArray, .elements = {{.kind = Kind::kArray}}}));
}

TEST(RespReplyParser, WhatIsNotResp_IsAnErrorForGood) {
  for (const char* bytes : {"hello\r\n", "\r\n", ":1x\r\n", ":\r\n", "$x\r\n",
                            "$-2\r\n", "$1\r\nab\r\n", "*-2\r\n", "#x\r\n",
                            "=1\r\nx\r\n", "*1048577\r\n", "$67108865\r\n"}) {
    RespReplyParser parser;
    parser.Append(bytes);
    RespValue value;
    EXPECT_EQ(parser.Next(&value), Progress::kError) << bytes;
    parser.Append("+OK\r\n");
    EXPECT_EQ(parser.Next(&value), Progress::kError) << bytes;
  }
}

TEST(RespReplyParser, NestingBeyondTheLimit_IsAnError) {
  const auto nested = [](int depth) {
    std::string bytes;
    for (int i = 0; i < depth; ++i) bytes += "*1\r\n";
    return bytes + ":1\r\n";
  };
  ParseOne(nested(kReplyDepthMax));
  RespReplyParser parser;
  parser.Append(nested(kReplyDepthMax + 1));
  RespValue value;
  EXPECT_EQ(parser.Next(&value), Progress::kError);
}

TEST(AppendRespCommand, Arguments_ComeBackAsAnArray) {
  std::string bytes;
  const std::string_view arguments[] = {"SET", "k", "a\r\nb"};
  AppendRespCommand(arguments, &bytes);
  EXPECT_EQ(ParseOne(bytes),
            (RespValue{.kind = Kind::kArray,
                       .elements = {Text("SET"), Text("k"), Text("a\r\nb")}}));
}

// A reply and its bytes.
struct Sample {
  RespValue value;
  std::string bytes;
};

Sample AnyReply(int depth) {
  switch (*rc::gen::inRange(0, depth > 0 ? 5 : 4)) {
    case 0: {
      const auto number = *rc::gen::arbitrary<int64_t>();
      return {Number(number), ":" + std::to_string(number) + "\r\n"};
    }
    case 1: {
      const auto text = *rc::gen::arbitrary<std::string>();
      return {Text(text),
              "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n"};
    }
    case 2:
      return {RespValue(), "$-1\r\n"};
    case 3:
      return {{.kind = Kind::kError, .text = "ERR x"}, "-ERR x\r\n"};
    default: {
      const int count = *rc::gen::inRange(0, 4);
      Sample sample{{.kind = Kind::kArray},
                    "*" + std::to_string(count) + "\r\n"};
      for (int i = 0; i < count; ++i) {
        Sample element = AnyReply(depth - 1);
        sample.value.elements.push_back(std::move(element.value));
        sample.bytes += element.bytes;
      }
      return sample;
    }
  }
}

RC_GTEST_PROP(RespReplyParser, AnyReplies_SplitAnywhere_ComeOutInOrder, ()) {
  std::vector<Sample> samples;
  std::string bytes;
  const int count = *rc::gen::inRange(1, 6);
  for (int i = 0; i < count; ++i) {
    samples.push_back(AnyReply(3));
    bytes += samples.back().bytes;
  }
  RespReplyParser parser;
  size_t next = 0;
  size_t at = 0;
  while (at < bytes.size()) {
    const size_t size = *rc::gen::inRange<size_t>(1, bytes.size() - at + 1);
    parser.Append(std::string_view(bytes).substr(at, size));
    at += size;
    RespValue value;
    Progress progress = parser.Next(&value);
    for (; progress == Progress::kValue; progress = parser.Next(&value)) {
      RC_ASSERT(next < samples.size());
      RC_ASSERT(value == samples[next++].value);
    }
    RC_ASSERT(progress == Progress::kNeedMore);
  }
  RC_ASSERT(next == samples.size());
}

// Appends `bytes` in pieces and returns the work for each byte, in hundredths.
uint64_t WorkPerByte(std::string_view bytes, size_t piece_bytes) {
  RespReplyParser parser;
  RespValue value;
  size_t values = 0;
  for (size_t at = 0; at < bytes.size(); at += piece_bytes) {
    parser.Append(bytes.substr(at, piece_bytes));
    while (parser.Next(&value) == Progress::kValue) ++values;
  }
  EXPECT_EQ(values, 1u);
  EXPECT_EQ(parser.unparsed_bytes(), 0u);
  return parser.work_bytes() * 100 / bytes.size();
}

TEST(RespReplyParser, LargeReply_InSmallPieces_IsReadOnce) {
  constexpr size_t kElements = 64 << 10;
  std::string array = "*" + std::to_string(kElements) + "\r\n";
  const std::string element = "$1015\r\n" + std::string(1015, 'x') + "\r\n";
  for (size_t i = 0; i < kElements; ++i) array += element;
  ASSERT_GE(array.size(), size_t{64} << 20);
  EXPECT_LE(WorkPerByte(array, 1000), 400u);
  EXPECT_LE(WorkPerByte(array, 64 << 10), 400u);

  const size_t size = kReplyStringBytesMax - 100;
  const std::string one =
      "$" + std::to_string(size) + "\r\n" + std::string(size, 'y') + "\r\n";
  EXPECT_LE(WorkPerByte(one, 1000), 400u);
  EXPECT_LE(WorkPerByte("*2\r\n" + one + ":1\r\n", 1000), 400u);

  std::string numbers = "*100000\r\n";
  for (int i = 0; i < 100'000; ++i) numbers += "*1\r\n:7\r\n";
  EXPECT_LE(WorkPerByte(numbers, 1), 400u);
  EXPECT_LE(WorkPerByte("+" + std::string(100'000, 'z') + "\r\n", 1), 400u);
}

RC_GTEST_PROP(RespReplyParser, AnyBytes_AreReadOrRefused, ()) {
  RespReplyParser parser;
  const auto pieces = *rc::gen::container<std::vector<std::string>>(
      rc::gen::container<std::string>(
          rc::gen::elementOf(std::string("*$:+-_#%0123\r\r\r\n\n\nab"))));
  RespValue value;
  for (const std::string& piece : pieces) {
    parser.Append(piece);
    while (parser.Next(&value) == Progress::kValue) {
    }
  }
}

}  // namespace
}  // namespace quorate::kv
