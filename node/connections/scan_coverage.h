// node/connections/scan_coverage.h: numbers for the sets of groups that scans
// of a node cover.
#ifndef QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_
#define QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "env/ids.h"

namespace quorate::node {

// Numbers the sets of groups that scans of this node cover, one after another.
// A scan whose set has another number than at its beginning would miss keys.
class ScanCoverage {
 public:
  // The number of this set. It differs from the numbers of all calls before
  // the set changed last.
  uint64_t NumberOf(std::vector<GroupId> groups) {
    if (groups != groups_) {
      groups_ = std::move(groups);
      ++number_;
    }
    return number_;
  }

 private:
  std::vector<GroupId> groups_;
  uint64_t number_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_
