#include "shardctrl/controller/command.h"

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "env/siphash.h"
#include "gtest/gtest.h"
#include "raft/core/types.h"
#include "rapidcheck/gtest.h"
#include "shardctrl/controller/machine.h"
#include "shardctrl/controller/testing/controller_fixture.h"
#include "shardctrl/controller/token.h"

namespace quorate::shardctrl {
namespace {

using Cluster = ControlledCluster;
using Command = ControllerCommand;

// One of each kind, with every field set.
std::vector<Command> Commands() {
  const OperationId id{3, 4};
  const TokenDigest token{5, 6};
  const NodeId node(2);
  const GroupId group(1);
  return {
      {id, Command::AddNode{"name", "zone", "host", 50, NodeRole::kData, token,
                            Seconds(60)}},
      {id, Command::SetNode{node, "name", "zone", "host", 7}},
      {id, Command::DrainNode{node}},
      {id, Command::UndrainNode{node}},
      {id, Command::RemoveNode{node, true}},
      {id, Command::ReplaceNode{node, token, Seconds(60)}},
      {id, Command::CreateGroups{2, 3, 50}},
      {id, Command::SetGroup{group, 3, 200}},
      {id, Command::TransferGroup{group, node}},
      {id, Command::SetRepair{Seconds(60)}},
      {id, Command::RecoverGroup{group,
                                 node,
                                 StoreIncarnation(200),
                                 ReplicaId(7),
                                 3,
                                 {ReplicaId(8)},
                                 {raft::Term(2), raft::Index(5)}}},
      {id, Command::MoveSlots{group, {{Slot(1), Slot(2)}}, GroupId(3), 0, 9}},
      {id, Command::CancelMove{MoveId(1)}},
      {id, Command::PauseMove{MoveId(1), true}},
      {id, Command::Rebalance{}},
      {id, Command::RetireGroup{group}},
      {{}, Command::BindNode{node, token, StoreIncarnation(9)}},
      {{},
       Command::ReportNode{node,
                           StoreIncarnation(200),
                           3,
                           {"a:1", "b:1", "c:1", "d:1", "e:1"}}},
      {{},
       Command::ReportGroup{
           group,
           {.position = {raft::Term(2), raft::Index(3)},
            .configuration = Cluster::MembersOn(group, {1, 2, 3}),
            .leader = node,
            .term = raft::Term(2),
            .problem = "problem"}}},
      {{},
       Command::ReportReplica{group, node, StoreIncarnation(200), ReplicaId(4),
                              1}},
      {{}, Command::ReportSilence{node}},
      {{}, Command::ReportSign{node}},
      {{}, Command::ReportEmpty{node, StoreIncarnation(9)}},
      {{},
       Command::ReportMove{MoveId(1),
                           {.driver = node,
                            .term = raft::Term(2),
                            .report = 3,
                            .source = MovePhase::kTracking,
                            .destination = MovePhase::kStaging,
                            .slots_done = 4,
                            .bytes_done = 5,
                            .bytes_total = 6,
                            .bytes_per_second = 7,
                            .held_requests = 8,
                            .longest_pause = Milliseconds(9),
                            .problem = "problem"}}},
      {{}, Command::DecideMove{MoveId(1), "reason"}},
      {{}, Command::ReportMoveEnd{MoveId(1), group}},
  };
}

raft::Entry EntryOf(const std::string& payload) {
  raft::Entry entry;
  entry.kind = raft::EntryKind::kCommands;
  entry.log_time = WallTime(Seconds(1000).ns());
  entry.payload = Buffer::Copy(payload);
  return entry;
}

TEST(Command, EachKind_IsDecodedAsEncoded) {
  const std::vector<Command> commands = Commands();
  ASSERT_EQ(commands.size(), std::variant_size_v<Command::Body>);
  for (size_t i = 0; i < commands.size(); ++i) {
    ASSERT_EQ(commands[i].body.index(), i);
    const std::string bytes = EncodeCommand(commands[i]);
    const auto decoded = DecodeCommand(bytes);
    ASSERT_TRUE(decoded.ok()) << i << decoded.status().ToString();
    EXPECT_EQ(EncodeCommand(*decoded), bytes) << i;
    EXPECT_EQ(decoded->body.index(), i);
    EXPECT_EQ(IsOperatorsCommand(*decoded), i < 16) << i;
    EXPECT_FALSE(Describe(*decoded).empty());
    // Bytes that are cut, or that follow, are damage.
    for (size_t cut = 0; cut < bytes.size(); ++cut) {
      EXPECT_FALSE(DecodeCommand(bytes.substr(0, cut)).ok()) << i;
    }
    EXPECT_FALSE(DecodeCommand(bytes + '\0').ok()) << i;
  }
}

// The bytes are stored: a change of them needs another version.
TEST(Command, Bytes_AreThoseOfVersion1) {
  EXPECT_EQ(absl::BytesToHexString(EncodeCommand(
                {{3, 4}, Command::SetNode{.node = NodeId(2), .zone = "a"}})),
            "01010300000000000000040000000000000002000000000101000000610000");
  EXPECT_EQ(
      absl::BytesToHexString(EncodeCommand(
          {{},
           Command::ReportReplica{GroupId(1), NodeId(2), StoreIncarnation(3),
                                  ReplicaId(4), 5}})),
      "0113000000000000000000000000000000000100000002000000030000000000000"
      "004000000000000000500000000000000");
  EXPECT_EQ(SipHash(SipKey{}, EncodeState(Cluster(3, 2).state)),
            4316066865993212190u);
}

TEST(Command, OfANewerProgram_NeedsAHigherLevel) {
  Cluster cluster(3, 1);
  auto machine = *ControllerMachine::Create(EncodeState(cluster.state));
  std::string bytes = EncodeCommand(Commands()[2]);
  EXPECT_EQ(machine->LevelOf(Buffer::Copy(bytes)), machine->known_level());
  bytes[1] = static_cast<char>(std::variant_size_v<Command::Body>);
  EXPECT_TRUE(absl::IsUnimplemented(DecodeCommand(bytes).status()));
  EXPECT_GT(machine->LevelOf(Buffer::Copy(bytes)), machine->known_level());
}

TEST(Command, ValuesOutOfRange_AreRefusedInWords) {
  const auto refused = [](Command::Body body, const std::string& words) {
    const auto decoded = DecodeCommand(EncodeCommand({{}, body}));
    EXPECT_TRUE(absl::IsInvalidArgument(decoded.status()));
    EXPECT_TRUE(absl::StrContains(decoded.status().message(), words))
        << decoded.status().ToString();
  };
  refused(Command::ReportMove{MoveId(1), {.source = MovePhase::kStaging}},
          "phase of a move");
  refused(Command::ReportMove{MoveId(1), {.destination = MovePhase::kFrozen}},
          "phase of a move");
  Command::AddNode add{.token = {1, 1}, .valid_for = Seconds(1)};
  add.name = std::string(kNameBytesMax + 1, 'a');
  refused(add, "at most 64");
  add.name = "two words";
  refused(add, "letters, digits");
  add.name = "";
  add.weight = 0;
  refused(add, "drain it");
  add.weight = kWeightMax + 1;
  refused(add, "at most 1000000");
  add.weight = 1;
  add.token = {};
  refused(add, "secret");
  add.token = {1, 1};
  add.role = static_cast<NodeRole>(9);
  refused(add, "role");
  refused(Command::SetGroup{GroupId(1), 0}, "1 to 9");
  refused(Command::SetGroup{GroupId(1), kReplicasMax + 1}, "1 to 9");
  refused(Command::SetGroup{GroupId(1)}, "replicas, or weight");
  refused(Command::SetGroup{.group = GroupId(1), .weight = 0}, "retire");
  refused(Command::CreateGroups{.weight = kWeightMax + 1}, "at most 1000000");
  refused(Command::CreateGroups{kCreatedGroupsMax + 1, 0}, "1 to 1000");
  refused(Command::SetRepair{Seconds(1)}, "10 seconds");
  refused(Command::SetRepair{Duration(-1)}, "10 seconds");
  refused(Command::SetNode{.node = NodeId(1), .name = ""}, "empty");
  refused(Command::ReportNode{NodeId(1), StoreIncarnation(1), 1, {}}, "peers");
  refused(Command::MoveSlots{.to = GroupId(1)}, "either slots");
  refused(Command::MoveSlots{GroupId(1), {{Slot(1), Slot(2)}}, GroupId(2), 1},
          "either slots");
  refused(Command::MoveSlots{GroupId(1),
                             std::vector<SlotRange>(kMoveRangesMax + 1,
                                                    {Slot(1), Slot(1)})},
          "at most 1024");
}

RC_GTEST_PROP(Command_AnyBytes, AreRefusedOrEncodedAgain, ()) {
  std::vector<Command> commands = Commands();
  std::string bytes =
      EncodeCommand(commands[*rc::gen::inRange<size_t>(0, commands.size())]);
  const auto changes =
      *rc::gen::container<std::vector<std::pair<uint8_t, uint8_t>>>(
          rc::gen::arbitrary<std::pair<uint8_t, uint8_t>>());
  for (const auto& [at, byte] : changes) {
    bytes[at % bytes.size()] = static_cast<char>(byte);
  }
  Cluster cluster(3, 2);
  cluster.Do(
      Command::MoveSlots{.to = GroupId(2), .slots = {{Slot(3), Slot(4)}}});
  auto machine = *ControllerMachine::Create(EncodeState(cluster.state));
  const auto decoded = DecodeCommand(bytes);
  if (decoded.ok()) RC_ASSERT(EncodeCommand(*decoded) == bytes);
  if (absl::IsUnimplemented(decoded.status())) return;  // Replicas halt.
  const auto answer = DecodeAnswer(machine->Apply(EntryOf(bytes), true).view());
  RC_ASSERT(answer.ok());
  RC_ASSERT(ValidateState(machine->state()).ok());
  const bool done = answer->outcome == ControllerAnswer::Outcome::kDone;
  RC_ASSERT(done == (machine->state().version != cluster.state.version));
}

TEST(Machine, SnapshotInPieces_RestoresStateAndDigest) {
  Cluster cluster(4, 3);
  auto machine = *ControllerMachine::Create(EncodeState(cluster.state));
  for (const Command& command : Commands()) {
    machine->Apply(EntryOf(EncodeCommand(command)), false);
  }
  ASSERT_NE(machine->state().version, cluster.state.version);
  auto other = *ControllerMachine::Create(EncodeState(cluster.state));
  EXPECT_NE(other->Digest(), machine->Digest());
  auto reader = machine->TakeSnapshot();
  machine->Apply(
      EntryOf(EncodeCommand({{}, Command::ReportSilence{NodeId(3)}})), false);
  auto writer = other->BeginRestore({});
  for (Buffer piece = reader->Next(10); !piece.empty();
       piece = reader->Next(10)) {
    ASSERT_LE(piece.size(), 10u);
    ASSERT_TRUE(writer->Add(piece.view()).ok());
  }
  ASSERT_TRUE(writer->Commit().ok());
  EXPECT_NE(other->state(), machine->state());
  other->Apply(EntryOf(EncodeCommand({{}, Command::ReportSilence{NodeId(3)}})),
               false);
  EXPECT_EQ(other->state(), machine->state());
  EXPECT_EQ(other->Digest(), machine->Digest());
  EXPECT_EQ(other->StateUnless(machine->state().version), nullptr);
  EXPECT_NE(other->StateUnless(MapVersion(1)), nullptr);
}

TEST(State, DamagedOrNewerBytes_AreRefused) {
  Cluster cluster(3, 1);
  const std::string bytes = EncodeState(cluster.state);
  EXPECT_EQ(*DecodeState(bytes), cluster.state);
  EXPECT_TRUE(absl::IsDataLoss(DecodeState(bytes + "x").status()));
  EXPECT_TRUE(absl::IsDataLoss(
      DecodeState(bytes.substr(0, bytes.size() - 1)).status()));
  std::string newer = bytes;
  newer[0] = 99;
  EXPECT_TRUE(absl::IsFailedPrecondition(DecodeState(newer).status()));
  ClusterState unsorted = cluster.state;
  std::swap(unsorted.nodes[0], unsorted.nodes[1]);
  EXPECT_TRUE(absl::IsDataLoss(DecodeState(EncodeState(unsorted)).status()));
  ClusterState unowned = cluster.state;
  unowned.slots.clear();
  EXPECT_TRUE(absl::IsDataLoss(DecodeState(EncodeState(unowned)).status()));
}

TEST(Token, Text_IsOneWordThatDetectsTypingErrors) {
  const JoinToken token{.cluster = ClusterId(1),
                        .node = NodeId(4),
                        .expires = WallTime(5),
                        .secret_first = 6,
                        .secret_second = 7};
  const std::string text = FormatToken(token);
  EXPECT_EQ(*ParseToken(text), token);
  for (size_t i = 0; i < text.size(); ++i) {
    std::string wrong = text;
    wrong[i] = wrong[i] == 'A' ? 'B' : 'A';
    EXPECT_FALSE(ParseToken(wrong).ok()) << i;
    EXPECT_FALSE(ParseToken(text.substr(0, i)).ok()) << i;
  }
}

TEST(Token, Digest_DependsOnClusterAndSecret) {
  const TokenDigest digest = DigestOf(ClusterId(1), 2, 3);
  EXPECT_TRUE(SameDigest(digest, DigestOf(ClusterId(1), 2, 3)));
  EXPECT_FALSE(SameDigest(digest, DigestOf(ClusterId(2), 2, 3)));
  EXPECT_FALSE(SameDigest(digest, DigestOf(ClusterId(1), 3, 2)));
  EXPECT_FALSE(SameDigest({}, {}));
}

}  // namespace
}  // namespace quorate::shardctrl
