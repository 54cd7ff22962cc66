#include "net/tools/resp_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <charconv>
#include <system_error>
#include <utility>

#include "net/streams/address.h"

namespace quorate::net {
namespace {

constexpr int kDepthMax = 16;
constexpr size_t kLineBytesMax = 128 << 10;
constexpr int64_t kItemsMax = 1 << 20;
constexpr int64_t kBulkBytesMax = 512 << 20;

absl::Status Failed(const std::string& what, int error) {
  const std::string message =
      what + ": " + std::generic_category().message(error);
  if (error == EAGAIN || error == ETIMEDOUT) {
    return absl::DeadlineExceededError(what + ": no answer in time");
  }
  return absl::UnavailableError(message);
}

absl::StatusOr<int64_t> ParseInteger(std::string_view text) {
  int64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::DataLossError("the reply is not RESP");
  }
  return value;
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

absl::StatusOr<RespValue> RespClient::Call(
    const std::vector<std::string_view>& command) {
  std::string request = "*" + std::to_string(command.size()) + "\r\n";
  for (const std::string_view word : command) {
    request += "$" + std::to_string(word.size()) + "\r\n";
    request += word;
    request += "\r\n";
  }
  const absl::Status sent = SendAll(request);
  if (!sent.ok()) return sent;
  return ReadValue(0);
}

absl::StatusOr<std::string> RespClient::Exchange(std::string_view bytes,
                                                 size_t size) {
  const absl::Status sent = SendAll(bytes);
  if (!sent.ok()) return sent;
  return ReadBytes(size);
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

absl::Status RespClient::Fill() {
  // Moves at most as many bytes as were read since the last move.
  if (begin_ >= buffer_.size() - begin_) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  char bytes[16 << 10];
  while (true) {
    const ssize_t n = recv(fd_.get(), bytes, sizeof(bytes), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Failed("reading from " + address_, errno);
    if (n == 0) {
      return absl::UnavailableError("reading from " + address_ +
                                    ": the connection was closed");
    }
    buffer_.append(bytes, n);
    return absl::OkStatus();
  }
}

absl::StatusOr<std::string> RespClient::ReadLine() {
  // Number of bytes after begin_ that contain no line end.
  size_t searched = 0;
  while (true) {
    const size_t end = buffer_.find("\r\n", begin_ + searched);
    if (end != std::string::npos) {
      std::string line = buffer_.substr(begin_, end - begin_);
      begin_ = end + 2;
      return line;
    }
    searched = buffer_.size() - begin_;
    if (searched > kLineBytesMax) {
      return absl::DataLossError("the reply is not RESP");
    }
    if (searched > 0) --searched;  // The last byte may be the CR of a line end.
    const absl::Status filled = Fill();
    if (!filled.ok()) return filled;
  }
}

absl::StatusOr<std::string> RespClient::ReadBytes(size_t size) {
  while (buffer_.size() - begin_ < size) {
    const absl::Status filled = Fill();
    if (!filled.ok()) return filled;
  }
  std::string bytes = buffer_.substr(begin_, size);
  begin_ += size;
  return bytes;
}

absl::StatusOr<RespValue> RespClient::ReadValue(int depth) {
  absl::StatusOr<std::string> line = ReadLine();
  if (!line.ok()) return line.status();
  if (line->empty() || depth > kDepthMax) {
    return absl::DataLossError("the reply is not RESP");
  }
  using Kind = RespValue::Kind;
  if (line->starts_with("HTTP/")) {
    return absl::DataLossError(address_ + " answers in HTTP, not in RESP");
  }
  const char type = line->front();
  const std::string rest = line->substr(1);
  if (type == '+') return RespValue{.kind = Kind::kSimple, .text = rest};
  if (type == '-') return RespValue{.kind = Kind::kError, .text = rest};
  const absl::StatusOr<int64_t> number = ParseInteger(rest);
  if (!number.ok()) return number.status();
  if (type == ':') return RespValue{.kind = Kind::kInteger, .integer = *number};
  if ((type == '$' || type == '*') && *number == -1) return RespValue();
  if (type == '$' && *number >= 0 && *number <= kBulkBytesMax) {
    absl::StatusOr<std::string> bytes = ReadBytes(*number + 2);
    if (!bytes.ok()) return bytes.status();
    bytes->resize(*number);
    return RespValue{.kind = Kind::kBulk, .text = *std::move(bytes)};
  }
  if (type == '*' && *number >= 0 && *number <= kItemsMax) {
    RespValue array{.kind = Kind::kArray};
    for (int64_t i = 0; i < *number; ++i) {
      absl::StatusOr<RespValue> item = ReadValue(depth + 1);
      if (!item.ok()) return item.status();
      array.items.push_back(*std::move(item));
    }
    return array;
  }
  return absl::DataLossError("the reply is not RESP");
}

}  // namespace quorate::net
