// node/peers/answer_room.h: room for the answers to one other node.
//
// The size of an answer is known only once it is made. A request may wait, such
// as for a read point, after it was taken. So it asks for room when its answer
// can be made.
#ifndef QUORATE_NODE_PEERS_ANSWER_ROOM_H_
#define QUORATE_NODE_PEERS_ANSWER_ROOM_H_

#include "absl/functional/any_invocable.h"
#include "node/peers/peer_message.h"

namespace quorate::node {

class AnswerRoom {
 public:
  // Makes an answer and passes it on.
  using Make = absl::AnyInvocable<void(PeerDone)>;

  virtual ~AnswerRoom() = default;
  // Calls `make` with `done` once there is room for an answer, perhaps during
  // the call. Calls `done` with kNotExecuted if there is none for so long that
  // the asking node waits no longer.
  virtual void Await(PeerDone done, Make make) = 0;
  // The same for an answer that is made over several turns. There is one of
  // these at a time, and others pass it.
  virtual void AwaitLong(PeerDone done, Make make) = 0;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_PEERS_ANSWER_ROOM_H_
