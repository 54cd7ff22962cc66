// raft/transport/hello_call.h: one Hello and its reply, over a connection of
// its own that becomes no lane.
//
// A store that is in no cluster sends a Hello of cluster zero with its request
// for admission behind it. The node accepts the Hello without saying who it is,
// sends its answer as one frame, and ends the connection. Both are opaque here.
// A call without a request ends with the reply (env::Transport::Probe). Format:
// docs/reference/formats/transport.md. Used only by the transport.
#ifndef QUORATE_RAFT_TRANSPORT_HELLO_CALL_H_
#define QUORATE_RAFT_TRANSPORT_HELLO_CALL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "env/transport.h"
#include "raft/transport/handshake.h"

namespace quorate::raft {

class HelloCall final : env::Connection::Observer {
 public:
  struct Answer {
    HelloReply reply;
    Buffer frame;  // Empty if there was no request, or the reply refuses.
  };
  using Done = absl::AnyInvocable<void(absl::StatusOr<Answer>)>;

  // Begins the call. In a later turn `done` is called, once. It may destroy the
  // call. kUnavailable: no whole answer came within `limit`.
  HelloCall(env::Loop& loop, env::Streams& streams, const Hello& hello,
            const std::string& address, Buffer request, Duration limit,
            Done done);

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<env::Connection>> connection);
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override { Fail("it closed the connection"); }
  void OnClosed(absl::Status reason) override {
    Fail(std::string(reason.message()));
  }
  void OnDrained() override {}
  // Reads the reply to the Hello. True: it is there, and the call goes on.
  bool ReadReply();
  void Fail(const std::string& why);
  void Finish(absl::StatusOr<Answer> result);

  const Hello hello_;
  const std::string address_;
  const Buffer request_;
  Done done_;
  std::unique_ptr<env::Connection> connection_;
  env::Pending dialling_;
  env::Pending timer_;
  std::string received_;
  Answer answer_;
  size_t reply_bytes_ = 0;  // Zero until the reply was read.
};

// The result of env::Transport::AskForAdmission, and that of Probe.
absl::StatusOr<Buffer> AdmissionIn(const Hello& hello,
                                   const std::string& address,
                                   absl::StatusOr<HelloCall::Answer> answer);
absl::Status MayRun(const Hello& hello, const std::string& address,
                    const absl::StatusOr<HelloCall::Answer>& answer);

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_HELLO_CALL_H_
