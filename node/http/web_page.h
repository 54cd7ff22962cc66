// node/http/web_page.h: recognises requests that a browser sends for a web
// page, which must change nothing here.
#ifndef QUORATE_NODE_HTTP_WEB_PAGE_H_
#define QUORATE_NODE_HTTP_WEB_PAGE_H_

#include <string_view>

#include "node/protocol/http_parser.h"

namespace quorate::node {

// True if a browser sent the request for a web page, and not for its address
// bar. Browsers since 2023 always send Sec-Fetch-Site to the local host.
bool IsFromWebPage(const HttpRequest& request);

// True if a request names the host as no page of another site can: by an
// address, as localhost, or as the node's own `address`. A site may give
// itself a name that leads here, and then browsers take its pages for ours.
bool NamesThisNode(const HttpRequest& request, std::string_view address);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_WEB_PAGE_H_
