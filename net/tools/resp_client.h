// net/tools/resp_client.h: a small blocking RESP client for command-line
// programs and tests. Every call has a time limit.
//
// Replies are parsed by kv/client/resp_reply.h, whose limits hold here: 64 MiB
// for a string, 1,048,576 elements for an array. A value of the store has at
// most 448 KiB, so the replies that these programs ask for are far below.
#ifndef QUORATE_NET_TOOLS_RESP_CLIENT_H_
#define QUORATE_NET_TOOLS_RESP_CLIENT_H_

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/time.h"
#include "kv/client/resp_reply.h"
#include "net/tools/blocking_socket.h"

namespace quorate::net {

class RespClient {
 public:
  // kUnavailable if no server listens at "host:port"; kDeadlineExceeded if it
  // does not accept in time.
  static absl::StatusOr<std::unique_ptr<RespClient>> Connect(
      const std::string& address, const LinkOptions& options);

  // Sends one command and reads its reply, error replies included. A failure of
  // the connection itself is kUnavailable, kDeadlineExceeded, or kDataLoss for
  // bytes that are not RESP. The outcome of the command is unknown then, and
  // the client cannot be used again.
  absl::StatusOr<kv::RespValue> Call(
      const std::vector<std::string_view>& command);

  // Sends `bytes` as they are and reads `size` bytes, for a server of another
  // protocol. The client cannot be used again.
  absl::StatusOr<std::string> Exchange(std::string_view bytes, size_t size);

 private:
  explicit RespClient(BlockingSocket socket) : socket_(std::move(socket)) {}

  BlockingSocket socket_;
  kv::RespReplyParser parser_;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_RESP_CLIENT_H_
