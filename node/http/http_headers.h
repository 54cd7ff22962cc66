// node/http/http_headers.h: the bodies and headers that each route takes.
//
// Both HTTP addresses read requests by these rules. A header that asks for more
// than a route does is refused, as is a parameter that it does not know
// (http_parameters.h). Conditions of reads and writes: http_conditions.h. The
// parser refuses all that no route can take, such as a coded body.
#ifndef QUORATE_NODE_HTTP_HTTP_HEADERS_H_
#define QUORATE_NODE_HTTP_HTTP_HEADERS_H_

#include <optional>
#include <string_view>

#include "node/http/http_conditions.h"
#include "node/protocol/http_parser.h"

namespace quorate::node {

// The names that a client gave to its request. They are empty without it, and
// valid as long as the request.
struct HttpNames {
  std::string_view idempotency_key;
  std::string_view operation;  // Quorate-Operation.
};

// Replaces `*names`. Refuses a body, a condition, a range or a name that the
// route does not take. `route`: its name in http_parameters.h. A name is given
// once, and has from 1 to 255 bytes. A request has one of both names at most.
std::optional<HttpRefusal> ReadHeaders(std::string_view route,
                                       const HttpRequest& request,
                                       HttpNames* names);

// The code of an error of the parser by its status.
std::string_view ParserErrorCode(int status);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_HEADERS_H_
