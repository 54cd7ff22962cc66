#include "node/protocol/resp_writer.h"

#include "gtest/gtest.h"

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

}  // namespace
}  // namespace quorate::node
