#include "sim/network/network.h"

#include <algorithm>
#include <utility>

#include "env/check.h"
#include "env/host_port.h"
#include "sim/network/node_transport.h"

namespace quorate::sim {
namespace {
// The kind of thing that the other sites choose about.
constexpr ChoiceSite kMessage("net.message");
constexpr ChoiceSite kJitter("net.jitter");
constexpr ChoiceSite kSpike("net.spike");
constexpr ChoiceSite kFate("net.fate");
constexpr ChoiceSite kLate("net.late");
constexpr ChoiceSite kWhichOld("net.which_old");
constexpr ChoiceSite kBit("net.bit");

// The number of messages that a link remembers for replay.
constexpr size_t kRememberedMax = 16;

// `ratio` as a fraction of 2^32.
uint64_t Scaled(Ratio ratio) {
  return (uint64_t{ratio.numerator} << 32) / ratio.denominator;
}
}  // namespace

// ---- AddressBook

absl::Status AddressBook::Bind(std::string* address, bool any_port,
                               const Owner& owner) {
  const absl::StatusOr<HostPort> parsed = ParseHostPort(*address);
  if (!parsed.ok() || (parsed->port == 0 && !any_port)) {
    return absl::InvalidArgumentError("address \"" + *address +
                                      "\": expected host:port");
  }
  if (parsed->port == 0) {
    do {
      *address = FormatHostPort(parsed->host, next_port_++);
    } while (owners_.contains(*address));
  }
  Owner& entry = owners_[*address];
  if (entry.bound) {
    return absl::UnavailableError("address " + *address + " is in use by m" +
                                  std::to_string(entry.machine.value()));
  }
  entry = owner;
  entry.bound = true;
  ++version_;
  return absl::OkStatus();
}

void AddressBook::Unbind(const std::string& address) {
  const auto found = owners_.find(address);
  if (found == owners_.end()) return;
  found->second.bound = false;
  found->second.transport = nullptr;
  found->second.listener = 0;
  ++version_;
}

const AddressBook::Owner* AddressBook::Find(const std::string& address) const {
  const auto name = names_.find(address);
  const auto found =
      owners_.find(name == names_.end() ? address : name->second);
  return found == owners_.end() ? nullptr : &found->second;
}

// ---- Network

void Network::AddMachine(NodeTransport* transport) {
  transports_.push_back(transport);
  links_.resize(transports_.size());
  for (auto& row : links_) row.resize(transports_.size());
}

bool Network::Listens(MachineId machine) const {
  return transports_[machine.value()]->started();
}

void Network::Heal(NetworkLink* link) {
  link->blocks = 0;
  link->clogged_until = SimTime::Min();
  link->extra_latency = Duration(0);
}

void Network::HealAll() {
  for (auto& row : links_) {
    for (NetworkLink& link : row) Heal(&link);
  }
}

// Without `message_key_` a message is identified by its number in its lane.
ChoiceKey Network::KeyOf(const NetworkMessage& message) {
  const uint64_t lane = uint64_t{message.from.value()} << 34 |
                        uint64_t{message.to.value()} << 2 |
                        static_cast<uint64_t>(message.lane);
  return state_->choices.Count(
      kMessage, lane,
      message_key_ == nullptr ? 0 : message_key_(message.bytes.view()));
}

Network::Fate Network::ChooseFate(const ChoiceKey& key) {
  const NetworkOptions& options = state_->network;
  const std::array<uint64_t, 5> scaled = {
      Scaled(options.loss), Scaled(options.duplicate), Scaled(options.reorder),
      Scaled(options.replay), Scaled(options.corrupt)};
  uint64_t total = 0;
  for (uint64_t part : scaled) total += part;
  if (total == 0 && !state_->choices.TapeAddsFaults()) return Fate::kDeliver;
  return static_cast<Fate>(state_->choices.Choose(
      kFate, key, 0, scaled.size(),
      [&](const Random& random, Site site, uint64_t entity, uint64_t counter) {
        uint64_t drawn = random.Bits(site, entity, counter) >> 32;
        for (size_t i = 0; i < scaled.size(); ++i) {
          if (drawn < scaled[i]) return uint64_t{i + 1};
          drawn -= scaled[i];
        }
        return uint64_t{0};
      }));
}

void Network::Send(NetworkMessage&& message) {
  NetworkLink& link = this->link(message.from, message.to);
  NetworkLink::Lane& lane = link.lanes[static_cast<size_t>(message.lane)];
  const NetworkOptions& options = state_->network;
  const ChoiceKey key = KeyOf(message);
  if (link.blocks > 0) {
    state_->faults.Count(Fault::kMessageBlocked, message.to);
    return;
  }
  // An empty lane accepts any message.
  if (lane.bytes > 0 &&
      lane.bytes + message.bytes.size() > options.lane_bytes_max) {
    state_->faults.Count(Fault::kMessageOverflow, message.to);
    return;
  }
  Duration latency = options.latency_min + link.distance + link.extra_latency;
  latency =
      latency + state_->Delay(kJitter, key, options.jitter, options.jitter_max,
                              Fault::kMessageJitter, message.to);
  latency =
      latency + state_->Delay(kSpike, key, options.spike, options.spike_max,
                              Fault::kMessageSpike, message.to);
  const SimTime departs = link.Transmit(message.departs, message.bytes.size(),
                                        options.bytes_per_second);
  SimTime arrives = std::max(departs + latency, lane.last_arrival);
  Remember(message, &link);
  const auto late = [&](Duration most) {
    return state_->choices.Between(kLate, key, Nanoseconds(1), most);
  };
  switch (ChooseFate(key)) {
    case Fate::kLose:
      state_->faults.Count(Fault::kMessageLost, message.to);
      return;
    case Fate::kDuplicate:
      state_->faults.Count(Fault::kMessageDuplicated, message.to);
      Schedule(NetworkMessage(message), arrives + late(options.reorder_max));
      break;
    case Fate::kReorder:
      state_->faults.Count(Fault::kMessageReordered, message.to);
      // This message does not keep the order of its lane.
      Schedule(std::move(message), arrives + late(options.reorder_max));
      return;
    case Fate::kReplay:
      Replay(message, &link, key);
      break;
    case Fate::kCorrupt:
      Corrupt(&message, key);
      break;
    default:
      break;
  }
  lane.last_arrival = arrives;
  Schedule(std::move(message), arrives);
}

uint64_t Network::Schedule(NetworkMessage&& message, SimTime arrives) {
  message.charged = message.bytes.size();
  link(message.from, message.to)
      .lanes[static_cast<size_t>(message.lane)]
      .bytes += message.charged;
  const uint64_t id = messages_.Add(std::move(message));
  state_->queue.Push(arrives, {kEventMessage, 0, id});
  return id;
}

void Network::Remember(const NetworkMessage& message, NetworkLink* link) {
  if (state_->network.replay.numerator == 0 &&
      !state_->choices.TapeAddsFaults()) {
    return;
  }
  if (link->old.size() < kRememberedMax) {
    link->old.push_back(message);
  } else {
    link->old[link->oldest] = message;
    link->oldest = (link->oldest + 1) % kRememberedMax;
  }
}

void Network::Replay(const NetworkMessage& message, NetworkLink* link,
                     const ChoiceKey& key) {
  const uint64_t which = state_->choices.Below(kWhichOld, key, kRememberedMax);
  if (link->old.empty()) return;
  state_->faults.Count(Fault::kMessageReplayed, message.to);
  const size_t back = std::min<size_t>(which, link->old.size() - 1);
  NetworkMessage again =
      link->old[(link->oldest + link->old.size() - 1 - back) %
                link->old.size()];
  again.departs = message.departs;
  again.again = true;
  Schedule(std::move(again),
           message.departs + state_->network.latency_min +
               state_->choices.Between(kLate, key, Nanoseconds(1),
                                       state_->network.replay_max));
}

void Network::Corrupt(NetworkMessage* message, const ChoiceKey& key) {
  if (message->bytes.empty()) return;
  state_->faults.Count(Fault::kMessageCorrupted, message->to);
  const uint64_t bit =
      state_->choices.Below(kBit, key, message->bytes.size() * 8);
  const std::string_view original = message->bytes.view();
  message->bytes = Buffer::Create(original.size(), [&](char* block) {
    std::copy(original.begin(), original.end(), block);
    block[bit / 8] = static_cast<char>(block[bit / 8] ^ (1 << (bit % 8)));
  });
}

void Network::Lose(uint64_t id, Fault fault) {
  const NetworkMessage& message = *messages_.Find(id);
  state_->faults.Count(fault, message.to);
  LeaveLane(message);
  messages_.Remove(id);
}

uint64_t Network::Duplicate(uint64_t id) {
  NetworkMessage copy = *messages_.Find(id);
  state_->faults.Count(Fault::kMessageDuplicated, copy.to);
  return Schedule(std::move(copy), state_->now);
}

void Network::MessageEvent(uint64_t id) {
  NetworkMessage* message = messages_.Find(id);
  if (message == nullptr) return;  // The message was never sent.
  NetworkLink& link = this->link(message->from, message->to);
  if (link.clogged_until > state_->now) {
    state_->queue.Push(link.clogged_until, {kEventMessage, 0, id});
    return;
  }
  LeaveLane(*message);
  if (link.blocks > 0) {
    state_->faults.Count(Fault::kMessageBlocked, message->to);
    messages_.Remove(id);
    return;
  }
  // The others may see that a machine is silent while it is down or paused.
  const TurnScheduler& sender = transports_[message->from.value()]->scheduler();
  if (message->again && (!sender.alive() || sender.paused())) {
    messages_.Remove(id);
    return;
  }
  NodeTransport* to = transports_[message->to.value()];
  if (!to->started() || !to->scheduler().alive() ||
      !Admits(to, *message, &link)) {
    messages_.Remove(id);
    return;
  }
  message->arrived = true;
  const uint64_t lane = uint64_t{message->from.value()} << 2 |
                        static_cast<uint64_t>(message->lane);
  to->scheduler().Accept(
      {TurnInputKind::kMessage, id, TurnSource(TurnSourceKind::kLane, lane)});
}

void Network::LeaveLane(const NetworkMessage& message) {
  NetworkLink::Lane& lane =
      link(message.from, message.to).lanes[static_cast<size_t>(message.lane)];
  lane.bytes -= message.charged;
  if (!lane.congested || lane.bytes > state_->network.lane_bytes_max / 4) {
    return;
  }
  lane.congested = false;
  const uint64_t id =
      uint64_t{message.to.value()} << 2 | static_cast<uint64_t>(message.lane);
  transports_[message.from.value()]->scheduler().Post(
      {TurnInputKind::kLaneReady, id, TurnSource(TurnSourceKind::kRoom, id)});
}

bool Network::Admits(NodeTransport* to, const NetworkMessage& message,
                     NetworkLink* link) {
  const env::TransportIdentity& sender = message.sender;
  const env::TransportIdentity& own = to->identity();
  using Refusal = env::HandshakeRefusal;
  Refusal refusal = Refusal::kNone;
  std::string why;
  if (sender.cluster != own.cluster) {
    refusal = Refusal::kOtherCluster;
    why = "another cluster";
  } else if (message.wanted != own.node) {
    refusal = Refusal::kOtherNode;
    why = "node " + std::to_string(own.node.value()) + " answers where node " +
          std::to_string(message.wanted.value()) + " is expected";
  } else if (!to->Knows(sender.node)) {
    refusal = Refusal::kUnknownNode;
    why = "no peer";
  } else if (sender.version_min > own.version_max ||
             own.version_min > sender.version_max) {
    refusal = Refusal::kNoCommonVersion;
    why = "no common version";
  } else if (sender.bootstrap_checksum != own.bootstrap_checksum) {
    refusal = Refusal::kOtherBootstrap;
    why = "another bootstrap record";
  } else {
    link->handshakes[message.wanted] = {
        .open = true,
        .version = std::min(sender.version_max, own.version_max),
        .store = own.incarnation};
    return true;
  }
  link->handshakes[message.wanted] = {.refusal = refusal};
  if (link->refused_version != addresses_.version()) {
    link->refused_version = addresses_.version();
    const std::string text = "transport: link from node " +
                             std::to_string(sender.node.value()) +
                             " refused: " + why;
    to->Log(text);
    transports_[message.from.value()]->Log(text);
  }
  return false;
}

void Network::MachineDied(MachineId machine, SimTime death) {
  for (uint32_t i = 0; i < links_.size(); ++i) {
    link(machine, MachineId(i)).handshakes.clear();
    link(MachineId(i), machine).handshakes.clear();
  }
  for (uint64_t id : messages_.Ids()) {
    const NetworkMessage& message = *messages_.Find(id);
    const bool unsent =
        message.from == machine && !message.arrived && message.departs > death;
    const bool undelivered = message.to == machine && message.arrived;
    if (unsent) LeaveLane(message);
    if (unsent || undelivered) messages_.Remove(id);
  }
}

}  // namespace quorate::sim
