// node/pages/metrics_page.h: GET /metrics: all counters of this node, in
// Prometheus's text form (docs/reference/metrics.md).
//
// It reads the server's state and changes nothing. Dashboards depend on the
// names.
#ifndef QUORATE_NODE_PAGES_METRICS_PAGE_H_
#define QUORATE_NODE_PAGES_METRICS_PAGE_H_

#include <string>

#include "node/connections/context.h"

namespace quorate::node {

// The page in parts: a node with a thousand groups has twenty thousand samples.
// Example:
//
//   MetricsPage page(context);
//   while (page.WriteNext()) {}
//   Send(page.text());
class MetricsPage {
 public:
  // `context` outlives the object.
  explicit MetricsPage(Context& context) : context_(context) {}

  // Writes the next part. Returns false once all parts are written.
  bool WriteNext();
  const std::string& text() const { return text_.text(); }

 private:
  Context& context_;
  MetricsText text_;
  size_t next_ = 0;
};

// Whether a request waits, an entry is under way, or a reply is unsent: one of
// the page's gauges of them is above zero.
bool HasOpenWork(const Context& context);

}  // namespace quorate::node

#endif  // QUORATE_NODE_PAGES_METRICS_PAGE_H_
