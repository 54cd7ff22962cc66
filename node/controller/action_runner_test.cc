#include "node/controller/action_runner.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "node/controller/node_reports.h"
#include "node/controller/test_controller.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

using Action = ActionRunner::Action;
using Kind = Action::Kind;
using Command = shardctrl::ControllerCommand;

constexpr GroupId kGroup{1};

// A host that notes its calls, and ends them when the test says so.
class ActionsTest : public ::testing::Test {
 protected:
  ActionsTest() : world_({.seed = 1}), cluster_(3, 1) {
    cluster_.SettleAll();
    controller_.execute = [this](const Command::Body& body, auto done) {
      Called(absl::StrCat("tell ", body.index()),
             [done = std::move(done)](const absl::Status& status) mutable {
               if (status.ok()) return done(shardctrl::ControllerAnswer());
               done(status);
             });
    };
    world_.Start(world_.AddMachine({.name = "n1"}), [&](env::Env& env) {
      runner_ = std::make_unique<ActionRunner>(
          env.tracer, controller_, Replicas(), [this](GroupId) { ++changes_; });
      reports_ = std::make_unique<NodeReports>(
          NodeId(1), *runner_, [this](NodeId node) { return node != silent_; });
      return std::make_shared<int>(0);
    });
    world_.RunFor(Milliseconds(1));
  }

  ActionRunner::Replicas Replicas() {
    const auto call = [this](const char* name) {
      return [this, name](auto&&... arguments) {
        auto all = std::forward_as_tuple(arguments...);
        Called(name, std::move(std::get<sizeof...(arguments) - 1>(all)));
      };
    };
    return {.prepare =
                [this](GroupId, auto done) {
                  Called("prepare", [done = std::move(done)](
                                        const absl::Status& status) mutable {
                    if (status.ok()) return done(ReplicaId(5));
                    done(status);
                  });
                },
            .found = call("found"),
            .join = call("join"),
            .change = call("change"),
            .transfer = [this](GroupId,
                               ReplicaId) { calls_.push_back("transfer"); },
            .drop = call("drop"),
            .hold = [this](GroupId, ReplicaId) { calls_.push_back("hold"); },
            .recover = call("recover"),
            .may_recover = [this] { return may_recover_; },
            .damaged = [this](GroupId) { return damaged_; },
            .leader = [this](GroupId) { return leader_; },
            .store = [] { return StoreIncarnation(100); }};
  }
  void Called(std::string name, ActionRunner::Finished done) {
    calls_.push_back(std::move(name));
    open_.push_back(std::move(done));
  }
  void EndOpen(const absl::Status& status) {
    for (auto& done : std::exchange(open_, {})) done(status);
  }
  std::vector<std::string> Run(Kind kind) {
    runner_->Run({.kind = kind, .group = kGroup});
    return std::exchange(calls_, {});
  }
  static std::vector<std::string> Calls(std::vector<std::string> calls) {
    return calls;
  }

  sim::World world_;
  shardctrl::ControlledCluster cluster_;
  TestController controller_;
  std::unique_ptr<ActionRunner> runner_;
  std::unique_ptr<NodeReports> reports_;
  std::vector<std::string> calls_;
  std::vector<ActionRunner::Finished> open_;
  int changes_ = 0;
  bool may_recover_ = true, damaged_ = false;
  NodeId leader_, silent_;
};

TEST_F(ActionsTest, ActionUnderWay_IsNotBegunAgain) {
  EXPECT_EQ(Run(Kind::kJoin), Calls({"join"}));
  EXPECT_EQ(Run(Kind::kJoin), Calls({}));
  EXPECT_EQ(Run(Kind::kDrop), Calls({"drop"}));
  EndOpen(absl::OkStatus());
  EXPECT_EQ(changes_, 2);
  EXPECT_EQ(Run(Kind::kJoin), Calls({"join"}));
}

TEST_F(ActionsTest, FailedAction_IsBegunAgain) {
  EXPECT_EQ(Run(Kind::kPrepare), Calls({"prepare"}));
  EndOpen(absl::InternalError("disk"));
  EXPECT_EQ(changes_, 0);
  EXPECT_EQ(Run(Kind::kPrepare), Calls({"prepare"}));
}

