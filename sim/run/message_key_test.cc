#include "sim/run/message_key.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "raft/host/envelope.h"

namespace quorate::sim {
namespace {

const raft::EnvelopeLink kLink{ClusterId(1), NodeId(2), NodeId(3)};

raft::GroupMessage Append() {
  raft::GroupMessage one;
  one.group.group = GroupId(7);
  one.message.type = raft::MessageType::kAppend;
  one.message.term = raft::Term(300);
  one.message.previous = {raft::Term(299), raft::Index(1'000'000)};
  one.message.commit = raft::Index(5);
  return one;
}

uint64_t KeyOf(const std::vector<raft::GroupMessage>& messages) {
  std::string bytes;
  for (const Buffer& piece : raft::EncodeEnvelope(kLink, messages)) {
    bytes += std::string(piece.view());
  }
  return EnvelopeKey(bytes);
}

TEST(EnvelopeKey, WhatTheMessageIs_Counts) {
  const uint64_t key = KeyOf({Append()});
  raft::GroupMessage other = Append();
  other.group.group = GroupId(8);
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
  const uint64_t first = KeyOf({other});
  other.message.offset = 4096;
  EXPECT_NE(KeyOf({other}), first);
}

TEST(EnvelopeKey, WhatElseHappens_DoesNot) {
  const uint64_t key = KeyOf({Append()});
  raft::GroupMessage other = Append();
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
  second.group.group = GroupId(9);
  EXPECT_EQ(KeyOf({other, second}), key);
}

TEST(EnvelopeKey, Nonsense_HasOneToo) {
  std::string bytes;
  for (const Buffer& piece : raft::EncodeEnvelope(kLink, {Append()})) {
    bytes += std::string(piece.view());
  }
  for (size_t size = 0; size < bytes.size(); ++size) {
    EnvelopeKey(bytes.substr(0, size));
  }
  EXPECT_EQ(EnvelopeKey(""), EnvelopeKey(std::string(20, '\xff')));
}

TEST(EnvelopeText, EachMessage_IsNamed) {
  raft::GroupMessage heartbeat;
  heartbeat.group.group = GroupId(8);
  heartbeat.message.type = raft::MessageType::kHeartbeat;
  heartbeat.message.term = raft::Term(4);
  std::string bytes;
  for (const Buffer& piece :
       raft::EncodeEnvelope(kLink, {Append(), heartbeat})) {
    bytes += std::string(piece.view());
  }
  EXPECT_EQ(EnvelopeText(bytes),
            "append of group 7, term 300, index 1000000; heartbeat of group 8, "
            "term 4");
  EXPECT_EQ(EnvelopeText("no"), "");
}

}  // namespace
}  // namespace quorate::sim
