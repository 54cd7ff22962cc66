#include "raft/transport/seen_starts.h"

#include <memory>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

using Verdict = SeenStarts::Verdict;

constexpr NodeId kPeer(2);
constexpr StoreIncarnation kPeerStore(22);

env::EarlierStarts Tags(std::vector<uint32_t> tags) {
  return std::make_shared<const std::vector<uint32_t>>(std::move(tags));
}

class SeenStartsTest : public ::testing::Test {
 protected:
  Verdict Take(uint64_t number, uint32_t tag, std::vector<uint32_t> earlier,
               StoreIncarnation store = kPeerStore) {
    return seen_.Take(kPeer, {store, {number, tag}}, Tags(std::move(earlier)));
  }
  SeenStarts seen_;
};

// The original starts twice after the copy was made, the copy three times.
TEST_F(SeenStartsTest, CopyThatStartedMoreOften_IsRefused) {
  EXPECT_EQ(Take(1, 10, {}), Verdict::kNew);
  EXPECT_EQ(Take(2, 20, {10}), Verdict::kNew);
  EXPECT_EQ(Take(2, 21, {10}), Verdict::kRefused);
  EXPECT_EQ(Take(4, 41, {10, 21, 31}), Verdict::kRefused);
  EXPECT_EQ(Take(3, 30, {10, 20}), Verdict::kNew);
  EXPECT_EQ(Take(3, 30, {10, 20}), Verdict::kKnown);
  EXPECT_EQ(Take(1, 10, {}), Verdict::kRefused);
  EXPECT_EQ(seen_.NumberOf(kPeer), 3u);
}

TEST_F(SeenStartsTest, WhatAnEarlierProgramSaw_Counts) {
  seen_.Recall(kPeer, {kPeerStore, {2, 20}});
  EXPECT_EQ(Take(3, 31, {10, 21}), Verdict::kRefused);
  EXPECT_EQ(Take(3, 30, {10, 20}), Verdict::kNew);
}

TEST_F(SeenStartsTest, AnotherStoreOfTheNode_IsNotComparedWithTheFormerOne) {
  EXPECT_EQ(Take(5, 50, {}), Verdict::kNew);
  EXPECT_EQ(Take(1, 10, {}, StoreIncarnation(23)), Verdict::kNew);
  EXPECT_EQ(seen_.NumberOf(kPeer), 1u);
}

TEST_F(SeenStartsTest, Refusal_IsBelievedOfANodeThatContinuesItself) {
  HelloReply refusal{.refusal = HandshakeRefusal::kEarlierStart,
                     .incarnation = kPeerStore,
                     .start = {3, 30},
                     .earlier = Tags({10, 20})};
  EXPECT_TRUE(seen_.Believes(kPeer, refusal));
  seen_.Recall(kPeer, {kPeerStore, {2, 20}});
  EXPECT_TRUE(seen_.Believes(kPeer, refusal));
  seen_.Recall(kPeer, {kPeerStore, {2, 21}});
  EXPECT_FALSE(seen_.Believes(kPeer, refusal));
  seen_.Recall(kPeer, {StoreIncarnation(23), {2, 20}});
  EXPECT_FALSE(seen_.Believes(kPeer, refusal));
  refusal.refusal = HandshakeRefusal::kUnknownNode;
  seen_.Forget(kPeer);
  EXPECT_FALSE(seen_.Believes(kPeer, refusal));
}

}  // namespace
}  // namespace quorate::raft
