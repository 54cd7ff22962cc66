// node/http/ready_page.h: the text of GET /readyz: whether this node serves,
// and why not.
#ifndef QUORATE_NODE_HTTP_READY_PAGE_H_
#define QUORATE_NODE_HTTP_READY_PAGE_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

struct ReadyPage {
  bool ready = false;
  std::string text;
};

// A node is ready if the log works, and if every replica of the node works and
// has a leader. Other nodes are listed but do not count. Groups that have no
// replica here do not count either, nor does a replica that its group has left
// on this node. `verbose` lists the parts of a node that is ready as well.
ReadyPage MakeReadyPage(const Context& context, bool verbose);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_READY_PAGE_H_
