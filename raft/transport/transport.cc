#include "raft/transport/transport.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "env/check.h"
#include "env/little_endian.h"

namespace quorate::raft {

using env::Lane;
using env::Severity;

namespace {

constexpr Site kRedialSite = "net.transport.redial";
// A short link is given up instead of sending this message.
constexpr uint64_t kShortLinkMessages = 8;

const char* LaneName(Lane lane) {
  switch (lane) {
    case Lane::kControl:
      return "control";
    case Lane::kBulk:
      return "bulk";
    case Lane::kRequests:
      return "requests";
  }
  return "";
}

}  // namespace

// The connection that this node dials to one peer for one lane, repeatedly. It
// sends messages and receives only the HelloReply.
class StreamTransport::Outgoing final : env::Connection::Observer {
 public:
  Outgoing(StreamTransport& transport, const env::PeerAddress& peer, Lane lane)
      : transport_(transport),
        peer_(peer),
        lane_(lane),
        queue_bytes_max_(transport.options_.queue_bytes(lane)),
        pause_(transport.options_.redial_min) {}

  // Does nothing for a peer whose address is not known yet. SetPeers names it
  // later.
  void Dial() {
    if (peer_.address.empty()) return;
    dialled_at_ = transport_.loop_.ReadClock().mono;
    timer_ = transport_.loop_.At(*dialled_at_ + transport_.options_.dial_max,
                                 [this] {
                                   dialling_.Cancel();
                                   Disconnect("no answer to the dial");
                                 });
    dialling_ = transport_.streams_.Connect(
        peer_.address,
        [this](absl::StatusOr<std::unique_ptr<env::Connection>> connection) {
          OnConnected(std::move(connection));
        });
  }

  // The peer is reachable: dial without waiting for the end of the pause. A
  // dial that hangs was lost on its way, and is repeated at once, too. A
  // handshake that hangs is repeated once for each start of the peer, whose
  // earlier program may have had the connection. A pause after a refusal ends
  // only if the peer's configuration may be another one. `start`: from the
  // peer's Hello.
  void RedialNow(env::StoreStart start) {
    if (peer_.address.empty()) return;
    const bool started_again = std::exchange(admitted_start_, start) != start;
    // A node that dials this node has it in its configuration now.
    const bool may_accept = state_.refusal == HandshakeRefusal::kNone ||
                            state_.refusal == HandshakeRefusal::kUnknownNode ||
                            started_again;
    if (waiting_ && !may_accept) return;
    const bool may_hang = connection_ == nullptr || started_again;
    const bool hangs = may_hang && dialled_at_.has_value() &&
                       transport_.loop_.ReadClock().mono - *dialled_at_ >
                           transport_.options_.redial_min;
    if (!waiting_ && !hangs) {
      if (started_again && !open_) ExpectAnswerSoon();
      return;
    }
    waiting_ = false;
    connection_.reset();
    reply_.clear();
    pause_ = transport_.options_.redial_min;
    Dial();
  }

  // The dial has just begun. It may have gone to the earlier program.
  void ExpectAnswerSoon() {
    timer_ = transport_.loop_.At(
        transport_.loop_.ReadClock().mono + transport_.options_.redial_min,
        [this] {
          dialling_.Cancel();
          Disconnect("no answer, and the node was started again");
        });
  }

  // The peer runs since this start. A connection to another one is replaced in
  // the next turn.
  void OnStartKnown(env::StoreStart start) {
    if (!open_ || peer_start_ == start) return;
    lost_ = true;
    timer_ = transport_.loop_.At(transport_.loop_.ReadClock().mono, [this] {
      Disconnect("the node was started again");
    });
  }

