#include "raft/core/testing/names.h"

namespace quorate::raft {

std::string_view MessageTypeName(MessageType type) {
  switch (type) {
    case MessageType::kPreVote:
      return "PreVote";
    case MessageType::kPreVoteReply:
      return "PreVoteReply";
    case MessageType::kVote:
      return "Vote";
    case MessageType::kVoteReply:
      return "VoteReply";
    case MessageType::kAppend:
      return "Append";
    case MessageType::kAppendReply:
      return "AppendReply";
    case MessageType::kHeartbeat:
      return "Heartbeat";
    case MessageType::kHeartbeatReply:
      return "HeartbeatReply";
    case MessageType::kSnapshotChunk:
      return "SnapshotChunk";
    case MessageType::kSnapshotReply:
      return "SnapshotReply";
    case MessageType::kReadIndex:
      return "ReadIndex";
    case MessageType::kReadIndexReply:
      return "ReadIndexReply";
    case MessageType::kTimeoutNow:
      return "TimeoutNow";
  }
  return "invalid";
}

std::string_view EntryKindName(EntryKind kind) {
  switch (kind) {
    case EntryKind::kNoop:
      return "noop";
    case EntryKind::kConfiguration:
      return "configuration";
    case EntryKind::kCommands:
      return "commands";
  }
  return "invalid";
}

}  // namespace quorate::raft
