#include "node/peers/forward_channel.h"

#include "gtest/gtest.h"

namespace quorate::node {
namespace {

constexpr size_t kChannelsMax = 5;

using raft::Term;

ForwardStamp Numbered(ForwardStamp channel, uint64_t number) {
  channel.number = number;
  return channel;
}

TEST(ForwardChannels_Take, RisingNumbers_AreTakenOnce) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp channel = channels.Open(Term(3), {});
  EXPECT_TRUE(channels.Take(Term(3), Numbered(channel, 1)));
  EXPECT_FALSE(channels.Take(Term(3), Numbered(channel, 1)));
  // A number may be missing: that batch was given up.
  EXPECT_TRUE(channels.Take(Term(3), Numbered(channel, 4)));
  EXPECT_FALSE(channels.Take(Term(3), Numbered(channel, 3)));
}

TEST(ForwardChannels_Take, ChannelsAreApart) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp one = channels.Open(Term(3), {});
  const ForwardStamp two = channels.Open(Term(3), {});
  EXPECT_TRUE(channels.Take(Term(3), Numbered(one, 7)));
  EXPECT_TRUE(channels.Take(Term(3), Numbered(two, 1)));
}

TEST(ForwardChannels_Take, NoChannel_IsRefused) {
  ForwardChannels channels(kChannelsMax);
  EXPECT_FALSE(channels.Take(Term(3), {Term(3), 0, 1}));
  EXPECT_FALSE(channels.Take(Term(3), {Term(3), 1, 1}));
}

// The old leader is elected again: batches that were sent to it before are
// late.
TEST(ForwardChannels_Take, ChannelOfAnEarlierTerm_IsRefused) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp old = channels.Open(Term(3), {});
  EXPECT_FALSE(channels.Take(Term(5), Numbered(old, 1)));
  const ForwardStamp now = channels.Open(Term(5), {});
  EXPECT_FALSE(channels.Take(Term(5), Numbered(old, 2)));
  EXPECT_TRUE(channels.Take(Term(5), Numbered(now, 1)));
}

TEST(ForwardChannels_Open, Instead_ClosesTheOther) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp old = channels.Open(Term(3), {});
  const ForwardStamp now = channels.Open(Term(3), old);
  EXPECT_FALSE(channels.Take(Term(3), Numbered(old, 1)));
  EXPECT_TRUE(channels.Take(Term(3), Numbered(now, 1)));
}

TEST(ForwardChannels_Close, RefusedBatch_IsNotOvertakenByALaterOne) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp channel = channels.Open(Term(3), {});
  const ForwardStamp other = channels.Open(Term(3), {});
  ASSERT_TRUE(channels.Take(Term(3), Numbered(channel, 1)));
  ASSERT_TRUE(channels.Take(Term(3), Numbered(channel, 2)));
  EXPECT_TRUE(channels.IsOpen(Term(3), Numbered(channel, 2)));
  channels.Close(Numbered(channel, 1));
  EXPECT_FALSE(channels.IsOpen(Term(3), Numbered(channel, 2)));
  EXPECT_FALSE(channels.Take(Term(3), Numbered(channel, 3)));
  EXPECT_TRUE(channels.Take(Term(3), Numbered(other, 1)));
  EXPECT_FALSE(channels.IsOpen(Term(4), Numbered(other, 1)));
}

TEST(ForwardChannels_Open, BeyondTheMaximum_ClosesTheOldest) {
  ForwardChannels channels(kChannelsMax);
  const ForwardStamp first = channels.Open(Term(3), {});
  const ForwardStamp second = channels.Open(Term(3), {});
  for (size_t i = 1; i < kChannelsMax; ++i) {
    channels.Open(Term(3), {});
  }
  EXPECT_FALSE(channels.Take(Term(3), Numbered(first, 1)));
  EXPECT_TRUE(channels.Take(Term(3), Numbered(second, 1)));
}

}  // namespace
}  // namespace quorate::node
