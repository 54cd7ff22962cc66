#include "sim/network/node_transport.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"

namespace quorate::sim {

NodeTransport::NodeTransport(TurnScheduler* scheduler, Network* network,
                             env::Tracer* tracer)
    : scheduler_(scheduler), network_(network), tracer_(tracer) {
  network_->AddMachine(this);
}

absl::Status NodeTransport::Start(const env::TransportIdentity& identity,
                                  const std::string& listen_address,
                                  std::vector<env::PeerAddress> peers,
                                  Receiver* receiver) {
  if (!scheduler_->BeginCall())
    return absl::UnavailableError("the machine is off");
  CHECK(receiver != nullptr);
  CHECK(receiver_ == nullptr && !stopped_) << "Start is called once";
  std::string address = listen_address;
  const absl::Status bound = network_->addresses().Bind(
      &address, false, {scheduler_->id(), this, 0, true});
  if (!bound.ok()) return bound;
  identity_ = identity;
  address_ = address;
  TakePeers(std::move(peers));
  receiver_ = receiver;
  return absl::OkStatus();
}

void NodeTransport::SetPeers(std::vector<env::PeerAddress> peers) {
  if (receiver_ == nullptr || !scheduler_->BeginCall()) return;
  const std::vector<Peer> before = peers_;
  TakePeers(std::move(peers));
  // A new peer may have been one earlier, with a lane that lacked room.
  for (const Peer& peer : peers_) {
    if (std::any_of(before.begin(), before.end(),
                    [&](const Peer& old) { return old.node == peer.node; })) {
      continue;
    }
    const MachineId machine = FindPeer(peer.node)->machine;
    if (machine == MachineId()) continue;
    for (uint64_t lane = 0; lane < env::kLanes; ++lane) {
      network_->link(scheduler_->id(), machine).lanes[lane].congested = false;
      const uint64_t id = uint64_t{machine.value()} << 2 | lane;
      scheduler_->Post({TurnInputKind::kLaneReady, id,
                        TurnSource(TurnSourceKind::kRoom, id)});
    }
  }
}

void NodeTransport::TakePeers(std::vector<env::PeerAddress> peers) {
  peers_.clear();
  for (env::PeerAddress& peer : peers) {
    peers_.push_back({peer.node, std::move(peer.address), MachineId(), 0});
  }
  std::stable_sort(
      peers_.begin(), peers_.end(),
      [](const Peer& a, const Peer& b) { return a.node < b.node; });
}

bool NodeTransport::Knows(NodeId node) const {
  return std::any_of(peers_.begin(), peers_.end(),
                     [&](const Peer& peer) { return peer.node == node; });
}

void NodeTransport::Stop() {
  // A program that a crash destroys stops a transport that is dead already.
  if (!scheduler_->alive()) return;
  stopped_ = true;
  Detach();
}

void NodeTransport::Detach() {
  if (receiver_ == nullptr) return;
  receiver_ = nullptr;
  network_->addresses().Unbind(address_);
}

void NodeTransport::Die() {
  Detach();
  stopped_ = false;
  network_->MachineDied(scheduler_->id(), scheduler_->death_time());
}

NodeTransport::Peer* NodeTransport::FindPeer(NodeId node) const {
  for (Peer& peer : peers_) {
    if (peer.node != node) continue;
    const AddressBook& addresses = network_->addresses();
    if (peer.version != addresses.version()) {
      peer.version = addresses.version();
      const AddressBook::Owner* owner = addresses.Find(peer.address);
      // A machine that is down will listen there again, unless it has moved.
      const bool moved = owner != nullptr && !owner->bound &&
                         network_->Listens(owner->machine);
      peer.machine = owner == nullptr || moved ? MachineId() : owner->machine;
    }
    return &peer;
  }
  return nullptr;
}

void NodeTransport::Send(NodeId to, env::Lane lane,
                         absl::Span<const Buffer> pieces) {
  size_t size = 0;
  for (const Buffer& piece : pieces) size += piece.size();
  CHECK_LE(size, env::kMessageBytesMax);
  if (receiver_ == nullptr || !scheduler_->BeginCall()) return;
  scheduler_->Work(size);
  const Peer* peer = FindPeer(to);
  if (peer == nullptr || peer->machine == MachineId()) return;
  NetworkMessage message;
  message.from = scheduler_->id();
  message.to = peer->machine;
  message.lane = lane;
  message.sender = identity_;
  message.wanted = to;
  message.departs = scheduler_->effect_time();
  if (pieces.size() == 1) {
    message.bytes = pieces[0];
  } else {
    message.bytes = Buffer::Create(size, [&](char* block) {
      for (const Buffer& piece : pieces) {
        if (!piece.empty()) std::memcpy(block, piece.data(), piece.size());
        block += piece.size();
      }
    });
  }
  network_->Send(std::move(message));
}

bool NodeTransport::Congested(NodeId to, env::Lane lane) const {
  const Peer* peer = FindPeer(to);
  if (peer == nullptr || peer->machine == MachineId()) return false;
  NetworkLink::Lane& way = network_->link(scheduler_->id(), peer->machine)
                               .lanes[static_cast<size_t>(lane)];
  way.congested |= way.bytes > scheduler_->state().network.lane_bytes_max / 2;
  return way.congested;
}

env::LinkState NodeTransport::link(NodeId peer) const {
  const Peer* known = FindPeer(peer);
  if (known == nullptr || known->machine == MachineId()) return {};
  const auto& handshakes =
      network_->link(scheduler_->id(), known->machine).handshakes;
  const auto found = handshakes.find(peer);
  return found == handshakes.end() ? env::LinkState() : found->second;
}

void NodeTransport::RunLaneReady(uint64_t id) {
  SimState& state = scheduler_->state();
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kLaneReady, id);
  const MachineId machine(static_cast<uint32_t>(id >> 2));
  const auto lane = static_cast<env::Lane>(id & 3);
  if (state.hash.keeps_records()) {
    state.hash.Detail(absl::StrCat("lane ", id & 3, " to m", machine.value()));
  }
  for (size_t i = 0; i < peers_.size() && receiver_ != nullptr; ++i) {
    const NodeId node = peers_[i].node;
    if (FindPeer(node)->machine == machine)
      receiver_->OnLaneHasRoom(node, lane);
  }
}

void NodeTransport::RunInput(uint64_t id) {
  NetworkMessage message = network_->Take(id);
  // A peer that was removed since the message arrived is no peer.
  if (receiver_ == nullptr || !Knows(message.sender.node)) return;
  SimState& state = scheduler_->state();
  state.hash.Add(state.now, scheduler_->id(), TraceKind::kMessage,
                 Mix64(uint64_t{message.from.value()} << 2 |
                       static_cast<uint64_t>(message.lane)) ^
                     state.hash.Of(message.bytes.view()));
  if (state.hash.keeps_records()) {
    state.hash.Detail(absl::StrCat("from m", message.from.value(), ", ",
                                   message.bytes.size(), " bytes ",
                                   network_->Describe(message.bytes.view())));
  }
  receiver_->OnMessage(message.sender.node, message.sender.incarnation,
                       std::move(message.bytes));
}

}  // namespace quorate::sim
