// The verbs of quoratectl against real processes: typed twice, after Ctrl-C,
// and while the asked node dies.
#include <signal.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/tools/control.h"
#include "net/tools/member_verbs.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

using net::ControlAnswer;
using net::VerbOptions;

class VerbsTest : public testing::Test {
 protected:
  void Begin(const ProcessClusterOptions& options) {
    cluster_ = std::make_unique<ProcessCluster>(options);
    ASSERT_TRUE(cluster_->StartAll().ok());
    ASSERT_TRUE(cluster_->AwaitLeaders(Seconds(30)).ok());
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    while (net::Clock::ReadMono() < end && !AllReported()) Sleep(100);
    ASSERT_TRUE(AllReported());
  }
  // `node`: the one that is asked, counted from 0.
  VerbOptions Options(int node = 0, bool json = false) {
    return {.control = {.addresses = {cluster_->node(node).resp_cluster},
                        .timeout = Seconds(1),
                        .json = json},
            .say = say_,
            .progress = progress_,
            .interrupted = is_interrupted_};
  }
  nlohmann::json Rows(const char* list) {
    const ControlAnswer answer = std::string(list) == "nodes"
                                     ? net::ListNodes(Options(0, true))
                                     : net::ListGroups(Options(0, true));
    const auto all = nlohmann::json::parse(answer.out, nullptr, false);
    return all.is_object() ? all.value(list, nlohmann::json::array())
                           : nlohmann::json::array();
  }
  bool AllReported() {
    const auto nodes = Rows("nodes");
    size_t known = 0;
    for (const auto& node : nodes) {
      known += node["addresses"]["peer"].get<std::string>().empty() ? 0 : 1;
    }
    size_t led = 0;
    const auto groups = Rows("groups");
    for (const auto& group : groups) led += group["leader"].is_null() ? 0 : 1;
    return known == static_cast<size_t>(cluster_->size()) &&
           led == groups.size() && led > 0;
  }
  static void Sleep(int ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  }

  std::unique_ptr<ProcessCluster> cluster_;
  std::atomic<bool> interrupted_ = false;
  std::string said_;

 private:
  const std::function<void(const std::string&)> say_ =
      [this](const std::string& text) { said_ += text; };
  const std::function<void(const std::string&)> progress_ =
      [](const std::string&) {};
  const std::function<bool()> is_interrupted_ = [this] {
    return interrupted_.load();
  };
};

// The first one ends with Ctrl-C, if it waits at all. The second one waits for
// what the first began, and the third finds all done.
TEST_F(VerbsTest, EachVerb_TypedAgain_SucceedsAlike) {
  Begin({.nodes = 4, .groups = 2});
  const std::vector<
      std::pair<const char*, std::function<ControlAnswer(const VerbOptions&)>>>
      verbs = {
          {"node set",
           [](const VerbOptions& o) {
             return net::SetNode(o, 1, {.zone = "a"});
           }},
          {"group set 1 --weight",
           [](const VerbOptions& o) {
             return net::SetGroup(o, 1, {.weight = 150});
           }},
          {"group set 1 --replicas",
           [](const VerbOptions& o) {
             return net::SetGroup(o, 1, {.replicas = 3});
           }},
          {"group set 2 --replicas",
           [](const VerbOptions& o) {
             return net::SetGroup(o, 2, {.replicas = 3});
           }},
          {"node drain",
           [](const VerbOptions& o) { return net::ChangeNode(o, "drain", 4); }},
          {"group transfer",
           [](const VerbOptions& o) { return net::TransferGroup(o, 1, 2); }},
          {"node undrain",
           [](const VerbOptions& o) {
             return net::ChangeNode(o, "undrain", 4);
           }},
          {"slots move",
           [](const VerbOptions& o) {
             return net::MoveSlots(o, {.to = 2, .slots = "0-99"});
           }},
          {"rebalance", [](const VerbOptions& o) { return net::Rebalance(o); }},
          {"repair set",
           [](const VerbOptions& o) {
             return net::SetRepair(o, Seconds(900));
           }},
          {"group retire",
           [](const VerbOptions& o) { return net::RetireGroup(o, 2); }},
          {"node remove",
           [](const VerbOptions& o) { return net::RemoveNode(o, 4, false); }},
      };
  for (const auto& [name, verb] : verbs) {
    interrupted_ = true;
    const ControlAnswer first = verb(Options());
    EXPECT_TRUE(first.exit_status == 130 || first.exit_status == 0)
        << name << ": " << first.error;
    interrupted_ = false;
    for (int i = 0; i < 2; ++i) {
      const ControlAnswer again = verb(Options());
      EXPECT_EQ(again.exit_status, 0) << name << ": " << again.error;
    }
  }
  EXPECT_EQ(net::RetireGroup(Options(), 2).out, "group 2 has ended\n");
  EXPECT_EQ(net::RemoveNode(Options(), 4, false).out, "node 4 is removed\n");
  // That is the answer, and nothing says it before.
  EXPECT_FALSE(absl::StrContains(said_, "\nnode 4 is removed\n")) << said_;
}

