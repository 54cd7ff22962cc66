// A leader that sends what a member has is found beyond its window.
#include "sim/checks/repeated_work.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "raft/core/configuration.h"

namespace quorate::sim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr GroupId kRepeatingGroup(3);
constexpr ReplicaId kLeader(1);
constexpr ReplicaId kMember(2);

raft::Configuration Voters() {
  raft::Configuration configuration;
  for (uint32_t id = 1; id <= 3; ++id) {
    configuration.voters.push_back(
        {ReplicaId(id), NodeId(id), StoreIncarnation(id)});
  }
  return configuration;
}

raft::Entry EntryAt(uint64_t index) {
  raft::Entry entry;
  entry.term = raft::Term(1);
  entry.index = raft::Index(index);
  if (index == 1) {
    entry.kind = raft::EntryKind::kConfiguration;
    entry.payload = raft::EncodeConfiguration(Voters());
  } else {
    entry.kind = raft::EntryKind::kCommands;
    entry.payload = Buffer::Copy("0123456789");
  }
  return entry;
}

// A replica with the entries through `last` on its disk.
std::unique_ptr<raft::Core> Replica(ReplicaId id, uint64_t last) {
  raft::Restored restored;
  restored.hard_state.term = raft::Term(1);
  for (uint64_t i = 1; i <= last; ++i) restored.entries.push_back(EntryAt(i));
  return std::make_unique<raft::Core>(
      std::make_shared<const raft::CoreOptions>(),
      raft::CoreContext{.replica = id, .group = kRepeatingGroup},
      std::move(restored), Random(1), Now{MonoTime(1'000'000'000), {}});
}

class RepeatedWorkTest : public testing::Test {
 protected:
  RepeatedWorkTest() {
    // Node 2 votes for it.
    raft::Output output;
    const auto step = [&](raft::Input input) {
      leader_->Step(now_, std::move(input), &output);
      if (output.write.has_value()) {
        const raft::WriteToken token = output.write->token;
        leader_->Step(now_, raft::WriteDone{token}, &output);
      }
    };
    now_.mono = leader_->deadline();
    step(raft::TimerFired());
    raft::Message grant;
    grant.type = raft::MessageType::kPreVoteReply;
    grant.from = kMember;
    grant.to = kLeader;
    grant.term = leader_->term() + 1;
    step(raft::MessageReceived{grant});
    grant.type = raft::MessageType::kVoteReply;
    step(raft::MessageReceived{grant});
    EXPECT_EQ(leader_->role(), raft::RoleKind::kLeader);
  }

  // The leadership began before the calm, or in it.
  void Begin(bool led_before) {
    work_.Begin(
        {.entry_bytes = 2 * EntryAt(2).size_bytes(), .chunk_bytes = 25});
    raft::Output nothing;
    Step(led_before ? *leader_ : *member_, nothing);
  }
  void Step(const raft::Core& core, const raft::Output& output) {
    work_.OnStep(kRepeatingGroup, core, output, [this](ReplicaId id) {
      return id == kMember ? member_.get() : nullptr;
    });
  }
  void SendEntry(uint64_t index) {
    raft::Output output;
    raft::Message& message = output.messages.emplace_back();
    message.type = raft::MessageType::kAppend;
    message.term = leader_->term();
    message.to = kMember;
    message.entries.push_back(EntryAt(index));
    Step(*leader_, output);
  }
  void SendChunk(raft::LogPosition snapshot, uint64_t offset) {
    raft::Output output;
    raft::Message& message = output.messages.emplace_back();
    message.type = raft::MessageType::kSnapshotChunk;
    message.term = leader_->term();
    message.to = kMember;
    message.part.Mutable().snapshot.position = snapshot;
    message.part.Mutable().offset = offset;
    message.part.Mutable().chunk = Buffer::Copy("0123456789");
    Step(*leader_, output);
  }
  void Work(const raft::Core& core, raft::SnapshotWork::Kind kind,
            raft::LogPosition snapshot, uint64_t offset) {
    raft::Output output;
    raft::SnapshotWork& work = output.snapshots.emplace_back();
    work.kind = kind;
    work.to = kMember;
    work.snapshot.position = snapshot;
    work.offset = offset;
    if (kind == raft::SnapshotWork::Kind::kWrite) {
      work.chunk = Buffer::Copy("0123456789");
    }
    Step(core, output);
  }

  Now now_{MonoTime(1'000'000'000), {}};
  std::unique_ptr<raft::Core> leader_ = Replica(kLeader, 4);
  std::unique_ptr<raft::Core> member_ = Replica(kMember, 3);
  std::vector<std::string> found_;
  RepeatedWork work_{[this](std::string what) { found_.push_back(what); }};
};

TEST_F(RepeatedWorkTest, EntriesThatTheMemberLacks_AreNoRepetition) {
  Begin(/*led_before=*/true);
  SendEntry(4);
  SendEntry(4);
  EXPECT_THAT(found_, IsEmpty());
}

TEST_F(RepeatedWorkTest, EntryThatTheMemberHas_Found) {
  Begin(/*led_before=*/true);
  SendEntry(3);
  EXPECT_THAT(found_,
              ElementsAre(StartsWith("availability: the leader of group 3 in "
                                     "term 2 sent replica 2 ")));
}

TEST_F(RepeatedWorkTest, NewLeader_MaySendAWindowAgain) {
  Begin(/*led_before=*/false);
  SendEntry(2);
  SendEntry(3);
  EXPECT_THAT(found_, IsEmpty());
  SendEntry(3);
  EXPECT_THAT(found_, testing::SizeIs(1));
}

TEST_F(RepeatedWorkTest, ChunksOfAStateThatTheMemberHas_Found) {
  Begin(/*led_before=*/true);
  SendChunk({raft::Term(1), raft::Index(3)}, 0);
  EXPECT_THAT(found_, testing::SizeIs(1));
}

TEST_F(RepeatedWorkTest, ChunksThatTheMemberAccepted_FoundBeyondTheWindow) {
  using Kind = raft::SnapshotWork::Kind;
  const raft::LogPosition snapshot{raft::Term(2), raft::Index(9)};
  Begin(/*led_before=*/true);
  Work(*leader_, Kind::kRead, snapshot, 0);
  SendChunk(snapshot, 0);
  Work(*member_, Kind::kWrite, snapshot, 0);
  SendChunk(snapshot, 10);
  Work(*member_, Kind::kWrite, snapshot, 10);
  EXPECT_THAT(found_, IsEmpty());
  SendChunk(snapshot, 0);
  SendChunk(snapshot, 10);
  EXPECT_THAT(found_, IsEmpty());
  SendChunk(snapshot, 10);
  EXPECT_THAT(found_, testing::SizeIs(1));
  // It lost them.
  Work(*member_, Kind::kDiscard, snapshot, 0);
  SendChunk(snapshot, 0);
  EXPECT_THAT(found_, testing::SizeIs(1));
}

TEST_F(RepeatedWorkTest, TransferOfAStateThatTheMemberHas_Found) {
  const raft::LogPosition snapshot{raft::Term(1), raft::Index(3)};
  Begin(/*led_before=*/true);
  Work(*leader_, raft::SnapshotWork::Kind::kRead, snapshot, 0);
  SendChunk(snapshot, 0);
  EXPECT_THAT(found_, testing::SizeIs(1));
}

TEST_F(RepeatedWorkTest, SameTransferOverAndOver_FoundBeyondTheWindow) {
  using Kind = raft::SnapshotWork::Kind;
  const raft::LogPosition snapshot{raft::Term(2), raft::Index(9)};
  Begin(/*led_before=*/true);
  for (int i = 0; i < 3; ++i) {
    Work(*leader_, Kind::kRead, snapshot, 0);
    SendChunk(snapshot, 0);
    Work(*member_, Kind::kWrite, snapshot, 0);
  }
  EXPECT_THAT(found_, IsEmpty());
  Work(*leader_, Kind::kRead, snapshot, 0);
  SendChunk(snapshot, 0);
  EXPECT_THAT(found_, testing::SizeIs(1));
}

TEST_F(RepeatedWorkTest, OutsideTheCalm_NothingIsFound) {
  SendEntry(3);
  Begin(/*led_before=*/true);
  work_.End();
  SendEntry(3);
  EXPECT_THAT(found_, IsEmpty());
}

}  // namespace
}  // namespace quorate::sim
