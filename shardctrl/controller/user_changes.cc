#include "shardctrl/controller/user_changes.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace quorate::shardctrl {

ControllerAnswer ChangeUsers(const ControllerCommand::SetUser& set,
                             ClusterState* state) {
  const UserRecord* const before = state->FindUser(set.name);
  if (before != nullptr && before->rules == set.rules) {
    return ControllerAnswer::AlreadySo("nothing differs");
  }
  if (set.known != (before == nullptr ? MapVersion() : before->version)) {
    return ControllerAnswer::Refused(std::string(kUserChanged));
  }
  size_t bytes = set.name.size() + set.rules.size();
  for (const UserRecord& user : state->users) {
    if (user.name != set.name) bytes += user.name.size() + user.rules.size();
  }
  if (before == nullptr && state->users.size() >= kUsersMax) {
    return ControllerAnswer::Refused(
        absl::StrCat("a cluster has at most ", kUsersMax, " users"));
  }
  if (bytes > kUsersBytesMax) {
    return ControllerAnswer::Refused(
        absl::StrCat("all users together have at most ", kUsersBytesMax,
                     " bytes of names and rules"));
  }
  std::erase_if(state->users,
                [&](const UserRecord& user) { return user.name == set.name; });
  // ApplyCommand raises the version.
  state->users_version = MapVersion(state->version.value() + 1);
  const auto at =
      std::ranges::upper_bound(state->users, set.name, {}, &UserRecord::name);
  state->users.insert(
      at,
      {.name = set.name, .rules = set.rules, .version = state->users_version});
  return ControllerAnswer::Done(absl::StrCat("user ", set.name, " is set"));
}

ControllerAnswer ChangeUsers(const ControllerCommand::DeleteUsers& remove,
                             ClusterState* state) {
  std::vector<std::string> steps;
  for (const std::string& name : remove.names) {
    const bool known = std::erase_if(state->users, [&](const UserRecord& user) {
                         return user.name == name;
                       }) > 0;
    if (known) steps.push_back(absl::StrCat("user ", name, " is removed"));
  }
  if (steps.empty()) return ControllerAnswer::AlreadySo("no such user exists");
  state->users_version = MapVersion(state->version.value() + 1);
  ControllerAnswer answer = ControllerAnswer::Done("users are removed");
  answer.SetSteps(std::move(steps));
  return answer;
}

}  // namespace quorate::shardctrl
