// node/connections/clients.h: the connections of clients: buffers, limits and lifetimes, below the protocols spoken on them.
//
// A Client owns one byte stream and one Protocol. Output of a turn leaves together at its end. A connection that is closed
// while answers are due lingers without a stream until the last one came.
//
// Back-pressure. A protocol asks RoomFor() before it takes a request and before it accepts the result of a read. Without room
// it stops, and the Client calls Resume() in a later turn, once there is room. Room comes back in one of three ways, and
// RoomFor() arms whichever applies:
//   - the turn has made its share of replies to this connection, or to all: the next turn resumes;
//   - the stream has taken everything: OnDrained, or the look at the beginning of the next turn when the stream took it at
//     once (env/byte_streams.h calls OnDrained only for bytes that were unsent at the end of a turn);
//   - bytes left without a call (a stream tells only when nothing is left; other connections share the node's budget): a
//     look every kRoomInterval while any connection waits.
#ifndef QUORATE_NODE_CONNECTIONS_CLIENTS_H_
#define QUORATE_NODE_CONNECTIONS_CLIENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "node/base/output_budget.h"
#include "node/base/reply_text.h"
#include "node/config/config.h"
#include "node/connections/metrics.h"

namespace quorate::node {

class Client;
class Clients;

// What is spoken on a connection.
class Protocol {
 public:
  virtual ~Protocol() = default;
  virtual void OnBytes(std::string_view bytes) = 0;
  // The client sends nothing more; what it asked is still answered.
  virtual void OnEnd() = 0;
  // Goes on where it stopped for want of room or of answers.
  virtual void Resume() = 0;
  // Answers still due. A closed connection is destroyed when there are none.
  virtual size_t pending() const = 0;
  // Bytes of a request that is not whole yet.
  virtual size_t partial_bytes() const = 0;
  // For CheckInvariants. True if the protocol takes no further request, or holds results back, until Resume().
  virtual bool stopped() const = 0;
  // For CheckInvariants. True if an answer is due that will call Resume(): that of the oldest request, or OnUnblocked.
  virtual bool awaits_answer() const = 0;
  // The stream is gone.
  virtual void OnClosed() = 0;
};

class Client final : public env::Connection::Observer {
 public:
  Client(Clients& clients, uint64_t id,
         std::unique_ptr<env::Connection> connection);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // ---- For the protocol.
  // Append replies here, then call WantFlush. They leave at the end of the turn.
  ReplyText& out() { return out_; }
  void WantFlush();
  // Resume() at the end of this turn.
  void WantResume();
  // True if a reply of about `bytes` may be made now; `in_front`: no reply stands before it, so it can leave. If false,
  // Resume() is called once it would be true. A connection without unsent replies always has room for a small one.
  bool RoomFor(size_t bytes, bool in_front);
  // Replies that are made but stand behind one that is due count until Unhold.
  void Hold(size_t bytes);
  void Unhold(size_t bytes) { held_bytes_ -= bytes; }
  void PauseReads();
  void ResumeReads();
  // Takes nothing more, answers what is due, then closes.
  void CloseAfterFlush();
  // The stream is gone, or will be as soon as what is due has been answered.
  bool closing() const { return closing_ || connection_ == nullptr; }
  // No further request may be taken: the connection is closing, or the node is stopping.
  bool refuses_requests() const;

  // Another node sends requests on the connection: it is no client to users. Counts against limits.connections all the same.
  void MarkLink();
  bool is_link() const { return link_; }

  uint64_t id() const { return id_; }
  const std::string& peer_address() const { return peer_address_; }
  MonoTime created() const { return created_; }
  MonoTime last_input() const { return last_input_; }
  size_t unsent_bytes() const;
  // Of replies that stand behind one that is due.
  size_t held_bytes() const { return held_bytes_; }
  Protocol& protocol() { return *protocol_; }

 private:
  friend class Clients;

  void OnBytes(std::string_view bytes) override;
  void OnEnd() override;
  void OnClosed(absl::Status reason) override;
  void OnDrained() override;

  void Flush();
  // Drops the stream now.
  void Close();
  // The bytes that may be unsent before the protocol has to stop.
  size_t window_bytes() const;
  // Looks at how fast the peer takes its output.
  void Measure();
  // What RoomFor says, without its promise.
  bool HasRoom(size_t bytes, bool in_front) const;
  // Reports the share of this connection to the node's budget.
  void Count();
  // Resumes the protocol if it waits for room and there is some; true if it still waits.
  bool LookForRoom();
  void CheckInvariants() const;
  // Closes if it stalled or idled too long.
  void Sweep(MonoTime now);

