#include "net/tools/resp_client.h"

#include <utility>

namespace quorate::net {
namespace {

constexpr std::string_view kHttpReply = "HTTP/";

}  // namespace

absl::StatusOr<std::unique_ptr<RespClient>> RespClient::Connect(
    const std::string& address, const LinkOptions& options) {
  absl::StatusOr<BlockingSocket> socket =
      BlockingSocket::Connect(address, options);
  if (!socket.ok()) return socket.status();
  return std::unique_ptr<RespClient>(new RespClient(*std::move(socket)));
}

absl::StatusOr<kv::RespValue> RespClient::Call(
    const std::vector<std::string_view>& command) {
  std::string request;
  kv::AppendRespCommand(command, &request);
  const absl::Status sent = socket_.SendAll(request);
  if (!sent.ok()) return sent;
  // The first bytes of the reply, which show a server of another protocol.
  std::string head;
  while (true) {
    kv::RespValue reply;
    using Progress = kv::RespReplyParser::Progress;
    const Progress progress = parser_.Next(&reply);
    if (progress == Progress::kValue) return reply;
    if (progress == Progress::kError) {
      return absl::DataLossError(head == kHttpReply
                                     ? socket_.address() +
                                           " answers in HTTP, not in RESP"
                                     : std::string("the reply is not RESP"));
    }
    std::string bytes;
    const absl::Status received = socket_.Receive(&bytes);
    if (!received.ok()) return received;
    head += bytes.substr(0, kHttpReply.size() - head.size());
    parser_.Append(bytes);
  }
}

absl::StatusOr<std::string> RespClient::Exchange(std::string_view bytes,
                                                 size_t size) {
  const absl::Status sent = socket_.SendAll(bytes);
  if (!sent.ok()) return sent;
  std::string answer;
  while (answer.size() < size) {
    const absl::Status received = socket_.Receive(&answer);
    if (!received.ok()) return received;
  }
  answer.resize(size);
  return answer;
}

}  // namespace quorate::net
