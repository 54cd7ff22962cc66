// node/config/bootstrap_check.h: compares the configuration file with the
// decisions of the bootstrap.
//
// The stored record always wins: a file that contradicts it stops the start.
// Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_

#include "absl/status/status.h"
#include "node/config/bootstrap_record.h"
#include "node/config/config.h"

namespace quorate::node {

// OK if `config` agrees with `stored`. Otherwise kFailedPrecondition with the
// key of the file, its value, the stored value and the remedy. Requires:
// `today` is the record that a bootstrap with `config` would create.
absl::Status CheckAgainstBootstrap(const Config& config,
                                   const BootstrapRecord& today,
                                   const BootstrapRecord& stored);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_
