// node/peers/peer_link.h: asks one other node: sends requests on the
// transport between peers, and returns the answers.
//
// A request is sent at once or not at all, and only once. If no answer arrives
// in time, the outcome of a request that was sent is unknown. Requests without
// room on the link wait at their groups, which may get another leader. The
// other side is node/peers/peer_answers.h.
#ifndef QUORATE_NODE_PEERS_PEER_LINK_H_
#define QUORATE_NODE_PEERS_PEER_LINK_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "env/alarm.h"
#include "env/env.h"
#include "env/fifo.h"
#include "env/pending.h"
#include "env/time.h"
#include "node/base/turn_work.h"
#include "node/peers/peer_message.h"
#include "raft/host/service.h"

namespace quorate::node {

// The options of both sides of a link between two nodes.
struct PeerLinkOptions {
  raft::MessageLink link;  // From this node to the other one.
  uint64_t life = 0;       // A random number of this process.
  // Limits the wait for an answer. Each piece of an answer restarts it.
  Duration timeout;
  Duration open_timeout;  // The same for kOpen and kControl.
  // bounds.peer_bytes: limits the bytes of requests to the other node without
  // an answer, and those of answers to the other node.
  size_t bytes_max = 0;
};

// Counters for metrics, of all links of a node.
struct PeerCounters {
  uint64_t asked = 0;       // Requests to other nodes.
  uint64_t unanswered = 0;  // Those that got no answer.
  uint64_t taken = 0;       // Requests of other nodes.
  uint64_t repeated = 0;    // Copies of requests, or late ones, not taken.
  uint64_t delayed = 0;     // Those of `taken` that waited for earlier answers.
  uint64_t answer_bytes = 0;
  uint64_t malformed = 0;  // Messages that were dropped.
};

class PeerLink {
 public:
  // `env`, `work` and `counters` outlive the link. `on_room` is called when
  // HasRoom may have become true.
  PeerLink(env::Env& env, const PeerLinkOptions& options, TurnWork& work,
           PeerCounters& counters, absl::AnyInvocable<void()> on_room);
  PeerLink(const PeerLink&) = delete;
  PeerLink& operator=(const PeerLink&) = delete;

  // True if a request with a payload of this size can be sent now. If not,
  // `on_room` follows once this may have changed.
  bool HasRoom(size_t payload_bytes);
  // `done` is called once, after this call, unless the link is destroyed first:
  //   kDone, or another outcome that the other node reports;
  //   kNotExecuted: the lane had no connection or no room, so nothing was sent;
  //   kUnknown: no answer arrived in time, or the connection was lost.
  // Returns the number of the request, for GiveUp.
  uint64_t Ask(PeerRequest request, PeerDone done);
  // Ends the wait for an answer. The request fails now, with the reason `why`,
  // as one without an answer in time. No effect if its answer has arrived.
  void GiveUp(uint64_t number, const char* why);

  void OnAnswer(const PeerAnswerPiece& piece);
  // The lane has room, or has a connection again.
  void OnLaneReady() { OfferRoom(); }
  // Requests that were sent may be lost.
  void OnLaneClosed();
  // Some request has no answer. An answer follows, or the request fails in
  // time; both may make room.
  bool awaits_answers() const { return !requests_.empty(); }
  // The same of requests of clients: the others ask the controller.
  bool awaits_results() const {
    return std::ranges::any_of(requests_, [](const auto& request) {
      return request.second.kind != PeerRequest::Kind::kControl;
    });
  }
  // The bytes of requests without an answer.
  size_t asked_bytes() const { return asked_bytes_; }

 private:
  struct Request {
    PeerRequest::Kind kind;
    size_t bytes;
    PeerDone done;
    MonoTime deadline;
    bool sent;
    bool lost;  // It was not sent, or its connection was lost since.
    // The pieces of the answer, by their places; empty: not arrived, or joined.
    std::vector<Buffer> pieces;
    uint32_t size = 0;    // Of the answer, by its first piece.
    size_t received = 0;  // Bytes of pieces.
    // The bytes of the first pieces, if there are several, and their number.
    std::string joined;
    size_t joined_pieces = 0;

    bool arrived() const { return size > 0 && received == size; }
  };
  using Requests = absl::btree_map<uint64_t, Request>;

  Duration TimeoutOf(PeerRequest::Kind kind) const {
    // These are asked again.
    const bool again =
        kind == PeerRequest::Kind::kOpen || kind == PeerRequest::Kind::kControl;
    return again ? options_.open_timeout : options_.timeout;
  }
  void SetDeadline(uint64_t number, Request* request);
  // Takes the request out, and returns its callback.
  PeerDone Remove(Requests::iterator found);
  void Fail(Requests::iterator found, const char* why);
  void FailLostLater();
  void FailLost();
  // Joins pieces while the turn has time for work, or one in any case. Returns
  // true once the answer is in one piece.
  bool Join(Request& request, bool own_turn);
  // Gives the answers of arrived_ to their requests, in this turn and in later
  // ones. `own_turn`: nothing was joined in this turn.
  void TakeArrived(bool own_turn);
  void TakeAnswer(Requests::iterator found);
  void OfferRoom();
  void SetAlarm();
  void OnAlarm();

  env::Env& env_;
  const PeerLinkOptions options_;
  TurnWork& work_;
  PeerCounters& counters_;
  absl::AnyInvocable<void()> on_room_;
  uint64_t next_number_ = 1;
  Requests requests_;  // By number.
  size_t asked_bytes_ = 0;
  bool room_was_lacking_ = false;
  absl::btree_set<std::pair<MonoTime, uint64_t>> deadlines_;
  env::Alarm alarm_;
  env::Pending lost_;
  // Requests whose answers have arrived, in the order of arrival. They have no
  // deadline, and the loss of the connection does not concern them.
  Fifo<uint64_t> arrived_;
  env::Pending continue_;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_PEER_LINK_H_
