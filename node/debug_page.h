// node/debug_page.h: what stands in a running node, as JSON for people
// (GET /debug/... of the admin address, docs/operate/debugging.md).
//
// The pages read the node's state and change nothing. No list has more than
// kDebugRowsMax rows; `left_out` says how many more there are. Names of states
// are those of the code, and may change with each version.
#ifndef QUORATE_NODE_DEBUG_PAGE_H_
#define QUORATE_NODE_DEBUG_PAGE_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "node/connections/context.h"
#include "node/controller/slot_mover.h"

namespace quorate::node {

inline constexpr size_t kDebugRowsMax = 256;

// The page of "/debug", "/debug/orders", "/debug/moves", "/debug/rooms" or
// "/debug/timers". Nullopt: another path.
std::optional<std::string> DebugPage(std::string_view path,
                                     const Context& context,
                                     const SlotMover& mover);

}  // namespace quorate::node

#endif  // QUORATE_NODE_DEBUG_PAGE_H_
