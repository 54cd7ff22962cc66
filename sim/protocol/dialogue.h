// sim/protocol/dialogue.h: a simulated client that speaks with one server at a
// time: it connects, sends requests, reads replies, closes, and begins again.
//
// A client derives from this class. It overrides the functions for its steps:
//
//   class Asker final : Dialogue {
//    public:
//     explicit Asker(env::Env& env) : Dialogue(env) { BeginAfter(Seconds(1)); }
//
//    private:
//     void OnBegin() override {
//       SetTimeout(Seconds(5));
//       Open("n1:7001", Protocol::kResp, EncodeCommand({"PING"}));
//     }
//     void OnReply(ClientReply) override { BeginAfter(Seconds(1)); }
//     void OnOver(const absl::Status&) override { BeginAfter(Seconds(1)); }
//   };
#ifndef QUORATE_SIM_PROTOCOL_DIALOGUE_H_
#define QUORATE_SIM_PROTOCOL_DIALOGUE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "env/env.h"
#include "sim/protocol/http.h"
#include "sim/protocol/reply.h"

namespace quorate::sim {

// There is one connection at most, and one timer: either the wait for OnBegin
// or the timeout. Each function that a client overrides may call Open, Close
// and BeginAfter.
class Dialogue : env::Connection::Observer {
 public:
  Dialogue(const Dialogue&) = delete;
  Dialogue& operator=(const Dialogue&) = delete;

 protected:
  // How the bytes of the server are read. kNone: not at all.
  enum class Protocol : uint8_t { kNone, kResp, kHttp };

  explicit Dialogue(env::Env& env) : env_(env) {}
  ~Dialogue() = default;

  // Closes the connection, and calls OnBegin after `wait`, unless Stop was
  // called.
  void BeginAfter(Duration wait);
  // Closes the connection and opens another one, which sends `request` before
  // OnOpen. The timeout stays.
  void Open(const std::string& server, Protocol protocol,
            std::string request = "");
  void Send(std::string bytes) {
    connection_->Write(Buffer::Take(std::move(bytes)));
  }
  // Ends connecting or the connection, and the timer.
  void Close();
  // Calls OnOver with kDeadlineExceeded after `wait`. Replaces the last
  // timeout.
  void SetTimeout(Duration wait);
  void CancelTimeout() { timer_.Cancel(); }
  // Calls OnOver in a turn of its own. OnBegin is not called any more.
  void Stop();
  bool stopped() const { return stopped_; }
  // Calls OnOver with kInvalidArgument: the server sent a reply to no request.
  void Refuse();
  // Null: none is open.
  env::Connection* connection() { return connection_.get(); }
  const env::Connection* connection() const { return connection_.get(); }
  // Whether a part of a RESP reply was received.
  bool in_reply() const { return replies_.in_reply(); }

  virtual void OnBegin() {}
  // The connection is open.
  virtual void OnOpen() {}
  // A reply of Protocol::kResp or of kHttp.
  virtual void OnReply(ClientReply) {}
  virtual void OnAnswer(const HttpAnswer&) {}
  // The server refused or closed the connection, or the timeout passed.
  // kInvalidArgument: the server sent bytes that are no reply. An override
  // calls Close, Open or BeginAfter.
  virtual void OnOver(const absl::Status&) { Close(); }

  // env::Connection::Observer. A client that reads the bytes itself overrides
  // OnBytes.
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override {
    OnOver(absl::UnavailableError("the server closed the connection"));
  }

 private:
  void OnClosed(absl::Status reason) final { OnOver(reason); }
  void OnDrained() final {}

  env::Env& env_;
  bool stopped_ = false;
  Protocol protocol_ = Protocol::kNone;
  ReplyParser replies_;
  HttpAnswerParser answers_;
  env::Pending timer_;
  env::Pending connecting_;
  std::unique_ptr<env::Connection> connection_;
};

}  // namespace quorate::sim

#endif  // QUORATE_SIM_PROTOCOL_DIALOGUE_H_
