#include "net/tools/descriptors.h"

#include <sys/resource.h>

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "raft/transport/transport.h"

namespace quorate::net {
namespace {

// Sockets and files that every node has, besides connections of peers that have
// not said who they are.
constexpr uint64_t kReserve = 64;
// Links of all lanes in both directions, and some that replace others.
constexpr uint64_t kPerNode = 8;
// Snapshots that are read, written and received.
constexpr uint64_t kPerGroup = 4;
// RESP and HTTP have limits.connections each.
constexpr uint64_t kProtocols = 2;

}  // namespace

uint64_t RaiseDescriptorLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return std::numeric_limits<uint64_t>::max();
  }
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
}

absl::StatusOr<std::string> FitConnections(uint64_t limit,
                                           node::Config* config) {
  const uint64_t groups = config->shards.size();
  const uint64_t own = kReserve + raft::kPendingHandshakesMax +
                       kPerNode * config->nodes.size() + kPerGroup * groups +
                       kProtocols * config->bounds.refused_connections;
  const std::string allowed =
      absl::StrCat("the system allows this process ", limit, " open files. ");
  if (limit < own + kProtocols) {
    return absl::FailedPreconditionError(absl::StrCat(
        allowed, "The node needs at least ", own + kProtocols, ": ", kPerGroup,
        " for each of its groups (", groups, "), and ",
        own + kProtocols - kPerGroup * groups,
        " more. Raise the limit (ulimit -n, LimitNOFILE in a unit of systemd), "
        "or found the cluster with fewer groups"));
  }
  const uint64_t wanted = config->limits.connections;
  const uint64_t possible = (limit - own) / kProtocols;
  if (possible >= wanted) return "";
  config->limits.connections = possible;
  return absl::StrCat(
      allowed, "limits.connections = ", wanted, " needs ",
      kProtocols * wanted + own, " (", kProtocols, " protocols, and ", own,
      " for the node itself), so it is lowered to ", possible,
      ". Raise the limit (ulimit -n, LimitNOFILE in a unit of systemd), or "
      "lower limits.connections");
}

}  // namespace quorate::net
