// Shrinks tapes of made-up runs, whose violations need known lines.
#include "sim/tools/shrink.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "sim/tools/choice_kind.h"

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
        [this, tries_max] { return tried_ < tries_max; },
        [](const Tape&, std::string_view) {});
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

// A run of 4,000 operations with a small setting. It fails after 500
// operations, or with that setting after two.
class VolumeTest : public testing::Test {
 protected:
  VolumeTest() {
    for (uint64_t i = 0; i < 4000; ++i) {
      tape_.choices.push_back({"workload.operation", i % 8, i / 8, 1});
    }
    for (uint64_t i = 0; i < 40; ++i) {
      tape_.choices.push_back({absl::StrCat("knob.raft.", i), i % 5, 0, 2});
    }
    tape_.choices.push_back({"knob.snapshot.threshold_bytes", 2, 0, 1});
  }

  // The size of a tape is what its run costs.
  bool Fails(const Tape& tape) {
    cost_ += tape.choices.size();
    const size_t operations = CountChoices(tape).operations;
    return operations >= 500 ||
           (operations >= 2 &&
            Has(tape, "knob.snapshot.threshold_bytes", 2, 1));
  }

  Tape Shrunk(const ShrinkOptions& options) {
    return Shrink(
        tape_, options,
        [this](const std::vector<Tape>& tapes) {
          std::vector<std::optional<Tape>> failing;
          for (const Tape& tape : tapes) {
            failing.push_back(Fails(tape) ? std::optional(tape) : std::nullopt);
          }
          return failing;
        },
        [] { return true; },
        [this](const Tape& tape, std::string_view pass) {
          smaller_.emplace_back(pass, tape.choices.size());
        });
  }

  Tape tape_;
  size_t cost_ = 0;
  std::vector<std::pair<std::string, size_t>> smaller_;
};

TEST_F(VolumeTest, SettingThatSavesOperations_IsKept) {
  const Tape shrunk = Shrunk({});
  EXPECT_EQ(CountChoices(shrunk).operations, 2u);
  EXPECT_EQ(shrunk.choices.size(), 3u) << FormatTape(shrunk);
  // As if 20 runs had the length of the first one.
  EXPECT_LT(cost_, 20 * tape_.choices.size());
}

TEST_F(VolumeTest, SmallerTapes_ComeWithTheirPass) {
  Shrunk({});
  ASSERT_FALSE(smaller_.empty());
  for (size_t i = 1; i < smaller_.size(); ++i) {
    EXPECT_LE(smaller_[i].second, smaller_[i - 1].second);
  }
  EXPECT_TRUE(std::ranges::any_of(
      smaller_, [](const auto& one) { return one.first == "settings"; }));
}

// A run that fails only while almost all of it is there, or if it has one node.
TEST_F(VolumeTest, RunThatStandsNoLargeLoss_IsTriedInOtherSizes) {
  const auto fails = [&](const Tape& tape) {
    const std::string* const nodes = tape.Parameter("nodes");
    const bool small = nodes != nullptr && *nodes == "1";
    return tape.choices.size() + 100 >= tape_.choices.size() ||
           (small && Has(tape, "workload.operation", 3, 1));
  };
  const Tape shrunk = Shrink(
      tape_, {.parameters = {{"nodes", {"1", "2"}}}},
      [&](const std::vector<Tape>& tapes) {
        std::vector<std::optional<Tape>> failing;
        for (const Tape& tape : tapes) {
          failing.push_back(fails(tape) ? std::optional(tape) : std::nullopt);
        }
        cost_ += tapes.size();
        return failing;
      },
      [] { return true; }, [](const Tape&, std::string_view) {});
  EXPECT_EQ(shrunk.choices.size(), 1u) << FormatTape(shrunk);
  EXPECT_LT(cost_, 150u);
}

TEST_F(ShrinkTest, FirstSizes_AreTakenTogetherBeforeTheRest) {
  std::vector<std::string> passes;
  const ShrinkOptions options{
      .first = {{{{"duration_ms", "1000"}, {"nodes", "1"}},
                 {{"duration_ms", "3000"}, {"nodes", "3"}},
                 {{"duration_ms", "3000"}}},
                {{{"groups", "2"}}}}};
  const Tape shrunk = Shrink(
      tape_, options,
      [this](const std::vector<Tape>& tapes) {
        std::vector<std::optional<Tape>> failing;
        for (const Tape& tape : tapes) {
          failing.push_back(Fails(tape) ? std::optional(tape) : std::nullopt);
        }
        return failing;
      },
      [] { return true; },
      [&](const Tape&, std::string_view pass) { passes.emplace_back(pass); });
  EXPECT_EQ(*shrunk.Parameter("duration_ms"), "3000");
  EXPECT_EQ(*shrunk.Parameter("nodes"), "3");
  EXPECT_EQ(*shrunk.Parameter("groups"), "2");
  ASSERT_GE(passes.size(), 3u);
  EXPECT_EQ(passes[0], "large parts");
  EXPECT_EQ(passes[1], "first parameters");
  EXPECT_EQ(passes[2], "first parameters");
  EXPECT_EQ(shrunk.choices.size(), 2u) << FormatTape(shrunk);
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
