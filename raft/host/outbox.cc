#include "raft/host/outbox.h"

namespace quorate::raft {
namespace {
// The bytes of all messages in one envelope.
constexpr size_t kMessagesBytesMax =
    env::kMessageBytesMax - kEnvelopePrefixBytes;
}  // namespace

env::Lane Outbox::LaneOf(const Message& message) {
  const bool bulk =
      message.type == MessageType::kSnapshotChunk ||
      (message.type == MessageType::kAppend && !message.entries.empty());
  return bulk ? env::Lane::kBulk : env::Lane::kControl;
}

void Outbox::Add(GroupMessage message) {
  if (stopped_) return;
  const Destination destination{message.message.to, LaneOf(message.message)};
  Queue& queue = queues_[destination];
  const size_t bytes = EnvelopeBytes(message);
  if (queue.bytes + bytes > kMessagesBytesMax) Send(destination, &queue);
  queue.bytes += bytes;
  queue.messages.push_back(std::move(message));
  if (env_.buggify.Fire("raft.host.envelope_of_one_message")) {
    Send(destination, &queue);
  } else if (!flush_pending_) {
    flush_pending_ = true;
    flush_ = env_.loop.Defer([this] { Flush(); });
  }
}

void Outbox::Stop() {
  stopped_ = true;
  queues_.clear();
}

void Outbox::Flush() {
  flush_pending_ = false;
  for (auto& [destination, queue] : queues_) Send(destination, &queue);
}

void Outbox::Send(const Destination& destination, Queue* queue) {
  if (queue->messages.empty()) return;
  const std::vector<Buffer> pieces = EncodeEnvelope(
      {.cluster = cluster_, .from = self_, .to = destination.first},
      queue->messages);
  queue->messages.clear();
  queue->bytes = 0;
  env_.transport.Send(destination.first, destination.second, pieces);
}

}  // namespace quorate::raft
