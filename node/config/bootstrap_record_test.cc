// The bootstrap record: its bytes, and how a configuration is compared with it.
#include "node/config/bootstrap_record.h"

#include <fstream>
#include <functional>
#include <set>
#include <sstream>

#include "absl/strings/escaping.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "node/base/text.h"
#include "node/config/bootstrap_check.h"
#include "node/config/config.h"
#include "raft/core/configuration.h"
#include "rapidcheck/gtest.h"

namespace quorate::node {
namespace {

shardctrl::ShardMap MapOf(const Config& config) {
  shardctrl::ShardMap::Parts parts;
  std::vector<NodeId> read_only;
  for (const NodeConfig& node : config.nodes) {
    parts.nodes.push_back({.id = node.id,
                           .name = Concat("n", node.id),
                           .peer_address = node.peer,
                           .resp_address = node.resp,
                           .http_address = node.http,
                           .read_only = node.read_only});
    if (node.read_only) read_only.push_back(node.id);
  }
  for (const ShardConfig& shard : config.shards) {
    shardctrl::Group group{.id = shard.group,
                           .name = shard.name,
                           .voters = shard.replicas,
                           .non_voters = read_only};
    std::sort(group.voters.begin(), group.voters.end());
    parts.groups.push_back(group);
    for (const auto& [first, last] : shard.slots) {
      parts.assignments.push_back({{Slot(first), Slot(last)}, shard.group});
    }
  }
  auto map = shardctrl::ShardMap::Create(std::move(parts));
  EXPECT_TRUE(map.ok()) << map.status();
  return *std::move(map);
}

BootstrapRecord RecordOf(const Config& config) {
  return MakeBootstrapRecord(config.cluster, MapOf(config), config.rules);
}

std::string Even(std::string_view sharding, int nodes, int read_only = 0) {
  std::string text = Concat(
      "[cluster]\nid = 7\n[node]\nid = 1\ndata_dir = \"d\"\n[sharding]\n",
      sharding, "\n");
  for (int i = 1; i <= nodes + read_only; ++i) {
    Append(&text, "[[nodes]]\nid = ", i, "\nresp = \"127.0.0.1:", 7000 + i,
           "\"\nhttp = \"127.0.0.1:", 8000 + i,
           "\"\npeer = \"127.0.0.1:", 9000 + i,
           "\"\nread_only = ", i > nodes ? "true" : "false", "\n");
  }
  return text;
}

std::string ByHand(std::string_view slots1, std::string_view slots2) {
  return Concat(
      "[cluster]\nid = 7\n[node]\nid = 1\ndata_dir = \"d\"\n"
      "[[shards]]\nname = \"A\"\naddress = \"127.0.0.1:8001\"\nslots = \"",
      slots1,
      "\"\nreplicas = [\"127.0.0.1:8002\"]\n"
      "[[shards]]\nname = \"B\"\naddress = \"127.0.0.1:8002\"\nslots = \"",
      slots2, "\"\nreplicas = [\"127.0.0.1:8001\"]\n");
}

Config Parse(const std::string& text) {
  auto config = ParseConfig(text, "q.toml");
  EXPECT_TRUE(config.ok()) << config.status();
  return *std::move(config);
}

// The result of a start with the file `today` on a directory that was
// bootstrapped with the file `then`.
absl::Status Start(const std::string& then, const std::string& today) {
  const Config config = Parse(today);
  return CheckAgainstBootstrap(config, RecordOf(config), RecordOf(Parse(then)));
}

void ExpectRefused(const std::string& then, const std::string& today,
                   const std::string& text) {
  const absl::Status status = Start(then, today);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_NE(std::string(status.message()).find(text), std::string::npos)
      << status;
  EXPECT_NE(std::string(status.message()).find("restore the key"),
            std::string::npos)
      << status;
}

TEST(BootstrapCheck, SameFile_IsAccepted) {
  EXPECT_TRUE(Start(Even("groups = 3", 3), Even("groups = 3", 3)).ok());
  EXPECT_TRUE(
      Start(ByHand("0-99", "100-16383"), ByHand("0-99", "100-16383")).ok());
  // An equal division, written in another form.
  EXPECT_TRUE(
      Start(ByHand("0-99", "100-16383"), ByHand("0-49,50-99", "100-16383"))
          .ok());
  EXPECT_TRUE(
      Start(Even("groups = 2\nreplicas = 3", 3), Even("groups = 2", 3)).ok());
}

TEST(BootstrapCheck, EveryContradiction_NamesKeyFileAndStore) {
  ExpectRefused(Even("groups = 1", 3), Even("groups = 2", 3),
                "key 'sharding.groups': the configuration file says 2 groups "
                "(1, 2), but this data directory was bootstrapped with 1 group "
                "(1)");
  ExpectRefused(ByHand("0-8191", "8192-16383"),
                ByHand("0-12000", "12001-16383"),
                "key 'shards[].slots': the configuration file says group 1 "
                "with slots 0-12000, but this data directory was bootstrapped "
                "with group 1 with slots 0-8191");
  ExpectRefused(Even("groups = 1", 3), Even("groups = 1", 4),
                "key 'nodes[].id': the configuration file says group 1 with "
                "voting nodes 1, 2, 3, 4, but this data directory was "
                "bootstrapped with group 1 with voting nodes 1, 2, 3");
  ExpectRefused(Even("groups = 1", 3), Even("groups = 1", 2),
                "group 1 with voting nodes 1, 2, but");
  ExpectRefused(Even("groups = 1", 3), Even("groups = 1\nreplicas = 1", 3),
                "key 'sharding.replicas': the configuration file says group 1 "
                "with voting node 1, but");
  ExpectRefused(Even("groups = 1", 3), Even("groups = 1", 2, 1),
                "key 'nodes[].read_only': the configuration file says "
                "read-only node 3, but this data directory was bootstrapped "
                "with no read-only node");
  ExpectRefused(Even("groups = 1", 3),
                Even("groups = 1", 3).replace(15, 1, "8"),
                "key 'cluster.id': the configuration file says cluster 8, but");
}

TEST(BootstrapRecord, Voters_AreComparedWithoutTheirOrder) {
  const std::string text = ByHand("0-99", "100-16383");
  Config config = Parse(text);
  std::swap(config.shards[0].replicas[0], config.shards[0].replicas[1]);
  EXPECT_TRUE(
      CheckAgainstBootstrap(config, RecordOf(config), RecordOf(Parse(text)))
          .ok());
}

TEST(BootstrapRecord, Replicas_StartAsTheRecordSays) {
  const BootstrapRecord record = RecordOf(Parse(Even("groups = 2", 3, 1)));
  const raft::Configuration first = FirstConfiguration(record, GroupId(2));
  EXPECT_TRUE(raft::ValidateConfiguration(first).ok());
  std::set<NodeId> voters;
  for (const raft::Member& voter : first.voters) voters.insert(voter.node);
  EXPECT_EQ(voters, (std::set<NodeId>{NodeId(1), NodeId(2), NodeId(3)}));
  const raft::Configuration other = FirstConfiguration(record, GroupId(1));
  for (const raft::Member& member : other.voters) {
    EXPECT_EQ(raft::FindMember(first, member.replica), nullptr);
  }
  ASSERT_EQ(first.learners.size(), 1u);
  EXPECT_EQ(first.learners[0].node, NodeId(4));
  const kv::StoreOptions options = StoreOptionsOf(record, GroupId(2));
  EXPECT_EQ(options.hash_key, first.hash_key);
  EXPECT_EQ(options.owned, (std::vector<SlotRange>{{Slot(8192), Slot(16383)}}));
  EXPECT_NE(StoreOptionsOf(record, GroupId(1)).hash_key, options.hash_key);
}

BootstrapRecord AnyRecord() {
  BootstrapRecord record;
  record.cluster = ClusterId(*rc::gen::arbitrary<uint64_t>());
  record.partitioner =
      *rc::gen::element(Partitioner::kHashSlots, Partitioner::kLastCharacter);
  record.slot_count = *rc::gen::inRange<uint32_t>(1, kHashSlotCount + 1);
  const auto window_ms = *rc::gen::inRange<int64_t>(1, 1'000'000);
  record.rules = {
      .sessions = {.lifetime = Milliseconds(
                       window_ms + *rc::gen::inRange<int64_t>(1, 1'000'000)),
                   .open_window = Milliseconds(window_ms),
                   .rows_per_slot_max = *rc::gen::inRange<uint32_t>(1, 9'999),
                   .result_bytes_max = *rc::gen::arbitrary<uint32_t>(),
                   .row_bytes_max = *rc::gen::arbitrary<uint32_t>()},
      .expiries_per_entry = *rc::gen::inRange<uint32_t>(1, 9'999),
      .expiries_per_command = *rc::gen::arbitrary<uint32_t>()};
  const auto nodes = [] {
    std::vector<NodeId> list;
    for (const uint32_t node : *rc::gen::container<std::set<uint32_t>>(
             rc::gen::inRange<uint32_t>(1, 65536))) {
      list.push_back(NodeId(node));
    }
    return list;
  };
  record.read_only = nodes();
  for (const uint32_t id : *rc::gen::container<std::set<uint32_t>>(
           rc::gen::inRange<uint32_t>(1, 1025))) {
    BootstrapGroup group{.group = GroupId(id),
                         .hash_key = *rc::gen::arbitrary<uint64_t>(),
                         .voters = nodes()};
    if (group.voters.empty()) group.voters.push_back(NodeId(1));
    uint32_t slot = 0;
    while (true) {
      slot += *rc::gen::inRange<uint32_t>(0, 6000);
      const uint32_t last = slot + *rc::gen::inRange<uint32_t>(0, 3000);
      if (last >= record.slot_count) break;
      group.slots.push_back({Slot(static_cast<uint16_t>(slot)),
                             Slot(static_cast<uint16_t>(last))});
      slot = last + 2;
    }
    record.groups.push_back(std::move(group));
  }
  return record;
}

RC_GTEST_PROP(BootstrapRecord, Encoded_DecodesToItself, ()) {
  const BootstrapRecord record = AnyRecord();
  const auto decoded = DecodeBootstrapRecord(EncodeBootstrapRecord(record));
  RC_ASSERT(decoded.ok());
  RC_ASSERT(*decoded == record);
}

RC_GTEST_PROP(BootstrapRecord, ChangedBytes_AreRefusedOrAnotherRecord, ()) {
  const std::string bytes = EncodeBootstrapRecord(AnyRecord());
  std::string other = bytes;
  if (*rc::gen::arbitrary<bool>()) {
    other.resize(*rc::gen::inRange<size_t>(0, bytes.size()));
  } else {
    const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
    other[at] = static_cast<char>(other[at] ^ (1 << *rc::gen::inRange(0, 8)));
  }
  const auto decoded = DecodeBootstrapRecord(other);
  if (decoded.ok()) RC_ASSERT(EncodeBootstrapRecord(*decoded) == other);
}

TEST(BootstrapRecord, OtherVersions_AreRefusedAndNamed) {
  std::string bytes = EncodeBootstrapRecord(RecordOf(Parse(Even("", 1))));
  for (const char version : {1, 3}) {
    bytes[0] = version;
    const absl::Status status = DecodeBootstrapRecord(bytes).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(
        status.message(),
        testing::HasSubstr(Concat("version ", int{version}, ", this program")));
  }
}

TEST(BootstrapRecord, RulesThatNoClusterMayHave_AreRefused) {
  BootstrapRecord record = RecordOf(Parse(Even("", 1)));
  for (const kv::Rules& rules :
       {kv::Rules{.sessions = {.lifetime = Seconds(1)}},
        kv::Rules{.sessions = {.open_window = Duration(0)}},
        kv::Rules{.sessions = {.rows_per_slot_max = 0}},
        kv::Rules{.expiries_per_entry = 0}}) {
    record.rules = rules;
    EXPECT_TRUE(absl::IsDataLoss(
        DecodeBootstrapRecord(EncodeBootstrapRecord(record)).status()));
  }
}

TEST(BootstrapRecord, Bytes_AreThoseOfTheGoldenFile) {
  const BootstrapRecord record{
      .cluster = ClusterId(0x0102030405060708),
      .rules = {.sessions = {.lifetime = Milliseconds(0x31323334),
                             .open_window = Milliseconds(0x21222324),
                             .rows_per_slot_max = 0x41424344,
                             .result_bytes_max = 0x51525354,
                             .row_bytes_max = 0x61626364},
                .expiries_per_entry = 0x71727374,
                .expiries_per_command = 0x01020304},
      .read_only = {NodeId(9)},
      .groups = {{.group = GroupId(1),
                  .hash_key = 0x1112131415161718,
                  .voters = {NodeId(1), NodeId(2)},
                  .slots = {{Slot(0), Slot(99)}, {Slot(200), Slot(8191)}}},
                 {.group = GroupId(2),
                  .hash_key = 0x2122232425262728,
                  .voters = {NodeId(2)},
                  .slots = {{Slot(8192), Slot(16383)}}}}};
  std::ifstream file("node/config/testdata/bootstrap_record_v2.hex");
  std::stringstream golden;
  golden << file.rdbuf();
  const std::string hex =
      absl::BytesToHexString(EncodeBootstrapRecord(record)) + "\n";
  EXPECT_EQ(hex, golden.str()) << "the stored form changed: raise its version";
}

}  // namespace
}  // namespace quorate::node
