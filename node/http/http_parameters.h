// node/http/http_parameters.h: the query parameters that each route knows.
//
// A parameter that a route does not know is refused. Ignored, a misspelt
// condition would turn its request into an unconditional write.
#ifndef QUORATE_NODE_HTTP_HTTP_PARAMETERS_H_
#define QUORATE_NODE_HTTP_HTTP_PARAMETERS_H_

#include <string>
#include <string_view>

#include "absl/types/span.h"
#include "node/protocol/http_parser.h"

namespace quorate::node {

// Names are case-sensitive.
struct HttpParameters {
  std::string_view route;  // As messages name it.
  absl::Span<const std::string_view> known;
};

// The parameters of a route by its name in metrics. Requires: there is such a
// route.
const HttpParameters& ParametersOf(std::string_view name);

// Why the query is refused: a parameter is unknown, is given twice, or takes no
// value. Empty if it is not.
std::string ParameterError(const HttpParameters& parameters,
                           const HttpTarget& target);

// `text` of a client, cut and escaped so that a message can contain it.
std::string Shown(std::string_view text);

}  // namespace quorate::node

#endif  // QUORATE_NODE_HTTP_HTTP_PARAMETERS_H_
