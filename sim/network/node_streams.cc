#include "sim/network/node_streams.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/random.h"
#include "sim/choices/trace_hash.h"

namespace quorate::sim {
namespace {
// The kind of thing that kConnectFate chooses about.
constexpr ChoiceSite kConnect("stream.connects");
// The fate of a connect: 0 no fault, 1 refused, 2 no reply.
constexpr ChoiceSite kConnectFate("stream.connect");
constexpr Duration kAskAgain = Seconds(1);
}  // namespace

// The end of a stream that a program has. The parts of its machine outlive it.
class NodeConnection final : public env::Connection {
 public:
  NodeConnection(StreamNet* net, uint64_t id, int side)
      : net_(net), id_(id), side_(side) {}
  ~NodeConnection() override { net_->Close(id_, side_); }

  void SetObserver(Observer* observer) override {
    net_->SetObserver(id_, side_, observer);
  }
  void Write(Buffer bytes) override {
    net_->Write(id_, side_, std::move(bytes));
  }
  size_t unsent_bytes() const override {
    Stream* stream = net_->Find(id_);
    return stream == nullptr ? 0 : stream->ends[side_].unsent_bytes;
  }
  uint64_t taken_bytes() const override {
    Stream* stream = net_->Find(id_);
    if (stream == nullptr) return 0;
    const StreamEnd& end = stream->ends[side_];
    return end.written_bytes - end.unsent_bytes - stream->pipes[side_].bytes;
  }
  void End() override { net_->End(id_, side_); }
  void PauseReads() override { net_->SetPaused(id_, side_, true); }
  void ResumeReads() override { net_->SetPaused(id_, side_, false); }
  std::string peer_address() const override {
    Stream* stream = net_->Find(id_);
    return stream == nullptr ? "" : stream->ends[side_].peer_address;
  }

 private:
  StreamNet* const net_;
  const uint64_t id_;
  const int side_;
};

class NodeListener final : public env::Listener {
 public:
  NodeListener(NodeStreams* streams, uint64_t id, std::string address)
      : streams_(streams), id_(id), address_(std::move(address)) {}
  ~NodeListener() override { streams_->StopListening(id_); }
  std::string address() const override { return address_; }

