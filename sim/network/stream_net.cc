#include "sim/network/stream_net.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "sim/network/node_streams.h"

namespace quorate::sim {
namespace {
constexpr ChoiceSite kJitter("stream.jitter");
// The number of bytes of an arrival that are readable at once, plus one. 0:
// all.
constexpr ChoiceSite kSplit("stream.split");
constexpr ChoiceSite kSplitDelay("stream.split_delay");
// The number of bytes of an arrival that are readable before the stream is
// reset, plus one. 0: no reset.
constexpr ChoiceSite kReset("stream.reset");
// The number of bytes in flight that are lost at a close.
constexpr ChoiceSite kLostTail("stream.lost_tail");

// The beginning of bytes that a person can read.
std::string FirstBytes(std::string_view bytes) {
  constexpr size_t kMost = 80;
  std::string text;
  for (const char c : bytes.substr(0, kMost))
    text += c >= ' ' && c <= '~' ? c : '.';
  return text;
}

constexpr Duration kRetransmitFirst = Milliseconds(200);
constexpr Duration kRetransmitMost = Seconds(1);

uint64_t Encode(uint64_t id, int side) {
  return id << 1 | static_cast<uint64_t>(side);
}

}  // namespace

uint64_t StreamNet::Create(uint64_t key, NodeStreams* client,
                           NodeStreams* server, const std::string& address,
                           const std::string& client_address,
                           uint64_t listener) {
  auto stream = std::make_unique<Stream>();
  stream->key = key;
  stream->listener = listener;
  stream->ends[0].node = client;
  stream->ends[0].peer_address = address;
  stream->ends[1].node = server;
  stream->ends[1].peer_address = client_address;
  return streams_.Add(std::move(stream));
}

// ---- Calls of programs

void StreamNet::Write(uint64_t id, int side, Buffer bytes) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  StreamEnd& end = stream->ends[side];
  if (end.state != StreamEnd::State::kOpen || !end.failure.ok()) return;
  CHECK(!end.ended) << "a write after End";
  if (!end.node->scheduler().BeginCall() || bytes.empty()) return;
  end.node->scheduler().Work(bytes.size());
  end.unsent_bytes += bytes.size();
  end.written_bytes += bytes.size();
  end.unsent.Push(std::move(bytes));
  if (!end.dirty) end.node->MarkDirty(id, side);
  end.dirty = true;
  end.node->scheduler().Nudge();
}

void StreamNet::End(uint64_t id, int side) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  StreamEnd& end = stream->ends[side];
  if (end.state != StreamEnd::State::kOpen || end.ended) return;
  if (!end.node->scheduler().BeginCall()) return;
  end.ended = true;
  if (!end.dirty) end.node->MarkDirty(id, side);
  end.dirty = true;
  end.node->scheduler().Nudge();
}

void StreamNet::SetObserver(uint64_t id, int side,
                            env::Connection::Observer* observer) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  StreamEnd& end = stream->ends[side];
  if (end.state != StreamEnd::State::kOpen) return;
  CHECK(end.observer == nullptr) << "SetObserver is called once";
  end.observer = observer;
  // Results may have come before the program had the connection.
  if (!end.failure.ok() || end.received_bytes > 0 || end.fin_received) {
    QueueInput(id, side, From::kProgram);
  }
}

void StreamNet::SetPaused(uint64_t id, int side, bool paused) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  StreamEnd& end = stream->ends[side];
  end.paused = paused;
  if (!paused && (end.received_bytes > 0 || end.fin_received)) {
    QueueInput(id, side, From::kProgram);
  }
}

void StreamNet::Flush(uint64_t id, int side) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->ends[side].dirty = false;
  Pump(id, side, From::kProgram);
  StreamEnd& end = stream->ends[side];
  end.was_unsent = end.unsent_bytes > 0;
}

