// Operators change the members of a cluster of real processes by quoratectl's
// verbs, and clients of every node are served meanwhile.
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "net/event_loop/clock.h"
#include "net/tools/control.h"
#include "net/tools/member_verbs.h"
#include "net/tools/resp_client.h"
#include "tests/processes/cluster.h"

namespace quorate::tests {
namespace {

// Counts up through one node until it is stopped. Every answer must be the next
// number. A leader that is killed may have counted without an answer.
class Counting {
 public:
  // `may_fail`: the group may be without a leader for a while.
  explicit Counting(std::string address, bool may_fail = false)
      : address_(std::move(address)),
        may_fail_(may_fail),
        thread_([this] { Run(); }) {}
  ~Counting() { Stop(); }
  void Stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  int64_t count() const { return count_; }
  // Empty: no answer was wrong.
  const std::string& error() const { return error_; }

 private:
  void Run() {
    auto client = net::RespClient::Connect(address_, Seconds(10));
    if (!client.ok()) {
      error_ = client.status().ToString();
      return;
    }
    int64_t unknown = 0;
    while (!stop_ && error_.empty()) {
      const auto reply = (*client)->Call({"INCR", "counted"});
      if (!reply.ok()) {
        error_ = reply.status().ToString();
      } else if (absl::StartsWith(reply->text, "UNKNOWN")) {
        ++unknown;
      } else if (may_fail_ && reply->is_error()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
      } else if (reply->integer <= count_ ||
                 reply->integer > count_ + 1 + unknown) {
        error_ = absl::StrCat("after ", count_.load(), " and ", unknown,
                              " unknown: ", reply->integer, " ", reply->text);
      } else {
        count_ = reply->integer;
        unknown = 0;
      }
    }
  }

