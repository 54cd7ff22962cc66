// node/peers/peer_answers.h: takes the requests of one other node, and sends
// the answers. The asking side is node/peers/peer_link.h.
//
// The asking node bounds its requests, but cannot know the sizes of answers.
// While answers above the bound wait for the lane, further requests wait too. A
// request that waited for something else since, asks for room once more before
// its answer is made.
#ifndef QUORATE_NODE_PEERS_PEER_ANSWERS_H_
#define QUORATE_NODE_PEERS_PEER_ANSWERS_H_

#include <cstddef>
#include <cstdint>
#include <deque>

#include "absl/functional/any_invocable.h"
#include "env/alarm.h"
#include "env/env.h"
#include "env/fifo.h"
#include "env/time.h"
#include "node/peers/answer_room.h"
#include "node/peers/peer_link.h"
#include "node/peers/peer_message.h"
#include "node/peers/taken_requests.h"

namespace quorate::node {

// Invariants:
// - a refusal as not executed is the only answer to its request, and nothing of
//   the request was or will be executed
// - requests are executed in the order of their arrival
class PeerAnswers final : public AnswerRoom {
 public:
  // Executes a request. Calls `done` once, perhaps during the call. The room is
  // that for its answer.
  using Handler = absl::AnyInvocable<void(PeerRequest request, PeerDone done,
                                          AnswerRoom& room)>;

  // All outlive the object.
  PeerAnswers(env::Env& env, const PeerLinkOptions& options,
              PeerCounters& counters, Handler& handler);
  PeerAnswers(const PeerAnswers&) = delete;
  PeerAnswers& operator=(const PeerAnswers&) = delete;

  void OnRequest(PeerRequestMessage message);
  // The lane has room, or has a connection again. Pieces of several answers
  // leave in turn, so that no answer waits for a long one.
  void SendWaiting();
  // Answers that were sent may be lost. Sends them once more later.
  void OnLaneClosed();
  // Bytes of requests without an answer, and of answers. An answer that was
  // sent is kept while the asking node may miss it and while there is room.
  size_t held_bytes() const { return request_bytes_ + answer_bytes_; }
  // Every request has an answer, which was sent.
  bool idle() const { return request_bytes_ == 0 && waiting_.empty(); }

  // AnswerRoom:
  void Await(PeerDone done, Make make) override;
  void AwaitLong(PeerDone done, Make make) override;

 private:
  struct Delayed {
    PeerRequestId id;
    PeerRequest request;
    MonoTime expires;  // The asking node waits no longer.
  };
  // An answer that is not made yet.
  struct Unmade {
    PeerDone done;
    Make make;
    MonoTime expires;  // The asking node waits no longer.
  };
  struct Waiting {
    PeerRequestId id;
    PeerAnswer answer;
    size_t offset = 0;     // Sent up to here on this connection.
    size_t most_sent = 0;  // The largest `offset` on any connection.
    MonoTime expires;      // The asking node waits no longer.
  };

  void Execute(const PeerRequestId& id, PeerRequest request);
  // Makes answers and executes requests that wait, up to a size.
  void Continue();
  // Returns false if none can be made or executed now.
  bool ContinueWithNext();
  void ContinueLater();  // In the next turn, if they need not wait.
  bool MayContinue() const;
  void MakeLong(PeerDone done, Make make);
  void DropDelayed();  // The first one.
  void RefuseExpired(Fifo<Unmade>& unmade);
  void Answer(const PeerRequestId& id, PeerResult result);
  // True if answers that were not sent leave room for another one.
  bool HasRoom() const { return answer_bytes_ <= options_.bytes_max; }
  void DropSettled(uint64_t asker, uint64_t settled);
  void DropSent();  // The first one.
  void DropExpired();
  void SetAlarm();

  env::Env& env_;
  const PeerLinkOptions options_;
  PeerCounters& counters_;
  Handler& handler_;
  TakenRequests taken_;
  Fifo<Delayed> delayed_;
  Fifo<Unmade> unmade_;
  Fifo<Unmade> unmade_long_;
  bool makes_long_ = false;  // A long answer is being made.
  std::deque<Waiting> waiting_;
  // In the order of `expires`, but for long answers that were sent again.
  std::deque<Waiting> sent_;
  size_t request_bytes_ = 0;  // Of requests without an answer.
  // Of `waiting_` and `sent_`. Above the bound, none of these was sent.
  size_t answer_bytes_ = 0;
  uint64_t made_bytes_ = 0;  // The bytes of all answers so far.
  env::Alarm alarm_;
  env::Pending next_turn_;  // Calls Continue.
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_PEER_ANSWERS_H_
