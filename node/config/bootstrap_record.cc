#include "node/config/bootstrap_record.h"

#include <algorithm>
#include <utility>

#include "absl/types/span.h"
#include "env/check.h"
#include "env/little_endian.h"
#include "env/random.h"
#include "node/base/text.h"

namespace quorate::node {
namespace {

constexpr uint32_t kVersion = 2;

void AppendNodes(std::string* out, absl::Span<const NodeId> nodes) {
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

void AppendRules(std::string* out, const kv::Rules& rules) {
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.lifetime.ms()));
  AppendFixed(out, static_cast<uint64_t>(rules.sessions.open_window.ms()));
  AppendFixed(out, rules.sessions.rows_per_slot_max);
  AppendFixed(out, rules.sessions.result_bytes_max);
  AppendFixed(out, rules.sessions.row_bytes_max);
  AppendFixed(out, rules.expiries_per_entry);
  AppendFixed(out, rules.expiries_per_command);
}

Duration TakeMilliseconds(FixedReader* reader) {
  constexpr auto kYearMs = uint64_t{366} * 24 * 3'600'000;
  const auto ms = reader->Take<uint64_t>();
  if (ms > kYearMs) reader->Fail();
  return reader->ok() ? Milliseconds(static_cast<int64_t>(ms)) : Duration(0);
}

kv::Rules TakeRules(FixedReader* reader) {
  kv::Rules rules;
  rules.sessions.lifetime = TakeMilliseconds(reader);
  rules.sessions.open_window = TakeMilliseconds(reader);
  rules.sessions.rows_per_slot_max = reader->Take<uint32_t>();
  rules.sessions.result_bytes_max = reader->Take<uint32_t>();
  rules.sessions.row_bytes_max = reader->Take<uint32_t>();
  rules.expiries_per_entry = reader->Take<uint32_t>();
  rules.expiries_per_command = reader->Take<uint32_t>();
  if (!kv::AreValid(rules)) reader->Fail();
  return rules;
}

std::vector<NodeId> TakeNodes(FixedReader* reader) {
  std::vector<NodeId> nodes(TakeCount(reader, sizeof(uint32_t)));
  for (NodeId& node : nodes) node = NodeId(reader->Take<uint32_t>());
  for (size_t i = 1; i < nodes.size(); ++i) {
    if (nodes[i] <= nodes[i - 1]) reader->Fail();
  }
  return nodes;
}

std::vector<SlotRange> TakeSlots(FixedReader* reader, uint32_t slot_count) {
  std::vector<SlotRange> slots(TakeCount(reader, 2 * sizeof(uint16_t)));
  // Lower bound of the next range: adjacent ranges must be merged.
  uint32_t least = 0;
  for (SlotRange& range : slots) {
    range.first = Slot(reader->Take<uint16_t>());
    range.last = Slot(reader->Take<uint16_t>());
    if (range.first.value() < least || range.last < range.first ||
        range.last.value() >= slot_count) {
      reader->Fail();
    }
    least = range.last.value() + 2u;
  }
  return slots;
}

// Each node makes the members by itself, so their replica ids follow from
// numbers that all nodes know.
std::vector<raft::Member> MembersOn(const std::vector<NodeId>& nodes,
                                    ClusterId cluster, GroupId group) {
  std::vector<raft::Member> members;
  members.reserve(nodes.size());
  for (const NodeId node : nodes) {
    const uint64_t id = Random(cluster.value())
                            .Bits("node.replica", group.value(), node.value());
    members.push_back({ReplicaId(id), node, {}});
  }
  std::sort(members.begin(), members.end());
  return members;
}

}  // namespace

const BootstrapGroup* BootstrapRecord::FindGroup(GroupId group) const {
  for (const BootstrapGroup& known : groups) {
    if (known.group == group) return &known;
  }
  return nullptr;
}

