#include "env/fifo.h"

#include <deque>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace quorate {
namespace {

TEST(Fifo, NeverUsed_TakesNoMemory) {
  EXPECT_EQ(Fifo<int>().capacity_bytes(), 0u);
}

TEST(Fifo, AfterABurst_GivesItsMemoryBack) {
  Fifo<int, 64> fifo;
  for (int i = 0; i < 1'000; ++i) fifo.push_back(i);
  for (int i = 0; i < 1'000; ++i) {
    EXPECT_EQ(fifo.front(), i);
    fifo.pop_front();
  }
  EXPECT_EQ(fifo.capacity_bytes(), 0u);
  fifo.push_back(1);
  const size_t few = fifo.capacity_bytes();
  fifo.pop_front();
  EXPECT_EQ(fifo.capacity_bytes(), few) << "little is kept for the next ones";
}

TEST(Fifo, ElementThatIsTakenOut_IsDestroyedAtOnce) {
  Fifo<std::shared_ptr<int>> fifo;
  auto first = std::make_shared<int>(1);
  fifo.push_back(first);
  fifo.push_back(std::make_shared<int>(2));
  fifo.push_back(std::make_shared<int>(3));
  fifo.pop_front();
  EXPECT_EQ(first.use_count(), 1);
}

RC_GTEST_PROP(Fifo, AnyUse_IsThatOfADeque, ()) {
  Fifo<int, 40> fifo;
  std::deque<int> model;
  for (const int step :
       *rc::gen::container<std::vector<int>>(200, rc::gen::inRange(0, 100))) {
    if (step < 45 || model.empty()) {
      fifo.push_back(step);
      model.push_back(step);
    } else if (step < 90) {
      fifo.pop_front();
      model.pop_front();
    } else {
      const size_t at = static_cast<size_t>(step) % (model.size() + 1);
      fifo.insert(fifo.begin() + static_cast<ptrdiff_t>(at), step);
      model.insert(model.begin() + static_cast<ptrdiff_t>(at), step);
    }
    RC_ASSERT(std::vector<int>(fifo.begin(), fifo.end()) ==
              std::vector<int>(model.begin(), model.end()));
    RC_ASSERT(fifo.empty() == model.empty());
    RC_ASSERT(fifo.size() == model.size());
    if (!model.empty()) {
      RC_ASSERT(fifo.front() == model.front());
      RC_ASSERT(fifo.back() == model.back());
    }
  }
}

}  // namespace
}  // namespace quorate
