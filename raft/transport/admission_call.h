// raft/transport/admission_call.h: asks one node to admit a store that is in no
// cluster, over a connection of its own.
//
// The store sends a Hello of cluster zero, and its request as one frame. The
// node accepts the Hello without saying who it is, sends its answer as one
// frame, and ends the connection. Both are opaque here. Format:
// docs/reference/formats/transport.md. Used only by the transport.
#ifndef QUORATE_RAFT_TRANSPORT_ADMISSION_CALL_H_
#define QUORATE_RAFT_TRANSPORT_ADMISSION_CALL_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/buffer.h"
#include "env/byte_streams.h"
#include "env/loop.h"
#include "env/transport.h"

namespace quorate::raft {

class AdmissionCall final : env::Connection::Observer {
 public:
  // Begins the call. In a later turn `done` is called, once. It may destroy the
  // call. kUnavailable: no whole answer came within `limit`.
  // kFailedPrecondition: the node refuses the handshake.
  AdmissionCall(env::Loop& loop, env::Streams& streams,
                const env::TransportIdentity& self, const std::string& address,
                Buffer request, Duration limit,
                env::Transport::AdmissionAnswered done);

 private:
  void OnConnected(absl::StatusOr<std::unique_ptr<env::Connection>> connection);
  void OnBytes(std::string_view bytes) override;
  void OnEnd() override { Fail("it closed the connection"); }
  void OnClosed(absl::Status reason) override {
    Fail(std::string(reason.message()));
  }
  void OnDrained() override {}
  // Reads the reply to the Hello. True: it is there, and the node accepts.
  bool AcceptsHello();
  void Fail(const std::string& why);
  void Finish(absl::StatusOr<Buffer> result);

  const env::TransportIdentity self_;
  const std::string address_;
  const Buffer request_;
  env::Transport::AdmissionAnswered done_;
  std::unique_ptr<env::Connection> connection_;
  env::Pending dialling_;
  env::Pending timer_;
  std::string received_;
};

}  // namespace quorate::raft

#endif  // QUORATE_RAFT_TRANSPORT_ADMISSION_CALL_H_
