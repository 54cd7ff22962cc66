// node/connections/clients.h: client connections: their buffers, limits and
// lifetimes, below the protocols.
//
// A ClientConnection owns one byte stream and one Protocol. All output of a
// turn is sent at its end. A connection that closes while answers are due
// stays, without a stream, until the last answer.
//
// A stop. From StopServing on, every request is answered as not executed. Such
// an answer closes its connection a little later: requests that were on their
// way are answered, too.
//
// Back-pressure. A protocol calls RoomFor() before it handles a request and
// before it accepts the result of a read. Without room it stops, and the
// ClientConnection calls Resume() in a later turn, when there is room.
// RoomFor() arms the check for room: it runs in the next turn, when the stream
// is drained, and every 20 ms while a connection waits.
#ifndef QUORATE_NODE_CONNECTIONS_CLIENTS_H_
#define QUORATE_NODE_CONNECTIONS_CLIENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "env/quota.h"
#include "node/base/output_budget.h"
#include "node/base/reply_text.h"
#include "node/base/turn_work.h"
#include "node/config/config.h"
#include "node/connections/input_budget.h"
#include "node/connections/metrics.h"

namespace quorate::node {

class ClientConnection;
class Clients;
class RequestSink;

// The protocol of a connection.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual void OnBytes(std::string_view bytes) = 0;
  // The client sends nothing more. Its requests are still answered.
  virtual void OnEnd() = 0;
  // Continues after a stop for lack of room or of answers.
  virtual void Resume() = 0;
  // The number of outstanding answers. A closed connection is destroyed at
  // zero.
  virtual size_t pending() const = 0;
  // Bytes of an incomplete request.
  virtual size_t partial_bytes() const = 0;
  // Memory of all requests that were received and not handled, and of what
  // handled requests left behind for later ones.
  virtual size_t input_bytes() const = 0;
  // Drops all of it. The protocol is closing: it takes no further request.
  virtual void DropInput() = 0;
  // Answers with the error `why`, and closes the connection behind it.
  virtual void Refuse(std::string_view why) = 0;
  // The receiver of the answers of groups; null: the protocol asks no group.
  virtual RequestSink* sink() { return nullptr; }
  // For CheckInvariants. True if the protocol takes no further request, or
  // holds results back, until Resume().
  virtual bool stopped() const = 0;
  // For CheckInvariants. True if an answer is due that will call Resume(): that
  // of the oldest request, or OnUnblocked.
  virtual bool awaits_answer() const = 0;
  // Asserts what this object and the objects below it promise.
  virtual void CheckInvariants() const {}
  // The stream was closed.
  virtual void OnClosed() = 0;
};

