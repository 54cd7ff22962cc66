// A replica among peers that send arbitrary messages. It keeps its invariants,
// never removes a committed entry, and never fails a CHECK.
#include <string>
#include <vector>

#include "env/random.h"
#include "raft/core/testing/replica_fixture.h"

namespace quorate::raft {
namespace {

class NonsenseTest : public ReplicaTest {
 protected:
  uint64_t Below(uint64_t bound) {
    return random_.Below(bound, "nonsense", 0, draws_++);
  }
  bool Chance(uint64_t percent) { return Below(100) < percent; }

  // Usually near the present value, sometimes far from it.
  uint64_t Near(uint64_t value) {
    if (Chance(3)) return ~uint64_t{0} - Below(3);
    const uint64_t low = value > 3 ? value - 3 : 0;
    return low + Below(8);
  }
  Term SomeTerm() { return Term(Near(core_->term().value())); }
  Index SomeIndex() { return Index(Near(core_->last().index.value())); }
  LogPosition SomePosition() {
    if (Chance(60)) {
      const Index index = SomeIndex();
      return {core_->TermAt(index), index};
    }
    return {SomeTerm(), SomeIndex()};
  }

  Entry SomeEntry(LogPosition previous) {
    Entry entry = Commands(previous.term.value(), previous.index.value() + 1);
    if (Chance(30)) entry.term = SomeTerm();
    if (Chance(5)) entry.index = SomeIndex();
    if (Chance(5)) entry.log_time = WallTime(static_cast<int64_t>(Below(9)));
    if (Chance(5)) entry.kind = static_cast<EntryKind>(Below(6));
    if (Chance(3)) entry.version = static_cast<uint8_t>(Below(4));
    if (Chance(5)) {
      entry.kind = EntryKind::kConfiguration;
      entry.payload =
          EncodeConfiguration(VotersUpTo(static_cast<uint32_t>(1 + Below(5))));
    }
    return entry;
  }

  Message SomeMessage() {
    Message m;
    m.type = static_cast<MessageType>(Chance(98) ? 1 + Below(13) : Below(256));
    m.from = ReplicaId(Chance(90) ? static_cast<uint32_t>(2 + Below(2))
                                  : static_cast<uint32_t>(Below(9)));
    m.term = Chance(70) ? core_->term() : SomeTerm();
    if (m.type == MessageType::kPreVoteReply && Chance(50)) ++m.term;
    m.reject = Chance(30);
    m.forced = Chance(20);
    m.no_entries = Chance(20);
    m.lost_entries = Chance(5);
    m.last_log = m.previous = SomePosition();
    m.received = m.durable = m.read_index = m.previous.index;
    if (Chance(20)) m.durable = SomeIndex();
    m.number = AppendNumber(Below(20));
    m.hint = SomePosition();
    m.commit = SomeIndex();
    m.log_time = WallTime(static_cast<int64_t>(Below(1 << 20)));
    m.read_round = ReadRound(Below(5));
    m.known_level = Level(Below(4));
    m.read_id = Chance(50) ? read_id_ : Below(5);
    if (m.type == MessageType::kAppend) {
      LogPosition previous = m.previous;
      for (uint64_t n = Below(4); n > 0; --n) {
        m.entries.push_back(SomeEntry(previous));
        previous = m.entries.back().position();
      }
    }
    m.part.Mutable().snapshot.position = SomePosition();
    if (Chance(80)) m.part.Mutable().snapshot.configuration = configuration_;
    m.part.Mutable().snapshot.size_bytes = Below(5);
    m.part.Mutable().offset = Chance(95) ? Below(5) : ~uint64_t{0};
    m.part.Mutable().chunk = Buffer::Copy(std::string(Below(5), 'x'));
    return m;
  }

  // A message that makes progress: a vote for a candidate, a whole snapshot for
  // a follower, an acknowledgement for a leader.
  Message PlausibleMessage() {
    Message m = SomeMessage();
    m.term = core_->term();
    m.reject = false;
    switch (core_->role()) {
      case RoleKind::kPreCandidate:
        m.type = MessageType::kPreVoteReply;
        ++m.term;
        break;
      case RoleKind::kCandidate:
        m.type = MessageType::kVoteReply;
        break;
      case RoleKind::kLeader:
        m.type = MessageType::kAppendReply;
        m.received = m.durable = core_->last().index;
        break;
      case RoleKind::kFollower:
        m.type = MessageType::kSnapshotChunk;
        if (core_->leader() != ReplicaId()) m.from = core_->leader();
        m.part.Mutable().snapshot.position = {core_->last().term,
                                              core_->last().index + 2};
        m.part.Mutable().snapshot.configuration = configuration_;
        m.part.Mutable().snapshot.size_bytes = 1;
        m.part.Mutable().offset = 0;
        m.part.Mutable().chunk = Buffer::Copy("x");
        break;
    }
    return m;
  }

