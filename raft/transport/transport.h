// raft/transport/transport.h: env::Transport over byte streams.
//
// A node dials each peer once for each lane. It sends on connections that it
// dialled and receives on those that it accepted. So a heartbeat never queues
// behind a snapshot, and the handshake identifies the peer once per connection.
// Built on env:: alone; the real world passes in sockets.
#ifndef QUORATE_RAFT_TRANSPORT_TRANSPORT_H_
#define QUORATE_RAFT_TRANSPORT_TRANSPORT_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "env/buggify.h"
#include "env/byte_streams.h"
#include "env/destruction.h"
#include "env/loop.h"
#include "env/pending.h"
#include "env/random.h"
#include "env/tracer.h"
#include "env/transport.h"
#include "raft/transport/handshake.h"
#include "raft/transport/hello_call.h"
#include "raft/transport/refusal_log.h"
#include "raft/transport/seen_starts.h"

namespace quorate::raft {

// The default of TransportOptions::pending_handshakes_max.
inline constexpr size_t kPendingHandshakesMax = 256;

struct TransportOptions {
  // Limit of the bytes that wait in one lane to one peer. From half of it on
  // Congested returns true, until all have left. Below half of it any message
  // is taken. Then one that would exceed the limit is dropped.
  size_t control_queue_bytes = 8 << 20;
  size_t bulk_queue_bytes = 16 << 20;
  size_t requests_queue_bytes = 16 << 20;
  size_t queue_bytes(env::Lane lane) const {
    if (lane == env::Lane::kControl) return control_queue_bytes;
    return lane == env::Lane::kBulk ? bulk_queue_bytes : requests_queue_bytes;
  }
  // Pauses before dialling again: doubled from the first to the last, then
  // shortened by up to half at random.
  Duration redial_min = Milliseconds(50);
  Duration redial_max = Milliseconds(1000);
  // Pause after a refusal: only a change of the configuration can make the peer
  // accept. The pause ends early if the peer dials this node and its program
  // was started again, or did not know this node before.
  Duration redial_refused = Seconds(5);
  // Time limit of a dial.
  Duration dial_max = Seconds(2);
  // Time limit of the handshake. A connection without a handshake by then is
  // closed. A peer that was heard within this time is alive: a Hello with its
  // id and another incarnation is refused.
  Duration handshake_max = Seconds(5);
  // Limit of accepted connections whose Hello has not arrived. At the limit a
  // new one takes the place of the oldest.
  size_t pending_handshakes_max = kPendingHandshakesMax;
  // Points of unlikely behaviour. Null: none fires. It outlives the transport.
  env::Buggify* buggify = nullptr;
};

class StreamTransport final : public env::Transport,
                              private env::Pending::Source {
 public:
  StreamTransport(env::Loop& loop, env::Streams& streams, env::Tracer& tracer,
                  Random random,
                  const TransportOptions& options = TransportOptions());
  ~StreamTransport();
  StreamTransport(const StreamTransport&) = delete;
  StreamTransport& operator=(const StreamTransport&) = delete;

  absl::Status Start(const env::TransportIdentity& identity,
                     const std::string& listen_address,
                     std::vector<env::PeerAddress> peers,
                     Receiver* receiver) override;
  void Stop() override;
  void SetIdentity(const env::TransportIdentity& identity) override;
  void SetPeers(std::vector<env::PeerAddress> peers) override;
  void Send(NodeId to, env::Lane lane,
            absl::Span<const Buffer> pieces) override;
  bool Congested(NodeId to, env::Lane lane) const override;
  env::LinkState link(NodeId peer) const override;
  env::Pending AskForAdmission(const env::TransportIdentity& self,
                               const std::string& address, Buffer request,
                               AdmissionAnswered answered) override;
  std::optional<env::Pending> Probe(const env::TransportIdentity& self,
                                    NodeId to, const std::string& address,
                                    ProbeAnswered answered) override;

  // The address actually bound; empty before Start.
  std::string listen_address() const;

 private:
  class Outgoing;
  class Incoming;
  struct Peer;
  using LaneOfPeer = std::pair<NodeId, env::Lane>;

  // Dials the peer in every lane, in place of earlier dials.
  void Dial(Peer& peer, const env::PeerAddress& to);
  // Appends the lanes of the peer that have a connection.
  static void AppendOpenLanes(NodeId node, const Peer& peer,
                              std::vector<LaneOfPeer>* lanes);
  // Reports that the lanes have lost their connections.
  void TellClosed(const std::vector<LaneOfPeer>& closed);
  // Closes everything of a peer. Appends the lanes that had a connection.
  void RemovePeer(NodeId node, std::vector<LaneOfPeer>* closed);
  void Accept(std::unique_ptr<env::Connection> connection);
  // Handles the Hello of `incoming`. If it is admitted, it replaces an older
  // connection of the same peer and lane, and all of another incarnation.
  HelloReply Admit(Incoming* incoming, const Hello& hello);
  // True if a connection of `peer` with another incarnation was heard lately.
  bool IsTaken(const Peer& peer, StoreIncarnation incarnation) const;
  // Closes the connections that stores dialled which are given up.
  void RemoveGivenUp(NodeId node, const Peer& peer);
  bool Fires(Site point) const {
    return options_.buggify != nullptr && options_.buggify->Fire(point);
  }
  // Replaces the connections to earlier starts of the peer's program.
  void OnStartKnown(NodeId node, env::StoreStart start);
  // Remembers a start of the peer's store. False, and no effect, if that start
  // lacks one that was seen.
  bool TakeStart(NodeId node, const env::SeenStart& start,
                 const env::EarlierStarts& earlier);
  void LogRefusal(const Incoming& incoming, const Hello& hello,
                  const HelloReply& reply);
  // Removes `incoming` from its tables and destroys it.
  void Remove(Incoming* incoming);
  // Begins a call. `done` is called once, unless the Pending is destroyed.
  env::Pending Call(const Hello& hello, const std::string& address,
                    Buffer request, Duration limit, HelloCall::Done done);
  // Ends a call.
  void Cancel(uint64_t id) override { calls_.erase(id); }

  env::Loop& loop_;
  env::Streams& streams_;
  env::Tracer& tracer_;
  const Random random_;
  const TransportOptions options_;
  env::TransportIdentity identity_;
  Receiver* receiver_ = nullptr;
  std::unique_ptr<env::Listener> listener_;
  std::map<NodeId, std::unique_ptr<Peer>> peers_;
  SeenStarts seen_;  // Those of peers_.
  std::vector<std::unique_ptr<Incoming>> incoming_;
  std::map<uint64_t, std::unique_ptr<HelloCall>> calls_;
  uint64_t next_call_ = 1;
  RefusalLog refusal_log_;
  Destruction destruction_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_TRANSPORT_H_
