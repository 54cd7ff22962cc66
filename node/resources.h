// node/resources.h: what a node uses at this moment of each bounded resource.
// Checkers and tests compare it with the bounds.
#ifndef QUORATE_NODE_RESOURCES_H_
#define QUORATE_NODE_RESOURCES_H_

#include "node/connections/context.h"
#include "node/server.h"

namespace quorate::node {

ResourceUse ResourcesOf(const Context& context);

}  // namespace quorate::node

#endif  // QUORATE_NODE_RESOURCES_H_
