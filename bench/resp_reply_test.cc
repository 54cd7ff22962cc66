#include "bench/resp_reply.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::bench {
namespace {

TEST(RespReplyTest, Replies_OfEveryKind_AreCut) {
  RespReply reply;
  EXPECT_EQ(CutReply("+OK\r\n+OK\r\n", &reply), 5u);
  EXPECT_EQ(reply.kind, '+');
  EXPECT_EQ(reply.text, "OK");
  EXPECT_EQ(CutReply("-MOVED 1 h:2\r\n", &reply), 14u);
  EXPECT_EQ(reply.kind, '-');
  EXPECT_EQ(reply.text, "MOVED 1 h:2");
  EXPECT_EQ(CutReply(":12\r\n", &reply), 5u);
  EXPECT_EQ(reply.text, "12");
  EXPECT_EQ(CutReply("$4\r\na\r\nb\r\nrest", &reply), 10u);
  EXPECT_EQ(reply.text, "a\r\nb");
  EXPECT_EQ(CutReply("$-1\r\n", &reply), 5u);
  EXPECT_TRUE(reply.null);
}

TEST(RespReplyTest, Reply_CutAnywhere_IsIncomplete) {
  const std::string whole = "$5\r\nhello\r\n";
  RespReply reply;
  for (size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(CutReply(whole.substr(0, size), &reply), 0u) << size;
  }
  EXPECT_EQ(CutReply(whole, &reply), whole.size());
}

TEST(RespReplyTest, Nonsense_OfEveryKind_TakesEverything) {
  for (const std::string bad :
       {"HTTP/1.1 200 OK\r\n", "$x\r\n", "$-2\r\n", "$1\r\nabcd", "+OK\n"}) {
    RespReply reply;
    EXPECT_EQ(CutReply(bad, &reply), bad.size()) << bad;
    EXPECT_EQ(reply.kind, '?') << bad;
  }
}

}  // namespace
}  // namespace quorate::bench
