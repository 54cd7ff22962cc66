// raft/core/testing/replica_fixture.h: one core, for tests of single rules. The
// test takes the place of disk, network and clock.
#ifndef QUORATE_RAFT_CORE_TESTING_REPLICA_FIXTURE_H_
#define QUORATE_RAFT_CORE_TESTING_REPLICA_FIXTURE_H_

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "raft/core/configuration.h"
#include "raft/core/core.h"

namespace quorate::raft {

// Replica 1 of voters 1, 2, 3 (and whatever the test changes before Start).
class ReplicaTest : public ::testing::Test {
 protected:
  static Entry Commands(uint64_t term, uint64_t index,
                        const std::string& payload = "x") {
    Entry entry;
    entry.term = Term(term);
    entry.index = Index(index);
    entry.kind = EntryKind::kCommands;
    entry.payload = Buffer::Copy(payload);
    return entry;
  }

  static Configuration VotersUpTo(uint32_t count) {
    Configuration configuration;
    for (uint32_t id = 1; id <= count; ++id) {
      configuration.voters.push_back(
          {ReplicaId(id), NodeId(id), StoreIncarnation(id)});
    }
    return configuration;
  }

  static Entry BootstrapEntry(const Configuration& configuration) {
    Entry entry;
    entry.term = Term(1);
    entry.index = Index(1);
    entry.kind = EntryKind::kConfiguration;
    entry.payload = EncodeConfiguration(configuration);
    return entry;
  }

  // Starts with the bootstrap entry, followed by entries of these terms.
  void Start(Term term, std::initializer_list<uint64_t> terms = {},
             ReplicaId voted_for = ReplicaId()) {
    Restored restored;
    restored.hard_state = {term, voted_for};
    restored.entries.push_back(BootstrapEntry(configuration_));
    uint64_t index = 1;
    for (uint64_t entry_term : terms) {
      restored.entries.push_back(Commands(entry_term, ++index));
    }
    StartFrom(std::move(restored));
  }

  void StartFrom(Restored restored) {
    context_.replica = ReplicaId(1);
    context_.group = GroupId(1);
    core_ = std::make_unique<Core>(
        std::make_shared<const CoreOptions>(options_), context_,
        std::move(restored), Random(1).Fork("test.start", starts_++), now_);
    core_->CheckInvariants();
  }

  void Step(Input input) {
    core_->Step(now_, std::move(input), &out_);
    core_->CheckInvariants();
    if (out_.write.has_value()) {
      pending_.push_back(*out_.write);
      NoteAppends(out_.write->after);
    }
    NoteAppends(out_.messages);
  }

  void Receive(Message message) {
    message.to = ReplicaId(1);
    Step(MessageReceived{std::move(message)});
  }

  // Completes the oldest write; returns the messages that leave then.
  std::vector<Message> FinishWrite() {
    EXPECT_FALSE(pending_.empty());
    if (pending_.empty()) return {};
    Write write = std::move(pending_.front());
    pending_.erase(pending_.begin());
    Step(WriteDone{write.token});
    std::vector<Message> left = std::move(write.after);
    for (const auto* messages : {&out_.messages, &out_.heartbeats}) {
      left.insert(left.end(), messages->begin(), messages->end());
    }
    return left;
  }
  void FinishWrites() {
    while (!pending_.empty()) FinishWrite();
  }

  void Pass(Duration duration) { now_.mono = now_.mono + duration; }

  // Advances time to the deadline and fires the timer.
  void PassToDeadline() {
    now_.mono = core_->deadline();
    Step(TimerFired());
  }

  static Message From(uint32_t node, MessageType type, uint64_t term) {
    Message message;
    message.type = type;
    message.from = ReplicaId(node);
    message.term = Term(term);
    return message;
  }

  static Message VoteRequest(uint32_t node, uint64_t term, LogPosition last) {
    Message message = From(node, MessageType::kVote, term);
    message.last_log = last;
    return message;
  }

  static Message Append(uint32_t leader, uint64_t term, LogPosition previous,
                        std::vector<Entry> entries, uint64_t commit = 0) {
    Message message = From(leader, MessageType::kAppend, term);
    message.previous = previous;
    message.entries = std::move(entries);
    message.commit = Index(commit);
    return message;
  }

  // A snapshot of one byte, with the configuration of the test.
  SnapshotDescriptor SmallSnapshot(LogPosition position) const {
    SnapshotDescriptor snapshot;
    snapshot.position = position;
    snapshot.configuration = configuration_;
    snapshot.size_bytes = 1;
    return snapshot;
  }
  // Its only chunk.
  static Message ChunkOf(uint32_t leader, uint64_t term,
                         const SnapshotDescriptor& snapshot) {
    Message chunk = From(leader, MessageType::kSnapshotChunk, term);
    chunk.part.Mutable().snapshot = snapshot;
    chunk.part.Mutable().chunk = Buffer::Copy("x");
    return chunk;
  }
  void ReceiveSnapshot(uint32_t leader, uint64_t term,
                       const SnapshotDescriptor& snapshot) {
    Receive(ChunkOf(leader, term, snapshot));
    Step(ChunkWritten{snapshot, 1});
  }

  // Accepts the newest append of replica 1; everything is durable.
  Message Ack(uint32_t node, uint64_t term, uint64_t match) const {
    Message message = From(node, MessageType::kAppendReply, term);
    message.number = last_append_;
    message.received = Index(match);
    message.durable = Index(match);
    return message;
  }
  // Rejects the newest append of replica 1.
  Message Rejection(uint32_t node, uint64_t term, LogPosition hint) const {
    Message message = From(node, MessageType::kAppendReply, term);
    message.number = last_append_;
    message.reject = true;
    message.hint = hint;
    return message;
  }

  // Wins pre-vote and vote with node 2, and writes the own first entry.
  void BecomeLeader() {
    PassToDeadline();
    Message grant = From(2, MessageType::kPreVoteReply, core_->term().value());
    grant.term = core_->term() + 1;
    Receive(grant);
    FinishWrites();
    Receive(From(2, MessageType::kVoteReply, core_->term().value()));
    ASSERT_EQ(core_->role(), RoleKind::kLeader);
    leader_output_ = out_;
    FinishWrites();
  }
  // Becomes leader and commits the own first entry with node 2.
  void BecomeServingLeader() {
    BecomeLeader();
    Receive(Ack(2, core_->term().value(), core_->last().index.value()));
    ASSERT_TRUE(core_->CanServeReads());
  }

  // The messages of one type.
  static std::vector<Message> Of(const std::vector<Message>& messages,
                                 MessageType type) {
    std::vector<Message> found;
    for (const Message& message : messages) {
      if (message.type == type) found.push_back(message);
    }
    return found;
  }

  static LogPosition At(uint64_t term, uint64_t index) {
    return {Term(term), Index(index)};
  }

  void NoteAppends(const std::vector<Message>& messages) {
    for (const Message& message : messages) {
      last_append_ = std::max(last_append_, message.number);
    }
  }

  CoreOptions options_;
  CoreContext context_;
  Configuration configuration_ = VotersUpTo(3);
  Now now_{MonoTime(1'000'000'000), {}};
  uint64_t starts_ = 0;  // Each start has draws of its own.
  std::unique_ptr<Core> core_;
  Output out_;
  Output leader_output_;  // Output of the step that made it leader.
  std::vector<Write> pending_;
  AppendNumber last_append_;  // The newest one that replica 1 sent.
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_CORE_TESTING_REPLICA_FIXTURE_H_
