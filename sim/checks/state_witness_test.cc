#include "sim/checks/state_witness.h"

#include <string>

#include "env/buffer.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

constexpr GroupId kGroup(1);
constexpr NodeId kFirst(1);
constexpr NodeId kSecond(2);

class StateWitnessTest : public testing::Test {
 protected:
  void Apply(NodeId node, uint64_t index, const std::string& command,
             uint64_t digest, const std::string& state) {
    now_ = now_ + Milliseconds(1);
    raft::Entry entry;
    entry.index = raft::Index(index);
    entry.kind = raft::EntryKind::kCommands;
    entry.payload = Buffer::Copy(command);
    witness_.OnApplied(node, kGroup, entry);
    witness_.OnState(node, kGroup, entry.index, digest, [&] { return state; });
  }
  void ExpectIn(const std::string& text, const std::string& part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }

  SimTime now_;
  StateWitness witness_{{kGroup, raft::Index(3)}, [this] { return now_; }};
};

TEST_F(StateWitnessTest, StatesThatDiffer_AreExplained) {
  witness_.OnBoot(kFirst);
  Apply(kFirst, 1, "add 1", 11, "1");
  Apply(kFirst, 2, "add 2", 12, "3");
  Apply(kFirst, 3, "add 3", 13, "6");
  Apply(kFirst, 4, "add 4", 14, "10");
  witness_.OnBoot(kSecond);
  witness_.OnBoot(kSecond);
  witness_.OnRestored(kSecond, kGroup, raft::Index(1));
  witness_.OnRestored(kSecond, GroupId(2), raft::Index(9));
  Apply(kSecond, 1, "add 1", 11, "1");
  Apply(kSecond, 2, "add 2", 99, "2");
  Apply(kSecond, 3, "add 3", 98, "5");
  EXPECT_EQ(
      witness_.Explain(kSecond),
      "\n  entry 3, applied first by node 1 at 0.003000 s: \"add 3\""
      "\n  states of node 1 at 0.003000 s and of node 2 at 0.007000 s: first "
      "\"6\" (1 bytes), then \"5\" (1 bytes)"
      "\n  node 2 had the state of the others after index 1; before that entry "
      "came:"
      "\n    entry 2: \"add 2\""
      "\n  node 1 had started at 0.000000 s, start 1, and had restored no "
      "snapshot since then"
      "\n  node 2 had started at 0.004000 s, start 2, and had restored the "
      "snapshot at index 1 at 0.004000 s");
}

TEST_F(StateWitnessTest, ReplicaThatDiffersFromItself_IsExplainedByBothStarts) {
  witness_.OnBoot(kFirst);
  Apply(kFirst, 3, "add 3", 13, "6");
  witness_.OnBoot(kFirst);
  Apply(kFirst, 3, "add 3", 14, "7");
  const std::string text = witness_.Explain(kFirst);
  ExpectIn(text, "node 1 had started at 0.000000 s, start 1,");
  ExpectIn(text, "node 1 had started at 0.001000 s, start 2,");
  ExpectIn(text, "no state of another replica since its start");
}

TEST(StateDifferenceTest, LongBytes_AreShownAroundTheFirstDifference) {
  const std::string same(1'000, 'a');
  const std::string text =
      StateDifference(same + "left" + same, same + "right" + same);
  EXPECT_NE(text.find("aaleft"), std::string::npos) << text;
  EXPECT_NE(text.find("aaright"), std::string::npos) << text;
  EXPECT_LT(text.size(), 400u);
}

TEST(StateDifferenceTest, Lines_TheFirstThatDiffersIsShown) {
  EXPECT_EQ(StateDifference("a 1\nb 2\nc 3\n", "a 1\nb 7\nc 9\n"),
            "first \"b 2\", then \"b 7\"");
  EXPECT_EQ(StateDifference("a 1\nb 2\n", "a 1\n"), "first \"b 2\", then \"\"");
}

TEST(StateDifferenceTest, NoWords_SaysHowToGiveThem) {
  EXPECT_NE(StateDifference("", "").find("Describe"), std::string::npos);
  EXPECT_NE(StateDifference("x", "x").find("leave out"), std::string::npos);
}

}  // namespace
}  // namespace quorate::sim
