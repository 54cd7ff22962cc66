#include "net/tools/blocking_socket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <system_error>

#include "env/host_port.h"

namespace quorate::net {
namespace {

absl::Status SocketError(const std::string& what, int error) {
  const std::string message =
      what + ": " + std::generic_category().message(error);
  if (error == EAGAIN || error == ETIMEDOUT) {
    return absl::DeadlineExceededError(what + ": no answer in time");
  }
  return absl::UnavailableError(message);
}

void SetTimeout(int fd, Duration timeout) {
  const timeval limit = {.tv_sec = timeout.ms() / 1000,
                         .tv_usec = timeout.us() % 1'000'000};
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

}  // namespace

absl::StatusOr<BlockingSocket> BlockingSocket::Connect(
    const std::string& address, Duration timeout) {
  const absl::StatusOr<HostPort> to = ParseHostPort(address);
  if (!to.ok()) return to.status();
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int resolved = getaddrinfo(
      to->host.c_str(), std::to_string(to->port).c_str(), &hints, &found);
  if (resolved != 0) {
    return absl::UnavailableError("connecting to " + address + ": " +
                                  gai_strerror(resolved));
  }
  absl::Status last = absl::UnavailableError("connecting to " + address);
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    OwnedFd fd(socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.get() < 0) {
      last = SocketError("connecting to " + address, errno);
      continue;
    }
    SetTimeout(fd.get(), timeout);
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) {
      last = SocketError("connecting to " + address,
                         errno == EINPROGRESS ? ETIMEDOUT : errno);
      continue;
    }
    const int on = 1;
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    return BlockingSocket(std::move(fd), address);
  }
  freeaddrinfo(found);
  return last;
}

absl::Status BlockingSocket::SendAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return SocketError("sending to " + address_, errno);
    }
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status BlockingSocket::Receive(std::string* bytes) {
  char chunk[16 << 10];
  while (true) {
    const ssize_t n = recv(fd_.get(), chunk, sizeof(chunk), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return SocketError("reading from " + address_, errno);
    if (n == 0) {
      ended_ = true;
      return absl::UnavailableError("reading from " + address_ +
                                    ": the connection was closed");
    }
    bytes->append(chunk, n);
    return absl::OkStatus();
  }
}

}  // namespace quorate::net
