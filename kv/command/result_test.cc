#include "kv/command/result.h"

#include <string>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate::kv {
namespace {

const Version kWrittenAt = {GroupId(3), raft::Index(77), 0};

// One result of every kind of payload.
Buffer AllKinds() {
  ResultBuilder builder(kWrittenAt);
  builder.AddInteger({.version = kWrittenAt}, -5);
  builder.AddBytes({.version = {GroupId(3), raft::Index(9), 4}}, "bytes");
  builder.AddNone({.status = ResultStatus::kNil});
  builder.BeginArray({.version = kWrittenAt}, 3);
  builder.AddElement("a");
  builder.AddNil();
  builder.AddElement("");
  builder.EndArray();
  builder.BeginNested({.version = kWrittenAt});
  builder.AddInteger({.version = kWrittenAt}, 1);
  builder.BeginArray({.version = kWrittenAt}, 1);
  builder.AddElement("b");
  builder.EndArray();
  builder.EndNested(/*wrote=*/true);
  return builder.Finish();
}
constexpr uint32_t kKinds = 5;

void ReadArray(const ResultView& result, size_t* read) {
  if (result.kind != PayloadKind::kArray) return;
  std::string_view bytes;
  for (ArrayReader reader(result.bytes); !reader.done(); ++*read) {
    reader.Next(&bytes);
  }
}

// Reads all results. Returns the number of results and elements.
size_t ReadAll(std::string_view results) {
  size_t read = 0;
  ResultReader reader(results);
  while (reader.batch_accepted() && !reader.done()) {
    const ResultView result = reader.Next();
    ++read;
    ReadArray(result, &read);
    if (result.kind != PayloadKind::kNested) continue;
    ResultReader nested = ResultReader::Nested(result);
    for (; !nested.done(); ++read) ReadArray(nested.Next(), &read);
  }
  return read;
}

TEST(Result_Whole, MadeByTheBuilder) {
  const Buffer results = AllKinds();
  EXPECT_TRUE(ResultsAreWhole(results.view(), kKinds));
  EXPECT_EQ(ReadAll(results.view()), 5u + 3 + 2 + 1);
  EXPECT_TRUE(
      ResultsAreWhole(ResultBuilder::Refused(kWrittenAt).view(), kKinds));
}

// A value that a slow reader keeps must not keep much else.
TEST(Result_ShareValue, OnlyAValueThatIsMostOfTheBytes_IsShared) {
  const std::string value(20'000, 'v');
  ResultBuilder builder(Version{});
  builder.AddBytes({}, value);
  const Buffer alone = builder.Finish();
  Buffer slice;
  ResultReader reader(alone.view());
  const ResultView shared = ShareValue(reader.Next(), alone, &slice);
  ASSERT_NE(shared.shared, nullptr);
  EXPECT_EQ(shared.shared->view(), value);
  EXPECT_EQ(shared.shared->data(), shared.bytes.data());
  ResultBuilder two(Version{});
  two.AddBytes({}, value);
  two.AddBytes({}, value);
  const Buffer both = two.Finish();
  ResultReader of_both(both.view());
  EXPECT_EQ(ShareValue(of_both.Next(), both, &slice).shared, nullptr);
}

TEST(Result_NotWhole, CutShortLengthenedOrOfOtherCount) {
  const Buffer results = AllKinds();
  const std::string bytes(results.view());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(ResultsAreWhole(bytes.substr(0, size), kKinds)) << size;
  }
  EXPECT_FALSE(ResultsAreWhole(bytes + "x", kKinds));
  EXPECT_FALSE(ResultsAreWhole(bytes, kKinds - 1));
  EXPECT_FALSE(ResultsAreWhole(bytes, kKinds + 1));
}

// Every encoding that ResultsAreWhole accepts can be read to its end without
// leaving the buffer.
RC_GTEST_PROP(Result_Changed, AcceptedAsWhole_CanBeReadToItsEnd, ()) {
  const Buffer results = AllKinds();
  std::string bytes(results.view());
  const int changes = *rc::gen::inRange(1, 4);
  for (int i = 0; i < changes; ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
    bytes[at] = static_cast<char>(*rc::gen::weightedOneOf<int>(
        {{3, rc::gen::inRange(0, 8)}, {1, rc::gen::inRange(0, 256)}}));
  }
  const bool whole = ResultsAreWhole(bytes, kKinds);
  RC_TAG(whole ? "whole" : "refused");
  if (whole) ReadAll(bytes);
}

}  // namespace
}  // namespace quorate::kv
