#include "node/protocol/resp_writer.h"

#include <string>

#include "env/buffer.h"
#include "gtest/gtest.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

std::string Write(int version, void (*write)(RespWriter&)) {
  std::string text;
  RespWriter reply(&text, version);
  write(reply);
  return text;
}

TEST(RespWriter_BothVersions, WriteEveryType) {
  struct Row {
    void (*write)(RespWriter&);
    std::string resp2;
    std::string resp3;
  };
  const Row rows[] = {
      {[](RespWriter& r) { r.Ok(); }, "+OK\r\n", "+OK\r\n"},
      {[](RespWriter& r) { r.Simple("PONG"); }, "+PONG\r\n", "+PONG\r\n"},
      {[](RespWriter& r) { r.Integer(-42); }, ":-42\r\n", ":-42\r\n"},
      {[](RespWriter& r) { r.Integer(INT64_MIN); }, ":-9223372036854775808\r\n",
       ":-9223372036854775808\r\n"},
      {[](RespWriter& r) { r.Bulk(std::string_view("a\0b", 3)); },
       std::string("$3\r\na\0b\r\n", 9), std::string("$3\r\na\0b\r\n", 9)},
      {[](RespWriter& r) { r.Null(); }, "$-1\r\n", "_\r\n"},
      {[](RespWriter& r) { r.NullArray(); }, "*-1\r\n", "_\r\n"},
      {[](RespWriter& r) { r.Array(2); }, "*2\r\n", "*2\r\n"},
      {[](RespWriter& r) { r.Map(2); }, "*4\r\n", "%2\r\n"},
      {[](RespWriter& r) { r.Set(2); }, "*2\r\n", "~2\r\n"},
      {[](RespWriter& r) { r.Verbatim("hi"); }, "$2\r\nhi\r\n",
       "=6\r\ntxt:hi\r\n"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Write(2, row.write), row.resp2);
    EXPECT_EQ(Write(3, row.write), row.resp3);
  }
}

TEST(RespWriter_ErrorWithLineEnds_StaysOneLine, SpacesReplaceThem) {
  EXPECT_EQ(Write(2, [](RespWriter& r) { r.Error("ERR a\r\nb"); }),
            "-ERR a  b\r\n");
}

// A reply that is not sent is counted if it is an error. Its text is not made.
TEST(RespWriter_OfErrorAlone, WritesNothingElse) {
  const std::string value(100'000, 'x');
  const Buffer shared = Buffer::Copy(value);
  const auto written = [&](auto write) {
    std::string error;
    RespWriter reply = RespWriter::OfErrorAlone(&error, 3);
    write(reply);
    EXPECT_LT(error.capacity(), 100u);
    return error;
  };
  const auto none = [&](auto write) { EXPECT_EQ(written(write), ""); };
  none([](RespWriter& r) { r.Ok(); });
  none([](RespWriter& r) { r.Simple("PONG"); });
  none([](RespWriter& r) { r.Integer(-42); });
  none([](RespWriter& r) { r.Integer(42); });
  none([](RespWriter& r) { r.Null(); });
  none([](RespWriter& r) { r.NullArray(); });
  none([](RespWriter& r) { r.Map(2); });
  none([](RespWriter& r) { r.Set(2); });
  none([&](RespWriter& r) { r.Bulk(value); });
  none([&](RespWriter& r) { r.Bulk(value, &shared); });
  none([&](RespWriter& r) { r.Verbatim(value); });
  none([&](RespWriter& r) { r.Raw(Concat("$100000\r\n", value, "\r\n")); });
  none([&](RespWriter& r) { r.Share(shared); });
  none([&](RespWriter& r) {
    r.Array(3);
    r.Error("ERR of one element");
    r.Bulk(value);
    r.Raw("-ERR of another\r\n");
  });
  EXPECT_EQ(written([](RespWriter& r) { r.Error("ERR a"); }), "-ERR a\r\n");
  EXPECT_EQ(written([](RespWriter& r) { r.Raw("-ERR a\r\n"); }), "-ERR a\r\n");
}

// A reply that waits takes the memory that its bytes need.
TEST(RespWriter_Bulk, TakesNoMoreMemoryThanItsBytes) {
  for (const size_t size : {300u, 15'000u, 1'000'000u}) {
    std::string text;
    RespWriter(&text, 2).Bulk(std::string(size, 'x'));
    EXPECT_LE(text.capacity(), size + 30);
  }
}

}  // namespace
}  // namespace quorate::node
