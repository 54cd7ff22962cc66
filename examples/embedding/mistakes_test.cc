// The common mistakes of docs/embed/README.md, each made on purpose: the page
// has the errors that they give.
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "examples/counter/simulation.h"
#include "gtest/gtest.h"
#include "net/real_env.h"
#include "raft/host/host.h"
#include "sim/harness/harness.h"

namespace quorate::examples {
namespace {

constexpr GroupId kGroup(1);

const std::string& Page() {
  static const auto* const page = [] {
    std::ifstream file("docs/embed/README.md");
    return new std::string(std::istreambuf_iterator<char>(file), {});
  }();
  return *page;
}

// `message` has `text`, and the page lists it.
void ExpectListed(std::string_view message, std::string_view text) {
  EXPECT_NE(message.find(text), std::string_view::npos) << message;
  EXPECT_NE(Page().find(text), std::string::npos) << text;
}

void ExpectListed(const absl::Status& status, std::string_view text) {
  EXPECT_FALSE(status.ok());
  ExpectListed(std::string(status.message()), text);
}

// A counter that knows level 1, as all do, and gets a command of level 2.
class OldCounter final : public Counter {
 public:
  raft::Level LevelOf(const Buffer& payload) const override {
    return raft::Level(payload.view() == "new" ? 2 : 1);
  }
};

class MistakesTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = testing::TempDir() + "/" +
                 testing::UnitTest::GetInstance()->current_test_info()->name();
    std::filesystem::remove_all(directory_);
    options_.cluster = ClusterId(7);
    options_.node = NodeId(1);
    options_.listen_address = "127.0.0.1:0";
    options_.plan.groups = {{.group = kGroup, .voters = {NodeId(1)}}};
    options_.bootstrap = true;
  }

  // The result of a start with options_, which ends a node that runs.
  absl::Status Start() {
    host_.reset();
    real_.reset();
    return StartBeside();
  }

  absl::Status StartBeside() {
    auto real = net::RealEnv::Create({.data_directory = directory_});
    if (!real.ok()) return real.status();
    real_ = *std::move(real);
    host_ = std::make_unique<raft::Host>(
        real_->env(), options_,
        [](GroupId, const raft::Configuration&) {
          return std::make_unique<OldCounter>();
        },
        nullptr);
    std::optional<absl::Status> started;
    host_->Start([&](absl::Status status) { started = std::move(status); });
    RunUntil([&] { return started.has_value(); });
    return *started;
  }

  void RunUntil(const std::function<bool()>& done) {
    while (!done()) real_->loop().RunTurn(Milliseconds(10));
  }

  absl::Status Propose(Buffer payload) {
    std::optional<absl::Status> status;
    host_->Propose(
        kGroup, std::move(payload),
        [&](const raft::ProposeResult& result) { status = result.status; });
    RunUntil([&] { return status.has_value(); });
    return *status;
  }

  void StartLeader() {
    ASSERT_TRUE(Start().ok());
    RunUntil([&] { return host_->leader(kGroup) == NodeId(1); });
  }

  std::string directory_;
  raft::HostOptions options_;
  std::unique_ptr<net::RealEnv> real_;
  std::unique_ptr<raft::Host> host_;
};

TEST_F(MistakesTest, FirstStart_WithoutBootstrap) {
  options_.bootstrap = false;
  ExpectListed(Start(), "the data directory is empty: correct its path");
}

TEST_F(MistakesTest, LaterStart_WithTheIdOfAnotherNode) {
  ASSERT_TRUE(Start().ok());
  options_.node = NodeId(2);
  options_.plan.groups[0].voters = {NodeId(2)};
  ExpectListed(Start(), "the data directory belongs to node 1, this is node 2");
}

TEST_F(MistakesTest, LaterStart_WithAnotherPlan) {
  ASSERT_TRUE(Start().ok());
  options_.plan.groups.push_back({.group = GroupId(2), .voters = {NodeId(1)}});
  options_.bootstrap = false;
  ExpectListed(Start(),
               "the data directory was created with another plan of the "
               "cluster");
}

TEST_F(MistakesTest, TwoHosts_InOneDirectory) {
  ASSERT_TRUE(Start().ok());
  const std::unique_ptr<net::RealEnv> first_real = std::move(real_);
  const std::unique_ptr<raft::Host> first = std::move(host_);
  ExpectListed(StartBeside(), "' is in use by ");
  host_.reset();
}

