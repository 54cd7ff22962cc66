// shardctrl/controller/words.h: ids as the controller's sentences name them.
//
// For commands' answers, problems and reasons, which people read.
#ifndef QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_
#define QUORATE_SHARDCTRL_CONTROLLER_WORDS_H_

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
