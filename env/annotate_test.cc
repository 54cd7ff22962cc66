#include "env/annotate.h"

#include "gtest/gtest.h"

namespace quorate {
namespace {

TEST(Annotate, Error_KeepsItsCodeAndGetsTheContext) {
  EXPECT_EQ(Annotate(absl::NotFoundError("no file"), "opening"),
            absl::NotFoundError("opening: no file"));
}

}  // namespace
}  // namespace quorate
