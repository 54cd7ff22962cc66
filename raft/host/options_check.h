// raft/host/options_check.h: mistakes in the options of a host, each with a
// text that names the field. Pure. Used only by the host.
#ifndef QUORATE_RAFT_HOST_OPTIONS_CHECK_H_
#define QUORATE_RAFT_HOST_OPTIONS_CHECK_H_

#include "absl/status/status.h"
#include "raft/host/host_types.h"

namespace quorate::raft {

// kInvalidArgument for options with which no start works.
absl::Status CheckOptions(const HostOptions& options);
// The same for the options that a start with an empty directory uses besides:
// the plan of a founding, or HostOptions::join.
absl::Status CheckNewStore(const HostOptions& options);
// The same for the level of the groups that a founding makes. `known`: that of
// the group's state machine.
absl::Status CheckFoundingLevel(const HostOptions& options, GroupId group,
                                Level known);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_HOST_OPTIONS_CHECK_H_