TEST_F(MistakesTest, Plan_WithUnsortedVoters) {
  options_.plan.groups[0].voters = {NodeId(2), NodeId(1)};
  ExpectListed(Start(), "voters is not sorted by id, from this node on: 1");
}

TEST_F(MistakesTest, Plan_ThatIsEmpty) {
  options_.plan.groups.clear();
  ExpectListed(Start(), "HostOptions::plan.groups is empty");
}

TEST_F(MistakesTest, Plan_OfGroup0) {
  options_.plan.groups[0].group = GroupId(0);
  ExpectListed(Start(), "HostOptions::plan: groups has group 0");
}

TEST_F(MistakesTest, Plan_WithAGroupTwice) {
  options_.plan.groups.push_back(options_.plan.groups[0]);
  ExpectListed(Start(), "HostOptions::plan: groups has group 1 twice");
}

TEST_F(MistakesTest, Plan_WithoutVoters) {
  options_.plan.groups[0].voters.clear();
  ExpectListed(Start(), "HostOptions::plan: group 1: voters is empty");
}

TEST_F(MistakesTest, Plan_WithAVoterTwice) {
  options_.plan.groups[0].voters = {NodeId(1), NodeId(1)};
  ExpectListed(Start(), "group 1: voters has this node twice: 1");
}

TEST_F(MistakesTest, Plan_WithAVoterThatIsNoPeer) {
  options_.plan.groups[0].voters = {NodeId(1), NodeId(2)};
  ExpectListed(Start(), "HostOptions::peers lacks node 2, a member of group 1");
  // Nothing was written.
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/identity"));
}

TEST_F(MistakesTest, Plan_WithAVoterWithoutAnAddress) {
  options_.plan.groups[0].voters = {NodeId(1), NodeId(2)};
  options_.peers = {{NodeId(2), ""}};
  ExpectListed(Start(), "HostOptions::peers, node 2: ");
}

TEST_F(MistakesTest, Node_0) {
  options_.node = NodeId(0);
  ExpectListed(Start(), "HostOptions::node is 0");
  options_.node = NodeId(1);
  options_.peers = {{NodeId(0), "127.0.0.1:1"}};
  ExpectListed(Start(), "HostOptions::peers has node 0");
}

TEST_F(MistakesTest, Peers_WithANodeTwice) {
  options_.peers = {{NodeId(2), "127.0.0.1:1"}, {NodeId(2), "127.0.0.1:2"}};
  ExpectListed(Start(), "HostOptions::peers has node 2 twice");
}

TEST_F(MistakesTest, Peers_WithTheNodeItselfAtTheStart) {
  options_.peers = {{NodeId(1), "127.0.0.1:1"}};
  ExpectListed(Start(), "HostOptions::peers has node 1, which is this node");
}

TEST_F(MistakesTest, Times_ThatDoNotFit) {
  options_.core.heartbeat_interval = options_.core.election_timeout_min;
  ExpectListed(Start(),
               "HostOptions::core.heartbeat_interval, 300 ms, is not below "
               "core.election_timeout_min, 300 ms");
  options_.core.heartbeat_interval = Duration(0);
  ExpectListed(Start(), "HostOptions::core.heartbeat_interval is 0 ms");
  options_.core = {};
  options_.core.election_timeout_max = Milliseconds(200);
  ExpectListed(Start(),
               "HostOptions::core.election_timeout_max, 200 ms, is below "
               "core.election_timeout_min, 300 ms");
}

TEST_F(MistakesTest, FoundingLevel_0) {
  options_.founding_level = raft::Level(0);
  ExpectListed(Start(), "HostOptions::founding_level is 0");
}

TEST_F(MistakesTest, FoundingLevel_ThatTheProgramDoesNotKnow) {
  options_.founding_level = raft::Level(2);
  ExpectListed(Start(),
               "HostOptions::founding_level is 2: the state machine of group 1 "
               "knows levels up to 1");
  // The same directory is founded once the option is right.
  options_.founding_level = raft::Level(1);
  StartLeader();
}

TEST_F(MistakesTest, Cluster_0) {
  options_.cluster = ClusterId(0);
  ExpectListed(Start(), "HostOptions::cluster is 0");
}

