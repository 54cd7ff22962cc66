#include "sim/explore/scenario.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(Scenario, AllWords_AreRead) {
  const absl::StatusOr<Scenario> read = ParseScenario(
      "# why\n"
      "system store\n"
      "nodes 5  # a comment\n"
      "begin led\n"
      "do remove 4\n"
      "do command\n"
      "delays any\n"
      "timeouts 1\nlosses 2\nduplicates 3\ncuts 4\ncrashes 5\n"
      "down 500ms\n"
      "disks prompt\n"
      "terms 6\n"
      "time 3s\n"
      "end required\n");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->system, Scenario::System::kStore);
  EXPECT_EQ(read->nodes, 5u);
  EXPECT_EQ(read->begin, Scenario::Begin::kLed);
  EXPECT_EQ(read->steps, (std::vector<std::string>{"remove 4", "command"}));
  EXPECT_EQ(read->faults.delays, BranchOptions::kUnlimited);
  EXPECT_EQ(read->faults.timeouts, 1u);
  EXPECT_EQ(read->faults.losses, 2u);
  EXPECT_EQ(read->faults.duplicates, 3u);
  EXPECT_EQ(read->faults.cuts, 4u);
  EXPECT_EQ(read->faults.crashes, 5u);
  EXPECT_EQ(read->faults.down, Milliseconds(500));
  EXPECT_TRUE(read->faults.prompt_disks);
  EXPECT_EQ(read->terms, 6u);
  EXPECT_EQ(read->time, Seconds(3));
  EXPECT_TRUE(read->end_required);
}

TEST(Scenario, FormattedText_IsReadAgain) {
  for (const std::string& name : ScenarioFileNames()) {
    const absl::StatusOr<Scenario> read = ParseScenario(ScenarioText(name));
    ASSERT_TRUE(read.ok()) << name << ": " << read.status();
    const std::string text = FormatScenario(*read);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const absl::StatusOr<Scenario> again = ParseScenario(text);
    ASSERT_TRUE(again.ok()) << text << ": " << again.status();
    EXPECT_EQ(FormatScenario(*again), text);
  }
  EXPECT_EQ(ScenarioText("no such name"), "");
}

TEST(Scenario, Mistake_IsNamedWithItsLine) {
  const std::pair<const char*, const char*> cases[] = {
      {"nodes 3\ncrashes two\n",
       "line 2: crashes: expected a number from 0 to 100, found 'two'"},
      {"nodes 8", "line 1: nodes: expected a number from 1 to 7, found '8'"},
      {"nodes 3\nnodes 4", "line 2: nodes: given twice; give it once"},
      {"begin soon", "line 1: begin: expected founded or led, found 'soon'"},
      {"time soon",
       "line 1: time: expected a time such as 500ms or 2s, at most 1h, found "
       "'soon'"},
      {"do", "line 1: do: expected a step, found ''"},
      {"# nothing\n", "no line: expected "},
      {"crash 1", "line 1: a word: expected system, nodes, "}};
  for (const auto& [text, message] : cases) {
    const absl::StatusOr<Scenario> read = ParseScenario(text);
    ASSERT_FALSE(read.ok()) << text;
    EXPECT_EQ(read.status().message().find(message), 0u) << read.status();
  }
}

}  // namespace
}  // namespace quorate::sim