class ClientConnection final : public env::Connection::Observer,
                               public InputBudget::Share {
 public:
  ClientConnection(Clients& clients, uint64_t id,
                   std::unique_ptr<env::Connection> connection);
  ~ClientConnection();
  ClientConnection(const ClientConnection&) = delete;
  ClientConnection& operator=(const ClientConnection&) = delete;

  // ---- For the protocol.
  // Replies are appended here, followed by a call of WantFlush. They are sent
  // at the end of the turn.
  ReplyText& out() { return out_; }
  void WantFlush();
  // Requests Resume() at the end of this turn.
  void WantResume();
  // True if a reply of about `bytes` may be made now. `in_front`: no reply
  // precedes it, so it can be sent. If the result is false, Resume() is called
  // when it would be true. A connection without unsent replies always has room
  // for a small one. With 0 bytes the call asks whether further work may begin:
  // it may not if the work of this turn is done.
  bool RoomFor(size_t bytes, bool in_front);
  // A request was handled. Only this is progress of the input: bytes are not.
  void RequestHandled() { input_progress_ = true; }
  // Counts work of this turn (node/base/turn_work.h).
  void AddWork(uint64_t units);
  // Replies that are made, but wait for an earlier reply, count until Unhold.
  void Hold(size_t bytes);
  void Unhold(size_t bytes) { held_bytes_ -= bytes; }
  // Holds bytes of a reply that grows. Returns false, and holds nothing, if the
  // connection holds much and the node's budget is exhausted.
  bool HoldIfFits(size_t bytes);
  void PauseReads();
  void ResumeReads();
  // Handles no further request, sends outstanding replies, then closes.
  void CloseAfterFlush();
  // The stream is closed.
  bool closed() const { return connection_ == nullptr; }
  // The stream is closed, or will be after the outstanding replies. No further
  // request may be handled.
  bool closing() const { return closing_ || closed(); }
  // The node is stopping: each request is answered with kStopsText, followed by
  // RequestRefused.
  bool stops() const;
  static constexpr std::string_view kStopsText =
      "the node is stopping. The request was not executed, and this connection "
      "is closed";
  void RequestRefused();

  uint64_t id() const { return id_; }
  const std::string& peer_address() const { return peer_address_; }
  MonoTime created() const { return created_; }
  MonoTime last_input() const { return last_input_; }
  size_t unsent_bytes() const;
  // The bytes of replies that wait for an earlier reply.
  size_t held_bytes() const { return held_bytes_; }
  Protocol& protocol() { return *protocol_; }

 private:
  friend class Clients;

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override;
  // InputBudget::Share.
  void RefuseInput() override;

  void Flush();
  // Drops the stream now.
  void Close();
  // Takes the connection out of the counts of the table, once.
  void Uncount();
  const BoundsConfig& bounds() const;
  // The bytes that may be unsent before the protocol has to stop.
  size_t window_bytes() const;
  // Measures how fast the peer reads its output.
  void Measure();
  // The answer of RoomFor, without its promise to call Resume().
  bool HasRoom(size_t bytes, bool in_front) const;
  // Reports the share of this connection to the node's budget.
  void Count();
  // Reports the input of this connection to the node's budget. Requires: no
  // call of the protocol is under way.
  void CountInput();
  // Resumes the protocol if it waits for room and there is some; true if it
  // still waits.
  bool TryToResume();
  void CheckInvariants() const;
  // Closes the connection if it stalled or was idle for too long.
  void Sweep(MonoTime now);

  Clients& clients_;
  const uint64_t id_;
  std::unique_ptr<env::Connection> connection_;
  std::unique_ptr<Protocol> protocol_;
  const std::string peer_address_;
  const MonoTime created_;
  ReplyText out_;
  size_t held_bytes_ = 0;
  // Bytes given to the stream since the protocol last stopped because of other
  // connections.
  size_t flushed_bytes_ = 0;
  // The share that was reported to the budget; small shares are not counted.
  Quota::Share budgeted_;
  // All bytes given to the stream.
  uint64_t written_bytes_ = 0;
  // Bytes that the peer read since it was last slow.
  uint64_t proven_bytes_ = 0;
  // The time of the last result of Measure, and the bytes sent by then.
  MonoTime measured_;
  uint64_t measured_bytes_ = 0;
  // The size of the reply that RoomFor refused.
  bool awaits_room_ = false;
  size_t awaited_bytes_ = 0;
  bool look_wanted_ = false;
  bool flush_wanted_ = false;
  bool resume_wanted_ = false;
  bool closing_ = false;  // CloseAfterFlush or Kill was called.
  bool killed_ = false;   // The stream is closed at the end of this turn.
  // Part of Clients::open_: neither closed, nor killed, nor refused.
  bool counted_ = true;
  bool ended_ = false;     // The client half-closed.
  bool end_sent_ = false;  // This side half-closed: nothing more is written.
  bool output_drained_ = false;  // All output was written after end_sent_.
  bool reads_paused_ = false;
  MonoTime last_input_;
  // A request was handled, or reads resumed, since the last CountInput.
  bool input_progress_ = false;
  // The time since which a request is incomplete; Max() if none is.
  MonoTime incomplete_since_ = MonoTime::Max();
  // The time at which the peer was last known to have read output, and the
  // bytes that it had read by then.
  MonoTime last_progress_;
  uint64_t taken_bytes_ = 0;
  // When RequestRefused was called first; Max(): it was not.
  MonoTime refused_since_ = MonoTime::Max();
  // Ends the stream: after the last request that was refused, or after the end
  // of the output.
  env::Pending linger_;
};