  const std::string address_;
  const bool may_fail_;
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> count_ = 0;
  std::string error_;
  std::thread thread_;
};

class MembersTest : public testing::Test {
 protected:
  void Begin(const ProcessClusterOptions& options) {
    cluster_ = std::make_unique<ProcessCluster>(options);
    ASSERT_TRUE(cluster_->StartAll().ok());
    ASSERT_TRUE(cluster_->AwaitLeaders(Seconds(30)).ok());
  }
  net::VerbOptions Options(bool json = false) {
    return {.control = {.addresses = {cluster_->node(asked_).resp_cluster},
                        .json = json},
            .say = say_,
            .progress = ignore_,
            .interrupted = never_};
  }
  std::string Get(int node) {
    return net::RunGet({.addresses = {cluster_->node(node).resp}}, "k").out;
  }
  // Waits until the list of the verb has the text.
  std::string Await(net::ControlAnswer (*list)(const net::VerbOptions&),
                    const std::string& text) {
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    net::ControlAnswer answer;
    while (net::Clock::ReadMono() < end) {
      answer = list(Options());
      if (absl::StrContains(answer.out, text)) return "";
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return absl::StrCat("no ", text, " in\n", answer.out, answer.error);
  }

  // As it was reported last; zero: there is none.
  uint32_t LeaderOf(uint32_t group) {
    const auto row = nlohmann::json::parse(
        net::ShowGroup(Options(true), group).out, nullptr, false);
    const bool known = row.is_object() && row["leader"].is_number();
    return known ? row["leader"].get<uint32_t>() : 0;
  }
  // Waits until the client has counted some more.
  static bool AwaitCounts(const Counting& counting) {
    const int64_t before = counting.count();
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    while (net::Clock::ReadMono() < end) {
      if (counting.count() > before + 20) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }
  // Recovers the group from node 1, once the loss of the others has been seen.
  void RecoverFromTheFirst(uint32_t group) {
    const MonoTime end = net::Clock::ReadMono() + Seconds(60);
    net::ControlAnswer shown;
    while (net::Clock::ReadMono() < end &&
           !absl::StrContains(shown.error, "Nothing has changed")) {
      shown = net::RecoverGroup(Options(), group, /*accept_loss=*/false);
      EXPECT_NE(shown.exit_status, 0);
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_EQ(shown.exit_status, 4) << shown.error;
    EXPECT_TRUE(absl::StrContains(shown.error, "would go on from node 1"))
        << shown.error;
    EXPECT_TRUE(absl::StrContains(shown.error, "nodes 2, 3 confirmed"))
        << shown.error;
    EXPECT_TRUE(absl::StrContains(shown.out, "LAST INDEX")) << shown.out;
    const net::ControlAnswer done = net::RecoverGroup(Options(), group, true);
    EXPECT_EQ(done.exit_status, 0) << done.error;
    EXPECT_TRUE(absl::StrContains(done.out, "goes on, led by node 1\n"))
        << done.out;
    EXPECT_TRUE(absl::StrContains(said_, "no answer")) << said_ << done.error;
  }
  // Nodes 2 and 3 are back, a majority of all groups before the loss. They give
  // no answer from that time, and take no write.
  void ExpectNoAnswerOfTheOldMembers() {
    const MonoTime end = net::Clock::ReadMono() + Seconds(8);
    while (net::Clock::ReadMono() < end) {
      for (const int node : {1, 2}) {
        const net::ControlOptions options = {
            .addresses = {cluster_->node(node).resp}, .timeout = Seconds(1)};
        EXPECT_NE(net::RunGet(options, "k").out, "v\n");
        EXPECT_NE(net::RunSet(options, "k", "of the old members").out, "OK\n");
      }
    }
  }

  std::unique_ptr<ProcessCluster> cluster_;
  int asked_ = 2;  // The node that the verbs ask.

 private:
  std::string said_;
  const std::function<void(const std::string&)> say_ =
      [this](const std::string& text) { said_ += text; };
  void (*const ignore_)(const std::string&) = [](const std::string&) {};
  bool (*const never_)() = [] { return false; };
};

TEST_F(MembersTest, Drain_IsRefusedUntilTheGroupsNeedFewerReplicas) {
  Begin({.nodes = 4, .groups = 2});
  EXPECT_EQ(net::RunSet({.addresses = {cluster_->node(3).resp}}, "k", "v").out,
            "OK\n");
  ASSERT_EQ(Await(net::ListNodes, cluster_->node(3).peer), "");
  const net::ControlAnswer refused = net::ChangeNode(Options(), "drain", 4);
  EXPECT_EQ(refused.exit_status, 4) << refused.out;
  EXPECT_TRUE(absl::StrContains(refused.error, "3 of 4 replicas"))
      << refused.error;
  for (const uint32_t group : {1u, 2u}) {
    const net::ControlAnswer set =
        net::SetGroup(Options(), group, {.replicas = 3});
    EXPECT_EQ(set.exit_status, 0) << set.error;
  }
  for (int i = 0; i < 2; ++i) {
    const net::ControlAnswer drained = net::ChangeNode(Options(), "drain", 4);
    EXPECT_EQ(drained.exit_status, 0) << drained.error;
  }
  EXPECT_EQ(Get(3), "v\n") << "it goes on as a router";
  const net::ControlAnswer groups = net::ListGroups(Options());
  EXPECT_TRUE(absl::StrContains(groups.out, "1,2,3")) << groups.out;
}

// The spare node does not run, so the drained replica waits for it.
TEST_F(MembersTest, WishThatAnotherOperatorTakesBack_EndsTheWait) {
  Begin({.nodes = 4, .groups = 1});
  ASSERT_EQ(Await(net::ListNodes, cluster_->node(3).peer), "");
  EXPECT_EQ(net::SetGroup(Options(), 1, {.replicas = 3}).exit_status, 0);
  const net::ControlAnswer shown = net::ShowGroup(Options(true), 1);
  const auto wanted = nlohmann::json::parse(shown.out)["wanted"];
  uint32_t spare = 1;
  while (std::count(wanted.begin(), wanted.end(), spare) > 0) ++spare;
  const uint32_t drained = spare == 1 ? 2 : 1;
  asked_ = spare == 4 ? 2 : 3;
  cluster_->Kill(static_cast<int>(spare) - 1, SIGKILL);
  net::ControlAnswer drain;
  std::thread first(
      [&] { drain = net::ChangeNode(Options(), "drain", drained); });
  EXPECT_EQ(Await(net::ListNodes, "draining"), "");
  EXPECT_EQ(net::ChangeNode(Options(), "undrain", drained).exit_status, 0);
  first.join();
  EXPECT_EQ(drain.exit_status, 1) << drain.out;
  EXPECT_TRUE(absl::StrContains(drain.error, "does not drain")) << drain.error;
}

TEST_F(MembersTest, Remove_EndsAlsoWhereTheRemovedNodeIsAsked) {
  Begin({.nodes = 4, .groups = 1});
  ASSERT_EQ(Await(net::ListNodes, cluster_->node(3).peer), "");
  EXPECT_EQ(net::SetGroup(Options(), 1, {.replicas = 3}).exit_status, 0);
  asked_ = 3;
  const net::ControlAnswer removed = net::RemoveNode(Options(), 4, false);
  EXPECT_EQ(removed.exit_status, 0) << removed.error;
  // It may reach the others for a moment yet.
  net::ControlAnswer listed = net::ListNodes(Options());
  for (int i = 0; i < 100 && listed.exit_status == 0; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    listed = net::ListNodes(Options());
  }
  EXPECT_EQ(listed.exit_status, 1) << listed.out;
  EXPECT_TRUE(absl::StrContains(listed.error, "removed this node"))
      << listed.error;
}

// A client counts through node 3 meanwhile. The cluster grows to four nodes,
// node 1 is drained, and node 2 loses its disk.
TEST_F(MembersTest, NodesJoinDrainAndAreReplaced_AndNoAnswerIsWrong) {
  Begin({.nodes = 3, .groups = 3});
  EXPECT_EQ(net::RunSet({.addresses = {cluster_->node(0).resp}}, "k", "v").out,
            "OK\n");
  Counting counting(cluster_->node(2).resp);
  const net::ControlAnswer added = net::AddNode(Options(true), {.zone = "b"});
  ASSERT_EQ(added.exit_status, 0) << added.error;
  ASSERT_EQ(cluster_->Join(added.out), absl::OkStatus());
  EXPECT_EQ(Get(3), "v\n");
  const net::ControlAnswer drained = net::ChangeNode(Options(), "drain", 1);
  EXPECT_EQ(drained.exit_status, 0) << drained.error;
  cluster_->Kill(1, SIGKILL);
  const net::ControlAnswer replaced =
      net::ReplaceNode(Options(true), 2, /*even_if_up=*/true);
  ASSERT_EQ(replaced.exit_status, 0) << replaced.error;
  ASSERT_EQ(cluster_->Join(replaced.out), absl::OkStatus());
  EXPECT_EQ(Get(1), "v\n");
  const net::ControlAnswer removed = net::RemoveNode(Options(), 1, false);
  EXPECT_EQ(removed.exit_status, 0) << removed.error;
  EXPECT_EQ(Await(net::ListGroups, "2,3,4"), "");
  // Its process still runs.
  const net::ControlOptions gone = {
      .addresses = {cluster_->node(0).resp_cluster}};
  net::ControlAnswer status = net::RunStatus(gone);
  const MonoTime end = net::Clock::ReadMono() + Seconds(60);
  while (net::Clock::ReadMono() < end && status.exit_status != 1) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    status = net::RunStatus(gone);
  }
  EXPECT_EQ(status.out, "");
  EXPECT_TRUE(absl::StrContains(
      status.error, "has removed the node " + cluster_->node(0).resp_cluster))
      << status.error;
  EXPECT_TRUE(absl::StrContains(status.error, cluster_->node(3).resp_cluster))
      << status.error;
  counting.Stop();
  EXPECT_EQ(counting.error(), "");
  EXPECT_GT(counting.count(), 100);
}

// Nodes 2 and 3 are gone for good, and with them the majorities of both groups.
// Node 1 led, so it has every write that was confirmed. A client counts through
// it all the time.
TEST_F(MembersTest, Recover_LetsTheLastNodeServe_AndOldMembersDoNoHarm) {
  constexpr uint32_t kController = 0xffffffff;
  Begin({.nodes = 3, .groups = 1});
  asked_ = 0;
  EXPECT_EQ(net::RunSet({.addresses = {cluster_->node(0).resp}}, "k", "v").out,
            "OK\n");
  ASSERT_EQ(Await(net::ListNodes, cluster_->node(2).peer), "");
  ASSERT_EQ(Await(net::ListGroups, "1,2,3"), "");
  // The leader that is reported last ends, too.
  while (LeaderOf(kController) == 1) {
    cluster_->Signal(0, SIGSTOP);
    std::this_thread::sleep_for(std::chrono::seconds(3));
    cluster_->Signal(0, SIGCONT);
    ASSERT_EQ(Await(net::ListGroups, "1,2,3"), "");
  }
  net::ControlAnswer led;
  do {
    led = net::TransferGroup(Options(), 1, 1);
  } while (absl::StrContains(led.error, "does not answer"));
  EXPECT_EQ(led.exit_status, 0) << led.error;
  const net::ControlAnswer early = net::RecoverGroup(Options(), 1, true);
  EXPECT_EQ(early.exit_status, 4) << early.out;
  EXPECT_TRUE(absl::StrContains(early.error, "a majority")) << early.error;
  Counting counting(cluster_->node(0).resp, /*may_fail=*/true);
  ASSERT_TRUE(AwaitCounts(counting));
  for (const int node : {1, 2}) {
    cluster_->Kill(node, SIGKILL);
    cluster_->LoseDisk(node);
  }
  for (const uint32_t group : {kController, 1u}) RecoverFromTheFirst(group);
  EXPECT_EQ(Get(0), "v\n");
  EXPECT_EQ(net::RunSet({.addresses = {cluster_->node(0).resp}}, "k", "w").out,
            "OK\n");
  EXPECT_TRUE(AwaitCounts(counting)) << counting.error();
  for (const uint32_t group : {kController, 1u}) {
    const net::ControlAnswer again = net::RecoverGroup(Options(), group, true);
    EXPECT_EQ(again.exit_status, 4) << again.out;
  }
  for (int i = 0; i < 2; ++i) {
    const net::ControlAnswer added = net::AddNode(Options(true), {});
    ASSERT_EQ(added.exit_status, 0) << added.error;
    ASSERT_EQ(cluster_->Join(added.out), absl::OkStatus());
  }
  for (const uint32_t lost : {2u, 3u}) {
    const net::ControlAnswer removed = net::RemoveNode(Options(), lost, true);
    EXPECT_EQ(removed.exit_status, 0) << removed.error;
  }
  EXPECT_EQ(Await(net::ListGroups, "1,4,5"), "");
  EXPECT_EQ(Get(4), "w\n");
  for (const int node : {1, 2}) cluster_->FindDisk(node);
  ASSERT_EQ(cluster_->StartAll(), absl::OkStatus());
  ExpectNoAnswerOfTheOldMembers();
  EXPECT_TRUE(AwaitCounts(counting)) << counting.error();
  EXPECT_EQ(Get(3), "w\n");
  counting.Stop();
  EXPECT_EQ(counting.error(), "");
}

}  // namespace
}  // namespace quorate::tests
