// shardctrl/controller/words.h: ids as the controller's sentences name them.
//
// For commands' answers, problems and reasons, which people read.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_
#define QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_

#include <algorithm>
#include <cstddef>
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
// "group 3", or "groups 1, 2"; of many the first ones.
inline std::string GroupsText(const std::vector<GroupId>& groups) {
  constexpr size_t kNamedMax = 10;
  const size_t named = std::min(groups.size(), kNamedMax);
  std::string text = groups.size() == 1 ? "group " : "groups ";
  for (size_t i = 0; i < named; ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", groups[i].value());
  }
  if (named < groups.size()) {
    absl::StrAppend(&text, " and ", groups.size() - named, " others");
  }
  return text;
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
