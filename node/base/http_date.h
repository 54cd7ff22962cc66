// node/base/http_date.h: the Date header of replies (RFC 9110 6.6.1).
//
// The caller reads the clock of the node's environment.
#ifndef QUORATE_NODE_BASE_HTTP_DATE_H_
#define QUORATE_NODE_BASE_HTTP_DATE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "env/time.h"

namespace quorate::node {

// Formats one line for each second, which all replies of the second share.
class HttpDate {
 public:
  // "Date: Sun, 06 Nov 1994 08:49:37 GMT" and a line end. Empty if the clock
  // has no reading: a server without a clock sends no date. Valid until the
  // next call.
  std::string_view LineAt(const WallInterval& wall);

 private:
  int64_t second_ = 0;
  std::string line_;  // Of second_; empty: there is none yet.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_BASE_HTTP_DATE_H_
