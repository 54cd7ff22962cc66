// The log of a node tells elections, leaders, members and snapshots.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "raft/host/host.h"
#include "raft/host/testing/journal_cluster.h"
#include "sim/world/world.h"

namespace quorate::raft {
namespace {

using testing::kGroup;

class HostLog : public ::testing::Test {
 protected:
  HostLog() {
    cluster_.world_.SetLogSink(
        env::Severity::kInfo, [this](sim::SimTime, sim::MachineId machine,
                                     env::Severity, std::string_view line) {
          lines_.push_back(
              absl::StrCat("n", machine.value(), " ", std::string(line)));
        });
    for (const uint32_t n : {1, 2, 3}) cluster_.StartNode(n);
    EXPECT_TRUE(cluster_.WaitForLeader());
  }

  // Lines that have `text`.
  size_t Count(const std::string& text) const {
    size_t count = 0;
    for (const std::string& line : lines_) {
      count += absl::StrContains(line, text) ? 1 : 0;
    }
    return count;
  }
  size_t PlaceOf(const std::string& text) const {
    for (size_t i = 0; i < lines_.size(); ++i) {
      if (absl::StrContains(lines_[i], text)) return i;
    }
    ADD_FAILURE() << text << "\n" << absl::StrJoin(lines_, "\n");
    return lines_.size();
  }
  std::string Node(uint32_t n) const {
    return absl::StrCat("n", cluster_.machines_[n - 1].value(), " ");
  }

  std::vector<std::string> lines_;
  testing::JournalCluster cluster_{5, 4096, {}};
};

TEST_F(HostLog, Election_IsToldByTheLeaderAndByTheOthers) {
  const uint32_t leader = cluster_.leader();
  ASSERT_EQ(cluster_.Propose("x").outcome, Outcome::kDone);
  const uint64_t term =
      cluster_.node(leader)->host.core(kGroup)->term().value();
  const size_t candidate =
      PlaceOf(absl::StrCat(Node(leader),
                           "raft: group 1: this node is a candidate in "
                           "term ",
                           term));
  const size_t leads = PlaceOf(absl::StrCat(
      Node(leader), "raft: group 1 is led by this node in term ", term));
  EXPECT_LT(candidate, leads);
  for (uint32_t n = 1; n <= 3; ++n) {
    if (n == leader) continue;
    EXPECT_LT(leads, PlaceOf(absl::StrCat(Node(n),
                                          "raft: group 1 is led by "
                                          "node ",
                                          leader, " in term ", term)));
  }
}

TEST_F(HostLog, NodeThatIsCutOff_SaysSoOnce) {
  const uint32_t cut = cluster_.leader() % 3 + 1;
  for (uint32_t n = 1; n <= 3; ++n) {
    if (n == cut) continue;
    cluster_.world_.BlockLink(cluster_.machines_[n - 1],
                              cluster_.machines_[cut - 1]);
    cluster_.world_.BlockLink(cluster_.machines_[cut - 1],
                              cluster_.machines_[n - 1]);
  }
  const std::string line =
      absl::StrCat(Node(cut), "raft: group 1 has no leader that this node");
  const size_t before = Count(line);
  cluster_.world_.RunFor(Seconds(30));
  EXPECT_EQ(Count(line), before + 1);
}

TEST_F(HostLog, Crash_StandsBetweenTheLines) {
  const uint32_t leader = cluster_.leader();
  cluster_.Crash(leader, sim::CrashKind::kProcess);
  ASSERT_TRUE(cluster_.world_.RunUntilTrue(
      [&] { return cluster_.leader() != 0 && cluster_.leader() != leader; }));
  const size_t crash = PlaceOf(Node(leader) + "world: crash");
  EXPECT_LT(PlaceOf(absl::StrCat(Node(leader), "raft: group 1 is led by")),
            crash);
  EXPECT_LT(crash, PlaceOf(absl::StrCat(Node(cluster_.leader()),
                                        "raft: group 1 is led by this node")));
}

TEST_F(HostLog, Members_ThatComeAndGo_AreNamed) {
  Configuration target =
      cluster_.node(cluster_.leader())->host.core(kGroup)->configuration();
  const Index base = cluster_.node(cluster_.leader())
                         ->host.core(kGroup)
                         ->configuration_index();
  const uint32_t leaves = cluster_.leader() % 3 + 1;
  std::erase_if(target.voters, [&](const Member& member) {
    return member.node == NodeId(leaves);
  });
  bool done = false;
  cluster_.node(cluster_.leader())
      ->host.ChangeConfiguration(kGroup, base, target,
                                 [&](const ProposeResult&) { done = true; });
  ASSERT_TRUE(cluster_.world_.RunUntilTrue([&] { return done; }));
  cluster_.world_.RunFor(Seconds(1));
  std::string with;
  std::string without;
  for (uint32_t n = 1; n <= 3; ++n) {
    absl::StrAppend(&with, n == 1 ? "" : ", ", n,
                    n == leaves ? " (leaves)" : "");
    if (n == leaves) continue;
    absl::StrAppend(&without, without.empty() ? "" : ", ", n);
  }
  const std::string has =
      Node(cluster_.leader()) + "raft: group 1 has the members ";
  EXPECT_LT(PlaceOf(has + with + " from entry "),
            PlaceOf(has + without + " from entry "));
  const auto told =
      std::count_if(lines_.begin(), lines_.end(), [](const std::string& line) {
        return line.ends_with(" on. Before: 1, 2, 3");
      });
  EXPECT_EQ(told, 3) << absl::StrJoin(lines_, "\n");
}

TEST_F(HostLog, Snapshots_AreToldWhereTheyAreTakenAndInstalled) {
  const uint32_t late = cluster_.leader() % 3 + 1;
  cluster_.Crash(late, sim::CrashKind::kProcess);
  for (int i = 0; i < 40; ++i) {
    ASSERT_EQ(cluster_.Propose(std::string(1000, 'x')).outcome, Outcome::kDone);
  }
  cluster_.world_.RunFor(Seconds(1));
  EXPECT_GT(Count("raft: group 1 took a snapshot of "), 0u);
  cluster_.Restart(late);
  cluster_.world_.RunFor(Seconds(10));
  EXPECT_GT(Count(absl::StrCat(Node(late),
                               "raft: group 1 installed a snapshot "
                               "of its leader of ")),
            0u)
      << absl::StrJoin(lines_, "\n");
}

}  // namespace
}  // namespace quorate::raft
