#include "node/controller/store_binder.h"

#include <algorithm>
#include <utility>

#include "shardctrl/controller/command.h"
#include "shardctrl/controller/token.h"
#include "shardctrl/controller/wishes.h"

namespace quorate::node {

using shardctrl::ControllerAnswer;
using shardctrl::ControllerCommand;

absl::Status StoreBinder::Admit(const raft::JoinRequest& request, bool closed) {
  const shardctrl::ClusterState& state = controller_.state();
  const shardctrl::NodeRecord* const node = state.FindNode(request.node);
  // The store was in the cluster, and asks whether it still is. The controller
  // may have removed a founder before it knew its store.
  const bool unbound = node != nullptr &&
                       node->state == shardctrl::NodeState::kRemoved &&
                       node->store == StoreIncarnation();
  if (node != nullptr && request.token.empty() &&
      (unbound || node->store == request.store ||
       IsGivenUp(state, request.node, request.store))) {
    return absl::OkStatus();
  }
  const auto token = shardctrl::ParseToken(request.token);
  if (!token.ok()) return token.status();
  if (token->cluster != controller_.cluster() || token->node != request.node) {
    return absl::PermissionDeniedError(
        "the token is one of another cluster or another node");
  }
  if (const auto refused = refused_.extract(request.store); !refused.empty()) {
    return absl::PermissionDeniedError(refused.mapped());
  }
  // The state of this node may be so old that another store has come since.
  if (const auto bound = bound_.extract(request.store);
      !bound.empty() && MonoNow() - bound.mapped() < kBoundFor &&
      node != nullptr && node->store == request.store) {
    return absl::OkStatus();
  }
  if (closed || asking_.size() >= kAskedMax) {
    return absl::UnavailableError("this node is busy");
  }
  // Not now: a proposal may call back at once.
  const auto [asked, added] = asking_.try_emplace(request.store);
  if (added) {
    asked->second = loop_.Defer([this, request] { Bind(request); });
  }
  return absl::UnavailableError("the controller is being asked");
}

void StoreBinder::Bind(const raft::JoinRequest& request) {
  const auto token = shardctrl::ParseToken(request.token);
  controller_.Execute(
      {{},
       ControllerCommand::BindNode{
           .node = request.node,
           .token = shardctrl::DigestOf(token->cluster, token->secret_first,
                                        token->secret_second),
           .store = request.store}},
      /*dry_run=*/false,
      [this,
       store = request.store](const absl::StatusOr<ControllerAnswer>& answer) {
        const bool refused =
            answer.ok() &&
            answer->outcome == ControllerAnswer::Outcome::kRefused;
        if (refused) {
          // A store that heard another node refuse it does not come again.
          if (refused_.size() >= kAskedMax) refused_.clear();
          refused_[store] = answer->text;
        }
        if (refused || !answer.ok()) {
          asking_.erase(store);
          return;
        }
        controller_.Refresh([this, store](const absl::Status&) {
          if (bound_.size() >= kAskedMax) bound_.clear();
          bound_[store] = MonoNow();
          asking_.erase(store);
        });
      });
}

std::string WelcomeOf(shardctrl::ClusterState state) {
  state.history.clear();
  state.operations.clear();
  for (shardctrl::NodeRecord& node : state.nodes) node.token = {};
  // The members that are wanted are near enough.
  for (shardctrl::GroupRecord& group : state.groups) {
    group.first.reset();
    group.reported.reset();
  }
  return shardctrl::EncodeState(state);
}

bool IsGivenUp(const shardctrl::ClusterState& state, NodeId node,
               StoreIncarnation store) {
  const auto stores = shardctrl::GivenUpStores(state);
  const auto found = stores.find(node);
  return found != stores.end() &&
         std::ranges::find(found->second, store) != found->second.end();
}

}  // namespace quorate::node
