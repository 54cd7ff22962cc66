// node/controller/test_controller.h: the controller as a test plays it.
// Functions that the test does not set must not be called.
#ifndef QUORATE_NODE_CONTROLLER_TEST_CONTROLLER_H_
#define QUORATE_NODE_CONTROLLER_TEST_CONTROLLER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "env/check.h"
#include "node/admin/controller_access.h"

namespace quorate::node {

class TestController final : public ControllerAccess {
 public:
  NodeId node{1};
  ClusterId id{1};
  std::function<const shardctrl::ClusterState&()> known;
  std::function<void(shardctrl::ControllerCommand::Body, Answered)> execute;
  std::function<void(absl::AnyInvocable<void(absl::Status)>)> refresh;
  std::function<void(absl::AnyInvocable<void(ClusterUsage)>)> usage;

  void Execute(shardctrl::ControllerCommand command, bool dry_run,
               Answered done) override {
    CHECK(!dry_run);
    execute(std::move(command.body), std::move(done));
  }
  void Refresh(absl::AnyInvocable<void(absl::Status)> done) override {
    refresh(std::move(done));
  }
  const shardctrl::ClusterState& state() const override { return known(); }
  void AskUsage(absl::AnyInvocable<void(ClusterUsage)> done) override {
    usage(std::move(done));
  }
  void AskSurvivors(GroupId,
                    absl::AnyInvocable<void(shardctrl::Survivors)>) override {
    CHECK(false);
  }
  void RecoverController(NodeId, ReplicaId, uint64_t,
                         absl::AnyInvocable<void(absl::Status)>) override {
    CHECK(false);
  }
  NodeId self() const override { return node; }
  ClusterId cluster() const override { return id; }
  std::string peer_address() const override { return ""; }
  std::pair<uint64_t, uint64_t> Secret(std::string_view) override {
    return {0, 0};
  }
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_TEST_CONTROLLER_H_
