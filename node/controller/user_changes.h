// node/controller/user_changes.h: changes users of the cluster, and waits until
// the change is in force.
//
// A change is one command, made of the rules that the controller has. It is
// refused if another change came first, and is then made again. Once the
// controller has it, this node tells the new state to each node that answers.
#ifndef QUORATE_NODE_CONTROLLER_USER_CHANGES_H_
#define QUORATE_NODE_CONTROLLER_USER_CHANGES_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "env/env.h"
#include "node/acl/user_control.h"
#include "node/controller/controller_agent.h"
#include "shardctrl/controller/command.h"

namespace quorate::node {

class UserChanges final : public UserControl {
 public:
  // Both outlive the object.
  UserChanges(env::Tracer& tracer, ControllerAgent& agent)
      : tracer_(tracer), agent_(agent) {}

  // UserControl.
  void SetUser(std::string name, std::vector<std::string> rules,
               std::string author, Done done) override;
  void DeleteUsers(std::vector<std::string> names, std::string author,
                   Done done) override;

 private:
  // So often a change is made again because others came first.
  static constexpr size_t kTriesMax = 8;

  struct Change {
    std::string name;
    std::vector<std::string> rules;
    std::vector<std::string> removed;
    std::string author;
    Done done;
    size_t tries = 0;
  };
  using Shared = std::shared_ptr<Change>;

  void Begin(Shared change);
  // Makes the command from the rules that this node knows; an error, or the
  // command.
  absl::StatusOr<shardctrl::ControllerCommand::Body> CommandOf(
      const Change& change) const;
  void Execute(Shared change);
  void OnAnswer(Shared change,
                const absl::StatusOr<shardctrl::ControllerAnswer>& answer);
  // Ends the change, with a line in the log.
  void Finish(const Shared& change, absl::StatusOr<size_t> result);

  env::Tracer& tracer_;
  ControllerAgent& agent_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONTROLLER_USER_CHANGES_H_
