#include "node/controller/copy_window.h"

#include <gtest/gtest.h>

#include <cstddef>

#include "env/time.h"

namespace quorate::node {
namespace {

constexpr size_t kPiece = size_t{16} << 10;
constexpr Duration kAlone = Milliseconds(2);

class CopyWindowTest : public ::testing::Test {
 protected:
  // Answers to as many pieces as fit into the window.
  void Round(Duration took) {
    now_ = now_ + took;
    const size_t under_way = window_.bytes();
    for (size_t left = under_way / kPiece; left > 0; --left) {
      window_.OnAnswer(now_, took, kPiece, under_way);
    }
  }
  void Rounds(int rounds, Duration took) {
    for (int i = 0; i < rounds; ++i) Round(took);
  }

  CopyWindow window_;
  MonoTime now_;
};

TEST_F(CopyWindowTest, IdleCluster_IsCopiedAtFullSpeed) {
  EXPECT_EQ(window_.bytes(), CopyWindow::kMin);
  Round(kAlone);
  EXPECT_EQ(window_.bytes(), 2 * CopyWindow::kMin);
  Rounds(10, kAlone + CopyWindow::kTarget);
  EXPECT_EQ(window_.bytes(), CopyWindow::kMax);
}

TEST_F(CopyWindowTest, AnswersBehindAQueue_HalveItOnceInARound) {
  Rounds(10, kAlone);
  Round(kAlone + CopyWindow::kTarget + Milliseconds(1));
  EXPECT_EQ(window_.bytes(), CopyWindow::kMax / 2);
  Rounds(20, kAlone + CopyWindow::kTarget + Milliseconds(1));
  EXPECT_EQ(window_.bytes(), CopyWindow::kMin);
  Rounds(10, kAlone);
  EXPECT_EQ(window_.bytes(), CopyWindow::kMax);
}

TEST_F(CopyWindowTest, WindowThatIsNotUsed_DoesNotGrow) {
  constexpr size_t kUsed = CopyWindow::kMin;
  for (int i = 0; i < 100; ++i) {
    now_ = now_ + kAlone;
    window_.OnAnswer(now_, kAlone, kPiece, kUsed);
  }
  EXPECT_GE(window_.bytes(), 2 * kUsed);
  EXPECT_LE(window_.bytes(), 2 * kUsed + kPiece);
}

// A minute later other disks and another load may be usual.
TEST_F(CopyWindowTest, LongerAnswersForAMinute_AreNoQueue) {
  Round(kAlone);
  const Duration later = kAlone + CopyWindow::kTarget * 2;
  Rounds(3, later);
  EXPECT_EQ(window_.bytes(), CopyWindow::kMin);
  now_ = now_ + CopyWindow::kBaseAge;
  Round(later);
  now_ = now_ + CopyWindow::kBaseAge;
  Rounds(2, later);
  EXPECT_GT(window_.bytes(), CopyWindow::kMin);
}

TEST_F(CopyWindowTest, CopyThatDoesNotCatchUp_ShrinksNoMore) {
  EXPECT_TRUE(window_.Raise());
  EXPECT_EQ(window_.bytes(), 2 * CopyWindow::kMin);
  Rounds(3, kAlone);
  Rounds(20, kAlone + CopyWindow::kTarget * 2);
  EXPECT_EQ(window_.bytes(), 2 * CopyWindow::kMin);
  int raised = 1;
  while (window_.Raise()) ++raised;
  EXPECT_EQ(raised, 5);
  EXPECT_EQ(window_.bytes(), CopyWindow::kMax);
}

}  // namespace
}  // namespace quorate::node
