#include "raft/host/bootstrap_record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/crc32c.h"
#include "env/little_endian.h"
#include "env/random.h"
#include "raft/core/configuration.h"

namespace quorate::raft {
namespace {

constexpr uint32_t kVersion = 1;

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::binary_search(nodes.begin(), nodes.end(), node);
}

// Empty: the list is sorted by id, without node 0 and without doubles.
std::string WhyNot(std::string_view list, const std::vector<NodeId>& nodes) {
  const std::string name(list);
  if (nodes.size() > kConfigurationMembersMax) {
    return absl::StrCat(name, " has ", nodes.size(), " nodes, more than ",
                        kConfigurationMembersMax);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (nodes[i] == NodeId()) {
      return absl::StrCat(name, " has node 0: a node has an id from 1 on");
    }
    if (i == 0 || nodes[i - 1] < nodes[i]) continue;
    return absl::StrCat(name,
                        nodes[i - 1] == nodes[i]
                            ? " has this node twice: "
                            : " is not sorted by id, from this node on: ",
                        nodes[i].value());
  }
  return "";
}

// Empty: the plan is one of a group.
std::string WhyNot(const GroupPlan& plan) {
  if (plan.voters.empty()) return "voters is empty";
  std::string why = WhyNot("voters", plan.voters);
  if (why.empty()) why = WhyNot("learners", plan.learners);
  if (!why.empty()) return why;
  for (const NodeId node : plan.learners) {
    if (!Contains(plan.voters, node)) continue;
    return absl::StrCat("learners has a voter: ", node.value());
  }
  if (plan.parameters.size() > kParametersBytesMax) {
    return absl::StrCat("parameters has ", plan.parameters.size(),
                        " bytes, more than ", kParametersBytesMax);
  }
  return "";
}

void AppendNodes(std::string* out, const std::vector<NodeId>& nodes) {
  AppendFixed(out, static_cast<uint32_t>(nodes.size()));
  for (const NodeId node : nodes) AppendFixed(out, node.value());
}

// Reads a count. If the remaining bytes cannot hold that many elements, the
// reader fails.
uint32_t TakeCount(FixedReader* reader, size_t element_bytes) {
  const auto count = reader->Take<uint32_t>();
  if (count <= reader->rest().size() / element_bytes) return count;
  reader->Fail();
  return 0;
}

std::vector<NodeId> TakeNodes(FixedReader* reader) {
  std::vector<NodeId> nodes(TakeCount(reader, sizeof(uint32_t)));
  for (NodeId& node : nodes) node = NodeId(reader->Take<uint32_t>());
  return nodes;
}

BootstrapPlan TakePlan(FixedReader* reader) {
  BootstrapPlan plan;
  // A group has at least 16 bytes besides the elements of its lists.
  plan.groups.resize(TakeCount(reader, 16));
  for (GroupPlan& group : plan.groups) {
    group.group = GroupId(reader->Take<uint32_t>());
    group.voters = TakeNodes(reader);
    group.learners = TakeNodes(reader);
    group.machine_kind = reader->Take<uint32_t>();
    const uint32_t size = TakeCount(reader, 1);
    group.parameters = Buffer::Copy(reader->TakeBytes(size));
  }
  return plan;
}

// Another founding gives other stores, so it gives other ids: replicas of
// different foundings never take part in one group.
ReplicaId FirstReplica(StoreIncarnation founder, StoreIncarnation store,
                       GroupId group) {
  const uint64_t bits = Random(founder.value())
                            .Bits("raft.replica", store.value(), group.value());
  return ReplicaId(bits == 0 ? 1 : bits);  // Zero is no replica.
}

std::vector<Member> MembersOn(const BootstrapRecord& record, GroupId group,
                              const std::vector<NodeId>& nodes) {
  std::vector<Member> members;
  members.reserve(nodes.size());
  for (const NodeId node : nodes) {
    const StoreIncarnation store = record.StoreOn(node);
    members.push_back(
        {FirstReplica(record.stores[0].store, store, group), node, store});
  }
  SortMembers(&members);
  return members;
}

}  // namespace

const GroupPlan* BootstrapPlan::Find(GroupId group) const {
  for (const GroupPlan& known : groups) {
    if (known.group == group) return &known;
  }
  return nullptr;
}

