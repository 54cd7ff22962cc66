// net/tools/http_request.h: one HTTP request of a command-line program, on a
// connection of its own.
#ifndef QUORATE_NET_TOOLS_HTTP_REQUEST_H_
#define QUORATE_NET_TOOLS_HTTP_REQUEST_H_

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "net/tools/blocking_socket.h"

namespace quorate::net {

struct AdminAnswer {
  int status = 0;
  std::string body;
};

// Sends a request with a JSON body to "host:port", and reads the whole answer,
// of at most 64 MiB. `headers`: further ones, each with "\r\n" at its end.
// Errors:
//   kUnavailable: no server listens there, so the request had no effect;
//   kUnknown: the connection failed later;
//   kDataLoss: the answer is not HTTP.
absl::StatusOr<AdminAnswer> SendHttp(const std::string& address,
                                     std::string_view method,
                                     std::string_view target,
                                     std::string_view body,
                                     const LinkOptions& options,
                                     std::string_view headers = "");

}  // namespace quorate::net

#endif  // QUORATE_NET_TOOLS_HTTP_REQUEST_H_
