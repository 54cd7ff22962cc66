#include "node/resp/error_text.h"

#include "env/host_port.h"
#include "node/base/text.h"

namespace quorate::node {

std::string NoHashSlots(Partitioner partitioner) {
  return Concat("ERR this cluster divides its keys by ",
                PartitionerName(partitioner),
                ", not by the hash slots of Redis Cluster; use the nodes' "
                "addresses for plain clients (nodes[].resp)");
}

std::string FailureText(const Context& context, const RequestFailure& failure) {
  switch (failure.kind) {
    case RequestFailure::Kind::kMoved: {
      const NodeConfig* leader = context.cluster.FindListed(failure.leader);
      if (leader == nullptr) break;
      // Clients split the address at its last colon, as Redis writes it.
      const HostPort address = *ParseHostPort(leader->resp_cluster);
      return Concat("MOVED ", failure.slot, " ",
                    FormatBareHostPort(address.host, address.port));
    }
    case RequestFailure::Kind::kNoLeader:
      break;
    case RequestFailure::Kind::kOverloaded:
      return "CLUSTERDOWN too many requests wait for the slot's leader; "
             "try again later";
    case RequestFailure::Kind::kUnknown:
      return Concat(failure.only_reads
                        ? "UNKNOWN the commands only read, so nothing was "
                          "changed; their results are lost: "
                        : "UNKNOWN the command may or may not have taken "
                          "effect: ",
                    Message(failure.why));
    case RequestFailure::Kind::kRefused:
      return Concat("MISCONF this node does not serve the slot: ",
                    Message(failure.why));
  }
  return "CLUSTERDOWN Hash slot not served";
}

namespace {

// "group 2 (slots 5461-10921)".
std::string NameOfGroup(const Context& context, GroupId group) {
  std::string slots;
  for (const SlotRange& range : context.cluster.shards().RangesOf(group)) {
    Append(&slots, slots.empty() ? "" : ",", range.first);
    if (range.first != range.last) Append(&slots, "-", range.last);
  }
  return Concat("group ", group, " (slots ", slots, ")");
}

}  // namespace

std::string FlushFailureText(const Context& context, bool others_may_have,
                             const RequestFailure& failure) {
  const std::string group = NameOfGroup(context, failure.group);
  if (failure.kind == RequestFailure::Kind::kUnknown) {
    return Concat(
        "UNKNOWN ", group,
        " may or may not have executed the command: ", Message(failure.why));
  }
  if (!others_may_have) return GroupFailureText(context, failure);
  return Concat(
      "UNKNOWN ", group,
      " did not execute the command for all its slots, other slots may be "
      "flushed: ",
      failure.kind == RequestFailure::Kind::kOverloaded
          ? "too many requests wait for its leader; try again later"
      : failure.kind == RequestFailure::Kind::kRefused
          ? Concat("this node does not serve it: ", Message(failure.why))
          : "no leader known");
}

std::string DividedFailureText(std::string_view error) {
  return Concat(
      "UNKNOWN the keys are in several slots, and the command may have taken "
      "effect for some of them. The first error: ",
      error);
}

std::string GroupFailureText(const Context& context,
                             const RequestFailure& failure) {
  const std::string group = NameOfGroup(context, failure.group);
  switch (failure.kind) {
    case RequestFailure::Kind::kUnknown:
      return Concat("CLUSTERDOWN ", group,
                    " did not answer: ", Message(failure.why));
    case RequestFailure::Kind::kOverloaded:
      return Concat("CLUSTERDOWN too many requests wait for the leader of ",
                    group, "; try again later");
    case RequestFailure::Kind::kRefused:
      return Concat("MISCONF this node does not serve ", group, ": ",
                    Message(failure.why));
    case RequestFailure::Kind::kMoved:
    case RequestFailure::Kind::kNoLeader:
      break;
  }
  return Concat("CLUSTERDOWN no leader known for ", group);
}

}  // namespace quorate::node