  void Send(absl::Span<const Buffer> pieces, size_t size) {
    if (!open_) return;
    if (++messages_ == kShortLinkMessages &&
        transport_.Fires("net.transport.link_is_short")) {
      return Disconnect("the link was given up");
    }
    const size_t unsent = connection_->unsent_bytes();
    if ((unsent >= queue_bytes_max_ / 2 && unsent > 0 &&
         unsent + kFrameHeaderBytes + size > queue_bytes_max_) ||
        (lane_ == Lane::kBulk &&
         transport_.Fires("net.transport.bulk_message_dropped"))) {
      transport_.tracer_.Sometimes("net.transport.queue_full");
      return;
    }
    connection_->Write(Buffer::Create(kFrameHeaderBytes, [&](char* out) {
      StoreFixed(out, static_cast<uint32_t>(size));
    }));
    for (const Buffer& piece : pieces) connection_->Write(piece);
    ++sends_;
  }

  const env::LinkState& state() const { return state_; }
  const std::string& address() const { return peer_.address; }
  bool Congested() {
    if (!open_) return true;
    if (!congested_ && connection_->unsent_bytes() >= queue_bytes_max_ / 2) {
      congested_ = true;
      transport_.tracer_.Sometimes("net.transport.lane_full");
      CheckRoomInNextTurn();
    }
    return congested_;
  }

 private:
  // OnDrained concerns only bytes that a turn left unsent. Nothing else would
  // report that all bytes left at the end of the turn that wrote them.
  void CheckRoomInNextTurn() {
    room_check_ =
        transport_.loop_.At(transport_.loop_.ReadClock().mono,
                            [this, sends = sends_] { CheckRoom(sends); });
  }
  // `sends` had been written when the check was set.
  void CheckRoom(uint64_t sends) {
    if (connection_->unsent_bytes() == 0) return OnDrained();
    // Bytes of this turn may hide that the last one left none.
    if (sends != sends_) CheckRoomInNextTurn();
  }

  void OnConnected(absl::StatusOr<std::unique_ptr<env::Connection>> connected) {
    if (!connected.ok()) {
      Disconnect(std::string(connected.status().message()));
      return;
    }
    connection_ = *std::move(connected);
    connection_->SetObserver(this);
    connection_->Write(Buffer::Copy(EncodeHello(MakeHello())));
    timer_ = transport_.loop_.At(
        transport_.loop_.ReadClock().mono + transport_.options_.handshake_max,
        [this] { Disconnect("no answer to the handshake"); });
  }

  Hello MakeHello() const {
    return {.from = transport_.identity_, .to = peer_.node, .lane = lane_};
  }

  void OnBytes(std::string_view bytes) override {
    if (open_ || reply_.size() + bytes.size() > kHelloReplyBytesMax) {
      Disconnect("it sent what no node sends");
      return;
    }
    reply_.append(bytes);
    if (reply_.size() < HelloReplySize(reply_)) return;
    const absl::StatusOr<HelloReply> reply = DecodeHelloReply(reply_);
    if (!reply.ok()) {
      Disconnect(std::string(reply.status().message()));
      return;
    }
    HelloReply checked = *reply;
    // The answering node may accept what this node does not.
    checked.refusal = CheckReply(transport_.identity_, peer_.node,
                                 connection_->identity(), *reply);
    if (checked.refusal != HandshakeRefusal::kNone) {
      if (transport_.seen_.Believes(peer_.node, checked)) {
        transport_.receiver_->OnConflict(
            checked.refusal,
            DescribeRefusal(transport_.identity_, MakeHello(), checked));
      }
      return Refuse(MakeHello(), checked);
    }
    const Hello theirs = {.from = {.node = peer_.node, .start = checked.start},
                          .to = transport_.identity_.node};
    if (transport_.seen_.IsGivenUp(peer_.node, checked.incarnation)) {
      return Refuse(theirs, {.refusal = HandshakeRefusal::kOtherStore});
    }
    if (!transport_.TakeStart(peer_.node, {checked.incarnation, checked.start},
                              checked.earlier)) {
      late_ = true;
      return Refuse(theirs,
                    {.refusal = HandshakeRefusal::kEarlierStart,
                     .seen_number = transport_.seen_.NumberOf(peer_.node)});
    }
    dialled_at_.reset();
    open_ = true;
    peer_start_ = checked.start;
    state_ = {
        .open = true, .version = checked.version, .store = checked.incarnation};
    opened_at_ = transport_.loop_.ReadClock().mono;
    congested_ = false;
    messages_ = 0;
    timer_ = env::Pending();
    pause_ = transport_.options_.redial_min;
    last_logged_.clear();
    Log(Severity::kInfo, "connected");
    transport_.OnStartKnown(peer_.node, checked.start);
    // The receiver may stop the transport, which destroys this object.
    transport_.receiver_->OnLaneOpened(peer_.node, lane_);
  }

