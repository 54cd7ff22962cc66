// The messages of a founding: their bytes, and what is refused.
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "raft/host/founding.h"

namespace quorate::raft {
namespace {

using Kind = FoundingMessage::Kind;

constexpr MessageLink kLink{ClusterId(77), NodeId(1), NodeId(2)};

std::vector<FoundingMessage> Samples() {
  const StoreIncarnation store(0x0102030405060708);
  return {{.kind = Kind::kAsk},
          {.kind = Kind::kUnfounded, .asker = store},
          {.kind = Kind::kRecord,
           .asker = store,
           .record = Buffer::Copy("the record")},
          {.kind = Kind::kNoPart, .asker = store}};
}

TEST(FoundingMessage, Encoded_DecodesToItself) {
  for (const FoundingMessage& message : Samples()) {
    const auto decoded = DecodeFounding(kLink, EncodeFounding(kLink, message));
    ASSERT_TRUE(decoded.ok()) << decoded.status();
    EXPECT_EQ(decoded->kind, message.kind);
    EXPECT_EQ(decoded->asker, message.asker);
    EXPECT_EQ(decoded->record, message.record);
  }
}

TEST(FoundingMessage, AnyFlippedBitAndAnyPrefix_AreRefused) {
  for (const FoundingMessage& message : Samples()) {
    const std::string good(EncodeFounding(kLink, message).view());
    for (size_t bit = 0; bit < good.size() * 8; ++bit) {
      std::string bytes = good;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      EXPECT_FALSE(DecodeFounding(kLink, Buffer::Copy(bytes)).ok());
    }
    for (size_t size = 0; size < good.size(); ++size) {
      EXPECT_FALSE(
          DecodeFounding(kLink, Buffer::Copy(good.substr(0, size))).ok());
    }
  }
}

TEST(FoundingMessage, FieldsThatTheKindDoesNotHave_AreRefused) {
  std::vector<FoundingMessage> wrong = Samples();
  wrong[0].asker = StoreIncarnation(1);
  wrong[1].asker = StoreIncarnation();
  wrong[2].record = Buffer();
  wrong[3].record = Buffer::Copy("x");
  wrong.push_back({.kind = static_cast<Kind>(5), .asker = wrong[3].asker});
  for (const FoundingMessage& message : wrong) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        DecodeFounding(kLink, EncodeFounding(kLink, message)).status()));
  }
}

TEST(FoundingMessage, AnotherLink_IsRefused) {
  const Buffer good = EncodeFounding(kLink, Samples()[1]);
  MessageLink other = kLink;
  other.cluster = ClusterId(78);
  EXPECT_TRUE(absl::IsDataLoss(DecodeFounding(other, good).status()));
  other = kLink;
  other.to = NodeId(3);
  EXPECT_TRUE(absl::IsDataLoss(DecodeFounding(other, good).status()));
}

TEST(FoundingMessage, Bytes_AreAsEver) {
  EXPECT_EQ(absl::BytesToHexString(
                std::string(EncodeFounding(kLink, Samples()[2]).view())),
            "02ba983d6101030807060504030201746865207265636f7264");
}

}  // namespace
}  // namespace quorate::raft
