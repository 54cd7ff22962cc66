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
    const std::string& address, const LinkOptions& options) {
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
    SetTimeout(fd.get(), options.timeout);
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) {
      last = SocketError("connecting to " + address,
                         errno == EINPROGRESS ? ETIMEDOUT : errno);
      continue;
    }
    const int on = 1;
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    BlockingSocket made(std::move(fd), address);
    if (options.tls == nullptr) return made;
    made.tls_ = std::make_unique<TlsSession>(options.tls, TlsRole::kClient);
    if (absl::Status status = made.Handshake(); !status.ok()) return status;
    return made;
  }
  freeaddrinfo(found);
  return last;
}

absl::Status BlockingSocket::SendAll(std::string_view bytes) {
  if (tls_ == nullptr) return SendSealed(bytes);
  std::string sealed;
  if (absl::Status status = tls_->Seal(bytes, &sealed); !status.ok()) {
    return status;
  }
  return SendSealed(sealed);
}

absl::Status BlockingSocket::SendSealed(std::string_view bytes) {
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

absl::Status BlockingSocket::Handshake() {
  char none[TlsSession::kRecordBytes + TlsSession::kRecordOverhead];
  std::string hello;
  (void)tls_->Open("", none, &hello);
  absl::Status status = SendSealed(hello);
  std::string plain;
  while (status.ok() && tls_->handshaking()) status = ReceiveOnce(&plain);
  // A server sends nothing before it is asked.
  if (!status.ok() || plain.empty()) return status;
  return absl::DataLossError(address_ + " sends bytes without a request");
}

absl::Status BlockingSocket::Receive(std::string* bytes) {
  const size_t before = bytes->size();
  absl::Status status;
  // A record may be incomplete, or have no bytes.
  do {
    status = ReceiveOnce(bytes);
  } while (status.ok() && bytes->size() == before);
  return status;
}

absl::Status BlockingSocket::ReceiveOnce(std::string* bytes) {
  char chunk[16 << 10];
  ssize_t n = 0;
  do {
    n = recv(fd_.get(), chunk, sizeof(chunk), 0);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return SocketError("reading from " + address_, errno);
  const absl::Status closed = absl::UnavailableError(
      "reading from " + address_ + ": the connection was closed");
  if (tls_ == nullptr && n > 0) {
    bytes->append(chunk, n);
    return absl::OkStatus();
  }
  if (n == 0) {
    // With TLS a third party may have cut the connection.
    ended_ = tls_ == nullptr;
    return closed;
  }
  char plain[sizeof(chunk) + TlsSession::kRecordBytes +
             TlsSession::kRecordOverhead];
  std::string out;
  const TlsSession::Opened opened =
      tls_->Open({chunk, static_cast<size_t>(n)}, plain, &out);
  bytes->append(plain, opened.plain_bytes);
  const absl::Status sent = SendSealed(out);
  if (!opened.status.ok()) {
    return absl::UnavailableError("TLS with " + address_ + ": " +
                                  std::string(opened.status.message()));
  }
  if (opened.ended) {
    ended_ = true;
    return closed;
  }
  return sent;
}

}  // namespace quorate::net