BootstrapRecord MakeBootstrapRecord(ClusterId cluster,
                                    const shardctrl::ShardMap& map,
                                    const kv::Rules& rules) {
  BootstrapRecord record{.cluster = cluster,
                         .partitioner = map.partitioner(),
                         .slot_count = map.slot_count(),
                         .rules = rules};
  for (const shardctrl::Node& node : map.nodes()) {
    if (node.read_only) record.read_only.push_back(node.id);
  }
  for (const shardctrl::Group& group : map.groups()) {
    record.groups.push_back(
        {.group = group.id,
         .hash_key =
             Random(cluster.value()).Bits("node.hash_key", group.id.value(), 0),
         .voters = group.voters,
         .slots = map.RangesOf(group.id)});
  }
  return record;
}

std::string EncodeBootstrapRecord(const BootstrapRecord& record) {
  std::string out;
  AppendFixed(&out, kVersion);
  AppendFixed(&out, record.cluster.value());
  AppendFixed(&out, static_cast<uint32_t>(record.partitioner));
  AppendFixed(&out, record.slot_count);
  AppendRules(&out, record.rules);
  AppendNodes(&out, record.read_only);
  AppendFixed(&out, static_cast<uint32_t>(record.groups.size()));
  for (const BootstrapGroup& group : record.groups) {
    AppendFixed(&out, group.group.value());
    AppendFixed(&out, group.hash_key);
    AppendNodes(&out, group.voters);
    AppendFixed(&out, static_cast<uint32_t>(group.slots.size()));
    for (const SlotRange& range : group.slots) {
      AppendFixed(&out, range.first.value());
      AppendFixed(&out, range.last.value());
    }
  }
  return out;
}

absl::StatusOr<BootstrapRecord> DecodeBootstrapRecord(std::string_view bytes) {
  FixedReader reader(bytes);
  const auto version = reader.Take<uint32_t>();
  if (reader.ok() && version != kVersion) {
    return absl::FailedPreconditionError(
        Concat("the bootstrap record of the data directory has version ",
               version, ", this program knows version ", kVersion,
               ": start the program that wrote it"));
  }
  BootstrapRecord record;
  record.cluster = ClusterId(reader.Take<uint64_t>());
  const auto partitioner = reader.Take<uint32_t>();
  record.partitioner = static_cast<Partitioner>(partitioner);
  record.slot_count = reader.Take<uint32_t>();
  if (partitioner == 0 ||
      partitioner > static_cast<uint32_t>(Partitioner::kLastCharacter) ||
      record.slot_count == 0 || record.slot_count > kHashSlotCount) {
    reader.Fail();
  }
  record.rules = TakeRules(&reader);
  record.read_only = TakeNodes(&reader);
  // A group has 20 bytes besides the elements of its lists.
  record.groups.resize(TakeCount(&reader, 20));
  GroupId before;
  for (BootstrapGroup& group : record.groups) {
    group.group = GroupId(reader.Take<uint32_t>());
    group.hash_key = reader.Take<uint64_t>();
    group.voters = TakeNodes(&reader);
    group.slots = TakeSlots(&reader, record.slot_count);
    if (group.group <= before || group.voters.empty()) reader.Fail();
    before = group.group;
  }
  if (!reader.ok() || !reader.rest().empty()) {
    return absl::DataLossError(
        "the bootstrap record in the file 'identity' cannot be read; restore "
        "the file from a copy of this very directory");
  }
  return record;
}

raft::Configuration FirstConfiguration(const BootstrapRecord& record,
                                       GroupId group) {
  const BootstrapGroup* decided = record.FindGroup(group);
  CHECK(decided != nullptr) << "group " << group;
  raft::Configuration first;
  first.voters = MembersOn(decided->voters, record.cluster, group);
  first.learners = MembersOn(record.read_only, record.cluster, group);
  first.hash_key = decided->hash_key;
  return first;
}

kv::StoreOptions StoreOptionsOf(const BootstrapRecord& record, GroupId group) {
  const BootstrapGroup* decided = record.FindGroup(group);
  CHECK(decided != nullptr) << "group " << group;
  return {.group = group,
          .hash_key = decided->hash_key,
          .slot_count = record.slot_count,
          .rules = record.rules,
          .owned = decided->slots};
}

}  // namespace quorate::node
