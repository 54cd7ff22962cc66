#include "env/destruction.h"

#include <functional>
#include <memory>

#include "gtest/gtest.h"

namespace quorate {
namespace {

// Returns whether it was destroyed inside `callback`.
class Caller {
 public:
  bool Call(const std::function<void()>& callback) {
    Destruction::Watch watch(&destruction_);
    callback();
    return watch.destroyed();
  }

 private:
  Destruction destruction_;
};

TEST(Destruction, ByACallback_IsObserved) {
  auto caller = std::make_unique<Caller>();
  EXPECT_FALSE(caller->Call([] {}));
  EXPECT_TRUE(caller->Call([&] { caller.reset(); }));
}

TEST(Destruction, OfAnotherObject_IsNotObserved) {
  Caller caller;
  auto other = std::make_unique<Caller>();
  EXPECT_FALSE(caller.Call([&] { other.reset(); }));
}

TEST(Destruction, InANestedCall_IsObservedByAllCalls) {
  auto caller = std::make_unique<Caller>();
  bool inner = false;
  EXPECT_TRUE(
      caller->Call([&] { inner = caller->Call([&] { caller.reset(); }); }));
  EXPECT_TRUE(inner);
}

TEST(Destruction, AfterANestedCall_IsObservedByTheOuterCall) {
  auto caller = std::make_unique<Caller>();
  EXPECT_TRUE(caller->Call([&] {
    EXPECT_FALSE(caller->Call([] {}));
    caller.reset();
  }));
}

}  // namespace
}  // namespace quorate
