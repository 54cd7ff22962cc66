// net/tools/blocking_socket.h: one TCP connection of a command-line program,
// with TLS or without. Every call blocks, at most for a time limit.
#ifndef QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_
#define QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/disk/posix_file.h"
#include "net/tls/tls_context.h"
#include "net/tls/tls_session.h"

namespace quorate::net {

// How a program connects.
struct LinkOptions {
  // Most programs have only a time limit.
  LinkOptions(Duration t) : timeout(t) {}
  LinkOptions(Duration t, std::shared_ptr<const TlsContext> context)
      : timeout(t), tls(std::move(context)) {}

  Duration timeout;
  std::shared_ptr<const TlsContext> tls;  // Null: no TLS.
};

// After kUnavailable or kDeadlineExceeded the connection cannot be used again.
class BlockingSocket {
 public:
  // kUnavailable if no server listens at "host:port"; kDeadlineExceeded if it
  // does not accept in time. With TLS the server must show a certificate of a
  // server that the authorities signed; its names are not compared.
  static absl::StatusOr<BlockingSocket> Connect(const std::string& address,
                                                const LinkOptions& options);

  const std::string& address() const { return address_; }
  absl::Status SendAll(std::string_view bytes);
  // Appends the bytes that arrive next. kUnavailable, too, if the server has
  // closed the connection: ended() is true then.
  absl::Status Receive(std::string* bytes);
  // The server has sent its last byte in good order.
  bool ended() const { return ended_; }

 private:
  BlockingSocket(OwnedFd fd, std::string address)
      : fd_(std::move(fd)), address_(std::move(address)) {}

  absl::Status SendSealed(std::string_view bytes);
  // Receives once. Appends the bytes that were encrypted, if there is TLS.
  absl::Status ReceiveOnce(std::string* bytes);
  absl::Status Handshake();

  OwnedFd fd_;
  std::string address_;
  std::unique_ptr<TlsSession> tls_;  // Null: no TLS.
  bool ended_ = false;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_