void StreamNet::Close(uint64_t id, int side) {
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  StreamEnd& end = stream->ends[side];
  if (end.state != StreamEnd::State::kOpen) return;
  end.observer = nullptr;
  if (!end.node->scheduler().BeginCall()) return;  // MachineDied closes it.
  end.state = StreamEnd::State::kClosed;
  const bool unread = end.received_bytes > 0;
  end.received.Clear();
  end.received_bytes = 0;
  if (!end.failure.ok()) {
    MaybeRemove(id);
    return;
  }
  end.ended = true;
  if (unread) {
    // As in TCP, a close that drops received bytes resets the stream.
    PushStep(state_->now + LatencyTo(end, stream->ends[1 - side]), kRefused, id,
             1 - side);
  }
  StreamPipe& pipe = stream->pipes[side];
  const size_t tail = end.unsent_bytes + pipe.bytes;
  uint64_t lost = 0;
  if (tail > 0) {
    lost = state_->choices.Choose(
        kLostTail, ChoiceKey{Encode(stream->key, side), 0}, 0, tail,
        [&](const Random& random, Site s, uint64_t e, uint64_t c) {
          return random.Chance(state_->streams.lost_tail, s, e, c)
                     ? 1 + random.Below(tail, s, e, c + 1)
                     : 0;
        });
  }
  if (lost > 0) {
    state_->faults.Count(Fault::kStreamLostTail);
    // Drops bytes from the end: first waiting bytes, then bytes in flight. The
    // peer observes a reset.
    size_t keep = tail - std::min<size_t>(lost, tail);
    size_t kept_segments = 0;
    pipe.bytes = 0;
    for (auto& segment : pipe.in_flight) {
      segment.bytes =
          segment.bytes.Slice(0, std::min(keep, segment.bytes.size()));
      keep -= segment.bytes.size();
      pipe.bytes += segment.bytes.size();
      if (!segment.bytes.empty()) ++kept_segments;
    }
    pipe.in_flight.resize(kept_segments);
    const size_t from_unsent = std::min(keep, end.unsent_bytes);
    Buffer last;
    if (from_unsent > 0) last = end.unsent.Take(from_unsent);
    end.unsent.Clear();
    end.unsent_bytes = 0;
    if (!last.empty()) SendSegment(id, side, stream, std::move(last), false);
    end.fin_sent = true;
    const SimTime after =
        std::max(pipe.last_arrival,
                 state_->now + LatencyTo(end, stream->ends[1 - side]));
    PushStep(after, kRefused, id, 1 - side);
    return;
  }
  Pump(id, side, From::kProgram);
  MaybeRemove(id);
}

// ---- Sending

NetworkLink& StreamNet::LinkOf(const StreamEnd& from, const StreamEnd& to) {
  return network_->link(from.node->scheduler().id(), to.node->scheduler().id());
}

Duration StreamNet::LatencyTo(const StreamEnd& from, const StreamEnd& to) {
  const NetworkLink& link = LinkOf(from, to);
  return state_->streams.latency_min + link.distance + link.extra_latency;
}

void StreamNet::PushStep(SimTime time, Step step, uint64_t id, int side) {
  state_->queue.Push(
      time,
      {kEventPipe,
       static_cast<uint32_t>(step) << 1 | static_cast<uint32_t>(side), id});
}

void StreamNet::ScheduleArrival(SimTime time, uint64_t id, int side,
                                StreamPipe* pipe) {
  state_->queue.Cancel(pipe->arrival);
  pipe->arrival = state_->queue.Push(
      time,
      {kEventPipe,
       static_cast<uint32_t>(kArrive) << 1 | static_cast<uint32_t>(side), id});
}

void StreamNet::Pump(uint64_t id, int side, From from) {
  Stream& stream = *Find(id);
  StreamEnd& end = stream.ends[side];
  const StreamEnd& peer = stream.ends[1 - side];
  if (!end.failure.ok() || end.state == StreamEnd::State::kGone) return;
  while (end.unsent_bytes > 0) {
    const size_t held = stream.pipes[side].bytes + peer.received_bytes;
    const size_t room = state_->streams.buffer_bytes;
    if (held >= room) return;
    const size_t size = std::min(room - held, end.unsent_bytes);
    Buffer bytes = end.unsent.Take(size);
    end.unsent_bytes -= size;
    SendSegment(id, side, &stream, std::move(bytes), false);
  }
  bool owed = end.was_unsent;
  if (end.ended && !end.fin_sent) {
    end.fin_sent = true;
    SendSegment(id, side, &stream, Buffer(), true);
    owed = true;
  }
  if (owed) {
    end.was_unsent = false;
    end.drained = true;
    QueueInput(id, side, from);
  }
}

void StreamNet::SendSegment(uint64_t id, int side, Stream* stream, Buffer bytes,
                            bool fin) {
  StreamPipe& pipe = stream->pipes[side];
  const StreamOptions& options = state_->streams;
  const StreamEnd& from = stream->ends[side];
  const StreamEnd& to = stream->ends[1 - side];
  const SimTime departs =
      LinkOf(from, to).Transmit(from.node->scheduler().effect_time(),
                                bytes.size(), state_->network.bytes_per_second);
  const Duration jitter =
      state_->Delay(kJitter, {Encode(stream->key, side), pipe.segments++},
                    options.jitter, options.jitter_max, Fault::kStreamJitter);
  const SimTime arrives =
      std::max(pipe.last_arrival, departs + LatencyTo(from, to) + jitter);
  pipe.last_arrival = arrives;
  pipe.bytes += bytes.size();
  pipe.in_flight.push_back({std::move(bytes), departs, arrives, fin});
  if (pipe.in_flight.size() == 1) ScheduleArrival(arrives, id, side, &pipe);
}