  // Gives the connection up: `reply` refuses `hello`.
  void Refuse(const Hello& hello, const HelloReply& reply) {
    refusal_ = reply.refusal;
    Disconnect("refused: " +
               DescribeRefusal(transport_.identity_, hello, reply));
  }

  void OnEnd() override { Disconnect("it closed the connection"); }
  void OnClosed(absl::Status reason) override {
    Disconnect(std::string(reason.message()));
  }
  void OnDrained() override {
    room_check_ = env::Pending();
    if (!std::exchange(congested_, false)) return;
    transport_.receiver_->OnLaneHasRoom(peer_.node, lane_);
  }

  // Closes the connection, logs the reason if it is a new one, and dials again
  // after a pause. A connection that worked for long is replaced at once: it
  // may have been lost long ago, while nothing was sent.
  void Disconnect(const std::string& why) {
    connection_.reset();
    dialled_at_.reset();
    room_check_ = env::Pending();
    const bool was_open = std::exchange(open_, false);
    state_ = {.refusal = std::exchange(refusal_, HandshakeRefusal::kNone)};
    const bool refused = state_.refusal != HandshakeRefusal::kNone;
    reply_.clear();
    if (why != last_logged_) {
      Log(refused ? Severity::kError : Severity::kInfo, why);
    }
    last_logged_ = why;
    Duration pause = pause_;
    if (refused && !std::exchange(late_, false)) {
      pause = transport_.options_.redial_refused;
    } else {
      pause_ = std::min(pause_ * 2, transport_.options_.redial_max);
    }
    pause = transport_.random_.Between(
        pause / 2, pause, kRedialSite,
        uint64_t{peer_.node.value()} * 2 + static_cast<uint64_t>(lane_),
        redials_++);
    const MonoTime now = transport_.loop_.ReadClock().mono;
    if (std::exchange(lost_, false) ||
        (was_open && now - opened_at_ >= transport_.options_.redial_max)) {
      pause = Duration();
    }
    waiting_ = true;
    timer_ = transport_.loop_.At(now + pause, [this] {
      waiting_ = false;
      Dial();
    });
    if (was_open) transport_.receiver_->OnLaneClosed(peer_.node, lane_);
  }

  void Log(Severity severity, const std::string& what) {
    // All lanes have the same errors, so only the control lane logs them.
    if (lane_ != Lane::kControl) severity = Severity::kDebug;
    if (!transport_.tracer_.Logs(severity)) return;
    transport_.tracer_.Log(
        severity,
        absl::StrCat("transport: node ", peer_.node.value(), " at ",
                     peer_.address, " (", LaneName(lane_), "): ", what));
  }

