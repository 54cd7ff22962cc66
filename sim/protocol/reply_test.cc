#include "sim/protocol/reply.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

std::vector<std::string> ParseInPieces(std::string_view bytes, size_t piece) {
  ReplyParser parser;
  std::vector<std::string> replies;
  for (size_t at = 0; at < bytes.size(); at += piece) {
    parser.Feed(bytes.substr(at, piece));
    ClientReply reply;
    while (parser.Next(&reply) == ReplyParser::Result::kReply) {
      replies.push_back(reply.ToString());
    }
  }
  EXPECT_FALSE(parser.in_reply());
  return replies;
}

TEST(EncodeCommand, AnyWords_AreBulkStrings) {
  EXPECT_EQ(EncodeCommand({"SET", "k\r\n", ""}),
            "*3\r\n$3\r\nSET\r\n$3\r\nk\r\n\r\n$0\r\n\r\n");
}

TEST(ReplyParser, SplitAnywhere_GivesTheSameReplies) {
  const std::string_view bytes =
      "+OK\r\n$5\r\na\r\nbc\r\n:-7\r\n$-1\r\n*2\r\n$1\r\nx\r\n*1\r\n:1\r\n"
      "-MOVED 7 n1:7001\r\n"
      "%1\r\n+a\r\n:1\r\n~1\r\n_\r\n#t\r\n,1.5\r\n=5\r\ntxt:a\r\n";
  const std::vector<std::string> expected = {"OK",
                                             "\"a\r\nbc\"",
                                             "(integer) -7",
                                             "(nil)",
                                             "[\"x\", [(integer) 1]]",
                                             "(error) MOVED 7 n1:7001",
                                             "[a, (integer) 1]",
                                             "[(nil)]",
                                             "t",
                                             "1.5",
                                             "\"txt:a\""};
  for (size_t piece = 1; piece <= bytes.size(); ++piece) {
    EXPECT_EQ(ParseInPieces(bytes, piece), expected) << "pieces of " << piece;
  }
}

TEST(ReplyParser, Garbage_IsMalformed) {
  for (const std::string_view bytes :
       {"?\r\n", "\r\n", ":x\r\n", "$-2\r\n", "$1\r\nabc", "*-5\r\n"}) {
    ReplyParser parser;
    parser.Feed(bytes);
    ClientReply reply;
    EXPECT_EQ(parser.Next(&reply), ReplyParser::Result::kMalformed) << bytes;
  }
}

TEST(ClientReply, ErrorCode_IsTheFirstWord) {
  EXPECT_EQ(
      (ClientReply{.type = ClientReply::Type::kError, .text = "MOVED 1 a:1"})
          .error_code(),
      "MOVED");
  EXPECT_EQ((ClientReply{.type = ClientReply::Type::kSimple, .text = "OK"})
                .error_code(),
            "");
}

TEST(ClientReply, RefusesConnection_IsOneErrorOnly) {
  ClientReply reply = {.type = ClientReply::Type::kError,
                       .text = "ERR max number of clients reached"};
  EXPECT_TRUE(reply.refuses_connection());
  reply.text = "ERR syntax error";
  EXPECT_FALSE(reply.refuses_connection());
}

}  // namespace
}  // namespace quorate::sim