// ---- Arrivals

MachineId StreamNet::ReceiverOf(const QueuedEvent& event) {
  const Stream* const stream = Find(event.argument);
  if (stream == nullptr) return MachineId();
  const int side = static_cast<int>(event.target & 1);
  const bool arrives = event.target >> 1 == kArrive;
  return stream->ends[arrives ? 1 - side : side].node->scheduler().id();
}

void StreamNet::PipeEvent(const QueuedEvent& event) {
  const int side = static_cast<int>(event.target & 1);
  const uint64_t id = event.argument;
  if (Find(id) == nullptr) return;
  switch (static_cast<Step>(event.target >> 1)) {
    case kArrive:
      Arrive(id, side);
      break;
    case kPump:
      Pump(id, side, From::kWorld);
      break;
    case kRefused:
      Fail(id, side, "connection reset by peer", From::kWorld);
      break;
  }
  if (Find(id) != nullptr) MaybeRemove(id);
}

void StreamNet::Arrive(uint64_t id, int side) {
  Stream& stream = *Find(id);
  StreamPipe& pipe = stream.pipes[side];
  if (pipe.in_flight.empty()) return;
  if (pipe.in_flight.front().arrives > state_->now) {
    ScheduleArrival(pipe.in_flight.front().arrives, id, side, &pipe);
    return;
  }
  StreamEnd& to = stream.ends[1 - side];
  const NetworkLink& link = network_->link(
      stream.ends[side].node->scheduler().id(), to.node->scheduler().id());
  if (link.clogged_until > state_->now) {
    ScheduleArrival(link.clogged_until, id, side, &pipe);
    return;
  }
  const bool silent =
      to.state == StreamEnd::State::kGone && !to.node->powered();
  if (link.blocks > 0 || silent) {
    Retry(id, side);
    return;
  }
  pipe.stuck_since = SimTime::Max();
  pipe.attempts = 0;
  if (to.state != StreamEnd::State::kOpen) {
    Refuse(id, side);
    return;
  }
  Deliver(id, side);
}

void StreamNet::Retry(uint64_t id, int side) {
  StreamPipe& pipe = Find(id)->pipes[side];
  if (pipe.stuck_since == SimTime::Max()) pipe.stuck_since = state_->now;
  if (state_->now - pipe.stuck_since >= state_->streams.retransmit_max) {
    Fail(id, side, "connection timed out", From::kWorld);
    return;
  }
  const Duration wait =
      std::min(kRetransmitMost, kRetransmitFirst * (1 + pipe.attempts++));
  ScheduleArrival(state_->now + wait, id, side, &pipe);
  pipe.in_flight.front().arrives = state_->now + wait;
}

// Segments that arrive at a closed end are dropped. The reply to bytes is a
// reset.
void StreamNet::Refuse(uint64_t id, int side) {
  Stream& stream = *Find(id);
  StreamPipe& pipe = stream.pipes[side];
  bool bytes = false;
  while (!pipe.in_flight.empty()) {
    bytes |= !pipe.in_flight.front().fin;
    pipe.in_flight.pop_front();
  }
  pipe.bytes = 0;
  if (bytes || stream.ends[1 - side].state == StreamEnd::State::kGone) {
    PushStep(state_->now + LatencyTo(stream.ends[1 - side], stream.ends[side]),
             kRefused, id, side);
  }
}