  StreamTransport& transport_;
  const env::PeerAddress peer_;
  const Lane lane_;
  const size_t queue_bytes_max_;
  Duration pause_;
  uint64_t redials_ = 0;
  // Since the link opened.
  uint64_t messages_ = 0;
  bool waiting_ = false;
  // Set while a dial or its handshake is under way.
  std::optional<MonoTime> dialled_at_;
  // The start in the last Hello that this node admitted from the peer, in this
  // lane.
  std::optional<env::StoreStart> admitted_start_;
  // Set while the connection of a refused handshake is closed.
  HandshakeRefusal refusal_ = HandshakeRefusal::kNone;
  // The answer may be one that the peer sent before it was started again.
  bool late_ = false;
  bool open_ = false;
  env::LinkState state_;
  env::StoreStart peer_start_;  // The program at the other end.
  bool lost_ = false;           // The other end does not run any more.
  MonoTime opened_at_;          // The last time.
  bool congested_ = false;      // The receiver was told so, and waits.
  uint64_t sends_ = 0;          // Messages written to a connection.
  env::Pending room_check_;
  std::string reply_;
  std::string last_logged_;
  env::Pending dialling_;
  env::Pending timer_;
  std::unique_ptr<env::Connection> connection_;
};

struct StreamTransport::Peer {
  std::array<std::unique_ptr<Outgoing>, env::kLanes> outgoing;
  // The connections that the peer dialled, by lane. Owned by incoming_.
  std::array<Incoming*, env::kLanes> incoming = {};

  Outgoing& lane(Lane lane) { return *outgoing[static_cast<size_t>(lane)]; }
};

// An accepted connection: first it waits for the Hello, then it receives
// messages.
class StreamTransport::Incoming final : env::Connection::Observer {
 public:
  Incoming(StreamTransport& transport,
           std::unique_ptr<env::Connection> connection)
      : transport_(transport), connection_(std::move(connection)) {
    connection_->SetObserver(this);
    timer_ = transport_.loop_.At(
        transport_.loop_.ReadClock().mono + transport_.options_.handshake_max,
        [this] { transport_.Remove(this); });
  }

  bool handshake_pending() const { return !admitted_; }
  NodeId node() const { return hello_.from.node; }
  Lane lane() const { return hello_.lane; }
  StoreIncarnation incarnation() const { return hello_.from.incarnation; }
  // The time of the last bytes.
  MonoTime heard() const { return heard_; }
  std::string peer_address() const { return connection_->peer_address(); }
  env::StreamIdentity identity() const { return connection_->identity(); }

 private:
  void OnBytes(std::string_view bytes) override {
    if (ended_) return;
    heard_ = transport_.loop_.ReadClock().mono;
    if (!admitted_ && !asks_ && !ReadHello(bytes)) return;
    // The receiver may stop the transport, which destroys this object.
    Destruction::Watch watch(&destruction_);
    while (!bytes.empty() && TakeMessage(bytes)) {
      if (missing_ > 0) continue;
      if (asks_) return AnswerAdmission();
      transport_.receiver_->OnMessage(hello_.from.node, hello_.from.incarnation,
                                      std::move(message_));
      if (watch.destroyed()) return;
      message_ = Buffer();
      header_size_ = 0;
    }
    if (broken_) transport_.Remove(this);
  }

  // Moves bytes of the Hello from `bytes`. Returns true once the Hello is
  // complete and admitted.
  bool ReadHello(std::string_view& bytes) {
    while (hello_bytes_.size() < HelloSize(hello_bytes_)) {
      if (bytes.empty()) return false;
      const size_t wanted =
          std::min(HelloSize(hello_bytes_) - hello_bytes_.size(), bytes.size());
      hello_bytes_.append(bytes.substr(0, wanted));
      bytes.remove_prefix(wanted);
    }
    const absl::StatusOr<Hello> hello = DecodeHello(hello_bytes_);
    if (!hello.ok()) {
      transport_.tracer_.Log(
          Severity::kDebug,
          absl::StrCat("transport: ", connection_->peer_address(), ": ",
                       std::string(hello.status().message())));
      transport_.Remove(this);
      return false;
    }
    hello_ = *hello;
    const HelloReply reply = transport_.Admit(this, hello_);
    connection_->Write(Buffer::Copy(EncodeHelloReply(reply)));
    if (reply.refusal != HandshakeRefusal::kNone) {
      End();
      return false;
    }
    if (AsksForAdmission(hello_)) {
      asks_ = true;  // The timer goes on until the answer has left.
      return true;
    }
    admitted_ = true;
    timer_ = env::Pending();
    return true;
  }

