#include "net/tools/resp_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <system_error>
#include <utility>

#include "env/host_port.h"

namespace quorate::net {
namespace {

constexpr std::string_view kHttpReply = "HTTP/";

absl::Status Failed(const std::string& what, int error) {
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

absl::StatusOr<std::unique_ptr<RespClient>> RespClient::Connect(
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
      last = Failed("connecting to " + address, errno);
      continue;
    }
    SetTimeout(fd.get(), timeout);
    if (connect(fd.get(), at->ai_addr, at->ai_addrlen) != 0) {
      last = Failed("connecting to " + address,
                    errno == EINPROGRESS ? ETIMEDOUT : errno);
      continue;
    }
    const int on = 1;
    (void)setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    freeaddrinfo(found);
    return std::unique_ptr<RespClient>(
        new RespClient(std::move(fd), address, timeout));
  }
  freeaddrinfo(found);
  return last;
}

absl::StatusOr<kv::RespValue> RespClient::Call(
    const std::vector<std::string_view>& command) {
  std::string request;
  kv::AppendRespCommand(command, &request);
  const absl::Status sent = SendAll(request);
  if (!sent.ok()) return sent;
  // The first bytes of the reply, which show a server of another protocol.
  std::string head;
  while (true) {
    kv::RespValue reply;
    using Progress = kv::RespReplyParser::Progress;
    const Progress progress = parser_.Next(&reply);
    if (progress == Progress::kValue) return reply;
    if (progress == Progress::kError) {
      return absl::DataLossError(
          head == kHttpReply ? address_ + " answers in HTTP, not in RESP"
                             : std::string("the reply is not RESP"));
    }
    std::string bytes;
    const absl::Status received = Receive(&bytes);
    if (!received.ok()) return received;
    head += bytes.substr(0, kHttpReply.size() - head.size());
    parser_.Append(bytes);
  }
}

absl::StatusOr<std::string> RespClient::Exchange(std::string_view bytes,
                                                 size_t size) {
  const absl::Status sent = SendAll(bytes);
  if (!sent.ok()) return sent;
  std::string answer;
  while (answer.size() < size) {
    const absl::Status received = Receive(&answer);
    if (!received.ok()) return received;
  }
  answer.resize(size);
  return answer;
}

absl::Status RespClient::SendAll(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      return Failed("sending to " + address_, errno);
    }
    bytes.remove_prefix(n);
  }
  return absl::OkStatus();
}

absl::Status RespClient::Receive(std::string* bytes) {
  char chunk[16 << 10];
  while (true) {
    const ssize_t n = recv(fd_.get(), chunk, sizeof(chunk), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("reading from " + address_, errno);
    if (n == 0) {
      return absl::UnavailableError("reading from " + address_ +
                                    ": the connection was closed");
    }
    bytes->append(chunk, n);
    return absl::OkStatus();
  }
}

}  // namespace quorate::net
