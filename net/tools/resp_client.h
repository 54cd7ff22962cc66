// net/tools/resp_client.h: a small blocking RESP2 client for command-line
// programs and tests. Every call has a time limit.
#ifndef QUORATE_NET_TOOLS_RESP_CLIENT_H_
#define QUORATE_NET_TOOLS_RESP_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "env/time.h"
#include "net/disk/posix_file.h"

namespace quorate::net {

struct RespValue {
  enum class Kind { kSimple, kError, kInteger, kBulk, kNull, kArray };
  Kind kind = Kind::kNull;
  // The text of a simple string, an error or a bulk string.
  std::string text;
  int64_t integer = 0;
  std::vector<RespValue> items;

  bool is(Kind k) const { return kind == k; }
  bool error() const { return kind == Kind::kError; }
};

class RespClient {
 public:
  // Connects to "host:port". kUnavailable: no server listens there;
  // kDeadlineExceeded.
  static absl::StatusOr<std::unique_ptr<RespClient>> Connect(
      const std::string& address, Duration timeout);

  // Sends one command and returns its reply, also an error reply. If the
  // connection fails (kUnavailable, kDeadlineExceeded, kDataLoss for invalid
  // bytes), the command may or may not have taken effect, and the client cannot
  // be used again.
  absl::StatusOr<RespValue> Call(const std::vector<std::string_view>& command);

  // Sends `bytes` unchanged and reads `size` bytes, for a server of another
  // protocol. The client cannot be used again.
  absl::StatusOr<std::string> Exchange(std::string_view bytes, size_t size);

 private:
  RespClient(OwnedFd fd, std::string address, Duration timeout)
      : fd_(std::move(fd)), address_(std::move(address)), timeout_(timeout) {}

  absl::Status SendAll(std::string_view bytes);
  absl::Status Fill();
  absl::StatusOr<std::string> ReadLine();
  absl::StatusOr<std::string> ReadBytes(size_t size);
  absl::StatusOr<RespValue> ReadValue(int depth);

  OwnedFd fd_;
  const std::string address_;
  const Duration timeout_;
  std::string buffer_;
  size_t begin_ = 0;
};

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_RESP_CLIENT_H_