// The second verb does not end before the move. It sees the cancellation, too.
TEST_F(VerbsTest, SlotsMoveTypedTwice_WaitsForTheOpenMove) {
  Begin({.nodes = 3, .groups = 2});
  VerbOptions options = Options();
  options.wait = false;
  // The slot of the key is 3300.
  ASSERT_EQ(net::RunSet(options.control, "x{b}", std::string(300'000, 'x')).out,
            "OK\n");
  const net::SlotsToMove move = {
      .to = 2, .slots = "0-8000", .bytes_per_second = 10'000};
  const ControlAnswer first = net::MoveSlots(options, move);
  EXPECT_EQ(first.exit_status, 0) << first.error;
  ControlAnswer second;
  std::atomic<bool> ended = false;
  std::thread waiting([&] {
    second = net::MoveSlots(Options(), move);
    ended = true;
  });
  Sleep(2'000);
  EXPECT_FALSE(ended) << second.out;
  EXPECT_EQ(net::ChangeMove(Options(), "cancel", 1).exit_status, 0);
  waiting.join();
  EXPECT_EQ(second.exit_status, 1) << second.out;
  EXPECT_TRUE(absl::StrContains(second.error, "move 1 was cancelled"))
      << second.error;
  EXPECT_TRUE(absl::StrContains(said_, "move 1 is under way")) << said_;
}

TEST_F(VerbsTest, AskedNodeThatDies_IsReplacedByAnother) {
  Begin({.nodes = 3, .groups = 2});
  ASSERT_EQ(
      net::RunSet(Options().control, "x{b}", std::string(300'000, 'x')).out,
      "OK\n");
  ControlAnswer moved;
  std::atomic<bool> ended = false;
  std::thread waiting([&] {
    moved = net::MoveSlots(
        Options(2), {.to = 2, .slots = "0-8000", .bytes_per_second = 60'000});
    ended = true;
  });
  Sleep(1'500);
  EXPECT_FALSE(ended) << moved.error;
  cluster_->Kill(2, SIGKILL);
  waiting.join();
  EXPECT_EQ(moved.exit_status, 0) << moved.error;
  EXPECT_TRUE(absl::StrContains(moved.out, "move 1: done")) << moved.out;
  // A change goes on only where no node can have it.
  VerbOptions several = Options(2);
  EXPECT_EQ(net::SetNode(several, 1, {.zone = "a"}).exit_status, 1);
  EXPECT_EQ(net::RunGet(several.control, "k").exit_status, 1);
  several.control.addresses.push_back(cluster_->node(0).resp_cluster);
  EXPECT_EQ(net::SetNode(several, 1, {.zone = "a"}).exit_status, 0);
  EXPECT_EQ(net::RunSet(several.control, "k", "v").out, "OK\n");
  EXPECT_EQ(net::RunGet(several.control, "k").out, "v\n");
}

// The asked node forgets the open operations when it ends. The name is taken if
// the first try took effect.
TEST_F(VerbsTest, UnknownOutcome_IsFinishedByThePrintedCommand) {
  Begin({.nodes = 3, .groups = 1});
  const auto groups = Rows("groups");
  const int leader = groups.back()["leader"].get<int>() - 1;
  const auto others = {(leader + 1) % 3, (leader + 2) % 3};
  for (const int node : others) cluster_->Signal(node, SIGSTOP);
  VerbOptions options = Options(leader);
  options.command = {"quoratectl", "node", "add", "--name", "fresh"};
  const ControlAnswer first = net::AddNode(options, {.name = "fresh"});
  EXPECT_EQ(first.exit_status, 5) << first.error;
  ASSERT_NE(first.operation, "");
  EXPECT_TRUE(absl::EndsWith(first.error, "\n  quoratectl --operation " +
                                              first.operation +
                                              " node add --name fresh"))
      << first.error;
  for (const int node : others) cluster_->Signal(node, SIGCONT);
  cluster_->Kill(leader, SIGKILL);
  ASSERT_TRUE(cluster_->StartAll().ok());
  ASSERT_TRUE(cluster_->AwaitLeaders(Seconds(30)).ok());
  for (int node = 0; node < 3; ++node) {
    VerbOptions second = Options(node);
    second.control.timeout = Seconds(20);
    second.operation = first.operation;
    const ControlAnswer again = net::AddNode(second, {.name = "fresh"});
    ASSERT_EQ(again.exit_status, 0) << again.error;
    EXPECT_TRUE(absl::StrContains(again.out, "--token")) << again.out;
    EXPECT_EQ(Rows("nodes").size(), 4u);
  }
  // Without the operation it is another node of the name.
  const ControlAnswer other = net::AddNode(Options(), {.name = "fresh"});
  EXPECT_EQ(other.exit_status, 4) << other.out;
  EXPECT_TRUE(absl::StrContains(other.error, "quoratectl node replace 4"))
      << other.error;
}

// A query that finds nothing is no refusal, and a wish about nothing is one.
TEST_F(VerbsTest, ExitStatus4_IsForRefusedChangesAlone) {
  Begin({.nodes = 1, .groups = 1});
  EXPECT_EQ(net::ShowGroup(Options(), 9).exit_status, 1);
  EXPECT_EQ(net::ShowMoves(Options(), 9).exit_status, 1);
  EXPECT_EQ(net::RecoverGroup(Options(), 9, false).exit_status, 4);
  EXPECT_EQ(net::RecoverGroup(Options(), 9, true).exit_status, 4);
  EXPECT_EQ(net::SetNode(Options(), 9, {.zone = "a"}).exit_status, 4);
  EXPECT_EQ(net::RetireGroup(Options(), 9).exit_status, 4);
  EXPECT_EQ(net::SetNode(Options(), 1, {.weight = 0}).exit_status, 1);
  EXPECT_EQ(net::SetNode(Options(), 1, {.name = "\x80"}).exit_status, 2);
  const ControlAnswer up = net::ReplaceNode(Options(), 1, false);
  EXPECT_EQ(up.exit_status, 4) << up.out;
  EXPECT_TRUE(absl::StrContains(up.error, "--yes")) << up.error;
}

}  // namespace
}  // namespace quorate::tests
