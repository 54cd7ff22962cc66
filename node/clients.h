// node/clients.h: the connections of clients: buffers, limits and lifetimes, below the protocols spoken on them.
//
// A Client owns one byte stream and one Protocol. Output of a turn leaves together at its end. A connection that is closed
// while answers are due lingers without a stream until the last one came.
#ifndef QUORATE_NODE_CLIENTS_H_
#define QUORATE_NODE_CLIENTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "env/env.h"
#include "node/config.h"
#include "node/metrics.h"

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
  std::string& out() { return out_; }
  void WantFlush();
  // Resume() at the end of this turn.
  void WantResume();
  // True while so much output waits that no further request should be taken; Resume() is called when that is over.
  bool output_congested() const;
  void PauseReads();
  void ResumeReads();
  // Takes nothing more, answers what is due, then closes.
  void CloseAfterFlush();
  // The stream is gone, or will be as soon as what is due has been answered.
  bool closing() const { return closing_ || connection_ == nullptr; }

  uint64_t id() const { return id_; }
  const std::string& peer_address() const { return peer_address_; }
  MonoTime created() const { return created_; }
  MonoTime last_input() const { return last_input_; }
  size_t unsent_bytes() const;
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
  // Closes if it stalled or idled too long.
  void Sweep(MonoTime now);

  Clients& clients_;
  const uint64_t id_;
  std::unique_ptr<env::Connection> connection_;
  std::unique_ptr<Protocol> protocol_;
  const std::string peer_address_;
  const MonoTime created_;
  std::string out_;
  bool flush_wanted_ = false;
  bool resume_wanted_ = false;
  bool closing_ = false;   // CloseAfterFlush was called.
  bool ended_ = false;     // The client half-closed.
  bool end_sent_ = false;  // So did this side, and nothing is written any more.
  bool end_left_ = false;  // What it had to send is out.
  bool reads_paused_ = false;
  MonoTime last_input_;
  // When the peer last took output, and how much was left then.
  MonoTime last_progress_;
  size_t progress_bytes_ = 0;
  env::Pending linger_;
};

class Clients {
 public:
  using MakeProtocol = absl::AnyInvocable<std::unique_ptr<Protocol>(Client&)>;

  Clients(env::Env& env, const Config& config, Metrics& metrics);
  ~Clients();
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  // Takes a connection just accepted. Over the limit it gets `refusal` and is closed.
  void Accept(std::unique_ptr<env::Connection> connection, MakeProtocol& make,
              std::string_view refusal);

  // Connections with a stream, ascending by id.
  std::vector<Client*> All() const;
  size_t count() const { return open_; }
  Client* Find(uint64_t id) const;
  // Ends the stream of `client` as CloseAfterFlush does.
  void Kill(Client& client);
  // True if no connection has an answer due.
  bool idle() const;
  // Takes no further request from anybody.
  void StopReading();

 private:
  friend class Client;

  void Schedule(Client& client);
  void RunTurnEnd();
  void ArmSweep();

  env::Env& env_;
  const Config& config_;
  Metrics& metrics_;
  absl::btree_map<uint64_t, std::unique_ptr<Client>> clients_;
  uint64_t next_id_ = 1;
  size_t open_ = 0;
  bool stopped_ = false;
  // Clients with something to do at the end of the turn, by id, in order of request.
  std::vector<uint64_t> scheduled_;
  bool turn_end_deferred_ = false;
  env::Pending turn_end_;
  env::Pending sweep_;
  bool sweep_armed_ = false;
};

}  // namespace quorate::node

#endif  // QUORATE_NODE_CLIENTS_H_
