#include "raft/host/outbox.h"

#include <utility>
#include <vector>

#include "env/check.h"

namespace quorate::raft {

// An append without entries asks whether those before it arrived, so it must
// not overtake them.
env::Lane Outbox::LaneOf(const Message& message) {
  switch (message.type) {
    case MessageType::kAppend:
      return env::Lane::kRequests;
    case MessageType::kSnapshotChunk:
      return env::Lane::kBulk;
    default:
      return env::Lane::kControl;
  }
}

void Outbox::Add(NodeId to, GroupId group, const Message& message) {
  if (stopped_) return;
  const Destination destination{to, LaneOf(message)};
  EnvelopeBuilder& envelope = envelopes_[destination];
  if (!envelope.Add(group, message)) {
    Send(destination, &envelope);
    CHECK(envelope.Add(group, message));
  }
  if (env_.buggify.Fire("raft.host.envelope_of_one_message")) {
    Send(destination, &envelope);
  } else {
    FlushLater();
  }
}

void Outbox::AddPulse(NodeId to) {
  if (stopped_) return;
  pulses_.insert(to);
  FlushLater();
}

void Outbox::FlushLater() {
  if (std::exchange(flush_pending_, true)) return;
  flush_ = env_.loop.Defer([this] { Flush(); });
}

void Outbox::Stop() {
  stopped_ = true;
  envelopes_.clear();
  pulses_.clear();
}

void Outbox::Flush() {
  flush_pending_ = false;
  for (const NodeId to : pulses_) {
    const Destination control{to, env::Lane::kControl};
    Send(control, &envelopes_[control]);
  }
  pulses_.clear();
  for (auto& [destination, envelope] : envelopes_) {
    if (!envelope.empty()) Send(destination, &envelope);
  }
}

void Outbox::Send(const Destination& destination, EnvelopeBuilder* envelope) {
  const auto [to, lane] = destination;
  Sent& sent = sent_[to];
  sent.last = env_.loop.ReadClock().mono;
  const std::vector<Buffer> pieces =
      envelope->Take({.cluster = cluster_, .from = self_, .to = to},
                     {.process = process_, .sent = sent.last});
  for (const Buffer& piece : pieces) sent.bytes += piece.size();
  env_.transport.Send(to, lane, pieces);
}

}  // namespace quorate::raft
