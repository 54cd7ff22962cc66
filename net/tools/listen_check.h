// net/tools/listen_check.h: checks that addresses are free before a start
// touches the disk.
#ifndef QUORATE_NET_TOOLS_LISTEN_CHECK_H_
#define QUORATE_NET_TOOLS_LISTEN_CHECK_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace quorate::net {

// Returns OK if a process could listen on each of the addresses now.
// kUnavailable names the first one in use.
absl::Status CheckListenAddresses(const std::vector<std::string>& addresses);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_LISTEN_CHECK_H_
