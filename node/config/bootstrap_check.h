// node/config/bootstrap_check.h: compares the configuration file with what was decided
// when the cluster was bootstrapped.
//
// The stored record wins always: a file that contradicts it stops the start.
// Pure.
#ifndef QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_
#define QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_

#include "absl/status/status.h"
#include "node/config/bootstrap_record.h"
#include "node/config/config.h"

namespace quorate::node {

// OK if `config` says what `stored` says. Otherwise kFailedPrecondition with
// the key of the file and its value, the stored value, and what to do.
// Requires: `today` is the record that a bootstrap with `config` would make.
absl::Status CheckAgainstBootstrap(const Config& config,
                                   const BootstrapRecord& today,
                                   const BootstrapRecord& stored);

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONFIG_BOOTSTRAP_CHECK_H_
