#include "net/tools/http_request.h"

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "net/tools/blocking_socket.h"

namespace quorate::net {
namespace {

constexpr size_t kAnswerBytesMax = 64 << 20;

constexpr std::string_view kProtocol = "HTTP/1.";

// True if the connection ended within an answer: its headers have the length.
bool IsCutOff(std::string_view bytes) {
  if (!bytes.starts_with(kProtocol.substr(0, bytes.size()))) return false;
  constexpr std::string_view kLength = "\r\nContent-Length: ";
  const size_t end = bytes.find("\r\n\r\n");
  if (end == bytes.npos) return true;
  const size_t at = bytes.substr(0, end).find(kLength);
  if (at == bytes.npos) return false;
  const size_t from = at + kLength.size();
  size_t length = 0;
  return absl::SimpleAtoi(
             std::string(bytes.substr(from, bytes.find('\r', from) - from)),
             &length) &&
         bytes.size() - end - 4 < length;
}

// The server closes the connection behind its answer, which shows its end.
absl::StatusOr<AdminAnswer> Parse(const std::string& address,
                                  std::string_view bytes) {
  const size_t end = bytes.find("\r\n\r\n");
  AdminAnswer answer;
  if (!bytes.starts_with(kProtocol) || end == bytes.npos ||
      !absl::SimpleAtoi(std::string(bytes.substr(9, 3)), &answer.status)) {
    return absl::DataLossError(address + " does not answer in HTTP");
  }
  answer.body = bytes.substr(end + 4);
  return answer;
}

}  // namespace

absl::StatusOr<AdminAnswer> SendHttp(const std::string& address,
                                     std::string_view method,
                                     std::string_view target,
                                     std::string_view body,
                                     const LinkOptions& options,
                                     std::string_view headers) {
  absl::StatusOr<BlockingSocket> socket =
      BlockingSocket::Connect(address, options);
  if (!socket.ok()) return socket.status();
  std::string answer;
  absl::Status status = socket->SendAll(absl::StrCat(
      std::string(method), " ", std::string(target), " HTTP/1.1\r\nHost: ",
      address, "\r\nConnection: close\r\nContent-Type: application/json\r\n",
      std::string(headers), "Content-Length: ", body.size(), "\r\n\r\n",
      std::string(body)));
  while (status.ok() && answer.size() < kAnswerBytesMax) {
    status = socket->Receive(&answer);
  }
  if (socket->ended() && !answer.empty() && !IsCutOff(answer)) {
    return Parse(address, answer);
  }
  return absl::UnknownError(
      absl::StrCat(status.ok() ? address + ": the answer is too long"
                               : std::string(status.message()),
                   "; the request may have taken effect, or may do so later"));
}

}  // namespace quorate::net
