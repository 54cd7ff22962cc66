#include "sim/tools/corpus.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace quorate::sim {
namespace {

TEST(Corpus, Comments_SayWhatATapeWasKeptFor) {
  const auto kept = KeptForOf(
      "# kept for: mark raft.a\n# other words\nquorate-tape 1\nseed 1\n"
      "# kept for: violation liveness: every wish\n");
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->marks, std::vector<std::string>{"raft.a"});
  EXPECT_EQ(kept->violations, std::vector<std::string>{"liveness: every wish"});
  const auto wrong = KeptForOf("# kept for: luck\n");
  EXPECT_EQ(wrong.status().message(),
            "'# kept for: luck': expected mark NAME or violation RULE");
  EXPECT_EQ(KeptForOf(KeptForViolation("digest"))->violations,
            std::vector<std::string>{"digest"});
}

TEST(Corpus, RunThatReachesLess_IsSaid) {
  const KeptFor kept{.marks = {"raft.a", "raft.b"}};
  RunReport report;
  report.marks["raft.a"] = 2;
  EXPECT_EQ(LostOf(kept, report), "mark raft.b");
  report.marks["raft.b"] = 1;
  EXPECT_EQ(LostOf(kept, report), "");
  report.violations.push_back("digest: node 1 differs");
  EXPECT_EQ(LostOf(kept, report), "violation: digest: node 1 differs");
  EXPECT_EQ(LostOf({.violations = {"digest"}}, report), "");
  EXPECT_EQ(LostOf({.violations = {"commit"}}, report),
            "violation: digest: node 1 differs; no violation commit");
}

TEST(Corpus, Directory_HasItsTapesInOrder) {
  const std::string directory = testing::TempDir() + "/corpus";
  std::filesystem::create_directory(directory);
  for (const char* const name : {"b.tape", "a.tape", "c.txt"}) {
    std::ofstream(directory + "/" + name) << "x";
  }
  const auto paths = TapesIn(directory);
  ASSERT_TRUE(paths.ok()) << paths.status();
  ASSERT_EQ(paths->size(), 2u);
  EXPECT_EQ((*paths)[0], directory + "/a.tape");
  EXPECT_EQ((*paths)[1], directory + "/b.tape");
  EXPECT_FALSE(TapesIn(directory + "/none").ok());
}

}  // namespace
}  // namespace quorate::sim
