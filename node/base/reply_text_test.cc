#include "node/base/reply_text.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

std::vector<Buffer> Pieces(ReplyText* reply) {
  std::vector<Buffer> pieces;
  reply->MoveTo([&](Buffer piece) { pieces.push_back(std::move(piece)); });
  return pieces;
}

TEST(ReplyText, SharedValues_KeepTheirPositions) {
  const Buffer value = Buffer::Copy("value");
  ReplyText reply;
  reply.text() += "a";
  reply.Share(value);
  reply.Share(value);
  reply.text() += "b";
  reply.Share(value);
  EXPECT_EQ(reply.size(), 17u);
  const std::vector<Buffer> pieces = Pieces(&reply);
  std::string whole;
  for (const Buffer& piece : pieces) whole += piece.view();
  EXPECT_EQ(whole, "avaluevaluebvalue");
  EXPECT_EQ(pieces[1].data(), value.data());
  EXPECT_TRUE(reply.empty());
  EXPECT_EQ(reply.size(), 0u);
}

TEST(ReplyText, WithoutSharedValues_IsOnePiece) {
  for (const size_t size : {5u, 2'000'000u}) {
    ReplyText reply;
    EXPECT_TRUE(Pieces(&reply).empty());
    reply.text().assign(size, 'x');
    const std::vector<Buffer> pieces = Pieces(&reply);
    ASSERT_EQ(pieces.size(), 1u);
    EXPECT_EQ(pieces[0].view(), std::string(size, 'x'));
    EXPECT_TRUE(reply.empty());
    reply.text() += "again";
    EXPECT_EQ(Pieces(&reply)[0].view(), "again");
  }
}

}  // namespace
}  // namespace quorate::node
