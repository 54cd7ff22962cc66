#include "node/base/reply_text.h"

#include <algorithm>
#include <string>
#include <utility>
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

TEST(ReplyText, AppendedReplies_KeepTheirSharedValues) {
  const Buffer value = Buffer::Copy("value");
  const auto make = [&](const std::string& before, const std::string& behind) {
    ReplyText reply;
    reply.text() += before;
    reply.Share(value);
    reply.text() += behind;
    return reply;
  };
  ReplyText all;
  all.Append(make("a", "b"));
  all.Append(make("", "c"));
  all.text() += "d";
  all.Append(make("e", ""));
  EXPECT_EQ(all.size(), 20u);
  std::string whole;
  int shared = 0;
  for (const Buffer& piece : Pieces(&all)) {
    whole += piece.view();
    shared += piece.data() == value.data() ? 1 : 0;
  }
  EXPECT_EQ(whole, "avaluebvaluecdevalue");
  EXPECT_EQ(shared, 3);
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

// Each size by doubling and by one reservation, alone and around shared values.
TEST(ReplyText, SentText_LeavesLittleMemoryBehind) {
  const Buffer value = Buffer::Copy(std::string(20'000, 'v'));
  for (const size_t size : {10'000u, 40'000u, 100'000u, 990'000u, 3'000'000u}) {
    for (const size_t values : {0u, 1u, 1'000u}) {
      for (const bool reserved : {false, true}) {
        ReplyText reply;
        std::string expected;
        if (reserved) reply.text().reserve(size);
        for (size_t i = 0; i < size; i += 100) reply.text().append(100, 'x');
        expected.assign(size, 'x');
        for (size_t i = 0; i < values; ++i) {
          reply.Share(value);
          reply.text() += "\r\n";
          expected += value.view();
          expected += "\r\n";
        }
        EXPECT_GE(reply.own_bytes(), size);
        size_t kept = 0;
        std::string whole;
        for (const Buffer& piece : Pieces(&reply)) {
          whole += piece.view();
          if (piece.data() != value.data()) {
            kept = std::max(kept, piece.block_size());
          }
        }
        EXPECT_TRUE(whole == expected);
        // The stream does not keep much more than it was given.
        EXPECT_LE(kept, (size + 2 * values) * 5 / 4);
        EXPECT_LE(reply.own_bytes(), size_t{32} << 10);
      }
    }
  }
}

TEST(ReplyText, LongText_LeavesWithoutACopy) {
  ReplyText reply;
  reply.text().assign(100'000, 'x');
  const char* const text = reply.text().data();
  EXPECT_EQ(Pieces(&reply)[0].data(), text);
  // The text may have waited in another place.
  std::string waiting(100'000, 'x');
  const char* const bytes = waiting.data();
  reply.Append(std::move(waiting));
  EXPECT_EQ(Pieces(&reply)[0].data(), bytes);
}

TEST(ReplyText, Append_KeepsTheOrder) {
  const Buffer value = Buffer::Copy("value");
  ReplyText reply;
  reply.Share(value);
  reply.Append(std::string(50, 'a'));
  reply.Share(value);
  reply.Append("b");
  std::string whole;
  for (const Buffer& piece : Pieces(&reply)) whole += piece.view();
  EXPECT_EQ(whole, "value" + std::string(50, 'a') + "valueb");
}

TEST(ReplyText, Drop_FreesTheMemory) {
  ReplyText reply;
  reply.text().assign(100'000, 'x');
  reply.Share(Buffer::Copy("value"));
  reply.Drop();
  EXPECT_TRUE(reply.empty());
  EXPECT_EQ(reply.own_bytes(), 0u);
}

}  // namespace
}  // namespace quorate::node
