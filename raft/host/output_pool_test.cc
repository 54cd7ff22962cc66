#include "raft/host/output_pool.h"

#include "env/buffer.h"
#include "gtest/gtest.h"

namespace quorate::raft {
namespace {

TEST(OutputPool, StepAfterStep_UsesOneOutput) {
  OutputPool pool;
  for (int i = 0; i < 3; ++i) {
    OutputPool::Lease output(&pool);
    EXPECT_TRUE((*output).apply.empty());
    EXPECT_EQ(pool.free(), 0u);
    Entry entry;
    entry.payload = Buffer::Copy("payload");
    (*output).apply.push_back(entry);
  }
  EXPECT_EQ(pool.free(), 1u);
}

TEST(OutputPool, StepWithinAStep_HasItsOwnOutput) {
  OutputPool pool;
  {
    OutputPool::Lease outer(&pool);
    (*outer).proposed.resize(1);
    {
      OutputPool::Lease inner(&pool);
      EXPECT_TRUE((*inner).proposed.empty());
    }
    EXPECT_EQ((*outer).proposed.size(), 1u);
  }
  EXPECT_EQ(pool.free(), 2u);
}

}  // namespace
}  // namespace quorate::raft
