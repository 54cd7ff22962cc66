#include "node/peers/peer_links.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/status/statusor.h"
#include "env/check.h"
#include "node/base/text.h"
#include "node/peers/peer_message.h"

namespace quorate::node {

PeerLinks::PeerLinks(env::Env& env, const Config& config, ClusterMap& cluster,
                     TurnWork& work)
    : env_(env),
      config_(config),
      cluster_(cluster),
      work_(work),
      life_(env.random.Bits("node.peer_links", config.node.value(), 0) | 1) {
  OnMapChanged();
}

void PeerLinks::OnMapChanged() {
  for (auto& [node, peer] : peers_) {
    const bool gone = cluster_.FindNode(node) == nullptr;
    if (std::exchange(peer.gone, gone) || !gone) continue;
    peer.answers->OnLaneClosed();
    peer.link->OnLaneClosed();
  }
  for (const NodeConfig& node : cluster_.nodes()) {
    if (node.id != config_.node && !peers_.contains(node.id)) AddPeer(node.id);
  }
}

void PeerLinks::AddPeer(NodeId node) {
  const PeerLinkOptions options = {
      .link = {.cluster = config_.cluster, .from = config_.node, .to = node},
      .life = life_,
      .timeout = config_.timeouts.proxy,
      .open_timeout = std::min(config_.timeouts.proxy,
                               config_.host.core.election_timeout_max),
      .bytes_max = config_.bounds.peer_bytes};
  Peer& peer = peers_[node];
  peer.way = options.link;
  peer.link =
      std::make_unique<PeerLink>(env_, options, work_, counters_, [this] {
        if (on_room_) on_room_();
      });
  peer.answers =
      std::make_unique<PeerAnswers>(env_, options, counters_, handler_);
}

void PeerLinks::Start(PeerAnswers::Handler handler,
                      absl::AnyInvocable<void()> on_room,
                      StatusObserver* status) {
  handler_ = std::move(handler);
  on_room_ = std::move(on_room);
  status_ = status;
}

PeerLinks::Peer& PeerLinks::PeerOf(NodeId node) {
  const auto found = peers_.find(node);
  CHECK(found != peers_.end()) << "node " << node;
  return found->second;
}

void PeerLinks::AskStatus(NodeId node) {
  SendStatus(node, PeerOf(node), StatusMessage::Kind::kAsks);
}

void PeerLinks::TellStatus(NodeId node) {
  Peer& peer = PeerOf(node);
  peer.tells = !peer.waiting;
  SendStatus(node, peer, StatusMessage::Kind::kAsks);
}

void PeerLinks::TellGivesAway(bool gives_away) {
  gives_away_ = gives_away;
  for (const auto& [node, peer] : peers_) {
    if (!peer.gone) AskStatus(node);
  }
}

bool PeerLinks::GivesAway(NodeId node) const {
  const auto found = peers_.find(node);
  return found != peers_.end() && found->second.gives_away;
}

bool PeerLinks::TakeAsked(NodeId node) {
  return std::exchange(PeerOf(node).asked, false);
}

void PeerLinks::SendStatus(NodeId to, Peer& peer, StatusMessage::Kind kind) {
  const NodeReport& known = status_->Known(to);
  StatusMessage message = {.kind = kind,
                           .query = {.id = {life_, ++peer.status_asked},
                                     .start = known.start,
                                     .changes = known.changes},
                           .own = own_,
                           .gives_away = gives_away_};
  if (peer.waiting) {
    message.answer = {peer.waiting->id,
                      status_->Report(to, peer.store, *peer.waiting)};
    peer.waiting.reset();
  }
  env_.transport.Send(to, env::Lane::kControl, EncodeStatus(peer.way, message));
}

void PeerLinks::OnStatus(NodeId from, StoreIncarnation store, Peer& peer,
                         const StatusMessage& message) {
  // The handshake proved who sent it.
  if (message.own.node == from && message.own.store == store) {
    cluster_.LearnFromItself(message.own);
  }
  if (message.answer) OnStatusAnswer(from, store, peer, *message.answer);
  // A copy may come after later queries.
  const PeerRequestId& id = message.query.id;
  if (!peer.waiting || peer.waiting->id.asker != id.asker ||
      peer.waiting->id.number < id.number) {
    peer.waiting = message.query;
    peer.store = store;
    peer.gives_away = message.gives_away;
  }
  const bool asks = message.kind == StatusMessage::Kind::kAsks;
  peer.asked |= asks;
  if (std::exchange(peer.tells, false) || asks) {
    SendStatus(from, peer, StatusMessage::Kind::kAnswers);
  }
}

void PeerLinks::OnStatusAnswer(NodeId from, StoreIncarnation store, Peer& peer,
                               const StatusAnswer& answer) {
  // Copies, and answers to queries before the last one with an answer.
  if (answer.id.asker != life_ || answer.id.number <= peer.status_taken ||
      answer.id.number > peer.status_asked) {
    return;
  }
  peer.status_taken = answer.id.number;
  if (env_.buggify.Fire("node.status_answer_lost")) return;
  status_->OnReport(from, store, answer.report);
}

PeerLink& PeerLinks::To(NodeId node) { return *PeerOf(node).link; }

size_t PeerLinks::held_bytes() const {
  size_t bytes = 0;
  for (const auto& [node, peer] : peers_) {
    bytes += peer.link->asked_bytes() + peer.answers->held_bytes();
  }
  return bytes;
}

// A node that refuses this one takes no answers.
bool PeerLinks::idle() const {
  return std::all_of(peers_.begin(), peers_.end(), [this](const auto& entry) {
    const auto& [node, peer] = entry;
    const bool takes_answers =
        !peer.gone &&
        env_.transport.link(node).refusal == env::HandshakeRefusal::kNone;
    return !peer.link->awaits_results() &&
           (!takes_answers || peer.answers->idle());
  });
}

void PeerLinks::OnMessage(NodeId from, StoreIncarnation store, Buffer bytes) {
  const auto peer = peers_.find(from);
  if (peer == peers_.end() || peer->second.gone || !handler_) return;
  absl::StatusOr<PeerMessage> message = DecodePeerMessage(
      {.cluster = config_.cluster, .from = from, .to = config_.node}, bytes);
  if (!message.ok()) {
    ++counters_.malformed;
    env_.tracer.Sometimes("node.bad_peer_message");
    if (!std::exchange(malformed_logged_, true)) {
      env_.tracer.Log(env::Severity::kWarning,
                      Concat("dropped an invalid message of node ", from, ": ",
                             Message(message.status())));
    }
    return;
  }
  if (auto* request = std::get_if<PeerRequestMessage>(&*message)) {
    peer->second.answers->OnRequest(std::move(*request));
  } else if (auto* piece = std::get_if<PeerAnswerPiece>(&*message)) {
    peer->second.link->OnAnswer(*piece);
  } else {
    OnStatus(from, store, peer->second, std::get<StatusMessage>(*message));
  }
}

void PeerLinks::OnLaneHasRoom(NodeId to, env::Lane lane) {
  const auto peer = peers_.find(to);
  if (peer == peers_.end() || lane != env::Lane::kRequests) return;
  peer->second.answers->SendWaiting();
  peer->second.link->OnLaneReady();
}

void PeerLinks::OnLaneOpened(NodeId to, env::Lane lane) {
  OnLaneHasRoom(to, lane);
  if (lane == env::Lane::kControl && status_ != nullptr &&
      peers_.contains(to)) {
    status_->OnLinkOpened(to);
  }
}

void PeerLinks::OnLaneClosed(NodeId to, env::Lane lane) {
  const auto peer = peers_.find(to);
  if (peer == peers_.end() || lane != env::Lane::kRequests) return;
  peer->second.answers->OnLaneClosed();
  peer->second.link->OnLaneClosed();
}

}  // namespace quorate::node
