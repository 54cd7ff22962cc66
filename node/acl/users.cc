#include "node/acl/users.h"

#include <algorithm>
#include <utility>

#include "node/base/text.h"

namespace quorate::node {
namespace {

// The user "default" of a cluster in which it was never set.
UserRef FirstDefault(bool must_authenticate) {
  AclUser user = AclUser::Open();
  if (must_authenticate) user.ApplyText("off");
  return std::make_shared<const AclUser>(std::move(user));
}

}  // namespace

Users::Users(bool must_authenticate) : must_authenticate_(must_authenticate) {
  users_[std::string(kDefaultUser)] = FirstDefault(must_authenticate);
}

bool Users::Take(const std::vector<shardctrl::UserRecord>& records,
                 shardctrl::MapVersion version, std::string* problem) {
  if (known_ && version <= version_) return false;
  known_ = true;
  version_ = version;
  absl::btree_map<std::string, UserRef> users;
  absl::btree_map<std::string, shardctrl::MapVersion> versions;
  for (const shardctrl::UserRecord& record : records) {
    versions[record.name] = record.version;
    UserRef& user = users[record.name];
    const auto before = versions_.find(record.name);
    if (before != versions_.end() && before->second == record.version) {
      user = users_[record.name];
      continue;
    }
    AclUser fresh(record.name);
    const std::string error = fresh.ApplyText(record.rules);
    if (!error.empty()) {
      *problem = Concat("user ", record.name, " is off on this node: ", error);
      fresh = AclUser(record.name);
    }
    user = std::make_shared<const AclUser>(std::move(fresh));
  }
  UserRef& first = users[std::string(kDefaultUser)];
  const bool was_first = !versions_.contains(std::string(kDefaultUser));
  if (first == nullptr) {
    first = was_first ? users_[std::string(kDefaultUser)]
                      : FirstDefault(must_authenticate_);
  }
  users_ = std::move(users);
  versions_ = std::move(versions);
  return true;
}

UserRef Users::Find(std::string_view name) const {
  const auto found = users_.find(std::string(name));
  return found == users_.end() ? nullptr : found->second;
}

UserRef Users::WithoutProof() const {
  if (!known_ || must_authenticate_) return nullptr;
  UserRef user = Find(kDefaultUser);
  return user->open() ? user : nullptr;
}

UserRef Users::WithPassword(std::string_view name,
                            std::string_view password) const {
  UserRef user = Find(name);
  if (!known_ || user == nullptr) {
    // Names that exist must not take longer than others.
    AclUser("").AcceptsPassword(password);
    return nullptr;
  }
  return user->AcceptsPassword(password) ? user : nullptr;
}

UserRef Users::WithCertificate(std::string_view name) const {
  UserRef user = Find(name);
  const bool taken = known_ && user != nullptr && user->takes_certificates();
  return taken ? user : nullptr;
}

bool Users::has_operator() const {
  return std::any_of(users_.begin(), users_.end(), [](const auto& entry) {
    return entry.second->role() == AdminRole::kOperator;
  });
}

}  // namespace quorate::node
