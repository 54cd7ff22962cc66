#include "sim/run/message_key.h"

#include <cstdint>
#include <string>
#include <vector>

#include "env/little_endian.h"
#include "gtest/gtest.h"
#include "raft/host/envelope.h"

namespace quorate::sim {
namespace {

const raft::MessageLink kLink{ClusterId(1), NodeId(2), NodeId(3)};

std::string Envelope(const std::vector<raft::GroupMessage>& messages) {
  raft::EnvelopeBuilder builder;
  for (const raft::GroupMessage& one : messages) {
    EXPECT_TRUE(builder.Add(one.group, one.message));
  }
  std::string bytes;
  for (const Buffer& piece : builder.Take(kLink, {})) bytes += piece.view();
  return bytes;
}

raft::GroupMessage Append() {
  raft::GroupMessage one;
  one.group = GroupId(7);
  one.message.type = raft::MessageType::kAppend;
  one.message.term = raft::Term(300);
  one.message.previous = {raft::Term(299), raft::Index(1'000'000)};
  one.message.commit = raft::Index(5);
  return one;
}

uint64_t KeyOf(const std::vector<raft::GroupMessage>& messages) {
  return EnvelopeKey(Envelope(messages));
}

TEST(EnvelopeKey, WhatTheMessageIs_Counts) {
  const uint64_t key = KeyOf({Append()});
  raft::GroupMessage other = Append();
  other.group = GroupId(8);
  EXPECT_NE(KeyOf({other}), key);
  other = Append();
  other.message.type = raft::MessageType::kAppendReply;
  EXPECT_NE(KeyOf({other}), key);
  other = Append();
  other.message.term = raft::Term(301);
  EXPECT_NE(KeyOf({other}), key);
  other = Append();
  other.message.previous.index = raft::Index(1'000'001);
  EXPECT_NE(KeyOf({other}), key);
  other = Append();
  other.message.type = raft::MessageType::kSnapshotChunk;
  other.message.part.Mutable().snapshot.configuration.voters = {
      {ReplicaId(1), NodeId(1), StoreIncarnation(2)}};
  const uint64_t first = KeyOf({other});
  other.message.part.Mutable().offset = 4096;
  EXPECT_NE(KeyOf({other}), first);
}

TEST(EnvelopeKey, WhatElseHappens_DoesNot) {
  const uint64_t key = KeyOf({Append()});
  raft::GroupMessage other = Append();
  other.message.number = raft::AppendNumber(3);
  other.message.commit = raft::Index(6);
  other.message.commit_log_time = WallTime(77);
  other.message.read_round = raft::ReadRound(9);
  EXPECT_EQ(KeyOf({other}), key);
  raft::Entry entry;
  entry.term = raft::Term(300);
  entry.index = raft::Index(1'000'001);
  entry.kind = raft::EntryKind::kCommands;
  entry.payload = Buffer::Copy("payload");
  other.message.entries.push_back(entry);
  raft::GroupMessage second = Append();
  second.group = GroupId(9);
  EXPECT_EQ(KeyOf({other, second}), key);
}

TEST(EnvelopeKey, Nonsense_HasOneToo) {
  const std::string bytes = Envelope({Append()});
  for (size_t size = 0; size < bytes.size(); ++size) {
    EnvelopeKey(bytes.substr(0, size));
  }
  EXPECT_EQ(EnvelopeKey(""), EnvelopeKey(std::string(20, '\xff')));
}

TEST(EnvelopeText, EachMessage_IsNamed) {
  raft::GroupMessage heartbeat;
  heartbeat.group = GroupId(8);
  heartbeat.message.type = raft::MessageType::kHeartbeat;
  heartbeat.message.term = raft::Term(4);
  const std::string bytes = Envelope({Append(), heartbeat});
  EXPECT_EQ(EnvelopeText(bytes),
            "append of group 7, term 300, index 1000000; heartbeat of group 8, "
            "term 4");
  EXPECT_EQ(EnvelopeText("no"), "");
}

TEST(MessageText, FramesOfAStream_AreNamed) {
  const std::string message = Envelope({Append()});
  std::string frame(4, '\0');
  StoreFixed(frame.data(), static_cast<uint32_t>(message.size()));
  frame += message;
  const std::string text = "append of group 7, term 300, index 1000000";
  EXPECT_EQ(MessageText(message), text);
  EXPECT_EQ(MessageText(frame), text);
  EXPECT_EQ(MessageText(frame + frame + "part"), text + "; " + text);
  EXPECT_EQ(MessageText("*1\r\n$4\r\nPING\r\n"), "");
}

// A timeout now behind `one` is found only if the whole of `one` is skipped.
std::string TextOfBoth(const raft::GroupMessage& one) {
  raft::GroupMessage last;
  last.group = GroupId(8);
  last.message.type = raft::MessageType::kTimeoutNow;
  return EnvelopeText(Envelope({one, last}));
}

TEST(EnvelopeText, EachType_IsSkippedWhole) {
  const std::string last = "; timeout now of group 8, term 0";
  for (int type = 1; type <= 13; ++type) {
    raft::GroupMessage one;
    one.message.type = static_cast<raft::MessageType>(type);
    raft::Entry entry;
    entry.payload = Buffer::Copy("payload");
    one.message.entries = {entry, raft::Entry()};
    one.message.part.Mutable().snapshot.configuration.voters = {
        {ReplicaId(1), NodeId(1), StoreIncarnation(2)}};
    one.message.part.Mutable().chunk = Buffer::Copy("chunk");
    EXPECT_TRUE(TextOfBoth(one).ends_with(last)) << TextOfBoth(one);
  }
  raft::GroupMessage one;
  one.message.reject = true;
  one.message.type = raft::MessageType::kAppendReply;
  one.message.hint.index = raft::Index(6);
  EXPECT_EQ(TextOfBoth(one), "append reply of group 0, term 0, index 6" + last);
  one.message.type = raft::MessageType::kReadIndexReply;
  EXPECT_EQ(TextOfBoth(one), "read index reply of group 0, term 0" + last);
}

}  // namespace
}  // namespace quorate::sim
