// sim/members/controller_checker.h: checks each command of the controller
// against a model, in every run.
//
//   controller: a command has the answer and the effects that the model gives
//   it (controller_model.h).
//
// The product executes the entries here, too. Its answer and state are compared
// with those of the model after each entry, and so are the digests of all
// replicas. The first difference is reported, and ends the comparison.
#ifndef QUORATE_SIM_MEMBERS_CONTROLLER_CHECKER_H_
#define QUORATE_SIM_MEMBERS_CONTROLLER_CHECKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "raft/core/types.h"
#include "shardctrl/controller/command.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"
#include "sim/members/controller_model.h"

namespace quorate::sim {

class ControllerChecker {
 public:
  using Report = std::function<void(std::string)>;
  // Gets the digest that each replica must have after the entry at `index`.
  using Expect = std::function<void(raft::Index index, uint64_t digest)>;
  struct Executed {
    shardctrl::ControllerCommand command;
    shardctrl::ControllerAnswer answer;
  };

  ControllerChecker(Expect expect, Report violate)
      : expect_(std::move(expect)), violate_(std::move(violate)) {}

  // The first replica applied the entry of the controller's group.
  void OnCommitted(const raft::Entry& entry);

  // The state after the entries so far, by the model. Null: the group has not
  // committed its first entry yet.
  const shardctrl::ClusterState* state() const {
    return model_.has_value() ? &model_->state() : nullptr;
  }
  // The command of the last entry. Nullopt: it had none.
  const std::optional<Executed>& executed() const { return executed_; }

 private:
  void Execute(const raft::Entry& entry);
  void ExpectDigest(raft::Index index);

  const Expect expect_;
  const Report violate_;
  std::unique_ptr<shardctrl::ControllerMachine> product_;
  std::optional<ControllerModel> model_;
  bool differs_ = false;
  std::optional<Executed> executed_;
  // The digest of the model's state with this version.
  std::pair<shardctrl::MapVersion, uint64_t> digest_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_MEMBERS_CONTROLLER_CHECKER_H_
