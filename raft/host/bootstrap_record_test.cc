// The bootstrap record: its bytes, and the first configurations.
#include "raft/host/bootstrap_record.h"

#include <fstream>
#include <set>
#include <string>

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "rapidcheck/gtest.h"

namespace quorate::raft {
namespace {

BootstrapRecord AnyRecord() {
  BootstrapRecord record;
  record.level = Level(*rc::gen::inRange<uint64_t>(1, 5));
  record.hash_key = *rc::gen::arbitrary<uint64_t>();
  record.lease_length = Nanoseconds(*rc::gen::arbitrary<int64_t>());
  record.lease_drift_ppm = *rc::gen::arbitrary<uint32_t>();
  for (const uint32_t id : *rc::gen::container<std::set<uint32_t>>(
           rc::gen::inRange<uint32_t>(1, 1025))) {
    GroupPlan group{
        .group = GroupId(id),
        .machine_kind = *rc::gen::arbitrary<uint32_t>(),
        .parameters = Buffer::Copy(*rc::gen::string<std::string>())};
    for (const uint32_t node : *rc::gen::container<std::set<uint32_t>>(
             rc::gen::inRange<uint32_t>(1, 65536))) {
      auto& list = *rc::gen::arbitrary<bool>() ? group.voters : group.learners;
      list.push_back(NodeId(node));
    }
    if (group.voters.empty()) group.voters.push_back(NodeId(65536));
    record.plan.groups.push_back(std::move(group));
  }
  for (const NodeId node : record.plan.Nodes()) {
    const uint64_t store = *rc::gen::arbitrary<uint64_t>();
    record.stores.push_back({node, StoreIncarnation(store == 0 ? 1 : store)});
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
  if (!decoded.ok()) return;
  RC_ASSERT(EncodeBootstrapRecord(*decoded) == other);
}

BootstrapRecord Sample() {
  return {.plan = {.groups = {{.group = GroupId(1),
                               .voters = {NodeId(1), NodeId(2)},
                               .learners = {NodeId(9)},
                               .machine_kind = 0x51525354,
                               .parameters = Buffer::Copy("parameters")},
                              {.group = GroupId(2), .voters = {NodeId(2)}}}},
          .level = Level(0x0102030405060708),
          .hash_key = 0x1112131415161718,
          .lease_length = Nanoseconds(0x51),
          .lease_drift_ppm = 0x52,
          .stores = {{NodeId(1), StoreIncarnation(0x2122232425262728)},
                     {NodeId(2), StoreIncarnation(0x3132333435363738)},
                     {NodeId(9), StoreIncarnation(0x4142434445464748)}}};
}

TEST(BootstrapRecord, OtherVersions_AreRefusedAndNamed) {
  std::string bytes = EncodeBootstrapRecord(Sample());
  for (const char version : {0, 2}) {
    bytes[0] = version;
    const absl::Status status = DecodeBootstrapRecord(bytes).status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  }
}

TEST(BootstrapRecord, ImpossiblePlans_AreRefused) {
  const auto with = [](auto edit) {
    BootstrapRecord record = Sample();
    edit(record.plan.groups[0]);
    return absl::IsDataLoss(
        DecodeBootstrapRecord(EncodeBootstrapRecord(record)).status());
  };
  EXPECT_TRUE(with([](GroupPlan& g) { g.voters.clear(); }));
  EXPECT_TRUE(with([](GroupPlan& g) { g.voters = {NodeId(2), NodeId(1)}; }));
  EXPECT_TRUE(with([](GroupPlan& g) { g.learners = {NodeId(2)}; }));
  EXPECT_TRUE(with([](GroupPlan& g) { g.learners = {NodeId(0)}; }));
  EXPECT_TRUE(with([](GroupPlan& g) { g.learners = {NodeId(8), NodeId(9)}; }));
  EXPECT_TRUE(with([](GroupPlan& g) { g.group = GroupId(2); }));
  EXPECT_TRUE(with([](GroupPlan& g) {
    g.parameters = Buffer::Copy(std::string(kParametersBytesMax + 1, 'p'));
  }));
}

TEST(BootstrapRecord, FirstConfiguration_HasEachStoreAndOneKey) {
  const BootstrapRecord record = Sample();
  const Configuration first = FirstConfiguration(record, GroupId(1));
  EXPECT_TRUE(ValidateConfiguration(first).ok());
  ASSERT_EQ(first.voters.size(), 2u);
  ASSERT_EQ(first.learners.size(), 1u);
  EXPECT_EQ(first.learners[0].node, NodeId(9));
  ForEachMember(first, [&](const Member& member) {
    EXPECT_EQ(member.store, record.StoreOn(member.node));
    EXPECT_EQ(ReplicaOn(first, member.node), member.replica);
  });
  EXPECT_EQ(ReplicaOn(first, NodeId(7)), ReplicaId());
  EXPECT_EQ(first.parameters.view(), "parameters");
  EXPECT_EQ(first.level, record.level);
  EXPECT_EQ(FirstConfiguration(record, GroupId(2)).hash_key, first.hash_key);
  EXPECT_EQ(first.lease_length, record.lease_length);
  EXPECT_EQ(first.lease_drift_ppm, record.lease_drift_ppm);
}

// No replica is in two groups, or in two foundings.
TEST(BootstrapRecord, ReplicaIds_AreNeverTheSame) {
  BootstrapRecord record = Sample();
  std::set<ReplicaId> ids;
  for (int founding = 0; founding < 2; ++founding) {
    for (const GroupPlan& group : record.plan.groups) {
      for (const ReplicaId id :
           MemberReplicas(FirstConfiguration(record, group.group))) {
        EXPECT_TRUE(ids.insert(id).second);
      }
    }
    // The founder lost its store, the others did not.
    record.stores[0].store = StoreIncarnation(77);
  }
  EXPECT_EQ(ids.size(), 8u);
}

// It has the checksum in place of the plan, and nothing of the founding.
TEST(BootstrapRecord, OfAStoreThatJoined_HasTheChecksumOfTheCluster) {
  const BootstrapRecord founded = Sample();
  const BootstrapRecord joined{.joined_checksum = founded.plan_checksum(),
                               .welcome = "the nodes",
                               .level = founded.level,
                               .hash_key = founded.hash_key};
  EXPECT_TRUE(joined.joined());
  EXPECT_FALSE(founded.joined());
  const std::string bytes = EncodeBootstrapRecord(joined);
  const auto decoded = DecodeBootstrapRecord(bytes);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_TRUE(*decoded == joined);
  EXPECT_EQ(decoded->plan_checksum(), founded.plan_checksum());
  EXPECT_FALSE(DecodeBootstrapRecord(bytes.substr(0, bytes.size() - 1)).ok());
}

std::string Golden(const std::string& name) {
  std::ifstream file("raft/host/testdata/" + name);
  std::string golden;
  std::getline(file, golden);
  return golden;
}

TEST(BootstrapRecord, Bytes_AreThoseOfTheGoldenFile) {
  EXPECT_EQ(absl::BytesToHexString(EncodeBootstrapRecord(Sample())),
            Golden("bootstrap_record_v1.hex"))
      << "the stored form changed: raise its version";
}

}  // namespace
}  // namespace quorate::raft
