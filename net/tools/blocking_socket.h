// net/tools/blocking_socket.h: one TCP connection of a command-line program.
// Every call blocks, at most for a time limit.
#ifndef QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_
#define QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_

#include <string>
#include <string_view>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/disk/posix_file.h"

namespace quorate::net {

// After kUnavailable or kDeadlineExceeded the connection cannot be used again.
class BlockingSocket {
 public:
  // kUnavailable if no server listens at "host:port"; kDeadlineExceeded if it
  // does not accept in time.
  static absl::StatusOr<BlockingSocket> Connect(const std::string& address,
                                                Duration timeout);

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

  OwnedFd fd_;
  std::string address_;
  bool ended_ = false;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_BLOCKING_SOCKET_H_
