#include "sim/checks/sent_bytes.h"

#include <string>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

SimTime At(int64_t ms) { return SimTime() + Milliseconds(ms); }

TEST(SentBytes, KeyThatWasHandedOverSince_IsFound) {
  SentBytes sent;
  sent.Add(At(10), Buffer::Copy("SET k1 v"));
  EXPECT_TRUE(sent.MayContain(At(10), "k1"));
  EXPECT_FALSE(sent.MayContain(At(11), "k1"));
  EXPECT_FALSE(sent.MayContain(At(1), "k2"));
}

TEST(SentBytes, NothingWasHandedOver_NothingIsFound) {
  EXPECT_FALSE(SentBytes().MayContain(At(0), "k1"));
}

TEST(SentBytes, ForgottenBytes_CountAsAnyKey) {
  SentBytes sent(/*bytes_max=*/100);
  for (int64_t ms = 1; ms <= 3; ++ms) {
    sent.Add(At(ms), Buffer::Copy(std::string(60, 'x')));
  }
  EXPECT_TRUE(sent.MayContain(At(1), "k1"));
  EXPECT_FALSE(sent.MayContain(At(2), "k1"));
}

}  // namespace
}  // namespace quorate::sim