void StreamNet::Deliver(uint64_t id, int side) {
  Stream& stream = *Find(id);
  StreamPipe& pipe = stream.pipes[side];
  StreamEnd& to = stream.ends[1 - side];
  auto& segment = pipe.in_flight.front();
  const ChoiceKey key{Encode(stream.key, side), pipe.arrivals++};
  const size_t size = segment.bytes.size();
  const auto part = [&](const ChoiceSite& site, Ratio ratio) {
    return size == 0 ? 0
                     : state_->choices.SometimesUpTo(site, key, ratio, size);
  };
  const uint64_t reset = part(kReset, state_->streams.reset);
  uint64_t split = part(kSplit, state_->streams.split);
  if (reset > 0) split = reset;
  if (split > 1 || (split == 1 && reset > 0)) {
    // The first split - 1 bytes arrive now.
    Buffer now = segment.bytes.Slice(0, split - 1);
    segment.bytes = segment.bytes.Suffix(split - 1);
    pipe.bytes -= now.size();
    to.received_bytes += now.size();
    if (!now.empty()) to.received.Push(std::move(now));
    if (reset == 0) {
      state_->faults.Count(Fault::kStreamSplit);
      segment.arrives = state_->now + state_->choices.Between(
                                          kSplitDelay, key, Nanoseconds(1),
                                          state_->streams.split_max);
    }
  } else {
    pipe.bytes -= size;
    to.received_bytes += size;
    if (size > 0) to.received.Push(std::move(segment.bytes));
    to.fin_received |= segment.fin;
    pipe.in_flight.pop_front();
  }
  if (reset > 0) {
    state_->faults.Count(Fault::kStreamReset);
    // The receiver still reads the bytes that arrived. Then both ends fail.
    if (to.received_bytes > 0) QueueInput(id, 1 - side, From::kWorld);
    if (Find(id) != nullptr) Reset(id, "connection reset");
    return;
  }
  if (!pipe.in_flight.empty()) {
    ScheduleArrival(std::max(pipe.in_flight.front().arrives, state_->now), id,
                    side, &pipe);
  }
  QueueInput(id, 1 - side, From::kWorld);
}

// ---- Failures

void StreamNet::DropPipe(StreamPipe* pipe) {
  pipe->in_flight.clear();
  pipe->bytes = 0;
}

void StreamNet::Fail(uint64_t id, int side, const std::string& why, From from) {
  Stream& stream = *Find(id);
  StreamEnd& end = stream.ends[side];
  DropPipe(&stream.pipes[side]);
  end.unsent.Clear();
  end.unsent_bytes = 0;
  end.fin_sent = true;
  if (!end.failure.ok()) return;
  end.failure = absl::UnavailableError(why);
  end.was_unsent = false;
  end.drained = false;
  QueueInput(id, side, from);
}

void StreamNet::Reset(uint64_t id, const std::string& why) {
  Stream& stream = *Find(id);
  for (StreamPipe& pipe : stream.pipes) DropPipe(&pipe);
  for (int side : {0, 1}) Fail(id, side, why, From::kProgram);
}

void StreamNet::ResetAll(NodeStreams* node) {
  for (uint64_t id : streams_.Ids()) {
    Stream& stream = *Find(id);
    if (stream.ends[0].node != node && stream.ends[1].node != node) continue;
    state_->faults.Count(Fault::kStreamReset, node->scheduler().id());
    Reset(id, "connection reset");
    MaybeRemove(id);
  }
}

void StreamNet::MachineDied(NodeStreams* node, bool power_lost) {
  for (uint64_t id : streams_.Ids()) {
    for (int side : {0, 1}) {
      Stream* stream = Find(id);
      if (stream == nullptr || stream->ends[side].node != node) continue;
      StreamEnd& end = stream->ends[side];
      StreamEnd& peer = stream->ends[1 - side];
      StreamPipe& pipe = stream->pipes[side];
      // Segments that were to leave later are not sent.
      while (!pipe.in_flight.empty() &&
             pipe.in_flight.back().departs > node->scheduler().death_time()) {
        if (pipe.in_flight.back().fin) end.fin_sent = false;
        pipe.bytes -= pipe.in_flight.back().bytes.size();
        pipe.in_flight.pop_back();
      }
      const bool open = end.state == StreamEnd::State::kOpen;
      const bool unread = end.received_bytes > 0;
      end.observer = nullptr;
      end.received.Clear();
      end.received_bytes = 0;
      if (power_lost) {
        end.state = StreamEnd::State::kGone;
        if (peer.state == StreamEnd::State::kOpen && peer.failure.ok()) {
          state_->faults.Count(Fault::kStreamHalfOpen, node->scheduler().id());
        }
      } else if (open) {
        end.state = StreamEnd::State::kClosed;
        end.unsent.Clear();  // The bytes belonged to the program.
        end.unsent_bytes = 0;
        end.ended = true;
        if (unread) {
          PushStep(
              std::max(pipe.last_arrival, state_->now + LatencyTo(end, peer)),
              kRefused, id, 1 - side);
        } else if (end.failure.ok()) {
          Pump(id, side, From::kProgram);
        }
      }
      MaybeRemove(id);
    }
  }
}