  // The timer or the peer closes the connection.
  void End() {
    ended_ = true;
    connection_->End();
  }

  void AnswerAdmission() {
    Destruction::Watch watch(&destruction_);
    const Buffer answer = transport_.receiver_->OnAdmissionRequest(
        hello_.from.node, hello_.from.incarnation, std::move(message_));
    if (watch.destroyed()) return;
    if (answer.empty()) return transport_.Remove(this);
    CHECK_LE(answer.size(), env::kAdmissionAnswerBytesMax);
    connection_->Write(Buffer::Create(kFrameHeaderBytes, [&](char* out) {
      StoreFixed(out, static_cast<uint32_t>(answer.size()));
    }));
    connection_->Write(answer);
    End();
  }

  // Moves bytes from `bytes` into the current message. Returns false if the
  // peer breaks the protocol.
  bool TakeMessage(std::string_view& bytes) {
    if (header_size_ < kFrameHeaderBytes) {
      const size_t n = std::min(kFrameHeaderBytes - header_size_, bytes.size());
      std::memcpy(header_ + header_size_, bytes.data(), n);
      header_size_ += n;
      bytes.remove_prefix(n);
      missing_ = 1;  // Not known yet.
      if (header_size_ < kFrameHeaderBytes) return true;
      const size_t size = LoadFixed<uint32_t>(header_);
      if (size > (asks_ ? env::kAdmissionBytesMax : env::kMessageBytesMax)) {
        transport_.tracer_.Log(
            Severity::kError,
            absl::StrCat("transport: node ", hello_.from.node.value(),
                         " announced a message of ", size,
                         " bytes: closing its connection"));
        broken_ = true;
        return false;
      }
      missing_ = size;
      if (size > 0) {
        message_ = Buffer::Create(size, [&](char* out) { fill_ = out; });
      }
    }
    const size_t n = std::min(missing_, bytes.size());
    if (n > 0) std::memcpy(fill_, bytes.data(), n);
    fill_ += n;
    missing_ -= n;
    bytes.remove_prefix(n);
    return true;
  }

  void OnEnd() override { transport_.Remove(this); }
  void OnClosed(absl::Status) override { transport_.Remove(this); }
  void OnDrained() override {}

  StreamTransport& transport_;
  const std::unique_ptr<env::Connection> connection_;
  env::Pending timer_;
  std::string hello_bytes_;
  Hello hello_;
  bool admitted_ = false;
  bool asks_ = false;   // A store that is in no cluster asks for admission.
  bool ended_ = false;  // Refused or answered: nothing more is read.
  bool broken_ = false;
  MonoTime heard_;
  Destruction destruction_;