TEST_F(MistakesTest, Addresses_ThatAreNone) {
  options_.listen_address = "nonsense";
  ExpectListed(Start(), "HostOptions::listen_address: 'nonsense' is not an");
  options_.listen_address = "127.0.0.1:0";
  options_.address = "nonsense";
  ExpectListed(Start(), "HostOptions::address: 'nonsense' is not an address");
  options_.address = "127.0.0.1:0";
  ExpectListed(Start(), "HostOptions::address: '127.0.0.1:0' has port 0");
  options_.address.clear();
  options_.seeds = {"nonsense"};
  ExpectListed(Start(), "HostOptions::seeds: 'nonsense' is not an address");
  options_.seeds = {"127.0.0.1:1", "127.0.0.1:0"};
  ExpectListed(Start(), "HostOptions::seeds: '127.0.0.1:0' has port 0");
}

TEST_F(MistakesTest, Restoration_BesideAFoundingOrAJoin) {
  options_.restore_as_new_cluster = true;
  ExpectListed(Start(),
               "HostOptions::bootstrap and "
               "HostOptions::restore_as_new_cluster are both set");
  options_.bootstrap = false;
  options_.join.emplace();
  ExpectListed(Start(),
               "HostOptions::join and HostOptions::restore_as_new_cluster are "
               "both set");
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/identity"));
}

TEST_F(MistakesTest, Join_ThatCannotWork) {
  options_.join.emplace();
  ExpectListed(Start(),
               "HostOptions::bootstrap and HostOptions::join are both");
  options_.bootstrap = false;
  ExpectListed(Start(), "HostOptions::join.seeds is empty");
  options_.join->seeds = {"127.0.0.1:1", "nonsense"};
  ExpectListed(Start(), "HostOptions::join.seeds: 'nonsense' is not an");
  options_.join->seeds = {"127.0.0.1:0"};
  ExpectListed(Start(), "HostOptions::join.seeds: '127.0.0.1:0' has port 0");
  options_.join->seeds = {"127.0.0.1:1"};
  options_.join->token = std::string(2000, 't');
  ExpectListed(Start(), "HostOptions::join.token has 2000 bytes");
}

TEST_F(MistakesTest, Peers_WithTheNodeItself) {
  ASSERT_TRUE(Start().ok());
  ExpectListed(host_->SetPeers({{NodeId(1), "127.0.0.1:1"}}),
               "node 1 is this node, which is no peer of itself: leave it out");
}

TEST_F(MistakesTest, Proposal_OnANodeThatDoesNotLead) {
  ASSERT_TRUE(Start().ok());
  ExpectListed(Propose(Buffer::Copy("1")), "group 1 is not led by this node");
}

TEST_F(MistakesTest, Proposal_OfAnotherGroup) {
  ASSERT_TRUE(Start().ok());
  std::optional<absl::Status> status;
  host_->Read(GroupId(9), [&](absl::Status read) { status = read; });
  RunUntil([&] { return status.has_value(); });
  ExpectListed(*status, "this node holds no replica of group 9");
}

TEST_F(MistakesTest, Proposal_ThatIsTooLarge) {
  StartLeader();
  ExpectListed(Propose(Buffer::Take(std::string(513 << 10, 'x'))),
               " bytes exceeds the limit of 524288");
}

TEST_F(MistakesTest, Proposal_OfAHigherLevel) {
  StartLeader();
  ExpectListed(Propose(Buffer::Copy("new")), "the commands need level 2");
}

// Each replica counts on its own, as with a clock or an address in Apply.
class OwnCounter final : public Counter {
 public:
  OwnCounter() : own_(++made_) {}
  Buffer Apply(const raft::Entry& entry, bool wants_result) override {
    Buffer result = Counter::Apply(entry, wants_result);
    raft::Entry more = entry;
    more.payload = Buffer::Copy(std::to_string(own_));
    Counter::Apply(more, false);
    return result;
  }

 private:
  static inline int made_ = 0;
  const int own_;
};

TEST(SimulatedMistakesTest, Apply_ThatIsNotDeterministic) {
  const sim::HarnessResult result =
      sim::RunSeed({.seed = 1}, SimulatedCounter<OwnCounter>);
  ASSERT_FALSE(result.ok());
  std::string all;
  for (const std::string& violation : result.violations) {
    all += violation + "\n";
  }
  ExpectListed(all, "digest: node ");
}

}  // namespace
}  // namespace quorate::examples
