// Shrinks tapes of made-up runs, whose violations need known lines.
#include "sim/tools/shrink.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

bool Has(const Tape& tape, const std::string& site, uint64_t entity,
         uint64_t least) {
  return std::ranges::any_of(tape.choices, [&](const TapeChoice& choice) {
    return choice.site == site && choice.entity == entity &&
           choice.value >= least;
  });
}

// A run of 20 clients with many small delays. It fails if the crash of node 2
// meets the third operation of client 7, and lasts for three seconds.
class ShrinkTest : public testing::Test {
 protected:
  ShrinkTest() {
    tape_.seed = 7;
    tape_.SetParameter("duration_ms", "60000");
    for (uint64_t i = 0; i < 3000; ++i) {
      tape_.choices.push_back({"net.jitter", i % 9, i, 5});
      tape_.choices.push_back({"workload.operation", i % 20, i / 20, i % 50});
      if (i % 10 == 0) tape_.choices.push_back({"schedule.pick", i % 5, i, 3});
    }
    tape_.choices.push_back({"crash.at", 2, 17, 900});
  }

  bool Fails(const Tape& tape) {
    ++tried_;
    return Has(tape, "crash.at", 2, 100) &&
           Has(tape, "workload.operation", 7, 1) &&
           std::stoi(*tape.Parameter("duration_ms")) >= 3000;
  }

  Tape Shrunk(size_t jobs, size_t tries_max = 100'000) {
    return Shrink(
        tape_,
        {.parameters = {{"duration_ms", {"500", "1000", "3000", "8000"}}},
         .jobs = jobs},
        [this](const std::vector<Tape>& tapes) {
          std::vector<std::optional<Tape>> failing;
          for (const Tape& tape : tapes) {
            failing.push_back(Fails(tape) ? std::optional(tape) : std::nullopt);
          }
          return failing;
        },
        [this, tries_max] { return tried_ < tries_max; }, [](const Tape&) {});
  }

  Tape tape_;
  size_t tried_ = 0;
};

TEST_F(ShrinkTest, LinesThatMatter_AreLeftWithSmallValues) {
  for (const size_t jobs : {size_t{1}, size_t{3}}) {
    tried_ = 0;
    const Tape shrunk = Shrunk(jobs);
    EXPECT_EQ(*shrunk.Parameter("duration_ms"), "3000");
    ASSERT_EQ(shrunk.choices.size(), 2u) << FormatTape(shrunk);
    EXPECT_EQ(shrunk.choices[0].entity, 7u);
    EXPECT_EQ(shrunk.choices[0].value, 1u);
    EXPECT_LT(shrunk.choices[1].value, 900u);
    EXPECT_TRUE(Fails(shrunk));
    EXPECT_LT(tried_, 300u);
  }
}

TEST_F(ShrinkTest, NoTime_KeepsTheViolation) {
  const Tape shrunk = Shrunk(1, /*tries_max=*/3);
  EXPECT_TRUE(Fails(shrunk));
  EXPECT_LT(shrunk.choices.size(), tape_.choices.size());
}

TEST(KindOfViolation, Numbers_AreLeftOut) {
  EXPECT_EQ(KindOfViolation("group 2: durability: node 1 restarts"),
            "durability");
  EXPECT_EQ(KindOfViolation("linearizability: key n.12 has no order\nmore"),
            "linearizability");
  EXPECT_EQ(KindOfViolation(
                "liveness: every wish took more than 30000 ms after healing"),
            "liveness: every wish");
  EXPECT_EQ(KindOfViolation("raft/core/core.cc:91: CHECK failed: a <= b (2 vs "
                            "1)"),
            "raft/core/core.cc:#: CHECK failed: a <= b");
  EXPECT_EQ(KindOfViolation("the run died of signal 11 (Segmentation fault)"),
            "the run died of signal # (Segmentation fault)");
}

}  // namespace
}  // namespace quorate::sim