  // The host behaves correctly.
  void AnswerHost() {
    if (works_.empty() || Chance(30)) return;
    const SnapshotWork work = works_.front();
    works_.erase(works_.begin());
    switch (work.kind) {
      case SnapshotWork::Kind::kRead:
        return Do(ChunkRead{work.to, work.snapshot, work.offset,
                            Buffer::Copy("x"), Chance(20)});
      case SnapshotWork::Kind::kWrite:
        return Do(ChunkWritten{work.snapshot, work.offset + work.chunk.size(),
                               work.offset + work.chunk.size()});
      case SnapshotWork::Kind::kInstall:
        return Do(SnapshotInstalled{work.snapshot, Chance(80)});
      case SnapshotWork::Kind::kDiscard:
        return;
    }
  }

  void Collect() {
    for (const Message& message : out_.messages) {
      if (message.type == MessageType::kReadIndex) read_id_ = message.read_id;
    }
    for (const SnapshotWork& work : out_.snapshots) works_.push_back(work);
    for (const Event& event : out_.events) {
      if (event.kind == Event::Kind::kConfigurationChanged &&
          event.role == RoleKind::kLeader) {
        ++changed_;
      }
      if (event.kind == Event::Kind::kSnapshotInstalled) ++installed_;
      if (event.kind == Event::Kind::kInvalidMessage) ++refused_;
      if (event.kind == Event::Kind::kRoleChanged &&
          event.role == RoleKind::kLeader) {
        ++led_;
      }
    }
  }

  void Do(Input input) {
    const Index commit = core_->commit_index();
    const Term term = core_->term();
    Step(std::move(input));
    Collect();
    ASSERT_GE(core_->commit_index(), commit);
    ASSERT_GE(core_->term(), term);
  }

  void Act() {
    if (core_->role() == RoleKind::kLeader && Chance(30)) Do(SomeChange());
    const uint64_t kind = Below(100);
    if (kind < 70) {
      const uint64_t plausible = core_->role() == RoleKind::kFollower ? 5 : 40;
      Message message = Chance(plausible) ? PlausibleMessage() : SomeMessage();
      message.to = ReplicaId(Chance(98) ? 1 : 2);
      Do(MessageReceived{std::move(message)});
    } else if (kind < 80) {
      if (pending_.empty()) return;
      FinishWrite();
      Collect();
    } else if (kind < 85) {
      Pass(Milliseconds(static_cast<int64_t>(Below(200))));
      Do(TimerFired());
    } else if (kind < 88) {
      Pass(Milliseconds(700));
      Do(TimerFired());
    } else if (kind < 92) {
      Do(Proposal{1, EntryKind::kCommands, Buffer::Copy("p")});
    } else if (kind < 96) {
      Do(ReadRequested{2});
    } else if (kind < 98) {
      Do(TransferRequested{ReplicaId(static_cast<uint32_t>(1 + Below(4)))});
    } else {
      Compact();
    }
    AnswerHost();
  }

  std::vector<Member> SomeMembers() {
    std::vector<Member> members;
    for (uint32_t id = 1; id <= 5; ++id) {
      if (Chance(40))
        members.push_back({ReplicaId(id), NodeId(id), StoreIncarnation(id)});
    }
    if (members.size() > 1 && Chance(5)) std::swap(members[0], members[1]);
    if (!members.empty() && Chance(5)) members[0].node = NodeId(77);
    return members;
  }

  ChangeConfiguration SomeChange() {
    ChangeConfiguration change;
    change.base = Chance(90) ? core_->configuration_index() : SomeIndex();
    change.target = core_->configuration();
    if (Chance(95)) change.target.outgoing_voters.clear();
    change.target.next_learners.clear();
    if (Chance(70)) change.target.voters = SomeMembers();
    if (Chance(70)) change.target.learners = SomeMembers();
    if (Chance(10)) change.target.level = Level(Below(4));
    return change;
  }

  void Compact() {
    const Index applied = core_->applied_index();
    if (applied <= core_->log_start().index) return;
    SnapshotTaken compacted;
    compacted.snapshot.position = {core_->TermAt(applied), applied};
    compacted.snapshot.configuration = core_->ConfigurationAt(applied);
    compacted.snapshot.size_bytes = 3;
    compacted.compact_index = applied - Below(2);
    Do(std::move(compacted));
  }

  Random random_{1};
  uint64_t draws_ = 0;
  uint64_t read_id_ = 0;
  std::vector<SnapshotWork> works_;
  int led_ = 0;
  int installed_ = 0;
  int changed_ = 0;
  int refused_ = 0;
};

TEST_F(NonsenseTest, AnyMessages_ReplicaKeepsItsInvariantsAndItsWord) {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    SCOPED_TRACE(seed);
    random_ = Random(seed);
    pending_.clear();
    works_.clear();
    Start(Term(1));
    for (int step = 0; step < 400; ++step) {
      Act();
      if (HasFatalFailure()) return;
    }
  }
  // The arbitrary messages reached the interesting states.
  EXPECT_GT(led_, 50);
  EXPECT_GT(installed_, 50);
  EXPECT_GT(changed_, 20);
  EXPECT_GT(refused_, 1000);
}

}  // namespace
}  // namespace quorate::raft
