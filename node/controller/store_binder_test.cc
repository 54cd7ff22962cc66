#include "node/controller/store_binder.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "node/controller/test_controller.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "shardctrl/controller/token.h"
#include "sim/world/world.h"

namespace quorate::node {
namespace {

using shardctrl::ControllerAnswer;
using Command = shardctrl::ControllerCommand;

constexpr ClusterId kCluster{1};
constexpr StoreIncarnation kStore{77};

// A node of a cluster of three, to which a fourth one comes.
class StoreBinderTest : public ::testing::Test {
 protected:
  StoreBinderTest() : world_({.seed = 1}), cluster_(3, 1) {
    cluster_.SettleAll();
    const ControllerAnswer added = cluster_.Do(
        Command::AddNode{.name = "n4",
                         .token = shardctrl::ControlledCluster::Token(5),
                         .valid_for = Seconds(3600)});
    EXPECT_EQ(added.outcome, ControllerAnswer::Outcome::kDone) << added.text;
    node_ = added.node;
    controller_.id = kCluster;
    controller_.known = [this]() -> const shardctrl::ClusterState& {
      return cluster_.state;
    };
    controller_.execute = [this](Command::Body body, auto done) {
      ++asked_;
      if (!answers_) return;
      if (!reached_) return done(absl::UnavailableError("no leader"));
      done(cluster_.Do(std::move(body)));
    };
    controller_.refresh = [](auto done) { done(absl::OkStatus()); };
    world_.Start(world_.AddMachine({.name = "n1"}), [&](env::Env& env) {
      binder_ = std::make_unique<StoreBinder>(env.loop, controller_);
      return std::make_shared<int>(0);
    });
    world_.RunFor(Milliseconds(1));
  }

  raft::JoinRequest RequestOf(uint64_t secret, StoreIncarnation store) {
    return {.node = node_,
            .store = store,
            .address = "10.0.0.4:1",
            .token = shardctrl::FormatToken({.cluster = kCluster,
                                             .node = node_,
                                             .secret_first = secret,
                                             .secret_second = secret})};
  }
  absl::Status Admit(const raft::JoinRequest& request) {
    const absl::Status status = binder_->Admit(request, closed_);
    world_.RunFor(Milliseconds(1));
    return status;
  }

  sim::World world_;
  shardctrl::ControlledCluster cluster_;
  NodeId node_;
  TestController controller_;
  std::unique_ptr<StoreBinder> binder_;
  bool answers_ = true, reached_ = true, closed_ = false;
  int asked_ = 0;
};

TEST_F(StoreBinderTest, Store_IsAdmittedOnceTheControllerHasBoundIt) {
  const raft::JoinRequest request = RequestOf(5, kStore);
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_TRUE(Admit(request).ok());
  EXPECT_EQ(cluster_.state.FindNode(node_)->store, kStore);
  EXPECT_EQ(asked_, 1);
  // The word holds for one answer.
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_EQ(asked_, 2);
}

TEST_F(StoreBinderTest, OldWord_AdmitsNoStore) {
  const raft::JoinRequest request = RequestOf(5, kStore);
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  world_.RunFor(StoreBinder::kBoundFor);
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_TRUE(Admit(request).ok());
}

TEST_F(StoreBinderTest, SecondStore_HearsTheReasonOfTheController) {
  EXPECT_TRUE(absl::IsUnavailable(Admit(RequestOf(5, kStore))));
  EXPECT_TRUE(Admit(RequestOf(5, kStore)).ok());
  const raft::JoinRequest other = RequestOf(5, StoreIncarnation(78));
  EXPECT_TRUE(absl::IsUnavailable(Admit(other)));
  const absl::Status refused = Admit(other);
  EXPECT_TRUE(absl::IsPermissionDenied(refused)) << refused;
  EXPECT_NE(refused.message(), "");
}

TEST_F(StoreBinderTest, WrongToken_IsRefusedAtOnce) {
  raft::JoinRequest request = RequestOf(5, kStore);
  request.node = NodeId(node_.value() + 1);
  EXPECT_TRUE(absl::IsPermissionDenied(Admit(request)));
  request.token = "nonsense";
  EXPECT_FALSE(Admit(request).ok());
  EXPECT_EQ(asked_, 0);
}

// Its store asks whether it is still in the cluster.
TEST_F(StoreBinderTest, NodeRemovedBeforeItWasBound_IsAnswered) {
  EXPECT_FALSE(Admit({.node = node_, .store = kStore}).ok());
  ASSERT_EQ(cluster_.Do(Command::RemoveNode{node_}).outcome,
            ControllerAnswer::Outcome::kDone);
  cluster_.SettleAll();
  ASSERT_EQ(cluster_.state.FindNode(node_)->state,
            shardctrl::NodeState::kRemoved);
  EXPECT_TRUE(Admit({.node = node_, .store = kStore}).ok());
}

TEST_F(StoreBinderTest, LostQuestion_IsAskedAgain) {
  reached_ = false;
  const raft::JoinRequest request = RequestOf(5, kStore);
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_EQ(asked_, 2);
  reached_ = true;
  EXPECT_TRUE(absl::IsUnavailable(Admit(request)));
  EXPECT_TRUE(Admit(request).ok());
}

TEST_F(StoreBinderTest, OpenQuestions_AreBounded) {
  answers_ = false;
  for (uint64_t i = 0; i < StoreBinder::kAskedMax + 10; ++i) {
    EXPECT_TRUE(
        absl::IsUnavailable(Admit(RequestOf(5, StoreIncarnation(1000 + i)))));
  }
  EXPECT_EQ(asked_, static_cast<int>(StoreBinder::kAskedMax));
}

TEST_F(StoreBinderTest, ClosedNode_DoesNotAsk) {
  closed_ = true;
  EXPECT_TRUE(absl::IsUnavailable(Admit(RequestOf(5, kStore))));
  EXPECT_EQ(asked_, 0);
}

TEST_F(StoreBinderTest, Welcome_HasNoSecrets) {
  const auto welcome = shardctrl::DecodeState(WelcomeOf(cluster_.state));
  ASSERT_TRUE(welcome.ok()) << welcome.status();
  EXPECT_EQ(welcome->nodes.size(), cluster_.state.nodes.size());
  for (const shardctrl::NodeRecord& node : welcome->nodes) {
    EXPECT_EQ(node.token, shardctrl::TokenDigest());
  }
  EXPECT_TRUE(welcome->history.empty());
}

}  // namespace
}  // namespace quorate::node
