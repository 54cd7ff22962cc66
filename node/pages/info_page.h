// node/pages/info_page.h: the text of INFO, in Redis's sections and field names.
//
// Clients parse it, some before they send anything else. Reads the server's state and changes nothing.
#ifndef QUORATE_NODE_PAGES_INFO_PAGE_H_
#define QUORATE_NODE_PAGES_INFO_PAGE_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

// What the text depends on beside the server's state.
struct InfoView {
  RespAddress address = RespAddress::kPlain;
  // Lines of the section Keyspace for a plain client, which are about all
  // groups. For a cluster client the page counts what this node leads.
  std::string keyspace = {};
};

// `sections` as given to INFO; none, "default", "all" and "everything" mean every section.
std::string InfoText(Context& context, const InfoView& view,
                     Arguments sections);

// Whether `sections` name Keyspace, and whether they name anything else.
bool InfoHasKeyspace(Arguments sections);
bool InfoHasKeyspaceOnly(Arguments sections);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PAGES_INFO_PAGE_H_
