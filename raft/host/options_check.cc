#include "raft/host/options_check.h"

#include <algorithm>
#include <string>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "env/host_port.h"
#include "raft/host/admission.h"
#include "raft/host/bootstrap_record.h"

namespace quorate::raft {
namespace {

template <typename... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("HostOptions::", parts...));
}

std::string Ms(Duration duration) { return absl::StrCat(duration.ms(), " ms"); }

// An address that others connect to has a port.
absl::Status CheckReachable(const char* field, const std::string& address) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(address);
  if (!parsed.ok()) return Wrong(field, ": ", parsed.status().message());
  if (parsed->port == 0) {
    return Wrong(field, ": '", address, "' has port 0, where no node listens");
  }
  return absl::OkStatus();
}

absl::Status CheckAddresses(const HostOptions& options) {
  // A node may listen on a port that the system chooses.
  const absl::Status listens = ParseHostPort(options.listen_address).status();
  if (!listens.ok()) return Wrong("listen_address: ", listens.message());
  absl::Status status;
  if (!options.address.empty()) {
    status = CheckReachable("address", options.address);
  }
  for (const std::string& seed : options.seeds) {
    if (status.ok()) status = CheckReachable("seeds", seed);
  }
  return status;
}

// A start in an empty directory would make a new store in place of the copy.
absl::Status CheckRestore(const HostOptions& options) {
  if (!options.restore_as_new_cluster) return absl::OkStatus();
  const std::string other = options.bootstrap          ? "bootstrap"
                            : options.join.has_value() ? "join"
                                                       : "";
  if (other.empty()) return absl::OkStatus();
  return Wrong(other,
               " and HostOptions::restore_as_new_cluster are both set: a copy "
               "is restored, or a new store is made");
}

absl::Status CheckPeers(const HostOptions& options) {
  absl::btree_set<NodeId> nodes;
  for (const env::PeerAddress& peer : options.peers) {
    if (peer.node == NodeId()) {
      return Wrong("peers has node 0: a node has an id from 1 on");
    }
    if (peer.node == options.node) {
      return Wrong("peers has node ", peer.node.value(),
                   ", which is this node: leave it out");
    }
    if (!nodes.insert(peer.node).second) {
      return Wrong("peers has node ", peer.node.value(), " twice");
    }
    const absl::Status address = ParseHostPort(peer.address).status();
    if (!address.ok()) {
      return Wrong("peers, node ", peer.node.value(), ": ", address.message());
    }
  }
  return absl::OkStatus();
}

absl::Status CheckTimes(const CoreOptions& core) {
  if (core.heartbeat_interval <= Duration(0)) {
    return Wrong("core.heartbeat_interval is ", Ms(core.heartbeat_interval),
                 ": it must be longer than 0");
  }
  if (core.heartbeat_interval >= core.election_timeout_min) {
    return Wrong("core.heartbeat_interval, ", Ms(core.heartbeat_interval),
                 ", is not below core.election_timeout_min, ",
                 Ms(core.election_timeout_min),
                 ": followers would campaign between two heartbeats");
  }
  if (core.election_timeout_max < core.election_timeout_min) {
    return Wrong("core.election_timeout_max, ", Ms(core.election_timeout_max),
                 ", is below core.election_timeout_min, ",
                 Ms(core.election_timeout_min));
  }
  return absl::OkStatus();
}

// A founding waits for every node of the plan.
absl::Status CheckFounding(const HostOptions& options) {
  if (options.cluster == ClusterId()) {
    return Wrong("cluster is 0: a cluster that is founded needs an id");
  }
  if (options.plan.groups.empty()) {
    return Wrong("plan.groups is empty: a founding needs a group");
  }
  const absl::Status valid = ValidatePlan(options.plan);
  if (!valid.ok()) return Wrong("plan: ", valid.message());
  if (options.founding_level == Level()) {
    return Wrong("founding_level is 0: the first level is 1");
  }
  if (options.founding_lease_length < Duration() ||
      options.founding_lease_length > Seconds(600)) {
    return Wrong("founding_lease_length is not between 0 and 600 s");
  }
  for (const GroupPlan& group : options.plan.groups) {
    for (const auto* members : {&group.voters, &group.learners}) {
      for (const NodeId node : *members) {
        const bool known =
            node == options.node ||
            std::any_of(options.peers.begin(), options.peers.end(),
                        [&](const auto& peer) { return peer.node == node; });
        if (known) continue;
        return Wrong("peers lacks node ", node.value(), ", a member of group ",
                     group.group.value(),
                     " in HostOptions::plan: the founding would wait for it");
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckJoin(const HostOptions& options) {
  if (options.bootstrap) {
    return Wrong(
        "bootstrap and HostOptions::join are both set: a node founds "
        "a cluster, or joins one that exists");
  }
  if (options.join->seeds.empty()) {
    return Wrong("join.seeds is empty: name a node of the cluster");
  }
  for (const std::string& seed : options.join->seeds) {
    absl::Status address = CheckReachable("join.seeds", seed);
    if (!address.ok()) return address;
  }
  if (options.join->token.size() > kJoinTokenBytesMax) {
    return Wrong("join.token has ", options.join->token.size(),
                 " bytes, more than ", kJoinTokenBytesMax);
  }
  if (options.listen_address.size() > kJoinAddressBytesMax) {
    return Wrong("listen_address has ", options.listen_address.size(),
                 " bytes, more than ", kJoinAddressBytesMax);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckOptions(const HostOptions& options) {
  if (options.node == NodeId()) {
    return Wrong("node is 0: a node has an id from 1 on");
  }
  if (options.turn_apply_work_max == 0) {
    return Wrong("turn_apply_work_max is 0: no entry would ever be applied");
  }
  absl::Status status = CheckAddresses(options);
  if (status.ok()) status = CheckRestore(options);
  if (status.ok()) status = CheckPeers(options);
  if (status.ok()) status = CheckTimes(options.core);
  return status;
}

absl::Status CheckNewStore(const HostOptions& options) {
  return options.join.has_value() ? CheckJoin(options) : CheckFounding(options);
}

absl::Status CheckFoundingLevel(const HostOptions& options, GroupId group,
                                Level known) {
  if (options.founding_level <= known) return absl::OkStatus();
  return Wrong("founding_level is ", options.founding_level.value(),
               ": the state machine of group ", group.value(),
               " knows levels up to ", known.value());
}

}  // namespace quorate::raft
