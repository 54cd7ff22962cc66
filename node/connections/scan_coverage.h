// node/connections/scan_coverage.h: numbers for the slots that scans of a node
// cover.
#ifndef QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_
#define QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "env/ids.h"
#include "shardctrl/map.h"

namespace quorate::node {

// Numbers the sets of slots that scans of this node cover, one after another.
// A scan whose set has another number than at its beginning would miss keys.
class ScanCoverage {
 public:
  // The number of the slots that `groups` have by the map of this version. It
  // differs from the numbers of all calls before map or groups changed last.
  uint64_t NumberOf(shardctrl::MapVersion map, std::vector<GroupId> groups) {
    if (map != map_ || groups != groups_) {
      map_ = map;
      groups_ = std::move(groups);
      ++number_;
    }
    return number_;
  }

 private:
  shardctrl::MapVersion map_;
  std::vector<GroupId> groups_;
  uint64_t number_ = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_SCAN_COVERAGE_H_