  // The message being received. It is filled in place, since no other object
  // refers to it yet.
  char header_[kFrameHeaderBytes] = {};
  size_t header_size_ = 0;
  Buffer message_;
  char* fill_ = nullptr;
  size_t missing_ = 0;
};

StreamTransport::StreamTransport(env::Loop& loop, env::Streams& streams,
                                 env::Tracer& tracer, Random random,
                                 const TransportOptions& options)
    : loop_(loop),
      streams_(streams),
      tracer_(tracer),
      random_(random),
      options_(options) {}

StreamTransport::~StreamTransport() = default;

absl::Status StreamTransport::Start(const env::TransportIdentity& identity,
                                    const std::string& listen_address,
                                    std::vector<env::PeerAddress> peers,
                                    Receiver* receiver) {
  CHECK(receiver_ == nullptr) << "Start is called once";
  absl::StatusOr<std::unique_ptr<env::Listener>> listener = streams_.Listen(
      listen_address, [this](std::unique_ptr<env::Connection> connection) {
        Accept(std::move(connection));
      });
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  identity_ = identity;
  receiver_ = receiver;
  SetPeers(std::move(peers));
  return absl::OkStatus();
}

void StreamTransport::SetPeers(std::vector<env::PeerAddress> peers) {
  CHECK(receiver_ != nullptr) << "SetPeers before Start";
  if (listener_ == nullptr) return;
  std::map<NodeId, env::PeerAddress> wanted;
  for (env::PeerAddress& peer : peers) {
    CHECK(peer.node != identity_.node) << "a node is no peer of itself";
    const NodeId node = peer.node;
    CHECK(wanted.emplace(node, std::move(peer)).second)
        << "node " << node << " named twice";
  }
  std::vector<NodeId> gone;
  for (const auto& [node, peer] : peers_) {
    if (!wanted.contains(node)) gone.push_back(node);
  }
  std::vector<LaneOfPeer> closed;
  for (const NodeId node : gone) RemovePeer(node, &closed);
  for (const auto& [node, to] : wanted) {
    std::unique_ptr<Peer>& peer = peers_[node];
    if (peer == nullptr) {
      peer = std::make_unique<Peer>();
      seen_.Recall(node, to.seen);
      seen_.SetGivenUp(node, to.given_up);
    } else {
      seen_.SetGivenUp(node, to.given_up);
      RemoveGivenUp(node, *peer);
      const Outgoing& control = peer->lane(Lane::kControl);
      if (control.address() == to.address &&
          !seen_.IsGivenUp(node, control.state().store)) {
        continue;
      }
      AppendOpenLanes(node, *peer, &closed);
    }
    Dial(*peer, to);
  }
  TellClosed(closed);
}

void StreamTransport::Dial(Peer& peer, const env::PeerAddress& to) {
  for (size_t lane = 0; lane < env::kLanes; ++lane) {
    peer.outgoing[lane] =
        std::make_unique<Outgoing>(*this, to, static_cast<Lane>(lane));
    peer.outgoing[lane]->Dial();
  }
}

void StreamTransport::AppendOpenLanes(NodeId node, const Peer& peer,
                                      std::vector<LaneOfPeer>* lanes) {
  for (size_t lane = 0; lane < env::kLanes; ++lane) {
    if (peer.outgoing[lane]->state().open) {
      lanes->emplace_back(node, static_cast<Lane>(lane));
    }
  }
}

void StreamTransport::RemovePeer(NodeId node, std::vector<LaneOfPeer>* closed) {
  const auto found = peers_.find(node);
  const std::unique_ptr<Peer> removed = std::move(found->second);
  peers_.erase(found);
  seen_.Forget(node);
  AppendOpenLanes(node, *removed, closed);
  for (Incoming* incoming : removed->incoming) {
    if (incoming != nullptr) Remove(incoming);
  }
}

void StreamTransport::RemoveGivenUp(NodeId node, const Peer& peer) {
  for (Incoming* incoming : peer.incoming) {
    if (incoming != nullptr && seen_.IsGivenUp(node, incoming->incarnation())) {
      Remove(incoming);
    }
  }
}

void StreamTransport::Stop() {
  listener_.reset();
  // Empty the tables first: the destructor of one connection may look for
  // others.
  const auto peers = std::exchange(peers_, {});
  const auto incoming = std::exchange(incoming_, {});
}

void StreamTransport::SetIdentity(const env::TransportIdentity& identity) {
  CHECK(receiver_ != nullptr) << "SetIdentity before Start";
  CHECK(identity.incarnation == identity_.incarnation);
  identity_ = identity;
  std::vector<LaneOfPeer> closed;
  for (const auto& [node, peer] : peers_) {
    AppendOpenLanes(node, *peer, &closed);
    Dial(*peer, {node, peer->lane(Lane::kControl).address()});
  }
  TellClosed(closed);
}

// The receiver may stop the transport, or destroy it.
void StreamTransport::TellClosed(const std::vector<LaneOfPeer>& closed) {
  Destruction::Watch watch(&destruction_);
  for (const auto& [node, lane] : closed) {
    if (watch.destroyed() || listener_ == nullptr) return;
    receiver_->OnLaneClosed(node, lane);
  }
}

std::string StreamTransport::listen_address() const {
  return listener_ == nullptr ? "" : listener_->address();
}

void StreamTransport::Send(NodeId to, Lane lane,
                           absl::Span<const Buffer> pieces) {
  size_t size = 0;
  for (const Buffer& piece : pieces) size += piece.size();
  CHECK_LE(size, env::kMessageBytesMax);
  const auto it = peers_.find(to);
  if (it != peers_.end()) it->second->lane(lane).Send(pieces, size);
}

bool StreamTransport::Congested(NodeId to, Lane lane) const {
  const auto it = peers_.find(to);
  return it != peers_.end() && it->second->lane(lane).Congested();
}

env::LinkState StreamTransport::link(NodeId peer) const {
  const auto it = peers_.find(peer);
  return it == peers_.end() ? env::LinkState()
                            : it->second->lane(Lane::kControl).state();
}

env::Pending StreamTransport::AskForAdmission(
    const env::TransportIdentity& self, const std::string& address,
    Buffer request, AdmissionAnswered answered) {
  CHECK_EQ(self.cluster, ClusterId());
  CHECK_LE(request.size(), env::kAdmissionBytesMax);
  const Hello hello{.from = self};
  return Call(hello, address, std::move(request), options_.handshake_max,
              [hello, address, answered = std::move(answered)](
                  absl::StatusOr<HelloCall::Answer> answer) mutable {
                answered(AdmissionIn(hello, address, std::move(answer)));
              });
}

std::optional<env::Pending> StreamTransport::Probe(
    const env::TransportIdentity& self, NodeId to, const std::string& address,
    ProbeAnswered answered) {
  const Hello hello{.from = self, .to = to};
  return Call(hello, address, Buffer(), options_.dial_max,
              [hello, address, answered = std::move(answered)](
                  absl::StatusOr<HelloCall::Answer> answer) mutable {
                answered(MayRun(hello, address, answer));
              });
}

env::Pending StreamTransport::Call(const Hello& hello,
                                   const std::string& address, Buffer request,
                                   Duration limit, HelloCall::Done done) {
  const uint64_t id = next_call_++;
  calls_[id] = std::make_unique<HelloCall>(
      loop_, streams_, hello, address, std::move(request), limit,
      [this, id, done = std::move(done)](
          absl::StatusOr<HelloCall::Answer> answer) mutable {
        calls_.erase(id);
        done(std::move(answer));
      });
  return env::Pending(this, id);
}

void StreamTransport::Accept(std::unique_ptr<env::Connection> connection) {
  if (Fires("net.transport.not_accepted")) return;
  const auto is_pending = [](const auto& incoming) {
    return incoming->handshake_pending();
  };
  const auto pending = static_cast<size_t>(
      std::count_if(incoming_.begin(), incoming_.end(), is_pending));
  // A node sends its Hello at once, so the oldest is the least likely one.
  if (pending >= options_.pending_handshakes_max) {
    Remove(std::find_if(incoming_.begin(), incoming_.end(), is_pending)->get());
  }
  incoming_.push_back(std::make_unique<Incoming>(*this, std::move(connection)));
}

HelloReply StreamTransport::Admit(Incoming* incoming, const Hello& hello) {
  const auto it = peers_.find(hello.from.node);
  HelloReply reply = MakeHelloReply(identity_, hello, it != peers_.end());
  if (!MaySpeakAs(incoming->identity(), identity_.cluster, hello.from.node)) {
    reply = {.refusal = HandshakeRefusal::kOtherCertificate};
    if (hello.lane == Lane::kControl) LogRefusal(*incoming, hello, reply);
    return reply;
  }
  if (AsksForAdmission(hello)) return reply;
  if (reply.refusal == HandshakeRefusal::kNone &&
      (seen_.IsGivenUp(hello.from.node, hello.from.incarnation) ||
       IsTaken(*it->second, hello.from.incarnation))) {
    reply.refusal = HandshakeRefusal::kOtherStore;
  } else if (reply.refusal == HandshakeRefusal::kNone &&
             !TakeStart(hello.from.node,
                        {hello.from.incarnation, hello.from.start},
                        hello.from.earlier)) {
    reply.refusal = HandshakeRefusal::kEarlierStart;
    reply.seen_number = seen_.NumberOf(hello.from.node);
  }
  if (reply.refusal != HandshakeRefusal::kNone) {
    if (reply.refusal == HandshakeRefusal::kOtherFounding &&
        hello.from.founding_checksum != 0) {
      receiver_->OnConflict(reply.refusal,
                            DescribeRefusal(identity_, hello, reply));
    }
    if (hello.lane == Lane::kControl) LogRefusal(*incoming, hello, reply);
    return reply;
  }
  const auto lane = static_cast<size_t>(hello.lane);
  for (size_t i = 0; i < env::kLanes; ++i) {
    Incoming* const before = it->second->incoming[i];
    if (before == nullptr) continue;
    if (i == lane || before->incarnation() != hello.from.incarnation) {
      Remove(before);
    }
  }
  it->second->incoming[lane] = incoming;
  // One lane is up, and the other is down.
  Incoming* const other =
      it->second->incoming[(static_cast<size_t>(hello.lane) + 1) % env::kLanes];
  if (other != nullptr && Fires("net.transport.other_lane_evicted")) {
    Remove(other);
  }
  it->second->lane(hello.lane).RedialNow(hello.from.start);
  OnStartKnown(hello.from.node, hello.from.start);
  return reply;
}

void StreamTransport::LogRefusal(const Incoming& incoming, const Hello& hello,
                                 const HelloReply& reply) {
  const std::optional<std::string> line = refusal_log_.Describe(
      loop_.ReadClock().mono, incoming.peer_address(), identity_, hello, reply);
  if (line.has_value()) tracer_.Log(Severity::kError, *line);
}

bool StreamTransport::TakeStart(NodeId node, const env::SeenStart& start,
                                const env::EarlierStarts& earlier) {
  const SeenStarts::Verdict verdict = seen_.Take(node, start, earlier);
  if (verdict == SeenStarts::Verdict::kNew && start.start.number > 0) {
    receiver_->OnStartSeen(node, start);
  }
  return verdict != SeenStarts::Verdict::kRefused;
}

void StreamTransport::OnStartKnown(NodeId node, env::StoreStart start) {
  const auto found = peers_.find(node);
  if (found == peers_.end()) return;
  for (const std::unique_ptr<Outgoing>& lane : found->second->outgoing) {
    lane->OnStartKnown(start);
  }
}

bool StreamTransport::IsTaken(const Peer& peer,
                              StoreIncarnation incarnation) const {
  const MonoTime now = loop_.ReadClock().mono;
  return std::any_of(
      peer.incoming.begin(), peer.incoming.end(), [&](const Incoming* other) {
        return other != nullptr && other->incarnation() != incarnation &&
               now - other->heard() < options_.handshake_max;
      });
}

void StreamTransport::Remove(Incoming* incoming) {
  const auto it = peers_.find(incoming->node());
  if (it != peers_.end()) {
    Incoming*& current =
        it->second->incoming[static_cast<size_t>(incoming->lane())];
    if (current == incoming) current = nullptr;
  }
  const auto at =
      std::find_if(incoming_.begin(), incoming_.end(),
                   [&](const auto& kept) { return kept.get() == incoming; });
  if (at == incoming_.end()) return;
  const std::unique_ptr<Incoming> removed = std::move(*at);
  incoming_.erase(at);
}

}  // namespace quorate::raft