std::vector<NodeId> BootstrapPlan::Nodes() const {
  std::vector<NodeId> nodes;
  for (const GroupPlan& group : groups) {
    nodes.insert(nodes.end(), group.voters.begin(), group.voters.end());
    nodes.insert(nodes.end(), group.learners.begin(), group.learners.end());
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

std::vector<GroupId> BootstrapPlan::GroupsOn(NodeId node) const {
  std::vector<GroupId> ids;
  for (const GroupPlan& group : groups) {
    if (Contains(group.voters, node) || Contains(group.learners, node)) {
      ids.push_back(group.group);
    }
  }
  return ids;
}

StoreIncarnation BootstrapRecord::StoreOn(NodeId node) const {
  const auto found = std::lower_bound(
      stores.begin(), stores.end(), node,
      [](const NodeStore& one, NodeId id) { return one.node < id; });
  return found == stores.end() || found->node != node ? StoreIncarnation()
                                                      : found->store;
}

uint32_t BootstrapRecord::founding_checksum() const {
  const uint64_t bits = Random(hash_key).Bits("raft.founding_checksum", 0, 0);
  return std::max<uint32_t>(static_cast<uint32_t>(bits), 1);
}

uint32_t BootstrapRecord::plan_checksum() const {
  return joined() ? joined_checksum : PlanChecksum(plan);
}

absl::Status ValidatePlan(const BootstrapPlan& plan) {
  GroupId before;
  for (const GroupPlan& group : plan.groups) {
    const uint32_t id = group.group.value();
    std::string why;
    if (group.group == GroupId()) {
      why = "groups has group 0: a group has an id from 1 on";
    } else if (group.group == before) {
      why = absl::StrCat("groups has group ", id, " twice");
    } else if (group.group < before) {
      why = absl::StrCat("groups is not sorted by id: group ", id,
                         " comes after group ", before.value());
    } else if (const std::string wrong = WhyNot(group); !wrong.empty()) {
      why = absl::StrCat("group ", id, ": ", wrong);
    }
    if (!why.empty()) return absl::InvalidArgumentError(why);
    before = group.group;
  }
  return absl::OkStatus();
}

std::string EncodePlan(const BootstrapPlan& plan) {
  std::string out;
  AppendFixed(&out, static_cast<uint32_t>(plan.groups.size()));
  for (const GroupPlan& group : plan.groups) {
    AppendFixed(&out, group.group.value());
    AppendNodes(&out, group.voters);
    AppendNodes(&out, group.learners);
    AppendFixed(&out, group.machine_kind);
    AppendFixed(&out, static_cast<uint32_t>(group.parameters.size()));
    out += group.parameters.view();
  }
  return out;
}

uint32_t PlanChecksum(const BootstrapPlan& plan) {
  return Crc32c(0, EncodePlan(plan));
}

std::string EncodeBootstrapRecord(const BootstrapRecord& record) {
  std::string out;
  AppendFixed(&out, kVersion);
  AppendFixed(&out, record.level.value());
  AppendFixed(&out, record.hash_key);
  AppendFixed(&out, record.lease_length.ns());
  AppendFixed(&out, record.lease_drift_ppm);
  AppendFixed(&out, static_cast<uint32_t>(record.stores.size()));
  for (const NodeStore& one : record.stores) {
    AppendFixed(&out, one.store.value());
  }
  out += EncodePlan(record.plan);
  if (!record.joined()) return out;
  CHECK_LE(record.welcome.size(), kWelcomeBytesMax);
  AppendFixed(&out, record.joined_checksum);
  AppendFixed(&out, static_cast<uint32_t>(record.welcome.size()));
  out += record.welcome;
  return out;
}

absl::StatusOr<BootstrapRecord> DecodeBootstrapRecord(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto version = reader.Take<uint32_t>();
  if (reader.ok() && version != kVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("the bootstrap record of the data directory has version ",
                     version, ", this program knows version ", kVersion,
                     ": start the program that wrote it"));
  }
  BootstrapRecord record;
  record.level = Level(reader.Take<uint64_t>());
  record.hash_key = reader.Take<uint64_t>();
  record.lease_length = Duration(reader.Take<int64_t>());
  record.lease_drift_ppm = reader.Take<uint32_t>();
  record.stores.resize(TakeCount(&reader, sizeof(uint64_t)));
  bool each_known = true;
  for (NodeStore& one : record.stores) {
    one.store = StoreIncarnation(reader.Take<uint64_t>());
    each_known &= one.store != StoreIncarnation();
  }
  record.plan = TakePlan(&reader);
  if (record.joined()) {
    record.joined_checksum = reader.Take<uint32_t>();
    record.welcome = reader.TakeBytes(TakeCount(&reader, 1));
  }
  const std::vector<NodeId> nodes = record.plan.Nodes();
  if (!reader.ok() || !reader.rest().empty() || !each_known ||
      record.level == Level() || record.welcome.size() > kWelcomeBytesMax ||
      !ValidatePlan(record.plan).ok() || nodes.size() != record.stores.size()) {
    return absl::DataLossError(
        "the bootstrap record in the file 'identity' cannot be read; restore "
        "the file from a copy of this very directory");
  }
  for (size_t i = 0; i < nodes.size(); ++i) record.stores[i].node = nodes[i];
  return record;
}

Configuration FirstConfiguration(const BootstrapRecord& record, GroupId group) {
  const GroupPlan* plan = record.plan.Find(group);
  CHECK(plan != nullptr) << "group " << group;
  Configuration first;
  first.voters = MembersOn(record, group, plan->voters);
  first.learners = MembersOn(record, group, plan->learners);
  first.level = record.level;
  first.hash_key = record.hash_key;
  first.lease_length = record.lease_length;
  first.lease_drift_ppm = record.lease_drift_ppm;
  first.machine_kind = plan->machine_kind;
  first.parameters = plan->parameters;
  return first;
}

ReplicaId ReplicaOn(const Configuration& configuration, NodeId node) {
  ReplicaId found;
  ForEachMember(configuration, [&](const Member& member) {
    if (member.node == node) found = member.replica;
  });
  return found;
}

}  // namespace quorate::raft