void StreamNet::MaybeRemove(uint64_t id) {
  const Stream& stream = *Find(id);
  for (int side : {0, 1}) {
    const StreamEnd& end = stream.ends[side];
    if (end.state == StreamEnd::State::kOpen) return;
    if (end.state == StreamEnd::State::kClosed && end.failure.ok() &&
        (!stream.pipes[side].in_flight.empty() || end.unsent_bytes > 0)) {
      return;
    }
  }
  streams_.Remove(id);
}

// ---- Reports to programs

void StreamNet::QueueInput(uint64_t id, int side, From from) {
  StreamEnd& end = Find(id)->ends[side];
  if (end.input_queued || end.state != StreamEnd::State::kOpen) return;
  end.input_queued = true;
  const TurnInput input{TurnInputKind::kStream, Encode(id, side),
                        TurnSource(TurnSourceKind::kStream, id)};
  if (from == From::kWorld) {
    end.node->scheduler().Accept(input);
  } else {
    end.node->scheduler().Post(input);
  }
}

void StreamNet::RunInput(uint64_t input) {
  const uint64_t id = input >> 1;
  const int side = static_cast<int>(input & 1);
  Stream* stream = Find(id);
  if (stream == nullptr) return;
  stream->ends[side].input_queued = false;
  if (stream->ends[side].observer == nullptr &&
      stream->ends[side].state == StreamEnd::State::kOpen) {
    // The program does not have the connection yet, or got it in this turn.
    if (!stream->ends[side].handed_out) return;
    ++stream->ends[side].unobserved;
    CHECK_LE(stream->ends[side].unobserved, 1)
        << "SetObserver was not called in the turn that gave a stream out";
    QueueInput(id, side, From::kProgram);
    return;
  }
  // Each call may close or remove the stream, or kill the machine.
  const auto end = [&]() -> StreamEnd* {
    Stream* found = Find(id);
    if (found == nullptr) return nullptr;
    StreamEnd& e = found->ends[side];
    if (e.state != StreamEnd::State::kOpen || e.observer == nullptr) {
      return nullptr;
    }
    return e.node->scheduler().alive() ? &e : nullptr;
  };
  const auto note = [&](const StreamEnd& e, uint64_t what,
                        std::string_view words) {
    state_->hash.Add(state_->now, e.node->scheduler().id(),
                     TraceKind::kStreamEvent,
                     Mix64(Encode(Find(id)->key, side)) + what);
    if (!state_->hash.keeps_records()) return;
    state_->hash.Detail(
        absl::StrCat("from ", e.peer_address, ": ", std::string(words)));
  };
  StreamEnd* e = end();
  if (e != nullptr && e->received_bytes > 0 && !e->paused) {
    if (!TellBytes(id, side)) return;
    e = end();
  }
  if (e != nullptr && !e->failure.ok()) {
    if (e->failure_reported) return;
    e->failure_reported = true;
    note(*e, 1, {e->failure.message().data(), e->failure.message().size()});
    e->observer->OnClosed(absl::Status(e->failure));
    return;
  }
  if (e != nullptr && e->fin_received && !e->fin_reported && !e->paused &&
      e->received_bytes == 0) {
    e->fin_reported = true;
    note(*e, 2, "end of its bytes");
    e->observer->OnEnd();
    e = end();
  }
  if (e != nullptr && e->drained) {
    e->drained = false;
    if (e->unsent_bytes > 0) return;
    note(*e, 3, "it took all bytes");
    e->observer->OnDrained();
  }
}

bool StreamNet::TellBytes(uint64_t id, int side) {
  Stream& stream = *Find(id);
  StreamEnd& end = stream.ends[side];
  const size_t size = end.received_bytes;
  const Buffer bytes = end.received.Take(size);
  end.received_bytes = 0;
  const StreamEnd& peer = stream.ends[1 - side];
  if (peer.unsent_bytes > 0) {
    PushStep(state_->now + LatencyTo(end, peer), kPump, id, 1 - side);
  }
  state_->hash.Add(
      state_->now, end.node->scheduler().id(), TraceKind::kStreamBytes,
      Mix64(Encode(stream.key, side)) ^ state_->hash.Of(bytes.view()));
  if (state_->hash.keeps_records()) {
    const std::string words = network_->Describe(bytes.view());
    state_->hash.Detail(absl::StrCat(
        "from ", end.peer_address, ", ", size,
        " bytes: ", words.empty() ? FirstBytes(bytes.view()) : words));
  }
  end.observer->OnBytes(bytes.view());
  return Find(id) != nullptr;
}

}  // namespace quorate::sim
