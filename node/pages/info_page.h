// node/pages/info_page.h: the text of INFO, with Redis's sections and field
// names.
//
// Clients parse this text, some of them before they send any other command. It
// reads the server's state and changes nothing.
#ifndef QUORATE_NODE_PAGES_INFO_PAGE_H_
#define QUORATE_NODE_PAGES_INFO_PAGE_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

// The inputs of the text besides the server's state.
struct InfoView {
  RespAddress address = RespAddress::kPlain;
  // The lines of the section Keyspace, which the stores of this node alone
  // cannot give.
  std::string keyspace = {};
};

// `sections` are the arguments of INFO. None, "default", "all" and "everything"
// mean every section.
std::string InfoText(Context& context, const InfoView& view,
                     Arguments sections);

// True if the text for `sections` has the section Keyspace.
bool InfoHasKeyspace(Arguments sections);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PAGES_INFO_PAGE_H_
