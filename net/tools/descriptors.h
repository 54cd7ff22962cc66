// net/tools/descriptors.h: shares the open files that the system allows a
// process between its clients and everything else.
#ifndef QUORATE_NET_TOOLS_DESCRIPTORS_H_
#define QUORATE_NET_TOOLS_DESCRIPTORS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "node/config/config.h"

namespace quorate::net {

// Raises the limit of open files to the maximum that the system allows, and
// returns it.
uint64_t RaiseDescriptorLimit();

// Lowers limits.connections if the clients of both protocols and the node's own
// files and links need more than `limit` open files. Returns the message for
// the operator, or an empty string if the limit suffices. The error is
// kFailedPrecondition if not even one client of each protocol would fit.
absl::StatusOr<std::string> FitConnections(uint64_t limit,
                                           node::Config* config);

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_DESCRIPTORS_H_
