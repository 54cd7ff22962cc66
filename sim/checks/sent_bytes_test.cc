#include "sim/checks/sent_bytes.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

SimTime AfterMs(int64_t ms) { return SimTime() + Milliseconds(ms); }

TEST(SentBytes, KeyThatWasHandedOverSince_IsFound) {
  SentBytes sent;
  sent.Add(AfterMs(10), Buffer::Copy("SET k1 v"));
  EXPECT_TRUE(sent.MayContain(AfterMs(10), "k1"));
  EXPECT_FALSE(sent.MayContain(AfterMs(11), "k1"));
  EXPECT_FALSE(sent.MayContain(AfterMs(1), "k2"));
}

TEST(SentBytes, NothingWasHandedOver_NothingIsFound) {
  EXPECT_FALSE(SentBytes().MayContain(AfterMs(0), "k1"));
}

TEST(SentBytes, ForgottenBytes_CountAsAnyKey) {
  SentBytes sent(/*bytes_max=*/100);
  for (int64_t ms = 1; ms <= 3; ++ms) {
    sent.Add(AfterMs(ms), Buffer::Copy(std::string(60, 'x')));
  }
  EXPECT_TRUE(sent.MayContain(AfterMs(1), "k1"));
  EXPECT_FALSE(sent.MayContain(AfterMs(2), "k1"));
}

}  // namespace
}  // namespace quorate::sim