  Clients& clients_;
  const uint64_t id_;
  std::unique_ptr<env::Connection> connection_;
  std::unique_ptr<Protocol> protocol_;
  const std::string peer_address_;
  const MonoTime created_;
  ReplyText out_;
  size_t held_bytes_ = 0;
  // Given to the stream since the protocol last had to stop for the sake of other connections.
  size_t flushed_bytes_ = 0;
  // As the budget knows it; small shares are not counted.
  size_t counted_bytes_ = 0;
  // All bytes given to the stream.
  uint64_t written_bytes_ = 0;
  // Taken by the peer since it was last slow.
  uint64_t proven_bytes_ = 0;
  // When Measure last had a result, and how much the stream had sent by then.
  MonoTime measured_;
  uint64_t measured_bytes_ = 0;
  // RoomFor said no: for a reply of so many bytes.
  bool awaits_room_ = false;
  size_t awaited_bytes_ = 0;
  bool look_wanted_ = false;
  bool flush_wanted_ = false;
  bool resume_wanted_ = false;
  bool closing_ = false;   // CloseAfterFlush was called.
  bool ended_ = false;     // The client half-closed.
  bool end_sent_ = false;  // So did this side, and nothing is written any more.
  bool end_left_ = false;  // What it had to send is out.
  bool reads_paused_ = false;
  bool link_ = false;
  MonoTime last_input_;
  // When the peer was last seen to have taken output, and how much it had taken then.
  MonoTime last_progress_;
  uint64_t taken_bytes_ = 0;
  env::Pending linger_;
};

class Clients {
 public:
  using MakeProtocol = absl::AnyInvocable<std::unique_ptr<Protocol>(Client&)>;

  Clients(env::Env& env, const Config& config, Metrics& metrics,
          OutputBudget& budget);
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // Takes a connection just accepted. Over the limit it gets `refusal` and is closed.
  void Accept(std::unique_ptr<env::Connection> connection, MakeProtocol& make,
              std::string_view refusal);

  // Connections of clients with a stream, ascending by id. Links of other nodes are none.
  std::vector<Client*> All() const;
  size_t count() const { return open_ - links_; }
  // Links of other nodes.
  size_t links() const { return links_; }
  Client* Find(uint64_t id) const;
  // Ends the stream of `client` as CloseAfterFlush does.
  void Kill(Client& client);
  // True if no connection has an answer due.
  bool idle() const;
  // Takes no further request from anybody.
  void StopReading();
  // Connections that wait for room.
  size_t awaiting_room() const;
  // CHECKs that no connection with work waits for an event that cannot come. Holds between turns.
  void CheckInvariants() const;

 private:
  friend class Client;

  void Schedule(Client& client);
  void RunTurnEnd();
  void ArmSweep();
  // Looks at `client` at the beginning of the next turn.
  void LookNextTurn(Client& client);
  void RunLook();
  void ArmRoomTimer();
  // `client` is about to send its output, which is a large reply.
  void LargeReplyMade(Client& client);
  // In the turn after it: begins the pause.
  void EndLargeReply();

  env::Env& env_;
  const Config& config_;
  Metrics& metrics_;
  OutputBudget& budget_;
  absl::btree_map<uint64_t, std::unique_ptr<Client>> clients_;
  uint64_t next_id_ = 1;
  size_t open_ = 0;  // Links included.
  size_t links_ = 0;
  bool stopped_ = false;
  // Clients with something to do at the end of the turn, by id, in order of request.
  std::vector<uint64_t> scheduled_;
  bool turn_end_deferred_ = false;
  env::Pending turn_end_;
  // Clients to look at in the next turn, by id.
  std::vector<uint64_t> looks_;
  bool look_armed_ = false;
  env::Pending look_;
  bool room_timer_armed_ = false;
  env::Pending room_timer_;
  // Replies that were made since the last look for room.
  size_t turn_bytes_ = 0;
  // The last large reply: to whom, when it was made, and when the next one may
  // be.
  uint64_t large_reply_to_ = 0;
  MonoTime large_reply_made_;
  MonoTime large_reply_at_;
  env::Pending sweep_;
  bool sweep_armed_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CONNECTIONS_CLIENTS_H_
