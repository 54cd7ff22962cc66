#include "env/quota.h"

#include <cstdint>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace quorate {
namespace {

class Watched final : public Quota {
 public:
  std::vector<uint64_t> before_;

 private:
  void OnChange(uint64_t before) override { before_.push_back(before); }
};

TEST(Quota, Shares_CountUntilTheyEnd) {
  Quota quota;
  {
    Quota::Share first(quota, 5);
    Quota::Share second(quota);
    second.Add(7);
    EXPECT_EQ(quota.bytes(), 12u);
    second.Remove(3);
    EXPECT_EQ(second.bytes(), 4u);
    EXPECT_EQ(quota.bytes(), 9u);
    first.End();
    first.End();
    EXPECT_EQ(quota.bytes(), 4u);
  }
  EXPECT_EQ(quota.bytes(), 0u);
}

TEST(Quota, MovedShare_CountsOnce) {
  Quota quota, other;
  Quota::Share first(quota, 5);
  Quota::Share second = std::move(first);
  EXPECT_EQ(quota.bytes(), 5u);
  Quota::Share third(other, 2);
  third = std::move(second);
  EXPECT_EQ(quota.bytes(), 5u);
  EXPECT_EQ(other.bytes(), 0u);
  third = Quota::Share();
  EXPECT_EQ(quota.bytes(), 0u);
}

TEST(Quota, Changes_AreTold_EqualSizesAreNone) {
  Watched quota;
  Quota::Share share(quota, 5);
  share.Resize(5);
  share.Resize(3);
  share.End();
  EXPECT_EQ(quota.before_, (std::vector<uint64_t>{0, 5, 3}));
}

TEST(QuotaDeathTest, MoreThanTheShareHas_IsAnError) {
  Quota quota;
  Quota::Share share(quota, 5), none;
  EXPECT_DEATH(share.Remove(6), "");
  EXPECT_DEATH(none.Resize(1), "a share of no quota");
}

}  // namespace
}  // namespace quorate
