// shardctrl/controller/words.h: ids as the controller's sentences name them.
//
// For commands' answers, problems and reasons, which people read.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_
#define QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "env/ids.h"

namespace quorate::shardctrl {

inline std::string NodeText(NodeId node) {
  return absl::StrCat("node ", node.value());
}
inline std::string GroupText(GroupId group) {
  return absl::StrCat("group ", group.value());
}
// "1 slot", or "7 slots".
inline std::string SlotsText(uint64_t count) {
  return absl::StrCat(count, count == 1 ? " slot" : " slots");
}
// Of many names the first ones, and how many are left out.
inline void KeepFirst(size_t most, std::vector<std::string>* names) {
  if (names->size() <= most) return;
  const size_t others = names->size() - most;
  names->resize(most);
  names->push_back(absl::StrCat("and ", others, " others"));
}
// "group 3", or "groups 1, 2".
inline std::string GroupsText(const std::vector<GroupId>& groups) {
  std::vector<std::string> names;
  for (const GroupId group : groups) {
    names.push_back(absl::StrCat(group.value()));
  }
  KeepFirst(10, &names);
  return absl::StrCat(groups.size() == 1 ? "group " : "groups ",
                      absl::StrJoin(names, ", "));
}
// "node 3", or "nodes 1, 2".
inline std::string NodesText(const std::vector<NodeId>& nodes) {
  return absl::StrCat(
      nodes.size() == 1 ? "node " : "nodes ",
      absl::StrJoin(nodes, ", ", [](std::string* out, NodeId id) {
        absl::StrAppend(out, id.value());
      }));
}

}  // namespace quorate::shardctrl

#endif  // QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_
