#include <string>

#include "sim/members/controller_model.h"

namespace quorate::sim {

using shardctrl::MapVersion;

ControllerModel::Verdict ControllerModel::Do(const Command::SetUser& set) {
  const auto before = next_.users.find(set.name);
  const bool known = before != next_.users.end();
  if (known && before->second.rules == set.rules) return AlreadySo();
  const MapVersion version = known ? before->second.version : MapVersion();
  if (version != set.known) return Refused();
  next_.users_version = next_.version + 1;
  next_.users[set.name] = {.name = set.name,
                           .rules = set.rules,
                           .version = MapVersion(next_.users_version)};
  size_t bytes = 0;
  for (const auto& [name, user] : next_.users) {
    bytes += name.size() + user.rules.size();
  }
  const bool fits = next_.users.size() <= shardctrl::kUsersMax &&
                    bytes <= shardctrl::kUsersBytesMax;
  return fits ? Verdict() : Refused();
}

ControllerModel::Verdict ControllerModel::Do(
    const Command::DeleteUsers& remove) {
  bool removed = false;
  for (const std::string& name : remove.names) {
    removed |= next_.users.erase(name) > 0;
  }
  if (!removed) return AlreadySo();
  next_.users_version = next_.version + 1;
  return {};
}

}  // namespace quorate::sim
