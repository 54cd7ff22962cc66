// node/acl/users.h: the users that are in force on a node.
//
// They come from the controller's state, or from what the node knew at its last
// stop. A connection holds the AclUser that it has proven to be. When a change
// makes another object of that name, or none, the connection ends.
#ifndef QUORATE_NODE_ACL_USERS_H_
#define QUORATE_NODE_ACL_USERS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "node/acl/acl_log.h"
#include "node/acl/user.h"
#include "shardctrl/controller/state.h"
#include "shardctrl/map.h"

namespace quorate::node {

using UserRef = std::shared_ptr<const AclUser>;

class Users {
 public:
  // `must_authenticate`: no client is a user without having proven it, and the
  // user "default" is off until it is set.
  explicit Users(bool must_authenticate);
  Users(const Users&) = delete;
  Users& operator=(const Users&) = delete;

  // Takes the users of a state with this version of its users. Returns false if
  // newer ones were taken before. A user whose rules this program does not
  // understand is off; `*problem` then names it.
  bool Take(const std::vector<shardctrl::UserRecord>& records,
            shardctrl::MapVersion version, std::string* problem);

  // False until Take was called. Clients are refused meanwhile.
  bool known() const { return known_; }
  // Zero: no user of the cluster was ever set.
  shardctrl::MapVersion version() const { return version_; }
  // Null: there is no such user.
  UserRef Find(std::string_view name) const;
  // By name, "default" included.
  const absl::btree_map<std::string, UserRef>& all() const { return users_; }
  // The user of clients that have proven nothing; null: they have none.
  UserRef WithoutProof() const;
  // The user with this name and password; null: there is none.
  UserRef WithPassword(std::string_view name, std::string_view password) const;
  // The user that a client's certificate names; null: there is none.
  UserRef WithCertificate(std::string_view name) const;
  // Whether `user` is in force.
  bool InForce(const UserRef& user) const { return Find(user->name()) == user; }
  // Whether some user may change the cluster. Until then everyone may who
  // reaches the admin address.
  bool has_operator() const;

  AclLog& log() { return log_; }
  const AclLog& log() const { return log_; }

 private:
  const bool must_authenticate_;
  bool known_ = false;
  shardctrl::MapVersion version_;
  absl::btree_map<std::string, UserRef> users_;
  // The versions of their records.
  absl::btree_map<std::string, shardctrl::MapVersion> versions_;
  AclLog log_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_ACL_USERS_H_
