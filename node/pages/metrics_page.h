// node/pages/metrics_page.h: GET /metrics: everything this node counts, in
// Prometheus's text form (docs/reference/metrics.md).
//
// Reads the server's state and changes nothing; names are a contract with
// dashboards.
#ifndef QUORATE_NODE_PAGES_METRICS_PAGE_H_
#define QUORATE_NODE_PAGES_METRICS_PAGE_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

std::string MetricsPage(Context& context);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PAGES_METRICS_PAGE_H_