TEST_F(ActionsTest, Founding_KeepsThePreparedReplica) {
  EXPECT_EQ(Run(Kind::kFound), Calls({"found"}));
  EXPECT_EQ(Run(Kind::kPrepare), Calls({}));
}

TEST_F(ActionsTest, DamagedReplica_IsDroppedOnceOthersLead) {
  damaged_ = true;
  for (const Kind kind : {Kind::kPrepare, Kind::kFound, Kind::kJoin}) {
    leader_ = NodeId();
    EXPECT_EQ(Run(kind), Calls({}));
    leader_ = NodeId(2);
    EXPECT_EQ(Run(kind), Calls({"drop"}));
    EXPECT_EQ(Run(kind), Calls({}));
  }
}

TEST_F(ActionsTest, Recovery_WaitsUntilTheOthersWereHeard) {
  may_recover_ = false;
  EXPECT_EQ(Run(Kind::kRecover), Calls({}));
  may_recover_ = true;
  EXPECT_EQ(Run(Kind::kRecover), Calls({"recover"}));
  EXPECT_EQ(Run(Kind::kHold), Calls({"hold"}));
}

TEST_F(ActionsTest, ReportOfAGroup_IsRememberedForItsTerm) {
  Action action = {.kind = Kind::kReportGroup, .group = kGroup};
  action.report.term = raft::Term(4);
  action.report.leader = NodeId(1);
  runner_->Run(action);
  ASSERT_NE(runner_->Sent(kGroup, raft::Term(4)), nullptr);
  EXPECT_EQ(runner_->Sent(kGroup, raft::Term(4))->leader, NodeId(1));
  EXPECT_EQ(runner_->Sent(kGroup, raft::Term(5)), nullptr);
  EXPECT_EQ(runner_->Sent(GroupId(2), raft::Term(4)), nullptr);
}

TEST_F(ActionsTest, SilentNode_IsReportedFromTimeToTimeByTheLeader) {
  silent_ = NodeId(2);
  const auto look = [&](bool leads, Duration at) {
    reports_->ReportSilence(cluster_.state, leads, MonoTime() + at);
    EndOpen(absl::OkStatus());
    return std::exchange(calls_, {}).size();
  };
  EXPECT_EQ(look(false, Seconds(1)), 0u);
  EXPECT_EQ(look(true, Seconds(2)), 1u);
  EXPECT_EQ(look(true, Seconds(3)), 0u);
  EXPECT_EQ(look(true, Seconds(2) + NodeReports::kSilenceInterval), 1u);
  // A new leadership reports again at once.
  EXPECT_EQ(look(false, Seconds(8)), 0u);
  EXPECT_EQ(look(true, Seconds(9)), 1u);
  // It works again, and the controller does not know it yet.
  cluster_.Do(Command::ReportSilence{NodeId(2)});
  silent_ = NodeId();
  EXPECT_EQ(look(true, Seconds(10)), 1u);
  cluster_.Do(Command::ReportSign{NodeId(2)});
  EXPECT_EQ(look(true, Seconds(11)), 0u);
}

TEST_F(ActionsTest, OwnAddresses_AreReportedUntilTheyAreKnown) {
  const shardctrl::ReportedAddresses own = {.peer = "10.0.0.9:1"};
  const auto report = [&](StoreIncarnation store, uint64_t start) {
    reports_->ReportAddresses(cluster_.state, store, start, own);
    EndOpen(absl::OkStatus());
    return std::exchange(calls_, {}).size();
  };
  const StoreIncarnation store = shardctrl::ControlledCluster::StoreOf(1);
  EXPECT_EQ(report(store, 1), 1u);
  cluster_.Do(Command::ReportNode{
      .node = NodeId(1), .store = store, .start_number = 1, .addresses = own});
  EXPECT_EQ(report(store, 1), 0u);
  EXPECT_EQ(report(store, 2), 1u);
  // Another store has taken the node's place.
  EXPECT_EQ(report(StoreIncarnation(9), 2), 0u);
}

}  // namespace
}  // namespace quorate::node