class Clients {
 public:
  using MakeProtocol =
      absl::AnyInvocable<std::unique_ptr<Protocol>(ClientConnection&)>;

  Clients(env::Env& env, const Config& config, Metrics& metrics,
          OutputBudget& budget, InputBudget& input, TurnWork& work);
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // Adds an accepted connection. Above limits.connections the connection
  // receives `refusal` and is closed. Until then it is refused: count(), All()
  // and Find() leave it out. Above bounds.refused_connections the oldest
  // refused connection is closed at once.
  void Accept(std::unique_ptr<env::Connection> connection, MakeProtocol& make,
              std::string_view refusal);

  // Client connections with a stream, ascending by id, without killed and
  // refused ones.
  std::vector<ClientConnection*> All() const;
  // The one of All() with this id, or null.
  ClientConnection* Find(uint64_t id) const;
  size_t count() const { return open_; }
  // Drops the stream of `client` at the end of this turn, without its
  // outstanding replies. From now on the connection handles no request, and
  // count(), All() and Find() leave it out.
  void Kill(ClientConnection& client);
  // True if no connection has an answer due, or is about to close.
  bool idle() const;
  // Accepts no connection and executes no request from now on.
  void StopServing();
  // Closes all connections behind their outstanding replies.
  void CloseAll();
  // No connection has a stream, or an answer due.
  bool empty() const { return clients_.empty(); }
  // Connections that wait for room.
  size_t awaiting_room() const;
  // Connections that are closed and whose requests are under way.
  size_t gone() const;
  // CHECKs that no connection with work waits for an event that cannot come.
  // Holds between turns.
  void CheckInvariants() const;

 private:
  friend class ClientConnection;

  // Sends `refusal` to `client`, which is above the limit, and closes it.
  void Refuse(ClientConnection& client, std::string_view refusal);
  void Schedule(ClientConnection& client);
  void RunTurnEnd();
  void ArmSweep();
  // Looks at the clients from id `first` on, a bounded number in each turn.
  void SweepFrom(uint64_t first);
  // Checks `client` at the beginning of the next turn.
  void RecheckNextTurn(ClientConnection& client);
  void RunLook();
  void ArmRoomTimer();
  // `client` is about to send its output, which is a large reply.
  void LargeReplyMade(ClientConnection& client);
  // Begins the pause, in the turn after the reply.
  void EndLargeReply();

  env::Env& env_;
  const Config& config_;
  Metrics& metrics_;
  OutputBudget& budget_;
  InputBudget& input_;
  TurnWork& work_;
  absl::btree_map<uint64_t, std::unique_ptr<ClientConnection>> clients_;
  uint64_t next_id_ = 1;
  size_t open_ = 0;  // The counted connections.
  // The refused connections that have a stream, by id: the oldest one first.
  absl::btree_set<uint64_t> refused_;
  bool stopped_ = false;
  // Clients with work at the end of the turn, by id, in the order of their
  // calls.
  std::vector<uint64_t> scheduled_;
  bool turn_end_deferred_ = false;
  env::Pending turn_end_;
  // Clients to check in the next turn, by id.
  std::vector<uint64_t> looks_;
  bool look_armed_ = false;
  env::Pending look_;
  bool room_timer_armed_ = false;
  env::Pending room_timer_;
  // Bytes of replies made since the last check for room.
  size_t turn_bytes_ = 0;
  // The last large reply: its client, the time at which it was made, and the
  // earliest time of the next one.
  uint64_t large_reply_to_ = 0;
  MonoTime large_reply_made_;
  MonoTime large_reply_at_;
  env::Pending sweep_;
  bool sweep_armed_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_CLIENTS_H_
