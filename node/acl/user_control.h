// node/acl/user_control.h: changes of users, as sessions ask for them. The
// controller keeps the users (node/controller/user_changes.h).
#ifndef QUORATE_NODE_ACL_USER_CONTROL_H_
#define QUORATE_NODE_ACL_USER_CONTROL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

namespace quorate::node {

class UserControl {
 public:
  // The number of users that were set or removed.
  //   kInvalidArgument: the rules are not valid, with the words of Redis.
  //   kFailedPrecondition: the controller refused the change, or the cluster
  //     has removed this node.
  //   kUnavailable: no leader of the controller answered; nothing changed.
  //   kUnknown: the change may have taken effect, or may do so later.
  using Done = absl::AnyInvocable<void(absl::StatusOr<size_t>)>;

  // Applies rules of ACL SETUSER to a user, which is new if there is none.
  // `author`: the user that asks for it, and from where. `done` is called once,
  // perhaps during the call. After success the change is in force on all nodes
  // that answer.
  virtual void SetUser(std::string name, std::vector<std::string> rules,
                       std::string author, Done done) = 0;
  virtual void DeleteUsers(std::vector<std::string> names, std::string author,
                           Done done) = 0;

 protected:
  ~UserControl() = default;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_USER_CONTROL_H_