 private:
  NodeStreams* const streams_;
  const uint64_t id_;
  const std::string address_;
};

absl::StatusOr<std::unique_ptr<env::Listener>> NodeStreams::Listen(
    const std::string& address, Accept accept) {
  if (!scheduler_->BeginCall())
    return absl::UnavailableError("the machine is off");
  std::string bound = address;
  const uint64_t id =
      listeners_.Add({bound, std::make_shared<Accept>(std::move(accept))});
  const absl::Status status = net_->network().addresses().Bind(
      &bound, true, {scheduler_->id(), nullptr, id, true});
  if (!status.ok()) {
    listeners_.Remove(id);
    return status;
  }
  listeners_.Find(id)->address = bound;
  return std::make_unique<NodeListener>(this, id, bound);
}

void NodeStreams::StopListening(uint64_t id) {
  Listening* listening = listeners_.Find(id);
  // The listener belongs to a dead incarnation.
  if (listening == nullptr) return;
  net_->network().addresses().Unbind(listening->address);
  listeners_.Remove(id);
}

// ---- Connecting

void NodeStreams::PushStep(SimTime time, Step step, uint64_t id) {
  attempts_.Find(id)->next = step;
  scheduler_->state().queue.Push(time,
                                 {kEventConnect, scheduler_->id().value(), id});
}

env::Pending NodeStreams::Connect(const std::string& address,
                                  Connected connected) {
  if (!scheduler_->BeginCall()) return {};
  SimState& state = scheduler_->state();
  const StreamOptions& options = state.streams;
  Attempt attempt;
  // Connects are described by their ends and the second in which they begin.
  const ChoiceKey key =
      state.choices.Count(kConnect, scheduler_->id().value(),
                          Mix64(HashBytes(address) + SecondOf(state.now)));
  attempt.key = Mix64(key.entity + Mix64(key.counter));
  attempt.address = address;
  attempt.connected = std::move(connected);
  attempt.gives_up = scheduler_->effect_time() + options.connect_timeout;
  attempt.fate = state.choices.Choose(
      kConnectFate, key, 0, 2,
      [&](const Random& random, Site s, uint64_t e, uint64_t c) -> uint64_t {
        if (random.Chance(options.refuse, s, e, c)) return 1;
        return random.Chance(options.hang, s, e, c + 1) ? 2 : 0;
      });
  if (attempt.fate == 1)
    state.faults.Count(Fault::kConnectRefused, scheduler_->id());
  if (attempt.fate == 2)
    state.faults.Count(Fault::kConnectHang, scheduler_->id());
  const uint64_t id = attempts_.Add(std::move(attempt));
  PushStep(scheduler_->effect_time() + options.latency_min, kAsk, id);
  return env::Pending(this, id);
}

void NodeStreams::Cancel(uint64_t id) {
  Attempt* attempt = attempts_.Find(id);
  if (attempt == nullptr) return;
  const uint64_t stream = attempt->stream;
  attempts_.Remove(id);
  if (stream != 0) net_->Close(stream, 0);
}

void NodeStreams::ConnectEvent(const QueuedEvent& event) {
  const uint64_t id = event.argument;
  Attempt* attempt = attempts_.Find(id);
  if (attempt == nullptr) return;
  switch (attempt->next) {
    case kAsk:
      Ask(id, attempt);
      break;
    case kGiveUp:
      attempt->status = absl::UnavailableError(
          "connect to " + attempt->address + ": timed out");
      [[fallthrough]];
    case kAnswer:
      // Bytes of the stream come after the connect.
      scheduler_->Accept(
          {TurnInputKind::kConnect, id << 1,
           TurnSource(TurnSourceKind::kStream, attempt->stream)});
      break;
  }
}

void NodeStreams::Ask(uint64_t id, Attempt* attempt) {
  SimState& state = scheduler_->state();
  Network& network = net_->network();
  const AddressBook::Owner* owner = network.addresses().Find(attempt->address);
  bool silent = attempt->fate == 2;
  NodeStreams* server = nullptr;
  Duration latency = state.streams.latency_min;
  if (owner != nullptr) {
    server = net_->machine(owner->machine);
    const MachineId from = scheduler_->id();
    silent |= network.blocked(from, owner->machine) ||
              network.blocked(owner->machine, from) || !server->powered();
    latency = latency + network.link(owner->machine, from).extra_latency;
  }
  if (silent) {
    const SimTime again = state.now + kAskAgain;
    if (again < attempt->gives_up) {
      PushStep(again, kAsk, id);
    } else {
      PushStep(std::max(attempt->gives_up, state.now), kGiveUp, id);
    }
    return;
  }
  const bool listens = server != nullptr && owner->bound &&
                       owner->listener != 0 && server->scheduler_->alive();
  if (!listens || attempt->fate == 1) {
    attempt->status = absl::UnavailableError("connect to " + attempt->address +
                                             ": connection refused");
  } else {
    attempt->stream =
        net_->Create(attempt->key, this, server, attempt->address,
                     "m" + std::to_string(scheduler_->id().value()) + ":" +
                         std::to_string(20000 + ++connects_ % 40000),
                     owner->listener);
  }
  const uint64_t stream = attempt->stream;
  PushStep(state.now + latency, kAnswer, id);
  // This comes last, because it may run a turn of the server.
  if (stream != 0) {
    server->scheduler_->Accept({TurnInputKind::kConnect, stream << 1 | 1,
                                TurnSource(TurnSourceKind::kStream, stream)});
  }
}

void NodeStreams::RunConnect(uint64_t input) {
  if ((input & 1) != 0) {
    AcceptInTurn(input >> 1);
    return;
  }
  const uint64_t id = input >> 1;
  if (attempts_.Find(id) == nullptr) return;  // Cancelled.
  Attempt attempt = attempts_.Take(id);
  SimState& state = scheduler_->state();
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kConnect,
                 attempt.key << 1 | (attempt.status.ok() ? 1 : 0));
  if (state.hash.keeps_records()) {
    state.hash.Detail(attempt.status.ok()
                          ? absl::StrCat("to ", attempt.address, ": connected")
                          : std::string(attempt.status.message()));
  }
  if (!attempt.status.ok()) {
    attempt.connected(attempt.status);
  } else {
    if (net_->Find(attempt.stream) != nullptr) {
      net_->HandOut(attempt.stream, 0);
    }
    attempt.connected(
        std::make_unique<NodeConnection>(net_, attempt.stream, 0));
  }
}

void NodeStreams::AcceptInTurn(uint64_t id) {
  Stream* stream = net_->Find(id);
  if (stream == nullptr) return;
  Listening* listening = listeners_.Find(stream->listener);
  if (listening == nullptr) {
    // The listener is gone.
    net_->Reset(id, "connection reset by peer");
    net_->Close(id, 1);
    return;
  }
  SimState& state = scheduler_->state();
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kConnect, stream->key);
  if (state.hash.keeps_records()) {
    state.hash.Detail(
        absl::StrCat("from ", stream->ends[1].peer_address, ": accepted"));
  }
  const std::shared_ptr<Accept> accept = listening->accept;
  net_->HandOut(id, 1);
  (*accept)(std::make_unique<NodeConnection>(net_, id, 1));
}

// ---- Turns

void NodeStreams::EndTurn() {
  if (dirty_.empty()) return;
  std::swap(dirty_, flushing_);
  for (const auto& [id, side] : flushing_) net_->Flush(id, side);
  flushing_.clear();
}

void NodeStreams::Die(bool power_lost) {
  dirty_.clear();
  for (uint64_t id : listeners_.Ids()) StopListening(id);
  attempts_.Clear();
  if (power_lost) powered_ = false;
  net_->MachineDied(this, power_lost);
}

}  // namespace quorate::sim
