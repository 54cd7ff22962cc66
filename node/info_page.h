// node/info_page.h: the text of INFO, in Redis's sections and field names.
//
// Clients parse it, some before they send anything else. Reads the server's state and changes nothing.
#ifndef QUORATE_NODE_INFO_PAGE_H_
#define QUORATE_NODE_INFO_PAGE_H_

#include <string>

#include "node/context.h"

namespace quorate::node {

// `sections` as given to INFO; none, "default", "all" and "everything" mean every section.
std::string InfoText(Context& context, Arguments sections);

}  // namespace quorate::node

#endif  // QUORATE_NODE_INFO_PAGE_H_
